//! Policies are enforced when asked for.
