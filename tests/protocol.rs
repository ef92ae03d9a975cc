//! The protocol of lease, intents and takeovers, searched through: every order of what two or three runs, their crashes
//! and their late calls can do, on the program's own `decide` and `apply`.

#[path = "protocol/aws.rs"]
mod aws;
#[path = "protocol/checks.rs"]
mod checks;
#[path = "protocol/journal.rs"]
mod journal;
#[path = "protocol/model.rs"]
mod model;
#[path = "protocol/runner.rs"]
mod runner;
