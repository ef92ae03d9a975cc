//! Rules: conditions, actions, transforms, priorities.

use super::Asked;

fn rule(priority: u32, more: &str) -> String {
    format!("Action=CreateRule&ListenerArn={{listener}}&Priority={priority}{more}")
}

const PATH: &str = "&Conditions.member.1.Field=path-pattern&Conditions.member.1.Values.member.1=/x";
const BLUE: &str = "&Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn={blue}";

fn values(field: &str, config: &str, all: &[&str]) -> String {
    let list = all.iter().zip(1..).map(|(value, n)| format!("&Conditions.member.1.{config}.Values.member.{n}={value}"));
    format!("&Conditions.member.1.Field={field}{}", list.collect::<String>())
}

#[tokio::test]
async fn every_kind_of_condition_is_read_back_in_its_own_spelling_and_the_oldest_two_in_both() {
    let asked = Asked::start().await;
    let query = "&Conditions.member.1.Field=query-string\
                 &Conditions.member.1.QueryStringConfig.Values.member.1.Key=v\
                 &Conditions.member.1.QueryStringConfig.Values.member.1.Value=2";
    let header = format!(
        "{}&Conditions.member.1.HttpHeaderConfig.HttpHeaderName=X-Env",
        values("http-header", "HttpHeaderConfig", &["t*"])
    );
    let regex = "&Conditions.member.1.Field=path-pattern\
                 &Conditions.member.1.PathPatternConfig.RegexValues.member.1=%5E/v[0-9]%2B/";
    for (priority, (condition, expected)) in (1..).zip([
        (
            PATH.to_owned(),
            "<Values><member>/x</member></Values><PathPatternConfig><Values><member>/x</member></Values></PathPatternConfig>",
        ),
        (
            values("host-header", "HostHeaderConfig", &["*.example.com"]),
            "<Values><member>*.example.com</member></Values><HostHeaderConfig><Values><member>*.example.com</member>\
             </Values></HostHeaderConfig>",
        ),
        (
            values("http-request-method", "HttpRequestMethodConfig", &["GET", "HEAD"]),
            "<Field>http-request-method</Field><HttpRequestMethodConfig><Values><member>GET</member><member>HEAD</member>\
             </Values></HttpRequestMethodConfig>",
        ),
        (
            header,
            "<HttpHeaderConfig><HttpHeaderName>X-Env</HttpHeaderName><Values><member>t*</member></Values>\
             </HttpHeaderConfig>",
        ),
        (
            query.to_owned(),
            "<QueryStringConfig><Values><member><Key>v</Key><Value>2</Value></member></Values></QueryStringConfig>",
        ),
        (
            values("source-ip", "SourceIpConfig", &["10.0.0.0/8"]),
            "<Field>source-ip</Field><SourceIpConfig><Values><member>10.0.0.0/8</member></Values></SourceIpConfig>",
        ),
        (
            regex.to_owned(),
            "<RegexValues><member>^/v[0-9]+/</member></RegexValues><PathPatternConfig><RegexValues>\
             <member>^/v[0-9]+/</member></RegexValues></PathPatternConfig>",
        ),
    ]) {
        let told = asked.does(&rule(priority, &format!("{condition}{BLUE}"))).await;
        assert!(told.body.contains(expected), "{condition}: {}", told.body);
    }
    asked.end().await;
}

