//! What all passes share: one walk from an old graph to a new one.
//!
//! A rule sees each old node with its operands already in the new graph, and
//! says which new value stands for it. Invariant: slots, labels and outputs
//! carry over; origins are remapped; a name goes to the value that replaces
//! its node, if that has none.

use crate::ir::{Derived, Graph, Node, Origin, Output, ValueId};

/// Rebuilds `old`, node by node in order.
pub(super) fn rewrite(old: Graph, mut rule: impl FnMut(&mut Graph, Node) -> ValueId) -> Graph {
    rewrite_some(old, |_| true, |graph, _, node| rule(graph, node))
}

/// As [`rewrite`] for the nodes that `keep` wants: a closed set under
/// operands, with all outputs. The rule also gets the node's old id.
pub(super) fn rewrite_some(
    old: Graph,
    keep: impl Fn(ValueId) -> bool,
    mut rule: impl FnMut(&mut Graph, ValueId, Node) -> ValueId,
) -> Graph {
    let mut new = Graph { nodes: Vec::new(), slots: old.slots, labels: old.labels, outputs: Vec::new() };
    let mut places: Vec<Option<ValueId>> = Vec::with_capacity(old.nodes.len());
    let place = |places: &[Option<ValueId>], value: ValueId| places[value.index()].expect("operands are kept");
    for (at, mut node) in old.nodes.into_iter().enumerate() {
        let id = ValueId(at as u32);
        if !keep(id) {
            places.push(None);
            continue;
        }
        for operand in &mut node.operands {
            *operand = place(&places, *operand);
        }
        node.origin = remapped(node.origin, &places);
        let name = node.name.take();
        let value = rule(&mut new, id, node);
        let target = &mut new.nodes[value.index()].name;
        if target.is_none() {
            *target = name;
        }
        places.push(Some(value));
    }
    let outputs = old.outputs.into_iter();
    new.outputs = outputs.map(|Output { kind, value }| Output { kind, value: place(&places, value) }).collect();
    new
}

/// The node as it is.
pub(super) fn keep(graph: &mut Graph, node: Node) -> ValueId {
    graph.nodes.push(node);
    ValueId(graph.nodes.len() as u32 - 1)
}

/// The origin with its forward node's new id, or without it if that is gone.
fn remapped(origin: Origin, places: &[Option<ValueId>]) -> Origin {
    let derived = origin
        .derived
        .and_then(|derived| places[derived.forward.index()].map(|forward| Derived { forward, ..derived }));
    Origin { derived, ..origin }
}
