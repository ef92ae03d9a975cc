//! What policies say.
