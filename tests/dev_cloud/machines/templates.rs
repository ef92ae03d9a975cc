//! Launch templates and their versions.

use aws_sdk_ec2::types::{LaunchTemplateSpecification, RequestLaunchTemplateData, ResponseLaunchTemplateData};

use super::*;

fn data() -> aws_sdk_ec2::types::builders::RequestLaunchTemplateDataBuilder {
    RequestLaunchTemplateData::builder()
}

fn specification(id: &str, version: Option<&str>) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder().launch_template_id(id).set_version(version.map(str::to_owned)).build()
}

/// `web`: version 1 with image V0 and user data.
async fn template(rig: &Rig) -> String {
    let data = data().image_id(V0).instance_type(InstanceType::T3Micro).user_data("b25l").build();
    let made = rig.ec2.create_launch_template().launch_template_name("web").launch_template_data(data);
    made.send().await.unwrap().launch_template.unwrap().launch_template_id.unwrap()
}

async fn version(rig: &Rig, id: &str, source: Option<&str>, image: &str) -> ResponseLaunchTemplateData {
    let make =
        rig.ec2.create_launch_template_version().launch_template_id(id).set_source_version(source.map(str::to_owned));
    let made = make.launch_template_data(data().image_id(image).build()).send().await.unwrap();
    made.launch_template_version.unwrap().launch_template_data.unwrap()
}

