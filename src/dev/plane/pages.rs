//! Answers that no target gives: error pages, redirects, fixed responses.

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;

use super::link::Link;
use super::rule::{self, FixedResponse, Redirect};

/// An answer that the load balancer makes up.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The request's protocol does not fit the target group's: an Application Load Balancer's own status.
pub(super) fn mismatch() -> StatusCode {
    StatusCode::from_u16(464).expect("464 has three digits")
}

/// An error page, to the letter as an Application Load Balancer writes it.
pub(super) fn error(status: StatusCode) -> Box<Page> {
    let title = match status {
        StatusCode::SERVICE_UNAVAILABLE => "503 Service Temporarily Unavailable".to_owned(),
        StatusCode::GATEWAY_TIMEOUT => "504 Gateway Time-out".to_owned(),
        other if other.canonical_reason().is_none() => other.as_u16().to_string(),
        other => other.to_string(),
    };
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    answer(status, Some(HeaderValue::from_static("text/html")), page)
}

/// The answer of a fixed-response action.
pub(super) fn fixed(fixed: &FixedResponse) -> Box<Page> {
    let content_type = fixed.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    answer(fixed.status, content_type, fixed.body.clone())
}

/// The answer of a redirect action; a 500 where its parts and the request make no header value together.
pub(super) fn redirect(redirect: &Redirect, request: &Parts, link: &Link) -> Box<Page> {
    let fill = |template: &str| {
        template
            .replace("#{protocol}", link.scheme())
            .replace("#{host}", rule::host(request).unwrap_or_default())
            .replace("#{port}", &link.front.port.to_string())
            .replace("#{path}", request.uri.path().trim_start_matches('/'))
            .replace("#{query}", request.uri.query().unwrap_or_default())
    };
    let protocol = fill(&redirect.protocol).to_ascii_lowercase();
    let mut location =
        format!("{protocol}://{}:{}{}", fill(&redirect.host), fill(&redirect.port), fill(&redirect.path));
    let query = fill(&redirect.query);
    if !query.is_empty() {
        location.push('?');
        location.push_str(&query);
    }
    let Ok(location) = HeaderValue::try_from(location) else { return error(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut page = error(redirect.status);
    page.headers.insert(header::LOCATION, location);
    page
}

fn answer(status: StatusCode, content_type: Option<HeaderValue>, body: String) -> Box<Page> {
    let mut headers = HeaderMap::new();
    headers.insert(header::SERVER, HeaderValue::from_static("awselb/2.0"));
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    Box::new(Page { status, headers, body: Bytes::from(body) })
}
