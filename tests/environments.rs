//! Every file in `environments/`, played against the dev cloud: deploy, deploy, rollback, sweep, under a client's
//! requests.

#[path = "support/world.rs"]
mod world;

mod environments {
    mod alb;
    mod demo;
    mod dns;
    mod example;
}
