//! The verbs from outside: the real program against the dev cloud, what it prints, how it ends, and what it leaves
//! behind.

#[path = "support/world.rs"]
mod world;

mod verbs {
    mod dev;
    mod environment_file;
    mod exit_codes;
    mod image;
    mod live_state;
    mod output;
    mod story;
}
