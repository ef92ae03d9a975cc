//! What was seen, made fit for a terminal: short, without control characters, arguments quoted.

/// How many characters of a body a message shows.
const BODY_CHARS_MAX: usize = 200;

/// The beginning of a body, quoted and escaped, so that nothing in it can steer a terminal.
pub(super) fn excerpt(body: &[u8]) -> String {
    if body.is_empty() {
        return "an empty body".into();
    }
    let text = String::from_utf8_lossy(body);
    let start: String = text.chars().take(BODY_CHARS_MAX).collect();
    let more = if start.len() < text.len() { " and more" } else { "" };
    format!("body {start:?}{more}")
}

/// Output of a program, one indented line per line, without control characters.
pub(super) fn indented(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let clean = |c: char| if c == '\t' || !c.is_control() { c } else { char::REPLACEMENT_CHARACTER };
    text.trim_end()
        .lines()
        .map(|line| format!("  {}", line.trim_end_matches('\r').chars().map(clean).collect::<String>()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A command line that can be pasted into a shell.
pub(super) fn command_line<S: AsRef<str>>(arguments: &[S]) -> String {
    let quoted: Vec<_> = arguments.iter().map(|a| quote(a.as_ref())).collect();
    quoted.join(" ")
}

/// One argument, in single quotes where a shell would read it otherwise.
fn quote(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.into();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_cannot_steer_a_terminal() {
        assert_eq!(excerpt(b""), "an empty body");
        assert_eq!(excerpt(b"ok\n"), r#"body "ok\n""#);
        assert_eq!(excerpt(b"\x1b[2J"), r#"body "\u{1b}[2J""#);
        let long = excerpt("ä".repeat(1000).as_bytes());
        assert_eq!(long, format!("body {:?} and more", "ä".repeat(200)));
    }

    #[test]
    fn output_keeps_its_lines_and_loses_its_control_characters() {
        assert_eq!(indented(b"one\r\n\ttwo \x1b[31mred\n\n"), "  one\n  \ttwo \u{fffd}[31mred");
        assert_eq!(indented(b""), "");
    }

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        assert_eq!(command_line(&["./smoke.sh", "10.0.0.1:80", "it's", ""]), r"./smoke.sh 10.0.0.1:80 'it'\''s' ''");
    }
}
