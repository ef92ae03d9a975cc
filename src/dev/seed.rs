//! A small world to start from: what Terraform would have built before the first release.
