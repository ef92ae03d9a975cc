//! [`CloudError`]: what was asked of AWS, what AWS said, what to do about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use super::calls::Trail;
use super::deadline::TooLate;
use crate::release::Problem;

/// Longest message that is passed on, in characters; AWS's encoded authorization messages run to thousands.
const MESSAGE_CHARS_MAX: usize = 600;

/// A question or a change that AWS did not answer with success, or that this program refused to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudError {
    /// What was asked: `service:Operation`, for example `elbv2:ModifyRule`.
    pub operation: &'static str,
    /// What sort of failure it is.
    pub kind: Kind,
    /// AWS's error code, where AWS answered.
    pub code: Option<String>,
    /// AWS's words, or what was seen instead of an answer.
    pub message: String,
    /// AWS's id of the request, for its support.
    pub request_id: Option<String>,
    /// Whether the call may have taken effect all the same.
    pub(super) maybe_done: bool,
}

/// What sort of failure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// AWS has had too many requests, also after the SDK's own retries.
    Throttled,
    /// No answer, or an answer that says nothing: a time-out, a broken connection, a fault inside of AWS.
    NoAnswer,
    /// The credentials are good, but not for this.
    Denied,
    /// No credentials, expired ones, or ones that AWS does not know.
    Credentials,
    /// What was asked for is not there.
    NotFound,
    /// The call was announced too long ago, so it was not sent; see [`SendBefore`](super::SendBefore).
    TooLate,
    /// This program saw something that is not as it must be, and did not go on.
    Refused(Box<Problem>),
    /// Anything else that AWS refused; the code and the message say what.
    Other,
}

impl CloudError {
    /// Something is not as it must be; `operation` is what showed it.
    pub(super) fn refused(operation: &'static str, problem: Problem) -> Self {
        Self {
            operation,
            message: problem.to_string(),
            kind: Kind::Refused(Box::new(problem)),
            code: None,
            request_id: None,
            maybe_done: false,
        }
    }

    /// AWS answered with success, and without something that such an answer always has.
    pub(super) fn incomplete(operation: &'static str, missing: &str) -> Self {
        Self {
            operation,
            kind: Kind::Other,
            code: None,
            message: format!("the answer has no {missing}"),
            request_id: None,
            maybe_done: false,
        }
    }

    /// AWS answered with success, and in the answer that the caller may not see what was asked for.
    pub(super) fn denied(operation: &'static str, message: String) -> Self {
        Self { kind: Kind::Denied, message, ..Self::incomplete(operation, "") }
    }

    /// AWS answered with success, and in the answer that it could not tell.
    pub(super) fn no_answer(operation: &'static str, message: String) -> Self {
        Self { kind: Kind::NoAnswer, message, ..Self::incomplete(operation, "") }
    }

    /// A change was given up after `limit`; some of its calls may have been made.
    pub(super) fn cut_off(operation: &'static str, limit: Duration) -> Self {
        Self {
            operation,
            kind: Kind::NoAnswer,
            code: None,
            message: format!("it was not done within {limit:?}"),
            request_id: None,
            maybe_done: true,
        }
    }

