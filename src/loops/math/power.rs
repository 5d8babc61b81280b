//! pow.
//!
//! In: two f32 values. Out: the last operation; all before it are emitted.
//! Stated error: 4 ulp. Special values are those of C99's `pow`: a < 0 only
//! with whole b, pow(x, 0) = pow(1, y) = 1 even for NaN, signs by odd b.

use super::exponential::{power_of_two, scaled_exp};
use super::logarithm::{Split, split};
use super::{Emit, ROUND};
use crate::ir::{DType, Unary};
use crate::loops::ir::{ScalarOp, ValueId};

/// 2/ln 2 in two parts.
const TWO_LOG2_E: [f32; 2] = [2.885_39, 3.851_926e-8];
/// 1/3 in two parts.
const THIRD: [f32; 2] = [1.0 / 3.0, -9.934_108e-9];
/// ((atanh(q)/q - 1)/q² - 1/3)/q² in q² for |q| ≤ 0.1716: relative error of atanh below 2⁻³⁵.
const ATANH: [f32; 3] = [0.200_000_76, 0.142_735_29, 0.117_102_26];

/// An unevaluated sum, |low| at most half an ulp of high.
struct Pair {
    high: ValueId,
    low: ValueId,
}

/// aᵇ as 2^(b·log2 |a|), the logarithm and the product in two floats.
pub(super) fn pow(e: &mut Emit<'_>, a: ValueId, b: ValueId) -> ScalarOp {
    let magnitude = e.abs(a);
    let parts = split(e, magnitude);
    let log2 = log2_pair(e, &parts);
    let exponent = times(e, &log2, b);
    let y = exp2_pair(e, &exponent);
    special_values(e, a, b, magnitude, y)
}

/// log2(m·2ᵉ) = e + 2/ln 2·atanh((m-1)/(m+1))
fn log2_pair(e: &mut Emit<'_>, parts: &Split) -> Pair {
    let one = e.float(1.0);
    let numerator = e.sub(parts.m, one);
    let denominator = e.add(parts.m, one);
    let back = e.sub(denominator, one);
    let denominator_low = e.sub(parts.m, back);
    let reciprocal = e.div(one, denominator);
    let q = e.mul(numerator, reciprocal);
    // What q lacks: (numerator - q·denominator)/denominator.
    let minus_q = e.put(DType::F32, ScalarOp::Unary(Unary::Neg, q));
    let remainder = e.fma(minus_q, denominator, numerator);
    let remainder = e.fma(minus_q, denominator_low, remainder);
    let q_low = e.mul(remainder, reciprocal);

    let atanh = atanh_pair(e, q, q_low);
    let (factor, factor_low) = (e.float(TWO_LOG2_E[0]), e.float(TWO_LOG2_E[1]));
    let product = exact_product(e, atanh.high, factor);
    let low = e.fma(atanh.high, factor_low, product.low);
    let low = e.fma(atanh.low, factor, low);
    // |e| ≥ 1 > |product| or e = 0: the fast sum is exact.
    let sum = fast_two_sum(e, parts.e, product.high);
    let low = e.add(sum.low, low);
    fast_two_sum(e, sum.high, low)
}

/// atanh(q + q_low) = q + q³·(1/3 + q²·series): the cubic term too is kept in two floats, for its error would
/// be multiplied by an exponent of up to 150.
fn atanh_pair(e: &mut Emit<'_>, q: ValueId, q_low: ValueId) -> Pair {
    let square = exact_product(e, q, q);
    let series = e.polynomial(square.high, &ATANH);
    let third = e.float(THIRD[0]);
    let factor = e.fma(square.high, series, third);
    let rounded_away = e.sub(third, factor);
    let factor_low = e.fma(square.high, series, rounded_away);
    let third_low = e.float(THIRD[1]);
    let factor_low = e.add(factor_low, third_low);
    let product = exact_product(e, square.high, factor);
    let low = e.fma(square.low, factor, product.low);
    let low = e.fma(square.high, factor_low, low);
    let cubic = exact_product(e, q, product.high);
    let low = e.fma(q, low, cubic.low);
    // The derivative of atanh is 1 + q² + ...
    let low = e.fma(q_low, square.high, low);
    let low = e.add(low, q_low);
    let sum = fast_two_sum(e, q, cubic.high);
    let low = e.add(sum.low, low);
    fast_two_sum(e, sum.high, low)
}

