//! What policies say, and which are none.

use proptest::prelude::*;

use super::{Context, Policy, Question, Verdict, verdict};

fn policy(text: &str) -> Policy {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn statement(rest: &str) -> Policy {
    policy(&format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",{rest}}}}}"#))
}

fn ask(policies: &[Policy], action: &str, resource: &str, context: &Context) -> Verdict {
    verdict(policies, &Question { action, resource, context })
}

/// Whether a condition holds for what `keys` say.
fn holds(condition: &str, keys: &[(&str, &[&str])]) -> bool {
    let policy = statement(&format!(r#""Action":"*","Resource":"*","Condition":{condition}"#));
    let mut context = Context::default();
    for (key, values) in keys {
        context.set_all(key, values.iter().map(|value| (*value).to_owned()));
    }
    ask(&[policy], "ec2:RunInstances", "*", &context) == Verdict::Allowed
}

#[test]
fn an_explicit_deny_wins_and_what_nobody_allows_is_denied() {
    let allow = statement(r#""Action":"ec2:*","Resource":"*""#);
    let deny = policy(r#"{"Statement":[{"Effect":"Deny","Action":"ec2:Terminate*","Resource":"*"}]}"#);
    let nothing = Context::default();
    let both = [allow, deny];
    assert_eq!(ask(&both, "ec2:RunInstances", "*", &nothing), Verdict::Allowed);
    assert_eq!(ask(&both, "ec2:TerminateInstances", "*", &nothing), Verdict::Denied);
    assert_eq!(ask(&both, "elasticloadbalancing:ModifyRule", "*", &nothing), Verdict::NotAllowed);
    assert_eq!(ask(&[], "ec2:RunInstances", "*", &nothing), Verdict::NotAllowed);
}

#[test]
fn actions_ignore_case_and_resources_do_not() {
    let policy = statement(r#""Action":["EC2:runinstances","s3:Get?bject"],"Resource":"arn:aws:ec2:*:1:instance/i-*""#);
    let ask = |action, resource| ask(std::slice::from_ref(&policy), action, resource, &Context::default());
    assert_eq!(ask("ec2:RunInstances", "arn:aws:ec2:eu-west-1:1:instance/i-1"), Verdict::Allowed);
    assert_eq!(ask("s3:GetObject", "arn:aws:ec2:eu-west-1:1:instance/i-1"), Verdict::Allowed);
    assert_eq!(ask("ec2:RunInstances", "arn:aws:ec2:eu-west-1:1:instance/I-1"), Verdict::NotAllowed);
    assert_eq!(ask("ec2:RunInstances", "arn:aws:ec2:eu-west-1:1:volume/i-1"), Verdict::NotAllowed);
}

#[test]
fn not_action_and_not_resource_are_everything_else() {
    let policy = statement(r#""NotAction":"iam:*","NotResource":"arn:aws:s3:::secret/*""#);
    let ask = |action, resource| ask(std::slice::from_ref(&policy), action, resource, &Context::default());
    assert_eq!(ask("ec2:RunInstances", "*"), Verdict::Allowed);
    assert_eq!(ask("iam:PassRole", "*"), Verdict::NotAllowed);
    assert_eq!(ask("s3:GetObject", "arn:aws:s3:::secret/x"), Verdict::NotAllowed);
}

#[test]
fn a_missing_key_fails_a_condition_unless_it_is_negated_or_optional() {
    let red: &[(&str, &[&str])] = &[("aws:RequestTag/color", &["red"])];
    for (operator, wanted, of_red, of_nothing) in [
        ("StringEquals", "red", true, false),
        ("StringEquals", "RED", false, false),
        ("StringEqualsIgnoreCase", "RED", true, false),
        ("StringNotEquals", "red", false, true),
        ("StringNotEquals", "blue", true, true),
        ("StringLike", "r*", true, false),
        ("StringNotLike", "r*", false, true),
        ("StringEqualsIfExists", "blue", false, true),
        ("StringEqualsIfExists", "red", true, true),
        ("Null", "true", false, true),
        ("Null", "false", true, false),
    ] {
        let condition = format!(r#"{{"{operator}":{{"aws:requesttag/Color":"{wanted}"}}}}"#);
        assert_eq!((holds(&condition, red), holds(&condition, &[])), (of_red, of_nothing), "{condition}");
    }
}

#[test]
fn all_keys_must_hold_and_any_of_the_values() {
    let condition = r#"{"StringEquals":{"a:x":["1","2"],"a:y":"3"},"Bool":{"a:z":true}}"#;
    let with = |x, y, z| holds(condition, &[("a:x", &[x]), ("a:y", &[y]), ("a:z", &[z])]);
    assert!(with("1", "3", "true") && with("2", "3", "true"));
    assert!(!with("3", "3", "true") && !with("1", "1", "true") && !with("1", "3", "false"));
    let neither = r#"{"StringNotEquals":{"a:x":["1","2"]}}"#;
    assert!(!holds(neither, &[("a:x", &["2"])]) && holds(neither, &[("a:x", &["3"])]));
}

#[test]
fn several_values_of_a_key_are_taken_together_as_the_qualifier_says() {
    let all = r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}"#;
    let any = r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}"#;
    let none = r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}}"#;
    let tags: [&[(&str, &[&str])]; 3] = [&[], &[("aws:TagKeys", &["a", "b"])], &[("aws:TagKeys", &["a", "c"])]];
    assert_eq!(tags.map(|keys| holds(all, keys)), [true, true, false]);
    assert_eq!(tags.map(|keys| holds(any, keys)), [false, true, true]);
    assert_eq!(tags.map(|keys| holds(none, keys)), [false, false, true]);
}

#[test]
fn arns_compare_part_by_part() {
    let condition = |wanted: &str| format!(r#"{{"ArnLike":{{"aws:SourceArn":"{wanted}"}}}}"#);
    let topic: &[(&str, &[&str])] = &[("aws:SourceArn", &["arn:aws:sns:eu-west-1:1:shop"])];
    assert!(holds(&condition("arn:aws:sns:*:1:sh*"), topic));
    assert!(holds(&condition("arn:aws:sns:eu-west-1:?:shop"), topic));
    assert!(!holds(&condition("arn:aws:*:1:shop:x"), topic));
    assert!(!holds(&condition("arn:*:sns:1:*:shop"), topic), "a star does not reach over a colon");
    let not = r#"{"ArnNotEquals":{"aws:SourceArn":"arn:aws:sns:*:*:shop"}}"#;
    assert!(!holds(not, topic) && holds(not, &[]));
}

#[test]
fn numbers_dates_and_addresses_compare_as_what_they_are() {
    for (condition, key, value, expected) in [
        (r#"{"NumericLessThan":{"k:k":10}}"#, "k:k", "9", true),
        (r#"{"NumericLessThan":{"k:k":10}}"#, "k:k", "10", false),
        (r#"{"NumericGreaterThanEquals":{"k:k":"10"}}"#, "k:k", "10.0", true),
        (r#"{"NumericNotEquals":{"k:k":10}}"#, "k:k", "10", false),
        (r#"{"NumericEquals":{"k:k":10}}"#, "k:k", "ten", false),
        (r#"{"DateLessThan":{"aws:CurrentTime":"2026-12-01"}}"#, "aws:CurrentTime", "2026-11-21T06:00:00Z", true),
        (r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-12-01"}}"#, "aws:CurrentTime", "2026-11-21T06:00:00Z", false),
        (r#"{"DateLessThanEquals":{"aws:EpochTime":1800000000}}"#, "aws:EpochTime", "1790000000", true),
        (r#"{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}"#, "aws:SourceIp", "127.0.0.1", true),
        (r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","::1"]}}"#, "aws:SourceIp", "127.0.0.1", false),
        (r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, "aws:SourceIp", "127.0.0.1", true),
    ] {
        assert_eq!(holds(condition, &[(key, &[value])]), expected, "{condition} {value}");
    }
}

#[test]
fn variables_stand_for_what_the_request_says_and_never_for_a_wildcard() {
    let policy = statement(r#""Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:PrincipalTag/team, 'none'}/${*}""#);
    let with = |team: Option<&str>, resource: &str| {
        let mut context = Context::default();
        context.set_if("aws:PrincipalTag/team", team);
        ask(std::slice::from_ref(&policy), "s3:GetObject", resource, &context)
    };
    assert_eq!(with(Some("shop"), "arn:aws:s3:::home/shop/*"), Verdict::Allowed);
    assert_eq!(with(Some("shop"), "arn:aws:s3:::home/shop/x"), Verdict::NotAllowed, "${{*}} is a star, not a wildcard");
    assert_eq!(with(Some("*"), "arn:aws:s3:::home/shop/*"), Verdict::NotAllowed, "nor is a value");
    assert_eq!(with(None, "arn:aws:s3:::home/none/*"), Verdict::Allowed);
    let old = policy_of_2008();
    assert_eq!(ask(&[old], "s3:GetObject", "arn:aws:s3:::${aws:username}", &Context::default()), Verdict::Allowed);
    let missing = statement(r#""Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}""#);
    assert_eq!(ask(&[missing], "s3:GetObject", "arn:aws:s3:::", &Context::default()), Verdict::NotAllowed);
}

fn policy_of_2008() -> Policy {
    policy(r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}"}}"#)
}

#[test]
fn what_iam_refuses_is_refused_where_it_stands() {
    for (text, line, named) in [
        (
            "{\"Statement\":{\"Effect\":\"Allow\",\n\"Action\":\"*\",\"Resource\":\"*\",\n\"Condition\":{\"StringSame\":{}}}}",
            3,
            "StringSame",
        ),
        (
            "{\"Statement\":{\"Effect\":\"Allow\",\n\"Action\":\"*\",\"Resource\":\"*\",\n\"Condition\":{\"ForSome:Bool\":{}}}}",
            3,
            "ForSome",
        ),
        ("{\"Statement\":{\"Effect\":\"Maybe\"}}", 1, "Maybe"),
        (
            "{\"Statement\":[\n{\"Effect\":\"Allow\",\"Action\":\"RunInstances\",\"Resource\":\"*\"}\n]}",
            3,
            "RunInstances",
        ),
        ("{\"Statement\":[\n{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"i-1\"}\n]}", 3, "i-1"),
        (
            "{\"Statement\":[\n{\"Effect\":\"Allow\",\"Action\":\"*\",\"NotAction\":\"*\",\"Resource\":\"*\"}\n]}",
            3,
            "both",
        ),
        ("{\"Statement\":[\n{\"Effect\":\"Allow\",\"Resource\":\"*\"}\n]}", 3, "no Action"),
        ("{\"Statement\":[\n{\"Effect\":\"Allow\",\"Action\":[],\"Resource\":\"*\"}\n]}", 3, "empty"),
        ("{\"Version\":\"2020-01-01\",\"Statement\":[]}", 1, "2020-01-01"),
        ("{\"Statements\":[]}", 1, "Statements"),
        (
            "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\n\"Condition\":{\"NumericEquals\":{\"a\":\"x\"}}}}",
            2,
            "number",
        ),
        (
            "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\n\"Condition\":{\"IpAddress\":{\"a\":\"x\"}}}}",
            2,
            "network",
        ),
        ("{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"arn:aws:s3:::${x\"}}", 1, "without its"),
    ] {
        let said = serde_json::from_str::<Policy>(text).expect_err(text).to_string();
        assert!(said.contains(named) && said.contains(&format!("line {line} ")), "{text}: {said}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_policy_panic(text in ".{0,300}") {
        let _ = serde_json::from_str::<Policy>(&text);
        let _ = serde_yaml::from_str::<Policy>(&text);
    }

    #[test]
    fn no_near_miss_makes_a_policy_panic(
        effect in "Allow|Deny|x",
        action in "[*a-zA-Z:?${}]{0,20}",
        resource in "[*a-z:?/${},' ]{0,40}",
        operator in "(ForAllValues:|ForAnyValue:)?(String|Arn|Numeric|Date|Bool|Null|IpAddress|Binary)(Not)?(Equals|Like|LessThan)?(IfExists)?",
        value in "[*a-z0-9:?/.${},' ]{0,40}",
        asked in "[*a-z0-9:?/.${}]{0,60}",
    ) {
        let text = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": { "Effect": effect, "Action": action, "Resource": resource, "Condition": { operator: { "a:k": value } } },
        });
        if let Ok(policy) = serde_json::from_value::<Policy>(text) {
            let mut context = Context::default();
            context.set("a:k", &asked);
            let _ = ask(&[policy], &asked, &asked, &context);
        }
    }

    #[test]
    fn a_pattern_of_stars_takes_no_long_time(stars in 1_usize..200, text in "a{0,2000}") {
        let policy = statement(&format!(r#""Action":"*","Resource":"*{}b""#, "a*".repeat(stars)));
        prop_assert_eq!(ask(&[policy], "a:a", &text, &Context::default()), Verdict::NotAllowed);
    }
}