#[tokio::test]
async fn conditions_that_cannot_be_are_refused_in_awss_words() {
    let asked = Asked::start().await;
    let long = "a".repeat(129);
    for (condition, said) in [
        (String::new(), "A condition must be specified"),
        ("&Conditions.member.1.Values.member.1=/x".into(), "A condition field must be specified"),
        (
            "&Conditions.member.1.Field=cookie&Conditions.member.1.Values.member.1=a".into(),
            "Condition field 'cookie' must be one of \
             '[path-pattern,host-header,http-header,http-request-method,query-string,source-ip]'",
        ),
        ("&Conditions.member.1.Field=path-pattern".into(), "A condition value must be specified"),
        (
            values("path-pattern", "PathPatternConfig", &["/1", "/2", "/3", "/4", "/5", "/6"]),
            "A rule can only have '5' condition values",
        ),
        (
            values("path-pattern", "PathPatternConfig", &["/*/*/*", "/?/?/?", "/*"]),
            "A rule can only have '6' condition wildcards",
        ),
        (
            format!("{PATH}&Conditions.member.1.PathPatternConfig.Values.member.1=/x"),
            "You cannot provide both Values and 'PathPatternConfig' for a condition of type 'path-pattern'",
        ),
        (
            format!("{PATH}&Conditions.member.1.Values.member.2=/y"),
            "The 'path-pattern' field contains too many values; the limit is '1'",
        ),
        (
            format!("{PATH}&Conditions.member.2.Field=path-pattern&Conditions.member.2.Values.member.1=/y"),
            "A rule can only have one 'path-pattern' condition",
        ),
        (
            "&Conditions.member.1.Field=source-ip&Conditions.member.1.Values.member.1=10.0.0.0/8".into(),
            "The 'Values' field is not compatible with 'source-ip'",
        ),
        (
            values("source-ip", "PathPatternConfig", &["/x"]),
            "The 'PathPatternConfig' field is not compatible with 'source-ip'",
        ),
        ("&Conditions.member.1.Field=source-ip".into(), "A 'SourceIpConfig' must be specified with 'source-ip'"),
        (values("source-ip", "SourceIpConfig", &["10.0.0"]), "The 'source-ip' value '10.0.0' is not a valid CIDR"),
        (
            values("path-pattern", "PathPatternConfig", &[&long]),
            "The 'path-pattern' value is too long; the limit is '128'",
        ),
        (
            values("http-request-method", "HttpRequestMethodConfig", &["get"]),
            "The 'http-request-method' value 'get' contains an invalid character: 'g'",
        ),
        (
            format!(
                "{}&Conditions.member.1.HttpHeaderConfig.HttpHeaderName=Host",
                values("http-header", "HttpHeaderConfig", &["a"])
            ),
            "You cannot use an 'http-header' condition for the host header; use a 'host-header' condition",
        ),
        (
            values("host-header", "HostHeaderConfig", &["localhost"]),
            "The 'host-header' value 'localhost' must contain at least one '.', and only alphabetical characters after \
             the last one",
        ),
        (
            "&Conditions.member.1.Field=path-pattern&Conditions.member.1.PathPatternConfig.RegexValues.member.1=("
                .into(),
            "The 'path-pattern' regular expression '(' is not valid",
        ),
    ] {
        asked.refuses(&rule(1, &format!("{condition}{BLUE}")), "ValidationError", said).await;
    }
    // An escaped wildcard is none.
    let escaped = values("path-pattern", "PathPatternConfig", &["/*/*/*", "/?/?/?"]);
    asked.does(&rule(1, &format!("{escaped}{BLUE}"))).await;
    asked.end().await;
}

#[tokio::test]
async fn actions_that_cannot_be_are_refused_in_awss_words() {
    let asked = Asked::start().await;
    let fixed = "&Actions.member.1.Type=fixed-response&Actions.member.1.FixedResponseConfig";
    let redirect = "&Actions.member.1.Type=redirect&Actions.member.1.RedirectConfig.StatusCode=HTTP_301";
    let tuple = "&Actions.member.1.Type=forward&Actions.member.1.ForwardConfig.TargetGroups.member";
    for (action, code, said) in [
        (
            format!("{fixed}.StatusCode=302"),
            "ValidationError",
            "1 validation error detected: Value '302' at 'actions.fixedResponseConfig.statusCode' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: ^(2|4|5)\\d\\d$",
        ),
        (
            format!("{fixed}.StatusCode=200{fixed}.ContentType=image/png").replace(
                "&Actions.member.1.Type=fixed-response&Actions.member.1.FixedResponseConfig.ContentType",
                "&Actions.member.1.FixedResponseConfig.ContentType",
            ),
            "InvalidLoadBalancerAction",
            "The ContentType must be one of:'text/html', 'application/json', 'application/javascript', 'text/css', \
             'text/plain'",
        ),
        (
            redirect.to_owned(),
            "InvalidLoadBalancerAction",
            "The redirect configuration is not valid because it creates a loop: at least one of protocol, host, port or \
             path must be changed",
        ),
        ("&Actions.member.1.Type=forward".into(), "ValidationError", "A target group ARN must be specified"),
        (
            format!(
                "{tuple}.1.TargetGroupArn={{blue}}{}",
                "&Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight=1000"
            ),
            "ValidationError",
            "Weight '1000' must be between '0' and '999' inclusive",
        ),
        (
            format!(
                "{tuple}.1.TargetGroupArn={{blue}}&Actions.member.1.ForwardConfig.TargetGroups.member.2.TargetGroupArn={{green}}"
            ),
            "ValidationError",
            "A weight must be specified for each of several target groups",
        ),
        (
            format!("{tuple}.1.TargetGroupArn={{blue}}&Actions.member.1.TargetGroupArn={{green}}"),
            "InvalidLoadBalancerAction",
            "You can specify both a target group ARN and a ForwardConfig only if the latter has exactly this group",
        ),
        (
            format!("{BLUE}&Actions.member.2.Type=forward&Actions.member.2.TargetGroupArn={{green}}"),
            "InvalidLoadBalancerAction",
            "An action order must be specified for each action when there are several",
        ),
        (
            "&Actions.member.1.Type=authenticate-cognito&Actions.member.1.Order=1\
             &Actions.member.1.AuthenticateCognitoConfig.UserPoolArn=arn:aws:cognito-idp:eu-west-1:1:userpool/p\
             &Actions.member.1.AuthenticateCognitoConfig.UserPoolClientId=c\
             &Actions.member.1.AuthenticateCognitoConfig.UserPoolDomain=d\
             &Actions.member.2.Type=forward&Actions.member.2.Order=2&Actions.member.2.TargetGroupArn={blue}"
                .into(),
            "InvalidLoadBalancerAction",
            "Actions of type 'authenticate-cognito' are supported only on HTTPS listeners",
        ),
        (
            "&Actions.member.1.Type=teleport".into(),
            "ValidationError",
            "1 validation error detected: Value 'teleport' at 'actions.type' failed to satisfy constraint: Member must \
             satisfy enum value set: [forward, authenticate-oidc, authenticate-cognito, redirect, fixed-response, \
             jwt-validation]",
        ),
    ] {
        asked.refuses(&rule(1, &format!("{PATH}{action}")), code, said).await;
    }
    asked.end().await;
}

