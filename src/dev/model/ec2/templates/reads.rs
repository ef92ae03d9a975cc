//! Launch templates: describing them.

use serde::Deserialize;

use super::Template;
use crate::dev::model::ec2::filter::{Filter, Filters, one, some};
use crate::dev::model::ec2::spec::{Switch, Tokens};
use crate::dev::model::ec2::{paged_within, spec};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    launch_template_id: Vec<String>,
    #[serde(default)]
    launch_template_name: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct DescribeVersions {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    #[serde(default)]
    launch_template_version: Vec<String>,
    min_version: Option<String>,
    max_version: Option<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct GetData {
    instance_id: String,
}

type Each<'a> = (&'a String, &'a Template);
type One<'a> = (&'a String, &'a Template, u32);

pub(crate) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let (account, ec2) = (&ctx.region.account, &ctx.region.ec2);
    let mut wanted = Vec::new();
    for id in &input.launch_template_id {
        wanted.push(ec2.template_id(Some(id), None)?);
    }
    for name in &input.launch_template_name {
        wanted.push(ec2.template_id(None, Some(name))?);
    }
    let filters = Filters::<'_, Each<'_>> {
        of: &[
            ("launch-template-name", |(_, template)| one(&template.name)),
            ("create-time", |(_, template)| one(template.created)),
        ],
        absent: &[],
        tags: Some(|(_, template)| &template.tags),
    };
    let named = ec2.templates.iter().filter(|(id, _)| wanted.is_empty() || wanted.contains(id));
    let found = filters.select(&input.filter, named)?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged_within(
        1..=200,
        found,
        |(id, _)| (*id).clone(),
        pages,
        "launchTemplates",
        |xml, (id, each)| {
            each.write(xml, account, id);
        },
    )
}

pub(crate) fn describe_versions(ctx: &mut Ctx<'_>, input: DescribeVersions) -> Answer {
    let (account, ec2) = (&ctx.region.account, &ctx.region.ec2);
    let named = (input.launch_template_id.as_deref(), input.launch_template_name.as_deref());
    let versions = &input.launch_template_version;
    let mut all: Vec<One<'_>> = Vec::new();
    if named == (None, None) {
        // Without a template: the latest or default versions of all of them.
        if versions.is_empty() || !versions.iter().all(|version| matches!(version.as_str(), "$Latest" | "$Default")) {
            let said = "The request must contain the parameter LaunchTemplateId or LaunchTemplateName, unless all \
                        versions are $Latest or $Default";
            return Err(ApiError::new("MissingParameter", said));
        }
        for (id, template) in &ec2.templates {
            let numbers = versions.iter().map(|version| template.number(id, version));
            let mut numbers = numbers.collect::<Result<Vec<_>, _>>()?;
            numbers.dedup();
            all.extend(numbers.into_iter().map(|number| (id, template, number)));
        }
    } else {
        let id = ec2.template_id(named.0, named.1)?;
        let (id, template) = ec2.templates.get_key_value(&id).ok_or_else(|| {
            ApiError::new("InvalidLaunchTemplateId.NotFound", format!("The launch template {id} does not exist."))
        })?;
        if versions.is_empty() {
            let bound = |text: &Option<String>| text.as_ref().map(|text| template.number(id, text)).transpose();
            let (least, most) =
                (bound(&input.min_version)?.unwrap_or(0), bound(&input.max_version)?.unwrap_or(u32::MAX));
            // AWS lists the newest first.
            let numbers = template.versions.keys().rev().filter(|number| (least..=most).contains(number));
            all.extend(numbers.map(|number| (id, template, *number)));
        } else {
            if input.min_version.is_some() || input.max_version.is_some() {
                let said = "Versions cannot be used together with MinVersion and MaxVersion";
                return Err(ApiError::new("InvalidParameterCombination", said));
            }
            for version in versions {
                let number = template.number(id, version)?;
                if !all.iter().any(|(_, _, known)| *known == number) {
                    all.push((id, template, number));
                }
            }
        }
    }
    let found = version_filters().select(&input.filter, all)?;
    let pages = (input.next_token.as_deref(), input.max_results);
    let key = |(id, _, number): &One<'_>| format!("{id}:{number}");
    paged_within(1..=200, found, key, pages, "launchTemplateVersionSet", |xml, (id, template, number)| {
        template.write_version(xml, account, id, number);
    })
}

fn data<'a>((_, template, number): &One<'a>) -> &'a spec::LaunchSpec {
    &template.versions[number].data
}

fn version_filters<'a>() -> Filters<'a, One<'a>> {
    Filters {
        of: &[
            ("create-time", |(_, template, number)| one(template.versions[number].created)),
            ("ebs-optimized", |each| some(data(each).ebs_optimized)),
            ("http-endpoint", |each| {
                some(data(each).metadata_options.as_ref().and_then(|options| options.http_endpoint).map(Switch::name))
            }),
            ("http-tokens", |each| {
                some(data(each).metadata_options.as_ref().and_then(|options| options.http_tokens).map(Tokens::name))
            }),
            ("iam-instance-profile", |each| {
                some(data(each).iam_instance_profile.as_ref().and_then(|profile| profile.arn.as_ref()))
            }),
            ("image-id", |each| some(data(each).image_id.as_ref())),
            ("instance-type", |each| some(data(each).instance_type.as_ref())),
            ("is-default-version", |(_, template, number)| one(template.default == *number)),
        ],
        absent: &[
            "http-protocol-ipv4",
            "host-resource-group-arn",
            "kernel-id",
            "license-configuration-arn",
            "network-card-index",
            "ram-disk-id",
        ],
        tags: None,
    }
}

/// What a template would say that launches instances like this one.
pub(crate) fn get_data(ctx: &mut Ctx<'_>, input: GetData) -> Answer {
    let now = ctx.cloud.clock.now();
    ctx.region.ec2.check_instances(std::slice::from_ref(&input.instance_id), now)?;
    let spec = ctx.region.ec2.instances[&input.instance_id].as_spec();
    let mut xml = Xml::default();
    xml.node("launchTemplateData", |xml| spec.write(xml));
    Ok(xml)
}
