//! An instance: what is known about it, and the states it passes through.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Ec2;
use super::spec::{BlockDevice, LaunchSpec, MetadataOptions, Monitoring, Placement, Profile, ShutdownBehavior};
use crate::dev::machine::{Architecture, Machine, MetadataServer};
use crate::dev::model::tags::Tags;
use crate::dev::wire::{ApiError, Xml};

/// How long terminated instances stay visible.
const TERMINATED_VISIBLE: Duration = Duration::from_secs(60 * 60);
/// How long a client token stands for terminated instances.
const TERMINATED_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Ids that one call may name.
const IDS_MAX: usize = 1000;

/// An instance. Terminated ones stay visible for about an hour.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// Its place in the order of launches.
    pub(super) number: u64,
    pub(super) reservation: String,
    /// Its place in its reservation.
    pub(super) launch_index: u32,
    /// The service that launched it, if it was not a user; `requesterId` of its reservation.
    pub(super) requester: Option<String>,
    pub(crate) image_id: String,
    pub(super) architecture: Architecture,
    pub(crate) instance_type: String,
    pub(crate) subnet: String,
    pub(crate) vpc: String,
    pub(crate) zone: String,
    pub(crate) security_groups: Vec<String>,
    pub(super) client_token: Option<String>,
    pub(crate) launched: Timestamp,
    /// Describe calls do not find it before that: the API is eventually consistent.
    pub(super) visible: Timestamp,
    /// Where its program serves and is reached: a loopback address.
    pub(crate) address: Ipv4Addr,
    /// Its address in its subnet; the same as `address` where the subnet lies in the dev cloud's own block.
    pub(super) private: Ipv4Addr,
    /// Whether `address` is described as its public address.
    pub(super) public: bool,
    pub(super) interface: Interface,
    pub(super) volumes: Vec<Volume>,
    pub(super) settings: Settings,
    pub(crate) state: InstanceState,
    /// Since when it is in that state.
    pub(crate) since: Timestamp,
    /// Why it is in that state, where there is something to say.
    pub(super) reason: Option<Reason>,
    /// Whether it was ever running: one that was is stopped, not terminated, when it cannot be started.
    pub(super) ran: bool,
    /// Pending instances that there will be no capacity for.
    pub(super) doomed: bool,
    /// Fails its status checks on purpose, since then.
    pub(super) impaired: Option<Timestamp>,
    pub(crate) tags: Tags,
    /// Its program, while it runs.
    #[serde(skip)]
    pub(crate) machine: Option<Arc<Machine>>,
    /// What serves its metadata, while it runs.
    #[serde(skip)]
    pub(super) metadata: Option<Arc<MetadataServer>>,
}

/// What can be changed after the launch, and what is stored only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) key_name: Option<String>,
    /// ARN of the instance profile.
    pub(super) profile: Option<String>,
    pub(super) metadata: MetadataOptions,
    pub(super) monitoring: bool,
    pub(super) ebs_optimized: bool,
    pub(super) disable_termination: bool,
    pub(super) disable_stop: bool,
    pub(super) shutdown_behavior: ShutdownBehavior,
    pub(super) source_dest_check: bool,
    /// Base64, as it was given.
    pub(super) user_data: Option<String>,
    pub(super) credits: Option<String>,
}

/// The network interface that every instance has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Interface {
    pub(super) id: String,
    pub(super) attachment: String,
    pub(super) mac: String,
    pub(super) description: String,
    pub(super) delete_on_termination: bool,
    pub(super) tags: Tags,
}

/// A volume, as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) device: BlockDevice,
    pub(super) tags: Tags,
}

/// AWS's code and message for a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// The states that an instance passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InstanceState {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
}

impl InstanceState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    /// Whether it will never run again.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }

    pub(super) fn write(self, xml: &mut Xml) {
        xml.leaf("code", self.code()).leaf("name", self.name());
    }
}

impl Reason {
    /// The user asked for it.
    pub(super) fn user() -> Self {
        Self::new("Client.UserInitiatedShutdown", "User initiated shutdown")
    }

    pub(super) fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: format!("{code}: {message}") }
    }
}

