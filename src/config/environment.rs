//! The validated environment: every field has a value and every rule of the schema holds.

use std::path::PathBuf;
use std::time::Duration;

use crate::release::Color;

/// One environment as a user described it, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// The file it was read from; messages name it, and relative paths are relative to its folder.
    pub file: PathBuf,
    /// Unique per AWS account and region; part of every ownership tag. 1 to 64 of `a-z 0-9 -`.
    pub name: String,
    /// AWS region, or the usual AWS sources where `None`.
    pub region: Option<String>,
    /// AWS account that the credentials must belong to, where given (12 digits).
    pub account: Option<String>,
    /// Where the journal lives.
    pub journal: JournalLocation,
    /// The two standing colors, in the order of the file.
    pub colors: [ColorConfig; 2],
    /// What carries the traffic.
    pub switch: Switch,
    /// What a color is made of.
    pub compute: Compute,
    /// When a color counts as healthy.
    pub health: Health,
    /// Checks against the private endpoint of the idle color, in order.
    pub smoke: Vec<SmokeCheck>,
    /// How the flip is made and proven.
    pub release: ReleasePolicy,
    /// How long the previous color stays warm after the release has converged and baked.
    pub retain: Duration,
}

impl Environment {
    /// The configuration of `color`, or `None` where the file has no such color.
    pub fn color(&self, color: &Color) -> Option<&ColorConfig> {
        self.colors.iter().find(|c| &c.name == color)
    }
}

/// Where the journal's numbered events are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalLocation {
    /// A local folder (absolute, or made absolute against the environment file's folder).
    Folder(PathBuf),
    /// A bucket, which every machine that runs switchback for this environment can reach.
    S3 {
        /// Name of the bucket; it is in the environment's region.
        bucket: String,
        /// Above the environment's own folder; empty, or without a slash at either end.
        prefix: String,
    },
}

/// One of the two standing colors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColorConfig {
    /// The user's name for it, for example `blue`.
    pub name: Color,
    /// Name of its target group (at most 32 characters).
    pub target_group: String,
    /// Name of its own load balancer: required for a DNS switch, refused for a listener switch.
    pub load_balancer: Option<String>,
}

/// What carries the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// A rule, or the default action, of an Application Load Balancer's listener.
    Listener(Listener),
    /// A pair of weighted Route 53 records whose set identifiers are the color names.
    Dns(Dns),
}

/// A listener of a load balancer, and which of its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Name of the load balancer.
    pub load_balancer: String,
    /// The listener's port.
    pub port: u16,
    /// Which rule; `None` is the listener's default action.
    pub rule: Option<RuleMatch>,
}

/// How a listener rule is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleMatch {
    /// By its priority, 1 to 50,000.
    Priority(u32),
    /// The one rule whose path-pattern condition has exactly this value.
    Path(String),
    /// The one rule whose host-header condition has exactly this value.
    Host(String),
}

/// A pair of weighted records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Name of the hosted zone, without the final dot.
    pub zone: String,
    /// Full name of the record, without the final dot.
    pub record: String,
    /// Type of the record.
    pub kind: DnsKind,
    /// The listener port of both load balancers; probes go there.
    pub port: u16,
}

/// Type of the weighted records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsKind {
    /// `A`, usually an alias of the load balancer.
    A,
    /// `AAAA`, usually an alias of the load balancer.
    Aaaa,
    /// `CNAME` of the load balancer's DNS name.
    Cname,
}

/// What a color is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compute {
    /// Plain EC2 instances from a launch template.
    Instances(Instances),
}

/// Instances launched by switchback itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instances {
    /// Name of the launch template; its image is replaced by the release's.
    pub launch_template: String,
    /// The template's version; `None` takes the default version's number when the release starts.
    pub version: Option<u32>,
    /// How many instances a color has, 1 to 1,000.
    pub count: u32,
    /// Subnets (ids `subnet-…` or values of their `Name` tag), over which the instances are spread evenly.
    pub subnets: Vec<String>,
}

/// When a color counts as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How many observations in a row must find every target healthy.
    pub consecutive: u32,
    /// How long a color may take from launch to healthy.
    pub timeout: Duration,
}

/// One check against the private endpoint of the idle color.
#[derive(Debug, Clone, PartialEq)]
pub enum SmokeCheck {
    /// An HTTP request to every instance.
    Http(HttpCheck),
    /// A TCP connection to every instance.
    Tcp(TcpCheck),
    /// A program that is run once.
    Command(CommandCheck),
}

/// An HTTP request to every instance of the idle color.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpCheck {
    /// Path and query, starting with `/`.
    pub path: String,
    /// Port; `None` is the target group's.
    pub port: Option<u16>,
    /// Value of the Host header; `None` is the instance's own address.
    pub host: Option<String>,
    /// What the answer must be.
    pub expect: Expect,
    /// How often it is tried before it has failed, at least 1.
    pub attempts: u32,
    /// Pause between attempts.
    pub pause: Duration,
}

/// What an HTTP answer must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// Status code, 100 to 599.
    pub status: u16,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// The whole answer must have arrived within this time.
    pub within: Duration,
}

/// A TCP connection to every instance of the idle color.
#[derive(Debug, Clone, PartialEq)]
pub struct TcpCheck {
    /// Port; `None` is the target group's.
    pub port: Option<u16>,
    /// The connection must be made within this time.
    pub within: Duration,
    /// How often it is tried before it has failed, at least 1.
    pub attempts: u32,
}

/// A program that is run once, without a shell; exit code 0 passes.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandCheck {
    /// Program and arguments. `{color.name}`, `{color.endpoint}`, `{color.endpoints}`, `{release.image}` and
    /// `{release.id}` are replaced.
    pub run: Vec<String>,
    /// It is ended, and has failed, after this time.
    pub timeout: Duration,
}

/// How the flip is made and proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePolicy {
    /// What proves that the traffic has followed the weights.
    pub converge: Converge,
    /// How long the new color is watched after that, before the release counts as good.
    pub bake: Duration,
}

/// What proves that the traffic has followed the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converge {
    /// Path that answers differently per version; requested through the load balancer and from each color directly.
    pub probe: Option<String>,
    /// For how long no answer of the old color may be seen (at least; a DNS switch adds its TTL).
    pub quiet: Duration,
    /// For how long CloudWatch must have counted no request of the old color's target group; zero: it is not asked.
    pub no_requests: Duration,
    /// How long convergence may take before the release is rolled back.
    pub timeout: Duration,
}
