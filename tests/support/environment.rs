//! The environment file of most tests, up to its rules.

/// Two instances behind a listener, as [`Seed`](switchback::dev::seed::Seed) plants them, with these rules for a
/// release.
macro_rules! shop {
    ($rules:literal) => {
        concat!(
            "name: shop\n",
            "region: eu-west-1\n",
            "colors:\n",
            "  blue: { target-group: shop-blue }\n",
            "  green: { target-group: shop-green }\n",
            "switches:\n",
            "  - listener: { load-balancer: shop, port: 8080 }\n",
            "compute:\n",
            "  instances: { launch-template: shop, count: 2, subnets: [subnet-a, subnet-b] }\n",
            $rules
        )
    };
}

pub(crate) use shop;
