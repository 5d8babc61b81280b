//! Long reductions as reductions of reductions.
//!
//! In: a sum or a maximum. Out: the same in two steps, where one would be slow:
//!
//! - Over many elements to one number it would be one walk on one thread. The first step takes [`BLOCK`] elements at most,
//!   whole axes of them where that is possible; the second joins the partial results by the same rule.
//! - Over axes on both sides of a kept one (a bias of a convolution) it would walk along the outer one and take a short
//!   run from each place. The first step takes the runs as they lie in memory, the second their sums.
//!
//! Invariant: which steps there are depends on sizes and on the graph only.

use crate::ir::{Graph, Node, Op, Type, ValueId};

use super::arrange::Arranger;

/// Longest single tree (core.md, Numbers).
const BLOCK: usize = 16_384;
/// Runs shorter than this are no better one after the other.
const RUN: usize = 32;
/// Fewer elements than this stay near, in whatever order they are read.
const LARGE: usize = 16_384;

/// For each value the largest that is computed from it, at any distance, in elements.
pub(super) fn spread(graph: &Graph) -> Vec<usize> {
    let mut spread = vec![0; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        for operand in &node.operands {
            let seen: &mut usize = &mut spread[operand.index()];
            *seen = (*seen).max(node.ty.len());
        }
        for operand in &node.operands {
            spread[operand.index()] = spread[operand.index()].max(spread[at]);
        }
    }
    spread
}

impl Arranger<'_> {
    /// A sum or a maximum, in steps. What is computed from it has `spread` elements at most: a mean that is taken from
    /// each element stays in the nest that reads them, row by row.
    pub fn reduction(&mut self, node: Node, spread: usize) -> ValueId {
        let (Op::Sum { axes } | Op::MaxOf { axes }) = &node.op else { return self.push(node) };
        let shape = self.to.ty(node.operands[0]).shape.clone();
        let len: usize = shape.iter().product();
        let long = axes.len() == shape.len() && len > BLOCK;
        let first = match node.ty.len() {
            _ if long => suffix(&shape),
            1 => None,
            _ if len >= LARGE && spread < len => behind_kept(&shape, axes),
            _ => None,
        };
        let Some(first) = first else {
            return if long { self.blocks(node, &shape) } else { self.push(node) };
        };
        let (inner, outer): (Vec<usize>, Vec<usize>) = axes.iter().partition(|axis| **axis >= first);
        let partial = self.step(&node, node.operands[0], inner);
        let rest = with_axes(&node.op, outer);
        // Of many partial results to one number there may be a long row again.
        self.reduction(Node { op: rest, operands: vec![partial], ..node }, spread)
    }

    /// A reduction of `value` over axes.
    fn step(&mut self, node: &Node, value: ValueId, axes: Vec<usize>) -> ValueId {
        let ty = self.to.ty(value);
        let kept = (0..ty.rank()).filter(|axis| !axes.contains(axis)).map(|axis| ty.shape[axis]);
        let ty = Type::new(ty.dtype, kept.collect::<Vec<_>>());
        self.push(Node { op: with_axes(&node.op, axes), operands: vec![value], ty, origin: node.origin, name: None })
    }

    /// All of a value whose last axis is longer than a block: blocks of it, if it is the only one, or if they fit.
    fn blocks(&mut self, node: Node, shape: &[usize]) -> ValueId {
        let last = shape.iter().rposition(|&size| size != 1).unwrap_or(0);
        let size = shape[last];
        let fitting = (BLOCK / 4..=BLOCK).rev().find(|block| size.is_multiple_of(*block));
        let alone = shape[..last].iter().all(|&size| size == 1);
        let operand = node.operands[0];
        let Some(block) = fitting.or(alone.then_some(BLOCK)) else { return self.push(node) };
        let (whole, mut rows) = (size / block * block, shape[..last].to_vec());
        let mut partials = Vec::new();
        rows.extend([whole / block, block]);
        let main = if whole == size { operand } else { self.cut(&node, operand, last, (0, whole)) };
        let main = self.shaped(&node, main, rows);
        let axis = self.to.ty(main).rank() - 1;
        partials.push(self.step(&node, main, vec![axis]));
        if whole < size {
            let rest = self.cut(&node, operand, last, (whole, size - whole));
            let axes = (0..shape.len()).collect();
            let rest = self.step(&node, rest, axes);
            let mut one = self.to.ty(partials[0]).shape.clone();
            one.iter_mut().for_each(|size| *size = 1);
            partials.push(self.shaped(&node, rest, one));
        }
        let partial = match partials[..] {
            [main] => main,
            _ => self.side_by_side(&node, partials),
        };
        let axes: Vec<usize> = (0..self.to.ty(partial).rank()).collect();
        let op = with_axes(&node.op, axes);
        self.reduction(Node { op, operands: vec![partial], ..node }, usize::MAX)
    }

    fn shaped(&mut self, node: &Node, value: ValueId, shape: Vec<usize>) -> ValueId {
        let ty = Type::new(node.ty.dtype, shape.clone());
        self.push(Node { op: Op::Reshape { shape }, operands: vec![value], ty, origin: node.origin, name: None })
    }

    fn cut(&mut self, node: &Node, value: ValueId, axis: usize, (from, count): (usize, usize)) -> ValueId {
        let mut size = self.to.ty(value).shape.clone();
        let (mut start, step) = (vec![0; size.len()], vec![1; size.len()]);
        (start[axis], size[axis]) = (from, count);
        let ty = Type::new(node.ty.dtype, size.clone());
        let op = Op::Slice { start, size, step };
        self.push(Node { op, operands: vec![value], ty, origin: node.origin, name: None })
    }

    fn side_by_side(&mut self, node: &Node, parts: Vec<ValueId>) -> ValueId {
        let axis = self.to.ty(parts[0]).rank() - 1;
        let mut shape = self.to.ty(parts[0]).shape.clone();
        shape[axis] = parts.iter().map(|part| self.to.ty(*part).shape[axis]).sum();
        let ty = Type::new(node.ty.dtype, shape);
        self.push(Node { op: Op::Concat { axis }, operands: parts, ty, origin: node.origin, name: None })
    }
}

fn with_axes(op: &Op, axes: Vec<usize>) -> Op {
    if let Op::MaxOf { .. } = op { Op::MaxOf { axes } } else { Op::Sum { axes } }
}

/// The first of the last axes that make a block of some length, if axes are left in front.
fn suffix(shape: &[usize]) -> Option<usize> {
    let (mut first, mut len) = (shape.len(), 1);
    while first > 0 && len * shape[first - 1] <= BLOCK {
        first -= 1;
        len *= shape[first];
    }
    (len >= RUN).then_some(first)
}

/// The first of the reduced last axes, if one in front of a kept axis is reduced too.
fn behind_kept(shape: &[usize], axes: &[usize]) -> Option<usize> {
    let mut first = shape.len();
    while first > 0 && (axes.contains(&(first - 1)) || shape[first - 1] == 1) {
        first -= 1;
    }
    let run: usize = shape[first..].iter().product();
    let before = axes.iter().any(|&axis| axis < first && shape[axis] != 1);
    (run >= RUN && before).then_some(first)
}
