//! CloudWatch, and the small services beside it.

mod watching;
