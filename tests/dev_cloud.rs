//! The dev cloud from outside: the unmodified AWS SDK against its endpoint, plain HTTP against its load balancers.

#[cfg(test)]
mod dev_cloud {
    mod support;

    mod balancing;
    mod compute;
    mod dns;
    mod faults;
    mod health;
    mod protocol;
    mod traffic;
}
