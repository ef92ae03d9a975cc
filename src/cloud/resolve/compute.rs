//! What a color is made of: the launch template's version as a number, and the subnets with their share of the
//! instances.

use aws_sdk_ec2::types::Subnet;

use super::Balancer;
use crate::cloud::image::TemplateFact;
use crate::cloud::instances::filter;
use crate::cloud::{Cloud, CloudError};
use crate::config::Instances;
use crate::release::{Problem, SubnetPin};

impl Cloud {
    /// The launch template's id and version number.
    pub(super) async fn pin_template(&self, wanted: &Instances) -> Result<(String, i64), CloudError> {
        const OPERATION: &str = "ec2:DescribeLaunchTemplateVersions";
        let name = &wanted.launch_template;
        let version = wanted.version.map_or_else(|| "$Default".to_owned(), |v| v.to_string());
        let mut found = Vec::new();
        let mut pages = self
            .ec2
            .describe_launch_template_versions()
            .launch_template_name(name)
            .versions(&version)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => found.extend(page.launch_template_versions.unwrap_or_default()),
                Err(e) => {
                    let error = CloudError::read(OPERATION, e);
                    if error.code.as_deref().is_some_and(|c| c.starts_with("InvalidLaunchTemplate")) {
                        break;
                    }
                    return Err(error);
                }
            }
        }
        let found = found.into_iter().find(|v| match wanted.version {
            Some(number) => v.version_number() == Some(i64::from(number)),
            None => v.default_version() == Some(true),
        });
        let look = || self.aws(&["ec2", "describe-launch-template-versions", "--launch-template-name", name]);
        let Some(found) = found else {
            let problem = Problem::new(
                format!("there is no version {version} of a launch template {name}"),
                "the launch template, and its version, that the environment file names",
                look(),
            );
            return Err(CloudError::refused(OPERATION, problem));
        };
        let id = found.launch_template_id().ok_or_else(|| CloudError::incomplete(OPERATION, "launch template id"))?;
        let number = found.version_number().ok_or_else(|| CloudError::incomplete(OPERATION, "version number"))?;
        let data = found.launch_template_data();
        if data.is_some_and(|d| !d.network_interfaces().is_empty()) {
            let problem = Problem::new(
                format!("version {number} of the launch template {name} sets network interfaces"),
                "security groups in the template itself: AWS takes no subnet at launch beside network interfaces",
                look(),
            );
            return Err(CloudError::refused(OPERATION, problem));
        }
        let instance_type = data.and_then(|d| d.instance_type()).map(|t| t.as_str().to_owned());
        self.remember(id, number, TemplateFact { instance_type });
        Ok((id.to_owned(), number))
    }

    /// Every subnet that could be meant: by id, or by the `Name` tag.
    pub(super) async fn subnets(&self, wanted: &[String]) -> Result<Vec<Subnet>, CloudError> {
        let (ids, names): (Vec<&str>, Vec<&str>) = wanted.iter().map(String::as_str).partition(|w| is_id(w));
        // By filter and not by id: so an id that does not exist is told together with the others.
        let (mut found, named) =
            tokio::try_join!(self.subnets_with("subnet-id", ids), self.subnets_with("tag:Name", names))?;
        found.extend(named);
        Ok(found)
    }

    async fn subnets_with(&self, key: &str, values: Vec<&str>) -> Result<Vec<Subnet>, CloudError> {
        let mut found = Vec::new();
        if values.is_empty() {
            return Ok(found);
        }
        let mut pages = self.ec2.describe_subnets().filters(filter(key, values)).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| CloudError::read("ec2:DescribeSubnets", e))?;
            found.extend(page.subnets.unwrap_or_default());
        }
        Ok(found)
    }
}

fn is_id(subnet: &str) -> bool {
    // 8 hexadecimal digits in old accounts, 17 since 2016 (EC2 user guide, "Resource IDs"); `subnet-a` is a name.
    subnet
        .strip_prefix("subnet-")
        .is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.chars().all(|c| c.is_ascii_hexdigit()))
}

fn name(subnet: &Subnet) -> Option<&str> {
    subnet.tags().iter().find(|t| t.key() == Some("Name")).and_then(|t| t.value())
}

/// The subnets in the order of the file, each with its share of the instances: as even as it gets, the first ones take
/// what is left over. Subnets without a share are left out.
pub(super) fn choose(
    wanted: &[String],
    found: Vec<Subnet>,
    balancers: &[Balancer; 2],
    count: u32,
) -> Result<Vec<SubnetPin>, Problem> {
    let mut chosen: Vec<(String, String)> = Vec::new();
    for w in wanted {
        let (id, zone) = one(w, &found, balancers)?;
        if chosen.iter().any(|(known, _)| *known == id) {
            let saw = format!("the subnet {id} stands twice in the environment file, once as {w}");
            return Err(Problem { saw, expected: "each subnet once".into(), run: vec![] });
        }
        chosen.push((id, zone));
    }
    let subnets = u32::try_from(chosen.len()).unwrap_or(u32::MAX).max(1);
    let (each, rest) = (count / subnets, count % subnets);
    let share = |place: usize| each + u32::from(u32::try_from(place).is_ok_and(|p| p < rest));
    let pins = chosen.into_iter().enumerate().map(|(i, (id, zone))| SubnetPin { id, zone, count: share(i) });
    Ok(pins.filter(|pin| pin.count > 0).collect())
}

