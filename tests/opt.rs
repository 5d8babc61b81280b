//! Suite: opt.
