//! The AWS protocols as the SDKs speak them: query form and XML in, XML out.
//!
//! | service | protocol | request | answer |
//! |---|---|---|---|
//! | ELBv2, STS | awsQuery | form, lists as `Name.member.N` | `<OpResponse><OpResult>…` |
//! | EC2 | ec2Query | form, lists as `Name.N` | `<OpResponse>…`, lists as `<item>` |
//! | Route 53 | restXml | path, query string and XML | the operation's own document |

mod de;
mod envelope;
mod error;
mod form;
mod page;
mod scope;
#[cfg(test)]
mod tests;
mod xml;

pub(crate) use de::{ParamError, from_node};
pub(crate) use envelope::{Body, answer, refusal};
pub(crate) use error::ApiError;
pub(crate) use form::{Node, parse_form};
pub(crate) use page::page;
pub(crate) use scope::{Scope, Service};
pub(crate) use xml::Xml;