/// The one subnet that is meant by an id or a name, with its zone.
fn one(wanted: &str, found: &[Subnet], balancers: &[Balancer; 2]) -> Result<(String, String), Problem> {
    let look = if is_id(wanted) {
        format!("aws ec2 describe-subnets --subnet-ids {wanted}")
    } else {
        format!("aws ec2 describe-subnets --filters 'Name=tag:Name,Values={wanted}'")
    };
    let meant: Vec<_> =
        found.iter().filter(|s| s.subnet_id() == Some(wanted) || (!is_id(wanted) && name(s) == Some(wanted))).collect();
    let (vpc, balancer) = (&balancers[0].vpc, &balancers[0].name);
    let here: Vec<_> = meant.iter().filter(|s| s.vpc_id() == Some(vpc)).collect();
    let subnet = match (here[..].len(), meant.first()) {
        (1, _) => here[0],
        (0, None) => {
            let expected = "an id, or the value of a Name tag, of a subnet of the load balancer's VPC";
            return Err(Problem::new(format!("there is no subnet {wanted}"), expected, look));
        }
        (0, Some(other)) => {
            let saw = format!("the subnet {wanted} is in the VPC {}", other.vpc_id().unwrap_or("(none)"));
            return Err(Problem::new(saw, format!("{vpc}, as the load balancer {balancer}"), look));
        }
        (several, _) => {
            let ids: Vec<_> = here.iter().filter_map(|s| s.subnet_id()).collect();
            let saw = format!("{several} subnets are called {wanted}: {}", ids.join(", "));
            return Err(Problem::new(saw, "one; an id names it without doubt", look));
        }
    };
    let zone = subnet.availability_zone().unwrap_or_default();
    if let Some(balancer) = balancers.iter().find(|b| !b.zones.contains(zone)) {
        let enabled: Vec<_> = balancer.zones.iter().map(String::as_str).collect();
        return Err(Problem::new(
            format!(
                "the subnet {wanted} is in the zone {zone}, which is not enabled on the load balancer {}",
                balancer.name
            ),
            format!("one of {}: targets elsewhere are never checked and get no traffic", enabled.join(", ")),
            look,
        ));
    }
    Ok((subnet.subnet_id().unwrap_or_default().to_owned(), zone.to_owned()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::Tag;

    use super::*;

    fn subnet(id: &str, name: &str, zone: &str, vpc: &str) -> Subnet {
        let tag = Tag::builder().key("Name").value(name).build();
        Subnet::builder().subnet_id(id).availability_zone(zone).vpc_id(vpc).tags(tag).build()
    }

    fn balancer(zones: &[&str]) -> Balancer {
        Balancer {
            name: "shop".into(),
            arn: "arn".into(),
            dns_name: "shop.example".into(),
            vpc: "vpc-1".into(),
            zones: zones.iter().map(|z| (*z).to_owned()).collect(),
        }
    }

    fn chosen(wanted: &[&str], count: u32) -> Result<Vec<(String, u32)>, String> {
        let found = vec![
            subnet("subnet-a1", "app-a", "zone-a", "vpc-1"),
            subnet("subnet-b1", "app-b", "zone-b", "vpc-1"),
            subnet("subnet-b2", "app-b", "zone-b", "vpc-2"),
            subnet("subnet-c1", "app-c", "zone-c", "vpc-1"),
            subnet("subnet-d1", "app-d", "zone-a", "vpc-2"),
            subnet("subnet-e1", "twin", "zone-a", "vpc-1"),
            subnet("subnet-e2", "twin", "zone-b", "vpc-1"),
        ];
        let wanted: Vec<_> = wanted.iter().map(|w| (*w).to_owned()).collect();
        let balancers = [balancer(&["zone-a", "zone-b", "zone-c"]), balancer(&["zone-a", "zone-b"])];
        let pins = choose(&wanted, found, &balancers, count).map_err(|p| p.saw)?;
        Ok(pins.into_iter().map(|p| (p.id, p.count)).collect())
    }

    #[test]
    fn instances_are_spread_evenly_and_the_first_subnets_take_what_is_left_over() {
        let both = |a, b| Ok(vec![("subnet-a1".to_owned(), a), ("subnet-b1".to_owned(), b)]);
        assert_eq!(chosen(&["subnet-a1", "app-b"], 4), both(2, 2));
        assert_eq!(chosen(&["subnet-a1", "app-b"], 3), both(2, 1));
        assert_eq!(chosen(&["subnet-a1", "app-b"], 1), Ok(vec![("subnet-a1".to_owned(), 1)]));
    }

    #[test]
    fn a_subnet_that_is_missing_elsewhere_ambiguous_or_twice_is_refused() {
        for (wanted, words) in [
            ("subnet-zz", "there is no subnet subnet-zz"),
            ("nowhere", "there is no subnet nowhere"),
            ("subnet-d1", "in the VPC vpc-2"),
            ("app-d", "in the VPC vpc-2"),
            ("twin", "2 subnets are called twin: subnet-e1, subnet-e2"),
            ("app-a", "stands twice"),
            ("app-c", "zone-c, which is not enabled"),
        ] {
            let saw = chosen(&["subnet-a1", wanted], 2).expect_err(words);
            assert!(saw.contains(words), "{saw}");
        }
    }
}
