//! SSM parameters, ACM certificates and STS, in the protocols that they speak.

use aws_smithy_types::base64;
use serde_json::{Value, json as value};
use switchback::dev::{DevCloud, DevOptions};

use super::super::support::{V1, options};
use super::{json, query, text};

async fn cloud() -> DevCloud {
    DevCloud::start(options()).await.unwrap()
}

async fn ssm(cloud: &DevCloud, operation: &str, input: Value) -> (u16, Value) {
    json(cloud, "ssm", &format!("AmazonSSM.{operation}"), input).await
}

async fn acm(cloud: &DevCloud, operation: &str, input: Value) -> (u16, Value) {
    json(cloud, "acm", &format!("CertificateManager.{operation}"), input).await
}

#[tokio::test]
async fn parameters_have_versions_labels_and_paths() {
    let cloud = cloud().await;
    for (name, color) in [("/shop/live", "blue"), ("/shop/idle", "green"), ("/shop/deep/er", "x"), ("plain", "y")] {
        let put = ssm(&cloud, "PutParameter", value!({ "Name": name, "Value": color, "Type": "String" })).await;
        assert_eq!(put, (200, value!({ "Version": 1, "Tier": "Standard" })));
    }
    let again = ssm(&cloud, "PutParameter", value!({ "Name": "/shop/live", "Value": "green" })).await;
    assert_eq!((again.0, &again.1["__type"]), (400, &value!("ParameterAlreadyExists")));
    let over = value!({ "Name": "/shop/live", "Value": "green", "Overwrite": true });
    assert_eq!(ssm(&cloud, "PutParameter", over).await.1["Version"], 2);
    let label = value!({ "Name": "/shop/live", "ParameterVersion": 1, "Labels": ["before", "aws-no"] });
    assert_eq!(ssm(&cloud, "LabelParameterVersion", label).await.1["InvalidLabels"], value!(["aws-no"]));
    for (name, seen) in [
        ("/shop/live", "green"),
        ("/shop/live:1", "blue"),
        ("/shop/live:before", "blue"),
        ("arn:aws:ssm:eu-west-1:000000000000:parameter/shop/live:2", "green"),
    ] {
        let got = ssm(&cloud, "GetParameter", value!({ "Name": name })).await.1;
        assert_eq!(got["Parameter"]["Value"], seen, "{name}: {got}");
    }
    let none = ssm(&cloud, "GetParameter", value!({ "Name": "/shop/live:9" })).await.1;
    assert_eq!(none["__type"], "ParameterVersionNotFound");
    let several = ssm(&cloud, "GetParameters", value!({ "Names": ["plain", "/none"] })).await.1;
    assert_eq!(
        (several["Parameters"].as_array().unwrap().len(), &several["InvalidParameters"]),
        (1, &value!(["/none"]))
    );
    let names = |found: &Value| -> Vec<String> {
        found["Parameters"].as_array().unwrap().iter().map(|each| each["Name"].as_str().unwrap().to_owned()).collect()
    };
    let page = ssm(&cloud, "GetParametersByPath", value!({ "Path": "/shop", "MaxResults": 1 })).await.1;
    assert_eq!(names(&page), ["/shop/idle"]);
    let next = value!({ "Path": "/shop", "MaxResults": 1, "NextToken": page["NextToken"] });
    let page = ssm(&cloud, "GetParametersByPath", next).await.1;
    assert_eq!((names(&page), page.get("NextToken")), (vec!["/shop/live".to_owned()], None));
    let deep = ssm(
        &cloud,
        "GetParametersByPath",
        value!({ "Path": "/", "Recursive": true,
        "ParameterFilters": [{ "Key": "Label", "Values": ["before"] }] }),
    )
    .await
    .1;
    assert_eq!((names(&deep), &deep["Parameters"][0]["Value"]), (vec!["/shop/live".to_owned()], &value!("blue")));
    let history = ssm(&cloud, "GetParameterHistory", value!({ "Name": "/shop/live" })).await.1;
    assert_eq!(history["Parameters"][0]["Labels"], value!(["before"]));
    let deleted = ssm(&cloud, "DeleteParameters", value!({ "Names": ["plain", "/none"] })).await.1;
    assert_eq!(deleted, value!({ "DeletedParameters": ["plain"], "InvalidParameters": ["/none"] }));
}

