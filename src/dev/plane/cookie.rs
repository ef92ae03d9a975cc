//! Stickiness cookies: which group and which target a client was sent to before, and what it is given to come back.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use jiff::Timestamp;

use super::balancer::Balancer;
use super::seal::Purpose;

/// Chooses the group; renewed by every answer.
const GROUP: [&str; 2] = ["AWSALBTG", "AWSALBTGCORS"];
/// Chooses the target.
const TARGET: [&str; 2] = ["AWSALB", "AWSALBCORS"];
/// Chooses the target for as long as the application's own cookie lives.
const APPLICATION: &str = "AWSALBAPP-0";

/// The group that a client was sent to before, by [`super::Group`]'s key, if its cookie is not older than `good_for`.
pub(super) fn group(headers: &HeaderMap, balancer: &Balancer, good_for: Duration) -> Option<u64> {
    let value = GROUP.iter().find_map(|name| find(headers, name))?;
    let content = open(balancer, Purpose::Group, value, good_for)?;
    Some(u64::from_le_bytes(content.try_into().ok()?))
}

/// The target that a client was sent to before by `AWSALB`.
pub(super) fn target(headers: &HeaderMap, balancer: &Balancer, group: u64, good_for: Duration) -> Option<SocketAddr> {
    let value = TARGET.iter().find_map(|name| find(headers, name))?;
    read_target(&open(balancer, Purpose::Target, value, good_for)?, group)
}

/// The target that a client was sent to before by `AWSALBAPP-0`; it counts only together with the application's cookie.
pub(super) fn of_application(
    headers: &HeaderMap,
    balancer: &Balancer,
    group: u64,
    (name, good_for): (&str, Duration),
) -> Option<SocketAddr> {
    find(headers, name)?;
    read_target(&open(balancer, Purpose::Application, find(headers, APPLICATION)?, good_for)?, group)
}

/// Gives the client its group, for as long as it comes back within `good_for`.
pub(super) fn give_group(answer: &mut HeaderMap, balancer: &Balancer, group: u64, good_for: Duration, secure: bool) {
    let value = seal(balancer, Purpose::Group, &group.to_le_bytes());
    give(answer, GROUP, &value, expiry(balancer, good_for), secure);
}

/// Gives the client its target.
pub(super) fn give_target(
    answer: &mut HeaderMap,
    balancer: &Balancer,
    (group, target): (u64, SocketAddr),
    good_for: Duration,
    secure: bool,
) {
    let value = seal(balancer, Purpose::Target, &write_target(group, target));
    give(answer, TARGET, &value, expiry(balancer, good_for), secure);
}

/// Gives the client its target where the answer sets the application's cookie, or where the client is `stuck` already.
pub(super) fn give_of_application(
    answer: &mut HeaderMap,
    balancer: &Balancer,
    (group, target): (u64, SocketAddr),
    (name, good_for): (&str, Duration),
    stuck: bool,
) {
    let sets =
        |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split('=').next().map(str::trim) == Some(name));
    if !stuck && !answer.get_all(header::SET_COOKIE).iter().any(sets) {
        return;
    }
    let value = seal(balancer, Purpose::Application, &write_target(group, target));
    append(answer, &format!("{APPLICATION}={value}; Expires={}; Path=/", expiry(balancer, good_for)));
}

fn give(answer: &mut HeaderMap, [name, cross_site]: [&str; 2], value: &str, expires: String, secure: bool) {
    append(answer, &format!("{name}={value}; Expires={expires}; Path=/"));
    // For requests from other sites; browsers want it to be secure, which it can only be over TLS.
    let secure = if secure { "; Secure" } else { "" };
    append(answer, &format!("{cross_site}={value}; Expires={expires}; Path=/; SameSite=None{secure}"));
}

fn append(answer: &mut HeaderMap, cookie: &str) {
    let value = HeaderValue::from_str(cookie).expect("base64, a date and our own words are a header value");
    answer.append(header::SET_COOKIE, value);
}

fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn seal(balancer: &Balancer, purpose: Purpose, what: &[u8]) -> String {
    let mut content = balancer.clock.now().as_second().to_le_bytes().to_vec();
    content.extend_from_slice(what);
    balancer.seal.seal(purpose, &content, &balancer.dice)
}

fn open(balancer: &Balancer, purpose: Purpose, value: &str, good_for: Duration) -> Option<Vec<u8>> {
    let mut content = balancer.seal.open(purpose, value)?;
    let what = content.split_off(content.len().min(8));
    let given = Timestamp::from_second(i64::from_le_bytes(content.try_into().ok()?)).ok()?;
    let age = balancer.clock.now().duration_since(given);
    // A client may keep a cookie longer than it was told to.
    (age.as_secs() <= i64::try_from(good_for.as_secs()).unwrap_or(i64::MAX)).then_some(what)
}

fn write_target(group: u64, target: SocketAddr) -> Vec<u8> {
    let address = match target.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    [&group.to_le_bytes()[..], &address.octets(), &target.port().to_le_bytes()].concat()
}

fn read_target(content: &[u8], group: u64) -> Option<SocketAddr> {
    let (theirs, rest) = content.split_first_chunk::<8>()?;
    let (address, port) = rest.split_first_chunk::<16>()?;
    let port = u16::from_le_bytes(port.try_into().ok()?);
    let address = std::net::Ipv6Addr::from(*address).to_canonical();
    (u64::from_le_bytes(*theirs) == group).then_some(SocketAddr::new(address, port))
}

/// A date as cookies have it.
fn expiry(balancer: &Balancer, good_for: Duration) -> String {
    let end = balancer.clock.now() + good_for;
    end.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