impl Instance {
    pub(super) fn enter(&mut self, state: InstanceState, now: Timestamp, reason: Option<Reason>) {
        (self.state, self.since, self.reason) = (state, now, reason);
    }

    /// Whether describe calls show it: not right after its launch, and not long after its end.
    pub(super) fn is_visible(&self, now: Timestamp) -> bool {
        let over = self.state == InstanceState::Terminated && now >= self.since + TERMINATED_VISIBLE;
        self.visible <= now && !over
    }

    /// Takes out what holds sockets and processes; what is left can be ended in peace.
    pub(crate) fn take_down(&mut self) -> Option<Arc<Machine>> {
        if let Some(metadata) = self.metadata.take() {
            metadata.close();
        }
        self.machine.take()
    }

    /// The DNS name that goes with its private address.
    pub(super) fn private_name(&self, region: &str) -> String {
        let dashed = self.private.to_string().replace('.', "-");
        let domain =
            if region == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") };
        format!("ip-{dashed}.{domain}")
    }

    /// What it would be launched with again.
    pub(super) fn as_spec(&self) -> LaunchSpec {
        let Settings { key_name, profile, metadata, monitoring, .. } = &self.settings;
        LaunchSpec {
            image_id: Some(self.image_id.clone()),
            instance_type: Some(self.instance_type.clone()),
            key_name: key_name.clone(),
            user_data: self.settings.user_data.clone(),
            metadata_options: Some(metadata.clone()),
            iam_instance_profile: profile.clone().map(|arn| Profile { arn: Some(arn), name: None }),
            monitoring: Some(Monitoring { enabled: *monitoring }),
            placement: Some(Placement { availability_zone: Some(self.zone.clone()), ..Placement::default() }),
            block_device_mapping: self.volumes.iter().map(|volume| volume.device.clone()).collect(),
            network_interface: vec![super::spec::Interface {
                device_index: Some(0),
                subnet_id: Some(self.subnet.clone()),
                security_group_id: self.security_groups.clone(),
                delete_on_termination: Some(self.interface.delete_on_termination),
                ..super::spec::Interface::default()
            }],
            ebs_optimized: Some(self.settings.ebs_optimized),
            disable_api_termination: Some(self.settings.disable_termination),
            disable_api_stop: Some(self.settings.disable_stop),
            instance_initiated_shutdown_behavior: Some(self.settings.shutdown_behavior),
            ..LaunchSpec::default()
        }
    }
}

impl Ec2 {
    /// All ids must exist and be visible by now: one bad id fails the whole call.
    pub(super) fn check_instances(&self, ids: &[String], now: Timestamp) -> Result<(), ApiError> {
        if ids.len() > IDS_MAX {
            return Err(ApiError::ec2_value(format!("At most {IDS_MAX} instance IDs can be named in one request")));
        }
        if let Some(id) = ids.iter().find(|id| !super::is_id(id, "i")) {
            return Err(ApiError::new("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        let known = |id: &str| self.instances.get(id).is_some_and(|instance| instance.is_visible(now));
        let unknown: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !known(id)).collect();
        match unknown.as_slice() {
            [] => Ok(()),
            [id] => Err(ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))),
            many => Err(ApiError::new(
                "InvalidInstanceID.NotFound",
                format!("The instance IDs '{}' do not exist", many.join(", ")),
            )),
        }
    }

    /// The instances that can be seen, in the order of their launch.
    pub(super) fn visible(&self, now: Timestamp) -> Vec<&Instance> {
        let mut all: Vec<_> = self.instances.values().filter(|instance| instance.is_visible(now)).collect();
        all.sort_by_key(|instance| instance.number);
        all
    }

    /// Forgets the instances that have been terminated for long enough, and the client tokens that stood for them.
    pub(super) fn forget_terminated(&mut self, now: Timestamp) {
        while let Some((since, id)) = self.terminated.front() {
            if now < *since + TERMINATED_KEPT {
                return;
            }
            let gone = self.instances.remove(id);
            self.terminated.pop_front();
            if let Some(Instance { reservation, client_token: Some(_), .. }) = gone
                && !self.instances.values().any(|instance| instance.reservation == reservation)
            {
                self.tokens.retain(|_, known| known.reservation != reservation);
            }
        }
    }
}
