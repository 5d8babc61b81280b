//! The way from graph to program: fusion, then memory.
//!
//! In: a graph after its passes. Out: kernels, their order, and a place for
//! every value. Invariant: both options change times and memory, not meaning.

use super::fuse::fuse;
use super::ir::Program;
use super::plan::{Report, plan};
use crate::ir::Graph;

/// How a graph is lowered. The defaults are what runs; the others are oracles for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Fuse; off: one kernel a node, and turns of scans run by run.
    pub fuse: bool,
    /// Overlay temporaries and update in place; off: every value has its own memory.
    pub share_memory: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { fuse: true, share_memory: true }
    }
}

/// Lowers a graph (after its passes) to kernels with a memory plan.
///
/// # Errors
/// A message when an invariant of the lowering is broken: an internal error.
pub fn lower(graph: &Graph, options: &Options) -> Result<Program, String> {
    lower_with_report(graph, options).map(|(program, _)| program)
}

/// The same, with what the memory is used for.
///
/// # Errors
/// As [`lower`].
pub fn lower_with_report(graph: &Graph, options: &Options) -> Result<(Program, Report), String> {
    let draft = fuse(graph, options.fuse)?;
    Ok(plan(draft, options.share_memory, options.fuse))
}
