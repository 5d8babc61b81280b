//! Suite: ir.
