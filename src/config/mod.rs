//! The environment file: what a user writes and reviews, turned into a validated [`Environment`].

mod environment;

pub use environment::{
    ColorConfig, CommandCheck, Compute, Converge, Dns, DnsKind, Environment, Expect, Health, HttpCheck, Instances,
    JournalLocation, Listener, ReleasePolicy, RuleMatch, SmokeCheck, Switch, TcpCheck,
};
