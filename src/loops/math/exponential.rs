//! exp and its relatives: logistic, softplus, tanh.
//!
//! In: an f32 value. Out: the last operation of its function; all before it are
//! emitted. Stated errors: exp 2 ulp, the others 4 ulp, over all f32, subnormal
//! results included.
//!
//! Coefficients are minimax fits (relative error in the comment), each rounded to f32.

use super::{Emit, ROUND};
use crate::ir::{Binary, DType};
use crate::loops::ir::{ScalarOp, ValueId};

/// ln 2 in two parts; the first has so few bits that its multiples up to 2⁹ are exact.
pub(super) const LN2_HIGH: f32 = 0.693_359_4;
pub(super) const LN2_LOW: f32 = -2.121_944_4e-4;

/// (eʳ - 1 - r)/r² for |r| ≤ ln 2: error of eʳ 2⁻²⁵·².
const EXP: [f32; 8] =
    [1.0, 1.0, 0.500_000_36, 0.166_666_14, 0.041_661_26, 0.008_336_109, 0.001_410_468_7, 0.000_196_113_63];
/// (1 - e⁻²ᵘ)/u for |u| ≤ ln 2/4: relative error 2⁻²⁸·⁷.
const TANH: [f32; 7] = [2.0, -2.0, 1.333_333_3, -0.666_661_74, 0.266_668_44, -0.089_220_67, 0.025_403_194];
/// log(1 + e)/e for 0 ≤ e ≤ 1: relative error 2⁻²⁶·⁷.
const LOG1P: [f32; 11] = [
    1.0,
    -0.499_999_88,
    0.333_326_9,
    -0.249_885_77,
    0.198_979_12,
    -0.161_292_63,
    0.124_669_56,
    -0.083_071_72,
    0.041_979_37,
    -0.013_630_545,
    0.002_072_760_6,
];

/// eˣ. Underflows through the subnormals to 0 below -103.97, overflows to inf above 88.72.
pub(super) fn exp(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let x = e.at_most(89.0, x);
    let x = e.at_least(-104.0, x);
    bounded(e, x)
}

/// 1/(1 + e⁻ˣ) as 1/(1 + t) or t/(1 + t) with t = exp(-|x|), so that small results keep their digits.
pub(super) fn logistic(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let t = exp_of_minus_abs(e, x);
    let zero = e.float(0.0);
    let one = e.float(1.0);
    let negative = e.lt(x, zero);
    let numerator = e.select(negative, t, one);
    let denominator = e.add(one, t);
    ScalarOp::Binary(Binary::Div, numerator, denominator)
}

/// log(1 + eˣ) = max(x, 0) + log(1 + exp(-|x|)).
pub(super) fn softplus(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let t = exp_of_minus_abs(e, x);
    let series = e.polynomial(t, &LOG1P);
    let positive = e.at_least(0.0, x);
    ScalarOp::Fma(t, series, positive)
}

/// tanh x = sign(x)·q/(2 - q) with q = 1 - exp(-2|x|), computed without cancellation; ±1 from 9.1 on.
pub(super) fn tanh(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let one = e.float(1.0);
    let two = e.float(2.0);
    let magnitude = e.abs(x);
    let a = e.at_most(9.1, magnitude);
    // -2a = n·ln 2 - 2u, |u| ≤ ln 2/4; 127 + n stands in the low bits of `shifted`.
    let bias = e.float(ROUND + 127.0);
    let rate = e.float(-2.0 * std::f32::consts::LOG2_E);
    let shifted = e.fma(a, rate, bias);
    let n = e.sub(shifted, bias);
    let (high, low) = (e.float(LN2_HIGH / 2.0), e.float(LN2_LOW / 2.0));
    let u = e.fma(n, high, a);
    let u = e.fma(n, low, u);
    let scale = power_of_two(e, shifted);
    let series = e.polynomial(u, &TANH);
    let part = e.mul(u, series);
    let rest = e.sub(one, scale);
    let q = e.fma(scale, part, rest);
    let denominator = e.sub(two, q);
    let quotient = e.div(q, denominator);
    let sign = e.sign(x);
    e.flip(quotient, sign)
}

/// eˣ for -104 ≤ x ≤ 89 (NaN passes).
pub(super) fn bounded(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    // x = 2m·ln 2 + r, |r| ≤ ln 2; the result is scaled by 2ᵐ twice, so that it rounds only once when it is
    // subnormal, and no power of two leaves the normal range.
    let bias = e.float(ROUND + 127.0);
    let rate = e.float(0.5 * std::f32::consts::LOG2_E);
    let shifted = e.fma(x, rate, bias);
    let m = e.sub(shifted, bias);
    let (high, low) = (e.float(-2.0 * LN2_HIGH), e.float(-2.0 * LN2_LOW));
    let r = e.fma(m, high, x);
    let r = e.fma(m, low, r);
    let scale = power_of_two(e, shifted);
    scaled_exp(e, r, scale)
}

/// eʳ·scale² for |r| ≤ ln 2.
pub(super) fn scaled_exp(e: &mut Emit<'_>, r: ValueId, scale: ValueId) -> ScalarOp {
    let series = e.polynomial(r, &EXP);
    let half = e.mul(series, scale);
    ScalarOp::Binary(Binary::Mul, half, scale)
}

/// 2ⁿ, where `shifted` is n plus 127 plus [`ROUND`].
pub(super) fn power_of_two(e: &mut Emit<'_>, shifted: ValueId) -> ValueId {
    let bits = e.integer_of(shifted);
    let exponent = e.shl(bits, 23);
    e.float_of(exponent)
}

fn exp_of_minus_abs(e: &mut Emit<'_>, x: ValueId) -> ValueId {
    let bits = e.integer_of(x);
    let sign = e.int(super::SIGN);
    let negative = e.or(bits, sign);
    let negative = e.float_of(negative);
    let clamped = e.at_least(-104.0, negative);
    let result = bounded(e, clamped);
    e.put(DType::F32, result)
}
