//! Commands of the AWS CLI for a person to run: the repairs that messages name.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig, ForwardActionConfig,
    JwtValidationActionConfig,
};
use aws_sdk_route53::types::{Change, ResourceRecordSet};
use serde_json::{Map, Value, json};

/// `aws …` with every argument quoted where a shell needs it, and the region where it is known.
pub(super) fn aws(region: Option<&str>, arguments: &[&str]) -> String {
    let region = region.map(|r| ["--region", r]);
    let words = arguments.iter().copied().chain(region.iter().flatten().copied()).map(quote);
    std::iter::once("aws".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A whole action list, as `--actions` and `--default-actions` take it.
pub(super) fn actions(list: &[Action]) -> String {
    Value::Array(list.iter().map(action).collect()).to_string()
}

/// A change batch, as `--change-batch` takes it.
pub(super) fn change_batch(changes: &[Change]) -> String {
    let changes: Vec<_> = changes
        .iter()
        .map(|c| {
            object([
                ("Action", Some(json!(c.action().as_str()))),
                ("ResourceRecordSet", c.resource_record_set().map(record)),
            ])
        })
        .collect();
    json!({ "Changes": changes }).to_string()
}

/// An object with those members that have a value.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

fn action(action: &Action) -> Value {
    object([
        ("Type", action.r#type().map(|t| json!(t.as_str()))),
        ("Order", action.order().map(|o| json!(o))),
        ("AuthenticateOidcConfig", action.authenticate_oidc_config().map(oidc)),
        ("AuthenticateCognitoConfig", action.authenticate_cognito_config().map(cognito)),
        ("JwtValidationConfig", action.jwt_validation_config().map(jwt)),
        ("ForwardConfig", action.forward_config().map(forward)),
    ])
}

fn forward(config: &ForwardActionConfig) -> Value {
    let tuples: Vec<_> = config
        .target_groups()
        .iter()
        .map(|t| json!({ "TargetGroupArn": t.target_group_arn(), "Weight": t.weight() }))
        .collect();
    let sticky = config.target_group_stickiness_config().map(|s| {
        object([
            ("Enabled", s.enabled().map(|e| json!(e))),
            ("DurationSeconds", s.duration_seconds().map(|d| json!(d))),
        ])
    });
    object([("TargetGroups", Some(json!(tuples))), ("TargetGroupStickinessConfig", sticky)])
}

/// Without the client secret: AWS does not show it, and it has no place in a message.
fn oidc(config: &AuthenticateOidcActionConfig) -> Value {
    object([
        ("Issuer", config.issuer().map(|v| json!(v))),
        ("AuthorizationEndpoint", config.authorization_endpoint().map(|v| json!(v))),
        ("TokenEndpoint", config.token_endpoint().map(|v| json!(v))),
        ("UserInfoEndpoint", config.user_info_endpoint().map(|v| json!(v))),
        ("ClientId", config.client_id().map(|v| json!(v))),
        ("SessionCookieName", config.session_cookie_name().map(|v| json!(v))),
        ("Scope", config.scope().map(|v| json!(v))),
        ("SessionTimeout", config.session_timeout().map(|v| json!(v))),
        ("AuthenticationRequestExtraParams", config.authentication_request_extra_params().map(|v| json!(v))),
        ("OnUnauthenticatedRequest", config.on_unauthenticated_request().map(|v| json!(v.as_str()))),
        ("UseExistingClientSecret", Some(json!(true))),
    ])
}

fn cognito(config: &AuthenticateCognitoActionConfig) -> Value {
    object([
        ("UserPoolArn", config.user_pool_arn().map(|v| json!(v))),
        ("UserPoolClientId", config.user_pool_client_id().map(|v| json!(v))),
        ("UserPoolDomain", config.user_pool_domain().map(|v| json!(v))),
        ("SessionCookieName", config.session_cookie_name().map(|v| json!(v))),
        ("Scope", config.scope().map(|v| json!(v))),
        ("SessionTimeout", config.session_timeout().map(|v| json!(v))),
        ("AuthenticationRequestExtraParams", config.authentication_request_extra_params().map(|v| json!(v))),
        ("OnUnauthenticatedRequest", config.on_unauthenticated_request().map(|v| json!(v.as_str()))),
    ])
}

fn jwt(config: &JwtValidationActionConfig) -> Value {
    let claims = config.additional_claims.as_ref().map(|claims| {
        let claims: Vec<_> = claims
            .iter()
            .map(|c| {
                object([
                    ("Format", c.format().map(|f| json!(f.as_str()))),
                    ("Name", c.name().map(|v| json!(v))),
                    ("Values", Some(json!(c.values()))),
                ])
            })
            .collect();
        json!(claims)
    });
    object([
        ("JwksEndpoint", config.jwks_endpoint().map(|v| json!(v))),
        ("Issuer", config.issuer().map(|v| json!(v))),
        ("AdditionalClaims", claims),
    ])
}

fn record(record: &ResourceRecordSet) -> Value {
    let alias = record.alias_target().map(|a| {
        json!({
            "HostedZoneId": a.hosted_zone_id(),
            "DNSName": a.dns_name(),
            "EvaluateTargetHealth": a.evaluate_target_health(),
        })
    });
    let values = record.resource_records.as_ref().map(|values| {
        let values: Vec<_> = values.iter().map(|v| json!({ "Value": v.value() })).collect();
        json!(values)
    });
    object([
        ("Name", Some(json!(record.name()))),
        ("Type", Some(json!(record.r#type().as_str()))),
        ("SetIdentifier", record.set_identifier().map(|v| json!(v))),
        ("Weight", record.weight().map(|v| json!(v))),
        ("TTL", record.ttl().map(|v| json!(v))),
        ("ResourceRecords", values),
        ("AliasTarget", alias),
        ("HealthCheckId", record.health_check_id().map(|v| json!(v))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_characters_of_the_shell_is_quoted() {
        assert_eq!(aws(None, &["elbv2", "x", "it's {a}"]), r"aws elbv2 x 'it'\''s {a}'");
        assert_eq!(aws(Some("eu-west-1"), &["sts", "y"]), "aws sts y --region eu-west-1");
    }
}
