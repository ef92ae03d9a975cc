//! Names to identifiers: what is asked, what comes out, and what is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use switchback::cloud::{Cloud, CloudError, Kind};
use switchback::config::{
    ColorConfig, Compute, Converge, Dns, DnsKind, Environment, Health, Instances, JournalLocation, Listener,
    ReleasePolicy, RuleMatch, Switch,
};
use switchback::release::{Pins, SwitchPin};

use super::script::{Asked, Log, Reply, aws, ec2_error, error, plain, result};
use super::world::{RULE, group, record, records};

const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/shop/1/2";

fn environment(switch: Switch) -> Environment {
    let own = matches!(switch, Switch::Dns(_));
    let color = |name: &str| ColorConfig {
        name: switchback::release::Color::new(name),
        target_group: format!("shop-{name}"),
        load_balancer: own.then(|| format!("shop-{name}")),
    };
    Environment {
        file: PathBuf::from("shop.yaml"),
        name: "shop".into(),
        region: None,
        account: None,
        journal: JournalLocation::Folder(PathBuf::from(".switchback")),
        colors: [color("blue"), color("green")],
        switch,
        compute: Compute::Instances(Instances {
            launch_template: "shop".into(),
            version: None,
            count: 3,
            subnets: vec!["subnet-0a1b2c3d".into(), "app-b".into()],
        }),
        health: Health { consecutive: 3, timeout: Duration::from_secs(60) },
        smoke: vec![],
        release: ReleasePolicy {
            converge: Converge {
                probe: None,
                quiet: Duration::ZERO,
                no_requests: Duration::ZERO,
                timeout: Duration::from_secs(60),
            },
            bake: Duration::ZERO,
        },
        retain: Duration::ZERO,
    }
}

fn listener(rule: Option<RuleMatch>) -> Environment {
    environment(Switch::Listener(Listener { load_balancer: "shop".into(), port: 443, rule }))
}

fn dns() -> Environment {
    let record = "shop.example.com".into();
    environment(Switch::Dns(Dns { zone: "example.com".into(), record, kind: DnsKind::A, port: 443 }))
}

fn balancer_arn(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/{name}/1")
}

/// The names in a request for things by name.
fn asked_names(asked: &Asked) -> Vec<String> {
    asked
        .text
        .lines()
        .filter_map(|l| l.strip_prefix("Names.member.")?.split_once('='))
        .map(|(_, n)| n.to_owned())
        .collect()
}

fn balancer(name: &str) -> String {
    let zones: String = ["a", "b"].map(|z| format!("<member><ZoneName>eu-west-1{z}</ZoneName></member>")).concat();
    format!(
        "<member><LoadBalancerName>{name}</LoadBalancerName><LoadBalancerArn>{}</LoadBalancerArn>\
         <DNSName>{name}.eu-west-1.elb.amazonaws.com</DNSName><VpcId>vpc-1</VpcId><Type>application</Type>\
         <AvailabilityZones>{zones}</AvailabilityZones></member>",
        balancer_arn(name)
    )
}

fn target_group(name: &str, behind: &str) -> String {
    let color = name.trim_start_matches("shop-");
    format!(
        "<member><TargetGroupName>{name}</TargetGroupName><TargetGroupArn>{}</TargetGroupArn><Protocol>HTTP</Protocol>\
         <ProtocolVersion>HTTP1</ProtocolVersion><Port>8080</Port><VpcId>vpc-1</VpcId><TargetType>instance</TargetType>\
         <LoadBalancerArns><member>{}</member></LoadBalancerArns></member>",
        group(color),
        balancer_arn(behind)
    )
}

fn rule_named(arn: &str, priority: &str, path: &str) -> String {
    format!(
        "<member><RuleArn>{arn}</RuleArn><Priority>{priority}</Priority><Conditions><member><Field>path-pattern</Field>\
         <PathPatternConfig><Values><member>{path}</member></Values></PathPatternConfig></member><member>\
         <Field>host-header</Field><HostHeaderConfig><Values><member>*.example.com</member></Values></HostHeaderConfig>\
         </member></Conditions></member>"
    )
}

