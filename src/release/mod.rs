//! The core, pure: colors, phases, events, decisions. No async, no AWS, no clock, no I/O.

mod color;
mod effect;
mod event;
mod facts;
mod id;
mod pins;
mod problem;

pub use color::Color;
pub use effect::{Effect, EffectResult};
pub use event::{Event, FlipReason, Launched};
pub use facts::{Facts, HealthState, InstanceFact, InstanceState, ProbeAnswer, Question, TargetFact, Targets, Traffic};
pub use id::ReleaseId;
pub use pins::{GroupPin, Pins, RecordPin, RoutePin, SubnetPin, SwitchPin};
pub use problem::Problem;
