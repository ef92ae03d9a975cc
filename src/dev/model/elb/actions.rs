//! Actions of rules and listeners: optional authentication first, then exactly one that answers or forwards.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Elb;
use super::forward::{Forward, ForwardConfig};
use crate::dev::wire::{ApiError, Xml};

/// A list of actions that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actions {
    /// Kept and read back; the data plane lets everyone pass.
    authenticate: Option<Oidc>,
    pub(super) last: LastAction,
}

/// What finally happens with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LastAction {
    Forward(Forward),
    Redirect(Redirect),
    FixedResponse(FixedResponse),
}

/// A redirect with AWS's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// 301 or 302.
    pub(super) status: u16,
    pub(super) protocol: String,
    pub(super) host: String,
    pub(super) port: String,
    pub(super) path: String,
    pub(super) query: String,
}

/// An answer that needs no target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FixedResponse {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<String>,
}

/// OpenID Connect, without the client secret: AWS never returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Oidc {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    user_info_endpoint: String,
    client_id: String,
    session_cookie_name: String,
    scope: String,
    session_timeout_s: u64,
    extra: BTreeMap<String, String>,
    on_unauthenticated: String,
}

/// An action in a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ActionIn {
    r#type: String,
    order: Option<u32>,
    target_group_arn: Option<String>,
    forward_config: Option<ForwardConfig>,
    redirect_config: Option<RedirectIn>,
    fixed_response_config: Option<FixedResponseIn>,
    authenticate_oidc_config: Option<OidcIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RedirectIn {
    status_code: String,
    protocol: Option<String>,
    host: Option<String>,
    port: Option<String>,
    path: Option<String>,
    query: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct FixedResponseIn {
    status_code: String,
    content_type: Option<String>,
    message_body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct OidcIn {
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

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidLoadBalancerAction", message)
}

impl Actions {
    /// Reads a whole list of actions. `before` is what it replaces: only then can a client secret be kept.
    pub(super) fn read(mut given: Vec<ActionIn>, before: Option<&Self>) -> Result<Self, ApiError> {
        let numbered = given.iter().filter(|action| action.order.is_some()).count();
        let orders: BTreeSet<_> = given.iter().filter_map(|action| action.order).collect();
        let unordered = numbered != given.len() && given.len() > 1;
        if unordered || orders.len() != numbered || orders.iter().any(|order| !(1..=50_000).contains(order)) {
            return Err(invalid("Each of several actions must have an Order from 1 to 50000, and no two the same"));
        }
        given.sort_by_key(|action| action.order);
        let last = given.pop().ok_or_else(|| ApiError::validation("Actions must not be empty"))?;
        let authenticate = match given.as_mut_slice() {
            [] => None,
            [only] => {
                Some(std::mem::take(&mut only.authenticate_oidc_config).filter(|_| only.r#type == "authenticate-oidc"))
            }
            _ => return Err(ApiError::new("TooManyActions", "A rule has at most one action that authenticates")),
        };
        let authenticate = match authenticate {
            None => None,
            Some(Some(oidc)) => Some(oidc.check(before.is_some_and(|before| before.authenticate.is_some()))?),
            Some(None) => {
                return Err(invalid(
                    "Before the last action there can only be one of type 'authenticate-oidc' with its AuthenticateOidcConfig \
                     (others are not modelled by the dev cloud)",
                ));
            }
        };
        Ok(Self { authenticate, last: LastAction::read(last)? })
    }

    pub(super) fn check(&self, elb: &Elb, balancer_arn: &str) -> Result<(), ApiError> {
        match &self.last {
            LastAction::Forward(forward) => forward.check(elb, balancer_arn),
            LastAction::Redirect(_) | LastAction::FixedResponse(_) => Ok(()),
        }
    }

    /// ARNs of the groups that it forwards to, at whatever weight.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        let groups = match &self.last {
            LastAction::Forward(forward) => forward.groups.as_slice(),
            LastAction::Redirect(_) | LastAction::FixedResponse(_) => &[],
        };
        groups.iter().map(|(arn, _)| arn.as_str())
    }

    pub(super) fn write(&self, xml: &mut Xml, list: &str) {
        xml.node(list, |xml| {
            if let Some(oidc) = &self.authenticate {
                xml.node("member", |xml| oidc.write(xml));
            }
            xml.node("member", |xml| {
                let order = if self.authenticate.is_some() { 2 } else { 1 };
                match &self.last {
                    LastAction::Forward(forward) => {
                        xml.leaf("Type", "forward").leaf("Order", order);
                        forward.write(xml);
                    }
                    LastAction::Redirect(redirect) => {
                        xml.leaf("Type", "redirect").leaf("Order", order);
                        redirect.write(xml);
                    }
                    LastAction::FixedResponse(response) => {
                        xml.leaf("Type", "fixed-response").leaf("Order", order);
                        response.write(xml);
                    }
                }
            });
        });
    }
}

impl LastAction {
    fn read(given: ActionIn) -> Result<Self, ApiError> {
        let kind = given.r#type.as_str();
        let foreign = match kind {
            "forward" => given.redirect_config.is_some() || given.fixed_response_config.is_some(),
            "redirect" => given.fixed_response_config.is_some(),
            _ => given.redirect_config.is_some(),
        };
        let forwards = given.forward_config.is_some() || given.target_group_arn.is_some();
        if foreign || given.authenticate_oidc_config.is_some() || (kind != "forward" && forwards) {
            return Err(invalid(format!("An action of type '{kind}' has the configuration of another type")));
        }
        match kind {
            "forward" => Forward::read(given.target_group_arn, given.forward_config).map(Self::Forward),
            "redirect" => {
                given.redirect_config.ok_or_else(|| invalid("A redirect action needs its RedirectConfig"))?.check()
            }
            "fixed-response" => given
                .fixed_response_config
                .ok_or_else(|| invalid("A fixed-response action needs its FixedResponseConfig"))?
                .check(),
            "authenticate-oidc" => Err(invalid("The last action must be of type forward, redirect or fixed-response")),
            other => Err(ApiError::validation(format!(
                "1 validation error detected: Value '{other}' at 'actions.type' failed to satisfy constraint: the dev \
                 cloud has forward, redirect, fixed-response, authenticate-oidc"
            ))),
        }
    }
}

impl RedirectIn {
    fn check(self) -> Result<LastAction, ApiError> {
        let status = match self.status_code.as_str() {
            "HTTP_301" => 301,
            "HTTP_302" => 302,
            other => {
                return Err(ApiError::validation(format!(
                    "Redirect status code '{other}' must be HTTP_301 or HTTP_302"
                )));
            }
        };
        if self.protocol.is_none() && self.host.is_none() && self.port.is_none() && self.path.is_none() {
            return Err(invalid("A redirect must change protocol, host, port or path, else it is a loop"));
        }
        let protocol = self.protocol.unwrap_or_else(|| "#{protocol}".to_owned());
        if !matches!(protocol.as_str(), "HTTP" | "HTTPS" | "#{protocol}") {
            return Err(ApiError::validation(format!(
                "Redirect protocol '{protocol}' must be HTTP, HTTPS or #{{protocol}}"
            )));
        }
        let path = self.path.unwrap_or_else(|| "/#{path}".to_owned());
        if !path.starts_with('/') {
            return Err(ApiError::validation(format!("Redirect path '{path}' must start with '/'")));
        }
        Ok(LastAction::Redirect(Redirect {
            status,
            protocol,
            host: self.host.unwrap_or_else(|| "#{host}".to_owned()),
            port: self.port.unwrap_or_else(|| "#{port}".to_owned()),
            path,
            query: self.query.unwrap_or_else(|| "#{query}".to_owned()),
        }))
    }
}

impl FixedResponseIn {
    fn check(self) -> Result<LastAction, ApiError> {
        let status =
            self.status_code.parse::<u16>().ok().filter(|status| matches!(status / 100, 2 | 4 | 5)).ok_or_else(
                || {
                    ApiError::validation(format!(
                        "Fixed response status code '{}' must be 2XX, 4XX or 5XX",
                        self.status_code
                    ))
                },
            )?;
        if self.message_body.as_ref().is_some_and(|body| body.len() > 1024) {
            return Err(ApiError::validation("The message body of a fixed response has at most 1024 bytes"));
        }
        Ok(LastAction::FixedResponse(FixedResponse {
            status,
            content_type: self.content_type,
            body: self.message_body,
        }))
    }
}

impl OidcIn {
    fn check(self, replaces_one: bool) -> Result<Oidc, ApiError> {
        let kept = self.use_existing_client_secret.unwrap_or(false);
        if kept == self.client_secret.is_some() || (kept && !replaces_one) {
            return Err(invalid(
                "A client secret is required, unless UseExistingClientSecret is true and the action replaces one that has it",
            ));
        }
        Ok(Oidc {
            issuer: self.issuer,
            authorization_endpoint: self.authorization_endpoint,
            token_endpoint: self.token_endpoint,
            user_info_endpoint: self.user_info_endpoint,
            client_id: self.client_id,
            session_cookie_name: self.session_cookie_name.unwrap_or_else(|| "AWSELBAuthSessionCookie".to_owned()),
            scope: self.scope.unwrap_or_else(|| "openid".to_owned()),
            session_timeout_s: self.session_timeout.unwrap_or(604_800),
            extra: self
                .authentication_request_extra_params
                .map(|params| params.entry.into_iter().map(|entry| (entry.key, entry.value)).collect())
                .unwrap_or_default(),
            on_unauthenticated: self.on_unauthenticated_request.unwrap_or_else(|| "authenticate".to_owned()),
        })
    }
}

impl Oidc {
    fn write(&self, xml: &mut Xml) {
        xml.leaf("Type", "authenticate-oidc").leaf("Order", 1).node("AuthenticateOidcConfig", |xml| {
            xml.leaf("Issuer", &self.issuer).leaf("AuthorizationEndpoint", &self.authorization_endpoint);
            xml.leaf("TokenEndpoint", &self.token_endpoint).leaf("UserInfoEndpoint", &self.user_info_endpoint);
            xml.leaf("ClientId", &self.client_id).leaf("SessionCookieName", &self.session_cookie_name);
            xml.leaf("Scope", &self.scope).leaf("SessionTimeout", self.session_timeout_s);
            xml.list("AuthenticationRequestExtraParams", "entry", &self.extra, |xml, (key, value)| {
                xml.leaf("key", key).leaf("value", value);
            });
            xml.leaf("OnUnauthenticatedRequest", &self.on_unauthenticated);
        });
    }
}

impl Redirect {
    fn write(&self, xml: &mut Xml) {
        xml.node("RedirectConfig", |xml| {
            xml.leaf("StatusCode", format_args!("HTTP_{}", self.status)).leaf("Protocol", &self.protocol);
            xml.leaf("Host", &self.host).leaf("Port", &self.port).leaf("Path", &self.path).leaf("Query", &self.query);
        });
    }
}

impl FixedResponse {
    fn write(&self, xml: &mut Xml) {
        xml.node("FixedResponseConfig", |xml| {
            xml.leaf("StatusCode", self.status).leaf_if("ContentType", self.content_type.as_ref());
            xml.leaf_if("MessageBody", self.body.as_ref());
        });
    }
}
