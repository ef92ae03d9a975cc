//! The AWS protocols: query form and XML in, XML out.
