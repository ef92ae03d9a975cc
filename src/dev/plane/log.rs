//! Access logs: lines are collected for five minutes, then written as one compressed file under AWS's name for it.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::dice::Dice;
use crate::clock::Clock;

/// How often a file is written.
const PERIOD: Duration = Duration::from_secs(300);
/// Lines that are kept for a file at most; further ones are lost, and it is said how many.
const LINES_MAX: usize = 1_000_000;

/// Where the access log of a load balancer goes, in AWS's words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// The folder that stands for the bucket.
    pub folder: PathBuf,
    /// `access_logs.s3.prefix`; may be empty.
    pub prefix: String,
    /// The account that owns the load balancer.
    pub account: String,
    /// Its region.
    pub region: String,
    /// The address of its node. All nodes of a load balancer share one here, and one file.
    pub address: IpAddr,
}

/// A running access log. Dropping it writes what it has.
#[derive(Debug)]
pub(super) struct AccessLog {
    lines: mpsc::UnboundedSender<Message>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Flush(oneshot::Sender<()>),
}

impl AccessLog {
    pub(super) fn start(place: LogPlace, balancer: &str, clock: Clock, dice: &Dice) -> Self {
        let (lines, received) = mpsc::unbounded_channel();
        let writer = Writer { place, balancer: balancer.replace('/', "."), clock, dice: dice.fork(), lost: 0 };
        tokio::spawn(writer.run(received));
        Self { lines }
    }

    pub(super) fn write(&self, line: String) {
        // The writer ends only after the last sender.
        let _ = self.lines.send(Message::Line(line));
    }

    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.lines.send(Message::Flush(done)).is_ok() {
            // An error means that the writer is gone with the runtime.
            let _ = flushed.await;
        }
    }
}

struct Writer {
    place: LogPlace,
    balancer: String,
    clock: Clock,
    dice: Dice,
    lost: u64,
}

impl Writer {
    async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        let mut lines: Vec<String> = Vec::new();
        // The first line opens a file; without traffic there are no timers and no files.
        let mut due = None;
        loop {
            let message = tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.deliver(std::mem::take(&mut lines)).await;
                    due = None;
                    continue;
                }
                message = messages.recv() => message,
            };
            match message {
                Some(Message::Line(_)) if lines.len() >= LINES_MAX => self.lost += 1,
                Some(Message::Line(line)) => {
                    lines.push(line);
                    due.get_or_insert_with(|| Instant::now() + self.left());
                }
                Some(Message::Flush(done)) => {
                    self.deliver(std::mem::take(&mut lines)).await;
                    due = None;
                    // Who asked may have gone.
                    let _ = done.send(());
                }
                None => {
                    self.deliver(lines).await;
                    return;
                }
            }
        }
    }

    /// Until the next full five minutes by the clock.
    fn left(&self) -> Duration {
        let into = self.clock.now().as_second().rem_euclid(PERIOD.as_secs().cast_signed());
        PERIOD.saturating_sub(Duration::from_secs(into.unsigned_abs()))
    }

    async fn deliver(&mut self, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let name = self.name();
        let path = self.place.folder.join(&name);
        let written = tokio::task::spawn_blocking(move || write(&path, &lines)).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => tracing::debug!(name, lost = self.lost, "access log written"),
            Err(error) => tracing::warn!(name, %error, "an access log cannot be written; its lines are lost"),
        }
    }

    /// `[prefix/]AWSLogs/account/elasticloadbalancing/region/yyyy/mm/dd/` and
    /// `account_elasticloadbalancing_region_id_end_ip_random.log.gz`
    fn name(&self) -> String {
        let LogPlace { prefix, account, region, address, .. } = &self.place;
        let slash = if prefix.is_empty() { "" } else { "/" };
        let end = self.clock.now();
        let (day, time) = (end.strftime("%Y/%m/%d"), end.strftime("%Y%m%dT%H%MZ"));
        let random: String =
            (0..8).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[self.letter()])).collect();
        format!(
            "{prefix}{slash}AWSLogs/{account}/elasticloadbalancing/{region}/{day}/{account}_elasticloadbalancing_{region}_{}_{time}_{address}_{random}.log.gz",
            self.balancer
        )
    }

    fn letter(&self) -> usize {
        usize::try_from(self.dice.below(36)).unwrap_or_default()
    }
}

/// Who asked for what is nobody else's business: only the owner can read it.
fn write(path: &std::path::Path, lines: &[String]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut file = GzEncoder::new(file, Compression::fast());
    lines.iter().try_for_each(|line| file.write_all(line.as_bytes()))?;
    file.finish()?.sync_all()
}
