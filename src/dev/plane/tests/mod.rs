//! The data plane from outside: real clients, real servers, on loopback.
