//! What every walker of the loops IR asks of a statement, how large it is, and of
//! an operation: its operands, and the type of its result.
//!
//! In: a [`ScalarOp`] (and the kernel's value types). Out: operands in order, a
//! type or the reason why there is none. Invariant: the one typing rule; the
//! builder infers by it and the verifier checks by it.

use super::ir::{Access, Combine, Conv, ScalarOp, Stmt, ValueId};
use crate::ir::{Binary, DType, Face, Unary, Window};
use crate::kernels::abi::{ConvArgs, SPATIAL};

impl Stmt {
    /// Shows it, and if it is a loop all in it, in the order printed.
    pub fn each<'s>(&'s self, see: &mut dyn FnMut(&'s Stmt)) {
        see(self);
        if let Stmt::Loop(nest) = self {
            nest.body.iter().for_each(|stmt| stmt.each(see));
        }
    }

    /// Statements in it, itself included: how far the next one's number as printed is.
    pub fn size(&self) -> usize {
        let mut size = 0;
        self.each(&mut |_| size += 1);
        size
    }

    /// Whether a precompiled kernel does its work.
    pub fn is_call(&self) -> bool {
        match self {
            Stmt::Let { .. } | Stmt::Store { .. } | Stmt::Loop(_) => false,
            Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => true,
        }
    }
}

impl Conv {
    /// Elements of x, w and y.
    pub fn lengths(&self) -> [u64; 3] {
        let product = |size: fn(&Window) -> usize| self.windows.iter().map(|w| size(w) as u64).product::<u64>();
        let (x, y) = (self.images * self.groups * self.group_in, self.images * self.groups * self.group_out);
        let w = self.groups * self.group_out * self.group_in;
        [x * product(|w| w.n), w * product(|w| w.k), y * product(|w| w.out)]
    }

    /// Elements of a, b and c.
    pub fn operand_lengths(&self) -> [u64; 3] {
        let [x, w, y] = self.lengths();
        match self.face {
            Face::Out => [x, w, y],
            Face::Input => [y, w, x],
            Face::Weight => [x, y, w],
        }
    }

    /// How many rows there are.
    pub fn extent(&self) -> u64 {
        match self.face {
            Face::Out | Face::Input => self.images,
            Face::Weight => self.groups * self.group_out,
        }
    }

    /// Floating-point operations of the whole of it, padding included.
    pub fn flops(&self) -> u64 {
        let taps = self.windows.iter().map(|w| w.k as u64).product::<u64>();
        2 * self.lengths()[2] * self.group_in * taps
    }

    /// The call's arguments but for addresses, over all rows.
    pub fn args(&self) -> ConvArgs {
        let mut windows = [[0; 6]; SPATIAL];
        for (to, w) in windows.iter_mut().zip(&self.windows) {
            *to = [w.n as i64, w.out as i64, w.k as i64, w.step as i64, w.dilation as i64, w.lo];
        }
        ConvArgs {
            a: std::ptr::null(),
            b: std::ptr::null(),
            c: std::ptr::null_mut(),
            lo: 0,
            hi: self.extent(),
            face: match self.face {
                Face::Out => 0,
                Face::Input => 1,
                Face::Weight => 2,
            },
            images: self.images,
            groups: self.groups,
            group_in: self.group_in,
            group_out: self.group_out,
            axes: self.windows.len() as u64,
            windows,
        }
    }
}

