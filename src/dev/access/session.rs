//! STS's `GetSessionToken`: temporary keys of whoever calls.

use jiff::{SignedDuration, Timestamp};

use super::assume::Assumed;
use super::directory::{self, Access, Temporary};
use super::identity::Identity;
use crate::dev::chance::Chance;
use crate::dev::wire::ApiError;

impl Access {
    /// Temporary credentials of whoever calls. They may do what the caller may.
    ///
    /// # Errors
    /// The caller has temporary credentials itself, or the duration is out of range.
    pub(crate) fn session_token(
        &self,
        caller: &Identity,
        duration_seconds: Option<u32>,
        (now, chance): (Timestamp, &Chance),
    ) -> Result<Assumed, ApiError> {
        if caller.session.is_some() || caller.access_key.starts_with("ASIA") {
            return Err(
                ApiError::new("AccessDenied", "Cannot call GetSessionToken with session credentials").status(403)
            );
        }
        let seconds = duration_seconds.unwrap_or(43_200);
        if !(900..=129_600).contains(&seconds) {
            let bound = if seconds < 900 { "greater than or equal to 900" } else { "less than or equal to 129600" };
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member \
                 must have value {bound}"
            )));
        }
        let expires = now + SignedDuration::from_secs(i64::from(seconds));
        let access_key = directory::access_key("ASIA", chance);
        let identity = Identity { access_key: access_key.clone(), ..caller.clone() };
        let secret_key = directory::secret(chance);
        let session_token: String = (0..4).map(|_| directory::secret(chance)).collect();
        let (secret, token) = (secret_key.clone(), session_token.clone());
        let temporary = Temporary { identity: identity.clone(), secret, token, expires };
        self.remember(access_key.clone(), temporary, now);
        Ok(Assumed { identity, access_key, secret_key, session_token, expires })
    }
}
