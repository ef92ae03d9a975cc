//! Pins of a small environment, and AWS's answers about it.

use std::collections::BTreeMap;

use switchback::release::{Color, GroupPin, Pins, RecordPin, RoutePin, SubnetPin, SwitchPin};

pub(crate) const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/shop/1/2/3";

pub(crate) fn blue() -> Color {
    Color::new("blue")
}

pub(crate) fn green() -> Color {
    Color::new("green")
}

pub(crate) fn group(color: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop-{color}/0")
}

fn route(dns_name: &str) -> RoutePin {
    RoutePin { dns_name: dns_name.into(), port: 80, https: false, host: None }
}

fn pins(route: SwitchPin) -> Pins {
    let group = |color: &str| GroupPin { arn: group(color), port: 8080, deregistration_delay_seconds: 30 };
    Pins {
        route,
        groups: ["blue", "green"].map(|c| (Color::new(c), group(c))).into(),
        template: "lt-1".into(),
        template_version: 7,
        subnets: vec![SubnetPin { id: "subnet-a".into(), zone: "eu-west-1a".into(), count: 2 }],
    }
}

pub(crate) fn rule_pins() -> Pins {
    pins(SwitchPin::Rule { rule: RULE.into(), route: route("shop.example.com") })
}

pub(crate) fn record_pins() -> Pins {
    let entries: BTreeMap<_, _> = ["blue", "green"].map(|c| (Color::new(c), route(&balancer(c)))).into();
    pins(SwitchPin::Records(RecordPin {
        zone: "Z1".into(),
        name: "shop.example.com.".into(),
        record_type: "A".into(),
        ttl_seconds: 60,
        entries,
    }))
}

fn balancer(color: &str) -> String {
    format!("shop-{color}.eu-west-1.elb.amazonaws.com")
}

/// The rule, forwarding with these weights.
pub(crate) fn rule(weights: &[(&str, u32)]) -> String {
    let tuples: String = weights
        .iter()
        .map(|(color, weight)| {
            let arn = group(color);
            format!("<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>{weight}</Weight></member>")
        })
        .collect();
    format!(
        "<Rules><member><RuleArn>{RULE}</RuleArn><Priority>1</Priority><Actions><member><Type>forward</Type><Order>1</Order>\
         <ForwardConfig><TargetGroups>{tuples}</TargetGroups></ForwardConfig></member></Actions></member></Rules>"
    )
}

/// A weighted alias record.
pub(crate) fn record(name: &str, color: &str, weight: u32) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}</Name><Type>A</Type><SetIdentifier>{color}</SetIdentifier><Weight>{weight}</Weight>\
         <AliasTarget><HostedZoneId>Z32</HostedZoneId><DNSName>dualstack.{}.</DNSName>\
         <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget></ResourceRecordSet>",
        balancer(color)
    )
}

/// A page of records; `next` is where the next page starts.
pub(crate) fn records(list: &[String], next: Option<(&str, &str)>) -> String {
    let next = next.map_or_else(
        || "<IsTruncated>false</IsTruncated>".to_owned(),
        |(name, id)| {
            format!(
                "<IsTruncated>true</IsTruncated><NextRecordName>{name}</NextRecordName><NextRecordType>A</NextRecordType>\
                 <NextRecordIdentifier>{id}</NextRecordIdentifier>"
            )
        },
    );
    format!("<ResourceRecordSets>{}</ResourceRecordSets>{next}<MaxItems>300</MaxItems>", list.concat())
}
