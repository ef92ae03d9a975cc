//! The decoded file to the [`Environment`] that the other rooms read.

use std::path::{Path, PathBuf};

use crate::release::Color;

use super::environment::{
    ColorConfig, CommandCheck, Compute, Converge, Dns, DnsKind, Environment, Expect, Health, HttpCheck, Instances,
    JournalLocation, Listener, ReleasePolicy, RuleMatch, SmokeCheck, Switch, TcpCheck,
};
use super::file::{
    ColorFile, ComputeFile, ConvergeFile, DnsFile, DnsKindFile, EnvironmentFile, ListenerFile, RuleFile, StrategyFile,
    SwitchFile,
};
use super::smoke_file::SmokeFile;
use super::tree::Node;

/// The environment that `file` describes. `root` is the tree it was decoded from, and knows the order of the colors.
pub(super) fn environment(file: EnvironmentFile, root: &Node, path: &Path) -> Environment {
    let folder = path.parent().unwrap_or(Path::new(""));
    let [switch] = file.switches;
    Environment {
        file: path.to_owned(),
        name: file.name,
        region: file.region,
        account: file.account,
        journal: journal(&file.journal, folder),
        colors: colors(file.colors, root),
        switch: match switch {
            SwitchFile::Listener(listener) => Switch::Listener(self::listener(listener)),
            SwitchFile::Dns(dns) => Switch::Dns(self::dns(dns)),
        },
        compute: match file.compute {
            ComputeFile::Instances(i) => Compute::Instances(Instances {
                launch_template: i.launch_template,
                version: i.version,
                count: i.count,
                subnets: i.subnets,
            }),
        },
        health: Health { consecutive: file.health.consecutive, timeout: file.health.timeout.0 },
        smoke: file.smoke.into_iter().map(smoke).collect(),
        release: match file.release.strategy {
            StrategyFile::AllAtOnce => {
                ReleasePolicy { converge: converge(file.release.converge), bake: file.release.bake.0 }
            }
        },
        retain: file.retain.0,
    }
}

/// A bucket and a prefix, or a folder.
fn journal(text: &str, folder: &Path) -> JournalLocation {
    match text.strip_prefix("s3://") {
        Some(place) => {
            let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
            JournalLocation::S3 { bucket: bucket.into(), prefix: prefix.trim_end_matches('/').into() }
        }
        None => JournalLocation::Folder(absolute(folder.join(text))),
    }
}

/// The path from the root of the file system, or as it is where the current folder is gone.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn colors(mut colors: std::collections::BTreeMap<String, ColorFile>, root: &Node) -> [ColorConfig; 2] {
    let order = root.get("colors").map_or(&[][..], |e| e.node.entries());
    let in_order: Vec<ColorConfig> = order
        .iter()
        .filter_map(|entry| colors.remove_entry(&entry.key))
        .map(|(name, color)| ColorConfig {
            name: Color::new(name),
            target_group: color.target_group,
            load_balancer: color.load_balancer.map(|l| l.0),
        })
        .collect();
    in_order.try_into().expect("the check has refused every file that has not exactly two colors")
}

fn listener(listener: ListenerFile) -> Listener {
    Listener {
        load_balancer: listener.load_balancer.0,
        port: listener.port,
        rule: listener.rule.map(|rule| match rule {
            RuleFile::Path(path) => RuleMatch::Path(path),
            RuleFile::Host(host) => RuleMatch::Host(host),
            RuleFile::Priority(priority) => RuleMatch::Priority(priority),
        }),
    }
}

fn dns(dns: DnsFile) -> Dns {
    Dns {
        zone: dns.zone.trim_end_matches('.').to_owned(),
        record: dns.record.trim_end_matches('.').to_owned(),
        kind: match dns.kind {
            DnsKindFile::A => DnsKind::A,
            DnsKindFile::Aaaa => DnsKind::Aaaa,
            DnsKindFile::Cname => DnsKind::Cname,
        },
        port: dns.port,
    }
}

fn smoke(check: SmokeFile) -> SmokeCheck {
    match check {
        SmokeFile::Http(http) => SmokeCheck::Http(HttpCheck {
            path: http.path,
            port: http.port,
            host: http.host,
            expect: Expect {
                status: http.expect.status,
                body_contains: http.expect.body_contains,
                within: http.expect.within.0,
            },
            attempts: http.attempts,
            pause: http.pause.0,
        }),
        SmokeFile::Tcp(tcp) => {
            SmokeCheck::Tcp(TcpCheck { port: tcp.port, within: tcp.within.0, attempts: tcp.attempts })
        }
        SmokeFile::Command(command) => {
            SmokeCheck::Command(CommandCheck { run: command.run, timeout: command.timeout.0 })
        }
    }
}

fn converge(converge: ConvergeFile) -> Converge {
    Converge {
        probe: converge.probe,
        quiet: converge.quiet.0,
        no_requests: converge.no_requests.0,
        timeout: converge.timeout.0,
    }
}
