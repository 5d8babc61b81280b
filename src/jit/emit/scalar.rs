//! Operations: one Cranelift sequence each, the same for a scalar and for a
//! vector of four lanes. In: operands of one shape; out: a value of that shape.
//! Invariant: the bits are those of the loops interpreter (NaN payloads apart).

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::Ieee32;
use cranelift_codegen::ir::{ConstantData, InstBuilder, MemFlagsData, Type, Value, types};

use super::{Emitter, LANES, Operand, scalar_type, vector_type};
use crate::ir::{Binary, Comparison, DType, Unary};
use crate::jit::JitError;
use crate::loops::ir::{ScalarOp, ValueId};

/// How many elements an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One.
    Scalar,
    /// Four.
    Vector,
}

impl Shape {
    pub(super) fn of(self, dtype: DType) -> Type {
        match self {
            Shape::Scalar => scalar_type(dtype),
            Shape::Vector => vector_type(dtype),
        }
    }
}

impl Emitter<'_, '_> {
    /// `value = op`
    pub(super) fn operation(&mut self, value: ValueId, op: &ScalarOp) -> Result<(), JitError> {
        match op {
            ScalarOp::F32(bits) => self.constant(value, *bits),
            ScalarOp::I32(number) => self.constant(value, number.cast_unsigned()),
            ScalarOp::Bool(truth) => self.constant(value, if *truth { u32::MAX } else { 0 }),
            ScalarOp::Load(access) => self.load(value, access)?,
            ScalarOp::Index(affine) => self.index(value, affine),
            ScalarOp::Unary(..)
            | ScalarOp::Binary(..)
            | ScalarOp::Fma(..)
            | ScalarOp::Compare(..)
            | ScalarOp::And(..)
            | ScalarOp::Or(..)
            | ScalarOp::Xor(..)
            | ScalarOp::Not(..)
            | ScalarOp::Shl(..)
            | ScalarOp::ShrU(..)
            | ScalarOp::ShrS(..)
            | ScalarOp::Select(..)
            | ScalarOp::Convert(..)
            | ScalarOp::Bits(..) => self.pure(value, op)?,
        }
        Ok(())
    }

    /// A constant as scalar and as vector; Cranelift drops the one that nobody reads.
    fn constant(&mut self, value: ValueId, bits: u32) {
        let dtype = self.dtype(value);
        let scalar = match dtype {
            DType::F32 => self.builder.ins().f32const(Ieee32::with_bits(bits)),
            DType::I32 | DType::Bool => self.builder.ins().iconst(types::I32, i64::from(bits)),
        };
        let splat = self.splatted[value.index()].then(|| self.vector_constant(dtype, bits));
        self.define(value, Operand::Uniform { scalar, splat });
    }

    /// Four times the same bits.
    pub(super) fn vector_constant(&mut self, dtype: DType, bits: u32) -> Value {
        let bytes: Vec<u8> = bits.to_le_bytes().repeat(LANES);
        let constant = self.builder.func.dfg.constants.insert(ConstantData::from(bytes));
        self.builder.ins().vconst(vector_type(dtype), constant)
    }

    /// A constant of either shape.
    pub(super) fn constant_of(&mut self, shape: Shape, dtype: DType, bits: u32) -> Value {
        match (shape, dtype) {
            (Shape::Vector, _) => self.vector_constant(dtype, bits),
            (Shape::Scalar, DType::F32) => self.builder.ins().f32const(Ieee32::with_bits(bits)),
            (Shape::Scalar, DType::I32 | DType::Bool) => self.builder.ins().iconst(types::I32, i64::from(bits)),
        }
    }

