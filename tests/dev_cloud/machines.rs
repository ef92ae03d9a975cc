//! EC2: instances and what they are made from.
