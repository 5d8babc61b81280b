//! Groups around a call: products with their epilogue, and kernels of their own.
//!
//! In: a group with an anchor. Out: its statements in the open kernel.
//! Invariant: an epilogue is a nest behind the call that reads of the product
//! only the row it works on, so both may run over one panel.

use crate::ir::{DType, Face, Node, Op, ValueId as NodeId, Window};
use crate::loops::ir::{
    Access, Affine, Conv, Fill, Gemm, Indirect, LoopKind, Matrix, Mode, Range, Row, ScalarOp, Sort,
};

use super::emit::{Emitter, plain};
use super::group::Group;
use super::product::{Axes, pair, split_run};
use super::view::{joined, row_major};

impl Emitter<'_> {
    /// A wide product, then the other members row by row; or a convolution, then maps of its result.
    pub fn product(&mut self, group: &Group, product: NodeId) -> Result<(), String> {
        let node = &self.graph.nodes[product.index()];
        if let Op::Conv { .. } = node.op {
            self.own(product)?;
            return if group.members.len() > 1 { self.nest(group, Some(product)) } else { Ok(()) };
        }
        let axes = Axes::of(self.graph, node).ok_or("a product without axes")?;
        let mut index = Vec::new();
        let mut opened = 0;
        for &size in &node.ty.shape[..axes.batch.len()] {
            index.push(self.counter(size, &mut opened));
        }
        self.gemm(product, node, &axes, &index)?;
        if group.members.len() > 1 {
            self.epilogue(group, product, &axes, &index)?;
        }
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    /// A `seq` loop, or index 0 for an axis of one element.
    pub(super) fn counter(&mut self, size: usize, opened: &mut usize) -> Affine {
        if size == 1 {
            return Affine::default();
        }
        *opened += 1;
        Affine::var(self.scope.open(LoopKind::Seq, size), 1)
    }

    fn epilogue(&mut self, group: &Group, product: NodeId, axes: &Axes, batch: &[Affine]) -> Result<(), String> {
        let shape = &self.graph.ty(product).shape;
        let rows = batch.len() + axes.free_a.len();
        let mut opened = 0;
        let mut at: Vec<Affine> =
            batch.iter().zip(shape).filter(|(_, size)| **size != 1).map(|(index, _)| index.clone()).collect();
        for &size in shape[batch.len()..rows].iter().filter(|size| **size != 1) {
            at.push(self.counter(size, &mut opened));
        }
        at.resize(group.domain.axes.len(), Affine::default());
        self.row(group, Some(product), &mut at)?;
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    fn gemm(&mut self, product: NodeId, node: &Node, axes: &Axes, batch: &[Affine]) -> Result<(), String> {
        let (a, b) = pair(node);
        let (view_a, view_b) = (self.strided(a)?, self.strided(b)?);
        let (shape_a, shape_b) = (&self.graph.ty(a).shape, &self.graph.ty(b).shape);
        let (outer_a, m, row_a) = split_run(&axes.free_a, shape_a, &view_a.strides);
        let (outer_b, n, column_b) = split_run(&axes.free_b, shape_b, &view_b.strides);
        let over = |strides: &[i64], shape: &[usize], side: fn(&(usize, usize)) -> usize| {
            let run: Vec<(usize, i64)> =
                axes.over.iter().map(|pair| (shape[side(pair)], strides[side(pair)])).collect();
            joined(&run).ok_or("a product whose summed axes do not join")
        };
        let (k, column_a) = over(&view_a.strides, shape_a, |pair| pair.0)?;
        let (_, row_b) = over(&view_b.strides, shape_b, |pair| pair.1)?;

        let mut index = batch.to_vec();
        let mut opened = 0;
        for (outer, free, shape) in [(&outer_a, &axes.free_a, shape_a), (&outer_b, &axes.free_b, shape_b)] {
            for &axis in free {
                index.push(if outer.contains(&axis) {
                    self.counter(shape[axis], &mut opened)
                } else {
                    Affine::default()
                });
            }
        }
        let over_zero = vec![Affine::default(); axes.over.len()];
        let (index_a, index_b) = axes.operand_indices(&index, &over_zero);
        let strides = row_major(&node.ty.shape);
        let row_c = axes.free_a.len().checked_sub(1).map_or(n as i64, |last| strides[axes.batch.len() + last]);
        let gemm = Gemm {
            m: Range::Count(m),
            n,
            k,
            a: Matrix {
                param: self.param(view_a.base, Mode::In)?,
                start: view_a.at(&index_a),
                row: row_a,
                column: column_a,
            },
            b: Matrix {
                param: self.param(view_b.base, Mode::In)?,
                start: view_b.at(&index_b),
                row: row_b,
                column: column_b,
            },
            c: Matrix {
                param: self.param(product, Mode::Out)?,
                start: super::view::flat(&index, &strides),
                row: row_c,
                column: 1,
            },
        };
        self.scope.origin = node.origin;
        self.scope.gemm(gemm);
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    /// A group that is one op with a kernel of its own.
    pub fn own(&mut self, id: NodeId) -> Result<(), String> {
        let node = &self.graph.nodes[id.index()];
        self.scope.origin = node.origin;
        match &node.op {
            Op::Random { place, base, shape } => self.random(id, node, *place, *base, shape.iter().product()),
            Op::Concat { axis } => self.concat(id, node, *axis),
            Op::Unslice { start, step, .. } => self.dilate(id, node, start, step),
            Op::Fold { axis, window } => self.fold(id, node, *axis, window),
            Op::Conv { face, windows, groups } => self.conv(id, node, *face, windows, *groups),
            Op::ScatterAdd { axis, size } => {
                self.zeros(id)?;
                self.scatter(id, node, *axis, *size)
            }
            Op::Put { axis } => {
                self.laid(id, node.operands[0], &vec![0; node.ty.rank()], &vec![1; node.ty.rank()])?;
                self.put(id, node, *axis)
            }
            Op::Argsort { axis } => self.argsort(id, node, *axis),
            _ => Err(format!("{id} has no kernel of its own")),
        }
    }

    fn random(&mut self, id: NodeId, node: &Node, place: u32, base: u64, len: usize) -> Result<(), String> {
        let seed = self.value(node.operands[0], &[])?;
        let step = self.value(node.operands[1], &[])?;
        let turn = self.value(node.operands[2], &[])?;
        let param = self.param(id, Mode::Out)?;
        self.scope.fill(Fill { param, len: len as u64, place, base, seed, step, turn });
        Ok(())
    }

    fn concat(&mut self, id: NodeId, node: &Node, axis: usize) -> Result<(), String> {
        let mut start = vec![0; node.ty.rank()];
        for &part in &node.operands {
            let size = self.graph.ty(part).shape[axis];
            self.laid(id, part, &start, &vec![1; start.len()])?;
            start[axis] += size as i64;
        }
        Ok(())
    }

    pub(super) fn zeros(&mut self, id: NodeId) -> Result<(), String> {
        let ty = self.graph.ty(id).clone();
        let zero = self.zero(ty.dtype);
        let (index, opened) = self.loops(&ty.shape);
        self.store(id, &index, zero)?;
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    fn conv(&mut self, id: NodeId, node: &Node, face: Face, windows: &[Window], groups: usize) -> Result<(), String> {
        let (a, b) = pair(node);
        let (view_a, view_b) = (self.strided(a)?, self.strided(b)?);
        let (shape_a, shape_b) = (&self.graph.ty(a).shape, &self.graph.ty(b).shape);
        let (images, channels_in, channels_out) = match face {
            Face::Out => (shape_a[0], shape_b[1] * groups, shape_b[0]),
            Face::Input => (shape_a[0], shape_b[1] * groups, shape_a[1]),
            Face::Weight => (shape_a[0], shape_a[1], shape_b[1]),
        };
        let rows = if face == Face::Weight { channels_out } else { images };
        let conv = Conv {
            face,
            rows: Range::Count(rows as u64),
            images: images as u64,
            groups: groups as u64,
            group_in: (channels_in / groups) as u64,
            group_out: (channels_out / groups) as u64,
            windows: windows.to_vec(),
            a: (self.param(view_a.base, Mode::In)?, view_a.offset),
            b: (self.param(view_b.base, Mode::In)?, view_b.offset),
            c: self.param(id, Mode::Out)?,
        };
        self.scope.conv(conv);
        Ok(())
    }

    /// Stores `part` into `id` at `start + step · index`.
    pub(super) fn laid(&mut self, id: NodeId, part: NodeId, start: &[i64], step: &[i64]) -> Result<(), String> {
        let shape = self.graph.ty(part).shape.clone();
        if shape.contains(&0) {
            return Ok(());
        }
        let (index, opened) = self.loops(&shape);
        let value = self.value(part, &index)?;
        let place = |axis: usize| index[axis].times(step[axis]).plus(&Affine::constant(start[axis]));
        let place: Vec<Affine> = (0..index.len()).map(place).collect();
        self.store(id, &place, value)?;
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    /// Loops over a shape, the last one `vec`.
    pub fn loops(&mut self, shape: &[usize]) -> (Vec<Affine>, usize) {
        let last = shape.iter().rposition(|&size| size != 1);
        let mut opened = 0;
        let mut index = Vec::new();
        for (axis, &size) in shape.iter().enumerate() {
            index.push(match size {
                1 => Affine::default(),
                _ if Some(axis) == last => {
                    opened += 1;
                    Affine::var(self.scope.open(LoopKind::Vec, size), 1)
                }
                _ => self.counter(size, &mut opened),
            });
        }
        (index, opened)
    }

    /// Stores v into `id` at the index that memory holds.
    fn put(&mut self, id: NodeId, node: &Node, axis: usize) -> Result<(), String> {
        let which = self.value(node.operands[2], &[])?;
        let shape = self.graph.ty(node.operands[1]).shape.clone();
        if shape.contains(&0) {
            return Ok(());
        }
        let (index, opened) = self.loops(&shape);
        let value = self.value(node.operands[1], &index)?;
        let mut place = index;
        place.insert(axis, Affine::default());
        let strides = row_major(&node.ty.shape);
        let param = self.param(id, Mode::Out)?;
        let access = Access {
            indirect: Some(Indirect { value: which, stride: strides[axis], bound: node.ty.shape[axis] as i64 }),
            ..plain(param, super::view::flat(&place, &strides))
        };
        self.scope.store(access, value);
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    /// One call for each row along the axis.
    fn argsort(&mut self, id: NodeId, node: &Node, axis: usize) -> Result<(), String> {
        if node.ty.shape.contains(&0) {
            return Ok(());
        }
        let view = self.strided(node.operands[0])?;
        let mut opened = 0;
        let mut index = Vec::new();
        for (at, &size) in node.ty.shape.iter().enumerate() {
            index.push(if at == axis { Affine::default() } else { self.counter(size, &mut opened) });
        }
        let strides = row_major(&node.ty.shape);
        let row = |param, start, step| Row { param, start, step };
        let keys = row(self.param(view.base, Mode::In)?, view.at(&index), view.strides[axis]);
        let order = row(self.param(id, Mode::Out)?, super::view::flat(&index, &strides), strides[axis]);
        self.scope.origin = node.origin;
        self.scope.sort(Sort { keys, order, len: node.ty.shape[axis] as u64 });
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    /// Adds the rows of u in the order of i; the axes behind are the vector axis.
    fn scatter(&mut self, id: NodeId, node: &Node, axis: usize, size: usize) -> Result<(), String> {
        let (update, at) = pair(node);
        let shape = self.graph.ty(update).shape.clone();
        let rank = self.graph.ty(at).rank();
        let trailing = axis + rank;
        let mut opened = 0;
        let mut index: Vec<Affine> = shape[..trailing].iter().map(|&size| self.counter(size, &mut opened)).collect();
        let which = self.value(at, &index[axis..trailing])?;
        let (rest, inner) = self.loops(&shape[trailing..]);
        index.extend(rest);
        let value = self.value(update, &index)?;
        let mut place: Vec<Affine> = index[..axis].to_vec();
        place.push(Affine::default());
        place.extend_from_slice(&index[trailing..]);
        let strides = row_major(&node.ty.shape);
        let param = self.param(id, Mode::InOut)?;
        let access = Access {
            indirect: Some(Indirect { value: which, stride: strides[axis], bound: size as i64 }),
            ..plain(param, super::view::flat(&place, &strides))
        };
        let dtype: DType = node.ty.dtype;
        let before = self.scope.define_here(ScalarOp::Load(access.clone()), dtype);
        let sum = self.scope.define_here(ScalarOp::Binary(crate::ir::Binary::Add, before, value), dtype);
        self.scope.store(access, sum);
        (0..inner + opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }
}
