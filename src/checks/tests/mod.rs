//! The room from outside, against real servers and programs on this machine.

mod command;
mod probe;
mod smoke;
