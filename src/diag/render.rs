//! Diagnostics to text: the only room that knows miette.
