//! What users would see: a client per environment that never stops asking.

use std::sync::Arc;
use std::time::Duration;

use switchback::dev::HttpConnection;
use switchback::dial::Dial;
use tokio::time::{Instant, timeout};

use super::trace::{Trace, What};
use super::world::World;

/// From one request to the next, by how long ago somebody changed something.
const PACE: [(Duration, Duration); 2] =
    [(Duration::from_secs(8), Duration::from_millis(250)), (Duration::from_secs(60), Duration::from_secs(4))];
/// The same where nothing has changed for longer.
const CALM: Duration = Duration::from_secs(20);
/// A connection is used for so long: load balancers close those that are an hour old.
const KEPT_FOR: Duration = Duration::from_secs(1_800);
/// A request without an answer by then has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a client per environment; they end with the runtime.
pub(crate) fn start(world: &World, trace: &Trace) {
    for (environment, place) in world.places.iter().enumerate() {
        let client = Client { dial: world.cloud.dial(), environment, url: place.url.clone(), trace: trace.clone() };
        tokio::spawn(client.run());
    }
}

struct Client {
    dial: Arc<dyn Dial>,
    environment: usize,
    url: String,
    trace: Trace,
}

impl Client {
    /// Every other request has a connection of its own: a new one may meet another node of the load balancer.
    async fn run(self) {
        let (mut kept, mut since) = (None, Instant::now());
        let mut fresh = false;
        loop {
            let sent = Instant::now();
            if since.elapsed() > KEPT_FOR {
                (kept, since) = (None, sent);
            }
            fresh = !fresh;
            let answer = match fresh {
                true => self.ask(&mut None).await,
                false => self.ask(&mut kept).await,
            };
            match answer {
                Ok(version) => self.trace.served(self.environment, &version),
                Err(saw) => self.trace.write(None, What::Failed { environment: self.environment, saw }),
            }
            loop {
                let changed = self.trace.changed();
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(sent + self.pause()) => break,
                    // Whoever slept on would miss the change after which something fails.
                    () = changed => {}
                }
            }
        }
    }

    /// From one request to the next.
    fn pause(&self) -> Duration {
        let Some(changed_at) = self.trace.changed_at() else { return CALM };
        let pace = PACE.iter().find(|(since, _)| changed_at.elapsed() < *since);
        pace.map_or(CALM, |(_, pause)| *pause)
    }

    /// One request; the version that answered it.
    async fn ask(&self, kept: &mut Option<HttpConnection>) -> Result<String, String> {
        let asked = timeout(PATIENCE, async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => HttpConnection::open(&*self.dial, &self.url).await.map_err(|error| error.to_string())?,
            };
            let answer = connection.get("/").await.map_err(|error| error.to_string())?;
            *kept = Some(connection);
            if answer.status() != http::StatusCode::OK {
                return Err(answer.status().to_string());
            }
            let version = answer.headers().get("x-version").and_then(|version| version.to_str().ok());
            Ok(version.unwrap_or("?").to_owned())
        });
        asked.await.unwrap_or_else(|_| Err("no answer in time".into()))
    }
}