#[tokio::test]
async fn secure_strings_are_told_only_with_decryption() {
    let cloud = cloud().await;
    let put = value!({ "Name": "/db/password", "Value": "correct horse", "Type": "SecureString" });
    assert_eq!(ssm(&cloud, "PutParameter", put).await.0, 200);
    for (operation, input) in [
        ("GetParameter", value!({ "Name": "/db/password" })),
        ("GetParametersByPath", value!({ "Path": "/db" })),
        ("GetParameterHistory", value!({ "Name": "/db/password" })),
        ("DescribeParameters", value!({})),
    ] {
        let answer = ssm(&cloud, operation, input).await;
        assert!(answer.0 == 200 && !answer.1.to_string().contains("correct"), "{operation}: {answer:?}");
    }
    let open = value!({ "Name": "/db/password", "WithDecryption": true });
    assert_eq!(ssm(&cloud, "GetParameter", open).await.1["Parameter"]["Value"], "correct horse");
}

#[tokio::test]
async fn wrong_parameters_are_refused_in_the_words_of_ssm() {
    let cloud = cloud().await;
    let refused = async |operation: &str, input: Value| {
        let (status, answer) = ssm(&cloud, operation, input).await;
        assert_eq!(status, 400, "{answer}");
        answer["__type"].as_str().unwrap().to_owned()
    };
    let put = |name: &str, value: &str| value!({ "Name": name, "Value": value, "Type": "String" });
    assert_eq!(refused("PutParameter", put("/aws/x", "v")).await, "AccessDeniedException");
    assert_eq!(refused("PutParameter", put("ssm-x", "v")).await, "ValidationException");
    assert_eq!(refused("PutParameter", put("/a b", "v")).await, "ValidationException");
    assert_eq!(refused("PutParameter", put("/a", &"v".repeat(4097))).await, "ValidationException");
    assert_eq!(
        refused("PutParameter", value!({ "Name": "/a", "Value": 5, "Type": "String" })).await,
        "SerializationException"
    );
    assert_eq!(refused("PutParameter", value!({ "Name": "/a", "Value": "v" })).await, "ValidationException");
    let pattern = value!({ "Name": "/a", "Value": "v", "Type": "String", "AllowedPattern": "^\\d+$" });
    assert_eq!(refused("PutParameter", pattern).await, "ParameterPatternMismatchException");
    let policies = value!({ "Name": "/a", "Value": "v", "Type": "String", "Policies": "[]" });
    assert_eq!(refused("PutParameter", policies).await, "ValidationException");
    assert_eq!(refused("GetParameter", value!({ "Name": "/none" })).await, "ParameterNotFound");
    assert_eq!(refused("SendCommand", value!({})).await, "InvalidAction");
}

#[tokio::test]
async fn the_newest_image_has_the_public_names_of_amazon_linux() {
    let cloud = cloud().await;
    let name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let found = ssm(&cloud, "GetParameter", value!({ "Name": name })).await.1;
    assert!(found["Parameter"]["Value"].as_str().unwrap() >= V1, "{found}");
    let path = value!({ "Path": "/aws/service/ami-amazon-linux-latest" });
    let found = ssm(&cloud, "GetParametersByPath", path).await.1;
    assert_eq!(found["Parameters"].as_array().unwrap().len(), 7, "those for x86 only: there is no image for ARM");
}

