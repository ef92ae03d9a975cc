//! What a suspicious user tries: Ctrl-C in the demo, a full disk under stdout, a folder for logs that is not there.

#![expect(clippy::unwrap_used, reason = "a step of a test that cannot be made has failed the test")]

#[path = "support/world.rs"]
mod world;

mod audit {
    mod demo;
    mod dev;
    mod results;
    mod slow;
}
