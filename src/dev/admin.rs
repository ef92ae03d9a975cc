//! What tests and people ask of a running dev cloud that no AWS client does: faults, counts, shortages, a new start.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /_switchback/health` | that it runs, its time, and how much there is in it |
//! | `GET /_switchback/faults` | all faults, with how often each was met |
//! | `POST /_switchback/faults` | adds a fault: `{"calls": "elbv2:ModifyRule", "kind": "throttle", "every": 3}` |
//! | `DELETE /_switchback/faults`, `…/faults/ID` | removes all faults, or one |
//! | `GET /_switchback/calls` | how often each operation was called |
//! | `DELETE /_switchback/calls` | counts from 0 again |
//! | `GET /_switchback/images` | the image catalogue: ids and states |
//! | `PUT /_switchback/images/AMI` | sets an image's `state`, or adds one that runs the program of another (`like`) |
//! | `PUT /_switchback/capacity/REGION` | the default account's `shortages` and `vcpus-max` there; none if missing |
//! | `PUT /_switchback/instances/ID` | whether an instance fails its status checks: `{"impaired": true}` |
//! | `POST /_switchback/reset` | deletes everything in every account and region, all faults and all counts |
//!
//! Only from loopback, and not for pages in a browser: requests with an `Origin`, or for a host that is no address of
//! this machine, are refused. No request can make the dev cloud run a program that is not in its image catalogue.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cloud::Cloud;
use super::faults::Fault;
use super::machine::ImageState;
use super::model::{Capacity, Shortage};
use super::wire::is_region;

/// What all paths begin with; no AWS client has such a path, because no bucket's name can begin like this.
const PREFIX: &str = "/_switchback/";
/// Requests are small.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// An answer that is no success.
struct Refused(StatusCode, String);

