//! How users write faults: `elbv2:ModifyRule=throttle,every=3` on the command line, the same fields in a YAML file
//! or over the admin endpoint.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::{DELAY_MAX, Fault, FaultKind, STALE_MAX};
use crate::dev::model::operations;
use crate::dev::wire::Service;

/// A file of faults is written by hand; whatever is larger is another file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How long a pattern, a code or a message can be.
const TEXT_BYTES_MAX: usize = 1_000;

/// The fields of a fault as users write them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    calls: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
}

/// A fault with its number, and how often it was met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultListed {
    /// Its number, to remove it by.
    pub id: u64,
    #[serde(flatten)]
    written: Written,
    /// How many calls it could have met.
    pub seen: u64,
    /// How many calls met it.
    pub met: u64,
}

/// Why a file of faults cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FaultFileError {
    /// The file cannot be read.
    #[error("cannot read the file of faults {}: {source}", .file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is far larger than one that is written by hand.
    #[error("the file of faults {} is larger than {FILE_BYTES_MAX} bytes: is it the right file?", .file.display())]
    TooLarge {
        /// Which file.
        file: PathBuf,
    },
    /// The file does not say what it must.
    #[error("the file of faults {} is not valid: {problem}", .file.display())]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
}

/// Reads a YAML or JSON file:
///
/// ```yaml
/// faults:
///   - { calls: "elbv2:ModifyRule", kind: throttle, every: 3 }
///   - { calls: "ec2:RunInstances", kind: error, status: 500, code: InternalError, times: 1 }
///   - { calls: "elbv2:Describe*", kind: stale, by: 5s, probability: 0.1 }
/// ```
///
/// # Errors
/// The file cannot be read, or is no such file; the error says where.
pub fn load(file: &Path) -> Result<Vec<Fault>, FaultFileError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        faults: Vec<Fault>,
    }
    let read = |source| FaultFileError::Read { file: file.to_owned(), source };
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(read)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(read)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(FaultFileError::TooLarge { file: file.to_owned() });
    }
    let invalid = |problem: String| FaultFileError::Invalid { file: file.to_owned(), problem };
    let File { faults } = serde_yaml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    if faults.len() > super::FAULTS_MAX {
        return Err(invalid(format!("it has more than {} faults", super::FAULTS_MAX)));
    }
    Ok(faults)
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.read().map_err(serde::de::Error::custom)
    }
}

