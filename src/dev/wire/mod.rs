//! The AWS protocols as the SDKs speak them. Requests of all of them become the same tree, which an operation reads by
//! its own types; answers are a tree of values, or XML where a service speaks nothing else.
//!
//! | service | protocol | request | answer |
//! |---|---|---|---|
//! | ELBv2, Auto Scaling, CloudWatch, SNS, STS | query | form, lists as `Name.member.N` | `<OpResponse><OpResult>…` |
//! | EC2 | ec2Query | form, lists as `Name.N` | `<OpResponse>…`, lists as `<item>` |
//! | Route 53, S3 | restXml | path, query string and XML | the operation's own document |
//! | SSM, ACM | awsJson1.1 | JSON, operation in `X-Amz-Target` | JSON |
//! | CloudWatch, to botocore | awsJson1.0 | the same | JSON, the query protocol's error code in a header |
//! | CloudWatch, to the Rust SDK | rpcv2Cbor | CBOR, operation in the path | CBOR, the same header |

mod cbor;
mod de;
mod envelope;
mod error;
mod form;
mod json;
mod look;
mod page;
mod request;
mod scope;
mod service;
#[cfg(test)]
mod tests;
mod value;
mod xml;

pub(crate) use de::{ParamError, from_node};
pub(crate) use envelope::{Body, Document, Written, answer, refusal};
pub(crate) use error::ApiError;
pub(crate) use form::Node;
#[cfg(test)]
pub(crate) use form::parse_form;
pub(crate) use page::page;
pub(crate) use request::read_call;
pub(crate) use scope::{Credential, Scope, is_region};
pub(crate) use service::{Protocol, Service};
pub(crate) use value::{Blob, Fields, Time, Value};
pub(crate) use xml::Xml;
