//! Who may do what, and how often: signatures, policies, token buckets, the admin endpoint, accounts and regions.

mod admin;
mod buckets;
mod policies;
mod rates;
mod separation;
mod signatures;
mod strangers;