#[tokio::test]
async fn certificates_are_imported_with_the_key_that_fits_and_the_key_is_never_told() {
    let cloud = cloud().await;
    let made =
        rcgen::generate_simple_self_signed(vec!["shop.example.com".to_owned(), "*.example.com".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let import = |key: &str| value!({ "Certificate": base64::encode(&pem), "PrivateKey": base64::encode(key) });
    let wrong = acm(&cloud, "ImportCertificate", import(&other)).await;
    assert_eq!((wrong.0, &wrong.1["__type"]), (400, &value!("ValidationException")), "{wrong:?}");
    assert_eq!(acm(&cloud, "ImportCertificate", value!({ "Certificate": "eA==", "PrivateKey": "eA==" })).await.0, 400);
    let (status, imported) = acm(&cloud, "ImportCertificate", import(&key)).await;
    assert_eq!(status, 200, "{imported}");
    let arn = value!({ "CertificateArn": imported["CertificateArn"] });
    let detail = acm(&cloud, "DescribeCertificate", arn.clone()).await.1["Certificate"].clone();
    assert_eq!((&detail["Status"], &detail["Type"]), (&value!("ISSUED"), &value!("IMPORTED")));
    assert_eq!(detail["SubjectAlternativeNames"], value!(["shop.example.com", "*.example.com"]));
    assert_eq!(
        (&detail["KeyAlgorithm"], &detail["SignatureAlgorithm"]),
        (&value!("EC_prime256v1"), &value!("SHA256WITHECDSA"))
    );
    assert_eq!(acm(&cloud, "GetCertificate", arn.clone()).await.1["Certificate"], pem.as_str());
    let list = value!({ "Includes": { "keyTypes": ["EC_prime256v1"] } });
    assert_eq!(acm(&cloud, "ListCertificates", list).await.1["CertificateSummaryList"].as_array().unwrap().len(), 1);
    assert!(
        acm(&cloud, "ListCertificates", value!({})).await.1["CertificateSummaryList"].as_array().unwrap().is_empty()
    );
    let tags = value!({ "CertificateArn": arn["CertificateArn"], "Tags": [{ "Key": "owner", "Value": "shop" }] });
    assert_eq!(acm(&cloud, "AddTagsToCertificate", tags).await.0, 200);
    assert_eq!(acm(&cloud, "ListTagsForCertificate", arn.clone()).await.1["Tags"][0]["Value"], "shop");
    assert_eq!(acm(&cloud, "DeleteCertificate", arn.clone()).await.0, 200);
    let gone = acm(&cloud, "DescribeCertificate", arn).await;
    assert_eq!(gone.1["__type"], "ResourceNotFoundException");
    let requested = acm(&cloud, "RequestCertificate", value!({ "DomainName": "api.example.com" })).await.1;
    let detail = acm(&cloud, "DescribeCertificate", requested).await.1["Certificate"].clone();
    assert_eq!((&detail["Status"], &detail["DomainName"]), (&value!("ISSUED"), &value!("api.example.com")));
    assert!(!format!("{cloud:?}").contains("PRIVATE KEY"));
}

#[tokio::test]
async fn temporary_credentials_are_known_to_the_cloud_that_gave_them() {
    let cloud = DevCloud::start(DevOptions { check_signatures: true, ..options() }).await.unwrap();
    let config = cloud.sdk_config("eu-west-1");
    let sts = aws_sdk_sts::Client::new(&config);
    let role = "arn:aws:iam::000000000000:role/deployer";
    let assumed = sts.assume_role().role_arn(role).role_session_name("release-7").send().await.unwrap();
    let credentials = assumed.credentials().unwrap();
    let credentials = aws_sdk_ec2::config::Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        Some(credentials.session_token().to_owned()),
        None,
        "test",
    );
    let provider = aws_sdk_ec2::config::SharedCredentialsProvider::new(credentials.clone());
    let inside = aws_sdk_sts::Client::new(&config.clone().into_builder().credentials_provider(provider).build());
    let who = inside.get_caller_identity().send().await.unwrap();
    assert_eq!(who.arn(), Some("arn:aws:sts::000000000000:assumed-role/deployer/release-7"));
    let key = sts.get_access_key_info().access_key_id(credentials.access_key_id()).send().await.unwrap();
    assert_eq!(key.account(), Some("000000000000"));
    let forged = aws_sdk_ec2::config::Credentials::new(
        credentials.access_key_id(),
        "guess",
        Some("token".to_owned()),
        None,
        "test",
    );
    let provider = aws_sdk_ec2::config::SharedCredentialsProvider::new(forged);
    let outside = aws_sdk_sts::Client::new(&config.into_builder().credentials_provider(provider).build());
    assert!(outside.get_caller_identity().send().await.is_err());
}

#[tokio::test]
async fn cloudwatch_also_speaks_the_query_protocol_and_json() {
    let cloud = cloud().await;
    let (status, answer) = query(
        &cloud,
        "monitoring",
        &[
            ("Action", "PutMetricData"),
            ("Version", "2010-08-01"),
            ("Namespace", "Shop"),
            ("MetricData.member.1.MetricName", "Orders"),
            ("MetricData.member.1.Value", "3"),
            ("MetricData.member.1.Dimensions.member.1.Name", "Color"),
            ("MetricData.member.1.Dimensions.member.1.Value", "blue"),
        ],
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    let (_, listed) = query(&cloud, "monitoring", &[("Action", "ListMetrics")]).await;
    assert_eq!((text(&listed, "MetricName"), text(&listed, "Value")), ("Orders", "blue"));
    let target = "GraniteServiceVersion20100801.ListMetrics";
    let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
    let (_, body) = super::post(&cloud, "monitoring", &headers, "{}".to_owned()).await;
    let listed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(listed["Metrics"][0]["Dimensions"], value!([{ "Name": "Color", "Value": "blue" }]));
}
