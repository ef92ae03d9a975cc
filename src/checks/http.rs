//! An HTTP check: one attempt against one instance.

use std::net::SocketAddr;

use super::answer::{Answer, Ask, exchange};
use super::words::{command_line, excerpt};
use crate::config::{Expect, HttpCheck};
use crate::dial::Dial;

/// Asks one instance once; otherwise says what was seen instead of the expected answer.
pub(super) async fn attempt(dial: &dyn Dial, check: &HttpCheck, endpoint: SocketAddr) -> Result<(), String> {
    let mut ask = Ask::new(endpoint, &check.path);
    if let Some(host) = &check.host {
        ask = ask.host(host)?;
    }
    judge(&check.expect, &exchange(dial, ask, check.expect.within).await?)
}

/// Whether an answer is what was expected.
fn judge(expect: &Expect, answer: &Answer) -> Result<(), String> {
    let wanted = expect.body_contains.as_deref();
    let has_text = wanted.is_none_or(|text| String::from_utf8_lossy(&answer.body).contains(text));
    if answer.status == expect.status && has_text {
        return Ok(());
    }
    Err(format!("status {}, {}", answer.status, excerpt(&answer.body)))
}

/// The expected answer in words.
pub(super) fn expected(expect: &Expect) -> String {
    let text = expect.body_contains.as_ref().map(|t| format!(", a body that contains {t:?}")).unwrap_or_default();
    format!("status {}{text}, within {:?}", expect.status, expect.within)
}

/// A command that asks the same by hand.
pub(super) fn by_hand(check: &HttpCheck, endpoint: SocketAddr) -> String {
    let mut arguments =
        vec!["curl".to_owned(), "-v".into(), "--max-time".into(), check.expect.within.as_secs_f64().to_string()];
    if let Some(host) = &check.host {
        arguments.extend(["-H".into(), format!("Host: {host}")]);
    }
    arguments.push(url(check, endpoint));
    command_line(&arguments)
}

fn url(check: &HttpCheck, endpoint: SocketAddr) -> String {
    format!("http://{endpoint}{}", check.path)
}
