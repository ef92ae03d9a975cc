//! Text patterns of rule conditions: wildcards with escapes, or a regular expression.

use regex::Regex;

/// What a value of a condition must look like.
#[derive(Debug, Clone)]
pub struct Pattern(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Wildcards { tokens: Box<[Token]>, any_case: bool },
    Regex(Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: exactly one.
    One,
    /// `*`: any number.
    Many,
}

impl Pattern {
    /// Wildcards (`*` any number, `?` exactly one, `\*` and `\?` themselves); letters must match exactly, as in a path.
    pub fn exact_case(pattern: &str) -> Self {
        Self(Kind::Wildcards { tokens: tokens(pattern, false), any_case: false })
    }

    /// The same, but `A` is `a`, as in a host name.
    pub fn any_case(pattern: &str) -> Self {
        Self(Kind::Wildcards { tokens: tokens(pattern, true), any_case: true })
    }

    /// A regular expression that must match somewhere in the text.
    ///
    /// # Errors
    /// It is none, or it would need too much memory.
    pub fn regex(pattern: &str) -> Result<Self, regex::Error> {
        regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map(|regex| Self(Kind::Regex(regex)))
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Regex(regex) => regex.is_match(text),
            Kind::Wildcards { tokens, any_case: false } => wild(tokens, text, |c| c),
            Kind::Wildcards { tokens, any_case: true } => wild(tokens, text, |c| c.to_ascii_lowercase()),
        }
    }
}

fn tokens(pattern: &str, any_case: bool) -> Box<[Token]> {
    let mut chars = pattern.chars().peekable();
    let mut tokens = Vec::new();
    let fold = |c: char| if any_case { c.to_ascii_lowercase() } else { c };
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '\\' => match chars.next_if(|next| matches!(next, '*' | '?' | '\\')) {
                Some(escaped) => Token::Char(escaped),
                None => Token::Char('\\'),
            },
            '?' => Token::One,
            '*' => Token::Many,
            other => Token::Char(fold(other)),
        });
    }
    tokens.dedup_by(|later, earlier| *later == Token::Many && *earlier == Token::Many);
    tokens.into()
}

/// Greedy, and on a mismatch back to the last `*` only: time is at most the product of both lengths.
fn wild(tokens: &[Token], text: &str, fold: impl Fn(char) -> char) -> bool {
    let mut at = 0;
    let mut rest = text.chars();
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let before = rest.clone();
        let next = rest.next();
        let fits = match (tokens.get(at), next) {
            (Some(Token::Many), _) => {
                at += 1;
                rest = before.clone();
                retry = Some((at, before));
                continue;
            }
            (None, None) => return true,
            (Some(Token::One), Some(_)) => true,
            (Some(Token::Char(wanted)), Some(c)) => *wanted == fold(c),
            _ => false,
        };
        if fits {
            at += 1;
            continue;
        }
        // What the last star stands for grows by one character.
        let Some((after_star, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        (at, rest) = (*after_star, from.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_aws_says() {
        let cases = [
            ("/img/*", "/img/", true),
            ("/img/*", "/img/a/b.png", true),
            ("/img/*", "/img", false),
            ("/img/*/pics", "/img/a/b/pics", true),
            ("/img/*/pics", "/img/a/b/pics/", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a**b", "ab", true),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
            ("??", "äö", true),
            ("/A", "/a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::exact_case(pattern).matches(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::any_case("*.Example.com").matches("SHOP.example.COM"));
    }

    #[test]
    fn an_escaped_wildcard_is_itself() {
        let star = Pattern::any_case(r"\*Q\?\\");
        assert!(star.matches(r"*q?\"));
        assert!(!star.matches(r"xq?\"));
        assert!(Pattern::any_case(r"a\b").matches(r"a\b"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = Pattern::exact_case(&"*a".repeat(60));
        assert!(!pattern.matches(&("a".repeat(59) + &"b".repeat(4_000))));
    }

    #[test]
    fn a_regular_expression_matches_anywhere_unless_anchored() {
        assert!(Pattern::regex("^/v[0-9]+/").unwrap().matches("/v12/users"));
        assert!(!Pattern::regex("^/v[0-9]+/$").unwrap().matches("/v12/users"));
        assert!(Pattern::regex("(").is_err());
    }
}
