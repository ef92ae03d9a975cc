//! The same calls against an AWS emulator that we did not write.
//!
//! moto knows the control plane and nothing else: its instances do not run, every registered target is healthy at once,
//! and no request can be sent through its load balancers. So nothing is probed here; what is checked is that another
//! implementation of AWS takes our calls and ends in the state that was asked for.

#![expect(clippy::unwrap_used, reason = "an emulator that refuses what the test builds has failed the test")]

use switchback::cloud::Cloud;
use switchback::config;
use switchback::release::{Color, SwitchPin, Traffic};

mod support {
    pub(crate) mod alb;
    pub(crate) mod moto;
}

use support::alb::{Alb, Eyes};
use support::moto::Moto;

/// A name that nothing else on a shared emulator has.
fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", &uuid::Uuid::now_v7().simple().to_string()[24..])
}

#[tokio::test]
async fn what_stands_in_aws_is_resolved_to_the_same_identifiers() {
    let moto = Moto::start().await;
    let sdk = moto.sdk().await;
    let eyes = Eyes::new(&sdk);
    let alb = Alb::build(&eyes, &unique("shop")).await;
    assert_eq!(eyes.weights(&alb.rule).await, [(alb.blue.clone(), 100), (alb.green.clone(), 0)]);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    std::fs::write(&file, alb.file()).unwrap();
    let environment = config::load(&file).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let cloud = Cloud::from_conf(&sdk);
    let pins = cloud.resolve(&environment).await.unwrap_or_else(|error| panic!("{}", error.problem()));

    let (blue, green) = (Color::new("blue"), Color::new("green"));
    assert_eq!(pins.groups[&blue].arn, alb.blue);
    assert_eq!(pins.groups[&green].arn, alb.green);
    assert_eq!(pins.groups[&green].port, 8080);
    assert_eq!((pins.template.as_str(), pins.template_version), (alb.template.as_str(), 1));
    let subnets: Vec<_> = pins.subnets.iter().map(|s| (s.id.as_str(), s.zone.as_str(), s.count)).collect();
    assert_eq!(subnets, [(alb.subnets[0].as_str(), "eu-west-1a", 2), (alb.subnets[1].as_str(), "eu-west-1b", 1)]);
    let SwitchPin::Rule { rule, route } = &pins.route else { panic!("{pins:?}") };
    assert_eq!((rule, route.port, route.https), (&alb.rule, 80, false));

    let traffic = cloud.traffic(&pins).await.unwrap().traffic;
    assert_eq!(traffic, Traffic::Only { color: blue, idle_referenced: true });
}
