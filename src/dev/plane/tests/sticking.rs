//! Stickiness: to a group, to a target, by the load balancer's cookie and by the application's.

use std::time::Duration;

use http::{Response, header};

use super::super::{
    Action, Forward, GroupSettings, Listener, Protocol, Routes, Target, TargetState, TargetStickiness, WeightedGroup,
};
use super::stage::*;
use super::support::{full, group};
use std::sync::Arc;

use super::super::Group;

const HOUR: Duration = Duration::from_secs(3600);

fn sticky(shares: &[(&Arc<Group>, u32)]) -> Routes {
    let groups = shares.iter().map(|(group, weight)| WeightedGroup { group: Arc::clone(group), weight: *weight });
    Routes::only(Action::Forward(Forward { groups: groups.collect(), stickiness: Some(HOUR) }))
}

async fn sticky_listener(stage: &Stage, shares: &[(&Arc<Group>, u32)]) -> Listener {
    stage.listen(Protocol::Http, sticky(shares)).await
}

#[tokio::test(start_paused = true)]
async fn a_client_stays_with_its_group_whatever_the_weights_become() {
    let stage = Stage::new();
    let ((blue, _), (green, _)) = (stage.color("blue").await, stage.color("green").await);
    let listener = sticky_listener(&stage, &[(&blue, 1), (&green, 0)]).await;
    let mut client = stage.client(&listener).await;
    assert_eq!(client.get("/").await.body, "blue");
    listener.set_routes(sticky(&[(&blue, 0), (&green, 1)]));
    for _ in 0..20 {
        assert_eq!(client.get("/").await.body, "blue", "weight 0 does not move a sticky client");
    }
    client.cookies.clear();
    assert_eq!(client.get("/").await.body, "green", "new clients follow the weights");
}

#[tokio::test(start_paused = true)]
async fn every_answer_renews_the_cookie_and_an_old_one_is_not_honored() {
    let stage = Stage::new();
    let ((blue, _), (green, _)) = (stage.color("blue").await, stage.color("green").await);
    let listener = sticky_listener(&stage, &[(&blue, 1), (&green, 0)]).await;
    let mut client = stage.client(&listener).await;
    let first = client.get("/").await;
    let cookies: Vec<&str> =
        first.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
    let [plain, cross_site] = cookies[..] else { panic!("two cookies, not {cookies:?}") };
    assert!(
        plain.starts_with("AWSALBTG=") && plain.ends_with("; Expires=Sat, 21 Nov 2026 03:14:00 GMT; Path=/"),
        "{plain}"
    );
    assert!(cross_site.starts_with("AWSALBTGCORS=") && cross_site.ends_with("; Path=/; SameSite=None"), "{cross_site}");
    listener.set_routes(sticky(&[(&blue, 0), (&green, 1)]));
    // Three times half an hour: only renewal can carry it over the hour.
    for _ in 0..3 {
        tokio::time::sleep(HOUR / 2).await;
        client = Browser { cookies: client.cookies, ..stage.client(&listener).await };
        assert_eq!(client.get("/").await.body, "blue");
    }
    tokio::time::sleep(HOUR + Duration::from_secs(2)).await;
    client = Browser { cookies: client.cookies, ..stage.client(&listener).await };
    assert_eq!(client.get("/").await.body, "green", "a cookie that the browser should have dropped");
}

#[tokio::test(start_paused = true)]
async fn a_sticky_client_of_a_group_without_targets_gets_503_until_the_rule_no_longer_has_the_group() {
    let stage = Stage::new();
    let ((blue, target), (green, _)) = (stage.color("blue").await, stage.color("green").await);
    let listener = sticky_listener(&stage, &[(&blue, 1), (&green, 0)]).await;
    let mut client = stage.client(&listener).await;
    assert_eq!(client.get("/").await.body, "blue");
    listener.set_routes(sticky(&[(&blue, 0), (&green, 1)]));
    target.set_state(TargetState::Draining);
    for _ in 0..5 {
        assert_eq!(client.get("/").await.status, 503, "nobody fails over to the other group");
    }
    listener.set_routes(sticky(&[(&green, 1)]));
    assert_eq!(client.get("/").await.body, "green");
    assert_eq!(client.get("/").await.body, "green");
}

