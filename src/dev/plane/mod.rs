//! The data plane: load balancer proxy and health prober.
