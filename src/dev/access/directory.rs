//! Who an access key belongs to: users, the sessions of roles, and without `--iam` everybody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::file::{Iam, Role};
use super::identity::{Identity, Permissions};
use super::policy::Policy;
use crate::chance::Chance;

/// The access key of the dev cloud's own clients.
pub(crate) const OWN_KEY: &str = "DEVCLOUD";
/// The secret of every access key where nobody has one of their own.
pub(crate) const OPEN_SECRET: &str = "dev-cloud";
/// The account of access keys that name none.
pub(crate) const DEFAULT_ACCOUNT: &str = "000000000000";
/// How many sessions of roles are kept; the oldest go first.
const SESSIONS_MAX: usize = 10_000;

/// Everybody who can make a request.
#[derive(Debug)]
pub(crate) struct Access {
    /// Whether signatures are checked.
    pub(super) checked: bool,
    /// Users by access key; `None` without `--iam`.
    users: Option<BTreeMap<String, KeyHolder>>,
    /// Roles by ARN.
    pub(super) roles: BTreeMap<String, Role>,
    own_secret: String,
    /// Sessions of roles, by access key.
    sessions: Mutex<BTreeMap<String, Temporary>>,
}

/// A user and its key.
#[derive(Debug, Clone)]
struct KeyHolder {
    identity: Identity,
    secret: String,
    generated: bool,
}

/// Credentials that a role's session has.
#[derive(Debug, Clone)]
pub(super) struct Temporary {
    pub(super) identity: Identity,
    pub(super) secret: String,
    pub(super) token: String,
    pub(super) expires: Timestamp,
}

/// Whoever an access key belongs to, and what its signatures are made with.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    pub(crate) secret: String,
}

/// Why nobody is known by an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Nobody has this key, or the session token is not the key's.
    Key,
    /// The session is over.
    Expired,
}

/// A user's key that the dev cloud made up, for whoever started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GeneratedKey {
    /// ARN of the user.
    pub arn: String,
    /// The access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

impl Access {
    /// Everybody of `iam`, or everybody at all.
    pub(crate) fn new(iam: Option<&Iam>, check_signatures: bool, chance: &Chance) -> Self {
        let mut access = Self {
            checked: check_signatures || iam.is_some(),
            users: None,
            roles: BTreeMap::new(),
            own_secret: OPEN_SECRET.to_owned(),
            sessions: Mutex::default(),
        };
        let Some(iam) = iam else { return access };
        // Drawn apart, so that the ids of a seeded run do not depend on how many users there are.
        let chance = chance.fork();
        access.own_secret = secret(&chance);
        let mut users = BTreeMap::new();
        for (account, members) in &iam.accounts {
            for (name, user) in &members.users {
                let arn = format!("arn:aws:iam::{account}:user/{name}");
                let generated = user.access_key.is_none();
                let access_key = user.access_key.clone().unwrap_or_else(|| access_key("AKIA", &chance));
                let identity = Identity {
                    account: account.clone(),
                    user_id: unique_id("AIDA", &arn),
                    access_key: access_key.clone(),
                    arn,
                    session: None,
                    permissions: Some(Permissions {
                        policies: user.policies.clone().into(),
                        boundary: user.boundary.clone().map(Arc::new),
                        session: None,
                        tags: user.tags.clone(),
                    }),
                };
                let secret = user.secret_key.clone().unwrap_or_else(|| secret(&chance));
                users.insert(access_key, KeyHolder { identity, secret, generated });
            }
            let roles = members.roles.iter();
            access
                .roles
                .extend(roles.map(|(name, role)| (format!("arn:aws:iam::{account}:role/{name}"), role.clone())));
        }
        access.users = Some(users);
        access
    }

    /// Whether policies are enforced.
    pub(crate) fn enforced(&self) -> bool {
        self.users.is_some()
    }

    /// Whether signatures are checked.
    pub(crate) fn checks_signatures(&self) -> bool {
        self.checked
    }

    /// The key of the dev cloud's own clients, which may do everything in the default account.
    pub(crate) fn own_credentials(&self) -> (&str, &str) {
        (OWN_KEY, &self.own_secret)
    }

    /// The keys that were made up.
    pub(crate) fn generated_keys(&self) -> Vec<GeneratedKey> {
        let holders = self.users.iter().flatten().filter(|(_, holder)| holder.generated);
        let key = |(access_key, holder): (&String, &KeyHolder)| GeneratedKey {
            arn: holder.identity.arn.clone(),
            access_key: access_key.clone(),
            secret_key: holder.secret.clone(),
        };
        holders.map(key).collect()
    }

