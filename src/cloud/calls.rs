//! Counts and spans of every AWS call, and whether a failed one may have happened all the same.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use serde::Serialize;
use tracing::field::Empty;

use super::deadline::SendBefore;
use super::error;

/// How many AWS calls were made, by `service:Operation` (for example `elbv2:ModifyRule`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Calls, each counted once however often it was sent.
    pub by_operation: BTreeMap<String, u64>,
    /// Repeats by the SDK after a throttle or a failure, beyond the first attempt of each call.
    pub retries: BTreeMap<String, u64>,
}

impl Calls {
    /// All calls together, without the repeats.
    pub fn total(&self) -> u64 {
        self.by_operation.values().sum()
    }
}

/// Counts every call and opens a span for it. One for all clients.
#[derive(Debug, Clone, Default)]
pub(super) struct Observer {
    calls: Arc<Mutex<Calls>>,
}

/// A call in flight: kept in the call's own configuration, so it ends with the call however that ends.
#[derive(Debug)]
struct InFlight {
    operation: String,
    span: tracing::Span,
    started: Instant,
    attempts: u32,
    outcome: Option<String>,
}

impl Storable for InFlight {
    type Storer = StoreReplace<Self>;
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let latency_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.span.record("attempts", self.attempts).record("latency_ms", latency_ms);
        let outcome = self.outcome.as_deref().unwrap_or("given up before an answer");
        tracing::debug!(parent: &self.span, outcome, "AWS call ended");
    }
}

impl Observer {
    /// What was counted so far.
    pub(super) fn calls(&self) -> Calls {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // A count is still a count after a panic elsewhere.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `service:Operation` of a call, with the service's short name.
fn operation_name(metadata: &Metadata) -> String {
    let service = match metadata.service() {
        "Elastic Load Balancing v2" => "elbv2",
        "EC2" => "ec2",
        "Route 53" => "route53",
        "STS" => "sts",
        "CloudWatch" => "cloudwatch",
        other => other,
    };
    format!("{service}:{}", metadata.name())
}

impl Intercept for Observer {
    fn name(&self) -> &'static str {
        "switchback calls"
    }

    // Not `read_before_execution`: for an interceptor of the client that comes before the call has its name.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(metadata) = cfg.load::<Metadata>() else { return Ok(()) };
        let operation = operation_name(metadata);
        let span = tracing::info_span!(
            "aws",
            operation,
            request_id = Empty,
            attempts = Empty,
            latency_ms = Empty,
            error = Empty
        );
        *self.lock().by_operation.entry(operation.clone()).or_default() += 1;
        let call = InFlight { operation, span, started: Instant::now(), attempts: 0, outcome: None };
        cfg.interceptor_state().store_put(call);
        Ok(())
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = cfg.get_mut_from_interceptor_state::<InFlight>() {
            call.attempts += 1;
            if call.attempts > 1 {
                *self.lock().retries.entry(call.operation.clone()).or_default() += 1;
            }
        }
        Ok(())
    }

    // The last thing that happens before the connector gets the request, of every attempt.
    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(SendBefore::check()?)
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = cfg.get_mut_from_interceptor_state::<InFlight>() {
            if let Some(id) = context.response().and_then(|r| r.headers().request_id()) {
                call.span.record("request_id", id);
            }
            call.outcome = Some(match context.output_or_error() {
                Some(Err(e)) => {
                    let error = error::chain(e);
                    call.span.record("error", &error);
                    error
                }
                Some(Ok(_)) => "ok".to_owned(),
                None => "not sent".to_owned(),
            });
        }
        Ok(())
    }
}

/// Follows the attempts of one mutating call: did any of them end without an answer that says it did not happen?
///
/// The SDK repeats a call whose answer was lost, and returns the error of the last attempt. That error may well be a
/// plain refusal ("the values do not match") for the very reason that an earlier attempt took effect.
#[derive(Debug)]
pub(super) struct Trail<E> {
    unanswered: Arc<AtomicBool>,
    error: PhantomData<fn() -> E>,
}

impl<E> Default for Trail<E> {
    fn default() -> Self {
        Self { unanswered: Arc::default(), error: PhantomData }
    }
}

impl<E> Clone for Trail<E> {
    fn clone(&self) -> Self {
        Self { unanswered: self.unanswered.clone(), error: PhantomData }
    }
}

impl<E> Trail<E> {
    /// Whether an attempt may have taken effect without our knowing.
    pub(super) fn unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }
}

impl<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static> Intercept for Trail<E> {
    fn name(&self) -> &'static str {
        "switchback trail"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Err(e)) = context.output_or_error() else { return Ok(()) };
        let unanswered = if let Some(operation) = e.as_operation_error() {
            let code = operation.downcast_ref::<E>().and_then(ProvideErrorMetadata::code);
            let status = context.response().map(|r| r.status().as_u16());
            error::server_fault(status, code)
        } else if let Some(connector) = e.as_connector_error() {
            !error::never_sent(connector)
        } else {
            e.is_timeout_error() || e.is_response_error()
        };
        if unanswered {
            self.unanswered.store(true, Ordering::Relaxed);
            SendBefore::note_unanswered();
        }
        Ok(())
    }
}
