//! The instance metadata service, as programs on an instance meet it.

use aws_sdk_ec2::types::{InstanceMetadataOptionsRequest, ResourceType, Tag, TagSpecification};

use super::super::support;
use super::*;

/// A program that writes down where its metadata is.
fn tells() -> Image {
    let text = "echo $AWS_EC2_METADATA_SERVICE_ENDPOINT; exec sleep 1000";
    Image::new(vec!["sh".into(), "-c".into(), text.into()], 8080)
}

struct Metadata {
    http: reqwest::Client,
    base: String,
}

impl Metadata {
    /// Of a running instance, found in what its program has printed.
    async fn of(logs: &tempfile::TempDir, id: &str) -> Self {
        let log = logs.path().join(format!("{id}.log"));
        let base = loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            match text.lines().next() {
                Some(line) => break line.to_owned(),
                None => sleep(Duration::from_millis(10)).await,
            }
        };
        Self { http: reqwest::Client::builder().no_proxy().build().unwrap(), base }
    }

    async fn token(&self, seconds: &str) -> (u16, String) {
        let put = self.http.put(format!("{}/latest/api/token", self.base));
        let answer = put.header("X-aws-ec2-metadata-token-ttl-seconds", seconds).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let mut get = self.http.get(format!("{}/latest/{path}", self.base));
        if let Some(token) = token {
            get = get.header("X-aws-ec2-metadata-token", token);
        }
        let answer = get.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

async fn started(logs: &tempfile::TempDir) -> Rig {
    let mut options = DevOptions { logs: Some(logs.path().to_owned()), ..support::options() };
    options.catalogue.images.insert(V1.to_owned(), tells());
    Rig::start(options, empty()).await
}

#[tokio::test]
async fn a_program_learns_who_it_is_with_a_token_or_without_one() {
    let logs = tempfile::TempDir::new().unwrap();
    let rig = started(&logs).await;
    let tag = Tag::builder().key("Name of it").value("web").build();
    let tags = TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag).build();
    let options = InstanceMetadataOptionsRequest::builder().instance_metadata_tags("enabled".into()).build();
    let profile = aws_sdk_ec2::types::IamInstanceProfileSpecification::builder().name("web").build();
    let launched = run(&rig, 1).tag_specifications(tags).metadata_options(options).user_data("AAFoaQ==");
    let launched = launched.iam_instance_profile(profile).send().await.unwrap();
    let id = ids(&launched).remove(0);
    rig.until_instance(&id, "running").await;
    let seen = instance(&rig, &id).await;
    let metadata = Metadata::of(&logs, &id).await;
    let (status, token) = metadata.token("60").await;
    assert_eq!(status, 200);
    let get = async |path: &str| {
        let (status, text) = metadata.get(path, Some(&token)).await;
        assert_eq!(status, 200, "{path}: {text}");
        text
    };
    assert_eq!(get("meta-data/instance-id").await, id);
    assert_eq!(get("meta-data/ami-id").await, V1);
    assert_eq!(get("meta-data/local-ipv4").await, seen.private_ip_address().unwrap());
    assert_eq!(get("meta-data/placement/availability-zone").await, "eu-west-1a");
    assert_eq!(get("meta-data/tags/instance/Name%20of%20it").await, "web");
    assert_eq!(get("user-data").await, "\0\u{1}hi");
    let mac = get("meta-data/mac").await;
    assert_eq!(get(&format!("meta-data/network/interfaces/macs/{mac}/vpc-id")).await, rig.world.vpc);
    assert!(get("meta-data/").await.lines().any(|line| line == "placement/"));
    let document: serde_json::Value = serde_json::from_str(&get("dynamic/instance-identity/document").await).unwrap();
    assert_eq!((document["instanceId"].as_str(), document["region"].as_str()), (Some(id.as_str()), Some(REGION)));
    assert_eq!(get("meta-data/iam/security-credentials/").await, "web");
    let credentials = get("meta-data/iam/security-credentials/web").await;
    let credentials: serde_json::Value = serde_json::from_str(&credentials).unwrap();
    assert_eq!(credentials["Code"], "Success");
    assert_eq!(metadata.get("meta-data/instance-id", None).await, (200, id.clone()), "tokens are optional");
    assert_eq!(metadata.get("meta-data/instance-id", Some("made up")).await.0, 401);
    assert_eq!(metadata.get("meta-data/nothing", None).await.0, 404);
    for seconds in ["0", "21601", "soon"] {
        assert_eq!(metadata.token(seconds).await.0, 400, "{seconds}");
    }

    let required = rig.ec2.modify_instance_metadata_options().instance_id(&id).http_tokens("required".into());
    required.send().await.unwrap();
    assert_eq!(metadata.get("meta-data/instance-id", None).await.0, 401);
    assert_eq!(get("meta-data/instance-id").await, id);
    rig.cloud.shutdown().await;
    assert!(metadata.http.get(&metadata.base).send().await.is_err(), "it ends with the cloud");
}

#[tokio::test]
async fn what_is_switched_off_is_not_served_and_tags_only_where_allowed() {
    let logs = tempfile::TempDir::new().unwrap();
    let rig = started(&logs).await;
    let off = InstanceMetadataOptionsRequest::builder().http_endpoint("disabled".into()).build();
    let launched = ids(&run(&rig, 1).metadata_options(off).send().await.unwrap()).remove(0);
    rig.until_instance(&launched, "running").await;
    assert_eq!(Metadata::of(&logs, &launched).await.base, "", "the program is told of no endpoint");
    let plain = running(&rig).await;
    let metadata = Metadata::of(&logs, &plain).await;
    assert_eq!(metadata.get("meta-data/tags/instance/", None).await.0, 404);
    assert_eq!(metadata.get("user-data", None).await.0, 404);
    let put = metadata.http.put(format!("{}/latest/api/token", metadata.base)).header("X-Forwarded-For", "10.0.0.1");
    let proxied = put.header("X-aws-ec2-metadata-token-ttl-seconds", "60").send().await.unwrap();
    assert_eq!(proxied.status().as_u16(), 403, "no token through a proxy");
    rig.cloud.shutdown().await;
}
