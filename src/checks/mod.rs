//! Checks on a color's own endpoints before the flip, and probes through the load balancer after it.
//!
//! | file | what it holds |
//! |---|---|
//! | `smoke` | the smoke checks of an environment, in order, and the problem that a failed one becomes |
//! | `http`, `tcp` | one attempt of one check against one instance |
//! | `command` | a program of the user, run once and ended with everything that it started |
//! | `answer` | one bounded HTTP exchange on a connection of its own |
//! | `tls` | which certificates a probe trusts |
//! | `probe` | which color answers through the load balancer |
//! | `words` | what was seen, made fit for a terminal |

mod answer;
mod command;
mod http;
mod probe;
mod smoke;
mod tcp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod words;

pub use probe::Prober;
pub use smoke::{SmokeTarget, smoke};
