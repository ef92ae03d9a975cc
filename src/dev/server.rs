//! The HTTP endpoint of the control plane.
