//! One kernel on one part of its parallel axis.
//!
//! In: the kernel as given (for reports) and expanded, memory, `lo..hi`. Out:
//! changed memory and report. Invariant: reductions in the stated order.

use super::scalar::{Function, function, max_f32};
use super::{NotFinite, Report};
use crate::ir::philox::Stream;
use crate::ir::{Binary, DType};
use crate::loops::ir::{
    Access, Affine, Combine, Conv, Fill, Gemm, Kernel, Loop, Matrix, Order, ParamId, Range, Reduce, Row, ScalarOp,
    Sort, Stmt, Transpose, ValueId,
};

/// Longest chain of a matrix product.
const GEMM_CHAIN: u64 = 4096;

pub(super) struct Machine<'a> {
    given: &'a Kernel,
    kernel: &'a Kernel,
    places: &'a [(usize, usize)],
    buffers: &'a mut [Vec<u32>],
    values: Vec<u32>,
    vars: Vec<i64>,
    part: (u64, u64),
    trace: bool,
    report: &'a mut Report,
}

impl<'a> Machine<'a> {
    pub(super) fn new(
        given: &'a Kernel,
        kernel: &'a Kernel,
        places: &'a [(usize, usize)],
        buffers: &'a mut [Vec<u32>],
        trace: bool,
        report: &'a mut Report,
    ) -> Self {
        let (values, vars) = (vec![0; kernel.values.len()], vec![0; kernel.vars as usize]);
        Machine { given, kernel, places, buffers, values, vars, part: (0, 0), trace, report }
    }

    pub(super) fn run(&mut self, lo: u64, hi: u64) {
        self.part = (lo, hi);
        self.body(&self.kernel.body);
    }

