//! One attribute of an instance, read or changed.

use serde::Deserialize;

use super::instance::InstanceState;
use super::placement::instance_type;
use super::spec::{MetadataOptions, ShutdownBehavior};
use super::{Instance, describe, done};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    instance_id: String,
    attribute: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Modify {
    instance_id: String,
    attribute: Option<String>,
    value: Option<String>,
    disable_api_termination: Option<Flag>,
    disable_api_stop: Option<Flag>,
    source_dest_check: Option<Flag>,
    ebs_optimized: Option<Flag>,
    instance_type: Option<Text>,
    user_data: Option<Text>,
    instance_initiated_shutdown_behavior: Option<Text>,
    #[serde(default)]
    group_id: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Flag {
    value: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Text {
    value: String,
}

fn instance<'a>(ctx: &'a Ctx<'_>, id: &String) -> Result<&'a Instance, ApiError> {
    ctx.region.ec2.check_instances(std::slice::from_ref(id), ctx.cloud.clock.now())?;
    Ok(&ctx.region.ec2.instances[id])
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let instance = instance(ctx, &input.instance_id)?;
    let settings = &instance.settings;
    let mut xml = Xml::default();
    xml.leaf("instanceId", &instance.id);
    let mut value = |name: &str, value: String| {
        xml.node(name, |xml| {
            xml.leaf("value", value);
        });
    };
    match input.attribute.as_str() {
        "disableApiTermination" => value("disableApiTermination", settings.disable_termination.to_string()),
        "disableApiStop" => value("disableApiStop", settings.disable_stop.to_string()),
        "sourceDestCheck" => value("sourceDestCheck", settings.source_dest_check.to_string()),
        "ebsOptimized" => value("ebsOptimized", settings.ebs_optimized.to_string()),
        "enaSupport" => value("enaSupport", true.to_string()),
        "instanceType" => value("instanceType", instance.instance_type.clone()),
        "rootDeviceName" => value("rootDeviceName", super::ROOT_DEVICE.to_owned()),
        "instanceInitiatedShutdownBehavior" => {
            value("instanceInitiatedShutdownBehavior", settings.shutdown_behavior.name().to_owned());
        }
        "userData" => {
            xml.node("userData", |xml| {
                xml.leaf_if("value", settings.user_data.as_ref());
            });
        }
        "groupSet" => describe::write_groups(&mut xml, ctx.region, &instance.security_groups),
        "kernel" | "ramdisk" | "sriovNetSupport" => {
            xml.node(&input.attribute, |_| {});
        }
        "productCodes" => {
            xml.list("productCodes", "item", None::<()>, |_, ()| {});
        }
        other => return Err(unknown(other)),
    }
    Ok(xml)
}

fn unknown(attribute: &str) -> ApiError {
    ApiError::ec2_value(format!(
        "Value ({attribute}) for parameter attribute is invalid (or not modelled by the dev cloud)"
    ))
}

pub(super) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let id = input.instance_id.clone();
    let before = instance(ctx, &id)?;
    let (vpc, stopped) = (before.vpc.clone(), before.state == InstanceState::Stopped);
    let mut changed = before.clone();
    let mut input = input;
    // The older form: the attribute's name and its value.
    if let Some(name) = input.attribute.take() {
        let value = input
            .value
            .take()
            .ok_or_else(|| ApiError::new("MissingParameter", "The request must contain the parameter value"))?;
        let flag = || value.parse().map(|value| Flag { value }).map_err(|_| unknown(&value));
        match name.as_str() {
            "disableApiTermination" => input.disable_api_termination = Some(flag()?),
            "disableApiStop" => input.disable_api_stop = Some(flag()?),
            "sourceDestCheck" => input.source_dest_check = Some(flag()?),
            "ebsOptimized" => input.ebs_optimized = Some(flag()?),
            "instanceType" => input.instance_type = Some(Text { value }),
            "userData" => input.user_data = Some(Text { value }),
            "instanceInitiatedShutdownBehavior" => {
                input.instance_initiated_shutdown_behavior = Some(Text { value });
            }
            other => return Err(unknown(other)),
        }
    }
    let only_stopped = |what: &str| {
        let said = format!("The instance '{id}' is not in the 'stopped' state: its {what} cannot be changed.");
        if stopped { Ok(()) } else { Err(ApiError::new("IncorrectInstanceState", said)) }
    };
    let settings = &mut changed.settings;
    if let Some(Flag { value }) = input.disable_api_termination {
        settings.disable_termination = value;
    }
    if let Some(Flag { value }) = input.disable_api_stop {
        settings.disable_stop = value;
    }
    if let Some(Flag { value }) = input.source_dest_check {
        settings.source_dest_check = value;
    }
    if let Some(Flag { value }) = input.ebs_optimized {
        only_stopped("EBS optimization")?;
        settings.ebs_optimized = value;
    }
    if let Some(Text { value }) = input.user_data {
        only_stopped("user data")?;
        super::launch::decode(&value)?;
        settings.user_data = Some(value);
    }
    if let Some(Text { value }) = input.instance_initiated_shutdown_behavior {
        settings.shutdown_behavior = match value.as_str() {
            "stop" => ShutdownBehavior::Stop,
            "terminate" => ShutdownBehavior::Terminate,
            other => return Err(unknown(other)),
        };
    }
    if let Some(Text { value }) = input.instance_type {
        only_stopped("type")?;
        let kind = instance_type(&value)?;
        if kind.architecture != changed.architecture {
            return Err(ApiError::ec2_value(format!("The instance type {value} has another architecture than '{id}'")));
        }
        changed.instance_type = value;
    }
    if !input.group_id.is_empty() {
        for group in &input.group_id {
            if ctx.region.ec2.security_group(group)?.vpc != vpc {
                let said = format!("You have specified two resources that belong to different networks: {group}, {id}");
                return Err(ApiError::new("InvalidGroup.NotFound", said));
            }
        }
        changed.security_groups = input.group_id;
    }
    ctx.region.ec2.instances.insert(id, changed);
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct MetadataOf {
    instance_id: String,
}

/// `ModifyInstanceMetadataOptions`; the endpoint itself goes on and off with the instance's next start.
pub(super) fn modify_metadata(ctx: &mut Ctx<'_>, of: MetadataOf, options: &MetadataOptions) -> Answer {
    options.check()?;
    let before = instance(ctx, &of.instance_id)?.settings.metadata.clone();
    let after = options.over(&before);
    let mut xml = Xml::default();
    xml.leaf("instanceId", &of.instance_id).node("instanceMetadataOptions", |xml| after.write_applied(xml));
    if let Some(instance) = ctx.region.ec2.instances.get_mut(&of.instance_id) {
        instance.settings.metadata = after;
    }
    Ok(xml)
}
