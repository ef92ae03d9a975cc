//! Attributes of load balancers, target groups and listeners.

use super::Asked;

fn set(what: &str, arn: &str, pairs: &[(&str, &str)]) -> String {
    let parameter = match what {
        "LoadBalancer" => "LoadBalancerArn",
        "TargetGroup" => "TargetGroupArn",
        _ => "ListenerArn",
    };
    let pairs = pairs
        .iter()
        .zip(1..)
        .map(|((key, value), n)| format!("&Attributes.member.{n}.Key={key}&Attributes.member.{n}.Value={value}"));
    format!("Action=Modify{what}Attributes&{parameter}={arn}{}", pairs.collect::<String>())
}

#[tokio::test]
async fn load_balancers_have_awss_keys_and_defaults_by_type() {
    let asked = Asked::start().await;
    let told = asked.does("Action=DescribeLoadBalancerAttributes&LoadBalancerArn={balancer}").await;
    for (key, value) in [
        ("access_logs.s3.enabled", "false"),
        ("client_keep_alive.seconds", "3600"),
        ("deletion_protection.enabled", "false"),
        ("idle_timeout.timeout_seconds", "60"),
        ("load_balancing.cross_zone.enabled", "true"),
        ("routing.http.desync_mitigation_mode", "defensive"),
        ("routing.http.xff_header_processing.mode", "append"),
        ("routing.http2.enabled", "true"),
        ("waf.fail_open.enabled", "false"),
        ("zonal_shift.config.enabled", "false"),
    ] {
        assert_eq!(told.attribute(key), value, "{key}");
    }
    let made = asked.does("Action=CreateLoadBalancer&Name=net&Type=network&Scheme=internal&Subnets.member.1={a}").await;
    let network = made.first("LoadBalancerArn");
    let told = asked.does(&format!("Action=DescribeLoadBalancerAttributes&LoadBalancerArn={network}")).await;
    assert_eq!(told.attribute("load_balancing.cross_zone.enabled"), "false");
    assert_eq!(told.attribute("dns_record.client_routing_policy"), "any_availability_zone");
    assert_eq!(told.attribute("ipv6.deny_all_igw_traffic"), "true", "internal load balancers deny it");
    let said =
        "Load balancer attribute key 'routing.http2.enabled' is not supported on load balancers with type 'network'";
    let form = set("LoadBalancer", &network, &[("routing.http2.enabled", "true")]);
    asked.refuses(&form, "InvalidConfigurationRequest", said).await;
    asked.does(&set("LoadBalancer", &network, &[("secondary_ips.auto_assigned.per_subnet", "3")])).await;
    let fewer = set("LoadBalancer", &network, &[("secondary_ips.auto_assigned.per_subnet", "2")]);
    asked.refuses_with(&fewer, "InvalidConfigurationRequest").await;
    asked.end().await;
}

#[tokio::test]
async fn attributes_of_load_balancers_have_ranges_and_a_bad_one_changes_nothing() {
    let asked = Asked::start().await;
    for (pairs, code, said) in [
        (
            vec![("idle_timeout.timeout_seconds", "4001")],
            "ValidationError",
            "'idle_timeout.timeout_seconds' value '4001' must be between '1-4000' inclusive",
        ),
        (
            vec![("client_keep_alive.seconds", "59")],
            "ValidationError",
            "'client_keep_alive.seconds' value '59' must be between '60-604800' inclusive",
        ),
        (vec![("idle", "1")], "ValidationError", "Load balancer attribute key 'idle' is not recognized"),
        (
            vec![("routing.http2.enabled", "yes")],
            "ValidationError",
            "'routing.http2.enabled' must be one of [true, false]",
        ),
        (
            vec![("routing.http2.enabled", "true"), ("routing.http2.enabled", "false")],
            "ValidationError",
            "Attribute key 'routing.http2.enabled' has been specified more than once",
        ),
        (
            vec![("load_balancing.cross_zone.enabled", "false")],
            "ValidationError",
            "'load_balancing.cross_zone.enabled' must be one of [true]",
        ),
        (
            vec![("idle_timeout.timeout_seconds", "5"), ("access_logs.s3.enabled", "true")],
            "InvalidConfigurationRequest",
            "The key 'access_logs.s3.bucket' must set in order to enable access logs",
        ),
        (
            vec![("connection_logs.s3.enabled", "true")],
            "InvalidConfigurationRequest",
            "the dev cloud does not model 'connection_logs.s3.enabled' with the value 'true', only with 'false'",
        ),
    ] {
        asked.refuses(&set("LoadBalancer", "{balancer}", &pairs), code, said).await;
    }
    let told = asked.does("Action=DescribeLoadBalancerAttributes&LoadBalancerArn={balancer}").await;
    assert_eq!(told.attribute("idle_timeout.timeout_seconds"), "60");
    let told = asked.does(&set("LoadBalancer", "{balancer}", &[("idle_timeout.timeout_seconds", "1")])).await;
    assert_eq!(told.attribute("idle_timeout.timeout_seconds"), "1");
    asked.end().await;
}

