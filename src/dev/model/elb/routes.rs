//! What a listener's rules mean to the data plane, and when the data plane gets to know.

use std::sync::Arc;

use http::StatusCode;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Elb;
use super::actions::{Actions, LastAction};
use super::listeners::Listener;
use crate::dev::cloud::Cloud;
use crate::dev::plane;

/// Changes on their way to a listener's data plane, in order.
#[derive(Debug, Clone)]
pub(super) struct Propagation(mpsc::UnboundedSender<(Instant, plane::Routes)>);

impl Propagation {
    /// Starts to carry changes to `listener`, until this is dropped.
    pub(super) fn start(cloud: &Cloud, listener: Arc<plane::Listener>) -> Self {
        let (sender, mut changes) = mpsc::unbounded_channel();
        cloud.spawn(async move {
            while let Some((due, routes)) = changes.recv().await {
                sleep_until(due).await;
                listener.set_routes(routes);
            }
        });
        Self(sender)
    }

    fn send(&self, cloud: &Cloud, routes: plane::Routes) {
        if self.0.send((Instant::now() + cloud.timing.propagation, routes)).is_err() {
            tracing::debug!("a change of a listener's rules came after the dev cloud was shut down");
        }
    }
}

impl Elb {
    /// Sends the rules of a listener to its data plane, which follows after the propagation delay.
    pub(super) fn publish(&self, cloud: &Cloud, listener_arn: &str) {
        if let Some(listener) = self.listeners.get(listener_arn)
            && let Some(propagation) = &listener.propagation
        {
            propagation.send(cloud, self.routes(listener));
        }
    }

    /// All that a listener does, as the data plane wants it.
    pub(super) fn routes(&self, listener: &Listener) -> plane::Routes {
        let mut rules: Vec<_> = listener.rules.iter().collect();
        rules.sort_by_key(|rule| rule.priority);
        plane::Routes {
            rules: rules
                .into_iter()
                .map(|rule| plane::Rule {
                    priority: rule.priority.unwrap_or_default(),
                    transforms: rule.transforms.iter().filter_map(super::transforms::Transform::route).collect(),
                    conditions: rule.conditions.iter().map(super::conditions::Condition::route).collect(),
                    action: self.route(&rule.actions),
                })
                .collect(),
            default: self.route(&listener.default.actions),
        }
    }

    fn route(&self, actions: &Actions) -> plane::Action {
        let status = |code: u16| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match &actions.last {
            LastAction::Forward(forward) => {
                let groups = forward.groups.iter().filter_map(|(arn, weight)| {
                    let group = self.groups.get(arn)?.plane.clone();
                    Some(plane::WeightedGroup { group, weight: *weight })
                });
                plane::Action::forward(groups)
            }
            LastAction::Redirect(redirect) => plane::Action::Redirect(plane::Redirect {
                status: status(redirect.status),
                protocol: redirect.protocol.clone(),
                host: redirect.host.clone(),
                port: redirect.port.clone(),
                path: redirect.path.clone(),
                query: redirect.query.clone(),
            }),
            LastAction::FixedResponse(response) => plane::Action::FixedResponse(plane::FixedResponse {
                status: status(response.status),
                content_type: response.content_type.clone(),
                body: response.body.clone().unwrap_or_default(),
            }),
        }
    }
}
