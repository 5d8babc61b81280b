//! What each basic operation does to words.
//!
//! In: an operation and the type of its first operand. Out: a function of
//! words. Invariant: this is the meaning that every emitter must reproduce bit
//! for bit (NaN payloads excepted).

use crate::ir::{Binary, Comparison, DType, Unary};
use crate::loops::ir::ScalarOp;

/// An operation ready to be applied.
#[derive(Clone, Copy, Debug)]
pub enum Function {
    /// No operand.
    Constant(u32),
    /// One operand.
    One(fn(u32) -> u32),
    /// One operand and a constant shift.
    Shift(fn(u32, u32) -> u32, u32),
    /// Two operands.
    Two(fn(u32, u32) -> u32),
    /// Three operands.
    Three(fn(u32, u32, u32) -> u32),
}

/// The function of `op`, whose first operand has the type `operand`; none for loads and indices, which need
/// memory and variables, and for what `math::expand` replaces.
pub fn function(op: &ScalarOp, operand: DType) -> Option<Function> {
    Some(match op {
        ScalarOp::F32(bits) => Function::Constant(*bits),
        ScalarOp::I32(constant) => Function::Constant(*constant as u32),
        ScalarOp::Bool(constant) => Function::Constant(truth(*constant)),
        ScalarOp::Load(_) | ScalarOp::Index(_) => return None,
        ScalarOp::Unary(unary, _) => Function::One(unary_function(*unary, operand)?),
        ScalarOp::Binary(binary, ..) => Function::Two(binary_function(*binary, operand)?),
        ScalarOp::Fma(..) => Function::Three(|a, b, c| word(float(a).mul_add(float(b), float(c)))),
        ScalarOp::Compare(comparison, ..) => Function::Two(comparison_function(*comparison, operand)),
        ScalarOp::And(..) => Function::Two(|a, b| a & b),
        ScalarOp::Or(..) => Function::Two(|a, b| a | b),
        ScalarOp::Xor(..) => Function::Two(|a, b| a ^ b),
        ScalarOp::Not(_) => Function::One(|a| !a),
        ScalarOp::Shl(_, by) => Function::Shift(|a, by| a << by, u32::from(*by)),
        ScalarOp::ShrU(_, by) => Function::Shift(|a, by| a >> by, u32::from(*by)),
        ScalarOp::ShrS(_, by) => Function::Shift(|a, by| ((a as i32) >> by) as u32, u32::from(*by)),
        ScalarOp::Select(..) => Function::Three(|condition, a, b| if condition != 0 { a } else { b }),
        ScalarOp::Convert(to, _) => Function::One(convert_function(operand, *to)),
        ScalarOp::Bits(..) => Function::One(|a| a),
    })
}

/// A bool as a word.
pub fn truth(condition: bool) -> u32 {
    if condition { u32::MAX } else { 0 }
}

/// The larger; a NaN in either wins; `b` of two zeros.
pub fn max_f32(a: u32, b: u32) -> u32 {
    if float(b) < float(a) || float(a).is_nan() { a } else { b }
}

fn float(word: u32) -> f32 {
    f32::from_bits(word)
}

fn word(float: f32) -> u32 {
    float.to_bits()
}

fn unary_function(unary: Unary, operand: DType) -> Option<fn(u32) -> u32> {
    let is_float = operand == DType::F32;
    Some(match unary {
        Unary::Neg if is_float => |a| a ^ 0x8000_0000,
        Unary::Neg => |a| (a as i32).wrapping_neg() as u32,
        Unary::Abs if is_float => |a| a & 0x7fff_ffff,
        Unary::Abs => |a| (a as i32).wrapping_abs() as u32,
        Unary::Sqrt => |a| word(float(a).sqrt()),
        Unary::Floor => |a| word(float(a).floor()),
        Unary::Exp
        | Unary::Log
        | Unary::Sin
        | Unary::Cos
        | Unary::Softplus
        | Unary::Tanh
        | Unary::Logistic
        | Unary::Erf
        | Unary::ErfInv => return None,
    })
}

fn binary_function(binary: Binary, operand: DType) -> Option<fn(u32, u32) -> u32> {
    let is_float = operand == DType::F32;
    Some(match binary {
        Binary::Add if is_float => |a, b| word(float(a) + float(b)),
        Binary::Add => u32::wrapping_add,
        Binary::Sub if is_float => |a, b| word(float(a) - float(b)),
        Binary::Sub => u32::wrapping_sub,
        Binary::Mul if is_float => |a, b| word(float(a) * float(b)),
        Binary::Mul => u32::wrapping_mul,
        Binary::Div if is_float => |a, b| word(float(a) / float(b)),
        Binary::Div => |a, b| floor_div(a as i32, b as i32) as u32,
        Binary::Rem if is_float => return None,
        Binary::Rem => |a, b| floor_rem(a as i32, b as i32) as u32,
        Binary::Max if is_float => max_f32,
        Binary::Max => |a, b| (a as i32).max(b as i32) as u32,
        Binary::Min if is_float => |a, b| if float(a) < float(b) || float(a).is_nan() { a } else { b },
        Binary::Min => |a, b| (a as i32).min(b as i32) as u32,
        Binary::Pow => return None,
    })
}

fn comparison_function(comparison: Comparison, operand: DType) -> fn(u32, u32) -> u32 {
    let is_float = operand == DType::F32;
    match comparison {
        Comparison::Lt if is_float => |a, b| truth(float(a) < float(b)),
        Comparison::Lt => |a, b| truth((a as i32) < b as i32),
        Comparison::Le if is_float => |a, b| truth(float(a) <= float(b)),
        Comparison::Le => |a, b| truth(a as i32 <= b as i32),
        Comparison::Eq if is_float => |a, b| truth(float(a) == float(b)),
        Comparison::Eq => |a, b| truth(a == b),
    }
}

fn convert_function(from: DType, to: DType) -> fn(u32) -> u32 {
    match (from, to) {
        (DType::F32, DType::I32) => |a| (float(a) as i32) as u32,
        (DType::I32, DType::F32) => |a| word(a as i32 as f32),
        (DType::F32, DType::Bool) => |a| truth(float(a) != 0.0),
        (DType::I32, DType::Bool) => |a| truth(a != 0),
        (DType::Bool, DType::F32) => |a| word(if a != 0 { 1.0 } else { 0.0 }),
        (DType::Bool, DType::I32) => |a| u32::from(a != 0),
        (DType::F32, DType::F32) | (DType::I32, DType::I32) | (DType::Bool, DType::Bool) => |a| a,
    }
}

/// Quotient rounded down; by zero 0; wraps at `MIN / -1`.
fn floor_div(a: i32, b: i32) -> i32 {
    if b == 0 {
        return 0;
    }
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && ((a < 0) != (b < 0)) { quotient - 1 } else { quotient }
}

/// a - floor(a/b)·b; by zero 0.
fn floor_rem(a: i32, b: i32) -> i32 {
    if b == 0 { 0 } else { a.wrapping_sub(floor_div(a, b).wrapping_mul(b)) }
}
