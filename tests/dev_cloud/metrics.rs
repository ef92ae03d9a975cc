//! CloudWatch, and the small services beside it.
