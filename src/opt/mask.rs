//! Lets a rectifier's gradient read its result: given h = select(le(z, c), c, z)
//! with a constant c that is no NaN, le(z, c) = le(h, c) for every z, NaN
//! included, so uses after h read le(h, c) and z need not be kept for them.

use std::collections::HashMap;

use super::fold::splat;
use super::rewrite::{keep, rewrite};
use super::scans::in_bodies;
use crate::ir::op::{Comparison, Const};
use crate::ir::{Graph, Node, Op, Origin, ValueId};

/// What stands for a comparison after its rectifier.
struct Mask {
    h: ValueId,
    c: ValueId,
    origin: Origin,
    /// le(h, c), made at its first use.
    made: Option<ValueId>,
}

pub(super) fn mask(mut graph: Graph) -> Graph {
    in_bodies(&mut graph, mask);
    let mut masks: HashMap<ValueId, Mask> = HashMap::new();
    rewrite(graph, |graph, mut node| {
        if let Some((compare, c)) = rectifier(graph, &node) {
            let first = !masks.contains_key(&compare);
            let h = keep(graph, node);
            if first {
                let origin = graph.node(compare).origin;
                masks.insert(compare, Mask { h, c, origin, made: None });
            }
            return h;
        }
        for operand in &mut node.operands {
            if let Some(mask) = masks.get_mut(operand) {
                *operand = *mask.made.get_or_insert_with(|| graph.le(mask.h, mask.c, mask.origin));
            }
        }
        keep(graph, node)
    })
}

/// For select(le(z, c), c, z): le(z, c) and c.
fn rectifier(graph: &Graph, node: &Node) -> Option<(ValueId, ValueId)> {
    let (Op::Select, &[compare, c, z]) = (&node.op, &node.operands[..]) else { return None };
    let condition = graph.node(compare);
    let is_le = condition.op == Op::Compare(Comparison::Le) && condition.operands == [z, c];
    (is_le && is_number(graph, c)).then_some((compare, c))
}

/// Whether the value is a constant, the same everywhere and not NaN.
fn is_number(graph: &Graph, value: ValueId) -> bool {
    match splat(graph, value) {
        Some(Const::F32(value)) => !value.is_nan(),
        Some(Const::I32(_)) => true,
        Some(Const::Bool(_) | Const::Table { .. }) | None => false,
    }
}
