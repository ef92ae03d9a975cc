//! An example file, changed only where a test must: names of an account, ports below 1024, times too long to wait for.

use std::path::Path;

use switchback::config::{self, Compute, Environment, Switch};
use switchback::dev::seed::Seed;

/// The example with these pieces replaced, each of which it must hold exactly once.
pub(crate) fn example(name: &str, changes: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments").join(name);
    let mut text = std::fs::read_to_string(&file).expect("the example is read");
    for (old, new) in changes {
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {name}");
        text = text.replace(old, new);
    }
    text
}

/// The environment that the text describes.
pub(crate) fn read(text: &str) -> Environment {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("environment.yaml");
    std::fs::write(&file, text).expect("the environment is written");
    config::load(&file).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Gives the seed every name that the environment refers to; what carries the traffic is left as it is.
pub(crate) fn name(seed: &mut Seed, environment: &Environment) {
    let Compute::Instances(instances) = &environment.compute;
    seed.environment.clone_from(&environment.name);
    seed.region = environment.region.clone().expect("a region");
    seed.colors = environment.colors.each_ref().map(|color| color.name.to_string());
    seed.target_groups = environment.colors.each_ref().map(|color| color.target_group.clone());
    seed.launch_template.clone_from(&instances.launch_template);
    seed.subnets.clone_from(&instances.subnets);
    seed.count = instances.count;
    match &environment.switch {
        Switch::Listener(listener) => {
            seed.load_balancers[0].clone_from(&listener.load_balancer);
            seed.listener_port = listener.port;
        }
        Switch::Dns(dns) => {
            seed.load_balancers = environment.colors.each_ref().map(|c| c.load_balancer.clone().expect("its own"));
            seed.listener_port = dns.port;
        }
    }
}
