//! `journal export`: every entry in order, for whoever keeps or examines them elsewhere.

use futures_util::TryStreamExt;
use serde::Serialize;

use super::entry::Entry;
use super::open::{last, newest};
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
        let (snapshots, names) = futures_util::try_join!(self.snapshots(), self.place().names(None))?;
        let mut objects = self.entries(1, last(&names), newest(&snapshots));
        let mut log = Log::default();
        while let Some((object, bytes)) = objects.try_next().await? {
            log.admit(&bytes, &object)?;
            if let Some(entry) = log.entries().last() {
                each(&Exported { sha256: log.tip(), entry });
            }
        }
        Ok(())
    }
}