    /// An operation on registers: once for scalars, else once for each vector of the strip.
    fn pure(&mut self, value: ValueId, op: &ScalarOp) -> Result<(), JitError> {
        let operands = op.operands();
        let uniform = operands.iter().all(|operand| self.is_uniform(*operand));
        let Some(strip) = self.strip.filter(|_| !uniform) else {
            let arguments: Vec<Value> = operands.iter().map(|operand| self.scalar(*operand)).collect();
            let scalar = self.compute(op, Shape::Scalar, &operands, &arguments)?;
            self.define_uniform(value, scalar);
            return Ok(());
        };
        let mut vectors = Vec::with_capacity(strip.vectors);
        for number in 0..strip.vectors {
            let arguments: Vec<Value> = operands.iter().map(|operand| self.vector(*operand, number)).collect();
            vectors.push(self.compute(op, Shape::Vector, &operands, &arguments)?);
        }
        self.define(value, Operand::Lanes(vectors));
        Ok(())
    }

    fn compute(
        &mut self,
        op: &ScalarOp,
        shape: Shape,
        operands: &[ValueId],
        arguments: &[Value],
    ) -> Result<Value, JitError> {
        let dtype = self.dtype(operands[0]);
        let a = arguments[0];
        let ty = self.builder.func.dfg.value_type(a);
        Ok(match op {
            ScalarOp::Unary(unary, _) => self.unary(*unary, dtype, a)?,
            ScalarOp::Binary(binary, _, _) => self.binary(*binary, dtype, shape, a, arguments[1])?,
            ScalarOp::Fma(..) => self.builder.ins().fma(a, arguments[1], arguments[2]),
            ScalarOp::Compare(comparison, _, _) => self.compare(*comparison, dtype, shape, a, arguments[1]),
            ScalarOp::And(..) => self.builder.ins().band(a, arguments[1]),
            ScalarOp::Or(..) => self.builder.ins().bor(a, arguments[1]),
            ScalarOp::Xor(..) => self.builder.ins().bxor(a, arguments[1]),
            ScalarOp::Not(_) => self.builder.ins().bnot(a),
            ScalarOp::Shl(_, by) => self.builder.ins().ishl_imm_u(a, i64::from(*by)),
            ScalarOp::ShrU(_, by) => self.builder.ins().ushr_imm_u(a, i64::from(*by)),
            ScalarOp::ShrS(_, by) => self.builder.ins().sshr_imm_u(a, i64::from(*by)),
            ScalarOp::Select(..) => self.select(shape, a, arguments[1], arguments[2]),
            ScalarOp::Convert(to, _) => self.convert(dtype, *to, shape, a),
            ScalarOp::Bits(to, _) if shape.of(*to) == ty => a,
            ScalarOp::Bits(to, _) => self.bits(shape.of(*to), a),
            ScalarOp::F32(_) | ScalarOp::I32(_) | ScalarOp::Bool(_) | ScalarOp::Load(_) | ScalarOp::Index(_) => {
                unreachable!("has no operands")
            }
        })
    }

    fn unary(&mut self, unary: Unary, dtype: DType, a: Value) -> Result<Value, JitError> {
        let ins = self.builder.ins();
        Ok(match (unary, dtype) {
            (Unary::Neg, DType::F32) => ins.fneg(a),
            (Unary::Neg, DType::I32) => ins.ineg(a),
            (Unary::Abs, DType::F32) => ins.fabs(a),
            (Unary::Abs, DType::I32) => ins.iabs(a),
            (Unary::Sqrt, DType::F32) => ins.sqrt(a),
            (Unary::Floor, DType::F32) => ins.floor(a),
            (other, _) => {
                return Err(self.unsupported(format!("{other:?} of {dtype} must be expanded before emission")));
            }
        })
    }

    fn binary(&mut self, binary: Binary, dtype: DType, shape: Shape, a: Value, b: Value) -> Result<Value, JitError> {
        Ok(match (binary, dtype) {
            (Binary::Add, DType::F32) => self.builder.ins().fadd(a, b),
            (Binary::Sub, DType::F32) => self.builder.ins().fsub(a, b),
            (Binary::Mul, DType::F32) => self.builder.ins().fmul(a, b),
            (Binary::Div, DType::F32) => self.builder.ins().fdiv(a, b),
            (Binary::Max, DType::F32) => self.float_extreme(FloatCC::LessThan, shape, a, b),
            (Binary::Min, DType::F32) => self.float_extreme(FloatCC::GreaterThan, shape, a, b),
            (Binary::Add, DType::I32) => self.builder.ins().iadd(a, b),
            (Binary::Sub, DType::I32) => self.builder.ins().isub(a, b),
            (Binary::Mul, DType::I32) => self.builder.ins().imul(a, b),
            (Binary::Max, DType::I32) => self.builder.ins().smax(a, b),
            (Binary::Min, DType::I32) => self.builder.ins().smin(a, b),
            (Binary::Div | Binary::Rem, DType::I32) => self.divide(binary, shape, a, b),
            (other, _) => {
                return Err(self.unsupported(format!("{other:?} of {dtype} must be expanded before emission")));
            }
        })
    }

