//! The core, pure: colors, phases, events, decisions. No async, no AWS, no clock, no I/O.
//!
//! [`State::apply`] folds the journal's [`Event`]s into a [`State`]; [`decide()`] looks at the state and at
//! fresh [`Facts`] and names the next step: ask the world a [`Question`], carry out an [`Effect`], record
//! an event, wait, or stop. Time enters as a value. The same two functions run in production and in tests.

#![deny(clippy::wildcard_enum_match_arm)]

mod admit;
mod adopt;
mod after_the_flip;
mod clocks;
mod color;
mod decide;
mod effect;
mod event;
mod facts;
mod follows;
mod forward;
mod id;
mod leave;
mod leftovers;
mod memory;
mod phase;
mod pins;
mod problem;
mod reconcile;
mod references;
mod refusal;
mod silence;
mod state;
mod strangers;
mod takedown;
mod turn_back;

pub use admit::{Admission, Request, admit, on_its_way};
pub use clocks::CLOCKS_APART_MAX;
pub use color::Color;
pub use decide::{Context, Decision, Ending, Goal, Policy, decide};
pub use effect::{Effect, EffectResult, Unsent};
pub use event::{Event, FlipReason, Launched, Person};
pub use facts::{
    BusyMinute, Facts, HealthState, InstanceFact, InstanceState, ProbeAnswer, Question, RequestCount, TargetFact,
    Targets, Traffic,
};
pub use id::ReleaseId;
pub use memory::Memory;
pub use phase::Phase;
pub use pins::{GroupPin, Pins, RecordPin, RoutePin, SubnetPin, SwitchPin};
pub use problem::Problem;
pub use references::{References, Sender, UsedGroup, names_of};
pub use silence::COUNTED_LATE;
pub use state::{
    Accepted, Adoption, Announced, ForeignWrite, IllegalEvent, Leftovers, Moved, Occupant, Pending, Release, Spreading,
    State,
};
pub use strangers::adopt_instead;
