//! The services of the dev cloud, and how each of them speaks.

/// A service of the dev cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    /// Elastic Load Balancing, version 2.
    Elbv2,
    /// EC2.
    Ec2,
    /// Auto Scaling.
    AutoScaling,
    /// Route 53.
    Route53,
    /// S3.
    S3,
    /// CloudWatch.
    CloudWatch,
    /// Simple Notification Service.
    Sns,
    /// Systems Manager: parameters.
    Ssm,
    /// Certificate Manager.
    Acm,
    /// Security Token Service.
    Sts,
}

/// How requests and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A form in, XML out: `<OpResponse><OpResult>…`, lists as `<member>`.
    Query,
    /// EC2's own: a form in, XML out: `<OpResponse>…`, lists as `<item>`.
    Ec2Query,
    /// Path, query string and XML in, the operation's own document out.
    RestXml,
    /// JSON in and out; `X-Amz-Target` names the operation.
    Json,
    /// The same in version 1.0, as botocore speaks to CloudWatch; errors also tell the query protocol's code.
    Json10,
    /// CBOR in and out; the path names the operation. As the Rust SDK speaks to CloudWatch.
    Cbor,
}

impl Service {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Elbv2,
        Self::Ec2,
        Self::AutoScaling,
        Self::Route53,
        Self::S3,
        Self::CloudWatch,
        Self::Sns,
        Self::Ssm,
        Self::Acm,
        Self::Sts,
    ];

    /// The name in call logs and faults.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Elbv2 => "elbv2",
            Self::CloudWatch => "cloudwatch",
            _ => self.signing_name(),
        }
    }

    /// The name in credential scopes; also IAM's prefix of actions, except for CloudWatch.
    pub(crate) const fn signing_name(self) -> &'static str {
        match self {
            Self::Elbv2 => "elasticloadbalancing",
            Self::Ec2 => "ec2",
            Self::AutoScaling => "autoscaling",
            Self::Route53 => "route53",
            Self::S3 => "s3",
            Self::CloudWatch => "monitoring",
            Self::Sns => "sns",
            Self::Ssm => "ssm",
            Self::Acm => "acm",
            Self::Sts => "sts",
        }
    }

    pub(super) fn of_signing_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.signing_name() == name)
    }

    /// How the service speaks, unless a request says that it speaks another of the service's protocols.
    pub(crate) const fn protocol(self) -> Protocol {
        match self {
            Self::Elbv2 | Self::AutoScaling | Self::CloudWatch | Self::Sns | Self::Sts => Protocol::Query,
            Self::Ec2 => Protocol::Ec2Query,
            Self::Route53 | Self::S3 => Protocol::RestXml,
            Self::Ssm | Self::Acm => Protocol::Json,
        }
    }

    /// The XML namespace of answers; empty for services that do not speak XML.
    pub(crate) const fn namespace(self) -> &'static str {
        match self {
            Self::Elbv2 => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
            Self::Route53 => "https://route53.amazonaws.com/doc/2013-04-01/",
            Self::S3 => "http://s3.amazonaws.com/doc/2006-03-01/",
            Self::CloudWatch => "http://monitoring.amazonaws.com/doc/2010-08-01/",
            Self::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Ssm | Self::Acm => "",
        }
    }

    /// What comes before an operation's name in `X-Amz-Target` or in the path; empty for services without either.
    pub(super) const fn target(self) -> &'static str {
        match self {
            Self::CloudWatch => "GraniteServiceVersion20100801",
            Self::Ssm => "AmazonSSM",
            Self::Acm => "CertificateManager",
            _ => "",
        }
    }

    /// What an error is called in `__type`, where the query protocol's code differs from the name of its shape.
    pub(super) fn error_shape(self, code: &str) -> &str {
        if self != Self::CloudWatch {
            return code;
        }
        match code {
            "InvalidParameterValue" => "InvalidParameterValueException",
            "InvalidParameterCombination" => "InvalidParameterCombinationException",
            "MissingParameter" => "MissingRequiredParameterException",
            "LimitExceeded" => "LimitExceededFault",
            "InvalidFormat" => "InvalidFormatFault",
            "InternalServiceError" => "InternalServiceFault",
            other => other,
        }
    }
}
