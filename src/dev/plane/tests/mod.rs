//! The data plane from outside: servers behind it, clients before it.

mod draining;
mod encrypting;
mod failing;
mod flipping;
mod forwarding;
mod probing;
mod routing;
mod stage;
mod sticking;
mod support;
mod upgrading;
