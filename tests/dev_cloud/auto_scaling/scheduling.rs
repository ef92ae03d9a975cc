//! Scheduled actions.

use std::time::Duration;

use aws_sdk_autoscaling::primitives::DateTime;
use aws_sdk_autoscaling::types::ScheduledUpdateGroupActionRequest;
use tokio::time::sleep;

use super::{Scaling, WEB, words};

async fn now(it: &Scaling) -> i64 {
    it.seen().await.created_time().unwrap().secs()
}

#[tokio::test(start_paused = true)]
async fn an_action_acts_once_at_its_time_and_is_forgotten() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    let start = DateTime::from_secs(now(&it).await + 3600);
    let put = || it.asg.put_scheduled_update_group_action().auto_scaling_group_name(WEB).scheduled_action_name("up");
    put().start_time(start).min_size(1).max_size(4).desired_capacity(2).send().await.unwrap();
    sleep(Duration::from_secs(3590)).await;
    assert_eq!(it.seen().await.desired_capacity(), Some(0));
    sleep(Duration::from_secs(20)).await;
    let seen = it.seen().await;
    assert_eq!((seen.min_size(), seen.max_size(), seen.desired_capacity()), (Some(1), Some(4), Some(2)));
    it.settled(2).await;
    let cause = it.cause("Launching a new EC2 instance").await;
    assert!(cause.contains("the scheduled action up executed."), "{cause}");
    let left = it.asg.describe_scheduled_actions().auto_scaling_group_name(WEB).send().await.unwrap();
    assert!(left.scheduled_update_group_actions().is_empty());
    let late = put().start_time(start).desired_capacity(1).send().await;
    assert_eq!(words(late), ("ValidationError".to_owned(), "Given start time is in the past".to_owned()));
    it.rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_recurrent_action_acts_every_day_unless_scheduled_actions_are_suspended() {
    let it = Scaling::start().await;
    it.group(0).send().await.unwrap();
    let action = |name: &str, recurrence: &str, desired| {
        let action = ScheduledUpdateGroupActionRequest::builder().scheduled_action_name(name).recurrence(recurrence);
        action.desired_capacity(desired).time_zone("Europe/Berlin").build()
    };
    let put = it.asg.batch_put_scheduled_update_group_action().auto_scaling_group_name(WEB);
    let put = put.scheduled_update_group_actions(action("morning", "0 8 * * *", 1));
    let put = put.scheduled_update_group_actions(action("evening", "0 20 * * *", 0));
    let put = put.scheduled_update_group_actions(action("wrong", "every day", 0));
    let failed = put.send().await.unwrap().failed_scheduled_update_group_actions.unwrap();
    assert_eq!(
        (failed.len(), failed[0].scheduled_action_name(), failed[0].error_code()),
        (1, Some("wrong"), Some("ValidationError"))
    );

    let all = it.asg.describe_scheduled_actions().auto_scaling_group_name(WEB).send().await.unwrap();
    let next = |name: &str| {
        let mut actions = all.scheduled_update_group_actions().iter();
        let found = actions.find(|each| each.scheduled_action_name() == Some(name)).unwrap();
        u64::try_from(found.start_time().unwrap().secs()).unwrap()
    };
    let begun = u64::try_from(now(&it).await).unwrap();
    let (morning, evening) = (next("morning") - begun, next("evening") - begun);
    assert!(morning % 86_400 != evening % 86_400 && morning.abs_diff(evening) == 12 * 3600);
    // Not at the very moment of an action.
    sleep(Duration::from_secs(30)).await;
    let mut ups = 0;
    for hour in 0..48_u64 {
        sleep(Duration::from_secs(3600)).await;
        let desired = it.seen().await.desired_capacity().unwrap();
        let passed = (hour + 1) * 3600 + 30;
        let last_up = passed.checked_sub(morning).map(|since| since % 86_400);
        let last_down = passed.checked_sub(evening).map(|since| since % 86_400);
        let expected = match (last_up, last_down) {
            (Some(up), Some(down)) => i32::from(up < down),
            (Some(_), None) => 1,
            _ => 0,
        };
        assert_eq!(desired, expected, "after {passed} s");
        ups += desired;
    }
    assert_eq!(ups, 24);
    it.suspend("ScheduledActions").await;
    let before = it.seen().await.desired_capacity();
    sleep(Duration::from_secs(86_400)).await;
    assert_eq!(it.seen().await.desired_capacity(), before);
    it.rig.cloud.shutdown().await;
}
