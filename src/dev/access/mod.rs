//! Who may do what: identities, signatures, policies.
//!
//! | file | what it holds |
//! |---|---|
//! | `identity` | who makes a request |
//! | `file` | the users and roles of `--iam FILE`, as a user writes them |
//! | `directory` | who an access key belongs to, and the sessions of roles |
//! | `assume`, `session` | STS's `AssumeRole` and `GetSessionToken` |
//! | `signature` | Signature Version 4 |
//! | `denial` | each service's words for no |
//! | `needs` | which actions on which resources a call is |
//! | `policy` | policy documents, and what they say to a question |

mod assume;
mod denial;
mod directory;
mod file;
#[cfg(test)]
mod fuzz;
mod identity;
mod needs;
mod policy;
mod session;
mod signature;

pub(crate) use assume::{AssumeRole, Assumed};
pub use directory::GeneratedKey;
pub(crate) use directory::{Access, DEFAULT_ACCOUNT, Unknown};
pub use file::{Iam, IamError};
pub(crate) use identity::Identity;
pub(crate) use needs::{Asked, authorize};

use bytes::Bytes;
use http::request::Parts;
use jiff::Timestamp;

use super::wire::{ApiError, Credential};

impl Access {
    /// Who makes a request, after its signature where signatures are checked.
    ///
    /// # Errors
    /// Nobody that is known, or the signature is wrong; in the words of the service.
    pub(crate) fn admit(
        &self,
        credential: &Credential,
        (head, body): (&Parts, &Bytes),
        now: Timestamp,
    ) -> Result<Identity, ApiError> {
        let token = head.headers.get("x-amz-security-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
        let token = token.or_else(|| credential.token_in(head.uri.query().unwrap_or_default()));
        let known = self.holder(&credential.access_key, token.as_deref(), now);
        let known = known.map_err(|why| denial::unknown(credential.service, why))?;
        if self.checks_signatures() {
            let checked = signature::check(credential, (head, body), &known.secret, now);
            checked.map_err(|why| denial::mismatch(credential.service, &why, now))?;
        }
        Ok(known.identity)
    }
}
