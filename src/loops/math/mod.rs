//! Transcendental functions as straight-line code of basic operations.
//!
//! In: a kernel. Out: the same kernel in which every `exp`, `log`, `sin`,
//! `cos`, `softplus`, `tanh`, `logistic`, `erf`, `erfinv`, `pow` and f32 `rem`
//! is replaced, in place, by statements that every emitter has: add, sub, mul,
//! div, fma, compare, select, bits, shifts, integer add/sub/and/or/xor, abs,
//! neg, floor. There is no conversion between float and integer (numbers are
//! rounded by adding 1.5·2²³), no reciprocal estimate, no flush to zero.
//!
//! Invariant: this is the only implementation of these functions, so emitters
//! and interpreter agree bit for bit, at any width. `tests/math.rs` asserts the
//! errors and special values that each function states.
//!
//! NaN in gives NaN out everywhere (but `pow(x, 0)` and `pow(1, y)`, which are 1).
//! f32 `max` and `min`, i32 `div` and `rem` stay: emitters have them.

mod error_function;
mod exponential;
mod logarithm;
mod power;
mod trigonometric;

use std::collections::BTreeMap;

use super::ir::{Kernel, Loop, ScalarOp, Stmt, ValueId, ValueInfo};
use crate::ir::{Binary, Comparison, DType, Origin, Unary};

/// 1.5·2²³: a float added to it is rounded to a whole number, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
/// The sign bit as an i32.
const SIGN: i32 = i32::MIN;

/// Replaces every composite operation of `kernel` by basic ones.
pub fn expand(kernel: &mut Kernel) {
    let body = std::mem::take(&mut kernel.body);
    kernel.body = expand_body(&mut kernel.values, body);
}

/// Whether [`expand`] replaces this operation, given the type of its operands.
pub fn is_composite(op: &ScalarOp, operand: DType) -> bool {
    match op {
        ScalarOp::Unary(function, _) => match function {
            Unary::Neg | Unary::Abs | Unary::Sqrt | Unary::Floor => false,
            Unary::Exp
            | Unary::Log
            | Unary::Sin
            | Unary::Cos
            | Unary::Softplus
            | Unary::Tanh
            | Unary::Logistic
            | Unary::Erf
            | Unary::ErfInv => true,
        },
        ScalarOp::Binary(function, ..) => match function {
            Binary::Pow => true,
            Binary::Rem => operand == DType::F32,
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Max | Binary::Min => false,
        },
        ScalarOp::F32(_)
        | ScalarOp::I32(_)
        | ScalarOp::Bool(_)
        | ScalarOp::Load(_)
        | ScalarOp::Index(_)
        | ScalarOp::Fma(..)
        | ScalarOp::Compare(..)
        | ScalarOp::And(..)
        | ScalarOp::Or(..)
        | ScalarOp::Xor(..)
        | ScalarOp::Not(_)
        | ScalarOp::Shl(..)
        | ScalarOp::ShrU(..)
        | ScalarOp::ShrS(..)
        | ScalarOp::Select(..)
        | ScalarOp::Convert(..)
        | ScalarOp::Bits(..) => false,
    }
}

fn expand_body(values: &mut Vec<ValueInfo>, body: Vec<Stmt>) -> Vec<Stmt> {
    let mut emit =
        Emit { values, out: Vec::with_capacity(body.len()), origin: Origin::default(), constants: BTreeMap::new() };
    for stmt in body {
        match stmt {
            Stmt::Let { value, op } => {
                emit.origin = emit.values[value.index()].origin;
                let op = expand_op(&mut emit, op);
                emit.out.push(Stmt::Let { value, op });
            }
            Stmt::Loop(Loop { kind, range, var, reduces, body }) => {
                let body = expand_body(emit.values, body);
                emit.out.push(Stmt::Loop(Loop { kind, range, var, reduces, body }));
            }
            other @ (Stmt::Store { .. }
            | Stmt::Gemm(_)
            | Stmt::Conv(_)
            | Stmt::Fill(_)
            | Stmt::Sort(_)
            | Stmt::Transpose(_)) => emit.out.push(other),
        }
    }
    emit.out
}

/// Emits all but the last operation, which it returns to stand for the composite one.
fn expand_op(e: &mut Emit<'_>, op: ScalarOp) -> ScalarOp {
    match op {
        ScalarOp::Unary(Unary::Exp, x) => exponential::exp(e, x),
        ScalarOp::Unary(Unary::Log, x) => logarithm::log(e, x),
        ScalarOp::Unary(Unary::Sin, x) => trigonometric::sin(e, x),
        ScalarOp::Unary(Unary::Cos, x) => trigonometric::cos(e, x),
        ScalarOp::Unary(Unary::Softplus, x) => exponential::softplus(e, x),
        ScalarOp::Unary(Unary::Tanh, x) => exponential::tanh(e, x),
        ScalarOp::Unary(Unary::Logistic, x) => exponential::logistic(e, x),
        ScalarOp::Unary(Unary::Erf, x) => error_function::erf(e, x),
        ScalarOp::Unary(Unary::ErfInv, x) => error_function::erfinv(e, x),
        ScalarOp::Binary(Binary::Pow, a, b) => power::pow(e, a, b),
        ScalarOp::Binary(Binary::Rem, a, b) if e.values[a.index()].dtype == DType::F32 => rem(e, a, b),
        basic => basic,
    }
}

