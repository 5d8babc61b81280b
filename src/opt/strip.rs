//! Removes what only differentiation needs: `stop_gradient`, and the reshape
//! to the same shape that gives a value a node of its own. Both are the
//! identity, so after the last `grad` their operand stands for them.

use super::rewrite::{keep, rewrite};
use super::scans::in_bodies;
use crate::ir::{Graph, Op};

pub(super) fn strip(mut graph: Graph) -> Graph {
    in_bodies(&mut graph, strip);
    rewrite(graph, |graph, node| {
        let names_only = matches!(node.op, Op::StopGradient | Op::Reshape { .. });
        match node.operands.first() {
            Some(&operand) if names_only && *graph.ty(operand) == node.ty => operand,
            Some(_) | None => keep(graph, node),
        }
    })
}
