//! The admin endpoint: what a test or a person does to a running dev cloud.

use serde_json::{Value, json};
use switchback::dev::{DevCloud, DevError, DevOptions};

use super::super::support::{Rig, V0, V1, code, empty, options};

struct Admin {
    url: String,
    http: reqwest::Client,
}

impl Admin {
    fn of(cloud: &DevCloud) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: format!("{}/_switchback", cloud.url()), http }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.http.request(method.parse().unwrap(), format!("{}/{path}", self.url));
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }
}

#[tokio::test]
async fn faults_are_set_listed_and_cleared_while_the_cloud_runs() {
    let rig = Rig::start(options(), empty()).await;
    let admin = Admin::of(&rig.cloud);
    let config = rig.cloud.sdk_config("eu-west-1").into_builder();
    let ec2 = aws_sdk_ec2::Client::new(&config.retry_config(aws_config::retry::RetryConfig::disabled()).build());
    let fault =
        json!({ "calls": "ec2:DescribeVpcs", "kind": "error", "status": 503, "code": "Unavailable", "every": 2 });
    assert_eq!(admin.ask("POST", "faults", Some(fault)).await, (201, json!({ "id": 1 })));
    assert!(ec2.describe_vpcs().send().await.is_ok());
    assert_eq!(code(ec2.describe_vpcs().send().await), "Unavailable");
    let (_, listed) = admin.ask("GET", "faults", None).await;
    let fault = &listed["faults"][0];
    assert_eq!((&fault["calls"], &fault["seen"], &fault["met"]), (&json!("ec2:DescribeVpcs"), &json!(2), &json!(1)));
    assert_eq!(admin.ask("DELETE", "faults/1", None).await.0, 200);
    assert_eq!(admin.ask("DELETE", "faults/1", None).await.0, 404);
    assert!(ec2.describe_vpcs().send().await.is_ok());
    assert!(ec2.describe_vpcs().send().await.is_ok());
    let (_, calls) = admin.ask("GET", "calls", None).await;
    assert_eq!(calls["calls"], json!({ "ec2:DescribeVpcs": 4 }), "what the admin endpoint is asked is not counted");
    admin.ask("DELETE", "calls", None).await;
    assert_eq!(admin.ask("GET", "calls", None).await.1["calls"], json!({}));
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn mistakes_are_named() {
    let cloud = DevCloud::start(options()).await.unwrap();
    let admin = Admin::of(&cloud);
    for (fault, named) in [
        (json!({ "calls": "ec2:Nothing", "kind": "throttle" }), "matches no operation"),
        (json!({ "calls": "*", "kind": "explode" }), "no kind of fault"),
        (json!({ "calls": "*", "kind": "throttle", "often": 3 }), "often"),
        (json!({ "kind": "throttle" }), "calls"),
        (json!([]), "invalid"),
    ] {
        let (status, said) = admin.ask("POST", "faults", Some(fault.clone())).await;
        assert!(status == 400 && said["error"].as_str().unwrap().contains(named), "{fault}: {status} {said}");
    }
    let (status, said) = admin.ask("PATCH", "faults", None).await;
    assert!(status == 404 && said["error"].as_str().unwrap().contains("POST"), "{said}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn an_image_changes_its_state_and_a_new_one_runs_only_what_is_listed() {
    let rig = Rig::start(options(), empty()).await;
    let admin = Admin::of(&rig.cloud);
    let states = async || admin.ask("GET", "images", None).await.1["images"].clone();
    assert_eq!(states().await[V0], json!({ "state": "available" }));
    assert_eq!(admin.ask("PUT", &format!("images/{V0}"), Some(json!({ "state": "failed" }))).await.0, 200);
    assert_eq!(states().await[V0], json!({ "state": "failed" }));
    let new = "ami-00000000000000abc";
    let command = json!({ "command": ["/bin/true"], "port": 1 });
    assert_eq!(admin.ask("PUT", &format!("images/{new}"), Some(command)).await.0, 400, "no program from outside");
    assert_eq!(admin.ask("PUT", &format!("images/{new}"), Some(json!({}))).await.0, 404);
    assert_eq!(admin.ask("PUT", &format!("images/{new}"), Some(json!({ "like": V1 }))).await.0, 200);
    assert_eq!(admin.ask("PUT", "images/rm", Some(json!({ "like": V1 }))).await.0, 400);
    let found = rig.ec2.describe_images().image_ids(new).send().await.unwrap();
    assert_eq!(found.images().len(), 1);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_reset_leaves_nothing_but_the_images() {
    let rig = Rig::start(options(), super::super::support::one()).await;
    let admin = Admin::of(&rig.cloud);
    rig.cloud.faults().add(switchback::dev::faults::Fault::throttle("sts:*"));
    let (_, before) = admin.ask("GET", "health", None).await;
    assert_eq!((&before["status"], &before["instances"], &before["faults"]), (&json!("ok"), &json!(1), &json!(1)));
    assert_eq!(admin.ask("POST", "reset", None).await.0, 200);
    let (_, after) = admin.ask("GET", "health", None).await;
    assert_eq!((&after["instances"], &after["faults"], &after["calls"]), (&json!(0), &json!(0), &json!(0)));
    assert!(rig.ec2.describe_vpcs().send().await.unwrap().vpcs().is_empty());
    assert!(rig.elb.describe_load_balancers().send().await.unwrap().load_balancers().is_empty());
    // The same world can be built again, on the same addresses.
    switchback::dev::seed::plant(&rig.cloud, &super::super::support::one()).await.unwrap();
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_region_runs_out_of_capacity_and_of_quota_and_has_room_again() {
    let rig = Rig::start(options(), empty()).await;
    let admin = Admin::of(&rig.cloud);
    let config = rig.cloud.sdk_config("eu-west-1").into_builder();
    let ec2 = aws_sdk_ec2::Client::new(&config.retry_config(aws_config::retry::RetryConfig::disabled()).build());
    let launch = async || {
        let run = ec2.run_instances().image_id(V0).instance_type("t3.micro".into()).min_count(1).max_count(1);
        run.subnet_id(&rig.world.subnets[0]).send().await
    };
    let set = async |said: Value| admin.ask("PUT", "capacity/eu-west-1", Some(said)).await;
    assert_eq!(set(json!({ "shortages": [{ "instance-type": "t3.micro", "instances-max": 1 }] })).await.0, 200);
    let first = launch().await.unwrap().instances()[0].instance_id().unwrap().to_owned();
    assert_eq!(code(launch().await), "InsufficientInstanceCapacity");
    assert_eq!(set(json!({ "vcpus-max": 2 })).await.0, 200);
    assert_eq!(code(launch().await), "VcpuLimitExceeded", "the shortage is over, the quota is used up");
    assert_eq!(set(json!({})).await, (200, json!({})));
    launch().await.unwrap();
    for (path, said) in [
        ("capacity/eu-west-1", json!({ "vcpus": 2 })),
        ("capacity/eu-west-1", json!({ "shortages": [{ "zone": "eu-west-1a" }] })),
        ("capacity/Nowhere!", json!({})),
        ("instances/i-1", json!({ "state": "impaired" })),
    ] {
        assert_eq!(admin.ask("PUT", path, Some(said.clone())).await.0, 400, "{path} {said}");
    }

    rig.until_instance(&first, "running").await;
    let status = async || {
        let found = ec2.describe_instance_status().instance_ids(&first).send().await.unwrap();
        found.instance_statuses()[0].instance_status().unwrap().status().unwrap().as_str().to_owned()
    };
    let path = format!("instances/{first}");
    assert_eq!(admin.ask("PUT", &path, Some(json!({ "impaired": true }))).await.0, 200);
    assert_eq!(status().await, "impaired");
    assert_eq!(admin.ask("PUT", &path, Some(json!({ "impaired": false }))).await.0, 200);
    assert_ne!(status().await, "impaired");
    assert_eq!(admin.ask("PUT", "instances/i-1", Some(json!({ "impaired": true }))).await.0, 404);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn pages_in_a_browser_are_refused() {
    let cloud = DevCloud::start(options()).await.unwrap();
    let admin = Admin::of(&cloud);
    let health = || admin.http.get(format!("{}/health", admin.url));
    assert_eq!(health().send().await.unwrap().status(), 200);
    assert_eq!(health().header("origin", "http://example.com").send().await.unwrap().status(), 403);
    assert_eq!(health().header("host", "example.com").send().await.unwrap().status(), 403);
    assert_eq!(health().header("host", "localhost:4566").send().await.unwrap().status(), 200);
    cloud.shutdown().await;
}

#[tokio::test]
async fn an_address_that_others_can_reach_needs_to_be_allowed() {
    let endpoint = "0.0.0.0:0".parse().unwrap();
    let refused = DevCloud::start(DevOptions { endpoint, ..options() }).await.unwrap_err();
    assert!(matches!(refused, DevError::Remote { .. }), "{refused}");
    let allowed = DevCloud::start(DevOptions { endpoint, allow_remote: true, ..options() }).await.unwrap();
    allowed.shutdown().await;
}
