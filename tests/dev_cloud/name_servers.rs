//! Route 53 and its name servers.
