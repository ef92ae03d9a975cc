//! Stopping, starting, rebooting, terminating; what protects from it.

use aws_sdk_ec2::types::AttributeBooleanValue;

use super::*;

async fn protect(rig: &Rig, id: &str, protected: bool) {
    let flag = AttributeBooleanValue::builder().value(protected).build();
    rig.ec2.modify_instance_attribute().instance_id(id).disable_api_termination(flag).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stopped_instance_keeps_its_address_and_starts_again() {
    let rig = rig(options()).await;
    let id = running(&rig).await;
    let before = instance(&rig, &id).await;
    let stop = rig.ec2.stop_instances().instance_ids(&id).send().await.unwrap();
    let change = &stop.stopping_instances()[0];
    let name = |state: Option<&aws_sdk_ec2::types::InstanceState>| state.unwrap().name().unwrap().as_str().to_owned();
    assert_eq!((name(change.previous_state()), name(change.current_state())), ("running".into(), "stopping".into()));
    rig.until_instance(&id, "stopped").await;
    assert!(rig.cloud.machine(&id).is_none(), "nothing runs behind it");
    let stopped = instance(&rig, &id).await;
    assert_eq!(stopped.private_ip_address(), before.private_ip_address());
    assert_eq!(stopped.state_reason().unwrap().code(), Some("Client.UserInitiatedShutdown"));
    rig.ec2.start_instances().instance_ids(&id).send().await.unwrap();
    assert_eq!(rig.instance_state(&id).await, "pending");
    rig.until_instance(&id, "running").await;
    let after = instance(&rig, &id).await;
    assert!(after.launch_time() > before.launch_time());
    assert_eq!((after.state_reason(), after.private_ip_address()), (None, before.private_ip_address()));
    let machine = rig.cloud.machine(&id).unwrap();
    rig.ec2.reboot_instances().instance_ids(&id).send().await.unwrap();
    machine.wait().await;
    while rig.cloud.machine(&id).is_none() {
        sleep(rig.pause).await;
    }
    assert_eq!(rig.instance_state(&id).await, "running");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_in_a_state_is_refused() {
    let rig = rig(options()).await;
    let id = ids(&run(&rig, 1).send().await.unwrap()).remove(0);
    let stop = || rig.ec2.stop_instances().instance_ids(&id).send();
    let wrong = "IncorrectInstanceState";
    assert_eq!(code(stop().await), wrong, "pending");
    rig.until_instance(&id, "running").await;
    rig.ec2.start_instances().instance_ids(&id).send().await.unwrap();
    assert_eq!(rig.instance_state(&id).await, "running", "starting what runs changes nothing");
    stop().await.unwrap();
    assert_eq!(code(rig.ec2.start_instances().instance_ids(&id).send().await), wrong, "stopping");
    rig.until_instance(&id, "stopped").await;
    assert_eq!(code(rig.ec2.reboot_instances().instance_ids(&id).send().await), wrong, "stopped");
    rig.ec2.terminate_instances().instance_ids(&id).send().await.unwrap();
    rig.until_instance(&id, "terminated").await;
    assert_eq!(code(stop().await), wrong, "terminated");
    let again = rig.ec2.terminate_instances().instance_ids(&id).send().await.unwrap();
    assert_eq!(again.terminating_instances()[0].current_state().unwrap().name().unwrap().as_str(), "terminated");
    let hibernate = rig.ec2.stop_instances().instance_ids(&id).hibernate(true).send().await;
    assert_eq!(code(hibernate), "UnknownParameter");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_protected_instance_saves_all_of_the_call_in_its_zone_and_only_those() {
    let rig = rig(options()).await;
    let here = ids(&run(&rig, 2).send().await.unwrap());
    let there = ids(&run(&rig, 1).subnet_id(&rig.world.subnets[1]).send().await.unwrap());
    for id in here.iter().chain(&there) {
        rig.until_instance(id, "running").await;
    }
    protect(&rig, &here[0], true).await;
    let all = [here.as_slice(), &there].concat();
    let end = || rig.ec2.terminate_instances().set_instance_ids(Some(all.clone())).send();
    assert_eq!(code(end().await), "OperationNotPermitted");
    rig.until_instance(&there[0], "terminated").await;
    assert_eq!(
        (rig.instance_state(&here[0]).await, rig.instance_state(&here[1]).await),
        ("running".into(), "running".into())
    );
    protect(&rig, &here[0], false).await;
    end().await.unwrap();
    rig.until_instance(&here[1], "terminated").await;
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_terminated_instance_is_seen_for_an_hour() {
    let rig = rig(options()).await;
    let id = running(&rig).await;
    rig.ec2.terminate_instances().instance_ids(&id).send().await.unwrap();
    rig.until_instance(&id, "terminated").await;
    let seen = instance(&rig, &id).await;
    assert_eq!((seen.vpc_id(), seen.private_ip_address(), seen.network_interfaces().len()), (None, None, 0));
    assert!(seen.state_transition_reason().unwrap().starts_with("User initiated ("), "{seen:?}");
    sleep(Duration::from_secs(59 * 60)).await;
    assert_eq!(rig.instance_state(&id).await, "terminated");
    sleep(Duration::from_secs(2 * 60)).await;
    let gone = rig.ec2.describe_instances().instance_ids(&id).send().await;
    assert_eq!(code(gone), "InvalidInstanceID.NotFound");
    assert!(find(&rig, &[]).await.is_empty());
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn attributes_change_when_they_can() {
    let rig = rig(options()).await;
    let id = running(&rig).await;
    let value = |text: &str| aws_sdk_ec2::types::AttributeValue::builder().value(text).build();
    let resize = || rig.ec2.modify_instance_attribute().instance_id(&id).instance_type(value("t3.small")).send();
    assert_eq!(code(resize().await), "IncorrectInstanceState");
    let on = AttributeBooleanValue::builder().value(true).build();
    rig.ec2.modify_instance_attribute().instance_id(&id).disable_api_stop(on).send().await.unwrap();
    let stop = || rig.ec2.stop_instances().instance_ids(&id).send();
    assert_eq!(code(stop().await), "OperationNotPermitted");
    let off = AttributeBooleanValue::builder().value(false).build();
    rig.ec2.modify_instance_attribute().instance_id(&id).disable_api_stop(off).send().await.unwrap();
    stop().await.unwrap();
    rig.until_instance(&id, "stopped").await;
    resize().await.unwrap();
    assert_eq!(instance(&rig, &id).await.instance_type(), Some(&InstanceType::T3Small));
    let required = rig.ec2.modify_instance_metadata_options().instance_id(&id).http_tokens("required".into());
    let options = required.send().await.unwrap().instance_metadata_options.unwrap();
    assert_eq!((options.http_tokens().unwrap().as_str(), options.http_put_response_hop_limit()), ("required", Some(1)));
    rig.cloud.shutdown().await;
}