/// AWS as the environment describes it.
fn good(asked: &Asked, own_balancers: bool) -> Reply {
    let page = |text: &str| asked.text.contains(text);
    match asked.operation.as_str() {
        "DescribeLoadBalancers" => {
            let list: String = asked_names(asked).iter().map(|n| balancer(n)).collect();
            result("DescribeLoadBalancers", &format!("<LoadBalancers>{list}</LoadBalancers>"))
        }
        "DescribeListeners" => {
            // The listener on 443 is on the second page.
            let (port, protocol, next) = match page("Marker=m1") {
                false => (80, "HTTP", "<NextMarker>m1</NextMarker>"),
                true => (443, "HTTPS", ""),
            };
            let one = format!(
                "<member><ListenerArn>{LISTENER}</ListenerArn><Port>{port}</Port><Protocol>{protocol}</Protocol></member>"
            );
            result("DescribeListeners", &format!("<Listeners>{one}</Listeners>{next}"))
        }
        "DescribeRules" => {
            // So is the rule.
            let (one, next) = match page("Marker=m1") {
                false => (rule_named("arn:other", "1", "/other"), "<NextMarker>m1</NextMarker>"),
                true => (rule_named(RULE, "2", "/api/*"), ""),
            };
            result("DescribeRules", &format!("<Rules>{one}</Rules>{next}"))
        }
        "DescribeTargetGroups" => {
            let behind = |name: &str| if own_balancers { name.to_owned() } else { "shop".to_owned() };
            let list: String = asked_names(asked).iter().map(|n| target_group(n, &behind(n))).collect();
            result("DescribeTargetGroups", &format!("<TargetGroups>{list}</TargetGroups>"))
        }
        "DescribeTargetGroupAttributes" => result(
            "DescribeTargetGroupAttributes",
            "<Attributes><member><Key>deregistration_delay.timeout_seconds</Key><Value>30</Value></member></Attributes>",
        ),
        "DescribeSubnets" => {
            let (id, name, zone) = if page("Filter.1.Name=subnet-id") {
                ("subnet-0a1b2c3d", "app-a", "a")
            } else {
                ("subnet-4e5f6a7b", "app-b", "b")
            };
            let one = format!(
                "<item><subnetId>{id}</subnetId><vpcId>vpc-1</vpcId><availabilityZone>eu-west-1{zone}</availabilityZone>\
                 <tagSet><item><key>Name</key><value>{name}</value></item></tagSet></item>"
            );
            plain("DescribeSubnets", &format!("<subnetSet>{one}</subnetSet>"))
        }
        "DescribeLaunchTemplateVersions" => plain(
            "DescribeLaunchTemplateVersions",
            "<launchTemplateVersionSet><item><launchTemplateId>lt-1</launchTemplateId><versionNumber>7</versionNumber>\
             <defaultVersion>true</defaultVersion><launchTemplateData><instanceType>t4g.small</instanceType>\
             </launchTemplateData></item></launchTemplateVersionSet>",
        ),
        "DescribeInstanceTypes" => plain(
            "DescribeInstanceTypes",
            "<instanceTypeSet><item><instanceType>t4g.small</instanceType><processorInfo><supportedArchitectures>\
             <item>arm64</item></supportedArchitectures></processorInfo></item></instanceTypeSet>",
        ),
        "ListHostedZonesByName" => plain("ListHostedZonesByName", &zones(&["Z1"])),
        "ListResourceRecordSets" => {
            let pair = ["blue", "green"].map(|c| record("shop.example.com.", c, u32::from(c == "blue")));
            plain("ListResourceRecordSets", &records(&pair, None))
        }
        other => panic!("nobody expects {other}"),
    }
}

