//! Actions of rules and listeners: optional authentication first, then exactly one that answers or forwards.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Elb;
use super::answers::{FixedResponse, FixedResponseIn, Redirect, RedirectIn};
use super::authentication::{Authentication, CognitoIn, JwtIn, OidcIn};
use super::forward::{Forward, ForwardConfig, Place};
use super::protocols::{Protocol, not_in_enum};
use crate::dev::wire::{ApiError, Xml};

/// A list of actions that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Actions {
    /// Kept and read back; the data plane lets everyone pass.
    authentication: Option<Authentication>,
    pub(super) last: LastAction,
}

/// What finally happens with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LastAction {
    Forward(Forward),
    Redirect(Redirect),
    FixedResponse(FixedResponse),
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
    authenticate_cognito_config: Option<CognitoIn>,
    jwt_validation_config: Option<JwtIn>,
}

const TYPES: [&str; 6] =
    ["forward", "authenticate-oidc", "authenticate-cognito", "redirect", "fixed-response", "jwt-validation"];

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidLoadBalancerAction", message)
}

/// Each of several actions must have an order of its own.
fn check_orders(given: &[ActionIn]) -> Result<(), ApiError> {
    let orders: Vec<u32> = given.iter().filter_map(|action| action.order).collect();
    if let Some(order) = orders.iter().find(|order| !(1..=50_000).contains(*order)) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{order}' at 'actions.order' failed to satisfy constraint: Member must \
             have value between 1 and 50000"
        )));
    }
    if given.len() > 1 && orders.len() != given.len() {
        return Err(invalid("An action order must be specified for each action when there are several"));
    }
    if orders.iter().collect::<BTreeSet<_>>().len() != orders.len() {
        return Err(invalid("Each action must have an order that no other action of the rule has"));
    }
    Ok(())
}

impl Actions {
    /// Reads a whole list of actions. `before` is what it replaces: only then can a client secret be kept.
    pub(super) fn read(mut given: Vec<ActionIn>, before: Option<&Self>) -> Result<Self, ApiError> {
        check_orders(&given)?;
        given.sort_by_key(|action| action.order);
        let last = given.pop().ok_or_else(|| ApiError::validation("An action must be specified"))?;
        if given.len() > 1 {
            return Err(ApiError::new("TooManyActions", "A rule has at most one action that authenticates"));
        }
        let before = before.and_then(|before| before.authentication.as_ref());
        let authentication = given.pop().map(|first| first.authentication(before)).transpose()?;
        Ok(Self { authentication, last: last.last()? })
    }

    /// Checks the actions against the world.
    pub(super) fn check(&self, elb: &Elb, place: &Place<'_>) -> Result<(), ApiError> {
        let listener = place.protocol;
        if let Some(authentication) = self.authentication.as_ref().filter(|_| listener != Protocol::Https) {
            let kind = authentication.kind();
            return Err(invalid(format!("Actions of type '{kind}' are supported only on HTTPS listeners")));
        }
        match &self.last {
            LastAction::Forward(forward) => forward.check(elb, place),
            LastAction::Redirect(_) | LastAction::FixedResponse(_) if listener.is_http() => Ok(()),
            LastAction::Redirect(_) | LastAction::FixedResponse(_) => {
                Err(invalid(format!("Only actions of type 'forward' are supported on {} listeners", listener.name())))
            }
        }
    }

    /// ARNs of the groups that it forwards to, at whatever weight.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.forward().into_iter().flat_map(|forward| &forward.groups).map(|(arn, _)| arn.as_str())
    }

    /// The forward action, if that is what it ends in.
    pub(super) const fn forward(&self) -> Option<&Forward> {
        match &self.last {
            LastAction::Forward(forward) => Some(forward),
            LastAction::Redirect(_) | LastAction::FixedResponse(_) => None,
        }
    }

    pub(super) fn write(&self, xml: &mut Xml, list: &str) {
        xml.node(list, |xml| {
            if let Some(authentication) = &self.authentication {
                xml.node("member", |xml| {
                    xml.leaf("Type", authentication.kind()).leaf("Order", 1);
                    authentication.write(xml);
                });
            }
            let order = if self.authentication.is_some() { 2 } else { 1 };
            xml.node("member", |xml| match &self.last {
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
            });
        });
    }
}

impl ActionIn {
    /// The configurations that it has, by the type that they belong to.
    fn configurations(&self) -> [(&'static str, bool); 6] {
        [
            ("forward", self.forward_config.is_some() || self.target_group_arn.is_some()),
            ("redirect", self.redirect_config.is_some()),
            ("fixed-response", self.fixed_response_config.is_some()),
            ("authenticate-oidc", self.authenticate_oidc_config.is_some()),
            ("authenticate-cognito", self.authenticate_cognito_config.is_some()),
            ("jwt-validation", self.jwt_validation_config.is_some()),
        ]
    }

    /// The type is AWS's, and there is no configuration of another type.
    fn check_type(&self) -> Result<(), ApiError> {
        let kind = self.r#type.as_str();
        if !TYPES.contains(&kind) {
            return Err(not_in_enum(kind, "actions.type", &TYPES));
        }
        match self.configurations().into_iter().find(|(other, given)| *given && *other != kind) {
            None => Ok(()),
            Some((other, _)) => {
                Err(invalid(format!("An action of type '{kind}' cannot have the configuration of type '{other}'")))
            }
        }
    }

    fn authentication(self, before: Option<&Authentication>) -> Result<Authentication, ApiError> {
        self.check_type()?;
        let kind = self.r#type.as_str();
        let missing = || invalid(format!("An action of type '{kind}' must have its configuration"));
        match kind {
            "authenticate-oidc" => {
                let had_secret = matches!(before, Some(Authentication::Oidc(_)));
                self.authenticate_oidc_config.ok_or_else(missing)?.check(had_secret)
            }
            "authenticate-cognito" => self.authenticate_cognito_config.ok_or_else(missing)?.check(),
            "jwt-validation" => self.jwt_validation_config.ok_or_else(missing)?.check(),
            _ => Err(invalid(format!(
                "The last action to be performed must be a forward, redirect or fixed-response action, and there can be \
                 no action of type '{kind}' before it"
            ))),
        }
    }

    fn last(self) -> Result<LastAction, ApiError> {
        self.check_type()?;
        let missing = |config: &str| ApiError::validation(format!("A {config} must be specified"));
        match self.r#type.as_str() {
            "forward" => Forward::read(self.target_group_arn, self.forward_config).map(LastAction::Forward),
            "redirect" => self.redirect_config.ok_or_else(|| missing("RedirectConfig"))?.check(),
            "fixed-response" => self.fixed_response_config.ok_or_else(|| missing("FixedResponseConfig"))?.check(),
            _ => Err(invalid("The last action must be of type forward, redirect or fixed-response")),
        }
    }
}
