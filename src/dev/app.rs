//! The sample program that instances of the demo run.
