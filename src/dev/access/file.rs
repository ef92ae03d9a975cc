//! The users and roles of `--iam FILE`, as a user writes them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::policy::Policy;

/// A file of users and roles is written by hand; whatever is larger is another file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Accounts with their users and roles. Calls of everybody else are refused.
///
/// ```yaml
/// accounts:
///   "111111111111":
///     users:
///       deployer:
///         access-key: AKIAIOSFODNN7EXAMPLE     # both generated where they are missing
///         secret-key: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
///         tags: { team: shop }
///         policies: [deploy.json]              # a file beside this one, or the document itself
///     roles:
///       shop:
///         trust: trust.json
///         policies: [ { Version: "2012-10-17", Statement: { Effect: Allow, Action: "ec2:*", Resource: "*" } } ]
/// ```
#[derive(Debug, Clone, Default)]
pub struct Iam {
    pub(super) accounts: BTreeMap<String, Members>,
}

/// Why a file of users and roles cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is far larger than one that is written by hand.
    #[error("{} is larger than {FILE_BYTES_MAX} bytes: is it the right file?", .file.display())]
    TooLarge {
        /// Which file.
        file: PathBuf,
    },
    /// A file does not say what it must.
    #[error("{}: {problem}", .file.display())]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    accounts: BTreeMap<String, MembersWritten>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersWritten {
    #[serde(default)]
    users: BTreeMap<String, UserWritten>,
    #[serde(default)]
    roles: BTreeMap<String, RoleWritten>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct UserWritten {
    #[serde(default)]
    access_key: Option<String>,
    #[serde(default)]
    secret_key: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    policies: Vec<PolicyWritten>,
    #[serde(default)]
    boundary: Option<PolicyWritten>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RoleWritten {
    trust: PolicyWritten,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    policies: Vec<PolicyWritten>,
    #[serde(default)]
    boundary: Option<PolicyWritten>,
    #[serde(default = "an_hour_s")]
    max_session_seconds: u32,
}

/// The document itself, or the path of a JSON file beside the file that names it.
#[derive(Debug)]
enum PolicyWritten {
    Document(Policy),
    File(PathBuf),
}

/// Users and roles of one account, their policies read.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    pub(super) users: BTreeMap<String, User>,
    pub(super) roles: BTreeMap<String, Role>,
}

#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) access_key: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) policies: Vec<Policy>,
    pub(super) boundary: Option<Policy>,
}

#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) trust: Policy,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) policies: Vec<Policy>,
    pub(super) boundary: Option<Policy>,
    pub(super) max_session_seconds: u32,
}

const fn an_hour_s() -> u32 {
    3600
}

impl<'de> Deserialize<'de> for PolicyWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = PolicyWritten;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a policy document or the path of a JSON file with one")
            }

            fn visit_str<E>(self, path: &str) -> Result<PolicyWritten, E> {
                Ok(PolicyWritten::File(path.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PolicyWritten, A::Error> {
                Policy::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(PolicyWritten::Document)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Iam {
    /// Reads a YAML or JSON file, and the policies that it names.
    ///
    /// # Errors
    /// A file cannot be read or is no such file; the error says where and why.
    pub fn load(file: &Path) -> Result<Self, IamError> {
        let written: Written = serde_yaml::from_str(&read(file)?).map_err(|error| invalid(file, error))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::build(written, file, |path| {
            let path = folder.join(path);
            serde_json::from_str(&read(&path)?).map_err(|error| invalid(&path, error))
        })
    }

    /// The same from a text, which can name no files.
    ///
    /// # Errors
    /// The text is no such file.
    pub fn parse(text: &str) -> Result<Self, IamError> {
        let nowhere = Path::new("users and roles");
        let written: Written = serde_yaml::from_str(text).map_err(|error| invalid(nowhere, error))?;
        Self::build(written, nowhere, |path| Err(invalid(path, "files can only be named in a file")))
    }

    fn build(
        written: Written,
        file: &Path,
        open: impl Fn(&Path) -> Result<Policy, IamError>,
    ) -> Result<Self, IamError> {
        let policy = |written: PolicyWritten, check: fn(&Policy) -> Result<(), String>| {
            let (policy, file) = match written {
                PolicyWritten::Document(policy) => (policy, file.to_owned()),
                PolicyWritten::File(path) => (open(&path)?, path),
            };
            check(&policy).map_err(|problem| invalid(&file, problem))?;
            Ok(policy)
        };
        let grants = |written: PolicyWritten| policy(written, Policy::check_identity_based);
        let mut accounts = BTreeMap::new();
        for (id, members) in written.accounts {
            if id.len() != 12 || !id.bytes().all(|b| b.is_ascii_digit()) {
                return Err(invalid(file, format!("`{id}` is no account: expected 12 digits in quotes")));
            }
            let mut read = Members::default();
            for (name, user) in members.users {
                check_name("user", &name).map_err(|problem| invalid(file, problem))?;
                if user.access_key.is_none() != user.secret_key.is_none() {
                    let problem = format!("user {name}: access-key and secret-key go together");
                    return Err(invalid(file, problem));
                }
                let user = User {
                    access_key: user.access_key,
                    secret_key: user.secret_key,
                    tags: user.tags,
                    policies: user.policies.into_iter().map(grants).collect::<Result<_, _>>()?,
                    boundary: user.boundary.map(grants).transpose()?,
                };
                read.users.insert(name, user);
            }
            for (name, role) in members.roles {
                check_name("role", &name).map_err(|problem| invalid(file, problem))?;
                if !(3600..=43_200).contains(&role.max_session_seconds) {
                    let problem = format!("role {name}: max-session-seconds must be 3600 to 43200");
                    return Err(invalid(file, problem));
                }
                let role = Role {
                    trust: policy(role.trust, Policy::check_trust)?,
                    tags: role.tags,
                    policies: role.policies.into_iter().map(grants).collect::<Result<_, _>>()?,
                    boundary: role.boundary.map(grants).transpose()?,
                    max_session_seconds: role.max_session_seconds,
                };
                read.roles.insert(name, role);
            }
            accounts.insert(id, read);
        }
        let keys = accounts.values().flat_map(|members| members.users.values());
        let mut keys: Vec<_> = keys.filter_map(|user| user.access_key.as_deref()).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(invalid(file, format!("two users have the access key {}", pair[0])));
        }
        if let Some(key) = keys.iter().find(|key| !is_access_key(key)) {
            let problem =
                format!("`{key}` is no access key: expected 4 to 128 letters, digits or `_`, none of them ASIA…");
            return Err(invalid(file, problem));
        }
        Ok(Self { accounts })
    }
}

/// `ASIA…` are the keys of sessions.
fn is_access_key(key: &str) -> bool {
    (4..=128).contains(&key.len())
        && !key.starts_with("ASIA")
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Users and roles: letters, digits and `+=,.@_-`, at most 64.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("`{name}` is no name of a {what}: expected 1 to 64 letters, digits or +=,.@_-"))
}

fn invalid(file: &Path, problem: impl fmt::Display) -> IamError {
    IamError::Invalid { file: file.to_owned(), problem: problem.to_string() }
}

fn read(file: &Path) -> Result<String, IamError> {
    let read = |source| IamError::Read { file: file.to_owned(), source };
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(read)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(read)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(IamError::TooLarge { file: file.to_owned() });
    }
    Ok(text)
}
