//! Suite: grad.
