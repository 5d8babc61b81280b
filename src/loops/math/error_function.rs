//! erf and its inverse.
//!
//! In: an f32 value. Out: the last operation; all before it are emitted.
//! Stated errors: 4 ulp over all f32.

use super::{Emit, exponential, logarithm};
use crate::ir::DType;
use crate::loops::ir::{ScalarOp, ValueId};

/// erf(x)/x - 1 in x² for |x| ≤ 0.928: relative error of erf 2⁻²⁴·⁹.
const ERF_SMALL: [f32; 6] = [0.128_379_15, -0.376_124_83, 0.112_817_12, -0.026_762_8, 0.004_987_534, -0.000_596_187_95];
/// t + log(erfc(t)) for 0.927 ≤ t ≤ 4: error of erfc 2⁻²⁹.
const ERF_LARGE: [f32; 8] = [
    0.000_177_690_63,
    -0.129_529_52,
    -0.633_317_2,
    -0.108_313_106,
    0.025_140_965,
    -0.004_179_312,
    0.000_436_179_14,
    -2.124_470_3e-5,
];
/// erfinv(x)/x in t = log(1 - x²) for t ≥ -6.125: relative error 2⁻²³·⁵.
const ERFINV_CENTRE: [f32; 10] = [
    0.886_226_9,
    -0.232_015_52,
    0.011_539_267,
    0.002_314_699_4,
    -0.000_147_693_34,
    -5.615_133e-5,
    1.134_654e-7,
    1.227_850_4e-6,
    1.433_041_8e-7,
    5.440_382e-9,
];
/// The same for -16.2 ≤ t < -6.125: relative error 2⁻²²·⁹.
const ERFINV_TAIL: [f32; 9] = [
    0.839_633_7,
    -0.264_875_8,
    0.004_779_559,
    0.003_022_109_6,
    0.000_393_601_7,
    2.846_199e-5,
    1.226_056_3e-6,
    2.949_967_7e-8,
    3.063_022_6e-10,
];

/// erf x: near 0 a polynomial, further out 1 - exp of one; ±1 from 3.92 on.
pub(super) fn erf(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let square = e.mul(x, x);
    let series = e.polynomial(square, &ERF_SMALL);
    let small = e.fma(series, x, x);

    let magnitude = e.abs(x);
    let t = e.at_most(4.0, magnitude);
    let exponent = e.polynomial(t, &ERF_LARGE);
    let exponent = e.sub(exponent, t);
    let complement = exponential::bounded(e, exponent);
    let complement = e.put(DType::F32, complement);
    let one = e.float(1.0);
    let large = e.sub(one, complement);
    let sign = e.sign(x);
    let large = e.flip(large, sign);
    let large = e.put(DType::F32, large);

    let border = e.float(0.927_734_4);
    let is_large = e.lt(border, magnitude);
    ScalarOp::Select(is_large, large, small)
}

/// erfinv x: x times a polynomial in log(1 - x²); ±inf at ±1, NaN beyond.
pub(super) fn erfinv(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let one = e.float(1.0);
    let negative = e.put(DType::F32, ScalarOp::Unary(crate::ir::Unary::Neg, x));
    let rest = e.fma(negative, x, one);
    let parts = logarithm::split_normal(e, rest);
    let t = logarithm::of_split(e, &parts);
    let centre = e.polynomial(t, &ERFINV_CENTRE);
    let tail = e.polynomial(t, &ERFINV_TAIL);
    let border = e.float(-6.125);
    let is_tail = e.lt(t, border);
    let factor = e.select(is_tail, tail, centre);

    let magnitude = e.abs(x);
    let inside = e.lt(magnitude, one);
    let at_end = e.eq(magnitude, one);
    let (infinity, nan) = (e.float(f32::INFINITY), e.float(f32::NAN));
    let outside = e.select(at_end, infinity, nan);
    let factor = e.select(inside, factor, outside);
    ScalarOp::Binary(crate::ir::Binary::Mul, x, factor)
}
