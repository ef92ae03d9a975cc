//! Listeners: a port of a load balancer, a default action, and rules.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::actions::{ActionIn, Actions};
use super::attributes::{Attributes, listener_defaults};
use super::forward::Place;
use super::groups::read_port;
use super::protocols::Protocol;
use super::routes::Propagation;
use super::rules::Rule;
use super::tls::{CertificateIn, MutualIn, Tls, TlsIn};
use super::{Elb, limits, paged, tagging};
use crate::dev::cloud::Cloud;
use crate::dev::model::tags::{Tag, Tags};
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::plane;
use crate::dev::wire::{ApiError, Scope, Xml};

/// How long open connections of a deleted listener may take to finish.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// For how long a port that was just given up is tried again.
const BIND_TRIES: u32 = 50;
const BIND_PAUSE: Duration = Duration::from_millis(20);

/// A listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(super) arn: String,
    pub(crate) balancer: String,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    /// Of those that speak HTTPS or TLS.
    pub(super) tls: Option<Tls>,
    pub(super) attributes: Attributes,
    /// Without conditions and priority; evaluated last.
    pub(super) default: Rule,
    pub(super) rules: Vec<Rule>,
    pub(super) tags: Tags,
    #[serde(skip)]
    socket: Arc<Socket>,
    /// `None` only until the socket is bound.
    #[serde(skip)]
    pub(super) propagation: Option<Propagation>,
}

/// The data plane's listener, once it is bound.
#[derive(Default)]
struct Socket(std::sync::OnceLock<Arc<plane::Listener>>);

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Socket({:?})", self.0.get().map(|listener| listener.address()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(in crate::dev::model) struct Create {
    load_balancer_arn: String,
    protocol: Option<String>,
    port: Option<u32>,
    default_actions: Vec<ActionIn>,
    ssl_policy: Option<String>,
    #[serde(default)]
    certificates: Vec<CertificateIn>,
    #[serde(default)]
    alpn_policy: Vec<String>,
    mutual_authentication: Option<MutualIn>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Modify {
    listener_arn: String,
    protocol: Option<String>,
    port: Option<u32>,
    #[serde(default)]
    default_actions: Vec<ActionIn>,
    ssl_policy: Option<String>,
    #[serde(default)]
    certificates: Vec<CertificateIn>,
    #[serde(default)]
    alpn_policy: Vec<String>,
    mutual_authentication: Option<MutualIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    load_balancer_arn: Option<String>,
    #[serde(default)]
    listener_arns: Vec<String>,
    marker: Option<String>,
    page_size: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    listener_arn: String,
}

impl Listener {
    /// Its rules, the default one last.
    pub(super) fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().chain([&self.default])
    }

    /// ARNs of the groups that any of its rules refers to.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.all_rules().flat_map(|rule| rule.actions.groups())
    }

    /// Tells the data plane what its attributes are now.
    pub(super) fn tune(&self) {
        if let Some(listener) = self.socket.0.get() {
            listener.set_settings(self.plane_settings());
        }
    }

    /// Stops listening; requests in flight may finish.
    pub(crate) async fn close(self, grace: Duration) {
        if let Some(listener) = self.socket.0.get() {
            listener.shutdown(grace).await;
        }
    }
}

impl Elb {
    pub(super) fn listener(&self, arn: &str) -> Result<&Listener, ApiError> {
        self.listeners.get(arn).ok_or_else(not_found)
    }

    pub(super) fn listener_mut(&mut self, arn: &str) -> Result<&mut Listener, ApiError> {
        self.listeners.get_mut(arn).ok_or_else(not_found)
    }
}

pub(super) fn not_found() -> ApiError {
    ApiError::new("ListenerNotFound", "One or more listeners not found")
}

/// What a create call leads to before its socket is bound.
enum Begun {
    /// The same listener was there already.
    Exists(Xml),
    Bind(Box<Ready>),
}

/// A listener that only lacks its socket.
pub(super) struct Ready {
    arn: String,
    address: SocketAddr,
    balancer: Arc<plane::Balancer>,
    protocol: plane::Protocol,
    routes: plane::Routes,
}

/// What binds a listener of a saved state.
pub(super) fn begin_again(region: &Region, listener: &Listener) -> Result<Ready, ApiError> {
    let balancer = region.elb.balancer(&listener.balancer)?;
    Ok(Ready {
        arn: listener.arn.clone(),
        address: SocketAddr::new(balancer.address.into(), listener.port),
        balancer: balancer.plane.clone(),
        protocol: listener.speaks(&region.acm).map_err(|error| unusable(&error))?,
        routes: region.elb.routes(listener),
    })
}

