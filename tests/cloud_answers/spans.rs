//! What the log says about each call.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing_subscriber::fmt::format::FmtSpan;

use super::script::{aws, error, result};
use super::world::{blue, rule_pins};

thread_local! {
    /// What was logged on this thread, which runs one test.
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs every test of this program from before its first call: whether a span is on is decided once per process.
pub(crate) fn log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::INFO)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(|| Lines)
            .init();
    });
}

/// The closing line of the one span of a call, with its fields.
async fn span(code: Option<&'static str>) -> serde_json::Value {
    let (cloud, _) = aws(move |asked| match (asked.before, code) {
        (0, _) => error(400, "ThrottlingException", "Rate exceeded"),
        (_, Some(code)) => error(400, code, "no"),
        (_, None) => result("RegisterTargets", ""),
    });
    let done = cloud.register(&rule_pins(), &blue(), &["i-1".into()]).await;
    assert_eq!(done.is_err(), code.is_some());
    let text = LINES.with_borrow(|lines| String::from_utf8(lines.clone())).expect("UTF-8");
    let spans: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let mut calls = spans.into_iter().filter(|line| line["span"]["name"] == "aws").map(|line| line["span"].clone());
    let call = calls.next().expect("a span of the call");
    assert_eq!(calls.next(), None, "{text}");
    call
}

#[tokio::test(start_paused = true)]
async fn every_call_has_one_span_with_operation_request_id_attempts_and_latency() {
    let span = span(None).await;
    assert_eq!(span["operation"], "elbv2:RegisterTargets");
    assert_eq!(span["request_id"], "req-9");
    assert_eq!(span["attempts"], 2);
    assert!(span["latency_ms"].is_u64(), "{span}");
    assert_eq!(span.get("error"), None);
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_failed_call_says_why() {
    let span = span(Some("InvalidTarget")).await;
    assert!(span["error"].as_str().is_some_and(|e| e.contains("InvalidTarget")), "{span}");
}
