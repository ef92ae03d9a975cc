//! Images that are containers, where a Docker engine answers.

use std::process::{Command, Output, Stdio};

use super::super::support;
use super::*;

fn docker(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new("docker").args(arguments).stdin(Stdio::null()).output()
}

/// An image with nothing in it but the sample program and the libraries that it is linked to; `None` where nobody can
/// make one.
fn image() -> Option<&'static str> {
    const NAME: &str = "switchback-test-sample";
    let engine = docker(&["version"]).ok().filter(|output| output.status.success());
    if engine.is_none() {
        eprintln!("skipped: no Docker engine answers (`docker version`)");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_switchback");
    let libraries = Command::new("ldd").arg(program).output().unwrap();
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    let mut tar = Command::new("tar")
        .args(["--create", "--dereference", "--absolute-names", program])
        .args(paths)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let import = Command::new("docker").args(["import", "-", NAME]).stdin(tar.stdout.take().unwrap()).output().unwrap();
    assert!(tar.wait().unwrap().success() && import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    Some(NAME)
}

#[tokio::test]
async fn a_container_serves_on_the_instances_address_and_goes_with_the_instance() {
    let Some(container) = image() else { return };
    let command = [env!("CARGO_BIN_EXE_switchback"), "dev-app", "--app-version", "boxed"].map(str::to_owned);
    let boxed = Image { container: Some(container.into()), ..Image::new(command.to_vec(), 8080) };
    let mut options = support::options();
    options.catalogue.images.insert(V1.to_owned(), boxed);
    let rig = Rig::start(options, empty()).await;
    let id = running(&rig).await;
    let url = format!("http://{}:8080/version", instance(&rig, &id).await.private_ip_address().unwrap());
    let version = async || rig.cloud.get(&url).await.ok().map(|answer| answer.into_body());
    let mut told = version().await;
    for _ in 0..500 {
        if told.is_some() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
        told = version().await;
    }
    assert_eq!(told.unwrap().as_ref(), b"boxed");
    rig.ec2.terminate_instances().instance_ids(&id).send().await.unwrap();
    rig.until_instance(&id, "terminated").await;
    let left = docker(&["ps", "--all", "--quiet", "--filter", &format!("name={id}")]).unwrap();
    assert!(left.stdout.is_empty(), "{left:?}");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_container_that_nobody_can_run_ends_as_an_instance_with_a_reason() {
    if docker(&["version"]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a Docker engine answers");
        return;
    }
    let mut options = support::options();
    options
        .catalogue
        .images
        .insert(V1.to_owned(), Image { container: Some("shop:1".into()), ..Image::new(vec![], 80) });
    let rig = Rig::start(options, empty()).await;
    let id = ids(&run(&rig, 1).send().await.unwrap()).remove(0);
    rig.until_instance(&id, "terminated").await;
    let reason = instance(&rig, &id).await.state_reason().unwrap().message().unwrap().to_owned();
    assert!(reason.contains("no Docker engine answers"), "{reason}");
    rig.cloud.shutdown().await;
}
