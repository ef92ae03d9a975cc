//! The switch that is a pair of weighted Route 53 records: read, written, and whether a change is in sync.

use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::types::{ChangeBatch, ChangeStatus, ResourceRecordSet, RrType};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde::Deserialize;

use super::calls::Trail;
use super::reading::Raw;
use super::{ChangeId, Cloud, CloudError, Kind, Reading, cli, records};
use crate::release::{Color, Problem, RecordPin, Traffic};

impl Cloud {
    /// Whether the change has reached every authoritative server of Route 53. Resolvers' caches come on top: the TTL.
    ///
    /// # Errors
    /// When Route 53 does not know the change, or without an answer.
    pub async fn synced(&self, change: &ChangeId) -> Result<bool, CloudError> {
        const OPERATION: &str = "route53:GetChange";
        let answer = self.route53.get_change().id(change.as_str()).send().await;
        let answer = answer.map_err(|e| CloudError::read(OPERATION, e))?;
        let info = answer.change_info().ok_or_else(|| CloudError::incomplete(OPERATION, "status"))?;
        Ok(*info.status() == ChangeStatus::Insync)
    }

    /// The switch that is these records.
    pub(super) async fn read_records(&self, pin: &RecordPin) -> Result<Reading, CloudError> {
        let list = match self.records(&pin.zone, &pin.name, &pin.record_type).await {
            Ok(list) => list,
            Err(e) if e.kind == Kind::NotFound => {
                let saw = format!("the hosted zone {} does not exist any more", pin.zone);
                return Ok(Reading { traffic: foreign(pin, saw), raw: Raw::Records(vec![]) });
            }
            Err(e) => return Err(e),
        };
        let traffic = match records::traffic(&list, pin) {
            Ok(traffic) => traffic,
            Err(saw) => foreign(pin, format!("{} {} has {saw}", pin.name, pin.record_type)),
        };
        Ok(Reading { traffic, raw: Raw::Records(list) })
    }

    /// Give `winner` all the traffic, if the records are still exactly `list`.
    pub(super) async fn write_records(
        &self,
        pin: &RecordPin,
        list: &[ResourceRecordSet],
        winner: &Color,
    ) -> Result<ChangeId, CloudError> {
        const OPERATION: &str = "route53:ChangeResourceRecordSets";
        let unsendable = |e: aws_sdk_route53::error::BuildError| {
            let problem =
                Problem { saw: e.to_string(), expected: "a change that can be sent".into(), run: vec![look(pin)] };
            CloudError::refused(OPERATION, problem)
        };
        let changes = records::all_to(list, winner).map_err(unsendable)?;
        let batch = ChangeBatch::builder()
            .comment(format!("switchback: all traffic to {winner}"))
            .set_changes(Some(changes))
            .build()
            .map_err(unsendable)?;
        let trail = Trail::default();
        let answer = self
            .route53
            .change_resource_record_sets()
            .hosted_zone_id(&pin.zone)
            .change_batch(batch)
            .customize()
            .interceptor(trail.clone())
            .send()
            .await
            .map_err(|e| {
                let messages = mismatch(&e);
                let error = CloudError::change(OPERATION, &trail, e);
                match messages {
                    Some(messages) => changed_meanwhile(error, pin, &messages),
                    None => error,
                }
            })?;
        let id = answer.change_info().ok_or_else(|| CloudError::incomplete(OPERATION, "change id"))?.id();
        Ok(ChangeId::new(id.trim_start_matches("/change/")))
    }

    /// Every record of a name and type, in every page.
    pub(super) async fn records(
        &self,
        zone: &str,
        name: &str,
        record_type: &str,
    ) -> Result<Vec<ResourceRecordSet>, CloudError> {
        let wanted = |record: &ResourceRecordSet| {
            records::normal(record.name()) == records::normal(name) && record.r#type().as_str() == record_type
        };
        let mut found = Vec::new();
        let mut start = (name.to_owned(), RrType::from(record_type), None::<String>);
        loop {
            let (start_name, start_type, start_identifier) = start;
            let page = self
                .route53
                .list_resource_record_sets()
                .hosted_zone_id(zone)
                .start_record_name(start_name)
                .start_record_type(start_type)
                .set_start_record_identifier(start_identifier)
                .send()
                .await
                .map_err(|e| CloudError::read("route53:ListResourceRecordSets", e))?;
            // The list is in order and starts at the name: the first other record is the end.
            let ours = page.resource_record_sets.iter().take_while(|r| wanted(r)).count();
            let all_ours = ours == page.resource_record_sets.len();
            found.extend(page.resource_record_sets.into_iter().take(ours));
            start = match (all_ours && page.is_truncated, page.next_record_name, page.next_record_type) {
                (true, Some(next_name), Some(next_type)) => (next_name, next_type, page.next_record_identifier),
                _ => return Ok(found),
            };
        }
    }
}

fn look(pin: &RecordPin) -> String {
    let arguments = [
        "route53",
        "list-resource-record-sets",
        "--hosted-zone-id",
        &pin.zone,
        "--start-record-name",
        &pin.name,
        "--start-record-type",
        &pin.record_type,
        "--max-items",
        "10",
    ];
    cli::aws(None, &arguments)
}

fn foreign(pin: &RecordPin, saw: String) -> Traffic {
    let entries: Vec<_> = pin.entries.iter().map(|(color, entry)| format!("{color} -> {}", entry.dns_name)).collect();
    let expected = format!("exactly two weighted {} records of {}: {}", pin.record_type, pin.name, entries.join(", "));
    Traffic::Foreign { problem: Problem::new(saw, expected, look(pin)) }
}

/// What Route 53 says about a batch that does not fit the records; `None` for any other error.
///
/// The answer comes in two forms. The older one, with `InvalidChangeBatch` as its root, is unknown to the SDK, which
/// then has neither a code nor a message.
fn mismatch(error: &SdkError<ChangeResourceRecordSetsError, HttpResponse>) -> Option<String> {
    #[derive(Deserialize)]
    struct Older {
        #[serde(rename = "Messages")]
        messages: Messages,
    }
    #[derive(Deserialize)]
    struct Messages {
        #[serde(rename = "Message", default)]
        list: Vec<String>,
    }
    let service = error.as_service_error()?;
    if let ChangeResourceRecordSetsError::InvalidChangeBatch(e) = service {
        let listed = e.messages().join("; ");
        return Some(if listed.is_empty() { e.message().unwrap_or_default().to_owned() } else { listed });
    }
    let body = std::str::from_utf8(error.raw_response()?.body().bytes()?).ok()?;
    if service.code().is_some() || !body.contains("<InvalidChangeBatch") {
        return None;
    }
    let older = quick_xml::de::from_str::<Older>(body);
    Some(older.map_or_else(|_| "the change batch is not valid".to_owned(), |o| o.messages.list.join("; ")))
}

/// A batch that does not fit the records means that they are not as they were read, unless an earlier attempt of the
/// same call is what changed them: then the outcome stays unknown.
fn changed_meanwhile(error: CloudError, pin: &RecordPin, said: &str) -> CloudError {
    let problem = Problem::new(
        format!("Route 53 refused the change: {said}"),
        format!("{} {} exactly as read a moment before; somebody else writes there too", pin.name, pin.record_type),
        look(pin),
    );
    CloudError {
        kind: Kind::Refused(Box::new(problem)),
        code: Some("InvalidChangeBatch".to_owned()),
        message: said.to_owned(),
        ..error
    }
}
