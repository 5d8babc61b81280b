//! Suite: kernels.
