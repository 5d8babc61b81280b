//! Suite: fuse.
