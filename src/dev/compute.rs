//! Handles on what a test does to instances behind the API's back: no capacity, failed status checks.

use super::DevCloud;
use super::access::DEFAULT_ACCOUNT;
use super::cloud::Cloud;
use super::model::{Capacity, Place, Shortage};

impl DevCloud {
    /// Sets what a region of the default account is short of from now on, in place of earlier shortages; running
    /// instances go on.
    pub fn set_shortages(&self, region: &str, shortages: Vec<Shortage>) {
        self.cloud.set_capacity(region, |capacity| capacity.shortages = shortages);
    }

    /// Sets how many vCPUs the default account's instances may have in a region; `None` for as many as they like.
    pub fn set_vcpu_limit(&self, region: &str, vcpus_max: Option<u32>) {
        self.cloud.set_capacity(region, |capacity| capacity.vcpus_max = vcpus_max);
    }

    /// Makes an instance fail its status checks, or pass them again, in whichever account and region it is; false if
    /// there is no such instance.
    pub fn set_impaired(&self, instance: &str, impaired: bool) -> bool {
        self.cloud.set_impaired(instance, impaired)
    }
}

impl Cloud {
    /// Changes what a region of the default account has room for.
    pub(crate) fn set_capacity(&self, region: &str, change: impl FnOnce(&mut Capacity)) {
        let mut world = self.world();
        let place = Place { account: DEFAULT_ACCOUNT.to_owned(), region: region.to_owned() };
        let (region, _) = world.region(&place);
        change(&mut region.ec2.capacity);
    }

    /// Makes an instance fail its status checks, or pass them again; false if there is no such instance.
    pub(crate) fn set_impaired(&self, instance: &str, impaired: bool) -> bool {
        let since = impaired.then(|| self.clock.now());
        let found = {
            let mut world = self.world();
            let mut regions = world.accounts.values_mut().flat_map(|account| account.regions.values_mut());
            regions.any(|region| region.ec2.set_impaired(instance, since))
        };
        self.changed();
        found
    }
}
