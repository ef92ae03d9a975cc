//! The environment file's shape: one set of types that serde decodes and that the JSON Schema is made from.
//!
//! A field's doc comment is what an editor shows for its key. Rules that JSON Schema has no keyword for:
//! `x-duration` (smallest and largest duration) and `x-hint` (what to do instead, for a mistake that is common).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::duration::FileDuration;
use super::smoke_file::SmokeFile;

/// A bucket with a prefix whose parts are names, or a path that is no address.
const JOURNAL: &str = concat!(
    r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/\.?[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*/?",
    r"|[^~:]([^:]|:[^/]|:/[^/])*:?/?)$"
);

/// One environment that switchback releases to: what carries its traffic, what its two colors are made of, and how
/// a new version proves itself.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(
    title = "switchback environment",
    extend("x-hint" = "an environment starts with `name: …`, `colors: …`, `switches: …`, `compute: …`; see the examples \
                       under environments/")
)]
pub(super) struct EnvironmentFile {
    /// Name of the environment, unique per AWS account and region; part of every ownership tag.
    #[schemars(
        regex(pattern = r"^[a-z0-9-]{1,64}$"),
        extend("patternErrorMessage" = "1 to 64 of a-z, 0-9 and -"),
        example = &"shop-prod"
    )]
    pub name: String,
    /// AWS region. Without it the usual AWS sources decide (AWS_REGION, the profile).
    #[serde(default)]
    #[schemars(
        regex(pattern = r"^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$"),
        extend("patternErrorMessage" = "the code of an AWS region"),
        example = &"eu-west-1"
    )]
    pub region: Option<String>,
    /// AWS account that the credentials must belong to, in quotes. With it a wrong profile is refused before anything
    /// is changed.
    #[serde(default)]
    #[schemars(
        regex(pattern = r"^[0-9]{12}$"),
        extend("patternErrorMessage" = "the 12 digits of an AWS account, in quotes"),
        example = &"123456789012"
    )]
    pub account: Option<String>,
    /// Where the journal lives: a folder, relative to this file, or `s3://bucket/prefix`, which every machine reads.
    #[serde(default = "EnvironmentFile::journal")]
    #[schemars(
        length(min = 1, max = 1024),
        regex(
            pattern = JOURNAL
        ),
        extend(
            "patternErrorMessage" = "the path of a folder, or s3://bucket/prefix",
            "not" = json!({ "pattern": r"^s3://[^/]*--(x-s3|ol-s3|table-s3)(/|$)" }),
            "x-hint" = "the journal is a folder, absolute or relative to this file (`~` is not known here), or \
                        `s3://bucket/prefix` with a general purpose bucket and a prefix of letters, digits and \
                        _ . = - /"
        )
    )]
    pub journal: String,
    /// The two standing colors; the names are yours.
    #[schemars(extend(
        "minProperties" = 2,
        "maxProperties" = 2,
        "propertyNames" = json!({
            "pattern": r"^[a-z0-9-]{1,20}$",
            "patternErrorMessage": "1 to 20 of a-z, 0-9 and -",
        }),
        "x-hint" = "an environment has two colors, for example `blue` and `green`"
    ))]
    pub colors: BTreeMap<String, ColorFile>,
    /// What carries the traffic.
    #[schemars(
        extend("x-hint" = "this version flips one switch; write a file of its own for each further one")
    )]
    pub switches: [SwitchFile; 1],
    /// What a color is made of.
    #[schemars(extend("x-hint" = "for example `instances: { launch-template: shop, count: 3, subnets: [subnet-a] }`"))]
    pub compute: ComputeFile,
    /// When a color counts as healthy.
    #[serde(default)]
    pub health: HealthFile,
    /// Checks against the private endpoint of the idle color before it gets traffic, in this order.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub smoke: Vec<SmokeFile>,
    /// How the flip is made and proven.
    #[serde(default)]
    pub release: ReleaseFile,
    /// How long the previous color stays warm after a good release, able to take the traffic back at once.
    #[serde(default = "EnvironmentFile::retain")]
    #[schemars(extend("x-duration" = json!({ "minimum": "0s", "maximum": "720h" })))]
    pub retain: FileDuration,
}

