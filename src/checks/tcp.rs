//! A TCP check: one attempt against one instance.

use crate::dial::Dial;
use std::net::SocketAddr;
use std::time::Duration;

/// Connects to one instance once; otherwise says what was seen instead of a connection.
pub(super) async fn attempt(dial: &dyn Dial, within: Duration, endpoint: SocketAddr) -> Result<(), String> {
    match tokio::time::timeout(within, dial.connect(endpoint)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err("connection refused".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {within:?}; does the security group let this machine in?")),
    }
}
