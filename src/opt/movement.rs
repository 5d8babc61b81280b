//! Merges movement: two of a kind become one, and those that move nothing
//! vanish. Values only change place, so all of it is exact. A reshape to the
//! same shape is left to `strip`: before the last `grad` it names a value.

use super::fold::push;
use crate::ir::{Graph, Node, Op, ValueId, Window};

/// A simpler value for the node, if there is one.
pub(super) fn simpler(graph: &mut Graph, node: &Node) -> Option<ValueId> {
    let operand = *node.operands.first()?;
    let same_type = *graph.ty(operand) == node.ty;
    match &node.op {
        Op::Broadcast { axes, .. } if same_type && counts_up(axes) => Some(operand),
        Op::Transpose { perm } if counts_up(perm) => Some(operand),
        Op::Slice { step, .. } | Op::Unslice { step, .. } if same_type && step.iter().all(|&step| step == 1) => {
            Some(operand)
        }
        Op::Broadcast { shape, axes } => broadcast_twice(graph, node, shape, axes),
        Op::Transpose { perm } => transpose_twice(graph, node, perm),
        Op::Slice { start, size, step } => slice_twice(graph, node, (start, size, step)),
        Op::Reshape { shape } if !same_type => reshape_twice(graph, node, shape),
        Op::Concat { .. } => (node.operands.len() == 1).then_some(operand),
        Op::Sum { axes } | Op::MaxOf { axes } => reduce_of_ones(graph, node, axes),
        Op::Reshape { .. } | Op::Unslice { .. } | Op::Contract { .. } | Op::Gather { .. } => None,
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Random { .. } | Op::Unary(_) | Op::Binary(_) => None,
        Op::Compare(_) | Op::And | Op::Or | Op::Not | Op::Select | Op::Convert(_) | Op::StopGradient => None,
        Op::Unfold { axis, window, .. } if tiles(window) => Some(unfold_tiles(graph, node, *axis, window)),
        Op::Fold { axis, window } if tiles(window) => Some(fold_tiles(graph, node, *axis, window)),
        Op::Unfold { .. }
        | Op::Fold { .. }
        | Op::Conv { .. }
        | Op::ScatterAdd { .. }
        | Op::Scan { .. }
        | Op::Put { .. }
        | Op::Argsort { .. } => None,
    }
}

fn broadcast_twice(graph: &mut Graph, node: &Node, shape: &[usize], axes: &[usize]) -> Option<ValueId> {
    let inner = graph.node(node.operands[0]).clone();
    let Op::Broadcast { axes: inner_axes, .. } = inner.op else { return None };
    let axes = inner_axes.iter().map(|&axis| axes[axis]).collect();
    Some(push(graph, node, Op::Broadcast { shape: shape.to_vec(), axes }, inner.operands))
}

fn transpose_twice(graph: &mut Graph, node: &Node, perm: &[usize]) -> Option<ValueId> {
    let inner = graph.node(node.operands[0]).clone();
    let Op::Transpose { perm: inner_perm } = inner.op else { return None };
    let perm = perm.iter().map(|&axis| inner_perm[axis]).collect();
    Some(push(graph, node, Op::Transpose { perm }, inner.operands))
}

fn reshape_twice(graph: &mut Graph, node: &Node, shape: &[usize]) -> Option<ValueId> {
    let inner = graph.node(node.operands[0]);
    let (Op::Reshape { .. }, &[source]) = (&inner.op, &inner.operands[..]) else { return None };
    if graph.ty(source).shape == shape {
        return Some(source);
    }
    Some(push(graph, node, Op::Reshape { shape: shape.to_vec() }, vec![source]))
}

/// Index k reads start + k·step of what reads inner start + that · inner step.
fn slice_twice(graph: &mut Graph, node: &Node, (start, size, step): (&[usize], &[usize], &[i64])) -> Option<ValueId> {
    let inner = graph.node(node.operands[0]).clone();
    let Op::Slice { start: inner_start, step: inner_step, .. } = &inner.op else { return None };
    let axes = 0..size.len();
    let first = |axis: usize| (inner_start[axis] as i64 + start[axis] as i64 * inner_step[axis]) as usize;
    let op = Op::Slice {
        start: axes.clone().map(first).collect(),
        size: size.to_vec(),
        step: axes.map(|axis| step[axis] * inner_step[axis]).collect(),
    };
    Some(push(graph, node, op, inner.operands.clone()))
}

/// Over axes of size 1 only a maximum is a reshape; a sum turns -0 to +0, so
/// only one over no axes vanishes.
fn reduce_of_ones(graph: &mut Graph, node: &Node, axes: &[usize]) -> Option<ValueId> {
    let operand = node.operands[0];
    if axes.is_empty() {
        return Some(operand);
    }
    let shape = &graph.ty(operand).shape;
    let ones = axes.iter().all(|&axis| shape[axis] == 1);
    let exact = matches!(node.op, Op::MaxOf { .. }) || node.ty.dtype == crate::ir::DType::I32;
    (ones && exact).then(|| push(graph, node, Op::Reshape { shape: node.ty.shape.clone() }, vec![operand]))
}

/// Whether windows stand side by side without gaps, as those of most pooling do.
fn tiles(window: &Window) -> bool {
    window.lo == 0 && (window.dilation == 1 || window.k == 1) && window.step == window.k && window.is_inside()
}

/// Windows side by side are a reshape of the elements that they cover.
fn unfold_tiles(graph: &mut Graph, node: &Node, axis: usize, window: &Window) -> ValueId {
    let operand = node.operands[0];
    let mut size = graph.ty(operand).shape.clone();
    let rank = size.len();
    size[axis] = window.out * window.k;
    let covered = push(graph, node, Op::Slice { start: vec![0; rank], size, step: vec![1; rank] }, vec![operand]);
    push(graph, node, Op::Reshape { shape: node.ty.shape.clone() }, vec![covered])
}

/// The reshape back, with zeros behind for what no window covers. A -0 stays one.
fn fold_tiles(graph: &mut Graph, node: &Node, axis: usize, window: &Window) -> ValueId {
    let shape = node.ty.shape.clone();
    let rank = shape.len();
    let mut covered = shape.clone();
    covered[axis] = window.out * window.k;
    let joined = push(graph, node, Op::Reshape { shape: covered }, vec![node.operands[0]]);
    push(graph, node, Op::Unslice { start: vec![0; rank], step: vec![1; rank], shape }, vec![joined])
}

fn counts_up(axes: &[usize]) -> bool {
    axes.iter().enumerate().all(|(at, &axis)| at == axis)
}