/// a - floor(a/b)·b, each step rounded: the definition in the op table, exact only for small quotients.
fn rem(e: &mut Emit<'_>, a: ValueId, b: ValueId) -> ScalarOp {
    let quotient = e.div(a, b);
    let whole = e.put(DType::F32, ScalarOp::Unary(Unary::Floor, quotient));
    let product = e.mul(whole, b);
    ScalarOp::Binary(Binary::Sub, a, product)
}

/// Appends statements to one body; equal constants of a body are one value.
struct Emit<'a> {
    values: &'a mut Vec<ValueInfo>,
    out: Vec<Stmt>,
    origin: Origin,
    constants: BTreeMap<(DType, u32), ValueId>,
}

impl Emit<'_> {
    fn put(&mut self, dtype: DType, op: ScalarOp) -> ValueId {
        self.values.push(ValueInfo { dtype, origin: self.origin });
        let value = ValueId(self.values.len() as u32 - 1);
        self.out.push(Stmt::Let { value, op });
        value
    }

    fn float(&mut self, constant: f32) -> ValueId {
        let bits = constant.to_bits();
        if let Some(&value) = self.constants.get(&(DType::F32, bits)) {
            return value;
        }
        let value = self.put(DType::F32, ScalarOp::F32(bits));
        self.constants.insert((DType::F32, bits), value);
        value
    }

    fn int(&mut self, constant: i32) -> ValueId {
        if let Some(&value) = self.constants.get(&(DType::I32, constant as u32)) {
            return value;
        }
        let value = self.put(DType::I32, ScalarOp::I32(constant));
        self.constants.insert((DType::I32, constant as u32), value);
        value
    }

    fn binary(&mut self, function: Binary, a: ValueId, b: ValueId) -> ValueId {
        let dtype = self.values[a.index()].dtype;
        self.put(dtype, ScalarOp::Binary(function, a, b))
    }

    fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(Binary::Add, a, b)
    }

    fn sub(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(Binary::Sub, a, b)
    }

    fn mul(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(Binary::Mul, a, b)
    }

    fn div(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(Binary::Div, a, b)
    }

    fn fma(&mut self, a: ValueId, b: ValueId, c: ValueId) -> ValueId {
        self.put(DType::F32, ScalarOp::Fma(a, b, c))
    }

    fn abs(&mut self, a: ValueId) -> ValueId {
        self.put(DType::F32, ScalarOp::Unary(Unary::Abs, a))
    }

    fn lt(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.put(DType::Bool, ScalarOp::Compare(Comparison::Lt, a, b))
    }

    fn eq(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.put(DType::Bool, ScalarOp::Compare(Comparison::Eq, a, b))
    }

    fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> ValueId {
        let dtype = self.values[a.index()].dtype;
        self.put(dtype, ScalarOp::Select(condition, a, b))
    }

    fn and(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let dtype = self.values[a.index()].dtype;
        self.put(dtype, ScalarOp::And(a, b))
    }

    fn or(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let dtype = self.values[a.index()].dtype;
        self.put(dtype, ScalarOp::Or(a, b))
    }

    fn xor(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let dtype = self.values[a.index()].dtype;
        self.put(dtype, ScalarOp::Xor(a, b))
    }

    fn not(&mut self, a: ValueId) -> ValueId {
        let dtype = self.values[a.index()].dtype;
        self.put(dtype, ScalarOp::Not(a))
    }

    fn shl(&mut self, a: ValueId, by: u8) -> ValueId {
        self.put(DType::I32, ScalarOp::Shl(a, by))
    }

    fn integer_of(&mut self, a: ValueId) -> ValueId {
        self.put(DType::I32, ScalarOp::Bits(DType::I32, a))
    }

    fn float_of(&mut self, a: ValueId) -> ValueId {
        self.put(DType::F32, ScalarOp::Bits(DType::F32, a))
    }

    /// `x`, but not below `bound`; NaN stays. The form that is one `maxps`.
    fn at_least(&mut self, bound: f32, x: ValueId) -> ValueId {
        let bound = self.float(bound);
        let below = self.lt(x, bound);
        self.select(below, bound, x)
    }

    /// `x`, but not above `bound`; NaN stays. The form that is one `minps`.
    fn at_most(&mut self, bound: f32, x: ValueId) -> ValueId {
        let bound = self.float(bound);
        let above = self.lt(bound, x);
        self.select(above, bound, x)
    }

    /// The sign bit of `x`.
    fn sign(&mut self, x: ValueId) -> ValueId {
        let bits = self.integer_of(x);
        let mask = self.int(SIGN);
        self.and(bits, mask)
    }

    /// `x` with the bits of `sign` flipped; as the last operation of a function.
    fn flip(&mut self, x: ValueId, sign: ValueId) -> ScalarOp {
        let bits = self.integer_of(x);
        let flipped = self.xor(bits, sign);
        ScalarOp::Bits(DType::F32, flipped)
    }

    /// c₀ + c₁·x + c₂·x² + ..., by Horner's rule in fma.
    fn polynomial(&mut self, x: ValueId, coefficients: &[f32]) -> ValueId {
        let (highest, rest) = coefficients.split_last().expect("a polynomial has coefficients");
        let mut sum = self.float(*highest);
        for &coefficient in rest.iter().rev() {
            let coefficient = self.float(coefficient);
            sum = self.fma(sum, x, coefficient);
        }
        sum
    }
}
