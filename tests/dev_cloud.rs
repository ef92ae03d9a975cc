//! The dev cloud from outside: the unmodified AWS SDK against its endpoint, plain HTTP against its load balancers.

mod dev_cloud {
    pub(crate) mod support;

    mod traffic;
}
