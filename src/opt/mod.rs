//! Graph passes: smaller and simpler graphs of the same values.
//!
//! In: a verified graph, after the last `grad`. Out: a verified graph whose
//! outputs and slots are the same. Invariants: every pass is a pure function;
//! it keeps spans, labels, names and derivations (a forward node that merges
//! into another takes its adjoints' references along; one that dies takes them
//! with it); and unless its doc says otherwise the outputs keep their bits,
//! NaN payloads aside. What a pass does to a graph it does to the bodies of its
//! scans, to each once for all results that share it.

mod cse;
mod dce;
mod fold;
mod hoist;
mod identities;
mod lift;
mod mask;
mod movement;
mod rewrite;
mod scans;
mod strip;

use crate::ir::Graph;

/// A pass: from graph to graph.
pub struct Pass {
    /// As the command line names it.
    pub name: &'static str,
    /// What it does, in a line.
    pub description: &'static str,
    /// It.
    pub run: fn(Graph) -> Graph,
}

/// All passes.
pub const PASSES: &[Pass] = &[
    Pass {
        name: "strip",
        description: "remove stop_gradient and same-shape reshape, which only gradients need",
        run: strip::strip,
    },
    Pass { name: "fold", description: "compute constants, apply exact identities, merge movement", run: fold::fold },
    Pass { name: "cse", description: "compute equal values once", run: cse::cse },
    Pass {
        name: "hoist",
        description: "take products out of scans, so that one large one replaces one a turn",
        run: hoist::hoist,
    },
    Pass {
        name: "mask",
        description: "let a rectifier's gradient read its result instead of its operand",
        run: mask::mask,
    },
    Pass { name: "dce", description: "drop what no output needs", run: dce::dce },
];

/// The standard pipeline, by name. `fold` and `cse` run again for what `cse` and `mask` made equal; what is dead goes
/// before `hoist`, which looks at who reads what.
pub const PIPELINE: &[&str] = &["strip", "fold", "cse", "dce", "hoist", "fold", "mask", "cse", "dce"];

/// The pass with this name.
pub fn pass(name: &str) -> Option<&'static Pass> {
    PASSES.iter().find(|pass| pass.name == name)
}

/// The whole standard pipeline.
pub fn run(graph: Graph) -> Graph {
    steps().fold(graph, |graph, pass| (pass.run)(graph))
}

/// The pipeline up to and with the first run of `last`; the whole one if it has none.
pub fn run_until(graph: Graph, last: &str) -> Graph {
    let length = PIPELINE.iter().position(|name| *name == last).map_or(PIPELINE.len(), |at| at + 1);
    steps().take(length).fold(graph, |graph, pass| (pass.run)(graph))
}

/// The pipeline with the verifier after each pass.
///
/// # Errors
/// The guilty pass and what it broke.
pub fn run_verified(graph: Graph) -> Result<Graph, String> {
    run_each_verified(graph, steps())
}

/// Any passes with the verifier before the first and after each.
///
/// # Errors
/// The guilty pass (`lower` if the graph came broken) and what it broke.
pub fn run_each_verified<'a>(graph: Graph, passes: impl IntoIterator<Item = &'a Pass>) -> Result<Graph, String> {
    let checked = |graph: Graph, name: &str| {
        let named = |reason| format!("after {name}: {reason}");
        crate::ir::verify::verify(&graph).map_err(named).map(|()| graph)
    };
    passes.into_iter().try_fold(checked(graph, "lower")?, |graph, pass| checked((pass.run)(graph), pass.name))
}

fn steps() -> impl Iterator<Item = &'static Pass> {
    PIPELINE.iter().filter_map(|name| pass(name))
}
