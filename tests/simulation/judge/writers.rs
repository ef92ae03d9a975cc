//! Two processes never interleave writes on one environment beyond the one call in flight at takeover.

use std::time::Duration;

use switchback::journal::Body;

use super::super::trace::{Line, What};
use super::Invariant;
use super::scene::{By, Call, Scene, Written};

/// When which process made which call, and what it asked for.
type Made = (Duration, u64, String, Vec<u8>);

/// Who has changed an environment, and who has held its lease.
#[derive(Default)]
pub(super) struct Writers {
    /// Per environment: the calls, in order.
    calls: Vec<Vec<Made>>,
    /// Per environment: when which process got the lease, and when it lost it or gave it back.
    held: Vec<Vec<(u64, Duration, Option<Duration>)>>,
}

impl Writers {
    fn fit(&mut self, scene: &Scene) {
        self.calls.resize_with(scene.sites.len(), Vec::new);
        self.held.resize_with(scene.sites.len(), Vec::new);
    }
}

impl Invariant for Writers {
    fn name(&self) -> &'static str {
        "one writer at a time"
    }

    fn entry(&mut self, scene: &Scene, written: &Written) -> Result<(), String> {
        self.fit(scene);
        let held = &mut self.held[written.site];
        let name = &scene.sites[written.site].name;
        match &written.entry.body {
            Body::LeaseAcquired { .. } if matches!(held.last(), Some((_, _, None))) => {
                Err(format!("runner {} acquires the lease of {name}, which is not free: {:?}", written.by, held.last()))
            }
            Body::LeaseAcquired { .. } | Body::LeaseTaken { .. } => {
                if let Some((_, _, until @ None)) = held.last_mut() {
                    *until = Some(written.at);
                }
                held.push((written.by, written.at, None));
                Ok(())
            }
            Body::LeaseReleased => {
                if let Some((_, _, until)) = held.last_mut() {
                    *until = Some(written.at);
                }
                Ok(())
            }
            _ => match held.last() {
                Some((holder, _, None)) if *holder == written.by => Ok(()),
                last => Err(format!(
                    "runner {} writes entry {} of {name} without the lease: {last:?}",
                    written.by, written.entry.seq
                )),
            },
        }
    }

    fn line(&mut self, scene: &Scene, line: &Line) -> Result<(), String> {
        let (Some(number), What::Ended { .. }) = (line.runner, &line.what) else { return Ok(()) };
        let kept = scene.sites.iter().find(|site| site.journal.holder.is_some_and(|(holder, _, _)| holder == number));
        // Only where the store has answered is it the process's own fault.
        match kept.filter(|_| !scene.storms(Duration::from_secs(60)) && !scene.is_troubled(number)) {
            Some(site) => Err(format!("runner {number} ends and keeps the lease of {}", site.name)),
            None => Ok(()),
        }
    }

    fn call(&mut self, scene: &Scene, call: &Call<'_>) -> Result<(), String> {
        let (By::Runner(number), Some(at)) = (call.by, call.site) else { return Ok(()) };
        self.fit(scene);
        let (now, name) = (scene.now(), &scene.sites[at].name);
        let (operation, asked) = (call.called.operation, call.called.body);
        let verdict = match self.held[at].iter().rev().find(|(holder, _, _)| *holder == number) {
            None => Err(format!("runner {number} changes {name} ({operation}) and never had the lease")),
            Some((_, _, None)) => Ok(()),
            Some((_, _, Some(lost))) => {
                let since = self.calls[at].iter().filter(|(when, ..)| when >= lost);
                let (own, others): (Vec<_>, Vec<_>) = since.partition(|(_, who, ..)| *who == number);
                if let Some((when, who, what, _)) = others.first() {
                    Err(format!(
                        "runner {number} lost the lease of {name} at {:.3} s, runner {who} made its {what} at {:.3} s, \
                         and now a {operation} of runner {number} lands",
                        lost.as_secs_f64(),
                        when.as_secs_f64()
                    ))
                } else if own.iter().any(|(.., what)| what != asked) {
                    Err(format!(
                        "runner {number} lost the lease of {name} at {:.3} s, and its {operation} is not the first \
                         call of it since",
                        lost.as_secs_f64()
                    ))
                } else {
                    Ok(())
                }
            }
        };
        self.calls[at].push((now, number, operation.to_owned(), asked.to_owned()));
        verdict
    }
}
