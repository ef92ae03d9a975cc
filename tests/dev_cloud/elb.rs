//! ELBv2's control plane.
