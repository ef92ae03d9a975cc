//! Who makes a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::policy::Policy;

/// Whoever signed a request: a user, the root of an account, or somebody in a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The account that the request is for, 12 digits.
    pub(crate) account: String,
    /// For example `arn:aws:iam::111111111111:user/deployer`, or `arn:aws:sts::111111111111:assumed-role/ROLE/SESSION`.
    pub(crate) arn: String,
    /// What `GetCallerIdentity` calls `UserId`: `AIDA…`, `AROA…:SESSION`, or the account of a root.
    pub(crate) user_id: String,
    /// The access key of the request.
    pub(crate) access_key: String,
    /// What is known of a role's session; `None` for users and roots.
    pub(crate) session: Option<Session>,
    /// What it may do; `None` where policies are not enforced, and for the dev cloud's own calls.
    pub(crate) permissions: Option<Permissions>,
}

/// A role that somebody is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// ARN of the role.
    pub(crate) role: String,
    /// Until when its credentials count.
    pub(crate) expires: Timestamp,
}

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Permissions {
    /// Of the user or role.
    pub(crate) policies: Arc<[Policy]>,
    /// What it may do at most, whatever its policies say.
    pub(crate) boundary: Option<Arc<Policy>>,
    /// What the session may do at most.
    pub(crate) session: Option<Arc<Policy>>,
    /// `aws:PrincipalTag/…`.
    pub(crate) tags: BTreeMap<String, String>,
}

impl Identity {
    /// One of the dev cloud's own services, which acts for `account`.
    pub(crate) fn of_service(service: &str, account: &str) -> Self {
        Self {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:role/aws-service-role/{service}.amazonaws.com"),
            user_id: account.to_owned(),
            access_key: String::new(),
            session: None,
            permissions: None,
        }
    }

    /// `aws:PrincipalArn`: of a session it is the role's ARN.
    pub(crate) fn principal(&self) -> &str {
        self.session.as_ref().map_or(&self.arn, |session| &session.role)
    }

    /// `aws:PrincipalType`.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.session {
            Some(_) => "AssumedRole",
            None if self.arn.ends_with(":root") => "Account",
            None => "User",
        }
    }

    /// `aws:username`, which only users have.
    pub(crate) fn user_name(&self) -> Option<&str> {
        let (_, path) = self.arn.split_once(":user/")?;
        path.rsplit('/').next()
    }
}
