//! A DNS switch: the zone, the pair of weighted records, and each color's load balancer.

use std::collections::BTreeMap;

use aws_sdk_route53::types::{HostedZone, ResourceRecordSet};

use super::{Route, names, route_pin};
use crate::cloud::{Cloud, CloudError, records};
use crate::config::{ColorConfig, Dns, DnsKind};
use crate::release::{Color, Problem, RecordPin, SwitchPin};

/// Time to live of an alias of a load balancer, in seconds: AWS's own, the record has none.
const ALIAS_TTL_SECONDS: u32 = 60;

impl Cloud {
    pub(super) async fn dns_route(&self, dns: &Dns, colors: &[ColorConfig; 2]) -> Result<Route, CloudError> {
        let mut balancer_names = Vec::new();
        for color in colors {
            balancer_names.push(color.load_balancer.as_deref().ok_or_else(|| {
                let problem = Problem {
                    saw: format!("the color {} has no load balancer of its own", color.name),
                    expected: "`load-balancer:` for each color, as a DNS switch needs it".into(),
                    run: vec![],
                };
                CloudError::refused("elbv2:DescribeLoadBalancers", problem)
            })?);
        }
        let behind = async {
            let [a, b] = <[_; 2]>::try_from(self.balancers(&balancer_names).await?)
                .map_err(|_| CloudError::incomplete("elbv2:DescribeLoadBalancers", "load balancer of each color"))?;
            let (la, lb) = tokio::try_join!(self.listener_on(&a, dns.port), self.listener_on(&b, dns.port))?;
            Ok::<_, CloudError>(([a, b], [la, lb]))
        };
        let ((balancers, listeners), (zone, pair)) = tokio::try_join!(behind, self.zone_with_pair(dns, colors))?;
        // Whoever asks the load balancer directly sends the name that clients send.
        let host = Some(dns.record.clone());
        let entries: BTreeMap<_, _> = colors
            .iter()
            .zip(balancers.iter().zip(&listeners))
            .map(|(color, (balancer, listener))| {
                (color.name.clone(), route_pin(balancer, listener, dns.port, host.clone()))
            })
            .collect();
        for record in &pair {
            let entry = entries.iter().find(|(color, _)| record.set_identifier() == Some(color.as_str()));
            let target = records::target(record);
            if let Some((color, entry)) = entry
                && target.as_deref() != Some(records::normal(&entry.dns_name).as_str())
            {
                let target = target.unwrap_or_else(|| "several values".into());
                let saw = format!("the record {} of {color} points at {target}", dns.record);
                let expected = format!("it points at {}, the load balancer of {color}", entry.dns_name);
                return Err(refused(saw, expected, &zone, dns));
            }
        }
        let pin = RecordPin {
            zone,
            name: format!("{}.", dns.record.trim_end_matches('.')),
            record_type: record_type(dns.kind).to_owned(),
            ttl_seconds: ttl_seconds(&pair),
            entries,
        };
        Ok(Route { pin: SwitchPin::Records(pin), balancers })
    }

    /// The zone's id, and the two records in it: a name can belong to a public and to private zones.
    async fn zone_with_pair(
        &self,
        dns: &Dns,
        colors: &[ColorConfig; 2],
    ) -> Result<(String, Vec<ResourceRecordSet>), CloudError> {
        let zones = self.zones(&dns.zone).await?;
        if zones.is_empty() {
            let problem = Problem::new(
                format!("there is no hosted zone {}", dns.zone),
                "a hosted zone with the name in the environment file",
                "aws route53 list-hosted-zones-by-name",
            );
            return Err(CloudError::refused("route53:ListHostedZonesByName", problem));
        }
        let ids: Vec<_> = zones.iter().map(|z| z.id().trim_start_matches("/hostedzone/").to_owned()).collect();
        let asked = ids.iter().map(|id| self.records(id, &dns.record, record_type(dns.kind)));
        let lists = futures_util::future::try_join_all(asked).await?;
        let colors: Vec<_> = colors.iter().map(|c| &c.name).collect();
        let mut found: Vec<_> =
            ids.iter().cloned().zip(lists).filter_map(|(id, list)| Some((id, pair(list, &colors)?))).collect();
        if found.len() == 1 {
            return Ok(found.remove(0));
        }
        let kind = record_type(dns.kind);
        let wanted =
            format!("two weighted {kind} records of {} with the set identifiers {}", dns.record, names(&colors));
        if found.is_empty() {
            let saw = format!("the hosted zone {} ({}) has not both records", dns.zone, ids.join(", "));
            return Err(refused(saw, wanted, &ids[0], dns));
        }
        let saw =
            format!("{} hosted zones are called {} and hold such records: {}", found.len(), dns.zone, ids.join(", "));
        Err(refused(saw, format!("one zone that holds {wanted}"), &ids[0], dns))
    }

    /// Every hosted zone of this name, in every page.
    async fn zones(&self, name: &str) -> Result<Vec<HostedZone>, CloudError> {
        let mut found = Vec::new();
        let mut start = (name.to_owned(), None::<String>);
        loop {
            let (start_name, start_id) = start;
            let page = self
                .route53
                .list_hosted_zones_by_name()
                .dns_name(start_name)
                .set_hosted_zone_id(start_id)
                .send()
                .await
                .map_err(|e| CloudError::read("route53:ListHostedZonesByName", e))?;
            // The list is in order and starts at the name: the first other zone is the end.
            let ours =
                page.hosted_zones.iter().take_while(|z| records::normal(z.name()) == records::normal(name)).count();
            let all_ours = ours == page.hosted_zones.len();
            found.extend(page.hosted_zones.into_iter().take(ours));
            start = match (all_ours && page.is_truncated, page.next_dns_name) {
                (true, Some(next_name)) => (next_name, page.next_hosted_zone_id),
                _ => return Ok(found),
            };
        }
    }
}

fn record_type(kind: DnsKind) -> &'static str {
    match kind {
        DnsKind::A => "A",
        DnsKind::Aaaa => "AAAA",
        DnsKind::Cname => "CNAME",
    }
}

/// The weighted records of both colors, where both are there.
fn pair(list: Vec<ResourceRecordSet>, colors: &[&Color]) -> Option<Vec<ResourceRecordSet>> {
    let ours =
        |r: &ResourceRecordSet| r.weight().is_some() && colors.iter().any(|c| r.set_identifier() == Some(c.as_str()));
    let pair: Vec<_> = list.into_iter().filter(ours).collect();
    (pair.len() == colors.len()).then_some(pair)
}

/// The longest time to live of the records: resolvers may answer the old way for that long.
fn ttl_seconds(pair: &[ResourceRecordSet]) -> u32 {
    let ttl = |r: &ResourceRecordSet| match r.ttl() {
        Some(ttl) if r.alias_target().is_none() => u32::try_from(ttl).unwrap_or(0),
        _ => ALIAS_TTL_SECONDS,
    };
    // Never 0, which would say that there are no resolvers to wait for.
    pair.iter().map(ttl).max().unwrap_or(ALIAS_TTL_SECONDS).max(1)
}

fn refused(saw: String, expected: String, zone: &str, dns: &Dns) -> CloudError {
    let look = format!(
        "aws route53 list-resource-record-sets --hosted-zone-id {zone} --start-record-name {} --start-record-type {} \
         --max-items 10",
        dns.record,
        record_type(dns.kind)
    );
    CloudError::refused("route53:ListResourceRecordSets", Problem::new(saw, expected, look))
}
