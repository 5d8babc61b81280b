//! The invariants of calls of precompiled kernels.
//!
//! In: a call in its place. Out: the first violated invariant. What a call reads
//! and writes is noted as if loops of its own stood around single accesses.

use super::{Open, Walk};
use crate::ir::{DType, Window};
use crate::kernels::abi::SPATIAL;
use crate::loops::ir::{Access, Affine, Conv, Fill, Gemm, LoopKind, Matrix, Mode, Range, Row, Sort, Transpose, VarId};
use crate::loops::verify::access::{Interval, interval};
use crate::loops::verify::disjoint::Touch;

impl Walk<'_> {
    fn no_call_in_vec(&self) -> Result<(), String> {
        if self.open.iter().any(|open| open.kind == LoopKind::Vec) { Err("inside vec".into()) } else { Ok(()) }
    }

    pub(super) fn gemm(&mut self, gemm: &Gemm) -> Result<(), String> {
        self.no_call_in_vec()?;
        let m = self.rows(gemm.m)?;
        if gemm.c.column != 1 {
            return Err(format!("c has column stride {}", gemm.c.column));
        }
        self.matrix(&gemm.a, (gemm.m, m), gemm.k, false)?;
        self.matrix(&gemm.b, (Range::Count(gemm.k), gemm.k), gemm.n, false)?;
        self.matrix(&gemm.c, (gemm.m, m), gemm.n, true)?;
        for (read, size) in [(&gemm.a, (m, gemm.k)), (&gemm.b, (gemm.k, gemm.n))] {
            if read.param == gemm.c.param && !apart((read, size), (&gemm.c, (m, gemm.n))) {
                return Err("the result lies in an operand".into());
            }
        }
        match [&gemm.a, &gemm.b, &gemm.c].map(|matrix| self.kernel.params[matrix.param.index()].dtype) {
            [DType::F32, DType::F32, DType::F32] => Ok(()),
            types => Err(format!("matrices of {types:?}")),
        }
    }

    pub(super) fn transpose(&mut self, found: &Transpose) -> Result<(), String> {
        self.no_call_in_vec()?;
        let m = self.rows(found.m)?;
        if found.from.row != 1 || found.to.column != 1 {
            return Err(format!("from rows at {} to columns at {}", found.from.row, found.to.column));
        }
        self.matrix(&found.from, (found.m, m), found.n, false)?;
        self.matrix(&found.to, (found.m, m), found.n, true)?;
        let [from, to] = [&found.from, &found.to].map(|matrix| self.kernel.params[matrix.param.index()].dtype);
        if from != to
            || (found.from.param == found.to.param && !apart((&found.from, (m, found.n)), (&found.to, (m, found.n))))
        {
            return Err(format!("{from} into {to}, perhaps in the same place"));
        }
        Ok(())
    }

    /// How many rows a call has.
    fn rows(&self, m: Range) -> Result<u64, String> {
        match (m, self.kernel.par) {
            (Range::Count(count), _) => Ok(count),
            (Range::Panel, Some(par)) if self.open.is_empty() => Ok(par.extent),
            (Range::Panel, _) => Err("a panel of rows needs par, and no loop around it".into()),
        }
    }

    /// Rows (how many at most) and columns as two loops of their own around the access.
    fn matrix(
        &mut self,
        matrix: &Matrix,
        (range, rows): (Range, u64),
        columns: u64,
        write: bool,
    ) -> Result<(), String> {
        let (row, column) = (VarId(self.kernel.vars), VarId(self.kernel.vars + 1));
        let depth = self.open.len();
        self.open.push(Open { var: row, kind: LoopKind::Seq, range, count: rows });
        self.open.push(Open { var: column, kind: LoopKind::Seq, range: Range::Count(columns), count: columns });
        let index = matrix.start.plus(&Affine::var(row, matrix.row)).plus(&Affine::var(column, matrix.column));
        let checked = self.access(&Access::new(matrix.param, index), write);
        self.open.truncate(depth);
        checked
    }

    /// Operands lie in their parameters, and rows of the result are stretches of it.
    pub(super) fn conv(&mut self, conv: &Conv) -> Result<(), String> {
        if !self.open.is_empty() {
            return Err("inside a loop".into());
        }
        if conv.windows.is_empty() || conv.windows.len() > SPATIAL {
            return Err(format!("{} spatial axes", conv.windows.len()));
        }
        let sound = |w: &Window| w.n > 0 && w.out > 0 && w.k > 0 && w.step > 0 && w.dilation > 0;
        if !conv.windows.iter().all(sound) || [conv.groups, conv.group_in, conv.group_out].contains(&0) {
            return Err("a size of 0".into());
        }
        let lengths = conv.operand_lengths();
        for ((param, start), len, write) in
            [(conv.a, lengths[0], false), (conv.b, lengths[1], false), ((conv.c, 0), lengths[2], true)]
        {
            self.param(param, write)?;
            let found = &self.kernel.params[param.index()];
            if found.dtype != DType::F32 || (write && (param == conv.a.0 || param == conv.b.0)) {
                return Err(format!("{} of type {} {:?}", found.name, found.dtype, found.mode));
            }
            let end = i128::from(start) + i128::from(len) - 1;
            self.inside(param, Interval { low: start.into(), high: end.max(start.into()) })?;
        }
        match (conv.rows, self.kernel.par) {
            (Range::Count(count), None) if count == conv.extent() => Ok(()),
            (Range::Panel, Some(par)) if par.extent == conv.extent() => {
                let row = lengths[2] / conv.extent().max(1);
                let terms = vec![(1, i128::from(row) - 1)];
                let touch = Touch { write: true, factor: row as i64, offset: 0, terms, fixed: Vec::new() };
                self.panel.entry(conv.c).or_default().push(touch);
                // Each row reads all that it likes of the operands.
                for param in [conv.a.0, conv.b.0] {
                    if self.kernel.params[param.index()].mode != Mode::In {
                        self.whole(param)?;
                    }
                }
                Ok(())
            }
            (rows, par) => Err(format!("rows {rows:?} of {} with {par:?}", conv.extent())),
        }
    }

    pub(super) fn sort(&mut self, sort: &Sort) -> Result<(), String> {
        self.no_call_in_vec()?;
        // The elements as a loop of their own around the access.
        let at = VarId(self.kernel.vars);
        for (row, write, allowed) in
            [(&sort.keys, false, [DType::F32, DType::I32]), (&sort.order, true, [DType::I32, DType::I32])]
        {
            let range = Range::Count(sort.len);
            let depth = self.open.len();
            self.open.push(Open { var: at, kind: LoopKind::Seq, range, count: sort.len });
            let index = row.start.plus(&Affine::var(at, row.step));
            let checked = self.access(&Access::new(row.param, index), write);
            self.open.truncate(depth);
            checked?;
            let dtype = self.kernel.params[row.param.index()].dtype;
            if !allowed.contains(&dtype) {
                return Err(format!("a row of {dtype}"));
            }
        }
        let row = |row: &Row| Matrix { param: row.param, start: row.start.clone(), row: row.step, column: 0 };
        let [keys, order] = [&sort.keys, &sort.order].map(row);
        if keys.param == order.param && !apart((&keys, (sort.len, 1)), (&order, (sort.len, 1))) {
            return Err("the order lies in the keys".into());
        }
        Ok(())
    }

    pub(super) fn fill(&mut self, fill: &Fill) -> Result<(), String> {
        self.no_call_in_vec()?;
        for value in [fill.seed, fill.step, fill.turn] {
            if self.read(value)? != DType::I32 {
                return Err(format!("{value} is not i32"));
            }
        }
        if !fill.base.is_multiple_of(64) {
            return Err(format!("base {} is not a multiple of 64", fill.base));
        }
        self.param(fill.param, true)?;
        let param = &self.kernel.params[fill.param.index()];
        if param.dtype != DType::F32 {
            return Err(format!("of type {}", param.dtype));
        }
        if !self.open.is_empty() && self.open.iter().any(|open| open.range == Range::Panel) {
            return Err("inside a panel".into());
        }
        self.inside(fill.param, interval(&Affine::constant(fill.len as i64 - 1), &|_| 0))?;
        if let Some(par) = self.kernel.par {
            if par.extent != fill.len.div_ceil(64) {
                return Err(format!("{} tiles, par has {}", fill.len.div_ceil(64), par.extent));
            }
            let touch = Touch { write: true, factor: 64, offset: 0, terms: vec![(1, 63)], fixed: Vec::new() };
            self.panel.entry(fill.param).or_default().push(touch);
        }
        Ok(())
    }
}

/// Whether what is read and what is written, each with its rows and columns, in one parameter, lie beyond each other: as rows of one stack do.
fn apart(from: (&Matrix, (u64, u64)), to: (&Matrix, (u64, u64))) -> bool {
    let between = to.0.start.plus(&from.0.start.times(-1));
    let reach = |(matrix, (rows, columns)): (&Matrix, (u64, u64))| {
        let last = |count: u64| i128::from(count) - 1;
        Interval::multiple(matrix.row, last(rows)).plus(Interval::multiple(matrix.column, last(columns)))
    };
    let (read, written, offset) = (reach(from), reach(to), i128::from(between.offset));
    between.terms.is_empty() && (written.low + offset > read.high || written.high + offset < read.low)
}
