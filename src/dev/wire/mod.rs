//! The AWS protocols as the SDKs speak them: query form and XML in, XML out.
//!
//! | service | protocol | request | answer |
//! |---|---|---|---|
//! | ELBv2, Auto Scaling, CloudWatch, SNS, STS | awsQuery | form, lists as `Name.member.N` | `<OpResponse><OpResult>…` |
//! | EC2 | ec2Query | form, lists as `Name.N` | `<OpResponse>…`, lists as `<item>` |
//! | Route 53, S3 | restXml | path, query string and XML | the operation's own document |
//! | SSM, ACM | awsJson1.1 | JSON, operation in `X-Amz-Target` | JSON |

mod de;
mod envelope;
mod error;
mod form;
mod page;
mod scope;
mod service;
#[cfg(test)]
mod tests;
mod xml;

pub(crate) use de::{ParamError, from_node};
pub(crate) use envelope::{Body, Document, answer, refusal};
pub(crate) use error::ApiError;
pub(crate) use form::{Node, parse_form};
pub(crate) use page::page;
pub(crate) use scope::Scope;
pub(crate) use service::Service;
pub(crate) use xml::Xml;
