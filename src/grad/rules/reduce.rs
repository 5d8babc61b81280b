//! Rules of reductions and products.

use super::Context;
use crate::ir::infer::other_axes;
use crate::ir::{DType, Face, Op, ValueId, Window};

/// The same cotangent for everything that was added.
pub(super) fn sum(cx: &mut Context<'_>, axes: &[usize]) -> ValueId {
    back(cx, cx.g, axes)
}

/// The cotangent shared evenly by all places where the maximum stands.
pub(super) fn max_of(cx: &mut Context<'_>, axes: &[usize]) -> ValueId {
    let x = cx.operands[0];
    let maximum = back(cx, cx.y, axes);
    let ties = cx.eq(x, maximum);
    let ones = cx.graph.convert(DType::F32, ties, cx.origin);
    let count = cx.graph.sum(ones, axes, cx.origin);
    let share = cx.div(cx.g, count);
    let (share, zero) = (back(cx, share, axes), cx.graph.full_like(x, 0.0, cx.origin));
    cx.select(ties, share, zero)
}

/// A value without `axes`, broadcast back over them to the operand's shape.
fn back(cx: &mut Context<'_>, value: ValueId, axes: &[usize]) -> ValueId {
    let shape = cx.shape(cx.operands[0]);
    cx.graph.broadcast(value, &shape, &other_axes(shape.len(), axes), cx.origin)
}

/// Of a: contract(g, b) over b's free axes; of b: contract(a, g) over a's;
/// then the axes put where the operand has them.
///
/// The result's axes are: batch, free axes of a, free axes of b.
pub(super) fn contract(cx: &mut Context<'_>, batch: &[(usize, usize)], over: &[(usize, usize)], k: usize) -> ValueId {
    let (a, b, g) = (cx.operands[0], cx.operands[1], cx.g);
    let side = |(i, j): &(usize, usize), k: usize| if k == 0 { *i } else { *j };
    let paired = |k: usize| batch.iter().chain(over).map(|pair| side(pair, k)).collect::<Vec<_>>();
    let free_a = other_axes(cx.graph.ty(a).rank(), &paired(0));
    let free_b = other_axes(cx.graph.ty(b).rank(), &paired(1));
    let mut summed: Vec<(usize, usize)> = over.to_vec();
    let from = batch.len();
    let product = if k == 0 {
        let over_b: Vec<_> = free_b.iter().enumerate().map(|(n, &j)| (from + free_a.len() + n, j)).collect();
        let batch: Vec<_> = batch.iter().enumerate().map(|(n, &(_, j))| (n, j)).collect();
        // What is left of b are its summed axes, ascending in b.
        summed.sort_by_key(|&(_, j)| j);
        cx.graph.contract(g, b, &batch, &over_b, cx.origin)
    } else {
        let over_a: Vec<_> = free_a.iter().enumerate().map(|(n, &i)| (i, from + n)).collect();
        let batch: Vec<_> = batch.iter().enumerate().map(|(n, &(i, _))| (i, n)).collect();
        summed.sort_by_key(|&(i, _)| i);
        cx.graph.contract(a, g, &batch, &over_a, cx.origin)
    };
    // The product's axes, told as axes of the operand.
    let shared = batch.iter().map(|pair| side(pair, k));
    let summed = summed.iter().map(|pair| side(pair, k));
    let order: Vec<usize> = if k == 0 {
        shared.chain(free_a).chain(summed).collect()
    } else {
        shared.chain(summed).chain(free_b).collect()
    };
    let mut perm = vec![0; order.len()];
    for (at, &axis) in order.iter().enumerate() {
        perm[axis] = at;
    }
    cx.graph.transpose(product, &perm, cx.origin)
}

/// The form is linear in each of its three factors, so the adjoint of one face by an operand is the face of that
/// operand, with the cotangent in the place of the result.
pub(super) fn conv(cx: &mut Context<'_>, face: Face, windows: &[Window], groups: usize, k: usize) -> ValueId {
    let (g, other) = (cx.g, cx.operands[1 - k]);
    let (face, operands) = match (face, k) {
        (Face::Out, 0) => (Face::Input, [g, other]),
        (Face::Out, _) => (Face::Weight, [other, g]),
        (Face::Input, 0) => (Face::Out, [g, other]),
        (Face::Input, _) => (Face::Weight, [g, other]),
        (Face::Weight, 0) => (Face::Input, [other, g]),
        (Face::Weight, _) => (Face::Out, [other, g]),
    };
    cx.push(Op::Conv { face, windows: windows.to_vec(), groups }, &operands)
}
