//! Proof that iterations of one variable touch different elements.
//!
//! In: everything that is touched in one parameter, as functions of the
//! variable. Out: whether two iterations can meet. Rule: an element number is
//! split into low + f·v + high, where the high terms are multiples of some M
//! with f·(number of iterations) ≤ M. Then it suffices that all low parts
//! together are narrower than f: number mod M gives v back.

use super::access::Interval;
use crate::loops::ir::VarId;

/// One access to a parameter inside the loop: `factor·v + Σ terms + offset`.
#[derive(Clone, Debug)]
pub(super) struct Touch {
    pub(super) factor: i64,
    pub(super) offset: i128,
    /// Factor and greatest value of each other variable; equal for all iterations of v or not, both is covered.
    pub(super) terms: Vec<(i64, i128)>,
    /// Variables of enclosing loops have one value for all iterations of v: only functions equal in them compare.
    pub(super) fixed: Vec<(VarId, i64)>,
}

/// Whether no two of `count` iterations touch the same element.
pub(super) fn disjoint(touches: &[Touch], count: i128) -> bool {
    let Some(first) = touches.first() else { return true };
    let f = i128::from(first.factor).abs();
    if count <= 1 {
        return true;
    }
    if f == 0 || touches.iter().any(|touch| touch.factor != first.factor || touch.fixed != first.fixed) {
        return false;
    }
    let mut low: Option<Interval> = None;
    let mut modulus = 0;
    for touch in touches {
        let mut part = Interval { low: touch.offset, high: touch.offset };
        for &(factor, last) in &touch.terms {
            if i128::from(factor).abs() >= f * count {
                modulus = gcd(modulus, i128::from(factor).abs());
            } else {
                part = part.plus(Interval::multiple(factor, last));
            }
        }
        low = Some(low.map_or(part, |low| Interval { low: low.low.min(part.low), high: low.high.max(part.high) }));
    }
    let width = low.map_or(0, Interval::width);
    width < f && (modulus == 0 || f * (count - 1) + width < modulus)
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}
