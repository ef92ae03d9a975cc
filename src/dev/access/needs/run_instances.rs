//! `RunInstances`, which is asked once for each resource that a launch touches, as AWS does.

use std::collections::BTreeMap;

use super::asked::Element;
use super::ec2::{about, arn_of, new_arn, specified_tags, template_id};
use super::{Ask, Need, set_request_tags};
use crate::dev::access::policy::Context;
use crate::dev::wire::{Node, Service};

const ACTION: &str = "ec2:RunInstances";

/// What the launch template says, and what it is.
struct Template {
    id: String,
    data: Element,
}

pub(super) fn needs(ask: &Ask<'_>, form: &Node) -> Vec<Need> {
    let template = template(ask, form);
    let from_template = |name: &str| template.as_ref().and_then(|template| template.data.find(name)).map(str::to_owned);
    let given = |path: &str| form.text(path).map(str::to_owned);
    let tags = |kind: &str| {
        let mut tags = template.as_ref().map(|template| template.tags(kind)).unwrap_or_default();
        tags.extend(specified_tags(form, "TagSpecification[]", kind));
        tags
    };
    let mut about_launch = Context::default();
    about_launch.set("ec2:Region", &ask.scope.place.region);
    about_launch.set_if("ec2:LaunchTemplate", template.as_ref().map(|template| arn_of(ask, &template.id)));
    let mut needs = Vec::new();
    // A resource that only the template names is the template's.
    let mut touch = |arn: String, context: Context, own: bool| {
        let mut context = about_launch.with(&context);
        if template.is_some() {
            context.set("ec2:IsLaunchTemplateResource", (!own).to_string());
        }
        needs.push(Need::new(ACTION, arn, context));
    };
    let image = given("ImageId");
    let own_image = image.is_some();
    if let Some(id) = image.or_else(|| from_template("imageId")) {
        touch(arn_of(ask, &id), about(ask, &id), own_image);
    }
    let subnet = given("SubnetId").or_else(|| given("NetworkInterface.1.SubnetId"));
    let own_subnet = subnet.is_some();
    let subnet = subnet.or_else(|| from_template("subnetId"));
    let about_subnet = subnet.as_deref().map(|id| about(ask, id)).unwrap_or_default();
    let mut place = Context::default();
    for key in ["ec2:AvailabilityZone", "ec2:Vpc"] {
        place.set_if(key, about_subnet.get(key).and_then(|values| values.first()));
    }
    let mut of_instance = place.clone();
    let instance_type = given("InstanceType").or_else(|| from_template("instanceType"));
    of_instance.set_if("ec2:InstanceType", instance_type);
    of_instance.set("ec2:Tenancy", form.text("Placement.Tenancy").unwrap_or("default"));
    of_instance.set("ec2:RootDeviceType", "ebs");
    of_instance
        .set_if("ec2:MetadataHttpTokens", given("MetadataOptions.HttpTokens").or_else(|| from_template("httpTokens")));
    set_request_tags(&mut of_instance, &tags("instance"));
    touch(new_arn(ask, "instance"), of_instance, true);
    let mut of_interface = place.clone();
    of_interface.set_if("ec2:Subnet", subnet.as_deref().map(|id| arn_of(ask, id)));
    set_request_tags(&mut of_interface, &tags("network-interface"));
    touch(new_arn(ask, "network-interface"), of_interface, true);
    let mut of_volume = Context::default();
    of_volume.set_if("ec2:AvailabilityZone", place.get("ec2:AvailabilityZone").and_then(|zone| zone.first()));
    set_request_tags(&mut of_volume, &tags("volume"));
    touch(new_arn(ask, "volume"), of_volume, true);
    if let Some(id) = &subnet {
        touch(arn_of(ask, id), about_subnet, own_subnet);
    }
    let groups: Vec<_> = ["SecurityGroupId[]", "NetworkInterface[].SecurityGroupId[]"]
        .into_iter()
        .flat_map(|path| form.texts(path))
        .map(str::to_owned)
        .collect();
    let own_groups = !groups.is_empty();
    let groups = if own_groups { groups } else { template.as_ref().map(Template::groups).unwrap_or_default() };
    for id in groups {
        touch(arn_of(ask, &id), about(ask, &id), own_groups);
    }
    let key = given("KeyName");
    let own_key = key.is_some();
    if let Some(name) = key.or_else(|| from_template("keyName")) {
        touch(ask.arn("ec2", &format!("key-pair/{name}")), Context::default(), own_key);
    }
    if let Some(template) = &template {
        touch(arn_of(ask, &template.id), about(ask, &template.id), true);
    }
    for kind in ["instance", "volume", "network-interface"] {
        let tags = tags(kind);
        if !tags.is_empty() {
            let mut context = Context::default();
            set_request_tags(&mut context, &tags);
            context.set("ec2:CreateAction", "RunInstances");
            needs.push(Need::new("ec2:CreateTags", new_arn(ask, kind), context));
        }
    }
    let profile = given("IamInstanceProfile.Arn").or_else(|| given("IamInstanceProfile.Name"));
    let profile = profile.or_else(|| template.as_ref().and_then(Template::profile));
    if let Some(profile) = profile {
        // The dev cloud has no instance profiles: one is taken to hold the role of its own name.
        let name = profile.rsplit('/').next().unwrap_or_default();
        let mut context = Context::default();
        context.set("iam:PassedToService", "ec2.amazonaws.com");
        let role = format!("arn:aws:iam::{}:role/{name}", ask.scope.place.account);
        needs.push(Need::new("iam:PassRole", role, context));
    }
    needs
}

fn template(ask: &Ask<'_>, form: &Node) -> Option<Template> {
    let id = form.text("LaunchTemplate.LaunchTemplateId").map(str::to_owned);
    let id = id.or_else(|| template_id(ask, form.text("LaunchTemplate.LaunchTemplateName")?))?;
    let version = form.text("LaunchTemplate.Version").unwrap_or("$Default");
    let parameters = [("LaunchTemplateId", id.as_str()), ("LaunchTemplateVersion.1", version)];
    let data = ask.operation(Service::Ec2, "DescribeLaunchTemplateVersions", &parameters);
    Some(Template { id, data })
}

impl Template {
    fn tags(&self, kind: &str) -> BTreeMap<String, String> {
        let sets = self.data.all("tagSpecificationSet");
        let specifications = sets.into_iter().flat_map(Element::items);
        specifications.filter(|each| each.find("resourceType") == Some(kind)).flat_map(Element::tags).collect()
    }

    fn groups(&self) -> Vec<String> {
        let of_interfaces = self.data.all("groupSet").into_iter().flat_map(|set| set.texts("groupId"));
        let own = self.data.all("securityGroupIdSet").into_iter();
        own.flat_map(|set| set.items().iter().map(|item| item.text().to_owned())).chain(of_interfaces).collect()
    }

    fn profile(&self) -> Option<String> {
        let profile = *self.data.all("iamInstanceProfile").first()?;
        profile.find("arn").or(profile.find("name")).map(str::to_owned)
    }
}
