//! AWS's documents to HTTP endpoints, sent over the cloud's network, and again where an endpoint does not take them.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;

use super::publish::PublishedMessage;
use super::subscriptions::{Endpoint, Subscription};
use crate::dev::cloud::Cloud;

/// How often a delivery is tried, and how long between two tries: AWS's policy for HTTP.
const TRIES: u32 = 4;
const BETWEEN: Duration = Duration::from_secs(20);
/// How long an endpoint may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// What one delivery carries.
struct Letter {
    kind: &'static str,
    id: String,
    topic: String,
    subscription: String,
    raw: bool,
    body: String,
    endpoint: Endpoint,
}

/// Sends a message.
pub(super) fn notify(cloud: &Arc<Cloud>, arn: &str, subscription: &Subscription, message: &PublishedMessage) {
    let body = if subscription.raw {
        message.message.clone()
    } else {
        let mut document = serde_json::json!({
            "Type": "Notification", "MessageId": message.id, "TopicArn": message.topic,
        });
        if let Some(subject) = &message.subject {
            document["Subject"] = subject.as_str().into();
        }
        document["Message"] = message.message.as_str().into();
        document["Timestamp"] = message.at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string().into();
        unsigned(&mut document);
        document["UnsubscribeURL"] = url(&message.topic, "Unsubscribe", &format!("&SubscriptionArn={arn}")).into();
        if !message.attributes.is_empty() {
            let attributes = message.attributes.iter();
            document["MessageAttributes"] = attributes
                .map(|(name, each)| (name.clone(), serde_json::json!({ "Type": each.kind, "Value": each.value })))
                .collect::<serde_json::Map<_, _>>()
                .into();
        }
        document.to_string()
    };
    send(
        cloud,
        Letter {
            kind: "Notification",
            id: message.id.clone(),
            topic: message.topic.clone(),
            subscription: arn.to_owned(),
            raw: subscription.raw,
            body,
            endpoint: subscription.endpoint.clone(),
        },
    );
}

/// Asks an endpoint whether it wants what is published.
pub(super) fn ask_to_confirm(cloud: &Arc<Cloud>, region: &str, arn: &str, subscription: &Subscription) {
    let Some(token) = &subscription.token else { return };
    let (id, topic) = (cloud.uuid(), &subscription.topic);
    let mut document = serde_json::json!({
        "Type": "SubscriptionConfirmation", "MessageId": id, "Token": token, "TopicArn": topic,
        "Message": format!("You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the \
            SubscribeURL included in this message."),
        "SubscribeURL": url(topic, "ConfirmSubscription", &format!("&TopicArn={topic}&Token={token}")),
        "Timestamp": cloud.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
    });
    unsigned(&mut document);
    tracing::debug!(region, arn, "asking an endpoint to confirm its subscription");
    send(
        cloud,
        Letter {
            kind: "SubscriptionConfirmation",
            id,
            topic: topic.clone(),
            subscription: arn.to_owned(),
            raw: false,
            body: document.to_string(),
            endpoint: subscription.endpoint.clone(),
        },
    );
}

/// Nobody but AWS can sign for AWS.
fn unsigned(document: &mut serde_json::Value) {
    document["SignatureVersion"] = "1".into();
    document["Signature"] = "".into();
    document["SigningCertURL"] = "".into();
}

fn url(topic: &str, action: &str, rest: &str) -> String {
    let region = topic.split(':').nth(3).unwrap_or_default();
    format!("https://sns.{region}.amazonaws.com/?Action={action}{rest}")
}

fn send(cloud: &Arc<Cloud>, letter: Letter) {
    let network = cloud.network.clone();
    cloud.spawn(async move {
        for attempt in 1..=TRIES {
            let sent = tokio::time::timeout(ANSWER_MAX, letter.post(&network)).await;
            let error = match sent {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {ANSWER_MAX:?}"),
            };
            tracing::info!(endpoint = letter.endpoint.url, attempt, error, "a message was not delivered");
            if attempt < TRIES {
                tokio::time::sleep(BETWEEN).await;
            }
        }
    });
}

impl Letter {
    async fn post(&self, network: &crate::dev::network::Network) -> Result<(), Box<dyn Error + Send + Sync>> {
        let stream = network.connect(self.endpoint.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let uri: http::Uri = self.endpoint.url.parse()?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let mut request = Request::post(path)
            .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
            .header(header::CONTENT_TYPE, "text/plain; charset=UTF-8")
            .header(header::USER_AGENT, "Amazon Simple Notification Service Agent")
            .header("x-amz-sns-message-type", self.kind)
            .header("x-amz-sns-message-id", &self.id)
            .header("x-amz-sns-topic-arn", &self.topic);
        if self.kind == "Notification" {
            request = request.header("x-amz-sns-subscription-arn", &self.subscription);
        }
        if self.raw {
            request = request.header("x-amz-sns-rawdelivery", "true");
        }
        let request = request.body(Full::new(Bytes::from(self.body.clone())))?;
        let answer = tokio::select! {
            biased;
            answer = sender.send_request(request) => answer?,
            ended = connection => return Err(ended.map_or_else(Into::into, |()| "the connection was closed".into())),
        };
        if answer.status().is_success() { Ok(()) } else { Err(format!("answered {}", answer.status()).into()) }
    }
}
