//! Who else uses a color: every place of a load balancer that sends to it, and where else its instances serve. And what
//! is not done to a color that is used.

use serde::Serialize;

use super::decide::{Decision, Step, ask};
use super::{Color, Effect, Facts, Problem, Question};
use crate::planted::{Bug, bug};

/// What listeners and rules do with a color's target group and its instances, all of them read for this answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct References {
    /// Every listener and rule that sends requests to the color's target group.
    pub senders: Vec<Sender>,
    /// Every other target group that a listener or a rule of the same load balancers uses.
    pub others: Vec<UsedGroup>,
}

/// A listener or a rule that sends requests to a color's target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sender {
    /// Which, in words, with its ARN.
    pub place: String,
    /// With which weight; `None` where it sends everything there.
    pub weight: Option<u32>,
    /// The command that shows it.
    pub run: String,
}

/// A target group beside the color's own that gets requests, or may get them at any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsedGroup {
    /// Its ARN.
    pub arn: String,
    /// Which listener or rule names it, in words, with its ARN.
    pub place: String,
    /// What is registered there: ids of instances, or addresses.
    pub targets: Vec<String>,
    /// The command that takes targets out of it, without them (`--targets Id=…`).
    pub run: String,
}

impl References {
    /// Why nothing must be put on `color` nor taken from it: something sends to it, or one of the instances that are
    /// taken down serves elsewhere too. `names` are their ids and addresses, `env` is the environment as the user
    /// typed it.
    pub fn in_the_way(&self, color: &Color, names: &[&str], env: &str) -> Option<Problem> {
        if !self.senders.is_empty() {
            let senders = self.senders.iter().map(|s| match s.weight {
                Some(weight) => format!("{} sends traffic to {color} with weight {weight}", s.place),
                None => format!("{} sends all its traffic to {color}", s.place),
            });
            let mut run: Vec<String> =
                self.senders.iter().map(|s| format!("{} # then send its traffic elsewhere", s.run)).collect();
            run.push(format!("switchback status {env}"));
            return Some(Problem {
                saw: senders.collect::<Vec<_>>().join("; "),
                expected: format!("no listener and no rule that sends traffic to {color} while it is idle"),
                run,
            });
        }
        let shared = |group: &UsedGroup| {
            let targets = group.targets.iter().filter(|t| names.contains(&t.as_str()));
            targets.cloned().collect::<Vec<_>>()
        };
        let (group, targets) = self.others.iter().map(|g| (g, shared(g))).find(|(_, targets)| !targets.is_empty())?;
        let ids: Vec<_> = targets.iter().map(|t| format!("Id={t}")).collect();
        Some(Problem {
            saw: format!(
                "{} of {color} is registered with another target group ({}), which {} uses",
                targets.join(", "),
                group.arn,
                group.place
            ),
            expected: format!("instances of {color} that serve nowhere else"),
            run: vec![
                format!("{} --targets {} # if nothing needs it there", group.run, ids.join(" ")),
                format!("switchback status {env}"),
            ],
        })
    }
}

/// `effect`, which puts something on the idle color or takes something from it, unless a listener or a rule uses it.
pub(super) fn unless_used(step: &Step<'_>, idle: &Color, effect: Effect) -> Decision {
    if bug(Bug::TeardownFromCache) || bug(Bug::AbortTakesLive) {
        return Decision::Act(effect);
    }
    // A call is compared with the reading that it was decided on, so there must be one.
    if let Some(decision) = ask(step.facts, [Question::Traffic, Question::References(idle.clone())]) {
        return decision;
    }
    match step.facts.references[idle].in_the_way(idle, &names_of(&effect, step.facts), &step.cx.env) {
        Some(problem) => step.fail_or_block(problem),
        None => Decision::Act(effect),
    }
}

/// What a target group may call the instances that `effect` takes down: their ids and addresses.
pub fn names_of<'a>(effect: &'a Effect, facts: &'a Facts) -> Vec<&'a str> {
    let (color, ids) = match effect {
        Effect::Deregister { color, instances } | Effect::Terminate { color, instances } => (color, instances),
        Effect::Reference { .. } | Effect::Launch { .. } | Effect::Register { .. } | Effect::Flip { .. } => {
            return Vec::new();
        }
    };
    let known = facts.instances.get(color).into_iter().flatten().filter(|i| ids.contains(&i.id));
    ids.iter().map(String::as_str).chain(known.filter_map(|i| i.address.as_deref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(weight: Option<u32>) -> Sender {
        Sender { place: "the rule r-10".into(), weight, run: "aws elbv2 describe-rules --rule-arns r-10".into() }
    }

    fn used(targets: &[&str]) -> UsedGroup {
        UsedGroup {
            arn: "arn:admin".into(),
            place: "the rule r-20".into(),
            targets: targets.iter().map(|t| (*t).to_owned()).collect(),
            run: "aws elbv2 deregister-targets --target-group-arn arn:admin".into(),
        }
    }

    #[test]
    fn nothing_is_in_the_way_where_nobody_uses_the_color() {
        let references = References { senders: vec![], others: vec![used(&["i-9"])] };
        assert_eq!(references.in_the_way(&Color::new("blue"), &["i-1", "10.0.0.1"], "shop.yaml"), None);
    }

    #[test]
    fn whoever_sends_to_the_color_is_named_with_its_weight() {
        for (weight, words) in [(Some(5), "with weight 5"), (None, "all its traffic to blue")] {
            let references = References { senders: vec![sender(weight)], others: vec![] };
            let problem = references.in_the_way(&Color::new("blue"), &[], "shop.yaml").expect("it sends");
            assert!(problem.saw.contains("the rule r-10") && problem.saw.contains(words), "{problem}");
            assert!(problem.run[0].starts_with("aws elbv2 describe-rules"), "{:?}", problem.run);
        }
    }

    #[test]
    fn an_instance_that_serves_elsewhere_is_named_by_its_id_or_its_address() {
        for name in ["i-1", "10.0.0.1"] {
            let references = References { senders: vec![], others: vec![used(&["i-9"]), used(&["i-7", name])] };
            let problem = references.in_the_way(&Color::new("blue"), &["i-1", "10.0.0.1"], "shop.yaml");
            let problem = problem.expect("it serves elsewhere");
            assert!(problem.saw.starts_with(name) && problem.saw.contains("arn:admin"), "{problem}");
            assert!(problem.run[0].contains(&format!("--targets Id={name} #")), "{:?}", problem.run);
        }
    }
}
