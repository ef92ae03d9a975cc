//! Every way in which a call can fail, and what is known afterwards.

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use switchback::cloud::{ChangeId, Cloud, CloudError, Kind, Launch};
use switchback::release::{Color, ReleaseId, Traffic};

use super::script::{Asked, Reply, aws, config, ec2_error, error, plain, result};
use super::world::{blue, green, record, record_pins, records, rule, rule_pins};

/// A flip of the rule from blue to green, where AWS answers the write as `reply` says.
async fn flip(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Result<(), CloudError>, Cloud) {
    let (cloud, _) = aws(move |asked| match asked.operation.as_str() {
        "DescribeRules" => result("DescribeRules", &rule(&[("blue", 100), ("green", 0)])),
        _ => reply(asked),
    });
    let pins = rule_pins();
    let reading = cloud.traffic(&pins).await.expect("the rule is there");
    (cloud.flip(&pins, &reading, &blue(), &green()).await.map(drop), cloud)
}

async fn failed_flip(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> CloudError {
    flip(reply).await.0.expect_err("the write fails")
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_throttled_for_a_while_succeeds_and_its_repeats_are_counted_apart() {
    let (done, cloud) = flip(|asked| match asked.before {
        0..3 => error(400, "ThrottlingException", "Rate exceeded"),
        _ => result("ModifyRule", ""),
    })
    .await;
    done.expect("the fourth attempt succeeds");
    let calls = cloud.calls();
    assert_eq!(calls.by_operation["elbv2:ModifyRule"], 1);
    assert_eq!(calls.by_operation["elbv2:DescribeRules"], 1);
    assert_eq!((calls.total(), calls.retries["elbv2:ModifyRule"]), (2, 3));
    assert_eq!(calls.retries.get("elbv2:DescribeRules"), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_throttled_to_the_end_did_not_happen_and_may_be_tried_later() {
    let e = failed_flip(|_| error(400, "ThrottlingException", "Rate exceeded")).await;
    assert_eq!(e.kind, Kind::Throttled);
    assert!(e.transient() && !e.outcome_unknown());
    assert_eq!(e.to_string(), "elbv2:ModifyRule failed: ThrottlingException: Rate exceeded (request id req-9)");
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_may_have_happened() {
    let started = tokio::time::Instant::now();
    let e = failed_flip(|_| Reply::Silence).await;
    assert_eq!(e.kind, Kind::NoAnswer);
    assert!(e.transient() && e.outcome_unknown());
    assert!(e.to_string().ends_with("it may have taken effect all the same"), "{e}");
    let took = started.elapsed();
    assert!(took <= switchback::cloud::CHANGE_TIMEOUT, "given up after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_connection_broke_may_have_happened() {
    let e = failed_flip(|_| Reply::Broken).await;
    assert_eq!((&e.kind, e.outcome_unknown()), (&Kind::NoAnswer, true));
}

#[tokio::test(start_paused = true)]
async fn a_fault_inside_of_aws_leaves_the_outcome_open() {
    let e = failed_flip(|_| error(500, "InternalFailure", "try later")).await;
    assert_eq!((&e.kind, e.outcome_unknown()), (&Kind::NoAnswer, true));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_lost_answer_leaves_the_outcome_open() {
    let e = failed_flip(|asked| match asked.before {
        0 => Reply::Silence,
        _ => error(400, "TargetGroupNotFound", "gone"),
    })
    .await;
    assert_eq!((&e.kind, e.outcome_unknown()), (&Kind::NotFound, true));
}

#[tokio::test(start_paused = true)]
async fn a_plain_refusal_did_not_happen() {
    let e = failed_flip(|_| error(400, "TargetGroupNotFound", "gone")).await;
    assert_eq!((&e.kind, e.outcome_unknown(), e.transient()), (&Kind::NotFound, false, false));
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named_as_iam_calls_it() {
    let e = failed_flip(|_| error(403, "AccessDenied", "User x is not authorized")).await;
    assert_eq!((&e.kind, e.outcome_unknown()), (&Kind::Denied, false));
    assert!(e.to_string().contains("allow elasticloadbalancing:ModifyRule"), "{e}");
    assert_eq!(e.problem().run, ["aws sts get-caller-identity"]);
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_come_with_the_way_to_new_ones() {
    let e = failed_flip(|_| error(403, "ExpiredToken", "The security token included in the request is expired")).await;
    assert_eq!(e.kind, Kind::Credentials);
    assert!(e.to_string().contains("AWS_PROFILE") && e.problem().run.contains(&"aws sso login".to_owned()), "{e}");
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded(
            "no providers in chain provided credentials",
        )))
    }
}

#[tokio::test(start_paused = true)]
async fn without_credentials_nothing_is_sent_and_the_way_to_them_is_told() {
    let config = config().credentials_provider(SharedCredentialsProvider::new(NoCredentials));
    let cloud = Cloud::from_conf(&config.endpoint_url("http://127.0.0.1:9").build());
    let e = cloud.register(&rule_pins(), &blue(), &["i-1".into()]).await.expect_err("no credentials");
    assert_eq!((&e.kind, e.outcome_unknown()), (&Kind::Credentials, false), "{e:?}");
    assert!(e.to_string().contains("AWS_PROFILE"), "{e}");
}

#[tokio::test]
async fn a_connection_that_was_never_opened_carried_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let credentials = aws_credential_types::Credentials::new("AKIDEXAMPLE", "not a secret", None, None, "test");
    let config = config()
        .retry_config(aws_config::retry::RetryConfig::standard().with_max_attempts(1))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"));
    let cloud = Cloud::from_conf(&config.build());
    let e = cloud.register(&rule_pins(), &blue(), &["i-1".into()]).await.expect_err("nobody listens");
    assert_eq!((&e.kind, e.outcome_unknown()), (&Kind::NoAnswer, false), "{e:?}");
    assert!(e.message.contains("onnection refused"), "{e}");
}

async fn failed_launch(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> CloudError {
    let (cloud, _) = aws(reply);
    let launch = Launch {
        environment: "shop",
        color: &blue(),
        release: &ReleaseId::new("r-1"),
        image: "ami-1",
        subnet: "subnet-a",
        count: 2,
        client_token: "token",
    };
    cloud.launch(&rule_pins(), launch).await.expect_err("the launch fails")
}

#[tokio::test(start_paused = true)]
async fn too_little_capacity_is_a_refusal_though_ec2_gives_it_a_status_of_the_500s() {
    let e = failed_launch(|_| ec2_error(500, "InsufficientInstanceCapacity", "no m5.large in eu-west-1a")).await;
    assert_eq!((&e.kind, e.outcome_unknown()), (&Kind::Other, false));
    assert_eq!((e.code.as_deref(), e.request_id.as_deref()), (Some("InsufficientInstanceCapacity"), Some("req-9")));
}

#[tokio::test(start_paused = true)]
async fn a_throttle_of_ec2_did_not_happen_though_it_has_a_status_of_the_500s() {
    let e = failed_launch(|_| ec2_error(503, "RequestLimitExceeded", "Request limit exceeded.")).await;
    assert_eq!((&e.kind, e.outcome_unknown()), (&Kind::Throttled, false));
}

#[tokio::test(start_paused = true)]
async fn an_encoded_authorization_message_is_cut_short() {
    let e = failed_launch(|_| ec2_error(403, "UnauthorizedOperation", &"x".repeat(5000))).await;
    assert_eq!(e.kind, Kind::Denied);
    assert!(e.to_string().len() < 1000 && e.message.ends_with('…'));
}

/// A flip of the records, where Route 53 answers the write as `reply` says.
async fn record_flip(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Result<Option<ChangeId>, CloudError> {
    let list = ["blue", "green"].map(|c| record("shop.example.com.", c, if c == "blue" { 10 } else { 0 }));
    let (cloud, _) = aws(move |asked| match asked.operation.as_str() {
        "ListResourceRecordSets" => plain("ListResourceRecordSets", &records(&list, None)),
        _ => reply(asked),
    });
    let pins = record_pins();
    let reading = cloud.traffic(&pins).await.expect("the records are there");
    assert_eq!(reading.traffic, Traffic::Only { color: blue(), idle_referenced: true });
    cloud.flip(&pins, &reading, &blue(), &green()).await
}

const OLDER: &str = "<InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Messages><Message>\
                     Tried to delete resource record set [name='shop.example.com.', type='A', set identifier='blue'] but the \
                     values provided do not match the current values</Message></Messages></InvalidChangeBatch>";

#[tokio::test(start_paused = true)]
async fn records_that_somebody_changed_meanwhile_are_not_written_in_both_forms_of_the_answer() {
    let forms: [fn() -> Reply; 2] = [
        || error(400, "InvalidChangeBatch", "[Tried to delete a record but the values provided do not match]"),
        || Reply::Answer(400, OLDER.to_owned()),
    ];
    for form in forms {
        let e = record_flip(move |_| form()).await.expect_err("the records changed");
        assert!(matches!(e.kind, Kind::Refused(_)), "{e:?}");
        assert!(!e.outcome_unknown());
        let said = e.to_string();
        assert!(said.contains("Tried to delete") && said.contains("somebody else writes there too"), "{said}");
        assert!(e.problem().run[0].starts_with("aws route53 list-resource-record-sets --hosted-zone-id Z1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_after_a_lost_answer_may_be_our_own_write() {
    let e = record_flip(|asked| match asked.before {
        0 => Reply::Broken,
        _ => error(400, "InvalidChangeBatch", "[Tried to delete a record but the values provided do not match]"),
    })
    .await
    .expect_err("refused in the end");
    assert!(e.outcome_unknown(), "{e:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dns_flip_gives_the_change_whose_progress_can_be_asked() {
    let change = record_flip(|asked| {
        assert_eq!(asked.operation, "ChangeResourceRecordSets");
        let info = "<ChangeInfo><Id>/change/C42</Id><Status>PENDING</Status><SubmittedAt>2026-11-21T02:00:00Z</SubmittedAt>\
                    </ChangeInfo>";
        plain("ChangeResourceRecordSets", info)
    })
    .await
    .expect("accepted");
    assert_eq!(change, Some(ChangeId::new("C42")));
    let (cloud, _) = aws(|asked| {
        let status = if asked.before == 0 { "PENDING" } else { "INSYNC" };
        let info = format!(
            "<ChangeInfo><Id>/change/C42</Id><Status>{status}</Status><SubmittedAt>2026-11-21T02:00:00Z</SubmittedAt></ChangeInfo>"
        );
        plain("GetChange", &info)
    });
    let id = ChangeId::new("C42");
    assert_eq!(cloud.synced(&id).await, Ok(false));
    assert_eq!(cloud.synced(&id).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_is_gone_is_told_with_the_way_to_look_for_it() {
    let (cloud, _) = aws(|_| error(400, "RuleNotFound", "One or more rules not found"));
    let reading = cloud.traffic(&rule_pins()).await.expect("an answer");
    let Traffic::Foreign { problem } = reading.traffic else { panic!("{reading:?}") };
    assert!(problem.saw.contains("does not exist any more"));
    let listener = "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/shop/1/2";
    assert_eq!(problem.run, [format!("aws elbv2 describe-rules --listener-arn {listener} --region eu-west-1")]);

    let (cloud, _) = aws(|_| error(404, "NoSuchHostedZone", "No hosted zone found with ID: Z1"));
    let reading = cloud.traffic(&record_pins()).await.expect("an answer");
    assert!(matches!(reading.traffic, Traffic::Foreign { .. }), "{reading:?}");
}

#[tokio::test(start_paused = true)]
async fn a_color_that_the_release_does_not_know_is_refused_before_anything_is_sent() {
    let (cloud, log) = aws(|_| result("DeregisterTargets", ""));
    let e = cloud.deregister(&rule_pins(), &Color::new("red"), &["i-1".into()]).await.expect_err("no such color");
    assert!(e.to_string().contains("no color red; expected one of blue, green"), "{e}");
    assert!(log.of("DeregisterTargets").is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_region_the_message_says_where_to_set_one() {
    let mut config = config();
    config.set_region(None);
    let credentials = aws_credential_types::Credentials::new("AKIDEXAMPLE", "not a secret", None, None, "test");
    let config = config.credentials_provider(SharedCredentialsProvider::new(credentials)).build();
    let e = Cloud::from_conf(&config).targets(&rule_pins(), &blue()).await.expect_err("no region");
    let problem = e.problem();
    assert!(problem.expected.contains("`region:` in the environment file, or AWS_REGION"), "{e:?}");
}
