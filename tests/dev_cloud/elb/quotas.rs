//! Quotas, tags and pages.

use super::Asked;

fn group(name: &str) -> String {
    format!("Action=CreateTargetGroup&Name={name}&Protocol=HTTP&Port=80&VpcId={{vpc}}")
}

fn rule(priority: u32, group: &str) -> String {
    format!(
        "Action=CreateRule&ListenerArn={{listener}}&Priority={priority}&Conditions.member.1.Field=path-pattern\
         &Conditions.member.1.Values.member.1=/{priority}&Actions.member.1.Type=forward\
         &Actions.member.1.TargetGroupArn={group}"
    )
}

#[tokio::test]
async fn limits_are_told_with_awss_names() {
    let asked = Asked::start().await;
    let told = asked.does("Action=DescribeAccountLimits").await;
    let limits: Vec<_> = told.all("Name").into_iter().zip(told.all("Max")).collect();
    for (name, most) in [
        ("application-load-balancers", "50"),
        ("network-load-balancers", "50"),
        ("listeners-per-application-load-balancer", "50"),
        ("rules-per-application-load-balancer", "100"),
        ("target-groups", "3000"),
        ("target-groups-per-application-load-balancer", "100"),
        ("target-groups-per-action-on-application-load-balancer", "5"),
        ("target-groups-per-action-on-network-load-balancer", "5"),
        ("targets-per-application-load-balancer", "1000"),
        ("targets-per-target-group", "1000"),
        ("condition-values-per-alb-rule", "5"),
        ("condition-wildcards-per-alb-rule", "6"),
    ] {
        assert!(limits.contains(&(name.to_owned(), most.to_owned())), "{name}: {limits:?}");
    }
    let page = asked.does("Action=DescribeAccountLimits&PageSize=2").await;
    assert_eq!(page.all("Name"), told.all("Name")[..2]);
    let next =
        asked.does(&format!("Action=DescribeAccountLimits&PageSize=2&Marker={}", page.first("NextMarker"))).await;
    assert_eq!(next.all("Name"), told.all("Name")[2..4]);
    asked.refuses_with("Action=DescribeAccountLimits&PageSize=401", "ValidationError").await;
    asked.end().await;
}

#[tokio::test]
async fn a_load_balancer_has_a_hundred_rules_and_a_hundred_groups_of_which_one_may_be_exchanged() {
    let asked = Asked::start().await;
    // Blue and green are two of the hundred.
    let (mut groups, mut last) = (Vec::new(), String::new());
    for n in 0..99 {
        groups.push(asked.does(&group(&format!("g{n}"))).await.first("TargetGroupArn"));
    }
    for (group, priority) in groups[..98].iter().zip(1..) {
        last = asked.does(&rule(priority, group)).await.first("RuleArn");
    }
    let said = "You have reached the maximum number of unique target groups that you can associate with a load balancer \
                of type 'application': [100]";
    asked.refuses(&rule(99, &groups[98]), "TooManyUniqueTargetGroupsPerLoadBalancer", said).await;
    let exchange = format!(
        "Action=ModifyRule&RuleArn={last}&Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn={}",
        groups[98]
    );
    asked.does(&exchange).await;
    asked.does(&rule(99, "{blue}")).await;
    asked.does(&rule(100, "{blue}")).await;
    let told = asked.ask(&rule(101, "{blue}")).await;
    assert_eq!((told.status, told.first("Code").as_str()), (400, "TooManyRules"));
    asked.end().await;
}

#[tokio::test]
async fn a_region_has_fifty_load_balancers_of_each_kind_and_a_load_balancer_fifty_listeners() {
    let asked = Asked::start().await;
    let balancer = |n: u32| format!("Action=CreateLoadBalancer&Name=n{n}&Type=network&Subnets.member.1={{a}}");
    for n in 0..50 {
        asked.does(&balancer(n)).await;
    }
    asked.refuses_with(&balancer(50), "TooManyLoadBalancers").await;
    let listener = |port: u32| {
        format!(
            "Action=CreateListener&LoadBalancerArn={{balancer}}&Protocol=HTTP&Port={port}\
             &DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={{blue}}"
        )
    };
    for port in 9001..9050 {
        asked.does(&listener(port)).await;
    }
    asked.refuses_with(&listener(9050), "TooManyListeners").await;
    asked.end().await;
}

#[tokio::test]
async fn tags_are_awss() {
    let asked = Asked::start().await;
    let add = |more: &str| format!("Action=AddTags&ResourceArns.member.1={{blue}}{more}");
    let tag = |n: usize, key: &str| format!("&Tags.member.{n}.Key={key}&Tags.member.{n}.Value=v");
    asked.does(&add(&tag(1, "a"))).await;
    let told = asked.does("Action=DescribeTags&ResourceArns.member.1={blue}").await;
    assert_eq!((told.all("Key"), told.all("Value")), (vec!["a".into()], vec!["v".into()]));
    asked.refuses_with(&add(&format!("{}{}", tag(1, "b"), tag(2, "b"))), "DuplicateTagKeys").await;
    asked.refuses_with(&add(&tag(1, "aws:b")), "ValidationError").await;
    let many: String = (1..=50).map(|n| tag(n, &format!("k{n}"))).collect();
    asked.refuses_with(&add(&many), "TooManyTags").await;
    let told = asked.does("Action=DescribeTags&ResourceArns.member.1={blue}").await;
    assert_eq!(told.all("Key"), ["a"], "all or none");
    asked.does("Action=RemoveTags&ResourceArns.member.1={blue}&TagKeys.member.1=a&TagKeys.member.2=b").await;
    let arns = |count: usize| (1..=count).map(|n| format!("&ResourceArns.member.{n}={{blue}}")).collect::<String>();
    asked.does(&format!("Action=DescribeTags{}", arns(20))).await;
    asked.refuses_with(&format!("Action=DescribeTags{}", arns(21)), "ValidationError").await;
    for (arn, code) in [
        ("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/1", "TargetGroupNotFound"),
        ("arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/x/1", "LoadBalancerNotFound"),
        ("arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/x/1/2", "ListenerNotFound"),
        ("arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/x/1/2/3", "RuleNotFound"),
    ] {
        asked.refuses_with(&format!("Action=DescribeTags&ResourceArns.member.1={arn}"), code).await;
    }
    asked.end().await;
}
