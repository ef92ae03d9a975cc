//! Auto Scaling groups.
