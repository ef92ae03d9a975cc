//! Other clients than the Rust SDK.
