//! The cloud in the process of a test, under paused time.