#[tokio::test]
async fn what_a_redirect_leaves_out_is_read_back_as_it_is_kept() {
    let asked = Asked::start().await;
    let redirect = "&Actions.member.1.Type=redirect&Actions.member.1.RedirectConfig.StatusCode=HTTP_302\
                    &Actions.member.1.RedirectConfig.Protocol=HTTPS&Actions.member.1.RedirectConfig.Port=443";
    let told = asked.does(&rule(1, &format!("{PATH}{redirect}"))).await;
    let fields = ["StatusCode", "Protocol", "Host", "Port", "Path", "Query", "Order"];
    let kept = ["HTTP_302", "HTTPS", "#{host}", "443", "/#{path}", "#{query}", "1"];
    assert_eq!(fields.map(|field| told.first(field)), kept);
    asked.end().await;
}

#[tokio::test]
async fn transforms_stay_until_they_are_replaced_or_reset() {
    let asked = Asked::start().await;
    let transform = |n: usize, kind: &str, config: &str| {
        format!(
            "&Transforms.member.{n}.Type={kind}&Transforms.member.{n}.{config}.Rewrites.member.1.Regex=%5E/old\
             &Transforms.member.{n}.{config}.Rewrites.member.1.Replace=/new"
        )
    };
    let url = transform(1, "url-rewrite", "UrlRewriteConfig");
    let made = asked.does(&rule(1, &format!("{PATH}{BLUE}{url}"))).await;
    assert_eq!((made.first("Regex"), made.first("Replace")), ("^/old".into(), "/new".into()));
    let arn = made.first("RuleArn");
    let modify = |more: &str| format!("Action=ModifyRule&RuleArn={arn}{more}");
    let told = asked.does(&modify(BLUE)).await;
    assert_eq!(told.all("Regex").len(), 1, "transforms that are not sent stay");
    let twice = transform(2, "url-rewrite", "UrlRewriteConfig");
    asked.refuses_with(&modify(&format!("{url}{twice}")), "ValidationError").await;
    let both = format!("{url}&ResetTransforms=true");
    let said = "You cannot specify both Transforms and ResetTransforms";
    asked.refuses(&modify(&both), "ValidationError", said).await;
    let host = transform(2, "host-header-rewrite", "HostHeaderRewriteConfig");
    assert_eq!(asked.does(&modify(&format!("{url}{host}"))).await.all("Regex").len(), 2);
    assert!(asked.does(&modify("&ResetTransforms=true")).await.all("Regex").is_empty());
    asked.refuses(&modify(""), "ValidationError", "Either conditions or actions must be specified").await;
    asked.end().await;
}

#[tokio::test]
async fn priorities_are_from_1_to_50000_unique_and_set_all_at_once() {
    let asked = Asked::start().await;
    for priority in [0, 50_001] {
        let said = format!(
            "1 validation error detected: Value '{priority}' at 'priority' failed to satisfy constraint: Member must \
             have value between 1 and 50000"
        );
        asked.refuses(&rule(priority, &format!("{PATH}{BLUE}")), "ValidationError", &said).await;
    }
    let first = asked.does(&rule(1, &format!("{PATH}{BLUE}"))).await.first("RuleArn");
    let second = asked.does(&rule(50_000, &format!("{PATH}{BLUE}"))).await.first("RuleArn");
    let said = "Priority '1' is currently in use";
    asked.refuses(&rule(1, &format!("{PATH}{BLUE}")), "PriorityInUse", said).await;
    let set = |pairs: &[(&str, u32)]| {
        let pairs = pairs.iter().zip(1..).map(|((arn, priority), n)| {
            format!("&RulePriorities.member.{n}.RuleArn={arn}&RulePriorities.member.{n}.Priority={priority}")
        });
        format!("Action=SetRulePriorities{}", pairs.collect::<String>())
    };
    asked.refuses(&set(&[(&second, 1)]), "PriorityInUse", said).await;
    asked.does(&set(&[(&second, 1), (&first, 50_000)])).await;
    let told = asked.does("Action=DescribeRules&ListenerArn={listener}").await;
    assert_eq!(told.all("Priority"), ["1", "50000", "default"]);
    assert_eq!(told.all("RuleArn")[..2], [second, first]);
    let default = &told.all("RuleArn")[2];
    for (form, verb) in [
        (format!("Action=ModifyRule&RuleArn={default}{BLUE}"), "modified"),
        (format!("Action=DeleteRule&RuleArn={default}"), "deleted"),
    ] {
        let said = format!("Default rule '{default}' cannot be {verb}");
        asked.refuses(&form, "OperationNotPermitted", &said).await;
    }
    asked.refuses_with(&set(&[(default, 3)]), "OperationNotPermitted").await;
    asked.end().await;
}
