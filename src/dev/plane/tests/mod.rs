//! The data plane from outside: real clients and real servers on loopback.

mod draining;
mod failing;
mod flipping;
mod forwarding;
mod probing;
mod routing;
mod support;
