//! Suite: diag.
