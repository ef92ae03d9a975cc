//! Route 53's operations: their resources stand in the path, and what a batch of changes does in its body.

use bytes::Bytes;
use http::request::Parts;

use super::asked::Element;
use super::{Need, action};
use crate::dev::access::policy::Context;
use crate::dev::wire::Service;

pub(super) fn needs(operation: &str, head: &Parts, body: &Bytes) -> Vec<Need> {
    let action = action(Service::Route53, operation);
    let mut parts = head.uri.path().split('/').skip(2);
    let mut kind = parts.next();
    if kind == Some("tags") {
        kind = parts.next();
    }
    // `/hostedzone/Z1` is how answers write the id; some clients send it back like that.
    let id = parts.next().map(|id| id.replace("%2F", "/").replace("%2f", "/"));
    let id = id.as_deref().and_then(|id| id.rsplit('/').next()).filter(|id| !id.is_empty());
    let resource = match (kind, id) {
        (Some(kind @ ("hostedzone" | "healthcheck" | "change")), Some(id)) => format!("arn:aws:route53:::{kind}/{id}"),
        _ => "*".to_owned(),
    };
    let mut context = Context::default();
    if operation == "ChangeResourceRecordSets" {
        // A batch that cannot be read is refused later; without what conditions ask for, they do not hold.
        let batch = Element::parse(body).unwrap_or_default();
        let changes = batch.all("Change");
        let each =
            |name: &str| changes.iter().filter_map(|change| change.find(name)).map(str::to_owned).collect::<Vec<_>>();
        let key = |name: &str| format!("route53:ChangeResourceRecordSets{name}");
        context.set_all(&key("NormalizedRecordNames"), each("Name").into_iter().map(|name| normalized(&name)));
        context.set_all(&key("RecordTypes"), each("Type"));
        context.set_all(&key("Actions"), each("Action"));
    }
    vec![Need::new(action, resource, context)]
}

/// As conditions have it: lower case, without the last dot, and everything but letters, digits, `-`, `_` and `.` as an
/// octal code.
fn normalized(name: &str) -> String {
    let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
    let code = |c: u8| match c {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'\\' => char::from(c).to_string(),
        other => format!("\\{other:03o}"),
    };
    name.bytes().map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_what_its_changes_do() {
        let body = "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes>\
            <Change><Action>DELETE</Action><ResourceRecordSet><Name>Shop.Example.com.</Name><Type>A</Type></ResourceRecordSet></Change>\
            <Change><Action>CREATE</Action><ResourceRecordSet><Name>*.example.com</Name><Type>AAAA</Type></ResourceRecordSet></Change>\
            </Changes></ChangeBatch></ChangeResourceRecordSetsRequest>";
        let head = http::Request::post("/2013-04-01/hostedzone/Z1/rrset").body(()).unwrap().into_parts().0;
        let [need] = &needs("ChangeResourceRecordSets", &head, &Bytes::from(body))[..] else { panic!() };
        assert_eq!(need.resource, "arn:aws:route53:::hostedzone/Z1");
        let values = |key: &str| need.context.get(&format!("route53:ChangeResourceRecordSets{key}")).unwrap().to_vec();
        assert_eq!(values("NormalizedRecordNames"), ["shop.example.com", "\\052.example.com"]);
        assert_eq!(values("RecordTypes"), ["A", "AAAA"]);
        assert_eq!(values("Actions"), ["DELETE", "CREATE"]);
    }
}
