//! [`Reading`]: the switch as AWS has it, and the writes that start from one.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::Action;
use aws_sdk_route53::types::ResourceRecordSet;

use super::{ChangeId, Cloud, CloudError, actions, cli, records};
use crate::planted::{Bug, bug};
use crate::release::{Color, Pins, Problem, SwitchPin, Traffic};

/// The switch as AWS had it at one moment. Writes start from it and keep everything of it but the weights.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What it does with the traffic.
    pub traffic: Traffic,
    pub(super) raw: Raw,
}

/// What AWS sent.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    /// The rule's or the listener's actions; empty where it is gone.
    Actions(Vec<Action>),
    /// Every record of the name and type.
    Records(Vec<ResourceRecordSet>),
}

impl Reading {
    /// The weight of every color that the switch names; of none where the switch is foreign.
    pub fn weights(&self, pins: &Pins) -> BTreeMap<Color, u32> {
        if matches!(self.traffic, Traffic::Foreign { .. }) {
            return BTreeMap::new();
        }
        match &self.raw {
            Raw::Actions(list) => actions::weights(list, &pins.groups).unwrap_or_default(),
            Raw::Records(list) => {
                let weight = |color: &Color| {
                    let record = list.iter().find(|r| r.set_identifier() == Some(color.as_str()))?;
                    Some((color.clone(), u32::try_from(record.weight()?).ok()?))
                };
                pins.groups.keys().filter_map(weight).collect()
            }
        }
    }
}

impl Cloud {
    /// Where the switch sends the traffic now. One call (DNS: one per 300 records).
    ///
    /// A switch that is gone is an answer ([`Traffic::Foreign`]), not an error.
    ///
    /// # Errors
    /// Without an answer, or without the permission.
    pub async fn traffic(&self, pins: &Pins) -> Result<Reading, CloudError> {
        match &pins.route {
            SwitchPin::Rule { rule, .. } => self.read_rule(pins, rule).await,
            SwitchPin::DefaultAction { listener, .. } => self.read_listener(pins, listener).await,
            SwitchPin::Records(pin) => self.read_records(pin).await,
        }
    }

    /// Put `idle` into the rule at weight 0, beside `live`, so that it is health-checked. Nothing is sent where it is
    /// there already, nor for a DNS switch, whose colors have load balancers of their own.
    ///
    /// # Errors
    /// When the reading does not show all traffic on `live`; when AWS refuses the write, or its outcome is unknown.
    pub async fn reference(
        &self,
        pins: &Pins,
        reading: &Reading,
        live: &Color,
        idle: &Color,
    ) -> Result<(), CloudError> {
        match &reading.traffic {
            Traffic::Only { color, idle_referenced: true } if color == live => Ok(()),
            Traffic::Only { color, .. } if color == live => self.give(pins, reading, live).await.map(drop),
            Traffic::Foreign { problem } => Err(CloudError::refused("reference", problem.clone())),
            other => {
                let problem = Problem {
                    saw: other.describe(),
                    expected: format!("all traffic on {live} before {idle} joins at weight 0"),
                    run: self.repair(pins, reading, live).into_iter().collect(),
                };
                Err(CloudError::refused("reference", problem))
            }
        }
    }

    /// Move all traffic from one color to the other in one write.
    ///
    /// A listener's whole action list is sent again with other weights: AWS has no condition on that write, so read
    /// right before. Records are changed only if they are exactly as in the reading. A split is ended by it too.
    ///
    /// # Errors
    /// When the switch is foreign; when AWS refuses the write, or its outcome is unknown.
    pub async fn flip(
        &self,
        pins: &Pins,
        reading: &Reading,
        from: &Color,
        to: &Color,
    ) -> Result<Option<ChangeId>, CloudError> {
        if let Traffic::Foreign { problem } = &reading.traffic {
            return Err(CloudError::refused("flip", problem.clone()));
        }
        if from == to || !pins.groups.contains_key(from) || !pins.groups.contains_key(to) {
            let known: Vec<_> = pins.groups.keys().map(Color::as_str).collect();
            let problem = Problem {
                saw: format!("a flip from {from} to {to}"),
                expected: format!("a flip between {}", known.join(" and ")),
                run: vec![],
            };
            return Err(CloudError::refused("flip", problem));
        }
        self.give(pins, reading, to).await
    }

    /// The command of the AWS CLI that gives `winner` all the traffic and the other color weight 0, keeping everything
    /// else of the switch; `None` where no such command can be told, because the switch is gone or has parts that are
    /// not known.
    pub fn repair(&self, pins: &Pins, reading: &Reading, winner: &Color) -> Option<String> {
        let region = self.region.as_deref();
        match (&pins.route, &reading.raw) {
            (SwitchPin::Rule { rule, .. }, Raw::Actions(list)) if !list.is_empty() => {
                let list = cli::actions(&actions::all_to(list, &pins.groups, winner));
                Some(cli::aws(region, &["elbv2", "modify-rule", "--rule-arn", rule, "--actions", &list]))
            }
            (SwitchPin::DefaultAction { listener, .. }, Raw::Actions(list)) if !list.is_empty() => {
                let list = cli::actions(&actions::all_to(list, &pins.groups, winner));
                let arguments = ["elbv2", "modify-listener", "--listener-arn", listener, "--default-actions", &list];
                Some(cli::aws(region, &arguments))
            }
            (SwitchPin::Records(pin), Raw::Records(list)) if records::traffic(list, pin).is_ok() => {
                let batch = cli::change_batch(&records::all_to(list, winner).ok()?);
                let arguments =
                    ["route53", "change-resource-record-sets", "--hosted-zone-id", &pin.zone, "--change-batch", &batch];
                // Route 53 has no regions.
                Some(cli::aws(None, &arguments))
            }
            _ => None,
        }
    }

    /// The one place that writes to a switch.
    async fn give(&self, pins: &Pins, reading: &Reading, winner: &Color) -> Result<Option<ChangeId>, CloudError> {
        if bug(Bug::FlipInTwoSteps)
            && let Raw::Actions(list) = &reading.raw
        {
            let half = actions::halves(actions::all_to(list, &pins.groups, winner));
            match &pins.route {
                SwitchPin::Rule { rule, .. } => self.write_rule(rule, half).await?,
                SwitchPin::DefaultAction { listener, .. } => self.write_listener(listener, half).await?,
                SwitchPin::Records(_) => {}
            }
        }
        match (&pins.route, &reading.raw) {
            (SwitchPin::Rule { rule, .. }, Raw::Actions(list)) => {
                self.write_rule(rule, actions::all_to(list, &pins.groups, winner)).await.map(|()| None)
            }
            (SwitchPin::DefaultAction { listener, .. }, Raw::Actions(list)) => {
                self.write_listener(listener, actions::all_to(list, &pins.groups, winner)).await.map(|()| None)
            }
            (SwitchPin::Records(pin), Raw::Records(list)) => self.write_records(pin, list, winner).await.map(Some),
            (SwitchPin::Rule { .. } | SwitchPin::DefaultAction { .. }, Raw::Records(_))
            | (SwitchPin::Records(_), Raw::Actions(_)) => {
                let problem = Problem {
                    saw: "a reading of another kind of switch".into(),
                    expected: "a reading of the switch that is written".into(),
                    run: vec![],
                };
                Err(CloudError::refused("flip", problem))
            }
        }
    }
}
