//! The data plane from outside: servers behind it, clients before it.

mod choosing;
mod draining;
mod encrypting;
mod failing;
mod flipping;
mod flowing;
mod forwarding;
mod logging;
mod probing;
mod routing;
mod smuggling;
mod stage;
mod sticking;
mod support;
mod upgrading;
