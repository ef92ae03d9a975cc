//! The last look before a call is sent: is the world still as it was when the call was decided?

use std::time::Duration;

use super::run::Run;
use crate::cloud::{CloudError, Reading};
use crate::planted::{Bug, bug};
use crate::release::{Effect, EffectResult, Pins, SwitchPin, Unsent, names_of};

/// What keeps a call from being sent.
pub(super) struct Against {
    why: Unsent,
    saw: String,
    /// The failure of the look, where waiting will not mend it.
    pub(super) lasting: Option<CloudError>,
}

impl Against {
    /// Its time is over.
    pub(super) fn late(what: &str) -> Self {
        Self { why: Unsent::Late, saw: what.to_owned(), lasting: None }
    }

    fn foreign(saw: &str) -> Self {
        Self { why: Unsent::ForeignWriter, saw: saw.to_owned(), lasting: None }
    }

    fn unread(error: CloudError) -> Self {
        let saw = format!("the look right before had no answer: {error}");
        Self { why: Unsent::Unread, saw, lasting: (!error.transient()).then_some(error) }
    }

    /// Whether somebody else has written.
    pub(super) fn is_foreign(&self) -> bool {
        self.why == Unsent::ForeignWriter
    }

    /// Whether there was not enough time.
    pub(super) fn is_late(&self) -> bool {
        self.why == Unsent::Late
    }

    /// What is recorded of it.
    pub(super) fn result(&self) -> EffectResult {
        EffectResult::NotSent { why: self.why, saw: self.saw.clone() }
    }
}

impl Run<'_> {
    /// The switch as it is right before `effect` is sent: exactly as it was when the effect was decided. Before a call
    /// that registers or takes down, every listener and rule is read again as well.
    ///
    /// # Errors
    /// Where somebody has written in between, or where the world cannot be read in the time that is `left`.
    pub(super) async fn last_look(&self, effect: &Effect, pins: &Pins, left: Duration) -> Result<Reading, Against> {
        let before = self.eyes.reading.as_ref().expect("every effect is decided from a reading of the switch");
        if bug(Bug::NoCompareBeforeWrite) {
            return Ok(before.clone());
        }
        // On the heap, as the run itself: the SDK's futures are large.
        let looks = Box::pin(async { tokio::join!(self.engine.cloud.traffic(pins), self.still_used(effect, pins)) });
        let (now, used) = tokio::time::timeout(left, looks)
            .await
            .map_err(|_| Against::late("the look right before took too long"))?;
        let now = now.map_err(Against::unread)?;
        let cached = bug(Bug::TeardownFromCache) || bug(Bug::AbortTakesLive) || bug(Bug::OverwriteForeign);
        if let Some(change) = now.changed_since(before, pins)
            && !cached
        {
            let switch = match &pins.route {
                SwitchPin::Rule { .. } => "the rule",
                SwitchPin::DefaultAction { .. } => "the listener's default action",
                SwitchPin::Records(_) => "the records",
            };
            return Err(Against::foreign(&format!("somebody else has just changed {switch}: {change}")));
        }
        match used.map_err(Against::unread)? {
            Some(saw) if !cached => Err(Against::foreign(&saw)),
            Some(_) | None => Ok(now),
        }
    }

    /// Who uses what `effect` registers or takes down, in words; `None` where nobody does, or where it does neither.
    async fn still_used(&self, effect: &Effect, pins: &Pins) -> Result<Option<String>, CloudError> {
        let asks = effect.needs_a_color_that_nothing_sends_to();
        let Some(release) = self.state.release.as_ref().filter(|_| asks) else { return Ok(None) };
        // What stands on the live color and is no part of it must not serve there either: that is a group in use.
        let idle = release.idle();
        let references = self.engine.cloud.references(pins, idle).await?;
        Ok(references.in_the_way(idle, &names_of(effect, &self.facts), &self.engine.typed).map(|p| p.saw))
    }
}
