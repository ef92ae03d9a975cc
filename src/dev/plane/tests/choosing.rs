//! Who of a group gets a request: algorithms, slow start, thresholds, zones, and what each node knows.

use std::sync::Arc;
use std::time::Duration;

use http::Response;

use super::super::{Algorithm, Group, GroupSettings, Settings, Target, TargetState};
use super::stage::*;
use super::support::{full, group, weighted};

async fn in_zone(stage: &Stage, name: &'static str, zone: &str) -> Arc<Target> {
    let address = stage.serve(move |_| async move { Response::new(full(name)) }).await;
    Target::in_zone(address, TargetState::Healthy, Some(zone.to_owned()))
}

async fn three(stage: &Stage, settings: GroupSettings) -> (Arc<Group>, [Arc<Target>; 3]) {
    let targets = [stage.says("a").await, stage.says("b").await, stage.says("c").await];
    let group = group("g", &[&targets[0], &targets[1], &targets[2]]);
    group.set_settings(settings);
    (group, targets)
}

#[tokio::test(start_paused = true)]
async fn least_outstanding_requests_leaves_a_busy_target_alone() {
    let stage = Stage::new();
    let hanging = stage.serve(|_| std::future::pending()).await;
    let (hanging, quick) = (Target::new(hanging, TargetState::Healthy), stage.says("quick").await);
    let group = group("g", &[&hanging, &quick]);
    group.set_settings(GroupSettings { algorithm: Algorithm::LeastOutstanding, ..GroupSettings::default() });
    let listener = stage.before(&group).await;
    let mut stuck = Vec::new();
    while hanging.in_flight() == 0 {
        let mut client = stage.client(&listener).await;
        stuck.push(tokio::spawn(async move { client.get("/").await }));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(stage.tally(&listener, 20).await, [("quick".to_owned(), 20)].into());
    assert_eq!(hanging.in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn weighted_random_gives_all_about_the_same_but_not_in_turns() {
    let stage = Stage::new();
    let settings = GroupSettings { algorithm: Algorithm::WeightedRandom, ..GroupSettings::default() };
    let (group, _) = three(&stage, settings).await;
    let tally = stage.tally(&stage.before(&group).await, 300).await;
    assert!(tally.len() == 3 && tally.values().all(|count| (70..130).contains(count)), "{tally:?}");
    assert!(tally.values().any(|count| *count != 100), "{tally:?}: turns");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_joins_healthy_ones_gets_its_share_little_by_little() {
    let stage = Stage::new();
    let slow_start = Duration::from_secs(100);
    let (group, targets) = three(&stage, GroupSettings { slow_start, ..GroupSettings::default() }).await;
    let listener = stage.before(&group).await;
    targets[2].set_state(TargetState::Initial);
    targets[2].set_state(TargetState::Healthy);
    let mut shares = Vec::new();
    for _ in 0..4 {
        shares.push(stage.tally(&listener, 300).await.get("c").copied().unwrap_or_default());
        tokio::time::sleep(slow_start / 3).await;
    }
    assert!(shares[0] < 10 && shares[3] == 100, "{shares:?}");
    assert!(shares.is_sorted(), "{shares:?}");
    // A group in which everybody is new has nobody else to carry the traffic.
    targets.iter().for_each(|target| target.set_state(TargetState::Unhealthy));
    targets[0].set_state(TargetState::Healthy);
    assert_eq!(stage.tally(&listener, 30).await, [("a".to_owned(), 30)].into());
}

#[tokio::test(start_paused = true)]
async fn below_its_threshold_a_group_sends_to_everybody_who_is_registered() {
    let stage = Stage::new();
    for settings in [
        GroupSettings { healthy_min_count: 3, ..GroupSettings::default() },
        GroupSettings { healthy_min_percent: 67, ..GroupSettings::default() },
    ] {
        let (group, targets) = three(&stage, settings).await;
        let listener = stage.before(&group).await;
        assert_eq!((stage.tally(&listener, 30).await.len(), group.counts().failed_open), (3, 0));
        targets[0].set_state(TargetState::Unhealthy);
        assert_eq!(stage.tally(&listener, 30).await["a"], 10, "two of three are not enough");
        assert_eq!(group.counts().failed_open, 30);
        targets[0].set_state(TargetState::Unused);
        targets[1].set_state(TargetState::Unused);
        assert!(!stage.tally(&listener, 30).await.contains_key("a"), "who is not in use gets nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn with_cross_zone_off_a_node_sends_to_its_own_zone_only() {
    let settings = Settings { zones: vec!["a".into(), "b".into()], ..Settings::default() };
    let stage = Stage::with(settings);
    let (in_a, in_b) = (in_zone(&stage, "in a", "a").await, in_zone(&stage, "in b", "b").await);
    let group = group("g", &[&in_a, &in_b]);
    group.set_settings(GroupSettings { cross_zone: Some(false), ..GroupSettings::default() });
    let listener = stage.before(&group).await;
    assert_eq!(listener.nodes(), 2);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let tally = stage.tally(&listener, 5).await;
        assert_eq!(tally.len(), 1, "a connection belongs to one node: {tally:?}");
        seen.extend(tally.into_keys());
    }
    assert_eq!(seen.len(), 2);
    in_b.set_state(TargetState::Unused);
    let mut statuses = std::collections::BTreeSet::new();
    for _ in 0..20 {
        statuses.insert(stage.client(&listener).await.get("/").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 503].into(), "the node of the empty zone has nobody to send to");
}

#[tokio::test(start_paused = true)]
async fn a_flip_reaches_one_node_after_the_other_and_a_connection_sees_only_its_own() {
    let stage = Stage::with(Settings { nodes_per_zone: 2, ..Settings::default() });
    let ((blue, _), (green, _)) = (stage.color("blue").await, stage.color("green").await);
    let listener = stage.listen(super::super::Protocol::Http, weighted(&[(&blue, 1), (&green, 0)])).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(stage.client(&listener).await);
    }
    let mut greens = async || {
        let mut greens = 0;
        for client in &mut clients {
            let first = client.get("/").await.body;
            assert_eq!(client.get("/").await.body, first, "a connection stays with its node");
            greens += u32::from(first == "green");
        }
        greens
    };
    assert_eq!(greens().await, 0);
    listener.set_routes_of(0, weighted(&[(&blue, 0), (&green, 1)]));
    let half = greens().await;
    assert!((4..17).contains(&half), "{half}");
    assert_eq!(greens().await, half);
    listener.set_routes_of(1, weighted(&[(&blue, 0), (&green, 1)]));
    assert_eq!(greens().await, 20);
}