/// Creates a listener. It is there, and its groups are in use, before its port is bound; a port that cannot be bound
/// takes it away again.
pub(in crate::dev::model) async fn create(cloud: &Arc<Cloud>, scope: &Scope, input: Create) -> Answer {
    let place = &scope.place;
    let begun = {
        let mut world = cloud.world();
        let (region, block) = world.region(place);
        begin(&mut Ctx { cloud, caller: &scope.caller, region, block }, input)?
    };
    match begun {
        Begun::Exists(xml) => Ok(xml),
        Begun::Bind(ready) => finish(cloud, place, *ready).await,
    }
}

/// Binds a listener that is there already, and gives it its data plane.
pub(super) async fn finish(cloud: &Arc<Cloud>, place: &crate::dev::model::Place, ready: Ready) -> Answer {
    let Ready { arn, address, balancer, protocol, routes } = ready;
    let bound = bind(&balancer, address, protocol, routes).await;
    let xml = {
        let mut world = cloud.world();
        let (region, _) = world.region(place);
        let elb = &mut region.elb;
        let listener = match bound {
            Ok(listener) => Arc::new(listener),
            Err(error) => {
                elb.listeners.remove(&arn);
                elb.note_uses(cloud);
                elb.settle(&region.ec2);
                let said = format!("the dev cloud cannot listen on {address}: {error}");
                return Err(ApiError::new("InvalidConfigurationRequest", said));
            }
        };
        let made = elb.listener_mut(&arn)?;
        made.propagation = Some(Propagation::start(cloud, &arn, &listener));
        // Nobody else sets it: the ARN is only known here.
        let _ = made.socket.0.set(listener);
        made.tune();
        // Rules may have been added while the port was being bound.
        elb.publish(cloud, &arn);
        elb.note_uses(cloud);
        elb.settle(&region.ec2);
        answer(elb.listener(&arn)?)
    };
    cloud.changed();
    Ok(xml)
}

async fn bind(
    balancer: &Arc<plane::Balancer>,
    address: SocketAddr,
    protocol: plane::Protocol,
    routes: plane::Routes,
) -> Result<plane::Listener, plane::BindError> {
    for _ in 1..BIND_TRIES {
        match plane::Listener::bind(balancer, address, protocol.clone(), routes.clone()).await {
            Err(error) if error.is_taken() => tokio::time::sleep(BIND_PAUSE).await,
            done => return done,
        }
    }
    plane::Listener::bind(balancer, address, protocol, routes).await
}

/// Tells the data plane what a listener speaks, after its certificates have changed.
pub(super) fn speak(ctx: &mut Ctx<'_>, arn: &str) -> Result<(), ApiError> {
    let listener = ctx.region.elb.listener(arn)?;
    if listener.tls.is_none() {
        return Ok(());
    }
    let protocol = listener.speaks(&ctx.region.acm).map_err(|error| unusable(&error))?;
    if let Some(socket) = listener.socket.0.get() {
        socket.set_protocol(protocol).map_err(|error| unusable(&error))?;
    }
    Ok(())
}

fn unusable(error: &plane::InvalidCertificate) -> ApiError {
    ApiError::new("UnsupportedCertificate", format!("the dev cloud cannot use the certificate: {error}"))
}

fn begin(ctx: &mut Ctx<'_>, input: Create) -> Result<Begun, ApiError> {
    let elb = &mut ctx.region.elb;
    let balancer = elb.balancer(&input.load_balancer_arn)?;
    let missing = |what: &str| ApiError::validation(format!("A listener {what} must be specified"));
    let protocol = input.protocol.as_deref().ok_or_else(|| missing("protocol"))?;
    let protocol = Protocol::of_listener(balancer.kind, protocol)?;
    let port = read_port(input.port.ok_or_else(|| missing("port"))?)?;
    let given = TlsIn {
        policy: input.ssl_policy,
        certificates: input.certificates,
        alpn: input.alpn_policy,
        mutual: input.mutual_authentication,
    };
    let tls = given.check(protocol, None)?;
    let actions = Actions::read(input.default_actions, None)?;
    let same = elb.listeners.values().find(|other| other.balancer == input.load_balancer_arn && other.port == port);
    if let Some(same) = same {
        let same_tls = same.tls.as_ref().map(Tls::settings) == tls.as_ref().map(Tls::settings);
        if same.protocol == protocol && same.default.actions == actions && same_tls {
            return Ok(Begun::Exists(answer(same)));
        }
        let said = format!("A listener already exists on this port for this load balancer '{}'", same.balancer);
        return Err(ApiError::new("DuplicateListener", said));
    }
    actions.check(elb, &Place { balancer: &input.load_balancer_arn, protocol, replaces: None })?;
    let count = elb.listeners.values().filter(|other| other.balancer == input.load_balancer_arn).count() + 1;
    limits::check(count, limits::LISTENERS, "TooManyListeners", || {
        format!(
            "The maximum number of listeners has been reached on load balancer '{}': '{}'",
            input.load_balancer_arn,
            limits::LISTENERS
        )
    })?;
    let mut tags = Tags::new();
    tagging::put(&mut tags, &input.tags)?;
    let address = SocketAddr::new(balancer.address.into(), port);
    let balancer = balancer.plane.clone();
    let arn = format!(
        "{}/{}",
        input.load_balancer_arn.replacen(":loadbalancer/", ":listener/", 1),
        ctx.cloud.chance.arn_suffix()
    );
    let default = Rule::new(ctx.cloud, &arn, None, Vec::new(), actions);
    let listener = Listener {
        arn: arn.clone(),
        balancer: input.load_balancer_arn,
        port,
        protocol,
        tls,
        attributes: listener_defaults(protocol),
        default,
        rules: Vec::new(),
        tags,
        socket: Arc::default(),
        propagation: None,
    };
    let protocol = listener.speaks(&ctx.region.acm).map_err(|error| unusable(&error))?;
    let routes = elb.routes(&listener);
    elb.listeners.insert(arn.clone(), listener);
    elb.note_uses(ctx.cloud);
    Ok(Begun::Bind(Box::new(Ready { arn, address, balancer, protocol, routes })))
}

