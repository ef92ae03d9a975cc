//! Statements against a question. An explicit deny wins over every allow; what nobody allows is denied.

use super::document::{Effect, Matcher, Principals, Statement};
use super::{Context, Policy};

/// May this be done?
#[derive(Debug, Clone)]
pub(crate) struct Question<'a> {
    /// For example `ec2:RunInstances`.
    pub(crate) action: &'a str,
    /// An ARN, or `*` for actions that have no resource.
    pub(crate) resource: &'a str,
    /// Everything that conditions can ask for.
    pub(crate) context: &'a Context,
}

/// What a set of policies says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A statement allows it and none denies it.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// What `policies` say together.
pub(crate) fn verdict<'a>(policies: impl IntoIterator<Item = &'a Policy>, question: &Question<'_>) -> Verdict {
    let mut verdict = Verdict::NotAllowed;
    let statements = policies.into_iter().flat_map(|policy| &policy.statements);
    for statement in statements.filter(|statement| statement.speaks_of(question)) {
        match statement.effect {
            Effect::Deny => return Verdict::Denied,
            Effect::Allow => verdict = Verdict::Allowed,
        }
    }
    verdict
}

/// What a trust policy says about somebody; `names` are the ARNs and the account id that stand for them.
pub(crate) fn allows_principal(trust: &Policy, names: &[&str], question: &Question<'_>) -> Verdict {
    let spoken_of = |statement: &&Statement| match &statement.principals {
        Some(Principals::Everybody) => true,
        Some(Principals::Aws(principals)) => principals.iter().any(|principal| names.contains(&principal.as_str())),
        None => false,
    };
    let statements = trust.statements.iter().filter(spoken_of).filter(|statement| statement.speaks_of(question));
    let mut verdict = Verdict::NotAllowed;
    for statement in statements {
        match statement.effect {
            Effect::Deny => return Verdict::Denied,
            Effect::Allow => verdict = Verdict::Allowed,
        }
    }
    verdict
}

impl Statement {
    fn speaks_of(&self, question: &Question<'_>) -> bool {
        let context = question.context;
        let action = self.actions.covers(|pattern| pattern.matches_action(question.action, context));
        let resource = self.resources.as_ref();
        let resource = resource.is_none_or(|these| these.covers(|this| this.matches(question.resource, context)));
        action
            && resource
            && self.conditions.iter().all(|each| each.operator.holds(context.get(&each.key), &each.values, context))
    }
}

impl Matcher {
    fn covers(&self, matches: impl Fn(&super::pattern::Pattern) -> bool) -> bool {
        self.patterns.iter().any(matches) != self.negated
    }
}