/// Whether a request is for this endpoint.
pub(crate) fn is_for(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a request.
pub(crate) async fn answer(cloud: &Arc<Cloud>, peer: SocketAddr, request: Request<Bytes>) -> Response<Bytes> {
    let answered = match admit(peer, &request) {
        Ok(()) => run(cloud, &request).await,
        Err(refused) => Err(refused),
    };
    let (status, said) = match answered {
        Ok((status, said)) => (status, said),
        Err(Refused(status, error)) => (status, json!({ "error": error })),
    };
    let mut response = Response::new(Bytes::from(said.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// A page in a browser can send requests to loopback too, and can have its own name resolve to it.
fn admit(peer: SocketAddr, request: &Request<Bytes>) -> Result<(), Refused> {
    let forbidden = |why: &str| Err(Refused(StatusCode::FORBIDDEN, why.to_owned()));
    if !peer.ip().to_canonical().is_loopback() {
        return forbidden("only programs on this machine may ask this");
    }
    if request.headers().contains_key(header::ORIGIN) {
        return forbidden("pages in a browser may not ask this");
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let name = host.parse::<http::uri::Authority>().map(|host| host.host().to_owned()).unwrap_or_default();
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    if name != "localhost" && address.is_err() {
        return forbidden("the host must be localhost or an address");
    }
    if request.body().len() > BODY_BYTES_MAX {
        let said = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, said));
    }
    Ok(())
}

async fn run(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Result<(StatusCode, Value), Refused> {
    let ok = |said: Value| Ok((StatusCode::OK, said));
    let done = || Ok((StatusCode::OK, json!({})));
    let path: Vec<_> = request.uri().path()[PREFIX.len()..].split('/').collect();
    match (request.method(), &path[..]) {
        (&Method::GET, ["health"]) => ok(health(cloud)),
        (&Method::GET, ["faults"]) => ok(json!({ "faults": cloud.faults.list() })),
        (&Method::POST, ["faults"]) => {
            let fault: Fault = read(request)?;
            let id = cloud.faults.add_bounded(fault);
            let id = id.map_err(|error| Refused(StatusCode::CONFLICT, error.to_string()))?;
            Ok((StatusCode::CREATED, json!({ "id": id })))
        }
        (&Method::DELETE, ["faults"]) => {
            cloud.faults.clear();
            done()
        }
        (&Method::DELETE, ["faults", id]) => {
            let removed = id.parse().is_ok_and(|id| cloud.faults.remove(id));
            let none = || Refused(StatusCode::NOT_FOUND, format!("there is no fault {id}"));
            removed.then_some((StatusCode::OK, json!({}))).ok_or_else(none)
        }
        (&Method::GET, ["calls"]) => ok(json!({ "calls": cloud.calls() })),
        (&Method::DELETE, ["calls"]) => {
            cloud.forget_calls();
            done()
        }
        (&Method::GET, ["images"]) => ok(images(cloud)),
        (&Method::PUT, ["images", id]) => set_image(cloud, id, &read(request)?).map(|said| (StatusCode::OK, said)),
        (&Method::PUT, ["capacity", region]) => {
            set_capacity(cloud, region, read(request)?)?;
            done()
        }
        (&Method::PUT, ["instances", id]) => {
            let SetInstance { impaired } = read(request)?;
            let none = || Refused(StatusCode::NOT_FOUND, format!("there is no instance {id}"));
            cloud.set_impaired(id, impaired).then_some((StatusCode::OK, json!({}))).ok_or_else(none)
        }
        (&Method::POST, ["reset"]) => {
            cloud.reset().await;
            done()
        }
        (method, _) => {
            let said = format!(
                "{method} {} is nothing here: expected GET health, GET/POST/DELETE faults, DELETE faults/ID, \
                 GET/DELETE calls, GET images, PUT images/AMI, PUT capacity/REGION, PUT instances/ID or POST reset, all \
                 below {PREFIX}",
                request.uri().path()
            );
            Err(Refused(StatusCode::NOT_FOUND, said))
        }
    }
}

fn read<'a, T: Deserialize<'a>>(request: &'a Request<Bytes>) -> Result<T, Refused> {
    serde_json::from_slice(request.body()).map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))
}

fn health(cloud: &Cloud) -> Value {
    let calls: u64 = cloud.calls().values().sum();
    let faults = cloud.faults.list().len();
    let world = cloud.world();
    let regions = world.accounts.values().flat_map(|account| account.regions.values());
    let (regions, instances) =
        regions.fold((0, 0), |(regions, instances), region| (regions + 1, instances + region.ec2.instances.len()));
    json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "time": cloud.clock.now(),
        "accounts": world.accounts.len(),
        "regions": regions,
        "instances": instances,
        "faults": faults,
        "calls": calls,
    })
}

fn images(cloud: &Cloud) -> Value {
    let catalogue = cloud.catalogue();
    let state = |(id, image): (&String, &super::machine::Image)| (id.clone(), json!({ "state": image.state }));
    json!({ "images": catalogue.images.iter().map(state).collect::<serde_json::Map<_, _>>() })
}

/// What a region has room for; it stands in place of what was said before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SetCapacity {
    #[serde(default)]
    shortages: Vec<Shortage>,
    /// No limit if it is missing.
    #[serde(default)]
    vcpus_max: Option<u32>,
}

fn set_capacity(cloud: &Cloud, region: &str, set: SetCapacity) -> Result<(), Refused> {
    if !is_region(region) {
        return Err(Refused(StatusCode::BAD_REQUEST, format!("{region:?} is not a region")));
    }
    cloud.set_capacity(region, |capacity| {
        *capacity = Capacity { shortages: set.shortages, vcpus_max: set.vcpus_max };
    });
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetInstance {
    impaired: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetImage {
    /// The image whose program a new one runs.
    #[serde(default)]
    like: Option<String>,
    #[serde(default)]
    state: Option<ImageState>,
}

fn set_image(cloud: &Cloud, id: &str, set: &SetImage) -> Result<Value, Refused> {
    let mut catalogue = cloud.catalogue();
    let source = set.like.as_deref().unwrap_or(id);
    let none = || Refused(StatusCode::NOT_FOUND, format!("{source} is not in the image catalogue"));
    let mut image = catalogue.images.get(source).cloned().ok_or_else(none)?;
    if let Some(state) = set.state {
        image.state = state;
    }
    catalogue.add(id, image).map_err(|said| Refused(StatusCode::BAD_REQUEST, said))?;
    Ok(json!({}))
}
