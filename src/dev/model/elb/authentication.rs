//! Actions that authenticate before the last one: OpenID Connect, Cognito and JSON Web Tokens. They are kept and read
//! back as they were given, without the client secret, which AWS never tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::actions::invalid;
use super::protocols::not_in_enum;
use crate::dev::wire::{ApiError, Xml};

/// How a client proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Authentication {
    Oidc(Oidc),
    Cognito(Cognito),
    Jwt(Jwt),
}

/// OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Oidc {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    user_info_endpoint: String,
    client_id: String,
    session: Session,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cognito {
    user_pool_arn: String,
    user_pool_client_id: String,
    user_pool_domain: String,
    session: Session,
}

/// What both kinds of sign-in have, with AWS's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    cookie_name: String,
    scope: String,
    timeout_s: u64,
    extra: BTreeMap<String, String>,
    on_unauthenticated: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Jwt {
    jwks_endpoint: String,
    issuer: String,
    claims: Vec<Claim>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Claim {
    format: String,
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct OidcIn {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    user_info_endpoint: String,
    client_id: String,
    client_secret: Option<String>,
    use_existing_client_secret: Option<bool>,
    session_cookie_name: Option<String>,
    scope: Option<String>,
    session_timeout: Option<u64>,
    authentication_request_extra_params: Option<Entries>,
    on_unauthenticated_request: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct CognitoIn {
    user_pool_arn: String,
    user_pool_client_id: String,
    user_pool_domain: String,
    session_cookie_name: Option<String>,
    scope: Option<String>,
    session_timeout: Option<u64>,
    authentication_request_extra_params: Option<Entries>,
    on_unauthenticated_request: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct JwtIn {
    jwks_endpoint: String,
    issuer: String,
    #[serde(default)]
    additional_claims: Vec<Claim>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    value: String,
}

/// The session fields of a request.
struct SessionIn {
    cookie_name: Option<String>,
    scope: Option<String>,
    timeout_s: Option<u64>,
    extra: Option<Entries>,
    on_unauthenticated: Option<String>,
}

const ON_UNAUTHENTICATED: [&str; 3] = ["deny", "allow", "authenticate"];
const CLAIM_FORMATS: [&str; 3] = ["single-string", "string-array", "space-separated-values"];
/// A week, which is also the most.
const SESSION_S: u64 = 604_800;
const EXTRA_MAX: usize = 10;
const CLAIMS_MAX: usize = 10;
/// Claims that are validated anyway.
const OWN_CLAIMS: [&str; 4] = ["exp", "iss", "nbf", "iat"];

impl SessionIn {
    fn check(self) -> Result<Session, ApiError> {
        let on_unauthenticated = self.on_unauthenticated.unwrap_or_else(|| "authenticate".to_owned());
        if !ON_UNAUTHENTICATED.contains(&on_unauthenticated.as_str()) {
            return Err(not_in_enum(&on_unauthenticated, "actions.onUnauthenticatedRequest", &ON_UNAUTHENTICATED));
        }
        let timeout_s = self.timeout_s.unwrap_or(SESSION_S);
        if !(1..=SESSION_S).contains(&timeout_s) {
            return Err(ApiError::validation(format!(
                "Session timeout '{timeout_s}' must be between '1' and '{SESSION_S}' inclusive"
            )));
        }
        let extra: BTreeMap<String, String> = self
            .extra
            .map(|params| params.entry.into_iter().map(|entry| (entry.key, entry.value)).collect())
            .unwrap_or_default();
        if extra.len() > EXTRA_MAX {
            return Err(ApiError::validation(format!(
                "The authentication request can have at most '{EXTRA_MAX}' extra parameters"
            )));
        }
        Ok(Session {
            cookie_name: self.cookie_name.unwrap_or_else(|| "AWSELBAuthSessionCookie".to_owned()),
            scope: self.scope.unwrap_or_else(|| "openid".to_owned()),
            timeout_s,
            extra,
            on_unauthenticated,
        })
    }
}

/// AWS wants full URLs with HTTPS.
fn check_url(what: &str, text: &str) -> Result<(), ApiError> {
    if url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host()) {
        return Ok(());
    }
    Err(invalid(format!(
        "The {what} '{text}' must be a full URL, including the HTTPS protocol, the domain and the path"
    )))
}

impl OidcIn {
    /// `had_secret`: the action that this one replaces has a client secret that can be kept.
    pub(super) fn check(self, had_secret: bool) -> Result<Authentication, ApiError> {
        for (what, text) in [
            ("issuer", &self.issuer),
            ("authorization endpoint", &self.authorization_endpoint),
            ("token endpoint", &self.token_endpoint),
            ("user info endpoint", &self.user_info_endpoint),
        ] {
            check_url(what, text)?;
        }
        let kept = self.use_existing_client_secret.unwrap_or(false);
        if kept == self.client_secret.is_some() || (kept && !had_secret) {
            return Err(invalid(
                "A client secret is required, unless UseExistingClientSecret is true and the action replaces one that has it",
            ));
        }
        let session = SessionIn {
            cookie_name: self.session_cookie_name,
            scope: self.scope,
            timeout_s: self.session_timeout,
            extra: self.authentication_request_extra_params,
            on_unauthenticated: self.on_unauthenticated_request,
        };
        Ok(Authentication::Oidc(Oidc {
            issuer: self.issuer,
            authorization_endpoint: self.authorization_endpoint,
            token_endpoint: self.token_endpoint,
            user_info_endpoint: self.user_info_endpoint,
            client_id: self.client_id,
            session: session.check()?,
        }))
    }
}

impl CognitoIn {
    pub(super) fn check(self) -> Result<Authentication, ApiError> {
        let session = SessionIn {
            cookie_name: self.session_cookie_name,
            scope: self.scope,
            timeout_s: self.session_timeout,
            extra: self.authentication_request_extra_params,
            on_unauthenticated: self.on_unauthenticated_request,
        };
        Ok(Authentication::Cognito(Cognito {
            user_pool_arn: self.user_pool_arn,
            user_pool_client_id: self.user_pool_client_id,
            user_pool_domain: self.user_pool_domain,
            session: session.check()?,
        }))
    }
}

impl JwtIn {
    pub(super) fn check(self) -> Result<Authentication, ApiError> {
        check_url("JWKS endpoint", &self.jwks_endpoint)?;
        if self.additional_claims.len() > CLAIMS_MAX {
            return Err(ApiError::validation(format!("There can be at most '{CLAIMS_MAX}' additional claims")));
        }
        for claim in &self.additional_claims {
            if !CLAIM_FORMATS.contains(&claim.format.as_str()) {
                return Err(not_in_enum(
                    &claim.format,
                    "actions.jwtValidationConfig.additionalClaims.format",
                    &CLAIM_FORMATS,
                ));
            }
            if OWN_CLAIMS.contains(&claim.name.as_str()) {
                return Err(invalid(format!(
                    "The claim '{}' is validated by default and cannot be specified",
                    claim.name
                )));
            }
            if claim.values.is_empty() || claim.values.len() > CLAIMS_MAX {
                let said = format!("The claim '{}' must have 1 to '{CLAIMS_MAX}' values", claim.name);
                return Err(ApiError::validation(said));
            }
        }
        let Self { jwks_endpoint, issuer, additional_claims: claims } = self;
        Ok(Authentication::Jwt(Jwt { jwks_endpoint, issuer, claims }))
    }
}

impl Authentication {
    /// The type of the action.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Oidc(_) => "authenticate-oidc",
            Self::Cognito(_) => "authenticate-cognito",
            Self::Jwt(_) => "jwt-validation",
        }
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        match self {
            Self::Oidc(oidc) => xml.node("AuthenticateOidcConfig", |xml| {
                xml.leaf("Issuer", &oidc.issuer).leaf("AuthorizationEndpoint", &oidc.authorization_endpoint);
                xml.leaf("TokenEndpoint", &oidc.token_endpoint).leaf("UserInfoEndpoint", &oidc.user_info_endpoint);
                xml.leaf("ClientId", &oidc.client_id);
                oidc.session.write(xml);
            }),
            Self::Cognito(cognito) => xml.node("AuthenticateCognitoConfig", |xml| {
                xml.leaf("UserPoolArn", &cognito.user_pool_arn);
                xml.leaf("UserPoolClientId", &cognito.user_pool_client_id);
                xml.leaf("UserPoolDomain", &cognito.user_pool_domain);
                cognito.session.write(xml);
            }),
            Self::Jwt(jwt) => xml.node("JwtValidationConfig", |xml| {
                xml.leaf("JwksEndpoint", &jwt.jwks_endpoint).leaf("Issuer", &jwt.issuer);
                xml.list("AdditionalClaims", "member", &jwt.claims, |xml, claim| {
                    xml.leaf("Format", &claim.format).leaf("Name", &claim.name);
                    xml.texts("Values", "member", &claim.values);
                });
            }),
        };
    }
}

impl Session {
    fn write(&self, xml: &mut Xml) {
        xml.leaf("SessionCookieName", &self.cookie_name).leaf("Scope", &self.scope);
        xml.leaf("SessionTimeout", self.timeout_s);
        xml.list("AuthenticationRequestExtraParams", "entry", &self.extra, |xml, (key, value)| {
            xml.leaf("key", key).leaf("value", value);
        });
        xml.leaf("OnUnauthenticatedRequest", &self.on_unauthenticated);
    }
}