/// log2·b, with b bounded so that nothing overflows; beyond the bound results are 0, 1 or inf anyway.
fn times(e: &mut Emit<'_>, log2: &Pair, b: ValueId) -> Pair {
    let b = e.at_most(4_294_967_296.0, b);
    let b = e.at_least(-4_294_967_296.0, b);
    let product = exact_product(e, log2.high, b);
    let low = e.fma(log2.low, b, product.low);
    // Out of the range of f32 the low part only disturbs.
    let limit = e.float(160.0);
    let zero = e.float(0.0);
    let size = e.abs(product.high);
    let in_range = e.lt(size, limit);
    let low = e.select(in_range, low, zero);
    let high = e.at_most(160.0, product.high);
    let high = e.at_least(-160.0, high);
    Pair { high, low }
}

/// 2^(high + low) for |high| ≤ 160.
fn exp2_pair(e: &mut Emit<'_>, x: &Pair) -> ValueId {
    let bias = e.float(ROUND + 127.0);
    let half = e.float(0.5);
    let shifted = e.fma(x.high, half, bias);
    let m = e.sub(shifted, bias);
    let minus_two = e.float(-2.0);
    let r = e.fma(m, minus_two, x.high);
    let r = e.add(r, x.low);
    let ln2 = e.float(std::f32::consts::LN_2);
    let r = e.mul(r, ln2);
    let scale = power_of_two(e, shifted);
    let result = scaled_exp(e, r, scale);
    e.put(DType::F32, result)
}

fn special_values(e: &mut Emit<'_>, a: ValueId, b: ValueId, magnitude: ValueId, y: ValueId) -> ScalarOp {
    let (zero, one, infinity, nan) = (e.float(0.0), e.float(1.0), e.float(f32::INFINITY), e.float(f32::NAN));
    // |a| is 0 or inf: the result is the one or the other.
    let is_zero = e.eq(a, zero);
    let is_infinite = e.eq(magnitude, infinity);
    let down = e.lt(b, zero);
    let vanishes = e.xor(is_zero, down);
    let extreme = e.select(vanishes, zero, infinity);
    let is_extreme = e.or(is_zero, is_infinite);
    let y = e.select(is_extreme, extreme, y);
    // The sign of an odd power.
    let floor = e.put(DType::F32, ScalarOp::Unary(Unary::Floor, b));
    let is_whole = e.eq(floor, b);
    let one_half = e.float(0.5);
    let half = e.mul(b, one_half);
    let half_floor = e.put(DType::F32, ScalarOp::Unary(Unary::Floor, half));
    let is_even = e.eq(half_floor, half);
    let odd = e.not(is_even);
    let odd = e.and(odd, is_whole);
    let sign = e.sign(a);
    let no_sign = e.int(0);
    let sign = e.select(odd, sign, no_sign);
    let y = e.flip(y, sign);
    let y = e.put(DType::F32, y);
    // A negative finite number to a broken power.
    let minus_infinity = e.float(f32::NEG_INFINITY);
    let negative = e.lt(a, zero);
    let finite = e.lt(minus_infinity, a);
    let broken = e.not(is_whole);
    let undefined = e.and(negative, finite);
    let undefined = e.and(undefined, broken);
    let y = e.select(undefined, nan, y);
    // NaN in, NaN out, but for 1 and 0.
    let sum = e.add(a, b);
    let a_number = e.eq(a, a);
    let b_number = e.eq(b, b);
    let numbers = e.and(a_number, b_number);
    let y = e.select(numbers, y, sum);
    let is_one = e.eq(a, one);
    let to_zero = e.eq(b, zero);
    let constant = e.or(is_one, to_zero);
    ScalarOp::Select(constant, one, y)
}

/// a + b exactly, if |a| ≥ |b| or a = 0 (Dekker).
fn fast_two_sum(e: &mut Emit<'_>, a: ValueId, b: ValueId) -> Pair {
    let high = e.add(a, b);
    let back = e.sub(high, a);
    let low = e.sub(b, back);
    Pair { high, low }
}

/// a·b exactly.
fn exact_product(e: &mut Emit<'_>, a: ValueId, b: ValueId) -> Pair {
    let high = e.mul(a, b);
    let minus = e.put(DType::F32, ScalarOp::Unary(Unary::Neg, high));
    let low = e.fma(a, b, minus);
    Pair { high, low }
}