impl ScalarOp {
    /// Calls `see` on each value read, in order; an indirect index of a load included.
    pub fn for_each_operand(&self, mut see: impl FnMut(ValueId)) {
        match self {
            ScalarOp::F32(_) | ScalarOp::I32(_) | ScalarOp::Bool(_) | ScalarOp::Index(_) => {}
            ScalarOp::Load(access) => {
                if let Some(indirect) = &access.indirect {
                    see(indirect.value);
                }
            }
            ScalarOp::Unary(_, a)
            | ScalarOp::Not(a)
            | ScalarOp::Shl(a, _)
            | ScalarOp::ShrU(a, _)
            | ScalarOp::ShrS(a, _)
            | ScalarOp::Convert(_, a)
            | ScalarOp::Bits(_, a) => see(*a),
            ScalarOp::Binary(_, a, b)
            | ScalarOp::Compare(_, a, b)
            | ScalarOp::And(a, b)
            | ScalarOp::Or(a, b)
            | ScalarOp::Xor(a, b) => {
                see(*a);
                see(*b);
            }
            ScalarOp::Fma(a, b, c) | ScalarOp::Select(a, b, c) => {
                see(*a);
                see(*b);
                see(*c);
            }
        }
    }

    /// The values read, in order.
    pub fn operands(&self) -> Vec<ValueId> {
        let mut operands = Vec::new();
        self.for_each_operand(|value| operands.push(value));
        operands
    }

    /// The type of the result, given the types of the values and parameters.
    ///
    /// # Errors
    /// A message when operand types do not fit the operation.
    pub fn result_type(
        &self,
        value: impl Fn(ValueId) -> DType,
        load: impl Fn(&Access) -> DType,
    ) -> Result<DType, String> {
        use DType::{Bool, F32, I32};
        let expect = |found: DType, allowed: &[DType]| -> Result<DType, String> {
            if allowed.contains(&found) {
                Ok(found)
            } else {
                Err(format!("operand of type {found}, allowed {allowed:?}"))
            }
        };
        let pair = |a: ValueId, b: ValueId, allowed: &[DType]| -> Result<DType, String> {
            let (left, right) = (value(a), value(b));
            if left != right {
                return Err(format!("operands of types {left} and {right}"));
            }
            expect(left, allowed)
        };
        match self {
            ScalarOp::F32(_) => Ok(F32),
            ScalarOp::I32(_) | ScalarOp::Index(_) => Ok(I32),
            ScalarOp::Bool(_) => Ok(Bool),
            ScalarOp::Load(access) => Ok(load(access)),
            ScalarOp::Unary(Unary::Neg | Unary::Abs, a) => expect(value(*a), &[F32, I32]),
            ScalarOp::Unary(_, a) => expect(value(*a), &[F32]),
            ScalarOp::Binary(Binary::Pow, a, b) => pair(*a, *b, &[F32]),
            ScalarOp::Binary(_, a, b) => pair(*a, *b, &[F32, I32]),
            ScalarOp::Fma(a, b, c) => {
                pair(*a, *b, &[F32])?;
                pair(*b, *c, &[F32])
            }
            ScalarOp::Compare(_, a, b) => pair(*a, *b, &[F32, I32]).map(|_| Bool),
            ScalarOp::And(a, b) | ScalarOp::Or(a, b) | ScalarOp::Xor(a, b) => pair(*a, *b, &[Bool, I32]),
            ScalarOp::Not(a) => expect(value(*a), &[Bool, I32]),
            ScalarOp::Shl(a, by) | ScalarOp::ShrU(a, by) | ScalarOp::ShrS(a, by) => {
                if *by >= 32 {
                    return Err(format!("shift by {by}"));
                }
                expect(value(*a), &[I32])
            }
            ScalarOp::Select(condition, a, b) => {
                expect(value(*condition), &[Bool])?;
                pair(*a, *b, &[F32, I32, Bool])
            }
            ScalarOp::Convert(to, _) => Ok(*to),
            ScalarOp::Bits(to, a) => {
                expect(*to, &[F32, I32])?;
                expect(value(*a), &[F32, I32]).map(|_| *to)
            }
        }
    }
}

impl Combine {
    /// The values accumulated.
    pub fn operands(self) -> impl Iterator<Item = ValueId> {
        let (first, second) = match self {
            Combine::Sum(a) | Combine::Max(a) => (a, None),
            Combine::Product(a, b) => (a, Some(b)),
        };
        std::iter::once(first).chain(second)
    }
}
