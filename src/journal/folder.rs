//! A local folder that is the journal's: created private, and listed by the names alone.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Creates `folder` and what is missing above it, for the owner alone, and makes the new names durable.
pub(super) fn create_private(folder: &Path) -> std::io::Result<()> {
    let missing: Vec<_> =
        folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    for path in missing.into_iter().rev() {
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            // Somebody else made it in the meantime.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

/// Takes from everybody but the owner the right to read `file`, whatever the umask was.
pub(super) fn make_private(file: &Path) {
    // The folder itself is private, so this is the second lock on the door; the file stands either way.
    if let Err(error) = std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)) {
        tracing::warn!(file = %file.display(), %error, "cannot make the journal's file private");
    }
}

/// One name in a folder.
pub(super) struct Name {
    pub(super) name: String,
    pub(super) is_folder: bool,
}

/// The names in `folder`; none where it does not exist. `object_store` leaves out of a listing what it cannot look at
/// (all files of a folder without the right to enter it, broken links), and a journal would seem empty.
pub(super) async fn names(folder: std::path::PathBuf) -> std::io::Result<Vec<Name>> {
    let listed = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<Name>> {
        let mut found = Vec::new();
        for file in std::fs::read_dir(folder)? {
            let file = file?;
            if let Some(name) = file.file_name().to_str() {
                found.push(Name { name: name.to_owned(), is_folder: file.file_type()?.is_dir() });
            }
        }
        Ok(found)
    });
    match listed.await {
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Ok(listed) => listed,
        Err(stopped) => Err(std::io::Error::other(stopped.to_string())),
    }
}
