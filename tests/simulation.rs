//! The simulation: real engine, real SDK, the dev cloud in the same process under paused time, and a plan of all that
//! goes wrong. What it shows and how to read it is in `docs/simulation.md`.

#![expect(clippy::unwrap_used, reason = "a step of a test that cannot be made has failed the test")]

mod simulation {
    mod boundary;
    mod clients;
    mod directed;
    mod exhaustive;
    mod first;
    mod generate;
    mod hunt;
    mod judge;
    mod plan;
    mod planted;
    mod random;
    mod retained;
    mod run;
    mod runner;
    mod trace;
    mod weather;
    mod world;
}
