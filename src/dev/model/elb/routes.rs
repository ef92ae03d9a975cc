//! What a listener's rules mean to the data plane, and when the data plane gets to know.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Elb;
use super::actions::{Actions, LastAction};
use super::listeners::Listener;
use crate::dev::cloud::Cloud;
use crate::dev::observe::{Forwarding, Seen};
use crate::dev::plane;

/// Changes on their way to the nodes of a listener, in order.
#[derive(Debug, Clone)]
pub(super) struct Propagation(Vec<Node>);

/// The nodes that learn of a change at the same time.
#[derive(Debug, Clone)]
struct Node {
    changes: mpsc::UnboundedSender<Change>,
    /// How much later than the first.
    skew: Duration,
}

/// New rules, when the first node gets to know them.
#[derive(Debug, Clone)]
struct Change {
    due: Instant,
    routes: plane::Routes,
    /// The same for the observer, where there is one.
    told: Arc<[Forwarding]>,
}

impl Propagation {
    /// Starts to carry changes to `listener`, until this is dropped.
    pub(super) fn start(cloud: &Arc<Cloud>, arn: &str, listener: &Arc<plane::Listener>) -> Self {
        let skew = cloud.timing.balancing.node_skew;
        let nodes = u32::try_from(listener.nodes()).unwrap_or(u32::MAX);
        if skew.is_zero() || nodes < 2 {
            let listener = listener.clone();
            let follow = move |routes| listener.set_routes(routes);
            return Self(vec![Node::start(cloud, arn, (None, Duration::ZERO), follow)]);
        }
        let node = |at: u32| {
            let listener = listener.clone();
            let follow = move |routes| listener.set_routes_of(at as usize, routes);
            Node::start(cloud, arn, (Some(at as usize), skew * at / (nodes - 1)), follow)
        };
        Self((0..nodes).map(node).collect())
    }

    fn send(&self, cloud: &Cloud, routes: &plane::Routes, told: &Arc<[Forwarding]>) {
        let first = Instant::now() + cloud.timing.propagation;
        for node in &self.0 {
            let change = Change { due: first + node.skew, routes: routes.clone(), told: told.clone() };
            if node.changes.send(change).is_err() {
                tracing::debug!("a change of a listener's rules came after the dev cloud was shut down");
            }
        }
    }
}

impl Node {
    fn start(
        cloud: &Arc<Cloud>,
        arn: &str,
        (node, skew): (Option<usize>, Duration),
        follow: impl Fn(plane::Routes) + Send + 'static,
    ) -> Self {
        let (changes, mut coming) = mpsc::unbounded_channel::<Change>();
        let (telling, arn) = (Arc::downgrade(cloud), arn.to_owned());
        cloud.spawn(async move {
            while let Some(Change { due, routes, told }) = coming.recv().await {
                sleep_until(due).await;
                follow(routes);
                if let Some(cloud) = telling.upgrade() {
                    cloud.tell(&Seen::Routes { listener: &arn, node, rules: &told });
                }
            }
        });
        Self { changes, skew }
    }
}

impl Listener {
    /// What its rules forward to, as they are written.
    fn forwardings(&self) -> impl Iterator<Item = Forwarding> {
        self.all_rules().filter_map(|rule| {
            let weights = rule.actions.forward()?.groups.clone();
            let (rule, default) = (rule.arn.clone(), rule.priority.is_none());
            Some(Forwarding { rule, listener: self.arn.clone(), default, weights })
        })
    }
}

impl Elb {
    /// What all rules forward to, for whoever looks past the API.
    pub(crate) fn forwardings(&self) -> impl Iterator<Item = Forwarding> {
        self.listeners.values().flat_map(Listener::forwardings)
    }

    /// Sends the rules of a listener to its data plane, which follows after the propagation delay.
    pub(super) fn publish(&self, cloud: &Cloud, listener_arn: &str) {
        if let Some(listener) = self.listeners.get(listener_arn)
            && let Some(propagation) = &listener.propagation
        {
            let told = if cloud.is_observed() { listener.forwardings().collect() } else { Arc::default() };
            propagation.send(cloud, &self.routes(listener), &told);
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
                plane::Action::Forward(plane::Forward { groups: groups.collect(), stickiness: forward.sticky_for() })
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
