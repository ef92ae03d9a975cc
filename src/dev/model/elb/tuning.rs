//! What attributes, protocols and certificates mean to the data plane.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::attributes::Attributes;
use super::balancers::LoadBalancer;
use super::groups::TargetGroup;
use super::listeners::Listener;
use super::protocols::{Protocol, Version};
use super::tls::Tls;
use crate::dev::cloud::Cloud;
use crate::dev::model::acm::Acm;
use crate::dev::plane;

fn text<'a>(attributes: &'a Attributes, key: &str) -> &'a str {
    attributes.get(key).map_or("", String::as_str)
}

fn is_true(attributes: &Attributes, key: &str) -> bool {
    text(attributes, key) == "true"
}

fn number<T: FromStr>(attributes: &Attributes, key: &str) -> Option<T> {
    text(attributes, key).parse().ok()
}

fn seconds(attributes: &Attributes, key: &str) -> Option<Duration> {
    number(attributes, key).map(Duration::from_secs)
}

impl LoadBalancer {
    /// Tells the data plane what the load balancer's attributes and zones are now.
    pub(super) fn tune(&self, cloud: &Cloud) {
        let own = &self.attributes;
        let default = plane::Settings::default();
        let timeouts = plane::Timeouts {
            idle: seconds(own, "idle_timeout.timeout_seconds").unwrap_or(default.timeouts.idle),
            client_keep_alive: seconds(own, "client_keep_alive.seconds").unwrap_or(default.timeouts.client_keep_alive),
            ..default.timeouts
        };
        self.plane.set_settings(plane::Settings {
            timeouts,
            http2: text(own, "routing.http2.enabled") != "false",
            drop_invalid_headers: is_true(own, "routing.http.drop_invalid_header_fields.enabled"),
            preserve_host: is_true(own, "routing.http.preserve_host_header.enabled"),
            tls_headers: is_true(own, "routing.http.x_amzn_tls_version_and_cipher_suite.enabled"),
            client_port: is_true(own, "routing.http.xff_client_port.enabled"),
            forwarded_for: match text(own, "routing.http.xff_header_processing.mode") {
                "preserve" => plane::ForwardedFor::Preserve,
                "remove" => plane::ForwardedFor::Remove,
                _ => plane::ForwardedFor::Append,
            },
            cross_zone: is_true(own, "load_balancing.cross_zone.enabled"),
            zones: self.zones.keys().cloned().collect(),
            nodes_per_zone: usize::from(cloud.timing.balancing.nodes_per_zone),
            access_log: self.access_log(cloud),
        });
    }

    /// Where the access log goes, if it is enabled and the dev cloud has a folder for logs: the bucket is a folder in
    /// it.
    fn access_log(&self, cloud: &Cloud) -> Option<plane::LogPlace> {
        let logs = cloud.logs.as_ref().filter(|_| is_true(&self.attributes, "access_logs.s3.enabled"))?;
        let mut owner = self.arn().split(':').skip(3);
        Some(plane::LogPlace {
            folder: logs.join(text(&self.attributes, "access_logs.s3.bucket")),
            prefix: text(&self.attributes, "access_logs.s3.prefix").to_owned(),
            region: owner.next()?.to_owned(),
            account: owner.next()?.to_owned(),
            address: self.address.into(),
        })
    }
}

