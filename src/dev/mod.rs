//! The embedded AWS ("dev cloud"): wire protocol, model, data plane and machines, for tutorials and tests.

pub mod app;
pub mod faults;
pub mod load;
pub mod machine;
mod model;
pub mod plane;
pub mod seed;
mod server;
mod wire;