/// `CALLS=KIND,FIELD=VALUE,…`
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (calls, rest) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` says no kind: expected for example elbv2:ModifyRule=throttle,every=3"))?;
        let mut fields = rest.split(',');
        let kind = fields.next().unwrap_or_default();
        let mut written = Written { calls: calls.to_owned(), kind: kind.to_owned(), ..Written::default() };
        for field in fields {
            let (name, value) = field.split_once('=').ok_or_else(|| format!("`{field}` is not FIELD=VALUE"))?;
            let text = || Some(value.to_owned());
            match name {
                "by" => written.by = text(),
                "code" => written.code = text(),
                "message" => written.message = text(),
                "status" => written.status = Some(number(name, value)?),
                "every" => written.every = Some(number(name, value)?),
                "after" => written.after = Some(number(name, value)?),
                "times" => written.times = Some(number(name, value)?),
                "probability" => written.probability = Some(number(name, value)?),
                _ => {
                    return Err(format!(
                        "`{name}` is no field of a fault: expected by, status, code, message, every, after, times or \
                         probability"
                    ));
                }
            }
        }
        written.read()
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is no number for `{name}`"))
}

impl Written {
    fn read(self) -> Result<Fault, String> {
        check_calls(&self.calls)?;
        let Self { calls, kind, by, status, code, message, every, after, times, probability } = self;
        if [&code, &message].into_iter().flatten().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(format!("`code` and `message` can have {TEXT_BYTES_MAX} bytes at most"));
        }
        let is_error = kind == "error";
        if !is_error && (status.is_some() || code.is_some() || message.is_some()) {
            return Err(format!("`status`, `code` and `message` are of the kind `error`, not of `{kind}`"));
        }
        let timed = matches!(kind.as_str(), "delay" | "delay-effect" | "stale");
        if !timed && by.is_some() {
            return Err(format!("`by` is of the kinds `delay`, `delay-effect` and `stale`, not of `{kind}`"));
        }
        let within = |most: Duration| {
            let text = by.as_deref().ok_or_else(|| format!("the kind `{kind}` needs `by`, for example by=2s"))?;
            let span: jiff::SignedDuration = text.parse().map_err(|error| format!("`by`: `{text}`: {error}"))?;
            let by = Duration::try_from(span).map_err(|_| format!("`by`: `{text}` must not be negative"))?;
            if by > most { Err(format!("`by`: `{text}` is longer than {} s", most.as_secs())) } else { Ok(by) }
        };
        let kind = match kind.as_str() {
            "throttle" => FaultKind::Throttle,
            "error" => {
                let status = status.unwrap_or(400);
                if !(400..=599).contains(&status) {
                    return Err(format!("`status` is {status}, but must be 400 to 599"));
                }
                let code = code.filter(|code| !code.is_empty()).ok_or("the kind `error` needs `code`")?;
                let message = message.unwrap_or_else(|| "a fault on purpose".to_owned());
                FaultKind::Refuse { status, code, message }
            }
            "lose-answer" => FaultKind::LoseAnswer,
            "delay" => FaultKind::Delay(within(DELAY_MAX)?),
            "delay-effect" => FaultKind::DelayEffect(within(DELAY_MAX)?),
            "stale" => FaultKind::Stale(within(STALE_MAX)?),
            "reset" => FaultKind::Reset,
            "reset-after-effect" => FaultKind::ResetAfterEffect,
            _ => {
                return Err(format!(
                    "`{kind}` is no kind of fault: expected throttle, error, lose-answer, delay, delay-effect, stale, \
                     reset or reset-after-effect"
                ));
            }
        };
        let mut fault = Fault::new(calls, kind);
        if every == Some(0) {
            return Err("`every` must be at least 1".to_owned());
        }
        fault.every = every.unwrap_or(1);
        fault.skip = after.unwrap_or(0);
        fault.times = times;
        if let Some(probability) = probability {
            if !(0.0..=1.0).contains(&probability) {
                return Err(format!("`probability` is {probability}, but must be 0 to 1"));
            }
            fault.probability = probability;
        }
        Ok(fault)
    }

    fn of(fault: &Fault) -> Self {
        let mut written = Self {
            calls: fault.calls.clone(),
            every: (fault.every > 1).then_some(fault.every),
            after: (fault.skip > 0).then_some(fault.skip),
            times: fault.times,
            probability: (fault.probability < 1.0).then_some(fault.probability),
            ..Self::default()
        };
        let (kind, by) = match &fault.kind {
            FaultKind::Throttle => ("throttle", None),
            FaultKind::Refuse { status, code, message } => {
                written.status = Some(*status);
                written.code = Some(code.clone());
                written.message = Some(message.clone());
                ("error", None)
            }
            FaultKind::LoseAnswer => ("lose-answer", None),
            FaultKind::Delay(by) => ("delay", Some(by)),
            FaultKind::DelayEffect(by) => ("delay-effect", Some(by)),
            FaultKind::Stale(by) => ("stale", Some(by)),
            FaultKind::Reset => ("reset", None),
            FaultKind::ResetAfterEffect => ("reset-after-effect", None),
        };
        kind.clone_into(&mut written.kind);
        written.by = by.map(|by| format!("{}ms", by.as_millis()));
        written
    }
}

impl FaultListed {
    pub(super) fn new(fault: &Fault, id: u64, (seen, met): (u64, u64)) -> Self {
        Self { id, written: Written::of(fault), seen, met }
    }
}

/// As it would be written on the command line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Written { calls, kind, by, status, code, message, every, after, times, probability } = Written::of(self);
        write!(f, "{calls}={kind}")?;
        let fields: [(&str, Option<String>); 8] = [
            ("by", by),
            ("status", status.map(|n| n.to_string())),
            ("code", code),
            ("message", message),
            ("every", every.map(|n| n.to_string())),
            ("after", after.map(|n| n.to_string())),
            ("times", times.map(|n| n.to_string())),
            ("probability", probability.map(|n| n.to_string())),
        ];
        for (name, value) in fields.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))) {
            write!(f, ",{name}={value}")?;
        }
        Ok(())
    }
}

/// A pattern that no operation matches would never do anything, which is a mistake.
fn check_calls(calls: &str) -> Result<(), String> {
    if calls.len() > TEXT_BYTES_MAX {
        return Err(format!("`calls` can have {TEXT_BYTES_MAX} bytes at most"));
    }
    if calls == "*" {
        return Ok(());
    }
    let pattern = wildmatch::WildMatch::new(calls);
    let matches = |service: Service| {
        let known = operations(service);
        let named = |operation: &str| pattern.matches(&format!("{}:{operation}", service.name()));
        // Of a service without a table nothing more is known than its name.
        known.is_empty() && calls.split(':').next() == Some(service.name()) || known.iter().any(|each| named(each.name))
    };
    if Service::ALL.into_iter().any(matches) {
        return Ok(());
    }
    let services = Service::ALL.map(Service::name).join(", ");
    Err(format!(
        "`{calls}` matches no operation of the dev cloud: expected for example elbv2:ModifyRule, ec2:Describe*, ec2:* or \
         *; its services are {services}"
    ))
}
