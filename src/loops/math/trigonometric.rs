//! sin and cos.
//!
//! In: an f32 value. Out: the last operation; all before it are emitted.
//! Stated error: 4 ulp for |x| < 10⁴. Beyond about 6·10⁶ the digits of a period
//! are lost and the result is only some number of [-1, 1]; NaN at ±inf.

use super::{Emit, ROUND};
use crate::ir::DType;
use crate::loops::ir::{ScalarOp, ValueId};

/// π/2 in three parts, each cut (not rounded), so that all are positive and -0 is kept.
const HALF_PI: [f32; 3] = [f32::from_bits(0x3fc9_0fda), 7.549_789_4e-8, 5.390_302_5e-15];
/// sin(r)/r in r² for |r| ≤ π/4: relative error 2⁻²⁸·².
const SIN: [f32; 5] = [1.0, -0.166_666_67, 0.008_333_329, -0.000_198_393_27, 2.718_236_6e-6];
/// cos(r) in r² for |r| ≤ π/4: error 2⁻³¹.
const COS: [f32; 5] = [1.0, -0.5, 0.041_666_646, -0.001_388_736_2, 2.443_771_9e-5];

/// x = n·π/2 + r; n stands in the low bits of `n`.
struct Reduced {
    n: ValueId,
    r: ValueId,
}

/// sin x; sin(-0) = -0.
pub(super) fn sin(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let Reduced { n, r } = reduce(e, x);
    quadrant(e, n, r)
}

/// cos x = sin(x + π/2).
pub(super) fn cos(e: &mut Emit<'_>, x: ValueId) -> ScalarOp {
    let Reduced { n, r } = reduce(e, x);
    let one = e.int(1);
    let n = e.add(n, one);
    quadrant(e, n, r)
}

fn reduce(e: &mut Emit<'_>, x: ValueId) -> Reduced {
    let round = e.float(ROUND);
    let rate = e.float(std::f32::consts::FRAC_2_PI);
    let shifted = e.fma(x, rate, round);
    let whole = e.sub(shifted, round);
    // The first difference is exact: all its terms are multiples of 2⁻²⁴.
    let mut r = x;
    for part in HALF_PI {
        let part = e.float(-part);
        r = e.fma(whole, part, r);
    }
    // Only arguments too large to be reduced are changed by these bounds.
    let r = e.at_most(0.8, r);
    let r = e.at_least(-0.8, r);
    let n = e.integer_of(shifted);
    Reduced { n, r }
}

/// sin(n·π/2 + r)
fn quadrant(e: &mut Emit<'_>, n: ValueId, r: ValueId) -> ScalarOp {
    let square = e.mul(r, r);
    let series = e.polynomial(square, &SIN);
    let sine = e.mul(r, series);
    let cosine = e.polynomial(square, &COS);
    let (one, two, zero) = (e.int(1), e.int(2), e.int(0));
    let odd = e.and(n, one);
    let even = e.put(DType::Bool, ScalarOp::Compare(crate::ir::Comparison::Eq, odd, zero));
    let y = e.select(even, sine, cosine);
    let half = e.and(n, two);
    let sign = e.shl(half, 30);
    e.flip(y, sign)
}
