//! The data plane: a real reverse proxy with the semantics of an Application Load Balancer, flows with those of a
//! Network Load Balancer, and their health probe.
//!
//! The control plane makes a [`Balancer`], describes what its listeners do as [`Routes`] over [`Group`]s of
//! [`Target`]s, and swaps them atomically, for each node by itself. Nothing here knows about XML or processes.
//!
//! | file | what it holds |
//! |---|---|
//! | `balancer`, `listener`, `serve`, `link` | settings, sockets, one client's connection |
//! | `rule`, `pattern`, `transform` | what a listener does with a request |
//! | `front`, `forward`, `headers`, `pages` | one request: routed, changed, sent, answered |
//! | `group`, `target`, `pool`, `connect`, `wire` | who gets a request, and over which connection |
//! | `cookie`, `seal` | stickiness |
//! | `upgrade`, `flow`, `relay` | WebSockets, and flows of network load balancers |
//! | `tls` | certificates and SNI |
//! | `counts`, `record`, `log` | what is counted and written down |
//! | `probe` | one health check |
//!
//! What is not here: mutual TLS, connection and health-check logs, UDP, WAF, Lambda targets, authentication, anomaly
//! mitigation, and desync mitigation modes: a request that is ambiguous is always refused, as in AWS's `strictest`. The
//! health of targets, and which targets a group has, are known to all nodes at once; only rules reach each node after
//! its own delay.

mod balancer;
mod body;
mod connect;
mod cookie;
mod counts;
mod dice;
mod flow;
mod forward;
mod front;
mod group;
mod headers;
mod link;
mod listener;
mod log;
mod pages;
mod pattern;
mod pool;
mod probe;
mod record;
mod relay;
mod rule;
mod seal;
mod serve;
mod target;
mod tls;
mod transform;
mod upgrade;
mod wire;

#[cfg(test)]
mod tests;

pub use balancer::{Balancer, ForwardedFor, Settings, Timeouts};
pub use counts::{BalancerCounts, FlatGroupCounts, GroupCounts, ResponseTimes};
pub use group::{Algorithm, Group, GroupSettings, TargetProtocol, TargetStickiness};
pub use listener::{BindError, Listener, ListenerSettings, Protocol};
pub use log::LogPlace;
pub use pattern::Pattern;
pub use probe::{HealthCheck, InvalidMatcher, Matcher, Over, ProbeProtocol, ProbeResult, probe};
pub use rule::{Action, Condition, FixedResponse, Forward, Redirect, Routes, Rule, WeightedGroup};
pub use target::{Target, TargetState};
pub use tls::{Certificate, InvalidCertificate, Tls, TlsVersions};
pub use transform::{Rewrite, Transform};