    /// `if b < a (or b > a) or a is NaN then a else b`: one `maxps` or `minps`, and a NaN in `b` comes through by itself.
    pub(super) fn float_extreme(&mut self, than: FloatCC, shape: Shape, a: Value, b: Value) -> Value {
        let wins = self.builder.ins().fcmp(than, b, a);
        let nan = self.builder.ins().fcmp(FloatCC::Unordered, a, a);
        match shape {
            Shape::Scalar => {
                let larger = self.builder.ins().select(wins, a, b);
                self.builder.ins().select(nan, a, larger)
            }
            Shape::Vector => {
                let wins = self.bits(types::F32X4, wins);
                let larger = self.builder.ins().bitselect(wins, a, b);
                let nan = self.bits(types::F32X4, nan);
                self.builder.ins().bitselect(nan, a, larger)
            }
        }
    }

    /// Floor division or its remainder; by zero the result is 0 and the fault flag is set.
    fn divide(&mut self, binary: Binary, shape: Shape, a: Value, b: Value) -> Value {
        let zero = self.constant_of(shape, DType::I32, 0);
        let is_zero = self.builder.ins().icmp(IntCC::Equal, b, zero);
        match shape {
            Shape::Scalar => {
                self.fault_if(is_zero);
                self.divide_scalar(binary, a, b)
            }
            Shape::Vector => {
                let any = self.builder.ins().vany_true(is_zero);
                self.fault_if(any);
                let mut lanes = Vec::with_capacity(LANES);
                for lane in 0..LANES as u8 {
                    let (a, b) = (self.builder.ins().extractlane(a, lane), self.builder.ins().extractlane(b, lane));
                    lanes.push(self.divide_scalar(binary, a, b));
                }
                self.gather_lanes(DType::I32, &lanes)
            }
        }
    }

