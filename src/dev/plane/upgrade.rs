//! A connection that has left HTTP: bytes both ways between the client and the one target that it is pinned to.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::link::Link;
use super::pool::Line;
use super::record::Ending;
use super::relay::{Traffic, Watched};
use super::target::Claim;

/// An upgraded connection. No flip moves it; it ends with either side, with the idle timeout, when the deregistration
/// delay of its target runs out, and with the listener.
pub(super) struct Upgraded {
    pub(super) link: Arc<Link>,
    pub(super) claim: Claim,
    pub(super) ending: Ending,
    pub(super) idle: Duration,
}

impl Upgraded {
    pub(super) async fn run(mut self, on_upgrade: OnUpgrade, line: Box<Line>) {
        let traffic = Traffic::new();
        let relay = async {
            let (target, client) = tokio::join!(line.upgraded(), on_upgrade);
            let ((mut target, early), client) = (target?, client?);
            let mut client = Watched::new(TokioIo::new(client), traffic.clone());
            let relayed = async {
                client.write_all(&early).await?;
                copy_bidirectional(&mut client, &mut target).await
            };
            if let Err(error) = relayed.await {
                tracing::debug!(%error, "an upgraded connection broke");
            }
            Ok::<_, hyper::Error>(())
        };
        let target = self.claim.target().address();
        tokio::select! {
            biased;
            relayed = relay => if let Err(error) = relayed {
                tracing::debug!(%target, %error, "a connection could not be upgraded");
            },
            () = self.claim.cut().cancelled() => {
                tracing::debug!(%target, "upgraded connection cut: the deregistration delay ran out");
            }
            () = traffic.quiet_for(self.idle) => {
                tracing::debug!(%target, "upgraded connection closed: nothing was sent for the idle timeout");
            }
            () = self.link.front.cut.cancelled() => {}
        }
        let (received, sent) = traffic.bytes();
        self.ending.received(received);
        self.ending.sent(usize::try_from(sent).unwrap_or(usize::MAX));
    }
}
