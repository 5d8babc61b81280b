//! What passes share over scans: the results of one scan gathered, and a body
//! changed for all of them at once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::op::Const;
use crate::ir::{Graph, Node, Op, Scan, SlotId, ValueId};

/// Applies a pass to the bodies of the graph's scans, each once.
pub(super) fn in_bodies(graph: &mut Graph, pass: fn(Graph) -> Graph) {
    let mut done: HashMap<*const Scan, (Arc<Scan>, Arc<Scan>)> = HashMap::new();
    for node in &mut graph.nodes {
        let Op::Scan { scan, .. } = &mut node.op else { continue };
        let entry = done.entry(Arc::as_ptr(scan));
        // The old one is kept as well, so that its address stays its own.
        let (_, new) = entry.or_insert_with(|| {
            let Scan { turns, reverse, carries, sequences, .. } = **scan;
            let body = pass(scan.body.clone());
            (scan.clone(), Arc::new(Scan { turns, reverse, carries, sequences, body }))
        });
        *scan = new.clone();
    }
}

/// The results of one scan: same body, same operands.
pub(super) struct Group {
    /// What it does.
    pub scan: Arc<Scan>,
    /// On what.
    pub operands: Vec<ValueId>,
    /// Its results in the graph, ascending.
    pub siblings: Vec<ValueId>,
}

/// The scans of a graph, by their first results.
pub(super) fn groups<'n>(nodes: impl Iterator<Item = (ValueId, &'n Node)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<(*const Scan, Vec<ValueId>), usize> = HashMap::new();
    for (id, node) in nodes {
        let Op::Scan { scan, .. } = &node.op else { continue };
        let key = (Arc::as_ptr(scan), node.operands.clone());
        let at = *known.entry(key).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group { scan: scan.clone(), operands: node.operands.clone(), siblings: Vec::new() });
        }
        groups[at].siblings.push(id);
    }
    groups
}

/// All nodes with their ids.
pub(super) fn numbered(graph: &Graph) -> impl Iterator<Item = (ValueId, &Node)> {
    graph.nodes.iter().enumerate().map(|(at, node)| (ValueId(at as u32), node))
}

/// Captured constants, the same everywhere, become constants of the body; the captured value is left to `dce`.
pub(super) fn constants_inward(graph: &mut Graph) {
    for group in groups(numbered(graph)) {
        let first = group.scan.carries + group.scan.sequences;
        let constant = |at: usize| {
            let Op::Const { value, .. } = &graph.node(group.operands[at]).op else { return None };
            (!matches!(value, Const::Table { .. })).then(|| value.clone())
        };
        let found: Vec<(SlotId, Const)> = (first..group.operands.len())
            .filter_map(|at| constant(at).map(|value| (SlotId(at as u32 + 1), value)))
            .collect();
        let read = |node: &Node| matches!(node.op, Op::Input(slot) if found.iter().any(|(known, _)| *known == slot));
        if !group.scan.body.nodes.iter().any(read) {
            continue;
        }
        let mut scan = (*group.scan).clone();
        for node in &mut scan.body.nodes {
            if let Op::Input(slot) = node.op
                && let Some((_, value)) = found.iter().find(|(known, _)| *known == slot)
            {
                node.op = Op::Const { value: value.clone(), shape: node.ty.shape.clone() };
            }
        }
        replace(graph, &group.siblings, &Arc::new(scan));
    }
}

/// Gives results another body, in which they have the same numbers.
pub(super) fn replace(graph: &mut Graph, siblings: &[ValueId], new: &Arc<Scan>) {
    for sibling in siblings {
        if let Op::Scan { scan, .. } = &mut graph.nodes[sibling.index()].op {
            *scan = new.clone();
        }
    }
}
