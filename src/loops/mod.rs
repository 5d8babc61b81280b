//! Loop IR, fusion to loops, memory plan, verifier, interpreter.
//!
//! The loops IR is the bit-exact contract: nothing before emission looks at the
//! machine, so width, threads and emitter cannot change a result.
pub mod build;
pub mod fuse;
pub mod ir;
pub mod ops;
pub mod plan;

/// How a graph is lowered. The defaults are what runs; the others are oracles for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Fuse; off: one kernel a node.
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
pub fn lower(graph: &crate::ir::Graph, options: &Options) -> Result<ir::Program, String> {
    lower_with_report(graph, options).map(|(program, _)| program)
}

/// The same, with what the memory is used for.
///
/// # Errors
/// As [`lower`].
pub fn lower_with_report(graph: &crate::ir::Graph, options: &Options) -> Result<(ir::Program, plan::Report), String> {
    let draft = fuse::fuse(graph, options.fuse)?;
    Ok(plan::plan(draft, options.share_memory))
}
