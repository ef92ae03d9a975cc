//! A world in the dev cloud for an environment file: what Terraform would have built before the first release.

use std::path::Path;

use crate::config::{Compute, Environment, RuleMatch, Switch};
use crate::dev::seed::{Seed, SeedCondition, SeedSwitch};
use crate::dev::DevCloud;

/// The region of environments that name none; the SDK of whoever talks to the dev cloud must use it too.
pub(super) const REGION: &str = "eu-west-1";

/// Everything `environment` refers to, with `image` live on its first color, on instances that serve on `port`.
pub(super) fn seed_for(environment: &Environment, image: &str, port: u16) -> Seed {
    let Compute::Instances(instances) = &environment.compute;
    let [first, second] = &environment.colors;
    let (listener_port, switch) = match &environment.switch {
        Switch::Listener(listener) => (
            listener.port,
            match &listener.rule {
                None => SeedSwitch::DefaultAction { load_balancer: listener.load_balancer.clone() },
                Some(rule) => {
                    let (priority, condition) = match rule {
                        RuleMatch::Priority(priority) => (*priority, SeedCondition::Path("/*".into())),
                        RuleMatch::Path(path) => (10, SeedCondition::Path(path.clone())),
                        RuleMatch::Host(host) => (10, SeedCondition::Host(host.clone())),
                    };
                    SeedSwitch::Rule { load_balancer: listener.load_balancer.clone(), priority, condition }
                }
            },
        ),
        Switch::Dns(dns) => {
            let balancer = |color: &crate::config::ColorConfig| color.load_balancer.clone().unwrap_or_default();
            let load_balancers = [balancer(first), balancer(second)];
            (dns.port, SeedSwitch::Dns { load_balancers, zone: dns.zone.clone(), record: dns.record.clone() })
        }
    };
    Seed {
        environment: environment.name.clone(),
        region: environment.region.clone().unwrap_or_else(|| REGION.into()),
        colors: [first.name.to_string(), second.name.to_string()],
        target_groups: [first.target_group.clone(), second.target_group.clone()],
        launch_template: instances.launch_template.clone(),
        subnets: instances.subnets.clone(),
        count: instances.count,
        instance_port: port,
        listener_port,
        switch,
        ..Seed::new(image)
    }
}

/// What to set in a shell so that every AWS client talks to the dev cloud.
pub(super) fn exports(dev: &DevCloud, region: &str) -> String {
    let variables = [
        ("AWS_ENDPOINT_URL", dev.url()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_ACCESS_KEY_ID", "DEVCLOUD".into()),
        ("AWS_SECRET_ACCESS_KEY", "dev-cloud".into()),
    ];
    variables.iter().map(|(name, value)| format!("  export {name}={value}\n")).collect()
}

/// A program to run: a path with a slash, else searched in `PATH`.
pub(super) fn this_program() -> std::io::Result<String> {
    let program = std::env::current_exe()?;
    Ok(Path::new(&program).display().to_string())
}