impl EnvironmentFile {
    fn journal() -> String {
        ".switchback".into()
    }

    fn retain() -> FileDuration {
        FileDuration::minutes(24 * 60)
    }
}

/// The name of a load balancer.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct LoadBalancerName(
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$"),
        extend("patternErrorMessage" = "the name (not the ARN) of a load balancer: 1 to 32 letters, digits and -, \
                                        neither first nor last a -")
    )]
    pub String,
);

/// One of the two colors.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ColorFile {
    /// Name of the color's target group.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$"),
        extend("patternErrorMessage" = "the name (not the ARN) of a target group: 1 to 32 letters, digits and -, \
                                        neither first nor last a -"),
        example = &"shop-blue"
    )]
    pub target_group: String,
    /// Name of the color's own load balancer: needed for a `dns` switch, refused for a `listener` switch.
    #[serde(default)]
    #[schemars(example = &"shop-blue")]
    pub load_balancer: Option<LoadBalancerName>,
}

/// What carries the traffic.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("x-hint" = "for example `- listener: { load-balancer: shop, port: 443 }`"))]
pub(super) enum SwitchFile {
    /// A rule, or the default action, of an Application Load Balancer's listener.
    Listener(ListenerFile),
    /// Two weighted Route 53 records, whose set identifiers are the names of the colors.
    Dns(DnsFile),
}

/// A listener, and which of its rules.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ListenerFile {
    /// Name of the load balancer.
    #[schemars(example = &"shop")]
    pub load_balancer: LoadBalancerName,
    /// Port of the listener.
    #[schemars(range(min = 1, max = 65535), example = 443)]
    pub port: u16,
    /// Which rule of the listener. Without it: the default action.
    #[serde(default)]
    #[schemars(extend("x-hint" = "for example `rule: { path: /api/* }`"))]
    pub rule: Option<RuleFile>,
}

/// How a rule is found.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RuleFile {
    /// The one rule whose path-pattern condition has exactly this value.
    Path(
        #[schemars(
            regex(pattern = r#"^[A-Za-z0-9_.$/~"'@:+&*?-]{1,128}$"#),
            extend("patternErrorMessage" = "the value of a path-pattern condition"),
            example = &"/api/*"
        )]
        String,
    ),
    /// The one rule whose host-header condition has exactly this value.
    Host(
        #[schemars(
            regex(pattern = r"^[A-Za-z0-9.*?-]{1,128}$"),
            extend("patternErrorMessage" = "the value of a host-header condition"),
            example = &"shop.example.com"
        )]
        String,
    ),
    /// The rule with this priority.
    Priority(#[schemars(range(min = 1, max = 50000), example = 10)] u32),
}

/// A pair of weighted records.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DnsFile {
    /// Name of the hosted zone.
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9_-]{1,63}\.){1,10}[A-Za-z0-9-]{1,63}\.?$"),
        extend("patternErrorMessage" = "the name of a hosted zone"),
        example = &"example.com"
    )]
    pub zone: String,
    /// Full name of the records.
    #[schemars(
        regex(pattern = r"^(\*\.)?([A-Za-z0-9_-]{1,63}\.){1,10}[A-Za-z0-9-]{1,63}\.?$"),
        extend("patternErrorMessage" = "the full name of a record"),
        example = &"shop.example.com"
    )]
    pub record: String,
    /// Type of the records.
    #[serde(default, rename = "type")]
    pub kind: DnsKindFile,
    /// Port of the listener of both load balancers.
    #[serde(default = "DnsFile::port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

impl DnsFile {
    fn port() -> u16 {
        80
    }
}

/// Type of the weighted records.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum DnsKindFile {
    /// An alias of the load balancer, or its IPv4 address.
    #[default]
    A,
    /// An alias of the load balancer, or its IPv6 address.
    Aaaa,
    /// The DNS name of the load balancer.
    Cname,
}

