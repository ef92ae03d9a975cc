//! What a storage's error means: whether asking again can help, and what to tell a person.

use object_store::Error;

/// Why a request was not answered with success.
#[derive(Debug)]
pub(super) enum Failure {
    /// The storage, or the way to it, said so.
    Store(Error),
    /// Nothing came in time.
    Silence(String),
}

impl Failure {
    /// Whether the same request will be answered in the same way: then it is not repeated.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Silence(_) => false,
            Self::Store(
                Error::NotFound { .. }
                | Error::AlreadyExists { .. }
                | Error::Precondition { .. }
                | Error::NotModified { .. }
                | Error::NotImplemented { .. }
                | Error::NotSupported { .. }
                | Error::InvalidPath { .. }
                | Error::PermissionDenied { .. }
                | Error::Unauthenticated { .. },
            ) => true,
            Self::Store(error) => is(error, &DENIED) || is(error, &FULL) || moved(error) || refused(error),
        }
    }

    /// Whether the storage did not, and will not, carry the request out: for a put, that it was not written.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Silence(_) => false,
            // A put that was sent twice meets its own object, and S3 reports two puts at the same time like this.
            Self::Store(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }) => false,
            Self::Store(_) => self.is_final(),
        }
    }

    /// In words that do not repeat the path.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Silence(what) => what.clone(),
            Self::Store(error) => words(error),
        }
    }
}

/// The operating system says that this user, or this file system, cannot.
pub(super) const DENIED: [i32; 4] = [libc::EACCES, libc::EPERM, libc::EROFS, libc::ENOTSUP];
/// The operating system says that there is no room.
pub(super) const FULL: [i32; 2] = [libc::ENOSPC, libc::EDQUOT];

/// Whether one of these operating system errors lies at the bottom of `error`.
pub(super) fn is(error: &Error, codes: &[i32]) -> bool {
    cause(error).and_then(std::io::Error::raw_os_error).is_some_and(|code| codes.contains(&code))
}

/// Whether a bucket is in another region than the one that was asked. object_store has no other name for it.
pub(super) fn moved(error: &Error) -> bool {
    matches!(error, Error::Generic { .. }) && chain(error).any(|text| text.contains("redirect without LOCATION"))
}

/// Whether there is no such bucket. A listing says so in words only.
pub(super) fn no_bucket(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) || words(error).starts_with("NoSuchBucket")
}

/// Whether the answer was a refusal of HTTP that waiting does not change. S3 says with 400 that a request took too long
/// to arrive.
fn refused(error: &Error) -> bool {
    let refused =
        status(error).is_some_and(|status| (400..500).contains(&status) && ![408, 409, 429].contains(&status));
    refused && !words(error).starts_with("RequestTimeout ")
}

/// The status of an answer over HTTP. object_store tells it in its words only.
fn status(error: &Error) -> Option<u16> {
    chain(error).find_map(|text| text.split_once("status code: ")?.1.get(..3)?.parse().ok())
}

/// The operating system's error at the bottom of `error`.
fn cause(error: &Error) -> Option<&std::io::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

/// `error` and what lies below it, in words.
fn chain(error: &Error) -> impl Iterator<Item = String> {
    let first: Option<&(dyn std::error::Error + 'static)> = Some(error);
    std::iter::successors(first, |error| error.source()).map(ToString::to_string)
}

/// The error in words that do not repeat the path: S3's own, those of the operating system, or the deepest ones.
pub(super) fn words(error: &Error) -> String {
    let said = chain(error).find_map(|text| {
        let code = between(&text, "<Code>", "</Code>")?;
        let message = between(&text, "<Message>", "</Message>").unwrap_or_default();
        let status = status(error).map(|status| format!(" ({status})")).unwrap_or_default();
        Some(format!("{code}{status}: {message}"))
    });
    if let Some(said) = said {
        return said;
    }
    match (cause(error), error) {
        // What a connector says about itself has no number, and what is around it says more.
        (Some(io), _) if io.raw_os_error().is_some() => io.to_string(),
        (_, Error::Generic { .. }) if status(error).is_none() => {
            chain(error).last().unwrap_or_else(|| error.to_string())
        }
        _ => error.to_string(),
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found.to_owned())
}
