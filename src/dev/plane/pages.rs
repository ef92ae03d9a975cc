//! Answers that no target gives: error pages, redirects, fixed responses.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{Either, Full};

use super::body::AnswerBody;
use super::rule::{self, FixedResponse, Redirect};

/// An error page, to the letter as an Application Load Balancer writes it.
pub(super) fn error(status: StatusCode) -> Response<AnswerBody> {
    let title = match status {
        StatusCode::SERVICE_UNAVAILABLE => "503 Service Temporarily Unavailable".to_owned(),
        StatusCode::GATEWAY_TIMEOUT => "504 Gateway Time-out".to_owned(),
        other => other.to_string(),
    };
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    answer(status, Some(HeaderValue::from_static("text/html")), page)
}

/// The answer of a fixed-response action.
pub(super) fn fixed(fixed: &FixedResponse) -> Response<AnswerBody> {
    let content_type = fixed.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    answer(fixed.status, content_type, fixed.body.clone())
}

/// The answer of a redirect action; a 500 where its parts and the request make no header value together.
pub(super) fn redirect(redirect: &Redirect, request: &Parts, listener_port: u16) -> Response<AnswerBody> {
    let fill = |template: &str| {
        template
            .replace("#{protocol}", "http")
            .replace("#{host}", rule::host(request).unwrap_or_default())
            .replace("#{port}", &listener_port.to_string())
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
    let mut response = error(redirect.status);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn answer(status: StatusCode, content_type: Option<HeaderValue>, body: String) -> Response<AnswerBody> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("awselb/2.0"));
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}
