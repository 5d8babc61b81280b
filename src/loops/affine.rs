//! Affine functions of loop variables: where elements are.
//!
//! In: factors and variables. Out: sums and multiples of such functions.
//! Invariant: terms stand in order of their variables, none is zero.

use super::ir::VarId;

/// An affine function of loop variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Affine {
    /// The constant part.
    pub offset: i64,
    /// Factors, by ascending variable, none zero.
    pub terms: Vec<(VarId, i64)>,
}

impl Affine {
    /// A constant.
    pub fn constant(offset: i64) -> Self {
        Affine { offset, terms: Vec::new() }
    }

    /// `factor · var`
    pub fn var(var: VarId, factor: i64) -> Self {
        Affine { offset: 0, terms: if factor == 0 { Vec::new() } else { vec![(var, factor)] } }
    }

    /// The factor of `var`, 0 if absent.
    pub fn factor(&self, var: VarId) -> i64 {
        self.terms.iter().find(|(other, _)| *other == var).map_or(0, |(_, factor)| *factor)
    }

    /// The sum of two.
    pub fn plus(&self, other: &Affine) -> Self {
        let mut terms = self.terms.clone();
        for &(var, factor) in &other.terms {
            match terms.iter_mut().find(|(seen, _)| *seen == var) {
                Some((_, sum)) => *sum += factor,
                None => terms.push((var, factor)),
            }
        }
        terms.retain(|(_, factor)| *factor != 0);
        terms.sort_by_key(|(var, _)| *var);
        Affine { offset: self.offset + other.offset, terms }
    }

    /// All factors and the constant multiplied.
    pub fn times(&self, by: i64) -> Self {
        if by == 0 {
            return Affine::constant(0);
        }
        Affine { offset: self.offset * by, terms: self.terms.iter().map(|&(var, factor)| (var, factor * by)).collect() }
    }
}
