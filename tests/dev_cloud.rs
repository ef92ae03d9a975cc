//! The dev cloud from outside: the unmodified AWS SDK against its endpoint, plain HTTP against its load balancers.

#[cfg(test)]
mod dev_cloud {
    mod support;

    mod access;
    mod auto_scaling;
    mod balancing;
    mod buckets;
    mod clients;
    mod compute;
    mod data_plane;
    mod dns;
    mod elb;
    mod faults;
    mod health;
    mod in_process;
    mod machines;
    mod metrics;
    mod name_servers;
    mod protocol;
    mod state;
    mod traffic;
}
