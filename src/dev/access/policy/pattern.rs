//! Texts of policies with wildcards and variables: `arn:aws:s3:::${aws:PrincipalTag/team}-*`.

use super::Context;

/// A text of a policy, split where something is put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `${key}` or `${key, 'default'}`.
    Variable {
        key: String,
        default: Option<String>,
    },
    /// `${*}`, `${?}` and `${$}`: the character itself.
    Literal(char),
}

/// One position of a pattern, its variables replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyph {
    /// Any text, also none.
    Any,
    /// Any one character.
    One,
    /// This character.
    Is(char),
}

impl Pattern {
    /// Reads a text; variables are only known to policies of version 2012-10-17.
    ///
    /// # Errors
    /// A `${` without its `}`.
    pub(super) fn read(text: &str, variables: bool) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let (true, Some((before, after))) = (variables, rest.split_once("${")) {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (inside, after) =
                after.split_once('}').ok_or_else(|| format!("{text:?} has a `${{` without its `}}`"))?;
            pieces.push(variable(inside).ok_or_else(|| format!("{text:?} has a variable without a name"))?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// The pattern with its variables replaced; `None` if one has no value, so that nothing matches.
    pub(super) fn glyphs(&self, context: &Context) -> Option<Vec<Glyph>> {
        let mut glyphs = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => glyphs.extend(text.chars().map(|c| match c {
                    '*' => Glyph::Any,
                    '?' => Glyph::One,
                    c => Glyph::Is(c),
                })),
                Piece::Literal(c) => glyphs.push(Glyph::Is(*c)),
                Piece::Variable { key, default } => {
                    // A key with several values cannot stand in a text.
                    let value = match context.get(key) {
                        Some([value]) => Some(value),
                        _ => default.as_ref(),
                    };
                    glyphs.extend(value?.chars().map(Glyph::Is));
                }
            }
        }
        Some(glyphs)
    }

    /// The pattern as plain text, for operators that know no wildcards; `None` if a variable has no value.
    pub(super) fn text(&self, context: &Context) -> Option<String> {
        let letters = self.glyphs(context)?.into_iter().map(|glyph| match glyph {
            Glyph::Any => '*',
            Glyph::One => '?',
            Glyph::Is(c) => c,
        });
        Some(letters.collect())
    }

    /// Whether the whole of `text` is what the pattern describes.
    pub(super) fn matches(&self, text: &str, context: &Context) -> bool {
        self.glyphs(context).is_some_and(|glyphs| like(&glyphs, text))
    }

    /// The same for actions, whose case does not matter.
    pub(super) fn matches_action(&self, action: &str, context: &Context) -> bool {
        let lower = |glyph: Glyph| if let Glyph::Is(c) = glyph { Glyph::Is(c.to_ascii_lowercase()) } else { glyph };
        self.glyphs(context).is_some_and(|glyphs| {
            like(&glyphs.into_iter().map(lower).collect::<Vec<_>>(), &action.to_ascii_lowercase())
        })
    }
}

fn variable(inside: &str) -> Option<Piece> {
    if let "*" | "?" | "$" = inside {
        return inside.chars().next().map(Piece::Literal);
    }
    let (key, default) = match inside.split_once(',') {
        None => (inside, None),
        Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_owned())),
    };
    let key = key.trim();
    (!key.is_empty()).then(|| Piece::Variable { key: key.to_owned(), default })
}

/// Whether `text` is what `pattern` describes, in at most the product of their lengths steps.
pub(super) fn like(pattern: &[Glyph], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and up to where it reaches.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Glyph::Any) => {
                star = Some((p, t));
                p += 1;
            }
            Some(Glyph::One) => (p, t) = (p + 1, t + 1),
            Some(Glyph::Is(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, reaches)) = star else { return false };
                star = Some((at, reaches + 1));
                (p, t) = (at + 1, reaches + 1);
            }
        }
    }
    pattern[p..].iter().all(|glyph| *glyph == Glyph::Any)
}

/// The same for ARNs, part by part: a `*` does not reach over one of the first five colons.
pub(super) fn like_arn(pattern: &[Glyph], arn: &str) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let patterns: Vec<_> = pattern.splitn(6, |glyph| *glyph == Glyph::Is(':')).collect();
    parts.len() == 6 && patterns.len() == 6 && patterns.iter().zip(parts).all(|(pattern, part)| like(pattern, part))
}