impl TargetGroup {
    /// Tells the data plane what the group's protocol and attributes are now.
    pub(super) fn tune(&self) {
        let own = &self.attributes;
        let count = |what: &str| {
            number(own, &format!("target_group_health.unhealthy_state_routing.minimum_healthy_targets.{what}"))
        };
        let sticky = is_true(own, "stickiness.enabled");
        let settings = plane::GroupSettings {
            version: match self.settings.version {
                Some(Version::Http2) => plane::TargetProtocol::Http2,
                Some(Version::Grpc) => plane::TargetProtocol::Grpc,
                Some(Version::Http1) | None => plane::TargetProtocol::Http1,
            },
            tls: self.settings.protocol.is_secure(),
            algorithm: match text(own, "load_balancing.algorithm.type") {
                "least_outstanding_requests" => plane::Algorithm::LeastOutstanding,
                "weighted_random" => plane::Algorithm::WeightedRandom,
                // Flows are spread by chance, as hashes of their addresses spread them on AWS.
                "" => plane::Algorithm::WeightedRandom,
                _ => plane::Algorithm::RoundRobin,
            },
            slow_start: seconds(own, "slow_start.duration_seconds").unwrap_or_default(),
            stickiness: if sticky { self.stickiness() } else { None },
            healthy_min_count: count("count").unwrap_or(1),
            healthy_min_percent: count("percentage").unwrap_or(0),
            cross_zone: match text(own, "load_balancing.cross_zone.enabled") {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            unhealthy_terminates: is_true(own, "target_health_state.unhealthy.connection_termination.enabled"),
            deregistration_terminates: is_true(own, "deregistration_delay.connection_termination.enabled"),
            proxy_protocol: is_true(own, "proxy_protocol_v2.enabled"),
        };
        self.plane.set_settings(settings);
    }

    fn stickiness(&self) -> Option<plane::TargetStickiness> {
        let own = &self.attributes;
        let good_for = |key: &str| seconds(own, key).unwrap_or(Duration::from_secs(86_400));
        match text(own, "stickiness.type") {
            "lb_cookie" => {
                let good_for = good_for("stickiness.lb_cookie.duration_seconds");
                Some(plane::TargetStickiness::BalancerCookie(good_for))
            }
            "app_cookie" => Some(plane::TargetStickiness::AppCookie {
                name: text(own, "stickiness.app_cookie.cookie_name").to_owned(),
                duration: good_for("stickiness.app_cookie.duration_seconds"),
            }),
            "source_ip" => Some(plane::TargetStickiness::SourceIp),
            _ => None,
        }
    }
}

impl Listener {
    /// What it speaks, with its certificates as they are now. A certificate that was never imported or requested is
    /// made up, so that any ARN will do.
    pub(super) fn speaks(&self, acm: &Acm) -> Result<plane::Protocol, plane::InvalidCertificate> {
        let Some(tls) = &self.tls else {
            return Ok(if self.protocol == Protocol::Tcp { plane::Protocol::Tcp } else { plane::Protocol::Http });
        };
        let tls = tls.for_plane(acm)?;
        Ok(if self.protocol == Protocol::Tls { plane::Protocol::Tls(tls) } else { plane::Protocol::Https(tls) })
    }

    /// What its attributes say.
    pub(super) fn plane_settings(&self) -> plane::ListenerSettings {
        let own = &self.attributes;
        let default = plane::ListenerSettings::default();
        let header = |(key, value): (&String, &String)| {
            let name = key.strip_prefix("routing.http.response.")?.strip_suffix(".header_value")?;
            if value.is_empty() {
                return None;
            }
            let name = HeaderName::from_str(&name.replace('_', "-")).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        plane::ListenerSettings {
            hide_server: text(own, "routing.http.response.server.enabled") == "false",
            response_headers: own.iter().filter_map(header).collect(),
            tcp_idle: seconds(own, "tcp.idle_timeout.seconds").unwrap_or(default.tcp_idle),
        }
    }
}

impl Tls {
    fn for_plane(&self, acm: &Acm) -> Result<plane::Tls, plane::InvalidCertificate> {
        let all = [&self.certificate].into_iter().chain(&self.others);
        let certificates = all.map(|arn| match acm.pem(arn) {
            Some((chain, key)) => plane::Certificate::from_pem(arn, &chain, &key),
            None => plane::Certificate::self_made(arn, &["localhost"]),
        });
        let alpn: &[&str] = match self.alpn.as_deref() {
            Some("HTTP1Only") => &["http/1.1", "http/1.0"],
            Some("HTTP2Only") => &["h2"],
            Some("HTTP2Optional") => &["http/1.1", "http/1.0", "h2"],
            Some("HTTP2Preferred") => &["h2", "http/1.1", "http/1.0"],
            _ => &[],
        };
        Ok(plane::Tls {
            certificates: certificates.collect::<Result<_, _>>()?,
            versions: plane::TlsVersions::of_policy(&self.policy),
            alpn: alpn.iter().map(|protocol| (*protocol).to_owned()).collect(),
        })
    }
}
