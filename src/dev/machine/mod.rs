//! Instances as child processes, and the image catalogue.
