//! Suite: jit.
