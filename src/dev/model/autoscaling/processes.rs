//! Suspending and resuming what a group does by itself.

use serde::{Deserialize, Serialize};

use super::activity::second;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// Something that a group does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Process {
    AZRebalance,
    AddToLoadBalancer,
    AlarmNotification,
    HealthCheck,
    InstanceRefresh,
    Launch,
    ReplaceUnhealthy,
    ScheduledActions,
    Terminate,
}

impl Process {
    pub(super) const ALL: [Self; 9] = [
        Self::AZRebalance,
        Self::AddToLoadBalancer,
        Self::AlarmNotification,
        Self::HealthCheck,
        Self::InstanceRefresh,
        Self::Launch,
        Self::ReplaceUnhealthy,
        Self::ScheduledActions,
        Self::Terminate,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AZRebalance => "AZRebalance",
            Self::AddToLoadBalancer => "AddToLoadBalancer",
            Self::AlarmNotification => "AlarmNotification",
            Self::HealthCheck => "HealthCheck",
            Self::InstanceRefresh => "InstanceRefresh",
            Self::Launch => "Launch",
            Self::ReplaceUnhealthy => "ReplaceUnhealthy",
            Self::ScheduledActions => "ScheduledActions",
            Self::Terminate => "Terminate",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Processes {
    auto_scaling_group_name: String,
    #[serde(default)]
    scaling_processes: Vec<String>,
}

impl Processes {
    /// The processes named, or all of them.
    fn read(&self) -> Result<Vec<Process>, ApiError> {
        if self.scaling_processes.is_empty() {
            return Ok(Process::ALL.to_vec());
        }
        let named = self.scaling_processes.iter().map(|name| {
            Process::ALL.into_iter().find(|process| process.name() == name).ok_or_else(|| {
                let known = Process::ALL.map(Process::name).join(", ");
                ApiError::validation(format!("'{name}' is not a scaling process. Expected one of: {known}"))
            })
        });
        named.collect()
    }
}

pub(super) fn suspend(ctx: &mut Ctx<'_>, input: Processes) -> Answer {
    let (processes, now) = (input.read()?, ctx.cloud.clock.now());
    let group = ctx.region.autoscaling.group_mut(&input.auto_scaling_group_name)?;
    for process in processes {
        // Suspending it again does not change since when it is suspended.
        group.suspended.entry(process).or_insert_with(|| format!("User suspended at {}", second(now)));
    }
    Ok(Xml::default())
}

pub(super) fn resume(ctx: &mut Ctx<'_>, input: Processes) -> Answer {
    let processes = input.read()?;
    let group = ctx.region.autoscaling.group_mut(&input.auto_scaling_group_name)?;
    for process in processes {
        group.suspended.remove(&process);
        if process == Process::Launch {
            group.failures = super::group::Failures::default();
        }
    }
    Ok(Xml::default())
}
