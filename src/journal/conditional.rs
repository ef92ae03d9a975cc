//! Whether a store honors conditions: some that speak S3 take `If-None-Match` and write all the same.

use bytes::Bytes;

use super::JournalError;
use super::entry::hash;
use super::place::Place;

/// What two puts are tried on.
const TRIAL: &str = "conditional.trial";

/// The name of the object that says that this place was found to honor conditions. It holds for this place only: a
/// journal that is copied to another store is tried again there.
pub(super) fn proof(place: &str) -> String {
    format!("conditional-{}.json", &hash(place.as_bytes())[..16])
}

impl Place {
    /// Tries put-if-absent twice on one object, and leaves a note where the second was refused.
    pub(super) async fn prove_conditions(&self) -> Result<(), JournalError> {
        let unconditional = |why: String| JournalError::Unconditional { place: self.describe(), why };
        let trial =
            |n: u32| Bytes::from(format!("{{ \"trial\": \"{:016x}\", \"put\": {n} }}\n", self.chance().number()));
        // Either it is there now, or it was before: the next one must be refused.
        self.create_file(TRIAL, &trial(1)).await.map_err(|error| match error {
            JournalError::Store { doing: "write", why, .. } => unconditional(why),
            other => other,
        })?;
        if !self.is_refused(TRIAL, &trial(2)).await? {
            let object = self.path_of(TRIAL);
            return Err(unconditional(format!("it wrote {object} a second time, though that was there")));
        }
        let note = format!(
            "{{\n  \"place\": {},\n  \"conditions\": \"a second put-if-absent was refused\"\n}}\n",
            serde_json::Value::from(self.describe())
        );
        self.create_file(&proof(&self.describe()), &note.into()).await?;
        tracing::info!(place = self.describe(), "the journal's store honors conditions");
        Ok(())
    }
}
