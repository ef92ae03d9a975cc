//! Attributes of listeners.

use serde::Deserialize;

use super::{Attribute, Attributes, Spec, Tables, Values, answer, defaults_of, only, spec};
use crate::dev::model::elb::protocols::Protocol;
use crate::dev::model::{Answer, Ctx};

/// Of HTTP and HTTPS listeners: headers of answers. Empty is "not added".
const HTTP: [Spec; 11] = [
    spec("routing.http.response.access_control_allow_credentials.header_value", "", Values::OneOf(&["", "true"])),
    header("routing.http.response.access_control_allow_headers.header_value"),
    header("routing.http.response.access_control_allow_methods.header_value"),
    header("routing.http.response.access_control_allow_origin.header_value"),
    header("routing.http.response.access_control_expose_headers.header_value"),
    header("routing.http.response.access_control_max_age.header_value"),
    header("routing.http.response.content_security_policy.header_value"),
    spec("routing.http.response.server.enabled", "true", Values::Bool),
    header("routing.http.response.strict_transport_security.header_value"),
    spec("routing.http.response.x_content_type_options.header_value", "", Values::OneOf(&["", "nosniff"])),
    spec("routing.http.response.x_frame_options.header_value", "", Values::OneOf(&["", "DENY", "SAMEORIGIN"])),
];

/// Of HTTPS listeners besides: what headers about the client's TLS are called.
const HTTPS: [Spec; 8] = [
    renamed("routing.http.request.x_amzn_mtls_clientcert.header_name", &["X-Amzn-Mtls-Clientcert"]),
    renamed("routing.http.request.x_amzn_mtls_clientcert_issuer.header_name", &["X-Amzn-Mtls-Clientcert-Issuer"]),
    renamed("routing.http.request.x_amzn_mtls_clientcert_leaf.header_name", &["X-Amzn-Mtls-Clientcert-Leaf"]),
    renamed(
        "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name",
        &["X-Amzn-Mtls-Clientcert-Serial-Number"],
    ),
    renamed("routing.http.request.x_amzn_mtls_clientcert_subject.header_name", &["X-Amzn-Mtls-Clientcert-Subject"]),
    renamed("routing.http.request.x_amzn_mtls_clientcert_validity.header_name", &["X-Amzn-Mtls-Clientcert-Validity"]),
    renamed("routing.http.request.x_amzn_tls_cipher_suite.header_name", &["X-Amzn-Tls-Cipher-Suite"]),
    renamed("routing.http.request.x_amzn_tls_version.header_name", &["X-Amzn-Tls-Version"]),
];

const TCP: [Spec; 1] = [spec("tcp.idle_timeout.seconds", "350", Values::Number(60, 6000))];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(in crate::dev::model::elb) struct Describe {
    listener_arn: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(in crate::dev::model::elb) struct Modify {
    listener_arn: String,
    attributes: Vec<Attribute>,
}

const fn header(key: &'static str) -> Spec {
    spec(key, "", Values::Text(1024))
}

const fn renamed(key: &'static str, own: &'static [&'static str]) -> Spec {
    only(key, own[0], Values::Text(1024), own)
}

fn own(protocol: Protocol) -> Vec<&'static [Spec]> {
    match protocol {
        Protocol::Http => vec![&HTTP],
        Protocol::Https => vec![&HTTP, &HTTPS],
        Protocol::Tcp => vec![&TCP],
        Protocol::Tls => Vec::new(),
    }
}

/// What a new listener has.
pub(in crate::dev::model::elb) fn defaults(protocol: Protocol) -> Attributes {
    defaults_of(&own(protocol))
}

pub(in crate::dev::model::elb) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    Ok(answer(&ctx.region.elb.listener(&input.listener_arn)?.attributes))
}

pub(in crate::dev::model::elb) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let listener = ctx.region.elb.listener_mut(&input.listener_arn)?;
    let protocol = listener.protocol;
    let tables = Tables {
        what: "Listener",
        own: &own(protocol),
        foreign: &[&HTTP, &HTTPS, &TCP],
        unsupported: format!(
            "Listener attribute key '{{key}}' is not supported on listeners with the protocol '{}'",
            protocol.name()
        ),
    };
    listener.attributes = tables.merge(&listener.attributes, input.attributes)?;
    listener.tune();
    Ok(answer(&listener.attributes))
}
