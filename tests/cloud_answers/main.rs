//! What the program makes of AWS's answers: retries, errors, unknown outcomes, pages. The real SDK clients run over a
//! connector that answers as each test says, under paused time.

mod errors;
mod pages;
mod resolve;
mod script;
mod spans;
mod world;