#[tokio::test(start_paused = true)]
async fn a_cookie_that_the_load_balancer_did_not_make_counts_for_nothing() {
    let stage = Stage::new();
    // The other one has drawn another key.
    let other = stage.beside();
    let ((blue, _), (green, _)) = (stage.color("blue").await, stage.color("green").await);
    let listener = sticky_listener(&stage, &[(&blue, 0), (&green, 1)]).await;
    let stolen = sticky_listener(&other, &[(&blue, 1)]).await;
    let mut client = other.client(&stolen).await;
    client.get("/").await;
    assert_eq!(client.cookies.len(), 2);
    client = Browser { cookies: client.cookies, ..stage.client(&listener).await };
    assert_eq!(client.get("/").await.body, "green");
    client.cookies = [("AWSALBTG".to_owned(), "blue".to_owned())].into();
    assert_eq!(client.get("/").await.body, "green");
}

/// Three targets that say their names, in a group with this stickiness.
async fn three(stage: &Stage, stickiness: TargetStickiness) -> (Arc<Group>, Vec<Arc<Target>>) {
    let targets = vec![stage.says("a").await, stage.says("b").await, stage.says("c").await];
    let group = group("three", &[&targets[0], &targets[1], &targets[2]]);
    group.set_settings(GroupSettings { stickiness: Some(stickiness), ..GroupSettings::default() });
    (group, targets)
}

#[tokio::test(start_paused = true)]
async fn a_client_stays_with_its_target_until_that_is_not_healthy() {
    let stage = Stage::new();
    let (group, targets) = three(&stage, TargetStickiness::BalancerCookie(HOUR)).await;
    let listener = stage.before(&group).await;
    let mut client = stage.client(&listener).await;
    let first = client.get("/").await.body;
    assert_eq!(client.cookies.keys().collect::<Vec<_>>(), ["AWSALB", "AWSALBCORS"]);
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body, first);
    }
    let at = ["a", "b", "c"].iter().position(|name| *name == first).unwrap();
    targets[at].set_state(TargetState::Draining);
    let second = client.get("/").await.body;
    assert_ne!(second, first);
    targets[at].set_state(TargetState::Healthy);
    assert_eq!(client.get("/").await.body, second, "the new target is the client's own now");
    assert!(stage.tally(&listener, 30).await.values().all(|count| *count == 10), "clients without cookies take turns");
}

#[tokio::test(start_paused = true)]
async fn an_application_s_cookie_makes_its_client_sticky_and_only_while_it_is_sent() {
    let stage = Stage::new();
    let serve = |name: &'static str| {
        stage.serve(move |request| async move {
            let login = request.uri().path() == "/login";
            let response = if login {
                Response::builder().header("set-cookie", "session=42; Path=/")
            } else {
                Response::builder()
            };
            response.body(full(name)).unwrap()
        })
    };
    let (a, b) = (serve("a").await, serve("b").await);
    let (a, b) = (Target::new(a, TargetState::Healthy), Target::new(b, TargetState::Healthy));
    let group = group("app", &[&a, &b]);
    let stickiness = TargetStickiness::AppCookie { name: "session".to_owned(), duration: HOUR };
    group.set_settings(GroupSettings { stickiness: Some(stickiness), ..GroupSettings::default() });
    let listener = stage.before(&group).await;
    let mut client = stage.client(&listener).await;
    client.get("/").await;
    assert!(client.cookies.is_empty(), "no cookie before the application gives one");
    let name = client.get("/login").await.body;
    assert_eq!(client.cookies.keys().collect::<Vec<_>>(), ["AWSALBAPP-0", "session"]);
    for _ in 0..6 {
        assert_eq!(client.get("/").await.body, name);
    }
    client.cookies.remove("session");
    let bodies = [client.get("/").await.body, client.get("/").await.body];
    assert_ne!(bodies[0], bodies[1], "without the application's cookie the turns go on");
}
