//! Computes equal values once: same op, same attributes, same operands. Sums
//! and products match in either order, which gives the same bits. `random` is
//! a function of its place and its operands, so equal draws are one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::rewrite::{keep, rewrite};
use super::scans::in_bodies;
use crate::ir::op::Const;
use crate::ir::{Binary, Graph, Node, Op, Scan, ValueId};

pub(super) fn cse(mut graph: Graph) -> Graph {
    in_bodies(&mut graph, cse);
    // By hash: the first value with it, and, rarely, others.
    let mut known: HashMap<u64, Vec<ValueId>> = HashMap::with_capacity(graph.nodes.len());
    // Scans that do the same are one, so that their results are siblings.
    let mut scans: Vec<Arc<Scan>> = Vec::new();
    rewrite(graph, |graph, mut node| {
        if let Op::Scan { scan, .. } = &mut node.op {
            match scans.iter().find(|known| *known == scan) {
                Some(known) => *scan = known.clone(),
                None => scans.push(scan.clone()),
            }
        }
        let candidates = known.entry(hash(&node)).or_default();
        if let Some(same) = candidates.iter().find(|candidate| equal(graph.node(**candidate), &node)) {
            return *same;
        }
        let value = keep(graph, node);
        candidates.push(value);
        value
    })
}

fn equal(a: &Node, b: &Node) -> bool {
    let (x, y) = (&a.operands, &b.operands);
    let swapped = commutes(&a.op) && x.len() == 2 && y.len() == 2 && x[0] == y[1] && x[1] == y[0];
    a.op == b.op && a.ty == b.ty && (x == y || swapped)
}

/// Whether the operands may be swapped without a change of bits; `max` and
/// `min` may not, for their zeros.
fn commutes(op: &Op) -> bool {
    matches!(op, Op::Binary(Binary::Add | Binary::Mul) | Op::And | Op::Or)
}

fn hash(node: &Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.op.name().hash(&mut hasher);
    node.ty.hash(&mut hasher);
    if commutes(&node.op) {
        let mut operands = node.operands.clone();
        operands.sort();
        operands.hash(&mut hasher);
    } else {
        node.operands.hash(&mut hasher);
    }
    attributes(&node.op, &mut hasher);
    hasher.finish()
}

/// What the name, the type and the operands do not say.
fn attributes(op: &Op, hasher: &mut impl Hasher) {
    match op {
        Op::Input(slot) => slot.hash(hasher),
        Op::Const { value, .. } => constant(value, hasher),
        Op::Iota { axis, .. } | Op::Concat { axis } | Op::Gather { axis } => axis.hash(hasher),
        Op::Random { place, base, .. } => (place, base).hash(hasher),
        Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::And | Op::Or | Op::Not | Op::Select => {}
        Op::Convert(_) | Op::StopGradient | Op::Reshape { .. } => {}
        Op::Broadcast { axes, .. } | Op::Sum { axes } | Op::MaxOf { axes } => axes.hash(hasher),
        Op::Transpose { perm } => perm.hash(hasher),
        Op::Slice { start, step, .. } | Op::Unslice { start, step, .. } => (start, step).hash(hasher),
        Op::Unfold { axis, window, fill } => (axis, window, fill).hash(hasher),
        Op::Fold { axis, window } => (axis, window).hash(hasher),
        Op::Conv { face, windows, groups } => (face, windows, groups).hash(hasher),
        Op::Contract { batch, over } => (batch, over).hash(hasher),
        Op::ScatterAdd { axis, size } => (axis, size).hash(hasher),
        Op::Scan { scan, result } => (scan.turns, scan.reverse, scan.body.nodes.len(), result).hash(hasher),
        Op::Put { axis } | Op::Argsort { axis } => axis.hash(hasher),
    }
}

fn constant(value: &Const, hasher: &mut impl Hasher) {
    match value {
        Const::F32(value) => value.to_bits().hash(hasher),
        Const::I32(value) => value.hash(hasher),
        Const::Bool(value) => value.hash(hasher),
        Const::Table { words, .. } => words.hash(hasher),
    }
}