    fn body(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Let { value, op } => self.values[value.index()] = self.compute(op),
                Stmt::Store { access, value } => self.store(access, *value),
                Stmt::Loop(nest) => self.nest(nest),
                Stmt::Gemm(gemm) => self.gemm(gemm),
                Stmt::Conv(conv) => self.conv(conv),
                Stmt::Fill(fill) => self.fill(fill),
                Stmt::Sort(sort) => self.sort(sort),
                Stmt::Transpose(found) => self.transpose(found),
            }
        }
    }

    fn nest(&mut self, nest: &Loop) {
        let (first, last) = self.range(nest.range);
        let mut sums: Vec<Vec<u32>> = nest.reduces.iter().map(|reduce| self.start(reduce)).collect();
        for at in first..last {
            self.vars[nest.var.index()] = at as i64;
            self.body(&nest.body);
            for (sums, reduce) in sums.iter_mut().zip(&nest.reduces) {
                let lane = (at - first) as usize % sums.len();
                sums[lane] = self.accumulate(reduce.combine, sums[lane]);
            }
        }
        for (sums, reduce) in sums.into_iter().zip(&nest.reduces) {
            self.values[reduce.result.index()] = self.join(reduce, sums);
        }
    }

    fn range(&self, range: Range) -> (u64, u64) {
        match range {
            Range::Count(count) => (0, count),
            Range::Panel => self.part,
        }
    }

    fn dtype(&self, value: ValueId) -> DType {
        self.kernel.values[value.index()].dtype
    }

    fn start(&self, reduce: &Reduce) -> Vec<u32> {
        let lanes = match reduce.order {
            Order::Chain => 1,
            Order::Tree8 => 8,
            Order::Tree32 => 32,
        };
        let neutral = match (reduce.combine, self.dtype(reduce.result)) {
            (Combine::Sum(_) | Combine::Product(..), _) => 0,
            (Combine::Max(_), DType::I32) => i32::MIN as u32,
            (Combine::Max(_), DType::F32 | DType::Bool) => f32::NEG_INFINITY.to_bits(),
        };
        vec![neutral; lanes]
    }

    fn accumulate(&self, combine: Combine, sum: u32) -> u32 {
        let word = |value: ValueId| self.values[value.index()];
        match combine {
            Combine::Sum(v) | Combine::Max(v) => plain(combine, self.dtype(v), sum, word(v)),
            Combine::Product(a, b) => {
                let (a, b) = (f32::from_bits(word(a)), f32::from_bits(word(b)));
                a.mul_add(b, f32::from_bits(sum)).to_bits()
            }
        }
    }

    /// Lanes j and j + half, the half getting smaller.
    fn join(&self, reduce: &Reduce, mut lanes: Vec<u32>) -> u32 {
        let dtype = self.dtype(reduce.result);
        while lanes.len() > 1 {
            let upper = lanes.split_off(lanes.len() / 2);
            for (low, high) in lanes.iter_mut().zip(upper) {
                *low = plain(reduce.combine, dtype, *low, high);
            }
        }
        lanes[0]
    }

    fn compute(&mut self, op: &ScalarOp) -> u32 {
        if let ScalarOp::Load(access) = op {
            return self.load(access);
        }
        if let ScalarOp::Index(affine) = op {
            return self.affine(affine) as u32;
        }
        let mut operands = [ValueId(0); 3];
        let mut count = 0;
        op.for_each_operand(|value| {
            operands[count] = value;
            count += 1;
        });
        let [a, b, c] = operands.map(|value| self.values.get(value.index()).copied().unwrap_or(0));
        let dtype = if count > 0 { self.dtype(operands[0]) } else { DType::I32 };
        if matches!(op, ScalarOp::Binary(Binary::Div | Binary::Rem, ..)) && dtype == DType::I32 && b == 0 {
            self.report.fault = true;
        }
        match function(op, dtype).expect("composite operations are expanded") {
            Function::Constant(word) => word,
            Function::One(f) => f(a),
            Function::Shift(f, by) => f(a, by),
            Function::Two(f) => f(a, b),
            Function::Three(f) => f(a, b, c),
        }
    }

    fn affine(&self, affine: &Affine) -> i64 {
        affine.offset + affine.terms.iter().map(|(var, factor)| self.vars[var.index()] * factor).sum::<i64>()
    }

    /// The buffer and the element of an access; sets the fault flag when the index is clamped.
    fn place(&mut self, access: &Access) -> (usize, i64) {
        let mut at = self.affine(&access.index);
        if let Some(indirect) = &access.indirect {
            let wanted = i64::from(self.values[indirect.value.index()] as i32);
            let clamped = wanted.clamp(0, indirect.bound - 1);
            self.report.fault |= clamped != wanted;
            at += clamped * indirect.stride;
        }
        let (buffer, offset) = self.places[access.param.index()];
        (buffer, at + offset as i64)
    }

    fn load(&mut self, access: &Access) -> u32 {
        let (buffer, at) = self.place(access);
        let inside = access.guards.iter().all(|guard| {
            let at = self.affine(&guard.at);
            0 <= at && at < guard.bound && (guard.step <= 1 || at % guard.step == 0)
        });
        if inside { self.buffers[buffer][at as usize] } else { access.fill }
    }

    fn store(&mut self, access: &Access, value: ValueId) {
        let word = self.values[value.index()];
        if self.trace && self.is_broken(value) && self.report.not_finite.is_none() {
            self.report.not_finite = Some(self.locate(value));
        }
        let (buffer, at) = self.place(access);
        self.buffers[buffer][at as usize] = word;
    }

    fn is_broken(&self, value: ValueId) -> bool {
        self.dtype(value) == DType::F32 && !f32::from_bits(self.values[value.index()]).is_finite()
    }

    /// Follows non-finite operands back to the operation that made the first one.
    fn locate(&self, stored: ValueId) -> NotFinite {
        let mut value = stored;
        let mut operands = Vec::new();
        while let Some(op) = definition(&self.given.body, value) {
            operands = op.operands();
            let Some(&broken) = operands.iter().find(|&&operand| self.is_broken(operand)) else { break };
            value = broken;
            operands.clear();
        }
        NotFinite {
            kernel: self.given.name.clone(),
            value,
            origin: self.given.values[value.index()].origin,
            bits: self.values[value.index()],
            operands: operands.into_iter().map(|v| (v, self.dtype(v), self.values[v.index()])).collect(),
        }
    }

    fn gemm(&mut self, gemm: &Gemm) {
        let (first, last) = self.range(gemm.m);
        for row in first..last {
            for column in 0..gemm.n {
                let mut sum: Option<f32> = None;
                for start in (0..gemm.k).step_by(GEMM_CHAIN as usize) {
                    let mut chain = 0.0f32;
                    for at in start..(start + GEMM_CHAIN).min(gemm.k) {
                        let a = f32::from_bits(self.word(&gemm.a, row, at));
                        chain = a.mul_add(f32::from_bits(self.word(&gemm.b, at, column)), chain);
                    }
                    sum = Some(sum.map_or(chain, |sum| sum + chain));
                }
                let (buffer, at) = self.matrix_place(&gemm.c, row, column);
                self.buffers[buffer][at] = sum.unwrap_or(0.0).to_bits();
            }
        }
    }

    fn matrix_place(&self, matrix: &Matrix, row: u64, column: u64) -> (usize, usize) {
        let (buffer, offset) = self.places[matrix.param.index()];
        let at = self.affine(&matrix.start) + row as i64 * matrix.row + column as i64 * matrix.column;
        (buffer, (at + offset as i64) as usize)
    }

    fn word(&self, matrix: &Matrix, row: u64, column: u64) -> u32 {
        let (buffer, at) = self.matrix_place(matrix, row, column);
        self.buffers[buffer][at]
    }

    fn conv(&mut self, conv: &Conv) {
        let operand = |(param, at): (ParamId, i64)| {
            let (buffer, offset) = self.places[param.index()];
            &self.buffers[buffer][(offset as i64 + at) as usize..]
        };
        let results = super::conv::results(conv, self.range(conv.rows), operand(conv.a), operand(conv.b));
        let (buffer, offset) = self.places[conv.c.index()];
        for (at, value) in results {
            self.buffers[buffer][offset + at] = value.to_bits();
        }
    }

    fn sort(&mut self, sort: &Sort) {
        let place = |row: &Row, at: usize| {
            let (buffer, offset) = self.places[row.param.index()];
            (buffer, (offset as i64 + self.affine(&row.start) + at as i64 * row.step) as usize)
        };
        let key = |at: usize| {
            let (buffer, at) = place(&sort.keys, at);
            self.buffers[buffer][at]
        };
        let float = self.kernel.params[sort.keys.param.index()].dtype == DType::F32;
        let mut order: Vec<usize> = (0..sort.len as usize).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (key(a), key(b));
            if !float {
                return (a as i32).cmp(&(b as i32));
            }
            let (a, b) = (f32::from_bits(a), f32::from_bits(b));
            a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal))
        });
        let targets: Vec<(usize, usize)> = (0..order.len()).map(|at| place(&sort.order, at)).collect();
        for ((buffer, at), from) in targets.into_iter().zip(order) {
            self.buffers[buffer][at] = from as u32;
        }
    }

    fn transpose(&mut self, found: &Transpose) {
        let (first, last) = self.range(found.m);
        for row in first..last {
            for column in 0..found.n {
                let word = self.word(&found.from, row, column);
                let (buffer, at) = self.matrix_place(&found.to, row, column);
                self.buffers[buffer][at] = word;
            }
        }
    }

    fn fill(&mut self, fill: &Fill) {
        let word = |value: ValueId| self.values[value.index()];
        let stream = Stream { place: fill.place, seed: word(fill.seed), step: word(fill.step), turn: word(fill.turn) };
        let (first, last) = match self.kernel.par {
            Some(_) => (self.part.0 * 64, (self.part.1 * 64).min(fill.len)),
            None => (0, fill.len),
        };
        let (buffer, offset) = self.places[fill.param.index()];
        for at in first..last {
            self.buffers[buffer][offset + at as usize] = stream.uniform(fill.base + at).to_bits();
        }
    }
}

/// Two partial results joined.
fn plain(combine: Combine, dtype: DType, a: u32, b: u32) -> u32 {
    match (combine, dtype) {
        (Combine::Sum(_), DType::I32) => a.wrapping_add(b),
        (Combine::Max(_), DType::I32) => (a as i32).max(b as i32) as u32,
        (Combine::Max(_), DType::F32 | DType::Bool) => max_f32(a, b),
        (Combine::Sum(_), DType::F32 | DType::Bool) | (Combine::Product(..), _) => {
            (f32::from_bits(a) + f32::from_bits(b)).to_bits()
        }
    }
}

fn definition(body: &[Stmt], wanted: ValueId) -> Option<&ScalarOp> {
    body.iter().find_map(|stmt| match stmt {
        Stmt::Let { value, op } => (*value == wanted).then_some(op),
        Stmt::Loop(nest) => definition(&nest.body, wanted),
        Stmt::Store { .. } | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => None,
    })
}
