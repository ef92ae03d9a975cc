//! Who may do what: signatures, policies, and how often.