/// What a color is made of.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ComputeFile {
    /// EC2 instances from a launch template.
    Instances(InstancesFile),
}

/// EC2 instances from a launch template.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct InstancesFile {
    /// Name of the launch template; its image is replaced by the release's.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9().\-/_]{3,128}$"),
        extend("patternErrorMessage" = "the name of a launch template: 3 to 128 letters, digits and ( ) . - / _"),
        example = &"shop"
    )]
    pub launch_template: String,
    /// Version of the launch template. Without it: the number of the default version when the release starts.
    #[serde(default)]
    #[schemars(
        range(min = 1, max = 2147483647),
        extend("x-hint" = "write the number of a version, or leave the key out: the default version's number is then \
                           fixed when a release starts (`$Latest` could change under it)"),
        example = 7
    )]
    pub version: Option<u32>,
    /// How many instances a color has.
    #[schemars(range(min = 1, max = 1000), example = 3)]
    pub count: u32,
    /// Subnets (ids, or values of their Name tag) that the instances are spread over evenly.
    #[schemars(
        length(min = 1, max = 20),
        inner(length(min = 1, max = 255)),
        extend("uniqueItems" = true),
        example = ["subnet-a", "subnet-b"]
    )]
    pub subnets: Vec<String>,
}

/// When a color counts as healthy.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct HealthFile {
    /// How many observations in a row must find every target healthy.
    #[schemars(range(min = 1, max = 100))]
    pub consecutive: u32,
    /// How long a color may take from launch to healthy.
    #[schemars(extend("x-duration" = json!({ "minimum": "1s", "maximum": "24h" })))]
    pub timeout: FileDuration,
}

impl Default for HealthFile {
    fn default() -> Self {
        Self { consecutive: 3, timeout: FileDuration::minutes(10) }
    }
}

/// How the flip is made and proven.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ReleaseFile {
    /// How the traffic moves.
    pub strategy: StrategyFile,
    /// What proves that the traffic has followed the weights.
    pub converge: ConvergeFile,
    /// How long the new color is watched after that, before the release counts as good.
    #[schemars(extend("x-duration" = json!({ "minimum": "0s", "maximum": "168h" })))]
    pub bake: FileDuration,
}

impl Default for ReleaseFile {
    fn default() -> Self {
        Self { strategy: StrategyFile::AllAtOnce, converge: ConvergeFile::default(), bake: FileDuration::minutes(10) }
    }
}

/// How the traffic moves.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StrategyFile {
    /// All of it in one write.
    AllAtOnce,
}

/// What proves that the traffic has followed the weights.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ConvergeFile {
    /// Path that answers differently per version; requested through the load balancer and from each color directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^/[!-~]{0,1023}$"),
        extend("patternErrorMessage" = "a path that starts with /"),
        example = &"/version"
    )]
    pub probe: Option<String>,
    /// For how long no answer of the old color may be seen. A `dns` switch adds the records' time to live.
    #[schemars(extend("x-duration" = json!({ "minimum": "1s", "maximum": "24h" })))]
    pub quiet: FileDuration,
    /// For how long CloudWatch must have counted no request of the old color's target group; it counts whole minutes
    /// and tells them two minutes late. `0s`: CloudWatch is not asked.
    #[schemars(extend("x-duration" = json!({ "minimum": "0s", "maximum": "1h" })))]
    pub no_requests: FileDuration,
    /// How long convergence may take before the release is rolled back; longer than `quiet`.
    #[schemars(extend("x-duration" = json!({ "minimum": "1s", "maximum": "48h" })))]
    pub timeout: FileDuration,
}

impl Default for ConvergeFile {
    fn default() -> Self {
        Self {
            probe: None,
            quiet: FileDuration::minutes(2),
            no_requests: FileDuration::minutes(1),
            timeout: FileDuration::minutes(10),
        }
    }
}
