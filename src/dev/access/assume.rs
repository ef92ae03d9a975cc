//! STS's `AssumeRole`: whether somebody may be in a role, and the credentials for it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::directory::{self, Access, Temporary};
use super::identity::{Identity, Session};
use super::policy::{Context, Policy, Question, Verdict, allows_principal, verdict};
use crate::chance::Chance;
use crate::dev::wire::ApiError;

/// The parameters of `AssumeRole` that decide something.
#[derive(Debug, Clone, Default)]
pub(crate) struct AssumeRole {
    /// `RoleArn`.
    pub(crate) role: String,
    /// `RoleSessionName`.
    pub(crate) session_name: String,
    /// `DurationSeconds`.
    pub(crate) duration_seconds: Option<u32>,
    /// `Policy`: what the session may do at most.
    pub(crate) policy: Option<String>,
    /// `ExternalId`.
    pub(crate) external_id: Option<String>,
    /// `SourceIdentity`.
    pub(crate) source_identity: Option<String>,
    /// `Tags`.
    pub(crate) tags: BTreeMap<String, String>,
}

/// A new session of a role.
#[derive(Debug, Clone)]
pub(crate) struct Assumed {
    /// Who its calls are made by.
    pub(crate) identity: Identity,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: String,
    pub(crate) expires: Timestamp,
}

impl Access {
    /// Gives `caller` a session of a role. Without `--iam` every role exists and lets everybody in.
    ///
    /// # Errors
    /// The role does not let the caller in, or a parameter is out of range.
    pub(crate) fn assume_role(
        &self,
        caller: &Identity,
        request: &AssumeRole,
        (now, chance): (Timestamp, &Chance),
    ) -> Result<Assumed, ApiError> {
        let name = &request.session_name;
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
        if !(2..=64).contains(&name.len()) || !name.bytes().all(fits) {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member \
                 must satisfy regular expression pattern: [\\w+=,.@-]* and have length between 2 and 64"
            )));
        }
        let parts: Vec<_> = request.role.splitn(6, ':').collect();
        let (account, path) = match parts[..] {
            ["arn", "aws", "iam", "", account, resource] if account.len() == 12 => {
                (account, resource.strip_prefix("role/"))
            }
            _ => ("", None),
        };
        let role_name = path.and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
        let role_name = role_name.ok_or_else(|| ApiError::validation(format!("{} is invalid", request.role)))?;
        let limit = self.roles.get(&request.role).map_or(43_200, |role| role.max_session_seconds);
        // Whoever is in a role already gets an hour at most.
        let limit = if caller.session.is_some() { limit.min(3600) } else { limit };
        let seconds = request.duration_seconds.unwrap_or(3600);
        if seconds < 900 {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: \
                 Member must have value greater than or equal to 900"
            )));
        }
        if seconds > limit {
            return Err(ApiError::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let session = request.policy.as_deref().map(session_policy).transpose()?;
        let permissions = if self.enforced() {
            let role = self.roles.get(&request.role).filter(|role| self.may_assume(caller, role, request));
            let role = role.ok_or_else(|| {
                ApiError::new(
                    "AccessDenied",
                    format!(
                        "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                        caller.arn, request.role
                    ),
                )
                .status(403)
            })?;
            Some(Self::permissions_of(role, session, request.tags.clone()))
        } else {
            None
        };
        let expires = now + SignedDuration::from_secs(i64::from(seconds));
        let access_key = directory::access_key("ASIA", chance);
        let identity = Identity {
            account: account.to_owned(),
            arn: format!("arn:aws:sts::{account}:assumed-role/{role_name}/{name}"),
            user_id: format!("{}:{name}", directory::unique_id("AROA", &request.role)),
            access_key: access_key.clone(),
            session: Some(Session { role: request.role.clone(), expires }),
            permissions,
        };
        let secret_key = directory::secret(chance);
        let session_token: String = (0..4).map(|_| directory::secret(chance)).collect();
        let temporary =
            Temporary { identity: identity.clone(), secret: secret_key.clone(), token: session_token.clone(), expires };
        self.remember(access_key.clone(), temporary, now);
        Ok(Assumed { identity, access_key, secret_key, session_token, expires })
    }

    /// The role must trust the caller, and the caller's own policies must grant it, unless the role names the caller
    /// itself and is of the same account.
    fn may_assume(&self, caller: &Identity, role: &super::file::Role, request: &AssumeRole) -> bool {
        let Some(permissions) = &caller.permissions else { return true };
        let mut context = caller.context();
        context.set_if("sts:ExternalId", request.external_id.clone());
        context.set("sts:RoleSessionName", &request.session_name);
        context.set_if("sts:SourceIdentity", request.source_identity.clone());
        context.set_tags("aws:RequestTag", &request.tags);
        context.set_all("aws:TagKeys", request.tags.keys().cloned());
        let question = |action| Question { action, resource: &request.role, context: &context };
        let root = format!("arn:aws:iam::{}:root", caller.account);
        let (itself, account) = ([&*caller.arn, caller.principal()], [&*root, &*caller.account]);
        let actions = ["sts:AssumeRole"].into_iter();
        let actions = actions.chain((!request.tags.is_empty()).then_some("sts:TagSession"));
        let mut actions = actions.chain(request.source_identity.as_ref().map(|_| "sts:SetSourceIdentity"));
        let same_account = request.role.split(':').nth(4) == Some(&caller.account);
        actions.all(|action| {
            let question = question(action);
            let by_name = allows_principal(&role.trust, &itself, &question);
            let by_account = allows_principal(&role.trust, &account, &question);
            let granted = permissions.verdict(&question);
            let denied = [by_name, by_account, granted].contains(&Verdict::Denied);
            let named = by_name == Verdict::Allowed && same_account;
            let trusted = by_name == Verdict::Allowed || by_account == Verdict::Allowed;
            !denied && (named || trusted && granted == Verdict::Allowed)
        })
    }
}

impl super::identity::Permissions {
    /// What all policies of somebody say together.
    pub(crate) fn verdict(&self, question: &Question<'_>) -> Verdict {
        let granted = verdict(&*self.policies, question);
        let limits = self.boundary.iter().chain(&self.session).map(|limit| verdict([&**limit], question));
        limits.fold(granted, |so_far, limit| match (so_far, limit) {
            (Verdict::Denied, _) | (_, Verdict::Denied) => Verdict::Denied,
            (Verdict::Allowed, Verdict::Allowed) => Verdict::Allowed,
            _ => Verdict::NotAllowed,
        })
    }
}

impl Identity {
    /// The condition keys that say who calls.
    pub(crate) fn context(&self) -> Context {
        let mut context = Context::default();
        context.set("aws:PrincipalArn", self.principal()).set("aws:PrincipalAccount", &self.account);
        context.set("aws:PrincipalType", self.kind()).set("aws:userid", &self.user_id);
        context.set_if("aws:username", self.user_name());
        if let Some(permissions) = &self.permissions {
            context.set_tags("aws:PrincipalTag", &permissions.tags);
        }
        context
    }
}

fn session_policy(text: &str) -> Result<Policy, ApiError> {
    let malformed = |why: String| ApiError::new("MalformedPolicyDocument", why);
    if text.len() > 2048 {
        return Err(malformed("the session policy is longer than 2048 characters".to_owned()));
    }
    let policy: Policy = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    policy.check_identity_based().map_err(malformed)?;
    Ok(policy)
}
