//! Proof that iterations of one variable touch different elements.
//!
//! In: everything that is touched in one parameter, as functions of the
//! variable. Out: whether two iterations can meet. Rule: an element number is
//! split into low + f·v + high, where the high terms are multiples of some M
//! with f·(number of iterations) ≤ M. Iterations v and w of two accesses meet
//! only if f·(v - w) and the difference of their low parts cancel, up to
//! multiples of M. So it suffices that the difference, moved by any of these,
//! either is smaller than f or lies beyond all that f·(v - w) can reach: the
//! parts of a concatenation lie beyond each other. Accesses that move otherwise
//! than each other, or not at all, must lie apart as wholes: one row is read
//! while the next is written.

use super::access::Interval;
use crate::loops::ir::VarId;

/// One access to a parameter inside the loop: `factor·v + Σ terms + offset`.
#[derive(Clone, Debug)]
pub(super) struct Touch {
    /// Two reads may meet.
    pub(super) write: bool,
    pub(super) factor: i64,
    pub(super) offset: i128,
    /// Factor and greatest value of each other variable; equal for all iterations of v or not, both is covered.
    pub(super) terms: Vec<(i64, i128)>,
    /// Variables of enclosing loops have one value for all iterations of v: only functions equal in them compare.
    pub(super) fixed: Vec<(VarId, i64)>,
}

/// Whether no two of `count` iterations touch the same element, unless both read it.
pub(super) fn disjoint(touches: &[Touch], count: i128) -> bool {
    let pairs = touches.iter().enumerate().flat_map(|(at, a)| touches[at..].iter().map(move |b| (a, b)));
    count <= 1 || pairs.filter(|(a, b)| a.write || b.write).all(|(a, b)| a.never_meets(b, count))
}

impl Touch {
    fn never_meets(&self, other: &Touch, count: i128) -> bool {
        let f = i128::from(self.factor).abs();
        let alike = f > 0 && self.factor == other.factor;
        let parts = |touch: &Touch| Parts::of(touch, f * count);
        self.fixed == other.fixed
            && (self.is_beyond(other, count) || alike && parts(self).never_meets(&parts(other), f, count))
    }

    /// Whether all that one touches lies before all that the other does.
    fn is_beyond(&self, other: &Touch, count: i128) -> bool {
        let all = |touch: &Touch| {
            let start = Interval { low: touch.offset, high: touch.offset };
            let terms = touch.terms.iter().map(|&(factor, last)| Interval::multiple(factor, last));
            terms.fold(start.plus(Interval::multiple(touch.factor, count - 1)), Interval::plus)
        };
        let (a, b) = (all(self), all(other));
        a.high < b.low || b.high < a.low
    }
}

/// The parts of an element number besides f·v.
struct Parts {
    low: Interval,
    /// The high part is a multiple of it; 0 where there is none.
    modulus: i128,
}

impl Parts {
    /// Terms of `stretch` elements and more are high.
    fn of(touch: &Touch, stretch: i128) -> Parts {
        let mut parts = Parts { low: Interval { low: touch.offset, high: touch.offset }, modulus: 0 };
        for &(factor, last) in &touch.terms {
            let size = i128::from(factor).abs();
            if size >= stretch {
                parts.modulus = gcd(parts.modulus, size);
            } else {
                parts.low = parts.low.plus(Interval::multiple(factor, last));
            }
        }
        parts
    }

    /// Whether different iterations of the two accesses touch different elements.
    fn never_meets(&self, other: &Parts, f: i128, count: i128) -> bool {
        let reach = f * (count - 1);
        let modulus = gcd(self.modulus, other.modulus);
        let difference = Interval { low: self.low.low - other.low.high, high: self.low.high - other.low.low };
        let is_within = |moved: i128| difference.low + moved > -f && difference.high + moved < f;
        if modulus == 0 {
            return is_within(0) || difference.low > reach || difference.high < -reach;
        }
        // So wide a difference meets some multiple in any case; otherwise few of them come near.
        let nearest = -((reach + difference.high).div_euclid(modulus));
        let farthest = (reach - difference.low).div_euclid(modulus);
        difference.width() < modulus && (nearest..=farthest).all(|times| is_within(times * modulus))
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(factor: i64, offset: i128, terms: &[(i64, i128)]) -> Touch {
        Touch { write: true, factor, offset, terms: terms.to_vec(), fixed: Vec::new() }
    }

    #[test]
    fn a_row_may_be_read_while_the_next_is_written() {
        let read = |offset, last| Touch { write: false, ..touch(0, offset, &[(1, last)]) };
        assert!(disjoint(&[read(0, 5), read(2, 5), touch(1, 8, &[])], 6));
        assert!(!disjoint(&[read(0, 5), read(2, 6), touch(1, 8, &[])], 6));
        assert!(!disjoint(&[touch(0, 0, &[])], 2));
        let of_another_turn = Touch { fixed: vec![(VarId(0), 6)], ..read(0, 5) };
        assert!(!disjoint(&[of_another_turn, touch(1, 8, &[])], 6));
    }

    #[test]
    fn parts_of_a_concatenation_lie_beyond_each_other() {
        // x[v] and x[7000 + v], of 7000 iterations, and of one more.
        let parts = [touch(1, 0, &[]), touch(1, 7000, &[])];
        assert!(disjoint(&parts, 7000));
        assert!(!disjoint(&parts, 7001));
        // Rows of 10 that repeat every 100: 10·v + 0..=9 + 100·w, and the same at the columns from 50 on.
        let rows = |offset| touch(10, offset, &[(1, 9), (100, 7)]);
        assert!(disjoint(&[rows(0)], 10));
        assert!(disjoint(&[rows(0), rows(50)], 5));
        assert!(!disjoint(&[rows(0), rows(50)], 6));
        assert!(!disjoint(&[rows(0), rows(5)], 5));
    }

    /// Against trying all iterations.
    #[test]
    fn what_is_said_to_be_disjoint_is() {
        let mut said = 0;
        for case in 0..20_000_i64 {
            let digit = |at: u32, n: i64| (case.wrapping_mul(0x5851_F42D_4C95_7F2D) >> (5 * at)).rem_euclid(n);
            let count = 1 + digit(0, 4);
            let of = |at: u32| {
                let terms = [(digit(at, 7) - 1, i128::from(digit(at + 1, 3))), (digit(at + 2, 17), 2)];
                touch(1 + digit(1, 3), i128::from(digit(at + 3, 12)), &terms)
            };
            let touches = [of(2), of(6)];
            let elements = |v: i64| -> Vec<i128> {
                let mut found = Vec::new();
                for touch in &touches {
                    for (x, y) in (0..=touch.terms[0].1).flat_map(|x| (0..=touch.terms[1].1).map(move |y| (x, y))) {
                        let terms = i128::from(touch.terms[0].0) * x + i128::from(touch.terms[1].0) * y;
                        found.push(i128::from(touch.factor * v) + touch.offset + terms);
                    }
                }
                found
            };
            if !disjoint(&touches, count.into()) {
                continue;
            }
            said += 1;
            for (v, w) in (0..count).flat_map(|v| (0..v).map(move |w| (v, w))) {
                let other = elements(w);
                assert!(elements(v).iter().all(|element| !other.contains(element)), "{touches:?} of {count}");
            }
        }
        assert!(said > 1000, "{said} cases say something");
    }
}
