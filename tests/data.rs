//! Suite: data.
