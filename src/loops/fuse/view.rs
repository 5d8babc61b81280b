//! Views as index arithmetic: no view is ever computed.
//!
//! In: a view node and the place where its result is read. Out: the place where
//! its operand is read ([`operand_index`]), or the whole chain of views as
//! strides over a value in memory ([`strided`]). Invariant: all index functions
//! stay affine in the loop variables; what does not is answered with `None`.

use crate::ir::{Fill, Graph, Node, Op, ValueId, Window};
use crate::loops::ir::{Affine, Guard};

/// The strides of a value, if it lies in memory.
pub(super) type Layout<'a> = dyn Fn(ValueId) -> Option<Vec<i64>> + 'a;

/// A chain of views over a value in memory: element `offset + Σ index·stride`.
#[derive(Clone, Debug)]
pub(super) struct Strided {
    /// The value in memory.
    pub base: ValueId,
    /// Elements before index zero.
    pub offset: i64,
    /// Elements per step of each axis.
    pub strides: Vec<i64>,
}

/// The strides of a contiguous array.
pub(super) fn row_major(shape: &[usize]) -> Vec<i64> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as i64;
    }
    strides
}

/// Whether strides are those of a contiguous array; axes of one element never matter.
pub(super) fn is_row_major(shape: &[usize], strides: &[i64]) -> bool {
    let mut wanted = row_major(shape).into_iter().zip(strides).zip(shape);
    wanted.all(|((wanted, stride), &size)| size == 1 || wanted == *stride)
}

/// `Σ index·stride`
pub(super) fn flat(index: &[Affine], strides: &[i64]) -> Affine {
    let mut sum = Affine::default();
    for (at, &stride) in index.iter().zip(strides) {
        sum = sum.plus(&at.times(stride));
    }
    sum
}