/// The image of what a launch without a version gets.
async fn launched(rig: &Rig, id: &str, version: Option<&str>) -> String {
    let run = rig.ec2.run_instances().launch_template(specification(id, version)).min_count(1).max_count(1);
    let run = run.subnet_id(&rig.world.subnets[0]).send().await.unwrap();
    run.instances()[0].image_id().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn default_and_latest_move_and_a_source_is_what_is_inherited_from() {
    let rig = rig(options()).await;
    let id = template(&rig).await;
    assert_eq!(version(&rig, &id, None, V1).await.user_data(), None, "nothing without a source");
    assert_eq!(version(&rig, &id, Some("1"), V1).await.user_data(), Some("b25l"));
    assert_eq!(launched(&rig, &id, None).await, V0, "$Default, which is still 1");
    assert_eq!(launched(&rig, &id, Some("$Latest")).await, V1);
    rig.ec2.modify_launch_template().launch_template_id(&id).default_version("3").send().await.unwrap();
    assert_eq!(launched(&rig, &id, Some("$Default")).await, V1);
    assert_eq!(launched(&rig, &id, Some("1")).await, V0);
    let read = rig.ec2.describe_launch_template_versions().launch_template_id(&id).send().await.unwrap();
    let numbers: Vec<_> = read.launch_template_versions().iter().filter_map(|each| each.version_number()).collect();
    assert_eq!(numbers, [3, 2, 1], "the newest first");
    let read = rig.ec2.describe_launch_template_versions().versions("$Default").send().await.unwrap();
    assert_eq!(read.launch_template_versions().len(), 2, "of the seed's template and of this one");
    let found = rig.ec2.describe_launch_template_versions().launch_template_id(&id);
    let found = found.filters(filter("is-default-version", "true")).send().await.unwrap();
    assert_eq!(found.launch_template_versions()[0].version_number(), Some(3));
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_beats_the_template_field_by_field() {
    let rig = rig(options()).await;
    let id = template(&rig).await;
    let run = rig.ec2.run_instances().launch_template(specification(&id, Some("1"))).min_count(1).max_count(1);
    let run = run.subnet_id(&rig.world.subnets[0]).image_id(V1).send().await.unwrap();
    let seen = &run.instances()[0];
    assert_eq!((seen.image_id(), seen.instance_type()), (Some(V1), Some(&InstanceType::T3Micro)));
    let tag = |key: &str| seen.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    assert_eq!(tag("aws:ec2launchtemplate:id"), Some(id.as_str()));
    assert_eq!(tag("aws:ec2launchtemplate:version"), Some("1"));
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn versions_and_templates_can_be_deleted_but_not_the_default_one() {
    let rig = rig(options()).await;
    let id = template(&rig).await;
    version(&rig, &id, None, V1).await;
    let delete = rig.ec2.delete_launch_template_versions().launch_template_id(&id);
    let deleted = delete.versions("1").versions("2").versions("9").send().await.unwrap();
    let done = deleted.successfully_deleted_launch_template_versions();
    assert_eq!((done.len(), done[0].version_number()), (1, Some(2)));
    let refused = deleted.unsuccessfully_deleted_launch_template_versions();
    let codes: Vec<_> = refused.iter().map(|each| each.response_error().unwrap().code().unwrap().as_str()).collect();
    assert_eq!(codes, ["unexpectedError", "launchTemplateVersionDoesNotExist"]);
    assert_eq!(
        code(
            rig.ec2
                .run_instances()
                .launch_template(specification(&id, Some("2")))
                .min_count(1)
                .max_count(1)
                .subnet_id(&rig.world.subnets[0])
                .send()
                .await
        ),
        "InvalidLaunchTemplateId.VersionNotFound"
    );
    version(&rig, &id, None, V1).await;
    let read = rig.ec2.describe_launch_templates().launch_template_ids(&id).send().await.unwrap();
    assert_eq!(read.launch_templates()[0].latest_version_number(), Some(3), "numbers are never used again");
    rig.ec2.delete_launch_template().launch_template_name("web").send().await.unwrap();
    let gone = rig.ec2.describe_launch_templates().launch_template_ids(&id).send().await;
    assert_eq!(code(gone), "InvalidLaunchTemplateId.NotFound");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn making_the_same_again_with_the_same_token_makes_nothing() {
    let rig = rig(options()).await;
    let create = |image: &str| {
        let create = rig.ec2.create_launch_template().launch_template_name("api").client_token("t");
        create.launch_template_data(data().image_id(image).build()).send()
    };
    let id = create(V0).await.unwrap().launch_template.unwrap().launch_template_id.unwrap();
    assert_eq!(create(V0).await.unwrap().launch_template.unwrap().launch_template_id.unwrap(), id);
    assert_eq!(code(create(V1).await), "IdempotentParameterMismatch");
    let other = rig.ec2.create_launch_template().launch_template_name("api");
    let other = other.launch_template_data(data().image_id(V0).build()).send().await;
    assert_eq!(code(other), "InvalidLaunchTemplateName.AlreadyExistsException");
    let empty = rig.ec2.create_launch_template().launch_template_name("empty").launch_template_data(data().build());
    assert_eq!(code(empty.send().await), "MissingParameter");
    rig.cloud.shutdown().await;
}

/// There is no client of SSM among the dependencies.
async fn put_parameter(rig: &Rig, value: &str) {
    let scope = "Credential=000000000000/20260101/eu-west-1/ssm/aws4_request, SignedHeaders=host, Signature=0";
    let put = reqwest::Client::builder().no_proxy().build().unwrap().post(rig.cloud.url());
    let put = put.header("X-Amz-Target", "AmazonSSM.PutParameter").header("Content-Type", "application/x-amz-json-1.1");
    let body = serde_json::json!({ "Name": "/web/image", "Type": "String", "Value": value, "Overwrite": true });
    let put = put.header("Authorization", format!("AWS4-HMAC-SHA256 {scope}")).body(body.to_string());
    let answer = put.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn an_image_behind_a_parameter_is_looked_up_at_each_launch() {
    let rig = Rig::start(DevOptions { run_delay: Duration::ZERO, ..options() }, empty()).await;
    let data = data().image_id("resolve:ssm:/web/image").instance_type(InstanceType::T3Micro).build();
    let made = rig.ec2.create_launch_template().launch_template_name("moving").launch_template_data(data);
    let id = made.send().await.unwrap().launch_template.unwrap().launch_template_id.unwrap();
    let run = rig.ec2.run_instances().launch_template(specification(&id, None)).min_count(1).max_count(1);
    assert_eq!(code(run.subnet_id(&rig.world.subnets[0]).send().await), "InvalidParameterValue", "no such parameter");
    put_parameter(&rig, V0).await;
    assert_eq!(launched(&rig, &id, None).await, V0);
    put_parameter(&rig, V1).await;
    assert_eq!(launched(&rig, &id, None).await, V1, "the same version of the template, another image");
    rig.cloud.shutdown().await;
}
