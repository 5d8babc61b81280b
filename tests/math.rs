//! Suite: math.
