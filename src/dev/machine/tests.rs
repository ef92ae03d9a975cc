//! Machines and catalogues from outside.
