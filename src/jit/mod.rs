//! Machine code of kernels: the only room that knows Cranelift.
//!
//! In: verified kernels of the loops IR with all transcendentals expanded. Out:
//! functions of type [`KernelFn`](crate::kernels::abi::KernelFn), owned by a
//! [`Module`]. Invariant: the code computes, bit for bit (NaN payloads apart),
//! what the loops interpreter computes, whatever the machine, the panels and
//! the number of threads.

mod emit;
mod isa;
mod module;
mod wide;

use std::fmt;

pub use isa::machine_note;
pub use module::{Module, clif, compile};

/// How to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads that may compile at the same moment.
    pub threads: usize,
    /// Effort of Cranelift's optimiser.
    pub level: Level,
    /// How wide lane loops are.
    pub lanes: Lanes,
}

/// How wide lane loops are, where the processor can choose; the bits are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// Cranelift's four.
    Four,
    /// Eight where they outweigh the call that they cost.
    EightWhereWorth,
    /// Eight wherever that is possible: for tests.
    Eight,
}

/// Effort of Cranelift's optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Instructions stay in the order they are emitted in.
    None,
    /// With its mid-end, which reorders pure operations.
    Speed,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: 1, level: Level::None, lanes: Lanes::EightWhereWorth }
    }
}

/// Why there is no code: a bug of ours, or a limit of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JitError {
    /// Cranelift does not know this machine, or memory cannot be made executable.
    Machine(String),
    /// A kernel holds what an earlier pass should have removed.
    Unsupported { kernel: String, what: String },
    /// Cranelift refused the function that we built.
    Cranelift { kernel: String, why: String },
}

impl fmt::Display for JitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JitError::Machine(why) => write!(f, "no code for this machine: {why}"),
            JitError::Unsupported { kernel, what } => write!(f, "kernel \"{kernel}\" cannot be emitted: {what}"),
            JitError::Cranelift { kernel, why } => write!(f, "kernel \"{kernel}\" was refused: {why}"),
        }
    }
}

impl std::error::Error for JitError {}
