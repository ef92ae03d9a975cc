//! A request to stop: Ctrl-C, or the end of a CI job.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks runs to stop at their next safe place: after the call in flight, with its outcome recorded.
#[derive(Debug, Clone)]
pub struct Stop {
    requested: Arc<watch::Sender<bool>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { requested: Arc::new(watch::Sender::new(false)) }
    }
}

impl Stop {
    /// Asks every run that holds a clone of this to stop.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Returns once somebody asks.
    pub async fn requested(&self) {
        let mut seen = self.requested.subscribe();
        // The sender lives as long as `self`, so this ends only when the request comes.
        seen.wait_for(|requested| *requested).await.ok();
    }
}
