//! The core from outside: what may follow what, what is decided from which facts, and whole releases in a model world.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test itself")]

#[path = "core/admission.rs"]
mod admission;
#[path = "core/adopting.rs"]
mod adopting;
#[path = "core/after_the_flip.rs"]
mod after_the_flip;
#[path = "core/build.rs"]
mod build;
#[path = "core/closed_loop.rs"]
mod closed_loop;
#[path = "core/decisions.rs"]
mod decisions;
#[path = "core/properties.rs"]
mod properties;
#[path = "core/reconciling.rs"]
mod reconciling;
#[path = "core/sent_to.rs"]
mod sent_to;
#[path = "core/silence.rs"]
mod silence;
#[path = "core/taking_down.rs"]
mod taking_down;
#[path = "core/transitions.rs"]
mod transitions;
#[path = "core/turning_back.rs"]
mod turning_back;
#[path = "core/world.rs"]
mod world;
