//! switchback releases new versions of a service behind AWS load balancers with no failed request.
//!
//! A pure state machine ([`release`]) decides the next step of a release, a small [`engine`] carries the
//! step out against AWS and writes what happened into an append-only [`journal`], and every verb of the
//! command line is "load the journal, look at the load balancer, step until done or blocked".
//!
//! | room | what it holds | may use |
//! |---|---|---|
//! | [`cli`] | one file per verb; the only code that reads flags | everything |
//! | [`config`] | environment file to validated [`config::Environment`] | `release` (color names) |
//! | [`release`] | the core, pure: phases, events, decisions | nothing of the house |
//! | [`journal`] | append-only event log, lease and fencing | `release`, `config` (where the journal lives) |
//! | [`engine`] | the loop: observe, decide, record intent, act, record outcome | `release` to `checks` |
//! | [`cloud`] | what the engine asks of AWS, in the domain's words | `release`, `config` |
//! | [`checks`] | smoke checks before the flip, probes through the load balancer after it | `config`, `dial`, `trust` |
//! | [`clock`], [`chance`] | the time of day and randomness: a test owns both | nothing of the house |
//! | [`planted`] | bugs on purpose, for the simulation alone | nothing of the house |
//! | [`dial`] | how connections are opened: the seam of a simulation | nothing of the house |
//! | `trust` | which certificates a TLS client accepts | nothing of the house |
//! | [`report`] | notices to terminal lines and JSON lines | `release`, `journal`, `engine` (the notices) |
//! | [`dev`] | the embedded AWS ("dev cloud") for tutorials and tests | `chance`, `clock`, `dial`, `trust` |

pub mod chance;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod config;
pub mod dev;
pub mod dial;
pub mod engine;
pub mod journal;
pub mod planted;
pub mod release;
pub mod report;
mod trust;