fn zones(ids: &[&str]) -> String {
    let zone = |id: &str, name: &str| {
        format!(
            "<HostedZone><Id>/hostedzone/{id}</Id><Name>{name}.</Name><CallerReference>c</CallerReference></HostedZone>"
        )
    };
    let ours: String = ids.iter().map(|id| zone(id, "example.com")).collect();
    // The list goes on with the next name in order.
    format!(
        "<HostedZones>{ours}{}</HostedZones><IsTruncated>true</IsTruncated><NextDNSName>tail.com</NextDNSName>\
         <MaxItems>2</MaxItems>",
        zone("Z9", "later.com")
    )
}

/// AWS as the environment describes it, but for what `change` answers.
fn aws_but(own: bool, change: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> (Cloud, Log) {
    aws(move |asked| change(asked).unwrap_or_else(|| good(asked, own)))
}

async fn resolve(environment: &Environment) -> (Pins, Cloud) {
    let own = matches!(environment.switch, Switch::Dns(_));
    let (cloud, _) = aws_but(own, |_| None);
    (cloud.resolve(environment).await.expect("everything fits"), cloud)
}

/// What is said when AWS differs from what the environment describes.
async fn refused(environment: Environment, change: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> String {
    let own = matches!(environment.switch, Switch::Dns(_));
    let (cloud, _) = aws_but(own, change);
    let e = cloud.resolve(&environment).await.expect_err("something does not fit");
    assert!(matches!(e.kind, Kind::Refused(_)), "{e:?}");
    assert!(e.problem().run.iter().all(|command| command.starts_with("aws ")), "{:?}", e.problem().run);
    e.to_string()
}

fn path() -> Option<RuleMatch> {
    Some(RuleMatch::Path("/api/*".into()))
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_pinned_with_everything_else_and_no_fact_is_asked_for_twice() {
    let (pins, cloud) = resolve(&listener(path())).await;
    let SwitchPin::Rule { rule, route } = &pins.route else { panic!("{:?}", pins.route) };
    assert_eq!(rule, RULE);
    assert_eq!((route.dns_name.as_str(), route.port, route.https), ("shop.eu-west-1.elb.amazonaws.com", 443, true));
    assert_eq!(route.host.as_deref(), Some("probe.example.com"));
    let groups: Vec<_> = pins.groups.iter().map(|(c, g)| (c.as_str(), g.arn.clone(), g.port)).collect();
    assert_eq!(groups, [("blue", group("blue"), 8080), ("green", group("green"), 8080)]);
    assert!(pins.groups.values().all(|g| g.deregistration_delay_seconds == 30));
    assert_eq!((pins.template.as_str(), pins.template_version), ("lt-1", 7));
    let subnets: Vec<_> = pins.subnets.iter().map(|s| (s.id.as_str(), s.zone.as_str(), s.count)).collect();
    assert_eq!(subnets, [("subnet-0a1b2c3d", "eu-west-1a", 2), ("subnet-4e5f6a7b", "eu-west-1b", 1)]);
    let expected = [
        ("ec2:DescribeLaunchTemplateVersions", 1),
        // By id and by name.
        ("ec2:DescribeSubnets", 2),
        // Two pages.
        ("elbv2:DescribeListeners", 2),
        ("elbv2:DescribeLoadBalancers", 1),
        ("elbv2:DescribeRules", 2),
        // One per group: AWS takes no more.
        ("elbv2:DescribeTargetGroupAttributes", 2),
        ("elbv2:DescribeTargetGroups", 1),
    ];
    assert_eq!(cloud.calls().by_operation, BTreeMap::from(expected.map(|(o, n)| (o.to_owned(), n))));
}

#[tokio::test(start_paused = true)]
async fn without_a_rule_the_default_action_is_pinned_and_no_rule_is_read() {
    let (pins, cloud) = resolve(&listener(None)).await;
    let SwitchPin::DefaultAction { listener, route } = &pins.route else { panic!("{:?}", pins.route) };
    assert_eq!((listener.as_str(), &route.host), (LISTENER, &None));
    assert_eq!(cloud.calls().by_operation.get("elbv2:DescribeRules"), None);
}

#[tokio::test(start_paused = true)]
async fn records_are_pinned_with_the_load_balancer_of_each_color_and_the_time_to_live_of_an_alias() {
    let (pins, _) = resolve(&dns()).await;
    let SwitchPin::Records(pin) = &pins.route else { panic!("{:?}", pins.route) };
    assert_eq!((pin.zone.as_str(), pin.name.as_str(), pin.record_type.as_str()), ("Z1", "shop.example.com.", "A"));
    assert_eq!(pin.ttl_seconds, 60);
    let entries: Vec<_> = pin.entries.iter().map(|(c, e)| (c.as_str(), e.dns_name.as_str(), e.port, e.https)).collect();
    let expected = [
        ("blue", "shop-blue.eu-west-1.elb.amazonaws.com", 443, true),
        ("green", "shop-green.eu-west-1.elb.amazonaws.com", 443, true),
    ];
    assert_eq!(entries, expected);
    assert!(pin.entries.values().all(|e| e.host.as_deref() == Some("shop.example.com")));
}

#[tokio::test(start_paused = true)]
async fn names_that_do_not_exist_are_told_with_the_region() {
    let said = refused(listener(path()), |asked| {
        (asked.operation == "DescribeLoadBalancers").then(|| error(400, "LoadBalancerNotFound", "not found"))
    });
    assert!(said.await.contains("there is no load balancer shop in eu-west-1"));
    let said = refused(listener(path()), |asked| {
        (asked.operation == "DescribeTargetGroups").then(|| error(400, "TargetGroupNotFound", "not found"))
    });
    assert!(said.await.contains("there is no target group shop-blue or no shop-green"));
    let said = refused(listener(path()), |asked| {
        (asked.operation == "DescribeLaunchTemplateVersions")
            .then(|| ec2_error(400, "InvalidLaunchTemplateName.NotFoundException", "not found"))
    });
    assert!(said.await.contains("no version $Default of a launch template shop"));
    let said = refused(dns(), |asked| {
        (asked.operation == "ListHostedZonesByName").then(|| plain("ListHostedZonesByName", &zones(&[])))
    });
    assert!(said.await.contains("there is no hosted zone example.com"));
}

#[tokio::test(start_paused = true)]
async fn parts_that_do_not_fit_are_refused() {
    let swap = |operation: &'static str, old: &'static str, new: &'static str| {
        move |asked: &Asked| match good(asked, false) {
            Reply::Answer(status, body) if asked.operation == operation => {
                Some(Reply::Answer(status, body.replace(old, new)))
            }
            _ => None,
        }
    };
    for (operation, old, new, words) in [
        ("DescribeLoadBalancers", ">application<", ">network<", "is of type network; expected an application"),
        ("DescribeListeners", ">443<", ">8443<", "has listeners on 80, 8443; expected a listener on port 443"),
        ("DescribeRules", "/api/*", "/v2/*", "no rule with a path-pattern condition /api/*"),
        ("DescribeTargetGroups", "vpc-1", "vpc-2", "is in the VPC vpc-2"),
        ("DescribeTargetGroups", ">instance<", ">ip<", "takes targets of type ip"),
        ("DescribeTargetGroups", "app/shop/1", "app/other/1", "is behind another load balancer"),
        ("DescribeSubnets", "vpc-1", "vpc-2", "is in the VPC vpc-2"),
        ("DescribeSubnets", "eu-west-1b", "eu-west-1c", "in the zone eu-west-1c, which is not enabled"),
        ("DescribeSubnets", ">app-b<", ">app-x<", "there is no subnet app-b"),
        (
            "DescribeLaunchTemplateVersions",
            "<instanceType>",
            "<networkInterfaceSet><item/></networkInterfaceSet><instanceType>",
            "sets network interfaces",
        ),
    ] {
        let said = refused(listener(path()), swap(operation, old, new)).await;
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_are_not_one_pair_in_one_zone_are_refused() {
    let said = refused(dns(), |asked| {
        (asked.operation == "ListHostedZonesByName").then(|| plain("ListHostedZonesByName", &zones(&["Z1", "Z2"])))
    });
    assert!(said.await.contains("2 hosted zones are called example.com and hold such records: Z1, Z2"));
    let said = refused(dns(), |asked| {
        let one = [record("shop.example.com.", "blue", 1)];
        (asked.operation == "ListResourceRecordSets").then(|| plain("ListResourceRecordSets", &records(&one, None)))
    });
    assert!(said.await.contains("the hosted zone example.com (Z1) has not both records"));
    let said = refused(dns(), |asked| {
        let crossed = ["blue", "green"].map(|c| record("shop.example.com.", c, 1).replace("shop-green.", "shop-blue."));
        (asked.operation == "ListResourceRecordSets").then(|| plain("ListResourceRecordSets", &records(&crossed, None)))
    });
    let said = said.await;
    assert!(said.contains("of green points at shop-blue.eu-west-1.elb.amazonaws.com"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn of_two_zones_with_one_name_the_one_that_holds_the_pair_is_taken() {
    let (cloud, log) = aws_but(true, |asked| match asked.operation.as_str() {
        "ListHostedZonesByName" => Some(plain("ListHostedZonesByName", &zones(&["Z1", "Z2"]))),
        "ListResourceRecordSets" if asked.before == 0 => Some(plain("ListResourceRecordSets", &records(&[], None))),
        _ => None,
    });
    let pins = cloud.resolve(&dns()).await.expect("one zone holds the pair");
    assert!(matches!(pins.route, SwitchPin::Records(_)));
    assert_eq!(log.of("ListResourceRecordSets").len(), 2);
}

fn image(state: &str, architecture: &str) -> Reply {
    let one = format!(
        "<item><imageId>ami-1</imageId><imageState>{state}</imageState><architecture>{architecture}</architecture></item>"
    );
    plain("DescribeImages", &format!("<imagesSet>{one}</imagesSet>"))
}

/// The image is checked after the environment was resolved, as in a release.
async fn check(image_id: &str, reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Result<(), CloudError>, Cloud) {
    let (cloud, _) = aws_but(false, move |asked| (asked.operation == "DescribeImages").then(&reply));
    let pins = cloud.resolve(&listener(path())).await.expect("everything fits");
    (cloud.check_image(&pins, image_id).await.map(drop), cloud)
}

#[tokio::test(start_paused = true)]
async fn an_image_that_fits_is_accepted_and_the_template_is_not_read_again() {
    let (done, cloud) = check("ami-1", || image("available", "arm64")).await;
    assert_eq!(done, Ok(()));
    assert_eq!(cloud.calls().by_operation["ec2:DescribeLaunchTemplateVersions"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_launched_is_refused_with_the_reason() {
    async fn said(id: &str, reply: impl Fn() -> Reply + Send + Sync + 'static) -> String {
        let e = check(id, reply).await.0.expect_err("not to be launched");
        assert!(matches!(e.kind, Kind::Refused(_)), "{e:?}");
        e.to_string()
    }
    let missing =
        said("ami-1", || ec2_error(400, "InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist")).await;
    assert!(missing.contains("ami-1 does not exist in this account and region, or was deregistered"), "{missing}");
    let empty = said("ami-1", || plain("DescribeImages", "<imagesSet/>")).await;
    assert_eq!(empty, missing);
    for state in ["pending", "deregistered", "disabled", "failed", "invalid"] {
        let said = said("ami-1", move || image(state, "arm64")).await;
        assert!(said.contains(&format!("ami-1 is {state}")), "{said}");
    }
    let wrong = said("ami-1", || image("available", "x86_64")).await;
    assert!(
        wrong.contains("built for x86_64; expected arm64, as the template's instance type t4g.small needs it"),
        "{wrong}"
    );
    let moving = said("resolve:ssm:/shop/image", || image("available", "arm64")).await;
    assert!(moving.contains("expected an immutable image id"), "{moving}");
}
