//! Drops what no output needs. The graph is pure, so nothing else keeps a
//! node. Slots stay, read or not: they are the program's interface.

use super::rewrite::{keep, rewrite_some};
use crate::ir::{Graph, ValueId};

pub(super) fn dce(graph: Graph) -> Graph {
    let mut live = vec![false; graph.nodes.len()];
    for output in &graph.outputs {
        live[output.value.index()] = true;
    }
    for at in (0..graph.nodes.len()).rev() {
        if live[at] {
            for operand in &graph.nodes[at].operands {
                live[operand.index()] = true;
            }
        }
    }
    rewrite_some(graph, |id: ValueId| live[id.index()], |graph, _, node| keep(graph, node))
}
