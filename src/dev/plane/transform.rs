//! What a rule changes about a request before it is forwarded: `url-rewrite` and `host-header-rewrite`.

use http::uri::PathAndQuery;
use regex::Regex;

/// A change of the request.
#[derive(Debug, Clone)]
pub enum Transform {
    /// Rewrites path and query together, as they were sent.
    Url(Rewrite),
    /// Rewrites the Host header.
    Host(Rewrite),
}

/// A regular expression and what its first match is replaced by.
#[derive(Debug, Clone)]
pub struct Rewrite {
    regex: Regex,
    replace: String,
}

impl Rewrite {
    /// In `replace`, `$1` to `$9` are what the groups of the expression have matched, and `$$` is a dollar sign.
    ///
    /// # Errors
    /// It is no regular expression, or it would need too much memory.
    pub fn new(regex: &str, replace: &str) -> Result<Self, regex::Error> {
        let regex = regex::RegexBuilder::new(regex).size_limit(1 << 20).build()?;
        // `$1a` is group 1 and an `a`; the library would look for a group called `1a`.
        let mut braced = String::with_capacity(replace.len());
        let mut chars = replace.chars().peekable();
        while let Some(c) = chars.next() {
            braced.push(c);
            if c != '$' {
                continue;
            }
            if let Some(digit) = chars.next_if(char::is_ascii_digit) {
                braced.extend(['{', digit, '}']);
            } else {
                // `$$`, or a dollar sign that names no group: itself.
                let _ = chars.next_if_eq(&'$');
                braced.push('$');
            }
        }
        Ok(Self { regex, replace: braced })
    }

    fn apply(&self, text: &str) -> Option<String> {
        self.regex.is_match(text).then(|| self.regex.replace(text, self.replace.as_str()).into_owned())
    }
}

/// What came out of the transforms of a rule.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Transformed {
    pub(super) path: Option<PathAndQuery>,
    pub(super) host: Option<String>,
    /// Something was to be rewritten, and the outcome was no path or no host; the original is sent.
    pub(super) failed: bool,
}

pub(super) fn apply(transforms: &[Transform], path: &str, host: &str) -> Transformed {
    let mut outcome = Transformed::default();
    for transform in transforms {
        match transform {
            Transform::Url(rewrite) => {
                let Some(text) = rewrite.apply(path) else { continue };
                match PathAndQuery::try_from(text) {
                    Ok(path) if path.as_str().starts_with('/') => outcome.path = Some(path),
                    _ => outcome.failed = true,
                }
            }
            Transform::Host(rewrite) => {
                let Some(text) = rewrite.apply(host) else { continue };
                if text.parse::<http::uri::Authority>().is_ok() {
                    outcome.host = Some(text);
                } else {
                    outcome.failed = true;
                }
            }
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(regex: &str, replace: &str, path: &str) -> Transformed {
        apply(&[Transform::Url(Rewrite::new(regex, replace).unwrap())], path, "h")
    }

    #[test]
    fn groups_are_filled_in_also_before_letters() {
        let found = url("^/old/([^/]+)/(.*)$", "/new/$2/$1x?cost=$$5", "/old/a/b");
        assert_eq!(found.path.unwrap().as_str(), "/new/b/ax?cost=$5");
        assert_eq!(url("^/none", "/x", "/old"), Transformed::default());
    }

    #[test]
    fn an_outcome_that_is_no_path_is_a_failure_and_the_original_is_sent() {
        assert_eq!(url("^/", "no slash", "/old"), Transformed { failed: true, ..Transformed::default() });
    }

    #[test]
    fn a_host_is_rewritten() {
        let rewrite = Rewrite::new(r"^(.+)\.example\.com$", "$1.internal").unwrap();
        let found = apply(&[Transform::Host(rewrite)], "/", "shop.example.com");
        assert_eq!(found.host.as_deref(), Some("shop.internal"));
    }
}
