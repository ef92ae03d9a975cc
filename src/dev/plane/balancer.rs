//! What all listeners of one load balancer share.

use std::sync::Arc;

use super::dice::Dice;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::dev::network::Network;

/// A load balancer as the data plane sees it. Made by the control plane, shared by its listeners.
#[derive(Debug)]
pub struct Balancer {
    name: String,
    pub(super) network: Network,
    clock: Clock,
    pub(super) dice: Dice,
}

impl Balancer {
    /// A load balancer without listeners; `name` is the end of its ARN, for example `app/shop/0123456789abcdef`. All
    /// that it leaves to chance is decided by `chance`.
    pub fn new(name: impl Into<String>, network: Network, clock: Clock, chance: &Chance) -> Arc<Self> {
        Arc::new(Self { name: name.into(), network, clock, dice: Dice::of(chance) })
    }

    /// The end of its ARN.
    pub fn name(&self) -> &str {
        &self.name
    }
}
