//! The real program, killed: SIGKILL at random moments of every verb that changes something, and runs that were frozen
//! for longer than their lease and wake up.
//!
//! Everything is a process of its own: the dev cloud is `switchback dev`, each verb is the program as a user runs it,
//! and the journal is on an S3 that somebody else wrote (moto). Clients send requests through every load balancer all
//! the time, and not one may fail.

#![expect(clippy::unwrap_used, reason = "a step of a test that cannot be made has failed the test")]

#[path = "support/moto.rs"]
mod moto;
#[path = "support/world.rs"]
mod world;

mod kill {
    mod audit;
    mod deaths;
    mod frozen;
    mod running;
    mod service;
    mod site;
    mod walk;
}
