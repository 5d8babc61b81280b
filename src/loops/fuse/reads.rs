//! What computing a root reads, through the values inlined into it.
//!
//! In: a root at an index. Out: each read of another root or of memory, with
//! its index where it is affine. Invariant: the same walk that emission does,
//! so what is checked here is what is emitted.

use crate::ir::{Graph, Op, ValueId};
use crate::loops::ir::Affine;

use super::domain::{Level, Spot};
use super::fate::{Class, Fates};
use super::product::{Axes, pair};
use super::view::{operand_index, padded, strided};

/// Visits the reads of computing `root` at `spot`: the value, and its index unless it is read by other means
/// (indirectly, by a wide call, through strides).
pub(super) fn reads_of_root(
    graph: &Graph,
    fates: &Fates,
    root: ValueId,
    spot: &Spot,
    see: &mut dyn FnMut(ValueId, Option<&[Affine]>),
) {
    let node = graph.node(root);
    let whole = |value: ValueId, see: &mut dyn FnMut(ValueId, Option<&[Affine]>)| see(base(graph, fates, value), None);
    match fates.class[root.index()] {
        Class::Product => node.operands.iter().for_each(|&operand| whole(operand, see)),
        Class::Own => {
            for &operand in &node.operands {
                let index = vec![Affine::default(); graph.ty(operand).rank()];
                reads(graph, fates, operand, &index, &mut |value, _| see(value, None));
            }
        }
        Class::Reduce => match Axes::of(graph, node) {
            Some(axes) => {
                let (index_a, index_b) = axes.operand_indices(&spot.index, &spot.inner);
                let (a, b) = pair(node);
                reads(graph, fates, a, &index_a, see);
                reads(graph, fates, b, &index_b, see);
            }
            None => reads(graph, fates, node.operands[0], &spot.inner, see),
        },
        Class::Memory | Class::Made | Class::View | Class::Map => inside(graph, fates, root, &spot.index, see),
    }
}

/// The values in memory or of other groups that computing `root` reads, each once.
pub(super) fn sources(graph: &Graph, fates: &Fates, root: ValueId) -> Vec<ValueId> {
    let node = graph.node(root);
    let zeros = |rank: usize| vec![Affine::default(); rank];
    let inner = match Axes::of(graph, node) {
        Some(axes) => axes.over.len(),
        None => node.operands.first().map_or(0, |&operand| graph.ty(operand).rank()),
    };
    let spot = Spot { level: Level::Full, index: zeros(node.ty.rank()), inner: zeros(inner) };
    let mut sources = Vec::new();
    reads_of_root(graph, fates, root, &spot, &mut |value, _| sources.push(value));
    sources.sort_unstable();
    sources.dedup();
    sources
}

/// The value in memory that a chain of views ends in.
pub(super) fn base(graph: &Graph, fates: &Fates, value: ValueId) -> ValueId {
    strided(graph, &|value| fates.layout(graph, value), value).map_or(value, |view| view.base)
}

fn reads(
    graph: &Graph,
    fates: &Fates,
    value: ValueId,
    index: &[Affine],
    see: &mut dyn FnMut(ValueId, Option<&[Affine]>),
) {
    if fates.in_memory(value) {
        see(value, Some(index));
    } else {
        inside(graph, fates, value, index, see);
    }
}

/// The reads of a value that is computed here.
fn inside(
    graph: &Graph,
    fates: &Fates,
    value: ValueId,
    index: &[Affine],
    see: &mut dyn FnMut(ValueId, Option<&[Affine]>),
) {
    let node = graph.node(value);
    match (&node.op, fates.class[value.index()]) {
        (_, Class::Made) => {}
        (_, Class::View) => match operand_index(graph, node, index) {
            Some(read) => reads(graph, fates, node.operands[0], &read, see),
            None => see(base(graph, fates, node.operands[0]), None),
        },
        (Op::Gather { axis }, _) => {
            let (source, at) = pair(node);
            see(base(graph, fates, source), None);
            reads(graph, fates, at, &index[*axis..*axis + graph.ty(at).rank()], see);
        }
        (Op::Unfold { .. }, _) => {
            if let Some(found) = padded(graph, &|value| fates.in_memory(value), value, index) {
                see(found.base, None);
            }
        }
        (Op::Unslice { .. }, _) => see(base(graph, fates, node.operands[0]), None),
        (Op::Contract { .. }, _) => {
            if let Some(axes) = Axes::of(graph, node) {
                let (index_a, index_b) = axes.operand_indices(index, &vec![Affine::default(); axes.over.len()]);
                reads(graph, fates, node.operands[0], &index_a, see);
                reads(graph, fates, node.operands[1], &index_b, see);
            }
        }
        _ => node.operands.iter().for_each(|&operand| reads(graph, fates, operand, index, see)),
    }
}
