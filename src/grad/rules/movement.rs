//! Rules of movement: linear ops in adjoint pairs (broadcast and sum, slice
//! and unslice, unfold and fold, gather and scatter_add).

use super::Context;
use crate::ir::{Fill, Op, ValueId, Window};

/// Sum over the new axes and over those that grew from 1.
pub(super) fn broadcast(cx: &mut Context<'_>, shape: &[usize], axes: &[usize]) -> ValueId {
    let from = cx.shape(cx.operands[0]);
    let stays = |axis: usize| axes.iter().position(|&target| target == axis).is_some_and(|k| from[k] == shape[axis]);
    let summed: Vec<usize> = (0..shape.len()).filter(|&axis| !stays(axis)).collect();
    let sum = cx.graph.sum(cx.g, &summed, cx.origin);
    cx.graph.reshape(sum, &from, cx.origin)
}

pub(super) fn reshape(cx: &mut Context<'_>) -> ValueId {
    let from = cx.shape(cx.operands[0]);
    cx.graph.reshape(cx.g, &from, cx.origin)
}

pub(super) fn transpose(cx: &mut Context<'_>, perm: &[usize]) -> ValueId {
    let mut inverse = vec![0; perm.len()];
    for (to, &from) in perm.iter().enumerate() {
        inverse[from] = to;
    }
    cx.graph.transpose(cx.g, &inverse, cx.origin)
}

pub(super) fn slice(cx: &mut Context<'_>, start: &[usize], step: &[i64]) -> ValueId {
    let shape = cx.shape(cx.operands[0]);
    cx.push(Op::Unslice { start: start.to_vec(), step: step.to_vec(), shape }, &[cx.g])
}

pub(super) fn unslice(cx: &mut Context<'_>, start: &[usize], step: &[i64]) -> ValueId {
    let size = cx.shape(cx.operands[0]);
    cx.push(Op::Slice { start: start.to_vec(), size, step: step.to_vec() }, &[cx.g])
}

/// The part of g that operand `k` became.
pub(super) fn concat(cx: &mut Context<'_>, axis: usize, k: usize) -> ValueId {
    let size = cx.shape(cx.operands[k]);
    let mut start = vec![0; size.len()];
    start[axis] = cx.operands[..k].iter().map(|&part| cx.graph.ty(part).shape[axis]).sum();
    let step = vec![1; size.len()];
    cx.push(Op::Slice { start, size, step }, &[cx.g])
}

pub(super) fn unfold(cx: &mut Context<'_>, axis: usize, window: &Window) -> ValueId {
    cx.push(Op::Fold { axis, window: *window }, &[cx.g])
}

pub(super) fn fold(cx: &mut Context<'_>, axis: usize, window: &Window) -> ValueId {
    cx.push(Op::Unfold { axis, window: *window, fill: Fill::Zero }, &[cx.g])
}

pub(super) fn gather(cx: &mut Context<'_>, axis: usize) -> ValueId {
    let size = cx.graph.ty(cx.operands[0]).shape[axis];
    cx.push(Op::ScatterAdd { axis, size }, &[cx.g, cx.operands[1]])
}

pub(super) fn scatter_add(cx: &mut Context<'_>, axis: usize) -> ValueId {
    cx.push(Op::Gather { axis }, &[cx.g, cx.operands[1]])
}

/// What was put there has no x in it, and the rest no v.
pub(super) fn put(cx: &mut Context<'_>, axis: usize, k: usize) -> ValueId {
    let index = cx.operands[2];
    if k == 1 {
        return cx.push(Op::Gather { axis }, &[cx.g, index]);
    }
    let nothing = cx.graph.full_like(cx.operands[1], 0.0, cx.origin);
    cx.push(Op::Put { axis }, &[cx.g, nothing, index])
}
