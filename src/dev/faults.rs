//! Faults that calls to the dev cloud meet on purpose.
