//! What the engine asks of AWS, in the domain's words: resolve, read the switch, flip it, targets, instances, images.
//!
//! | file | what it holds |
//! |---|---|
//! | `connect` | the clients: region, credentials, time-outs, retries |
//! | `calls` | counts and spans of every AWS call, and whether a failed one may have happened all the same |
//! | `deadline` | until when a change may be sent |
//! | `error` | [`CloudError`]: what was asked, what AWS said, what to do |
//! | `resolve` | names to identifiers, and every check that needs no write |
//! | `reading` | [`Reading`]: the switch as AWS has it, and the writes that start from one |
//! | `changes` | what somebody else has changed between two readings |
//! | `references` | every listener and rule that uses a color |
//! | `listener`, `actions`, `cli` | the switch that is a listener's action list |
//! | `dns`, `records` | the switch that is a pair of weighted records |
//! | `metrics` | what CloudWatch has counted for a target group |
//! | `targets`, `instances`, `image`, `identity` | the rest of the questions |
//!
//! The real SDK clients always run; tests change the endpoint or the HTTP connector ([`Cloud::from_conf`]).

mod actions;
mod calls;
mod changes;
mod cli;
mod connect;
mod deadline;
mod dns;
mod error;
mod identity;
mod image;
mod instances;
mod listener;
mod metrics;
mod reading;
mod records;
mod references;
mod resolve;
mod targets;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub use calls::Calls;
pub use connect::{CHANGE_TIMEOUT, configuration, retries, time_limits};
pub use deadline::SendBefore;
pub use error::{CloudError, Kind};
pub use identity::Identity;
pub use image::ImageFact;
pub use instances::{COLOR_TAG, ENVIRONMENT_TAG, Launch, RELEASE_TAG};
pub use reading::Reading;
pub use records::ChangeId;

use calls::Observer;
use image::TemplateFact;

/// AWS as one environment sees it: the clients, and the count of what was asked. Cheap to clone; clones share the
/// count.
#[derive(Debug, Clone)]
pub struct Cloud {
    elb: aws_sdk_elasticloadbalancingv2::Client,
    ec2: aws_sdk_ec2::Client,
    route53: aws_sdk_route53::Client,
    sts: aws_sdk_sts::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    /// For the commands in messages.
    region: Option<String>,
    observer: Observer,
    /// Launch template versions never change, so one that was read is not read again.
    templates: Arc<Mutex<BTreeMap<(String, i64), TemplateFact>>>,
    /// Which load balancer a target group is behind, by their ARNs: for its metrics, which have both names.
    behind: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Cloud {
    /// What was asked of AWS so far, through this value and its clones.
    pub fn calls(&self) -> Calls {
        self.observer.calls()
    }
}
