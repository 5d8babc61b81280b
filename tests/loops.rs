//! Suite: loops.