    /// Who an access key belongs to.
    ///
    /// # Errors
    /// Nobody.
    pub(crate) fn holder(&self, access_key: &str, token: Option<&str>, now: Timestamp) -> Result<Known, Unknown> {
        if let Some(temporary) = self.sessions().get(access_key) {
            if self.checked && token != Some(&temporary.token) {
                return Err(Unknown::Key);
            }
            if now >= temporary.expires {
                return Err(Unknown::Expired);
            }
            return Ok(Known { identity: temporary.identity.clone(), secret: temporary.secret.clone() });
        }
        let own = access_key == OWN_KEY;
        let Some(users) = self.users.as_ref().filter(|_| !own) else {
            let secret = if own { &self.own_secret } else { OPEN_SECRET };
            let account = account_of(access_key);
            // Where signatures count, a key must at least be one that somebody chose.
            if self.checked && !own && account.is_none() {
                return Err(Unknown::Key);
            }
            let account = account.unwrap_or(DEFAULT_ACCOUNT);
            return Ok(Known { identity: Identity::open(account, access_key), secret: secret.to_owned() });
        };
        let holder = users.get(access_key).filter(|_| !self.checked || token.is_none()).ok_or(Unknown::Key)?;
        Ok(Known { identity: holder.identity.clone(), secret: holder.secret.clone() })
    }

    /// The account that a key belongs to, whether or not it still counts; `None` for a key that nobody has.
    pub(crate) fn account_of_key(&self, access_key: &str) -> Option<String> {
        if let Some(temporary) = self.sessions().get(access_key) {
            return Some(temporary.identity.account.clone());
        }
        match &self.users {
            Some(users) if access_key != OWN_KEY => users.get(access_key).map(|holder| holder.identity.account.clone()),
            _ => Some(account_of(access_key).unwrap_or(DEFAULT_ACCOUNT).to_owned()),
        }
    }

    pub(super) fn remember(&self, access_key: String, temporary: Temporary, now: Timestamp) {
        let mut sessions = self.sessions();
        sessions.retain(|_, session| session.expires > now);
        while sessions.len() >= SESSIONS_MAX {
            let first = sessions.iter().min_by_key(|(_, session)| session.expires).map(|(key, _)| key.clone());
            first.and_then(|key| sessions.remove(&key));
        }
        sessions.insert(access_key, temporary);
    }

    /// What a role may do in a session.
    pub(super) fn permissions_of(role: &Role, session: Option<Policy>, tags: BTreeMap<String, String>) -> Permissions {
        Permissions {
            policies: role.policies.clone().into(),
            boundary: role.boundary.clone().map(Arc::new),
            session: session.map(Arc::new),
            // A session's tags count more than its role's.
            tags: role.tags.clone().into_iter().chain(tags).collect(),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Temporary>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identity {
    /// Somebody where nobody is asked for permissions.
    pub(crate) fn open(account: &str, access_key: &str) -> Self {
        Self {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/dev-cloud"),
            user_id: "AIDADEVCLOUD".to_owned(),
            access_key: access_key.to_owned(),
            session: None,
            permissions: None,
        }
    }
}

/// An access key of twelve digits names its account, which is how one dev cloud has many.
fn account_of(access_key: &str) -> Option<&str> {
    (access_key.len() == 12 && access_key.bytes().all(|b| b.is_ascii_digit())).then_some(access_key)
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// `AKIA…` or `ASIA…`, 20 characters.
pub(super) fn access_key(prefix: &str, chance: &Chance) -> String {
    let mut key = prefix.to_owned();
    key.extend((0..16).map(|_| letter(BASE32, chance)));
    key
}

/// 40 characters.
pub(super) fn secret(chance: &Chance) -> String {
    const BASE62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..40).map(|_| letter(BASE62, chance)).collect()
}

fn letter(of: &[u8], chance: &Chance) -> char {
    let index = usize::try_from(chance.below(of.len() as u64)).unwrap_or_default();
    char::from(of[index])
}

/// IAM's unique id of a user or role; made of its ARN, so that it is the same in every run.
pub(super) fn unique_id(prefix: &str, arn: &str) -> String {
    let digest = Sha256::digest(arn.as_bytes());
    let mut id = prefix.to_owned();
    id.extend(digest.iter().take(17).map(|byte| char::from(BASE32[usize::from(byte % 32)])));
    id
}
