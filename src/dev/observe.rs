//! What somebody in the same process is told of everything that happens in a dev cloud, while it happens, and a look at
//! the truth that no throttling, fault or delay stands in the way of.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;

use super::DevCloud;
use super::cloud::Cloud;
use super::wire::Node;

/// Something that has just happened.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// A call of the API has had its effect, or was refused; nobody has seen its answer yet.
    Call(Called<'a>),
    /// What the load balancer says about a target has changed, other than by a call.
    Target {
        /// ARN of the target group.
        group: &'a str,
        /// The target's id: of an instance, or an address.
        id: &'a str,
        /// AWS's word for the state now; `unused` once it has drained away.
        state: &'a str,
    },
    /// An instance has come into another state, other than by a call.
    Instance {
        /// Its id.
        id: &'a str,
        /// AWS's word for the state.
        state: &'a str,
    },
    /// A node of a load balancer sends by other rules from now on.
    Routes {
        /// ARN of the listener.
        listener: &'a str,
        /// Which node, from 0; `None` for all of them.
        node: Option<usize>,
        /// All its rules that forward.
        rules: &'a [Forwarding],
    },
}

/// A call of the API.
#[derive(Clone, Copy)]
pub struct Called<'a> {
    /// The access key that signed it.
    pub caller: &'a str,
    /// The service, as the AWS CLI calls it.
    pub service: &'static str,
    /// AWS's name of the operation.
    pub operation: &'a str,
    /// Whether it changes nothing, whatever becomes of it.
    pub reads: bool,
    /// AWS's code (of S3, the HTTP status), where it was refused: nothing has changed.
    pub refused: Option<&'a str>,
    /// The path of the request; it says what it is about where the service names its operations by path.
    pub path: &'a str,
    /// The body of the request, as it came.
    pub body: &'a [u8],
    pub(super) form: Option<&'a Node>,
}

/// A rule that forwards: the default action's too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// ARN of the rule.
    pub rule: String,
    /// ARN of its listener.
    pub listener: String,
    /// Whether it is the listener's default action.
    pub default: bool,
    /// ARNs of its target groups with their weights, in order.
    pub weights: Vec<(String, u32)>,
}

/// A registered target, draining ones included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSeen {
    /// Id of an instance, or an address.
    pub id: String,
    /// Its port.
    pub port: u16,
    /// AWS's word for its state.
    pub state: &'static str,
}

/// An instance, terminated ones included for as long as AWS shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSeen {
    /// Its id.
    pub id: String,
    /// AWS's word for its state.
    pub state: &'static str,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its image.
    pub image: String,
    /// Id of its subnet.
    pub subnet: String,
    /// The client token of its launch.
    pub client_token: Option<String>,
    /// When it was launched.
    pub launched: Timestamp,
    /// Whether its program runs.
    pub alive: bool,
}

/// A look at the truth, in all accounts and regions.
#[derive(Clone, Copy)]
pub struct View<'a>(&'a Cloud);

type Observer = Box<dyn Fn(View<'_>, &Seen<'_>) + Send + Sync>;

/// Who is told, if anybody is.
#[derive(Default)]
pub(super) struct Observing(ArcSwapOption<Observer>);

impl DevCloud {
    /// Has `observer` called with everything that happens from now on, on the thread and at the moment where it does,
    /// before anybody else can see it; in place of an earlier observer. It must not call the cloud's API.
    pub fn observe(&self, observer: impl Fn(View<'_>, &Seen<'_>) + Send + Sync + 'static) {
        self.cloud.observing.0.store(Some(Arc::new(Box::new(observer))));
    }

    /// Ends what [`DevCloud::observe`] began.
    pub fn unobserve(&self) {
        self.cloud.observing.0.store(None);
    }

    /// A look at the truth now.
    pub fn view(&self) -> View<'_> {
        View(&self.cloud)
    }
}

impl Cloud {
    /// Whether anybody wants to be told.
    pub(super) fn is_observed(&self) -> bool {
        self.observing.0.load().is_some()
    }

    /// Tells the observer, who may look at the world: nobody may hold it now.
    pub(crate) fn tell(&self, seen: &Seen<'_>) {
        if let Some(observer) = self.observing.0.load_full() {
            observer(View(self), seen);
        }
    }
}

impl Called<'_> {
    /// The texts at a path of its parameters such as `Targets[].Id`, `[]` going into each item of a list; none where
    /// the service names its operations by path.
    pub fn texts(&self, path: &str) -> Vec<String> {
        self.form.map(|form| form.texts(path).into_iter().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// The first text at a path.
    pub fn text(&self, path: &str) -> Option<String> {
        self.form.and_then(|form| form.text(path)).map(str::to_owned)
    }
}

impl View<'_> {
    /// The cloud's time.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Every rule that forwards, in the order of listeners; load balancers may follow later ([`Seen::Routes`]).
    pub fn rules(&self) -> Vec<Forwarding> {
        let world = self.0.world();
        let regions = world.accounts.values().flat_map(|account| account.regions.values());
        regions.flat_map(|region| region.elb.forwardings()).collect()
    }

    /// The targets of a group; none where there is no such group.
    pub fn targets(&self, group_arn: &str) -> Vec<TargetSeen> {
        let world = self.0.world();
        let mut regions = world.accounts.values().flat_map(|account| account.regions.values());
        regions.find_map(|region| region.elb.targets_seen(self.0, &region.ec2, group_arn)).unwrap_or_default()
    }

    /// All instances.
    pub fn instances(&self) -> Vec<InstanceSeen> {
        let world = self.0.world();
        let regions = world.accounts.values().flat_map(|account| account.regions.values());
        regions.flat_map(|region| region.ec2.instances.values().map(super::model::instance_seen)).collect()
    }
}

impl fmt::Debug for Called<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caller, service, operation, refused, .. } = self;
        write!(f, "{service}:{operation} by {caller}")?;
        refused.map_or(Ok(()), |code| write!(f, ", refused: {code}"))
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View(at {})", self.now())
    }
}

impl fmt::Debug for Observing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observing({})", self.0.load().is_some())
    }
}
