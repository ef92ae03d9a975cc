//! Results that cannot be written, and runs that cannot begin.

use std::fs::File;
use std::process::Stdio;

use crate::world::{World, ami, ended};

#[tokio::test]
async fn a_result_that_the_disk_has_no_room_for_is_not_called_done() {
    let world = World::new().await;
    for arguments in [&["status", "ENV"][..], &["--json", "status", "ENV"], &["history", "ENV"], &["validate", "ENV"]] {
        let mut command = world.command(arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = command.stdout(full).spawn().unwrap();
        ended(child).await.exits(1).says("could not be written to stdout");
    }
    world.end().await;
}

#[tokio::test]
async fn without_a_region_the_message_says_where_to_put_one() {
    let world = World::new().await;
    let environment = std::fs::read_to_string(world.env()).unwrap().replace("region: eu-west-1\n", "");
    world.write_environment(&environment);
    for arguments in [&["status", "ENV"][..], &["plan", "ENV", "--image", &ami("v1")]] {
        let mut command = world.command(arguments);
        command.env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
        ended(command.spawn().unwrap()).await.exits(3).says("`region:` in the environment file, or AWS_REGION");
    }
    world.end().await;
}
