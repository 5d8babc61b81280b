//! Intervals of affine functions.
//!
//! In: an affine function and the ranges of its variables. Out: an interval
//! that holds all its values. Invariant: conservative, in i128, so nothing wraps.

use crate::loops::ir::{Access, Affine, Guard, VarId};

/// Least and greatest value, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) low: i128,
    pub(super) high: i128,
}

impl Interval {
    pub(super) fn plus(self, other: Interval) -> Interval {
        Interval { low: self.low + other.low, high: self.high + other.high }
    }

    /// `factor · 0..=last`
    pub(super) fn multiple(factor: i64, last: i128) -> Interval {
        let end = i128::from(factor) * last;
        Interval { low: end.min(0), high: end.max(0) }
    }

    pub(super) fn width(self) -> i128 {
        self.high - self.low
    }
}

/// The interval of `affine`; `last` gives the greatest value of each variable, whose least is 0.
pub(super) fn interval(affine: &Affine, last: &impl Fn(VarId) -> i128) -> Interval {
    let start = Interval { low: affine.offset.into(), high: affine.offset.into() };
    affine.terms.iter().fold(start, |sum, &(var, factor)| sum.plus(Interval::multiple(factor, last(var))))
}

/// All elements the access can touch.
pub(super) fn touched(access: &Access, last: &impl Fn(VarId) -> i128) -> Interval {
    let direct = guarded(&access.index, &access.guards, last);
    match &access.indirect {
        Some(indirect) => direct.plus(Interval::multiple(indirect.stride, i128::from(indirect.bound) - 1)),
        None => direct,
    }
}

/// The interval of `index` where the guards hold: wherever a multiple of a guarded function can be split off
/// `index`, its known bounds are used if they are narrower.
fn guarded(index: &Affine, guards: &[Guard], last: &impl Fn(VarId) -> i128) -> Interval {
    let mut best = interval(index, last);
    for (at, guard) in guards.iter().enumerate() {
        let mut others = guards.to_vec();
        others.remove(at);
        for &(var, factor) in &guard.at.terms {
            let scale = index.factor(var) / factor;
            if scale == 0 || scale * factor != index.factor(var) {
                continue;
            }
            let rest = index.plus(&guard.at.times(-scale));
            let bounds = Interval::multiple(scale, i128::from(guard.bound) - 1).plus(guarded(&rest, &others, last));
            best = Interval { low: best.low.max(bounds.low), high: best.high.min(bounds.high) };
        }
    }
    best
}