    /// The error of a call that changes nothing.
    pub(super) fn read<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|r| r.status().as_u16());
        let request_id = error.request_id().or_else(|| error.meta().request_id()).map(str::to_owned);
        let code = error.code().map(str::to_owned);
        let message = match error.message() {
            Some(m) => m.to_owned(),
            None => chain(&error),
        };
        let kind = match (&error, code.as_deref()) {
            (_, Some(code)) => kind_of_code(status, code),
            _ if find::<TooLate>(&error).is_some() => Kind::TooLate,
            (SdkError::TimeoutError(_) | SdkError::ResponseError(_), None) => Kind::NoAnswer,
            (SdkError::ServiceError(_), None) if server_fault(status, None) => Kind::NoAnswer,
            _ if find::<CredentialsError>(&error).is_some() => Kind::Credentials,
            // Two places of the SDK miss it, each in words of its own.
            _ if ["Missing Region", "missing signing region"].iter().any(|m| message.contains(m)) => {
                Kind::Refused(Box::new(problem(
                    format!("{operation} was not sent: {message}"),
                    "a region: `region:` in the environment file, or AWS_REGION",
                    ["aws configure get region"],
                )))
            }
            (SdkError::DispatchFailure(e), None) if e.is_timeout() || e.is_io() => Kind::NoAnswer,
            _ => Kind::Other,
        };
        let message = shorten(&message);
        Self { operation, kind, code, message, request_id, maybe_done: false }
    }

    /// The error of a call that changes something, whose attempts were followed by `trail`.
    pub(super) fn change<E>(operation: &'static str, trail: &Trail<E>, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        // Where the whole operation ran out of time, its last attempt was cut off unseen.
        let cut_off = matches!(error, SdkError::TimeoutError(_));
        Self { maybe_done: trail.unanswered() || cut_off, ..Self::read(operation, error) }
    }

    /// Whether the call may have taken effect all the same: only a look at AWS tells. Always false for a call that
    /// changes nothing.
    pub fn outcome_unknown(&self) -> bool {
        self.maybe_done
    }

    /// Whether the same call may well succeed a little later.
    pub fn transient(&self) -> bool {
        matches!(self.kind, Kind::Throttled | Kind::NoAnswer)
    }

    /// The error as a problem: with what to run, where that is known without knowing the environment.
    pub fn problem(&self) -> Problem {
        let saw = self.what_happened();
        match &self.kind {
            Kind::Refused(problem) => (**problem).clone(),
            Kind::Throttled => problem(saw, "AWS accepts the call; its request limits are per account and region", []),
            Kind::NoAnswer => problem(saw, "AWS answers", ["aws sts get-caller-identity"]),
            Kind::Denied => problem(
                saw,
                &format!("the caller's policies allow {}", iam_action(self.operation)),
                ["aws sts get-caller-identity"],
            ),
            Kind::Credentials => problem(
                saw,
                "valid AWS credentials: AWS_PROFILE, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), \
                 or a role of the machine",
                ["aws sso login", "aws configure list"],
            ),
            Kind::NotFound => problem(saw, "it exists, in this account and region", ["aws sts get-caller-identity"]),
            Kind::TooLate => problem(saw, "the call sent soon after it was announced", []),
            Kind::Other => problem(saw, "AWS accepts the call", []),
        }
    }

    fn what_happened(&self) -> String {
        let mut saw = format!("{} failed: ", self.operation);
        if let Some(code) = &self.code {
            saw.push_str(code);
            saw.push_str(": ");
        }
        saw.push_str(&self.message);
        if let Some(id) = &self.request_id {
            saw.push_str(&format!(" (request id {id})"));
        }
        if self.maybe_done {
            saw.push_str("; it may have taken effect all the same");
        }
        saw
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Refused(problem) => write!(f, "{problem}"),
            Kind::Credentials | Kind::Denied => write!(f, "{}", self.problem()),
            _ => f.write_str(&self.what_happened()),
        }
    }
}

impl Error for CloudError {}

fn problem<const N: usize>(saw: String, expected: &str, run: [&str; N]) -> Problem {
    Problem { saw, expected: expected.to_owned(), run: run.map(str::to_owned).into() }
}

/// The IAM action of an operation: they differ from the API's service names in one case.
fn iam_action(operation: &str) -> String {
    operation.replacen("elbv2:", "elasticloadbalancing:", 1)
}

/// Codes with which the services say "too many requests".
fn throttles(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "SlowDown"
            | "EC2ThrottledException"
            | "PriorRequestNotComplete"
    )
}

/// Whether AWS answered with a fault of its own, which leaves open what happened. EC2 sends "too many requests" and "no
/// capacity" with a status of the 500s too; those are plain refusals.
pub(super) fn server_fault(status: Option<u16>, code: Option<&str>) -> bool {
    let refusal = code.is_some_and(|c| throttles(c) || c.starts_with("Insufficient"));
    status.is_some_and(|s| s >= 500) && !refusal
}

/// Whether a request cannot have reached AWS: the connection was never opened, or nothing was ready to be sent.
pub(super) fn never_sent(error: &ConnectorError) -> bool {
    let no_connection = find::<hyper_util::client::legacy::Error>(error).is_some_and(|e| e.is_connect());
    no_connection || error.is_user() || find::<CredentialsError>(error).is_some()
}

fn kind_of_code(status: Option<u16>, code: &str) -> Kind {
    match code {
        _ if throttles(code) => Kind::Throttled,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "AuthorizationError" | "OptInRequired" => {
            Kind::Denied
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "InvalidAccessKeyId"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Kind::Credentials,
        _ if code.ends_with("NotFound") || code.starts_with("NoSuch") => Kind::NotFound,
        _ if server_fault(status, Some(code)) => Kind::NoAnswer,
        _ => Kind::Other,
    }
}

/// The first error of type `T` in the chain of sources.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(found) = e.downcast_ref::<T>() {
            return Some(found);
        }
        next = e.source();
    }
    None
}

/// An error with all its sources in one line: the SDK's own words ("dispatch failure") say nothing.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(e) = next {
        let text = e.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = e.source();
    }
    shorten(&parts.join(": "))
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}
