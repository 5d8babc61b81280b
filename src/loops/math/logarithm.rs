//! log.
//!
//! In: an f32 value. Out: the last operation; all before it are emitted.
//! Stated error: 2 ulp over all f32, subnormal arguments included.

use super::exponential::{LN2_HIGH, LN2_LOW};
use super::{Emit, ROUND};
use crate::ir::DType;
use crate::loops::ir::{ScalarOp, ValueId};

/// (log(1 + f) - f + f²/2)/f³ for √½ ≤ 1 + f ≤ √2: error of the log 2⁻²⁸·².
const LOG: [f32; 9] = [
    0.333_333_13,
    -0.250_000_1,
    0.200_021_2,
    -0.166_679_95,
    0.142_195_43,
    -0.124_055_974,
    0.118_882_32,
    -0.116_756_23,
    0.067_464_545,
];

/// A positive number as m·2ᵉ, √½ ≤ m < √2; e as a float.
pub(super) struct Split {
    pub(super) m: ValueId,
    pub(super) e: ValueId,
}

/// Natural logarithm: -inf at ±0, NaN below, inf at inf.
pub(super) fn log(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let parts = split(e, x);
    let y = of_split(e, &parts);
    // inf and NaN are handed through.
    let infinity = e.float(f32::INFINITY);
    let finite = e.lt(x, infinity);
    let y = e.select(finite, y, x);
    let zero = e.float(0.0);
    let nan = e.float(f32::NAN);
    let negative = e.lt(x, zero);
    let y = e.select(negative, nan, y);
    let is_zero = e.eq(x, zero);
    let minus_infinity = e.float(f32::NEG_INFINITY);
    ScalarOp::Select(is_zero, minus_infinity, y)
}

/// The parts of a positive finite number; subnormal ones are first scaled by 2²³.
pub(super) fn split(e: &mut Emit<'_>, x: ValueId) -> Split {
    let least = e.float(f32::MIN_POSITIVE);
    let factor = e.float(8_388_608.0);
    let small = e.lt(x, least);
    let scaled = e.mul(x, factor);
    let z = e.select(small, scaled, x);
    let normal_bias = e.float(ROUND);
    let small_bias = e.float(ROUND + 23.0);
    let bias = e.select(small, small_bias, normal_bias);
    split_biased(e, z, bias)
}

/// The parts of a positive normal number.
pub(super) fn split_normal(e: &mut Emit<'_>, x: ValueId) -> Split {
    let bias = e.float(ROUND);
    split_biased(e, x, bias)
}

/// log(m·2ᵉ)
pub(super) fn of_split(e: &mut Emit<'_>, parts: &Split) -> ValueId {
    let one = e.float(1.0);
    let f = e.sub(parts.m, one);
    let square = e.mul(f, f);
    let cube = e.mul(square, f);
    let series = e.polynomial(f, &LOG);
    let tail = e.mul(cube, series);
    let low = e.float(LN2_LOW);
    let tail = e.fma(parts.e, low, tail);
    let minus_half = e.float(-0.5);
    let tail = e.fma(square, minus_half, tail);
    let sum = e.add(f, tail);
    let high = e.float(LN2_HIGH);
    e.fma(parts.e, high, sum)
}

fn split_biased(e: &mut Emit<'_>, z: ValueId, bias: ValueId) -> Split {
    let bits = e.integer_of(z);
    let root_half = e.int(std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32);
    let above = e.sub(bits, root_half);
    let mask = e.int(!0x007f_ffff);
    let exponent = e.and(above, mask);
    let mantissa = e.sub(bits, exponent);
    let m = e.float_of(mantissa);
    let whole = e.put(DType::I32, ScalarOp::ShrS(above, 23));
    let round = e.int(ROUND.to_bits() as i32);
    let shifted = e.add(whole, round);
    let shifted = e.float_of(shifted);
    let e_float = e.sub(shifted, bias);
    Split { m, e: e_float }
}
