//! A resolver with a cache, as a client of the records sees them: answers live as long as their records say.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::answer::Outcome;
use super::name::normal;
use crate::dev::cloud::Cloud;

/// A resolver that asks a dev cloud's name servers and keeps answers for their time to live, by the cloud's clock.
///
/// Each resolver has a cache of its own, as resolvers of different providers have.
#[derive(Debug)]
pub struct Resolver {
    cloud: Weak<Cloud>,
    cache: Mutex<BTreeMap<String, (Vec<IpAddr>, Timestamp)>>,
}

impl Resolver {
    pub(crate) fn new(cloud: &Arc<Cloud>) -> Self {
        Self { cloud: Arc::downgrade(cloud), cache: Mutex::default() }
    }

    /// The addresses of `name`, from the cache as long as they live; none if the name has none, or the dev cloud is
    /// gone.
    pub fn resolve(&self, name: &str) -> Vec<IpAddr> {
        let (Some(cloud), Ok(name)) = (self.cloud.upgrade(), normal(name)) else { return Vec::new() };
        let now = cloud.clock.now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((addresses, until)) = cache.get(&name)
            && now < *until
        {
            return addresses.clone();
        }
        let (addresses, ttl) = fresh(&cloud, &name);
        cache.insert(name, (addresses.clone(), now + ttl));
        addresses
    }

    /// Forgets everything.
    pub fn flush(&self) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Addresses straight from the name servers, and for how long they are good.
fn fresh(cloud: &Cloud, name: &str) -> (Vec<IpAddr>, Duration) {
    let world = cloud.world();
    let mut ttl_s = 0;
    for kind in ["A", "AAAA"] {
        let answer = world.ask(cloud, name, kind, None);
        let addresses: Vec<_> = answer.lines.iter().filter_map(|line| line.value.parse().ok()).collect();
        // A chain is as good as its weakest link; a denial lives as long as the start of authority beside it.
        let lines = if addresses.is_empty() { &answer.authority } else { &answer.lines };
        ttl_s = lines.iter().map(|line| line.ttl_s).min().unwrap_or(0);
        if !addresses.is_empty() {
            return (addresses, Duration::from_secs(ttl_s.into()));
        }
        if answer.outcome == Outcome::NoName {
            break;
        }
    }
    (Vec::new(), Duration::from_secs(ttl_s.into()))
}