fn answer(listener: &Listener) -> Xml {
    let mut xml = Xml::default();
    xml.list("Listeners", "member", [listener], write);
    xml
}

fn write(xml: &mut Xml, listener: &Listener) {
    xml.leaf("ListenerArn", &listener.arn).leaf("LoadBalancerArn", &listener.balancer);
    xml.leaf("Port", listener.port).leaf("Protocol", listener.protocol.name());
    if let Some(tls) = &listener.tls {
        tls.write(xml, listener.protocol);
    }
    listener.default.actions.write(xml, "DefaultActions");
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let elb = &ctx.region.elb;
    match (&input.load_balancer_arn, input.listener_arns.is_empty()) {
        (None, true) => {
            return Err(ApiError::validation("You must specify either listener ARNs or a load balancer ARN"));
        }
        (Some(_), false) => {
            return Err(ApiError::validation(
                "Listener ARNs and a load balancer ARN cannot be specified at the same time",
            ));
        }
        (Some(_), true) | (None, false) => {}
    }
    input.listener_arns.iter().try_for_each(|arn| elb.listener(arn).map(drop))?;
    if let Some(balancer) = &input.load_balancer_arn {
        elb.balancer(balancer)?;
    }
    let wanted = |listener: &&Listener| {
        input.listener_arns.contains(&listener.arn) || input.load_balancer_arn.as_ref() == Some(&listener.balancer)
    };
    let found = elb.listeners.values().filter(wanted).collect();
    let pages = (input.marker.as_deref(), input.page_size);
    paged(found, |listener: &&Listener| listener.arn.clone(), pages, "Listeners", write)
}

pub(super) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let elb = &mut ctx.region.elb;
    let listener = elb.listener(&input.listener_arn)?;
    let balancer = elb.balancer(&listener.balancer)?;
    let protocol = input.protocol.map_or(Ok(listener.protocol), |text| Protocol::of_listener(balancer.kind, &text))?;
    let port = input.port.map_or(Ok(listener.port), read_port)?;
    let neighbors = elb.listeners.values().filter(|other| other.balancer == listener.balancer);
    if port != listener.port && neighbors.into_iter().any(|other| other.port == port) {
        return Err(ApiError::validation(format!("Listener port '{port}' is already in use")));
    }
    if (port, protocol) != (listener.port, listener.protocol) {
        return Err(ApiError::new(
            "InvalidConfigurationRequest",
            "the dev cloud does not model changing a listener's port or protocol: delete it and create another one",
        ));
    }
    let given = TlsIn {
        policy: input.ssl_policy,
        certificates: input.certificates,
        alpn: input.alpn_policy,
        mutual: input.mutual_authentication,
    };
    let tls = given.check(protocol, listener.tls.as_ref())?;
    let actions = match input.default_actions {
        given if given.is_empty() => listener.default.actions.clone(),
        given => {
            let actions = Actions::read(given, Some(&listener.default.actions))?;
            let replaces = Some(listener.default.arn.as_str());
            actions.check(elb, &Place { balancer: &listener.balancer, protocol, replaces })?;
            actions
        }
    };
    let listener = elb.listener_mut(&input.listener_arn)?;
    (listener.default.actions, listener.tls) = (actions, tls);
    elb.publish(ctx.cloud, &input.listener_arn);
    speak(ctx, &input.listener_arn)?;
    let elb = &ctx.region.elb;
    Ok(answer(elb.listener(&input.listener_arn)?))
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let listener = ctx.region.elb.listeners.remove(&input.listener_arn).ok_or_else(not_found)?;
    ctx.cloud.spawn(listener.close(CLOSE_GRACE));
    Ok(Xml::default())
}
