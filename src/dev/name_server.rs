//! The name server of the dev cloud: hosted zones and load balancers over real DNS, on UDP and TCP.

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use super::cloud::Cloud;
use super::model::{Line, Outcome, parse_value};

/// How long a TCP connection may be silent.
const TCP_SILENCE_MAX: Duration = Duration::from_secs(10);
/// Answers that may wait to be sent on one TCP connection.
const TCP_ANSWERS_MAX: usize = 32;
/// How often a free port is looked for that both UDP and TCP have.
const PORT_TRIES: usize = 16;
/// What a client is told that it may send.
const PAYLOAD_MAX: u16 = 1232;

/// How names behave in a dev cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NameOptions {
    /// Where DNS is served, on UDP and TCP; port 0 takes a free one, `None` serves none.
    pub endpoint: Option<SocketAddr>,
    /// Whether each of the four name servers learns of a change at a time of its own, the last when it is `INSYNC`;
    /// otherwise all of them do then.
    pub skew: bool,
    /// How long a change is in process: until then Route 53 answers `PriorRequestNotComplete` to the next one of the
    /// same hosted zone.
    pub processing: Duration,
    /// Whether load balancers have names as AWS's have, `shop-1234567890.eu-west-1.elb.amazonaws.com`, which only the
    /// dev cloud's name server knows; otherwise a load balancer's name is its address.
    pub balancer_names: bool,
}

/// Serves DNS at `endpoint` until the cloud ends; where it is served then.
pub(super) async fn start(cloud: &Arc<Cloud>, endpoint: SocketAddr) -> io::Result<SocketAddr> {
    let (udp, tcp) = bind(endpoint).await?;
    let endpoint = udp.local_addr()?;
    let mut server = Server::new(Answers { cloud: cloud.clone() });
    server.register_socket(udp);
    server.register_listener(tcp, TCP_SILENCE_MAX, TCP_ANSWERS_MAX);
    // The server's own tasks end when it is dropped, which happens when this task is ended.
    cloud.spawn(async move {
        if let Err(error) = server.block_until_done().await {
            tracing::warn!(%error, "the dev cloud's name server has ended");
        }
    });
    Ok(endpoint)
}

/// Both sockets on one port. With port 0 the one that UDP gets may be taken on TCP: then another one is tried.
async fn bind(endpoint: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = PORT_TRIES;
    loop {
        tries -= 1;
        let udp = UdpSocket::bind(endpoint).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && endpoint.port() == 0 && tries > 0 => {}
            tcp => return Ok((udp, tcp?)),
        }
    }
}

/// Answers queries from the cloud's state.
struct Answers {
    cloud: Arc<Cloud>,
}

/// The records of an answer, in the sections of a DNS message.
#[derive(Default)]
struct Sections {
    code: ResponseCode,
    authoritative: bool,
    answers: Vec<Record>,
    name_servers: Vec<Record>,
    start_of_authority: Vec<Record>,
}

#[async_trait::async_trait]
impl RequestHandler for Answers {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let sections = self.sections(request);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = sections.code;
        metadata.authoritative = sections.authoritative;
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD_MAX).set_version(0);
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if request.edns.is_some() {
            builder.edns(&edns);
        }
        let message = builder.build(
            metadata,
            sections.answers.iter(),
            sections.name_servers.iter(),
            sections.start_of_authority.iter(),
            std::iter::empty(),
        );
        match response.send_response(message).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "a DNS answer could not be sent");
                hickory_proto::op::Header { metadata, counts: hickory_proto::op::HeaderCounts::default() }.into()
            }
        }
    }
}

impl Answers {
    fn sections(&self, request: &Request) -> Sections {
        let refused = |code| Sections { code, ..Sections::default() };
        if request.metadata.op_code != OpCode::Query {
            return refused(ResponseCode::NotImp);
        }
        let Ok(info) = request.request_info() else { return refused(ResponseCode::FormErr) };
        let (name, kind) = (info.query.name().to_string(), info.query.query_type());
        if info.query.query_class() != DNSClass::IN || matches!(kind, RecordType::AXFR | RecordType::IXFR) {
            return refused(ResponseCode::Refused);
        }
        // A minimal answer to "any" is what Route 53 gives, too.
        if kind == RecordType::ANY {
            return refused(ResponseCode::NotImp);
        }
        let kind = if kind == RecordType::Unknown(99) { "SPF".to_owned() } else { kind.to_string() };
        let answer = self.cloud.world().ask(&self.cloud, &name, &kind, None);
        let (code, authoritative) = match answer.outcome {
            Outcome::Found | Outcome::NoData => (ResponseCode::NoError, true),
            Outcome::NoName => (ResponseCode::NXDomain, true),
            Outcome::Delegated => (ResponseCode::NoError, !answer.lines.is_empty()),
            Outcome::NotOurs => return refused(ResponseCode::Refused),
            Outcome::Circle => return refused(ResponseCode::ServFail),
        };
        let (name_servers, start_of_authority) = records(&answer.authority).partition(is_name_server);
        Sections { code, authoritative, answers: records(&answer.lines).collect(), name_servers, start_of_authority }
    }
}

fn is_name_server(record: &Record) -> bool {
    record.record_type() == RecordType::NS
}

/// The records in wire form. A denial lives no longer than the start of authority says.
fn records(lines: &[Line]) -> impl Iterator<Item = Record> {
    lines.iter().filter_map(|line| {
        let data = parse_value(&line.kind, &line.value)?;
        let ttl_s = match &data {
            RData::SOA(start) => line.ttl_s.min(start.minimum),
            _ => line.ttl_s,
        };
        Some(Record::from_rdata(Name::from_str(&line.name).ok()?, ttl_s, data))
    })
}
