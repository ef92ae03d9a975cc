//! An error that a client of the dev cloud gets: AWS's code, status and message.

use std::borrow::Cow;

use super::{ParamError, Service};

/// What a refused call is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status.
    pub(crate) status: u16,
    /// AWS's error code as it appears on the wire (ELBv2 codes have no `Exception` suffix).
    pub(crate) code: Cow<'static, str>,
    /// For people.
    pub(crate) message: String,
}

impl ApiError {
    /// A client error, HTTP 400, which is what nearly all of them are.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    /// The same with another HTTP status.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// ELBv2's and STS's word for a parameter that cannot be right.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    /// EC2's word for a parameter value that cannot be right.
    pub(crate) fn ec2_value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// Wrong parameters, in the words of `service`.
    pub(crate) fn of_params(service: Service, error: ParamError) -> Self {
        match (service, error) {
            (Service::Ec2, ParamError::Missing(name)) => {
                Self::new("MissingParameter", format!("The request must contain the parameter {name}"))
            }
            (Service::Ec2, ParamError::Unknown(name)) => Self::new(
                "UnknownParameter",
                format!("The parameter {name} is not recognized (or not modelled by the dev cloud)"),
            ),
            (Service::Ec2, ParamError::Invalid { name, message }) => {
                Self::ec2_value(format!("Invalid value for parameter {name}: {message}"))
            }
            (Service::Ec2, ParamError::Malformed(message)) => Self::new("MalformedQueryString", message),
            (Service::Ec2, ParamError::WrongType { name, message }) => {
                Self::ec2_value(format!("Invalid value for parameter {name}: {message}"))
            }
            (Service::Route53, error) => Self::new("InvalidInput", error.to_string()),
            (Service::Sns, ParamError::Missing(name)) => Self::new(
                "InvalidParameter",
                format!("Invalid parameter: {name} Reason: no value for required parameter"),
            ),
            (Service::Sns, ParamError::Unknown(name)) => Self::new(
                "InvalidParameter",
                format!("Invalid parameter: {name} Reason: unknown (or not modelled by the dev cloud)"),
            ),
            (Service::Sns, ParamError::Invalid { name, message }) => {
                Self::new("InvalidParameter", format!("Invalid parameter: {name} Reason: {message}"))
            }
            // Services with a JSON protocol have the suffix also on the wire.
            (Service::Ssm | Service::Acm, error @ (ParamError::WrongType { .. } | ParamError::Malformed(_))) => {
                Self::new("SerializationException", error.to_string())
            }
            (Service::CloudWatch, error @ ParamError::WrongType { .. }) => {
                Self::new("SerializationException", error.to_string())
            }
            (Service::Ssm | Service::Acm, error) => {
                Self { code: "ValidationException".into(), ..Self::of_params(Service::Elbv2, error) }
            }
            (_, ParamError::Missing(name)) => Self::validation(format!(
                "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
            )),
            (_, ParamError::Unknown(name)) => {
                Self::validation(format!("Parameter '{name}' is unknown (or not modelled by the dev cloud)"))
            }
            (_, ParamError::Invalid { name, message } | ParamError::WrongType { name, message }) => {
                Self::validation(format!("1 validation error detected: Value at '{name}' is invalid: {message}"))
            }
            (_, ParamError::Malformed(message)) => Self::new("MalformedQueryString", message),
        }
    }

    /// An operation that the service does not have, or that is not modelled.
    pub(crate) fn unknown_operation(operation: &str) -> Self {
        Self::new(
            "InvalidAction",
            format!("The action {operation} is not valid for this web service (or not modelled by the dev cloud)"),
        )
    }

    /// The service's own way to say "slow down".
    pub(crate) fn throttled(service: Service) -> Self {
        match service {
            Service::Ec2 => Self::new("RequestLimitExceeded", "Request limit exceeded.").status(503),
            Service::Route53 => Self::new("Throttling", "Rate exceeded"),
            Service::S3 => Self::new("SlowDown", "Please reduce your request rate.").status(503),
            Service::Elbv2 | Service::Ssm | Service::Acm => Self::new("ThrottlingException", "Rate exceeded"),
            Service::AutoScaling | Service::CloudWatch | Service::Sns | Service::Sts => {
                Self::new("Throttling", "Rate exceeded")
            }
        }
    }
}
