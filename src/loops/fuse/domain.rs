//! The iteration space of a group, and where each member stands in it.
//!
//! In: a root. Out: its [`Domain`], and for any domain the [`Spot`] of a member.
//! Invariant: axes of one element are left out of domains and read at index 0,
//! so shapes that differ only in them share a domain.

use crate::ir::{Graph, Op, ValueId};
use crate::loops::ir::Affine;

use super::fate::{Class, Fates};
use super::product::{Axes, Form};

/// In which order the loops of a group run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Nothing is reduced.
    Map,
    /// The innermost axis is reduced: rows, each a tree.
    Tree,
    /// The vector axis is kept and the reduced axes run inside it: columns, each a chain.
    Lanes,
}

/// An iteration space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Domain {
    /// Size of each axis, and whether it is reduced.
    pub axes: Vec<(usize, bool)>,
    /// How it is walked.
    pub style: Style,
}

/// How often a member is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Once a row: at the kept axes.
    Row,
    /// Once a point of the domain.
    Full,
    /// Accumulated over the reduced axes.
    Reduce,
}

/// Where a member stands in a domain.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// How often it is computed.
    pub level: Level,
    /// Index of its result.
    pub index: Vec<Affine>,
    /// For a reduction: the operand's index (sum, maximum) or the summed axes (contraction).
    pub inner: Vec<Affine>,
}

impl Domain {
    /// The natural domain of a root.
    pub fn of(graph: &Graph, fates: &Fates, root: ValueId) -> Domain {
        let node = graph.node(root);
        let kept = |shape: &[usize]| -> Vec<(usize, bool)> { shape.iter().map(|&size| (size, false)).collect() };
        let (mut axes, mut style) = (kept(&node.ty.shape), Style::Map);
        let reduces = fates.class[root.index()] == Class::Reduce;
        if let (Op::Sum { axes: over } | Op::MaxOf { axes: over }, true) = (&node.op, reduces) {
            let shape = &graph.ty(node.operands[0]).shape;
            axes = shape.iter().enumerate().map(|(axis, &size)| (size, over.contains(&axis))).collect();
            style = walked(&axes);
        }
        if let Some(product) = Axes::of(graph, node) {
            let form = product.form(graph, node);
            if fates.class[root.index()] == Class::Product {
                let rows = product.batch.len() + product.free_a.len();
                axes.iter_mut().skip(rows).for_each(|axis| axis.1 = true);
                style = Style::Tree;
            } else if reduces {
                let shape = &graph.ty(node.operands[0]).shape;
                axes.extend(product.over.iter().map(|pair| (shape[pair.0], true)));
                let tree = form == Form::Dot && product.dot_along_memory(graph, node);
                style = if tree || axes.iter().all(|(size, reduced)| *size == 1 || *reduced) {
                    Style::Tree
                } else {
                    Style::Lanes
                };
            }
        }
        axes.retain(|(size, _)| *size != 1);
        Domain { axes, style }
    }

    /// Iterations of the kept axes.
    pub fn rows(&self) -> usize {
        self.axes.iter().filter(|(_, reduced)| !reduced).map(|(size, _)| size).product()
    }

    /// All iterations.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|(size, _)| size).product()
    }

    /// The domain two groups can share. A map runs at the rows of a reduction or at its points.
    pub fn join(&self, other: &Domain) -> Option<Domain> {
        match (self.style, other.style) {
            (Style::Map, Style::Map) => (self.axes == other.axes).then(|| self.clone()),
            (Style::Map, _) => (self.axes == other.kept() || self.same_sizes(other)).then(|| other.clone()),
            (_, Style::Map) => other.join(self),
            (Style::Tree | Style::Lanes, Style::Tree | Style::Lanes) => (self == other).then(|| self.clone()),
        }
    }

    fn kept(&self) -> Vec<(usize, bool)> {
        self.axes.iter().copied().filter(|(_, reduced)| !reduced).collect()
    }

    fn same_sizes(&self, other: &Domain) -> bool {
        self.axes.len() == other.axes.len() && self.axes.iter().zip(&other.axes).all(|(a, b)| a.0 == b.0)
    }

    /// Where `member` stands when the domain's axes are read at `at`; `None` if it does not fit.
    pub fn spot(&self, graph: &Graph, fates: &Fates, member: ValueId, at: &[Affine]) -> Option<Spot> {
        let node = graph.node(member);
        let part = |wanted: Option<bool>| -> Vec<(usize, Affine)> {
            let axes =
                self.axes.iter().zip(at).filter(|((_, reduced), _)| wanted.is_none_or(|wanted| wanted == *reduced));
            axes.map(|((size, _), index)| (*size, index.clone())).collect()
        };
        if fates.class[member.index()] != Class::Reduce {
            let row = (self.style != Style::Map).then(|| fit(&node.ty.shape, &part(Some(false)))).flatten();
            return match row {
                Some(index) => Some(Spot { level: Level::Row, index, inner: Vec::new() }),
                None => Some(Spot { level: Level::Full, index: fit(&node.ty.shape, &part(None))?, inner: Vec::new() }),
            };
        }
        let index = fit(&node.ty.shape, &part(Some(false)))?;
        let inner = match Axes::of(graph, node) {
            Some(axes) => {
                let shape = &graph.ty(node.operands[0]).shape;
                let sizes: Vec<usize> = axes.over.iter().map(|pair| shape[pair.0]).collect();
                fit(&sizes, &part(Some(true)))?
            }
            None => fit(&graph.ty(node.operands[0]).shape, &part(None))?,
        };
        Some(Spot { level: Level::Reduce, index, inner })
    }
}

/// Reduced innermost axes of at most so many elements are short.
const SHORT: usize = 4;
/// Rows of short reductions that fill a vector.
const ENOUGH: usize = 8;

/// Along rows if the innermost axis is reduced, unless it is short, as windows of pooling are: then the vectors go
/// along the last kept axis.
fn walked(axes: &[(usize, bool)]) -> Style {
    let mut inner = axes.iter().rev().filter(|(size, _)| *size != 1);
    let Some(&(size, true)) = inner.next() else { return Style::Lanes };
    let kept = inner.find(|(_, reduced)| !reduced).map_or(1, |(size, _)| *size);
    if size <= SHORT && kept >= ENOUGH { Style::Lanes } else { Style::Tree }
}

/// The index of an array of `shape` over axes of the same sizes.
fn fit(shape: &[usize], axes: &[(usize, Affine)]) -> Option<Vec<Affine>> {
    let mut rest = axes.iter();
    let mut index = Vec::with_capacity(shape.len());
    for &size in shape {
        match size {
            1 => index.push(Affine::default()),
            _ => index.push(rest.next().filter(|(other, _)| *other == size)?.1.clone()),
        }
    }
    rest.next().is_none().then_some(index)
}