    /// The machine's division traps for a zero divisor and for `i32::MIN / -1`, so those two divide by 1 instead.
    fn divide_scalar(&mut self, binary: Binary, a: Value, b: Value) -> Value {
        let above = self.builder.ins().iadd_imm_s(b, 1);
        // b is 0 or -1 exactly if b + 1, taken without sign, is below 2.
        let special = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, above, 2);
        let one = self.builder.ins().iconst(types::I32, 1);
        let zero = self.builder.ins().iconst(types::I32, 0);
        let divisor = self.builder.ins().select(special, one, b);
        let quotient = self.builder.ins().sdiv(a, divisor);
        let product = self.builder.ins().imul(quotient, divisor);
        let rest = self.builder.ins().isub(a, product);
        let signs = self.builder.ins().bxor(rest, divisor);
        let differ = self.builder.ins().icmp_imm_s(IntCC::SignedLessThan, signs, 0);
        let some = self.builder.ins().icmp_imm_s(IntCC::NotEqual, rest, 0);
        let down = self.builder.ins().band(differ, some);
        if binary == Binary::Rem {
            let shift = self.builder.ins().select(down, divisor, zero);
            let rest = self.builder.ins().iadd(rest, shift);
            return self.builder.ins().select(special, zero, rest);
        }
        let below = self.builder.ins().iadd_imm_s(quotient, -1);
        let quotient = self.builder.ins().select(down, below, quotient);
        // a·b is -a for b = -1 and 0 for b = 0.
        let by_special = self.builder.ins().imul(a, b);
        self.builder.ins().select(special, by_special, quotient)
    }

    fn compare(&mut self, comparison: Comparison, dtype: DType, shape: Shape, a: Value, b: Value) -> Value {
        let condition = match (comparison, dtype) {
            (Comparison::Lt, DType::F32) => self.builder.ins().fcmp(FloatCC::LessThan, a, b),
            (Comparison::Le, DType::F32) => self.builder.ins().fcmp(FloatCC::LessThanOrEqual, a, b),
            (Comparison::Eq, DType::F32) => self.builder.ins().fcmp(FloatCC::Equal, a, b),
            (Comparison::Lt, DType::I32) => self.builder.ins().icmp(IntCC::SignedLessThan, a, b),
            (Comparison::Le, DType::I32) => self.builder.ins().icmp(IntCC::SignedLessThanOrEqual, a, b),
            // True is all ones, so that without sign false < true.
            (Comparison::Lt, DType::Bool) => self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b),
            (Comparison::Le, DType::Bool) => self.builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, a, b),
            (Comparison::Eq, DType::I32 | DType::Bool) => self.builder.ins().icmp(IntCC::Equal, a, b),
        };
        self.mask(shape, condition)
    }

    /// All ones or zero from the result of a Cranelift comparison.
    fn mask(&mut self, shape: Shape, condition: Value) -> Value {
        match shape {
            Shape::Vector => condition,
            Shape::Scalar => {
                let bit = self.builder.ins().uextend(types::I32, condition);
                self.builder.ins().ineg(bit)
            }
        }
    }

    fn select(&mut self, shape: Shape, mask: Value, a: Value, b: Value) -> Value {
        match shape {
            Shape::Scalar => self.builder.ins().select(mask, a, b),
            Shape::Vector => {
                let ty = self.builder.func.dfg.value_type(a);
                let mask = if ty == types::I32X4 { mask } else { self.bits(ty, mask) };
                self.builder.ins().bitselect(mask, a, b)
            }
        }
    }

    fn convert(&mut self, from: DType, to: DType, shape: Shape, a: Value) -> Value {
        match (from, to) {
            (DType::F32, DType::F32) | (DType::I32, DType::I32) | (DType::Bool, DType::Bool) => a,
            (DType::F32, DType::I32) => self.builder.ins().fcvt_to_sint_sat(shape.of(to), a),
            (DType::I32, DType::F32) => self.builder.ins().fcvt_from_sint(shape.of(to), a),
            (DType::Bool, DType::I32) => {
                let one = self.constant_of(shape, DType::I32, 1);
                self.builder.ins().band(a, one)
            }
            (DType::Bool, DType::F32) => {
                let one = self.constant_of(shape, DType::I32, 1.0_f32.to_bits());
                let bits = self.builder.ins().band(a, one);
                self.bits(shape.of(to), bits)
            }
            (DType::F32, DType::Bool) => {
                let zero = self.constant_of(shape, DType::F32, 0);
                let condition = self.builder.ins().fcmp(FloatCC::NotEqual, a, zero);
                self.mask(shape, condition)
            }
            (DType::I32, DType::Bool) => {
                let zero = self.constant_of(shape, DType::I32, 0);
                let condition = self.builder.ins().icmp(IntCC::NotEqual, a, zero);
                self.mask(shape, condition)
            }
        }
    }

    /// The same bits as another type; Cranelift wants to know the order of lanes.
    pub(super) fn bits(&mut self, ty: Type, a: Value) -> Value {
        let flags = MemFlagsData::new().with_endianness(cranelift_codegen::ir::Endianness::Little);
        self.builder.ins().bitcast(ty, flags, a)
    }

    /// A vector of four scalars.
    pub(super) fn gather_lanes(&mut self, dtype: DType, lanes: &[Value]) -> Value {
        let mut vector = self.builder.ins().scalar_to_vector(vector_type(dtype), lanes[0]);
        for (lane, scalar) in lanes.iter().enumerate().skip(1) {
            vector = self.builder.ins().insertlane(vector, *scalar, lane as u8);
        }
        vector
    }
}
