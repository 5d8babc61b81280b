//! Contractions: which form one is lowered to, and its axes.
//!
//! In: a `contract` node. Out: its [`Form`], and where its operands are read.
//! Invariant: the form depends on sizes and layouts only, so the order of every
//! sum is the same with and without fusion.

use crate::ir::{Graph, Node, Op, ValueId};
use crate::loops::ir::Affine;

use super::view::{Strided, joined};

/// How a contraction is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing is summed: an elementwise product.
    Outer,
    /// One row or one column: multiply and sum.
    Dot,
    /// A loop nest, one chain of multiply-adds an element.
    Nest,
    /// The wide kernels.
    Gemm,
}

/// The axes of a contraction.
#[derive(Clone, Debug)]
pub(super) struct Axes {
    /// Pairs of a and b.
    pub batch: Vec<(usize, usize)>,
    /// Of a alone.
    pub free_a: Vec<usize>,
    /// Of b alone.
    pub free_b: Vec<usize>,
    /// Pairs that are summed over.
    pub over: Vec<(usize, usize)>,
}

/// Smaller products than this many multiply-adds are plain loop nests.
const SMALL: usize = 8192;

/// Which operand's axis of a pair: a's or b's.
pub(super) type Side = fn(&(usize, usize)) -> usize;

impl Axes {
    /// Of a `contract` node, `None` for any other.
    pub fn of(graph: &Graph, node: &Node) -> Option<Axes> {
        let Op::Contract { batch, over } = &node.op else { return None };
        let free = |operand: usize, side: fn(&(usize, usize)) -> usize| -> Vec<usize> {
            let rank = graph.ty(node.operands[operand]).rank();
            (0..rank).filter(|&axis| !batch.iter().chain(over).any(|pair| side(pair) == axis)).collect()
        };
        Some(Axes {
            batch: batch.clone(),
            free_a: free(0, |pair| pair.0),
            free_b: free(1, |pair| pair.1),
            over: over.clone(),
        })
    }

    /// Where a and b are read for the result at `index` and the summed axes at `over`.
    pub fn operand_indices(&self, index: &[Affine], over: &[Affine]) -> (Vec<Affine>, Vec<Affine>) {
        let rank_a = self.batch.len() + self.free_a.len() + self.over.len();
        let rank_b = self.batch.len() + self.free_b.len() + self.over.len();
        let (mut a, mut b) = (vec![Affine::default(); rank_a], vec![Affine::default(); rank_b]);
        let mut result = index.iter();
        let mut next = || result.next().cloned().unwrap_or_default();
        for &(axis_a, axis_b) in &self.batch {
            let at = next();
            a[axis_a] = at.clone();
            b[axis_b] = at;
        }
        for &axis in &self.free_a {
            a[axis] = next();
        }
        for &axis in &self.free_b {
            b[axis] = next();
        }
        for (&(axis_a, axis_b), at) in self.over.iter().zip(over) {
            a[axis_a] = at.clone();
            b[axis_b] = at.clone();
        }
        (a, b)
    }

    /// Sizes: free of a, free of b, summed.
    pub fn sizes(&self, graph: &Graph, node: &Node) -> (usize, usize, usize) {
        let (a, b) = (&graph.ty(node.operands[0]).shape, &graph.ty(node.operands[1]).shape);
        (
            self.free_a.iter().map(|&axis| a[axis]).product(),
            self.free_b.iter().map(|&axis| b[axis]).product(),
            self.over.iter().map(|&(axis, _)| a[axis]).product(),
        )
    }

    /// The form.
    pub fn form(&self, graph: &Graph, node: &Node) -> Form {
        let (m, n, k) = self.sizes(graph, node);
        if k == 1 {
            Form::Outer
        } else if m == 1 || n == 1 {
            Form::Dot
        } else if m * n * k < SMALL {
            Form::Nest
        } else {
            Form::Gemm
        }
    }

    /// Whether a [`Form::Dot`] runs along memory: its innermost summed axis is the last of the matrix operand.
    pub fn dot_along_memory(&self, graph: &Graph, node: &Node) -> bool {
        let (m, n, _) = self.sizes(graph, node);
        let (a, b) = (graph.ty(node.operands[0]), graph.ty(node.operands[1]));
        let last = self.over.last();
        let along_a = last.is_some_and(|pair| pair.0 + 1 == a.rank());
        let along_b = last.is_some_and(|pair| pair.1 + 1 == b.rank());
        if n == 1 { m == 1 || along_a } else { m == 1 && along_b }
    }

    /// Whether the summed axes are one axis in an operand, as `gemm` needs.
    pub fn over_joins(&self, graph: &Graph, node: &Node, view: &Strided, side: Side) -> bool {
        let shape = &graph.ty(node.operands[0]).shape;
        let run: Vec<_> = self.over.iter().map(|pair| (shape[pair.0], view.strides[side(pair)])).collect();
        joined(&run).is_some()
    }
}

/// Splits axes into outer ones and an innermost run that strides join into one: `(outer, size, stride)`.
pub(super) fn split_run(axes: &[usize], shape: &[usize], strides: &[i64]) -> (Vec<usize>, u64, i64) {
    for cut in 0..axes.len() {
        let run: Vec<(usize, i64)> = axes[cut..].iter().map(|&axis| (shape[axis], strides[axis])).collect();
        if let Some((size, stride)) = joined(&run) {
            return (axes[..cut].to_vec(), size, stride);
        }
    }
    (Vec::new(), 1, 1)
}

/// The operands of a node.
pub(super) fn pair(node: &Node) -> (ValueId, ValueId) {
    (node.operands[0], node.operands[1])
}
