//! Bad days: whatever goes wrong while a release is on its way, seen from outside.
//!
//! The real program runs against the dev cloud while a client sends requests through the load balancer. Every test ends
//! with the same questions: was the exit code right, does the message name the cause and the next command, is the
//! traffic where it should be, did a request fail, is anything left over, does the journal replay?

#![expect(clippy::unwrap_used, reason = "a step of a test that cannot be made has failed the test")]

#[path = "support/world.rs"]
mod world;

mod bad_days {
    mod scene;

    mod aws;
    mod health;
    mod interruptions;
    mod journal;
    mod moments;
    mod reconcile;
    mod retention;
    mod rivals;
    mod strangers;
}
