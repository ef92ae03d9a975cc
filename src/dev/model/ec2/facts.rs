//! What an instance's metadata service tells: read from the model at each request.

use std::sync::Arc;

use super::Instance;
use super::placement::{architecture_name, zone_id};
use super::spec::{Switch, Tokens};
use crate::dev::cloud::Cloud;
use crate::dev::machine::{MetadataFacts, MetadataSource};
use crate::dev::model::{Place, Region};

impl Instance {
    /// Whether its metadata endpoint is on.
    pub(super) fn serves_metadata(&self) -> bool {
        self.settings.metadata.http_endpoint != Some(Switch::Disabled)
    }
}

/// Looks the instance up whenever it is asked; the cloud may be gone by then.
pub(super) fn source(cloud: &Arc<Cloud>, place: &Place, id: &str) -> MetadataSource {
    let (cloud, place, id) = (Arc::downgrade(cloud), place.clone(), id.to_owned());
    Arc::new(move || {
        let cloud = cloud.upgrade()?;
        let mut world = cloud.world();
        let (region, _) = world.region(&place);
        region.ec2.instances.get(&id).map(|instance| facts(region, instance))
    })
}

fn facts(region: &Region, instance: &Instance) -> MetadataFacts {
    let settings = &instance.settings;
    let groups = instance.security_groups.iter().filter_map(|id| region.ec2.security_groups.get(id));
    let groups: Vec<String> = groups.map(|group| group.name.clone()).collect();
    let tags = settings.metadata.instance_metadata_tags == Some(Switch::Enabled);
    let cidr_of = |subnet: &str| region.ec2.subnets.get(subnet).map(|subnet| subnet.cidr.to_string());
    MetadataFacts {
        token_required: settings.metadata.http_tokens == Some(Tokens::Required),
        endpoint_enabled: instance.serves_metadata(),
        account: region.account.clone(),
        region: region.name.clone(),
        zone: instance.zone.clone(),
        zone_id: zone_id(&instance.zone),
        instance_id: instance.id.clone(),
        instance_type: instance.instance_type.clone(),
        image_id: instance.image_id.clone(),
        architecture: architecture_name(instance.architecture),
        launch_index: instance.launch_index,
        reservation_id: instance.reservation.clone(),
        launched: instance.launched,
        local_address: instance.private,
        public_address: instance.public.then_some(instance.address),
        host_name: instance.private_name(&region.name),
        mac: instance.interface.mac.clone(),
        interface_id: instance.interface.id.clone(),
        subnet_id: instance.subnet.clone(),
        subnet_cidr: cidr_of(&instance.subnet).unwrap_or_default(),
        vpc_id: instance.vpc.clone(),
        vpc_cidr: region.ec2.vpcs.get(&instance.vpc).map(|vpc| vpc.cidr.to_string()).unwrap_or_default(),
        security_groups: groups,
        security_group_ids: instance.security_groups.clone(),
        profile: settings.profile.clone(),
        profile_id: settings.profile.as_deref().map(super::profile_id),
        user_data: settings.user_data.as_deref().and_then(|encoded| super::launch::decode(encoded).ok()),
        tags: tags.then(|| instance.tags.clone()),
    }
}
