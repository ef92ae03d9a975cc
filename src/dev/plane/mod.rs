//! The data plane: a real HTTP/1.1 reverse proxy with the semantics of an Application Load Balancer, and its health
//! probe.
//!
//! The control plane describes what a listener does as [`Routes`] over [`Group`]s of [`Target`]s and swaps them
//! atomically. Nothing here knows about ARNs, XML or processes.
//!
//! What is not here: HTTP/2, TLS, protocol upgrades (a WebSocket handshake is forwarded as a plain request), stickiness
//! cookies, slow start.

mod balancer;
mod body;
mod dice;
mod group;
mod headers;
mod listener;
mod pages;
mod probe;
mod proxy;
mod rule;
mod target;

#[cfg(test)]
mod tests;

pub use balancer::Balancer;
pub use group::{Group, GroupCounts};
pub use listener::{Listener, Timeouts};
pub use probe::{HealthCheck, InvalidMatcher, Matcher, ProbeProtocol, ProbeResult, probe};
pub use rule::{Action, Condition, FixedResponse, Pattern, Redirect, Routes, Rule, WeightedGroup};
pub use target::{Target, TargetState};
