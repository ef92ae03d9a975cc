//! `journal export`: every entry in order, for whoever keeps or examines them elsewhere.

use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::entry::Entry;
use super::open::{READS_MAX, last};
use super::{Journal, JournalError, Log};

/// An entry as it is handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported<'a> {
    /// SHA-256 (hex) of the object's bytes: what the next entry carries as `prev`.
    pub sha256: &'a str,
    /// The entry.
    #[serde(flatten)]
    pub entry: &'a Entry,
}

impl Journal {
    /// Hands out every entry, the oldest first, as soon as it is read and checked.
    ///
    /// # Errors
    /// Whatever is wrong with an entry; those before it have been handed out.
    pub async fn export(&self, mut each: impl FnMut(&Exported<'_>)) -> Result<(), JournalError> {
        let head = last(&self.place().names(None).await?);
        let mut objects = futures_util::stream::iter(1..=head)
            .map(|seq| async move { Ok::<_, JournalError>((seq, self.place().read(seq).await?)) })
            .buffered(READS_MAX);
        let mut log = Log::default();
        while let Some((seq, bytes)) = objects.try_next().await? {
            let object = self.place().object(seq);
            let Some(bytes) = bytes else {
                let why = format!("it is missing, but entry {head} exists");
                return Err(JournalError::Broken { object, why });
            };
            log.admit(&bytes, &object)?;
            if let Some(entry) = log.entries().last() {
                each(&Exported { sha256: log.tip(), entry });
            }
        }
        Ok(())
    }
}