/// Where a view's operand is read when its result is read at `index`; `None` if `node` is no view, or a reshape
/// whose operand index is not affine.
pub(super) fn operand_index(graph: &Graph, node: &Node, index: &[Affine]) -> Option<Vec<Affine>> {
    let operand = graph.ty(*node.operands.first()?);
    match &node.op {
        Op::Reshape { shape } => reshape_index(&operand.shape, shape, index),
        Op::StopGradient => Some(index.to_vec()),
        Op::Broadcast { axes, .. } => {
            let read =
                |(axis, &size): (usize, &usize)| if size == 1 { Affine::default() } else { index[axes[axis]].clone() };
            Some(operand.shape.iter().enumerate().map(read).collect())
        }
        Op::Transpose { perm } => {
            let mut read = vec![Affine::default(); perm.len()];
            for (axis, &from) in perm.iter().enumerate() {
                read[from] = index[axis].clone();
            }
            Some(read)
        }
        Op::Slice { start, step, .. } => {
            let read = |axis: usize| index[axis].times(step[axis]).plus(&Affine::constant(start[axis] as i64));
            Some((0..start.len()).map(read).collect())
        }
        Op::Unfold { axis, window, .. } if window.is_inside() => Some(window_index(*axis, window, index)),
        // Reducing axes of one element renames axes and nothing else.
        Op::Sum { axes } | Op::MaxOf { axes } => {
            if axes.iter().any(|&axis| operand.shape[axis] != 1) {
                return None;
            }
            let mut kept = index.iter().cloned();
            let read = |axis: usize| if axes.contains(&axis) { Some(Affine::default()) } else { kept.next() };
            (0..operand.rank()).map(read).collect()
        }
        Op::Input(_)
        | Op::Const { .. }
        | Op::Iota { .. }
        | Op::Random { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::And
        | Op::Or
        | Op::Not
        | Op::Select
        | Op::Convert(_)
        | Op::Unslice { .. }
        | Op::Concat { .. }
        | Op::Unfold { .. }
        | Op::Fold { .. }
        | Op::Contract { .. }
        | Op::Conv { .. }
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::Scan { .. }
        | Op::Put { .. }
        | Op::Argsort { .. } => None,
    }
}

/// Where an unfold's operand is read: at `window · step + element · dilation - lo`.
fn window_index(axis: usize, window: &Window, index: &[Affine]) -> Vec<Affine> {
    let start = index[axis].times(window.step as i64).plus(&Affine::constant(-window.lo));
    let place = start.plus(&index[axis + 1].times(window.dilation as i64));
    let mut read = index.to_vec();
    read.splice(axis..axis + 2, [place]);
    read
}

/// The value in memory (or to be put there) that padded windows are read from, where, and under which guards.
pub(super) struct Padded {
    /// The value.
    pub base: ValueId,
    /// Its index.
    pub index: Vec<Affine>,
    /// What must hold for it to be read.
    pub guards: Vec<Guard>,
    /// What is read otherwise.
    pub fill: Fill,
}

/// Follows windows in windows, and views between them, down to one value; `None` if `value` is no unfold.
pub(super) fn padded(
    graph: &Graph,
    in_memory: &dyn Fn(ValueId) -> bool,
    value: ValueId,
    index: &[Affine],
) -> Option<Padded> {
    let Op::Unfold { fill, .. } = graph.node(value).op else { return None };
    let mut found = Padded { base: value, index: index.to_vec(), guards: Vec::new(), fill };
    loop {
        let node = graph.node(found.base);
        if found.base != value && in_memory(found.base) {
            return Some(found);
        }
        found.index = match &node.op {
            Op::Unfold { axis, window, fill: other } if !window.is_inside() => {
                if *other != fill {
                    return Some(found);
                }
                let read = window_index(*axis, window, &found.index);
                found.guards.push(Guard { at: read[*axis].clone(), bound: window.n as i64, step: 1 });
                read
            }
            _ => match operand_index(graph, node, &found.index) {
                Some(read) => read,
                None => return Some(found),
            },
        };
        found.base = *node.operands.first()?;
    }
}

/// The chain of views that ends in `value`, over the first value in memory, whose strides `layout` gives.
pub(super) fn strided(graph: &Graph, layout: &Layout<'_>, value: ValueId) -> Option<Strided> {
    let node = graph.node(value);
    if let Some(strides) = layout(value) {
        return Some(Strided { base: value, offset: 0, strides });
    }
    let operand = *node.operands.first()?;
    if let Op::Reshape { shape } = &node.op {
        let below = strided(graph, layout, operand)?;
        let strides = reshape_strides(&graph.ty(operand).shape, shape, &below.strides)?;
        return Some(Strided { strides, ..below });
    }
    // Any other view is affine: its strides are the differences between neighbours.
    let rank = node.ty.rank();
    let at = |axis: Option<usize>| -> Option<Vec<Affine>> {
        let index: Vec<Affine> = (0..rank).map(|other| Affine::constant(i64::from(Some(other) == axis))).collect();
        operand_index(graph, node, &index)
    };
    let origin = at(None)?;
    let below = strided(graph, layout, operand)?;
    let offset = flat(&origin, &below.strides).offset;
    let strides = (0..rank)
        .map(|axis| at(Some(axis)).map(|index| flat(&index, &below.strides).offset - offset))
        .collect::<Option<_>>()?;
    Some(Strided { base: below.base, offset: below.offset + offset, strides })
}

/// Axes joined into one: the stride of the joined axis, if the strides allow it (axes of one element never matter).
pub(super) fn joined(axes: &[(usize, i64)]) -> Option<(u64, i64)> {
    let mut size = 1;
    let mut stride = None;
    for &(n, step) in axes.iter().rev().filter(|(n, _)| *n != 1) {
        match stride {
            None => stride = Some(step),
            Some(inner) if step == inner * size as i64 => {}
            Some(_) => return None,
        }
        size *= n as u64;
    }
    Some((size, stride.unwrap_or(1)))
}

/// The smallest runs of axes (those of one element left out) with equal products on both sides.
fn matching_runs(from: &[usize], to: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let wide = |shape: &[usize]| -> Vec<usize> { (0..shape.len()).filter(|&axis| shape[axis] != 1).collect() };
    let (from_axes, to_axes) = (wide(from), wide(to));
    let (mut i, mut j) = (0, 0);
    let mut runs = Vec::new();
    while i < from_axes.len() && j < to_axes.len() {
        let (start_i, start_j) = (i, j);
        let (mut left, mut right) = (from[from_axes[i]], to[to_axes[j]]);
        (i, j) = (i + 1, j + 1);
        while left != right {
            if left < right && i < from_axes.len() {
                left *= from[from_axes[i]];
                i += 1;
            } else if right < left && j < to_axes.len() {
                right *= to[to_axes[j]];
                j += 1;
            } else {
                break;
            }
        }
        runs.push((from_axes[start_i..i].to_vec(), to_axes[start_j..j].to_vec()));
    }
    runs
}

fn reshape_index(from: &[usize], to: &[usize], index: &[Affine]) -> Option<Vec<Affine>> {
    let mut read = vec![Affine::default(); from.len()];
    for (from_axes, to_axes) in matching_runs(from, to) {
        let [axis] = from_axes[..] else { return None };
        let sizes: Vec<usize> = to_axes.iter().map(|&to_axis| to[to_axis]).collect();
        let parts: Vec<Affine> = to_axes.iter().map(|&to_axis| index[to_axis].clone()).collect();
        read[axis] = flat(&parts, &row_major(&sizes));
    }
    Some(read)
}

fn reshape_strides(from: &[usize], to: &[usize], strides: &[i64]) -> Option<Vec<i64>> {
    let mut result = vec![0; to.len()];
    for (from_axes, to_axes) in matching_runs(from, to) {
        let run: Vec<(usize, i64)> = from_axes.iter().map(|&axis| (from[axis], strides[axis])).collect();
        let (_, innermost) = joined(&run)?;
        let sizes: Vec<usize> = to_axes.iter().map(|&axis| to[axis]).collect();
        for (&axis, stride) in to_axes.iter().zip(row_major(&sizes)) {
            result[axis] = stride * innermost;
        }
    }
    Some(result)
}
