//! A world in the dev cloud for an environment file: what Terraform would have built before the first release.

use crate::config::{Compute, Environment, RuleMatch, Switch};
use crate::dev::DevCloud;
use crate::dev::seed::{Seed, SeedCondition, SeedSwitch};

/// The region of environments that name none; the SDK of whoever talks to the dev cloud must use it too.
pub(super) const REGION: &str = "eu-west-1";

/// Everything `environment` refers to, with `image` live on its first color, on instances that serve on `port`.
pub(super) fn seed_for(environment: &Environment, image: &str, port: u16) -> Seed {
    let Compute::Instances(instances) = &environment.compute;
    let [first, second] = &environment.colors;
    let mut load_balancers = Seed::new(image).load_balancers;
    let (listener_port, switch) = match &environment.switch {
        Switch::Listener(listener) => {
            load_balancers[0].clone_from(&listener.load_balancer);
            let switch = match &listener.rule {
                None => SeedSwitch::DefaultAction,
                Some(rule) => {
                    let (priority, condition) = match rule {
                        RuleMatch::Priority(priority) => (*priority, SeedCondition::Path("/*".into())),
                        RuleMatch::Path(path) => (10, SeedCondition::Path(path.clone())),
                        RuleMatch::Host(host) => (10, SeedCondition::Host(host.clone())),
                    };
                    SeedSwitch::Rule { priority, condition }
                }
            };
            (listener.port, switch)
        }
        Switch::Dns(dns) => {
            for (name, color) in load_balancers.iter_mut().zip(&environment.colors) {
                name.clone_from(color.load_balancer.as_ref().unwrap_or(&color.target_group));
            }
            (dns.port, SeedSwitch::Dns { zone: dns.zone.clone(), record: dns.record.clone() })
        }
    };
    Seed {
        environment: environment.name.clone(),
        region: environment.region.clone().unwrap_or_else(|| REGION.into()),
        colors: [first.name.to_string(), second.name.to_string()],
        load_balancers,
        target_groups: [first.target_group.clone(), second.target_group.clone()],
        launch_template: instances.launch_template.clone(),
        subnets: instances.subnets.clone(),
        count: instances.count,
        instance_port: port,
        listener_port,
        // AWS's own default, which most programs answer.
        health_path: "/".into(),
        switch,
        ..Seed::new(image)
    }
}

/// What to set in a shell so that every AWS client talks to the dev cloud.
pub(super) fn exports(dev: &DevCloud, region: &str) -> String {
    let (access_key, secret_key) = dev.credentials();
    let variables = [
        ("AWS_ENDPOINT_URL", dev.url()),
        ("AWS_REGION", region.to_owned()),
        // Python's SDK reads this one only.
        ("AWS_DEFAULT_REGION", region.to_owned()),
        ("AWS_ACCESS_KEY_ID", access_key.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret_key.to_owned()),
    ];
    variables.iter().map(|(name, value)| format!("  export {name}={value}\n")).collect()
}

/// The path of this program, for images that run it.
pub(super) fn this_program() -> std::io::Result<String> {
    Ok(std::env::current_exe()?.display().to_string())
}