#[tokio::test]
async fn groups_have_awss_keys_and_defaults_by_protocol() {
    let asked = Asked::start().await;
    let told = asked.does("Action=DescribeTargetGroupAttributes&TargetGroupArn={green}").await;
    for (key, value) in [
        ("load_balancing.algorithm.type", "round_robin"),
        ("load_balancing.algorithm.anomaly_mitigation", "off"),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("slow_start.duration_seconds", "0"),
        ("stickiness.enabled", "false"),
        ("stickiness.type", "lb_cookie"),
        ("stickiness.lb_cookie.duration_seconds", "86400"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
    ] {
        assert_eq!(told.attribute(key), value, "{key}");
    }
    let create = "Action=CreateTargetGroup&Name=tcp&Protocol=TCP&Port=80&VpcId={vpc}&TargetType=ip";
    let tcp = asked.does(create).await.first("TargetGroupArn");
    let told = asked.does(&format!("Action=DescribeTargetGroupAttributes&TargetGroupArn={tcp}")).await;
    for (key, value) in [
        ("deregistration_delay.timeout_seconds", "300"),
        ("deregistration_delay.connection_termination.enabled", "false"),
        ("preserve_client_ip.enabled", "false"),
        ("proxy_protocol_v2.enabled", "false"),
        ("stickiness.type", "source_ip"),
        ("target_health_state.unhealthy.connection_termination.enabled", "true"),
        ("target_health_state.unhealthy.draining_interval_seconds", "0"),
        ("slow_start.duration_seconds", "no such attribute"),
    ] {
        assert_eq!(told.attribute(key), value, "{key}");
    }
    let foreign = set("TargetGroup", &tcp, &[("slow_start.duration_seconds", "30")]);
    asked.refuses_with(&foreign, "InvalidConfigurationRequest").await;
    let drained = [("target_health_state.unhealthy.draining_interval_seconds", "60")];
    asked.refuses_with(&set("TargetGroup", &tcp, &drained), "InvalidConfigurationRequest").await;
    let kept = [drained[0], ("target_health_state.unhealthy.connection_termination.enabled", "false")];
    asked.does(&set("TargetGroup", &tcp, &kept)).await;
    asked.end().await;
}

#[tokio::test]
async fn attributes_of_groups_have_ranges_and_exclude_each_other() {
    let asked = Asked::start().await;
    let weighted = ("load_balancing.algorithm.type", "weighted_random");
    let least = ("load_balancing.algorithm.type", "least_outstanding_requests");
    let (slow, sticky) = (("slow_start.duration_seconds", "30"), ("stickiness.enabled", "true"));
    for (pairs, code, said) in [
        (
            vec![("deregistration_delay.timeout_seconds", "3601")],
            "ValidationError",
            "'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' inclusive",
        ),
        (
            vec![("slow_start.duration_seconds", "29")],
            "ValidationError",
            "'slow_start.duration_seconds' value '29' must be between '30-900' inclusive or '0'",
        ),
        (vec![("hue", "1")], "ValidationError", "Target group attribute key 'hue' is not recognized"),
        (
            vec![("stickiness.type", "source_ip")],
            "InvalidConfigurationRequest",
            "Stickiness type 'source_ip' is not supported for target groups with the HTTP protocol",
        ),
        (
            vec![sticky, ("stickiness.type", "app_cookie")],
            "InvalidConfigurationRequest",
            "You must set an application cookie name to enable stickiness of type 'app_cookie'",
        ),
        (
            vec![sticky, weighted],
            "InvalidConfigurationRequest",
            "You cannot have both stickiness and weighted random algorithm enabled on the same target group.",
        ),
        (
            vec![slow, least],
            "InvalidConfigurationRequest",
            "You cannot enable both slow start mode and least outstanding requests",
        ),
        (
            vec![sticky, ("load_balancing.cross_zone.enabled", "false")],
            "InvalidConfigurationRequest",
            "You cannot enable stickiness on a target group with cross-zone load balancing off",
        ),
        (
            vec![("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "2")],
            "InvalidConfigurationRequest",
            "The count for DNS failover ('1') must be greater than or equal to the count for routing failover ('2')",
        ),
    ] {
        asked.refuses(&set("TargetGroup", "{green}", &pairs), code, said).await;
    }
    let reserved = [("stickiness.app_cookie.cookie_name", "AWSALBAPP-mine")];
    asked.refuses_with(&set("TargetGroup", "{green}", &reserved), "ValidationError").await;
    let told = asked.does(&set("TargetGroup", "{green}", &[slow, ("deregistration_delay.timeout_seconds", "0")])).await;
    assert_eq!(told.attribute("slow_start.duration_seconds"), "30");
    asked.end().await;
}

#[tokio::test]
async fn sticky_targets_and_sticky_groups_exclude_each_other_in_both_directions_in_awss_words() {
    let asked = Asked::start().await;
    let sticky = set("TargetGroup", "{blue}", &[("stickiness.enabled", "true")]);
    let rules = asked.does("Action=DescribeRules&ListenerArn={listener}").await;
    let said = format!(
        "This target group appears behind a rule with group stickiness disabled ({}). You must enable group stickiness \
         before enabling target stickiness",
        rules.first("RuleArn")
    );
    asked.refuses(&sticky, "InvalidConfigurationRequest", &said).await;

    let forward = |more: &str| {
        format!(
            "Action=ModifyListener&ListenerArn={{listener}}&DefaultActions.member.1.Type=forward\
             &DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn={{blue}}\
             &DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.Weight=1\
             &DefaultActions.member.1.ForwardConfig.TargetGroups.member.2.TargetGroupArn={{green}}\
             &DefaultActions.member.1.ForwardConfig.TargetGroups.member.2.Weight=0{more}"
        )
    };
    let group = "&DefaultActions.member.1.ForwardConfig.TargetGroupStickinessConfig";
    asked.does(&forward(&format!("{group}.Enabled=true{group}.DurationSeconds=60"))).await;
    asked.does(&sticky).await;
    let said =
        "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups";
    asked.refuses(&forward(""), "InvalidLoadBalancerAction", said).await;

    let cookie = [("stickiness.type", "app_cookie"), ("stickiness.app_cookie.cookie_name", "session")];
    asked.refuses_with(&set("TargetGroup", "{blue}", &cookie), "InvalidConfigurationRequest").await;
    asked.end().await;
}

#[tokio::test]
async fn listeners_have_attributes_of_their_protocol() {
    let asked = Asked::start().await;
    let told = asked.does("Action=DescribeListenerAttributes&ListenerArn={listener}").await;
    assert_eq!(told.attribute("routing.http.response.server.enabled"), "true");
    let foreign = set("Listener", "{listener}", &[("tcp.idle_timeout.seconds", "60")]);
    let said =
        "Listener attribute key 'tcp.idle_timeout.seconds' is not supported on listeners with the protocol 'HTTP'";
    asked.refuses(&foreign, "InvalidConfigurationRequest", said).await;
    let options = [("routing.http.response.x_frame_options.header_value", "DENY")];
    let told = asked.does(&set("Listener", "{listener}", &options)).await;
    assert_eq!(told.attribute(options[0].0), "DENY");
    let bad = [("routing.http.response.x_frame_options.header_value", "MAYBE")];
    asked.refuses_with(&set("Listener", "{listener}", &bad), "ValidationError").await;
    asked.end().await;
}
