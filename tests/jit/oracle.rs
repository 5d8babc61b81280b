//! A plain interpreter of kernels for the JIT's tests: one element at a time,
//! written from the documentation of the loops IR alone.

use std::collections::HashMap;

use nnc::ir::{Binary, Comparison, DType, Unary};
use nnc::loops::ir::*;

pub struct Run<'k> {
    kernel: &'k Kernel,
    pub memory: Vec<Vec<u32>>,
    values: Vec<u32>,
    vars: HashMap<VarId, i64>,
    panel: (u64, u64),
    pub fault: bool,
}

impl<'k> Run<'k> {
    pub fn new(kernel: &'k Kernel, memory: Vec<Vec<u32>>) -> Self {
        let values = vec![0; kernel.values.len()];
        Run { kernel, memory, values, vars: HashMap::new(), panel: (0, 0), fault: false }
    }

    pub fn panel(&mut self, lo: u64, hi: u64) {
        self.panel = (lo, hi);
        self.statements(&self.kernel.body);
    }

    fn statements(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Let { value, op } => self.values[value.index()] = self.operation(op),
                Stmt::Store { access, value } => {
                    let at = self.place(access).expect("stores have no guards");
                    self.memory[access.param.index()][at] = self.values[value.index()];
                }
                Stmt::Loop(looped) => self.looped(looped),
                Stmt::Gemm(_) | Stmt::Fill(_) => panic!("calls are tested apart"),
            }
        }
    }

    fn looped(&mut self, looped: &Loop) {
        let (lo, hi) = match looped.range {
            Range::Count(n) => (0, n),
            Range::Panel => self.panel,
        };
        let lanes = |order| match order {
            Order::Chain => 1,
            Order::Tree8 => 8,
            Order::Tree32 => 32,
        };
        let identity = |reduce: &Reduce| match (reduce.combine, self.kernel.values[reduce.result.index()].dtype) {
            (Combine::Max(_), DType::F32) => f32::NEG_INFINITY.to_bits(),
            (Combine::Max(_), _) => i32::MIN as u32,
            _ => 0,
        };
        let mut sums: Vec<Vec<u32>> =
            looped.reduces.iter().map(|reduce| vec![identity(reduce); lanes(reduce.order)]).collect();
        for turn in lo..hi {
            self.vars.insert(looped.var, turn as i64);
            self.statements(&looped.body);
            for (reduce, sums) in looped.reduces.iter().zip(&mut sums) {
                let count = sums.len();
                let sum = &mut sums[turn as usize % count];
                *sum = match reduce.combine {
                    Combine::Sum(v) | Combine::Max(v) => self.merge(reduce, *sum, self.values[v.index()]),
                    Combine::Product(a, b) => f32::from_bits(self.values[a.index()])
                        .mul_add(f32::from_bits(self.values[b.index()]), f32::from_bits(*sum))
                        .to_bits(),
                };
            }
        }
        for (reduce, mut sums) in looped.reduces.iter().zip(sums) {
            while sums.len() > 1 {
                let half = sums.len() / 2;
                sums = (0..half).map(|j| self.merge(reduce, sums[j], sums[j + half])).collect();
            }
            self.values[reduce.result.index()] = sums[0];
        }
    }

    fn merge(&self, reduce: &Reduce, a: u32, b: u32) -> u32 {
        let dtype = self.kernel.values[reduce.result.index()].dtype;
        match reduce.combine {
            Combine::Sum(_) | Combine::Product(..) => binary(Binary::Add, dtype, a, b).0,
            Combine::Max(_) => binary(Binary::Max, dtype, a, b).0,
        }
    }

    fn affine(&self, affine: &Affine) -> i64 {
        affine.offset + affine.terms.iter().map(|(var, factor)| self.vars[var] * factor).sum::<i64>()
    }

    fn place(&mut self, access: &Access) -> Option<usize> {
        for guard in &access.guards {
            let at = self.affine(&guard.at);
            if at < 0 || at >= guard.bound || at % guard.step.max(1) != 0 {
                return None;
            }
        }
        let mut at = self.affine(&access.index);
        if let Some(indirect) = access.indirect {
            let index = i64::from(self.values[indirect.value.index()] as i32);
            let clamped = index.clamp(0, indirect.bound - 1);
            self.fault |= clamped != index;
            at += clamped * indirect.stride;
        }
        Some(at as usize)
    }

    fn operation(&mut self, op: &ScalarOp) -> u32 {
        let get = |v: &ValueId| self.values[v.index()];
        let float = |v: &ValueId| f32::from_bits(self.values[v.index()]);
        let dtype = |v: &ValueId| self.kernel.values[v.index()].dtype;
        match op {
            ScalarOp::F32(bits) => *bits,
            ScalarOp::I32(number) => *number as u32,
            ScalarOp::Bool(truth) => mask(*truth),
            ScalarOp::Load(access) => {
                let at = self.place(access);
                at.map_or(access.fill, |at| self.memory[access.param.index()][at])
            }
            ScalarOp::Index(at) => self.affine(at) as u32,
            ScalarOp::Unary(unary, a) => match (unary, dtype(a)) {
                (Unary::Neg, DType::F32) => get(a) ^ 0x8000_0000,
                (Unary::Neg, _) => get(a).wrapping_neg(),
                (Unary::Abs, DType::F32) => get(a) & 0x7fff_ffff,
                (Unary::Abs, _) => (get(a) as i32).wrapping_abs() as u32,
                (Unary::Sqrt, _) => float(a).sqrt().to_bits(),
                (Unary::Floor, _) => float(a).floor().to_bits(),
                (other, _) => panic!("{other:?}"),
            },
            ScalarOp::Binary(function, a, b) => {
                let (result, fault) = binary(*function, dtype(a), get(a), get(b));
                self.fault |= fault;
                result
            }
            ScalarOp::Fma(a, b, c) => float(a).mul_add(float(b), float(c)).to_bits(),
            ScalarOp::Compare(comparison, a, b) => mask(match (comparison, dtype(a)) {
                (Comparison::Lt, DType::F32) => float(a) < float(b),
                (Comparison::Le, DType::F32) => float(a) <= float(b),
                (Comparison::Eq, DType::F32) => float(a) == float(b),
                (Comparison::Lt, DType::I32) => (get(a) as i32) < get(b) as i32,
                (Comparison::Le, DType::I32) => get(a) as i32 <= get(b) as i32,
                (Comparison::Lt, DType::Bool) => get(a) < get(b),
                (Comparison::Le, DType::Bool) => get(a) <= get(b),
                (Comparison::Eq, _) => get(a) == get(b),
            }),
            ScalarOp::And(a, b) => get(a) & get(b),
            ScalarOp::Or(a, b) => get(a) | get(b),
            ScalarOp::Xor(a, b) => get(a) ^ get(b),
            ScalarOp::Not(a) => !get(a),
            ScalarOp::Shl(a, by) => get(a) << by,
            ScalarOp::ShrU(a, by) => get(a) >> by,
            ScalarOp::ShrS(a, by) => (get(a) as i32 >> by) as u32,
            ScalarOp::Select(c, a, b) => {
                if get(c) != 0 {
                    get(a)
                } else {
                    get(b)
                }
            }
            ScalarOp::Convert(to, a) => match (dtype(a), to) {
                (DType::F32, DType::I32) => float(a) as i32 as u32,
                (DType::F32, DType::Bool) => mask(float(a) != 0.0),
                (DType::I32, DType::F32) => (get(a) as i32 as f32).to_bits(),
                (DType::I32, DType::Bool) => mask(get(a) != 0),
                (DType::Bool, DType::F32) => {
                    if get(a) != 0 {
                        1.0_f32.to_bits()
                    } else {
                        0
                    }
                }
                (DType::Bool, DType::I32) => get(a) & 1,
                _ => get(a),
            },
            ScalarOp::Bits(_, a) => get(a),
        }
    }
}

fn mask(truth: bool) -> u32 {
    if truth { u32::MAX } else { 0 }
}

/// The result, and whether it sets the fault flag.
fn binary(function: Binary, dtype: DType, a: u32, b: u32) -> (u32, bool) {
    if dtype == DType::F32 {
        let (a, b) = (f32::from_bits(a), f32::from_bits(b));
        let result = match function {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
            Binary::Max => {
                if a > b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Binary::Min => {
                if a < b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Binary::Rem | Binary::Pow => panic!("expanded before"),
        };
        return (result.to_bits(), false);
    }
    let (a, b) = (a as i32, b as i32);
    let floor_rem = |a: i64, b: i64| ((a % b) + b) % b;
    let result = match function {
        Binary::Add => a.wrapping_add(b),
        Binary::Sub => a.wrapping_sub(b),
        Binary::Mul => a.wrapping_mul(b),
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::Div | Binary::Rem if b == 0 => return (0, true),
        Binary::Div => ((i64::from(a) - floor_rem(a.into(), b.into())) / i64::from(b)) as i32,
        Binary::Rem => floor_rem(a.into(), b.into()) as i32,
        Binary::Pow => panic!("expanded before"),
    };
    (result as u32, false)
}
