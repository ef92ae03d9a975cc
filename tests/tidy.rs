//! The repository is tidy: short lines, small files, no words that must not be committed, no dead link, no lost page.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

/// Longest line of a Rust source, in characters. What stands inside a string literal is not counted: the words of AWS
/// and of our own messages are easier to find, and to compare, in one piece.
const LINE_CHARS_MAX: usize = 120;
/// Largest file under `src`: what can be read in one sitting.
const FILE_BYTES_MAX: u64 = 25 * 1024;

/// A string literal, or the part of one that stands on this line.
static LITERAL: LazyLock<regex::Regex> = LazyLock::new(|| {
    let raw = r##"r#".*?"#"##;
    let plain = r#""(?:[^"\\]|\\.)*(?:"|\\$)"#;
    let continued = r#"^\s*[^"]*\\$"#;
    regex::Regex::new(&format!("{raw}|{plain}|{continued}")).unwrap()
});

/// What no file may say, and why. Written in two parts, so that this file does not say it either.
const BANNED: [(&str, &str, &str); 8] = [
    ("to", "do!", "a stub"),
    ("unim", "plemented!", "a stub"),
    ("col", "our", "the word is color"),
    ("behav", "iour", "the word is behavior"),
    ("/tm", "p/w/", "a path of one machine"),
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("-----BEGIN", " PRIVATE", "a secret"),
];

#[test]
fn no_line_of_a_rust_source_is_too_long() {
    let mut long = Vec::new();
    for file in files().iter().filter(|f| has_extension(f, "rs")) {
        for (number, line) in read(file).lines().enumerate() {
            let chars = without_literals(line).chars().count();
            if chars > LINE_CHARS_MAX {
                long.push(format!("{}:{}: {chars} characters", file.display(), number + 1));
            }
        }
    }
    assert!(long.is_empty(), "lines of more than {LINE_CHARS_MAX} characters:\n{}", long.join("\n"));
}

#[test]
fn every_source_file_can_be_read_in_one_sitting() {
    let size = |file: &Path| std::fs::metadata(root().join(file)).unwrap().len();
    let large: Vec<_> = files()
        .into_iter()
        .filter(|file| file.starts_with("src") && size(file) > FILE_BYTES_MAX)
        .map(|file| format!("{}: {} bytes", file.display(), size(&file)))
        .collect();
    assert!(large.is_empty(), "split these, by concept:\n{}", large.join("\n"));
}

#[test]
fn every_rust_source_says_in_its_first_line_what_it_is_for() {
    let silent: Vec<_> = files()
        .into_iter()
        .filter(|file| has_extension(file, "rs") && !read(file).starts_with("//! "))
        .map(|file| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "these start without `//! …`:\n{}", silent.join("\n"));
}

#[test]
fn no_file_says_what_must_not_be_committed() {
    let mut said = Vec::new();
    for file in files() {
        // Text only: an image or an archive says nothing.
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for (begin, end, why) in BANNED {
                let word = format!("{begin}{end}");
                if line.to_lowercase().contains(&word.to_lowercase()) {
                    said.push(format!("{}:{}: `{word}`, {why}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        for link in links(&page) {
            if !root().join(&link.file).exists() {
                dead.push(format!("{}: {} does not exist", page.display(), link.text));
            } else if let Some(anchor) = link.anchor.filter(|_| has_extension(&link.file, "md"))
                && !anchors(&link.file).contains(&anchor)
            {
                dead.push(format!("{}: {} has no heading #{anchor}", page.display(), link.file.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let mut reached = BTreeSet::from([PathBuf::from("README.md")]);
    let mut open: Vec<PathBuf> = reached.iter().cloned().collect();
    while let Some(page) = open.pop() {
        for link in links(&page) {
            let page = has_extension(&link.file, "md") && root().join(&link.file).exists();
            if page && reached.insert(link.file.clone()) {
                open.push(link.file);
            }
        }
    }
    let lost: Vec<_> = pages().into_iter().filter(|p| !reached.contains(p)).map(|p| p.display().to_string()).collect();
    assert!(lost.is_empty(), "no link leads from README.md to:\n{}", lost.join("\n"));
}

/// The line with every string literal in it emptied; a comment keeps its quotes.
fn without_literals(line: &str) -> String {
    if line.trim_start().starts_with("//") {
        return line.to_owned();
    }
    LITERAL.replace_all(line, "\"\"").into_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository, relative to its root: what git tracks, or would track.
fn files() -> Vec<PathBuf> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is there, as for every build of this project");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<_> = names.lines().map(PathBuf::from).filter(|file| root().join(file).is_file()).collect();
    assert!(files.contains(&PathBuf::from("tests/tidy.rs")), "the list is not of this repository: {files:?}");
    files
}

fn pages() -> Vec<PathBuf> {
    files().into_iter().filter(|file| has_extension(file, "md")).collect()
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|e| e == extension)
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// A link of a page to another file of the repository, or to a heading.
struct Link {
    text: String,
    file: PathBuf,
    anchor: Option<String>,
}

fn links(page: &Path) -> Vec<Link> {
    let pattern = regex::Regex::new(r"\]\(([^()\s]+)\)").unwrap();
    let text = outside_code(&read(page));
    let targets = pattern.captures_iter(&text).map(|c| c[1].to_owned());
    let relative = targets.filter(|t| !t.contains("://") && !t.starts_with("mailto:"));
    relative
        .map(|text| {
            let (file, anchor) = match text.split_once('#') {
                Some((file, anchor)) => (file.to_owned(), Some(anchor.to_owned())),
                None => (text.clone(), None),
            };
            let file = match file.as_str() {
                "" => page.to_owned(),
                _ => plain(&page.parent().unwrap().join(file)),
            };
            Link { text, file, anchor }
        })
        .collect()
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{} leads out of the repository", path.display()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// The names of a page's headings, as GitHub makes them.
fn anchors(page: &Path) -> Vec<String> {
    let text = outside_code(&read(page));
    let headings = text.lines().filter(|l| l.starts_with('#')).map(|l| l.trim_start_matches('#').trim().to_lowercase());
    let kept = |c: char| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_';
    headings.map(|h| h.chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-")).collect()
}

/// The page without its code blocks, in which a bracket is no link and a number sign no heading.
fn outside_code(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}
