//! Instances as real child processes, and the catalogue that says which program an image is.

mod catalogue;
mod keeper;
mod process;

#[cfg(test)]
mod tests;

pub use catalogue::{Architecture, Catalogue, CatalogueError, Image, ImageState};
pub use process::{Ended, Launch, Machine, MachineError};
