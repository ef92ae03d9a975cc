//! The shape of the smoke checks in the environment file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::duration::FileDuration;

/// One check against the private endpoint of the idle color.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("x-hint" = "for example `- http: { path: /healthz }`"))]
pub(super) enum SmokeFile {
    /// An HTTP request to every instance.
    Http(HttpFile),
    /// A TCP connection to every instance.
    Tcp(TcpFile),
    /// A program that is run once, without a shell; exit code 0 passes.
    Command(CommandFile),
}

/// An HTTP request to every instance.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct HttpFile {
    /// Path and query.
    #[schemars(
        regex(pattern = r"^/[!-~]{0,1023}$"),
        extend("patternErrorMessage" = "a path that starts with /"),
        example = &"/healthz"
    )]
    pub path: String,
    /// Port. Without it: the target group's.
    #[serde(default)]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Value of the Host header. Without it: the instance's own address.
    #[serde(default)]
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$"),
        extend("patternErrorMessage" = "a host name"),
        example = &"shop.example.com"
    )]
    pub host: Option<String>,
    /// What the answer must be.
    #[serde(default)]
    pub expect: ExpectFile,
    /// How often it is tried before it has failed.
    #[serde(default = "attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
    /// Pause between attempts.
    #[serde(default = "HttpFile::pause")]
    #[schemars(extend("x-duration" = json!({ "minimum": "0s", "maximum": "1h" })))]
    pub pause: FileDuration,
}

impl HttpFile {
    fn pause() -> FileDuration {
        FileDuration::seconds(1)
    }
}

fn attempts() -> u32 {
    3
}

/// What an HTTP answer must be.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ExpectFile {
    /// Status code.
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// Text that the body must contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), example = &"ok")]
    pub body_contains: Option<String>,
    /// The whole answer must have arrived within this time.
    #[schemars(extend("x-duration" = json!({ "minimum": "1ms", "maximum": "1h" })))]
    pub within: FileDuration,
}

impl Default for ExpectFile {
    fn default() -> Self {
        Self { status: 200, body_contains: None, within: FileDuration::seconds(5) }
    }
}

/// A TCP connection to every instance.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct TcpFile {
    /// Port. Without it: the target group's.
    #[serde(default)]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The connection must be made within this time.
    #[serde(default = "TcpFile::within")]
    #[schemars(extend("x-duration" = json!({ "minimum": "1ms", "maximum": "1h" })))]
    pub within: FileDuration,
    /// How often it is tried before it has failed.
    #[serde(default = "attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
}

impl TcpFile {
    fn within() -> FileDuration {
        FileDuration::seconds(2)
    }
}

/// A program that is run once, without a shell; exit code 0 passes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct CommandFile {
    /// Program and arguments. `{color.name}`, `{color.endpoint}`, `{color.endpoints}`, `{release.image}` and
    /// `{release.id}` are replaced.
    #[schemars(
        length(min = 1, max = 100),
        inner(length(min = 1, max = 4096)),
        example = ["./smoke.sh", "{color.endpoint}"]
    )]
    pub run: Vec<String>,
    /// It is ended, and has failed, after this time.
    #[serde(default = "CommandFile::timeout")]
    #[schemars(extend("x-duration" = json!({ "minimum": "1s", "maximum": "24h" })))]
    pub timeout: FileDuration,
}

impl CommandFile {
    fn timeout() -> FileDuration {
        FileDuration::minutes(1)
    }
}
