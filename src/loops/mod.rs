//! Loop IR, fusion to loops, memory plan, verifier, interpreter.
//!
//! The loops IR is the bit-exact contract: nothing before emission looks at the
//! machine, so width, threads and emitter cannot change a result.
mod affine;
pub mod build;
mod bundle;
pub mod fuse;
pub mod interpret;
pub mod ir;
mod lower;
pub mod math;
pub mod ops;
pub mod parse;
pub mod plan;
pub mod print;
mod rename;
pub mod turns;
pub mod verify;

pub use lower::{Options, lower, lower_with_report};
