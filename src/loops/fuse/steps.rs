//! Kernels of ops that lay elements at steps: windows added back, and what is
//! dilated with zeros.
//!
//! In: a node that is a group of its own. Out: its statements in the open kernel.
//! Invariant: each element is written at least once, and where twice, by nests
//! that stand one after the other. Elements at all places of a step are stored in
//! one body where the step is small: together they leave no gaps in memory.

use crate::ir::{Node, ValueId as NodeId, Window};
use crate::loops::ir::{Affine, Guard, LoopKind, Mode, ScalarOp, ValueId};

use super::emit::{Emitter, plain};
use super::view::Strided;

/// Larger steps are not stored side by side.
const STEP: i64 = 7;

/// A fold under construction.
struct Fold<'a> {
    id: NodeId,
    node: &'a Node,
    axis: usize,
    window: &'a Window,
    view: Strided,
}

/// Elements of a fold's result that meet the same elements of windows: residue + step · q for these q, less `lo`.
#[derive(Clone, Copy)]
struct Residue {
    residue: i64,
    first: i64,
    count: i64,
}

impl Emitter<'_> {
    /// Each element gathers from the windows that hold it. Elements with the same residue of the step meet the same
    /// elements of windows, so each residue has statements of its own, and every index in them is affine.
    pub(super) fn fold(&mut self, id: NodeId, node: &Node, axis: usize, window: &Window) -> Result<(), String> {
        let view = self.strided(node.operands[0])?;
        let fold = Fold { id, node, axis, window, view };
        let step = window.step as i64;
        let residues: Vec<Residue> = (0..step).map(|residue| fold.residue(residue)).collect();
        // In one nest as far as all go; what is left are single elements at the end, if the step is small.
        let common = residues.iter().map(|residue| residue.count).min().filter(|_| step <= STEP).unwrap_or(0);
        self.fold_nest(&fold, &residues, 0, common)?;
        for residue in &residues {
            self.fold_nest(&fold, std::slice::from_ref(residue), common, residue.count - common)?;
        }
        Ok(())
    }

    /// `count` elements of each residue, from number `skip` on.
    fn fold_nest(&mut self, fold: &Fold<'_>, residues: &[Residue], skip: i64, count: i64) -> Result<(), String> {
        let mut shape = fold.node.ty.shape.clone();
        shape[fold.axis] = count.max(0) as usize;
        if shape.contains(&0) {
            return Ok(());
        }
        let (index, opened) = self.loops(&shape);
        for residue in residues {
            let q = index[fold.axis].plus(&Affine::constant(residue.first + skip));
            let sum = self.folded(fold, residue, &index, &q, count)?;
            let mut place = index.clone();
            place[fold.axis] =
                q.times(fold.window.step as i64).plus(&Affine::constant(residue.residue - fold.window.lo));
            self.store(fold.id, &place, sum)?;
        }
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    /// The sum of what windows hold of element `q` of a residue, in the order of windows.
    fn folded(
        &mut self,
        fold: &Fold<'_>,
        residue: &Residue,
        index: &[Affine],
        q: &Affine,
        count: i64,
    ) -> Result<ValueId, String> {
        let (window, dtype) = (fold.window, fold.node.ty.dtype);
        let step = window.step as i64;
        let mut sum = None;
        // The first window that holds an element holds it as its last.
        for j in (0..window.k as i64).rev() {
            let ahead = j * window.dilation as i64 - residue.residue;
            if ahead % step != 0 {
                continue;
            }
            let at = q.plus(&Affine::constant(-ahead.div_euclid(step)));
            let (low, high) = (at.offset, at.offset + count - 1);
            if high < 0 || low >= window.out as i64 {
                continue;
            }
            let mut read = index.to_vec();
            read.splice(fold.axis..=fold.axis, [at.clone(), Affine::constant(j)]);
            let mut access = plain(self.param(fold.view.base, Mode::In)?, fold.view.at(&read));
            if low < 0 || high >= window.out as i64 {
                access.guards.push(Guard { at, bound: window.out as i64, step: 1 });
            }
            let value = self.scope.define(ScalarOp::Load(access), dtype);
            let add = |sum| ScalarOp::Binary(crate::ir::Binary::Add, sum, value);
            sum = Some(sum.map_or(value, |sum| self.scope.define(add(sum), dtype)));
        }
        Ok(sum.unwrap_or_else(|| self.zero(dtype)))
    }

    /// Zeros, then the operand at its places; row by row with the zeros between, where only the innermost axis has a
    /// small step.
    pub(super) fn dilate(&mut self, id: NodeId, node: &Node, start: &[usize], step: &[i64]) -> Result<(), String> {
        let shape = self.graph.ty(node.operands[0]).shape.clone();
        let start: Vec<i64> = start.iter().map(|&at| at as i64).collect();
        let axis = node.ty.shape.iter().rposition(|&size| size != 1).unwrap_or(0);
        let covers = (0..shape.len()).all(|other| other == axis || shape[other] == node.ty.shape[other]);
        if !covers || shape.contains(&0) {
            self.zeros(id)?;
        }
        if shape.contains(&0) {
            return Ok(());
        }
        if !step.get(axis).is_some_and(|step| (2..=STEP).contains(step)) {
            if covers {
                self.zeros(id)?;
            }
            return self.laid(id, node.operands[0], &start, step);
        }
        let mut opened = 0;
        let mut index: Vec<Affine> = Vec::new();
        for (other, &size) in shape.iter().enumerate() {
            index.push(if other == axis { Affine::default() } else { self.counter(size, &mut opened) });
        }
        self.dilated_row(id, node, &Row { axis, index, start, step })?;
        (0..opened).for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    /// The zeros before, the elements with zeros behind each, the last one if those would not fit, the zeros after.
    fn dilated_row(&mut self, id: NodeId, node: &Node, row: &Row<'_>) -> Result<(), String> {
        let part = node.operands[0];
        let (size, count) = (self.graph.ty(part).shape[row.axis] as i64, node.ty.shape[row.axis] as i64);
        let (first, step) = (row.start[row.axis], row.step[row.axis]);
        let zero = self.zero(node.ty.dtype);
        self.zeros_along(id, row, (0, first), zero)?;
        let whole = if first + step * size <= count { size } else { size - 1 };
        if whole > 0 {
            let at = Affine::var(self.scope.open(LoopKind::Vec, whole as usize), 1);
            let value = self.value(part, &row.operand(&at))?;
            for place in 0..step {
                let stored = if place == 0 { value } else { zero };
                self.store(id, &row.result(&at.times(step).plus(&Affine::constant(first + place))), stored)?;
            }
            self.scope.close(Vec::new());
        }
        let mut end = first + step * whole;
        if whole < size {
            let value = self.value(part, &row.operand(&Affine::constant(whole)))?;
            self.store(id, &row.result(&Affine::constant(end)), value)?;
            end += 1;
        }
        self.zeros_along(id, row, (end, count), zero)
    }

    fn zeros_along(&mut self, id: NodeId, row: &Row<'_>, (from, to): (i64, i64), zero: ValueId) -> Result<(), String> {
        if from >= to {
            return Ok(());
        }
        let at = Affine::var(self.scope.open(LoopKind::Vec, (to - from) as usize), 1);
        self.store(id, &row.result(&at.plus(&Affine::constant(from))), zero)?;
        self.scope.close(Vec::new());
        Ok(())
    }
}

/// A row that is dilated: the axis it runs along, and where it stands along the others.
struct Row<'a> {
    axis: usize,
    index: Vec<Affine>,
    start: Vec<i64>,
    step: &'a [i64],
}

impl Row<'_> {
    fn operand(&self, at: &Affine) -> Vec<Affine> {
        let mut index = self.index.clone();
        index[self.axis] = at.clone();
        index
    }

    fn result(&self, at: &Affine) -> Vec<Affine> {
        let place = |(axis, index): (usize, &Affine)| {
            if axis == self.axis {
                at.clone()
            } else {
                index.times(self.step[axis]).plus(&Affine::constant(self.start[axis]))
            }
        };
        self.index.iter().enumerate().map(place).collect()
    }
}

impl Fold<'_> {
    /// Element q·step + residue - lo, for the q that exist.
    fn residue(&self, residue: i64) -> Residue {
        let (step, lo) = (self.window.step as i64, self.window.lo);
        let first = -(residue - lo).div_euclid(step);
        let first = if first * step + residue - lo < 0 { first + 1 } else { first };
        let last = (self.window.n as i64 - 1 + lo - residue).div_euclid(step);
        Residue { residue, first, count: (last - first + 1).max(0) }
    }
}
