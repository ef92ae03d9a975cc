//! What clients of a load balancer see.
