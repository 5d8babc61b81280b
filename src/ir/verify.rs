//! The graph's verifier.
//!
//! Invariants:
//! - operands precede their users (so the graph is acyclic and node order is a schedule);
//! - a node's type is what its op's shape rule gives;
//! - origins refer to labels that exist; a derived node comes after its forward node;
//! - the bodies of scans are sound, each looked at once for all its siblings;
//! - outputs refer to nodes; a written slot gets its own type, and is written once;
//! - inputs and parameters exist: columns and scalars are never written;
//! - figures, labels and slot paths are unique.

use std::collections::HashSet;
use std::sync::Arc;

use super::graph::{Graph, Node, Output, OutputKind, Owner, ValueId};
use super::infer::infer;
use super::op::Op;
use super::types::Type;

/// Checks every invariant of the module's doc.
///
/// # Errors
/// The first that does not hold, with the node or output.
pub fn verify(graph: &Graph) -> Result<(), String> {
    unique(graph.labels.iter().map(|label| &**label), "label")?;
    unique(graph.slots.iter().map(|slot| slot.path.as_str()), "slot")?;
    for (at, node) in graph.nodes.iter().enumerate() {
        check_node(graph, at, node).map_err(|reason| format!("{}: {reason}", ValueId(at as u32)))?;
    }
    let mut bodies = HashSet::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        if let Op::Scan { scan, .. } = &node.op
            && bodies.insert(Arc::as_ptr(scan))
        {
            scan.verify().map_err(|reason| format!("{}: {reason}", ValueId(at as u32)))?;
        }
    }
    let mut taken = HashSet::new();
    for output in &graph.outputs {
        check_output(graph, output)?;
        if !taken.insert(key(output)) {
            return Err(format!("output {} twice", key(output)));
        }
    }
    Ok(())
}

fn check_node(graph: &Graph, at: usize, node: &Node) -> Result<(), String> {
    if let Some(late) = node.operands.iter().find(|operand| operand.index() >= at) {
        return Err(format!("operand {late} does not precede it"));
    }
    let operands: Vec<&Type> = node.operands.iter().map(|&operand| graph.ty(operand)).collect();
    let ty = infer(&node.op, &operands, &graph.slots)?;
    if ty != node.ty {
        return Err(format!("{} is recorded as {}, its rule gives {ty}", node.op.name(), node.ty));
    }
    if let Some(label) = node.origin.label.filter(|label| label.index() >= graph.labels.len()) {
        return Err(format!("there is no label {label}"));
    }
    match node.origin.derived {
        Some(derived) if derived.forward.index() >= at => Err(format!("is derived from the later {}", derived.forward)),
        Some(_) | None => Ok(()),
    }
}

fn check_output(graph: &Graph, output: &Output) -> Result<(), String> {
    let name = key(output);
    let node = graph.nodes.get(output.value.index()).ok_or_else(|| format!("{name}: there is no {}", output.value))?;
    let OutputKind::Write(slot) = &output.kind else { return Ok(()) };
    let slot = graph.slots.get(slot.index()).ok_or_else(|| format!("{name}: there is no {slot}"))?;
    if slot.ty != node.ty {
        return Err(format!("{} is {}, written with {}", slot.path, slot.ty, node.ty));
    }
    match slot.owner {
        Owner::Column | Owner::Scalar => Err(format!("{} is written", slot.path)),
        Owner::Parameter | Owner::State | Owner::TrainState | Owner::OptimizerState => Ok(()),
    }
}

fn key(output: &Output) -> String {
    match &output.kind {
        OutputKind::Write(slot) => format!("write {slot}"),
        OutputKind::Figure(name) => format!("figure {name:?}"),
    }
}

fn unique<'a>(texts: impl Iterator<Item = &'a str>, what: &str) -> Result<(), String> {
    let mut seen = HashSet::new();
    for text in texts {
        if !seen.insert(text) {
            return Err(format!("{what} {text:?} twice"));
        }
    }
    Ok(())
}
