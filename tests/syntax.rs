//! Suite: syntax.
