//! The state of the cloud and the rules that AWS applies to it.
