//! The seed's hosted zone, and a weighted alias record per color.

use aws_sdk_route53::types::{AliasTarget, Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecordSet, RrType};

use super::balancing::Balanced;
use super::{Clients, Seed, failed, lacks, until};
use crate::dev::DevError;

/// The first color at 255, the other at 0; returns the zone's id.
pub(super) async fn create(
    clients: &Clients,
    seed: &Seed,
    zone: &str,
    record: &str,
    balanced: &Balanced,
) -> Result<String, DevError> {
    let made = clients.route53.create_hosted_zone().name(zone).caller_reference(format!("{}-{zone}", seed.environment));
    let made = made.send().await.map_err(failed("create the hosted zone"))?;
    let zone = made.hosted_zone.ok_or_else(lacks("hosted zone"))?.id;
    let mut batch = ChangeBatch::builder();
    for (at, (color, name)) in seed.colors.iter().zip(&balanced.names).enumerate() {
        let target = AliasTarget::builder().hosted_zone_id(&balanced.hosted_zone).dns_name(name);
        let target = target.evaluate_target_health(false).build().map_err(failed("describe an alias"))?;
        let set = ResourceRecordSet::builder().name(record).r#type(RrType::A).set_identifier(color);
        let set = set.weight(if at == 0 { 255 } else { 0 }).alias_target(target).build();
        let change = Change::builder().action(ChangeAction::Create);
        let change = change.resource_record_set(set.map_err(failed("describe a record"))?).build();
        batch = batch.changes(change.map_err(failed("describe a change"))?);
    }
    let batch = batch.build().map_err(failed("describe the records"))?;
    let made = clients.route53.change_resource_record_sets().hosted_zone_id(&zone).change_batch(batch);
    let made = made.send().await.map_err(failed("create the records"))?;
    let change = made.change_info.ok_or_else(lacks("change"))?.id;
    until("INSYNC of the records", async || {
        let look = clients.route53.get_change().id(&change).send().await.map_err(failed("look at the change"))?;
        let status = look.change_info.map(|info| info.status);
        Ok((status != Some(ChangeStatus::Insync)).then(|| format!("the change is {status:?}")))
    })
    .await?;
    Ok(zone)
}
