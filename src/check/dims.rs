//! Dims: sizes as polynomials over named atoms, in normal form.
//!
//! In: dim expressions. Out: [`Dim`]s that are equal as values exactly when
//! they are equal as polynomials. A definition's dim names are atoms; at a use
//! each atom is bound to the caller's dim, and [`Atoms::resolve`] goes through
//! all bindings to what is known at the root. Where `//`, `%` or an inexact
//! `/` leaves equality open, the atom is opaque and the check waits for the use.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::source::Span;

/// How many terms a size may have, and how many factors one of them.
const TERM_LIMIT: usize = 256;
/// How many quotients a size may have inside of each other.
const QUOTIENT_LIMIT: u32 = 64;

/// A named or opaque size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AtomId(pub u32);

/// A polynomial over atoms with integer factors: monomial (sorted atoms, with repetition) to factor, none zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Dim {
    terms: BTreeMap<Vec<AtomId>, i64>,
}

/// What an atom stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AtomKind {
    /// A name of some definition, or `B` of a train.
    Name(String),
    /// `a // b`
    Floor(Dim, Dim),
    /// `a % b`
    Rem(Dim, Dim),
    /// `a / b` where exactness is not yet known.
    Exact(Dim, Dim),
}

#[derive(Clone, Debug)]
struct Atom {
    kind: AtomKind,
    binding: Option<Dim>,
    span: Span,
    /// Its size is in error: it is like any other, so that nothing is said twice.
    wild: bool,
    /// How many quotients it has inside of each other.
    quotients: u32,
    /// What it is taken to be the same as, in the use at hand.
    assumed: Option<Dim>,
}

/// All atoms of a compilation.
#[derive(Clone, Debug, Default)]
pub struct Atoms {
    atoms: Vec<Atom>,
    /// Opaque atoms by what they stand for.
    opaques: HashMap<AtomKind, AtomId>,
}

/// Why a dim has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DimError {
    /// Arithmetic left 64 bits.
    Overflow,
    /// Division by zero.
    Zero,
    /// More terms or deeper quotients than any size has: products of sums grow without bound.
    Tangled,
    /// `/` of two numbers leaves a remainder.
    Inexact(i64, i64),
}

impl Dim {
    /// A number.
    pub fn number(value: i64) -> Self {
        let mut terms = BTreeMap::new();
        if value != 0 {
            terms.insert(Vec::new(), value);
        }
        Dim { terms }
    }

    /// A single atom.
    pub fn atom(atom: AtomId) -> Self {
        Dim { terms: BTreeMap::from([(vec![atom], 1)]) }
    }

    /// The number, if it has no atoms.
    pub fn as_number(&self) -> Option<i64> {
        match self.terms.len() {
            0 => Some(0),
            1 => self.terms.get(&Vec::new()).copied(),
            _ => None,
        }
    }

    /// The atom, if it is just one.
    pub fn as_atom(&self) -> Option<AtomId> {
        let (monomial, factor) = self.terms.iter().next()?;
        (self.terms.len() == 1 && *factor == 1 && monomial.len() == 1).then(|| monomial[0])
    }

    /// Whether it is the number 1.
    pub fn is_one(&self) -> bool {
        self.as_number() == Some(1)
    }

    /// All atoms in it.
    pub fn atoms(&self) -> impl Iterator<Item = AtomId> + '_ {
        self.terms.keys().flatten().copied()
    }

    /// Sum.
    pub fn add(&self, other: &Dim) -> Result<Dim, DimError> {
        let mut terms = self.terms.clone();
        for (monomial, factor) in &other.terms {
            let sum = terms.entry(monomial.clone()).or_insert(0);
            *sum = sum.checked_add(*factor).ok_or(DimError::Overflow)?;
        }
        terms.retain(|_, factor| *factor != 0);
        Ok(Dim { terms })
    }

    /// Difference.
    pub fn sub(&self, other: &Dim) -> Result<Dim, DimError> {
        self.add(&other.mul(&Dim::number(-1))?)
    }

    /// Product.
    pub fn mul(&self, other: &Dim) -> Result<Dim, DimError> {
        let mut terms: BTreeMap<Vec<AtomId>, i64> = BTreeMap::new();
        for (left, a) in &self.terms {
            for (right, b) in &other.terms {
                let mut monomial = left.clone();
                monomial.extend(right);
                monomial.sort();
                if monomial.len() > TERM_LIMIT || terms.len() > TERM_LIMIT {
                    return Err(DimError::Tangled);
                }
                let product = a.checked_mul(*b).ok_or(DimError::Overflow)?;
                let sum = terms.entry(monomial).or_insert(0);
                *sum = sum.checked_add(product).ok_or(DimError::Overflow)?;
            }
        }
        terms.retain(|_, factor| *factor != 0);
        Ok(Dim { terms })
    }

    /// `self / divisor` if the divisor is one monomial that divides every term.
    fn divide_by_monomial(&self, divisor: &Dim) -> Option<Dim> {
        let (monomial, factor) = divisor.terms.iter().next()?;
        if divisor.terms.len() != 1 {
            return None;
        }
        let mut terms = BTreeMap::new();
        for (term, value) in &self.terms {
            let mut rest = term.clone();
            for atom in monomial {
                let at = rest.iter().position(|other| other == atom)?;
                rest.remove(at);
            }
            if value.checked_rem(*factor)? != 0 {
                return None;
            }
            terms.insert(rest, value.checked_div(*factor)?);
        }
        Some(Dim { terms })
    }
}

impl Atoms {
    /// A new atom for a name, bound or open.
    pub fn name(&mut self, name: &str, binding: Option<Dim>, span: Span) -> AtomId {
        self.push(AtomKind::Name(name.to_string()), binding, span)
    }

    /// Makes two dims the same from here on, as the condition of an `if` of this use has found their sizes to be. Atoms
    /// are those of one use of a definition, so that other uses know nothing of it.
    pub fn assume(&mut self, a: &Dim, b: &Dim) {
        let (a, b) = (self.assumed(a), self.assumed(b));
        let (of, to) = match (a.as_atom(), b.as_atom()) {
            (Some(atom), _) if !self.mentions(&b, atom) => (atom, b),
            (_, Some(atom)) if !self.mentions(&a, atom) => (atom, a),
            _ => return,
        };
        self.atoms[of.0 as usize].assumed = Some(to);
    }

    /// Whether an atom stands in a dim, be it inside of an opaque one.
    fn mentions(&self, dim: &Dim, atom: AtomId) -> bool {
        dim.atoms().any(|other| {
            other == atom
                || match &self.atoms[other.0 as usize].kind {
                    AtomKind::Name(_) => false,
                    AtomKind::Floor(a, b) | AtomKind::Rem(a, b) | AtomKind::Exact(a, b) => {
                        self.mentions(a, atom) || self.mentions(b, atom)
                    }
                }
        })
    }

    /// A dim with what is assumed of its atoms.
    fn assumed(&self, dim: &Dim) -> Dim {
        if dim.atoms().all(|atom| self.atoms[atom.0 as usize].assumed.is_none()) {
            return dim.clone();
        }
        let mut sum = Dim::default();
        for (monomial, factor) in &dim.terms {
            let mut product = Dim::number(*factor);
            for &atom in monomial {
                let value = match &self.atoms[atom.0 as usize].assumed {
                    Some(other) => self.assumed(other),
                    None => Dim::atom(atom),
                };
                match product.mul(&value) {
                    Ok(next) => product = next,
                    Err(_) => return dim.clone(),
                }
            }
            match sum.add(&product) {
                Ok(next) => sum = next,
                Err(_) => return dim.clone(),
            }
        }
        sum
    }

    /// Binds an open atom.
    pub fn bind(&mut self, atom: AtomId, to: Dim) {
        self.atoms[atom.0 as usize].binding = Some(to);
    }

    /// What it is bound to.
    pub fn binding(&self, atom: AtomId) -> Option<&Dim> {
        self.atoms[atom.0 as usize].binding.as_ref()
    }

    /// Where it was first mentioned.
    pub fn span(&self, atom: AtomId) -> Span {
        self.atoms[atom.0 as usize].span
    }

    fn push(&mut self, kind: AtomKind, binding: Option<Dim>, span: Span) -> AtomId {
        let quotients = self.quotients(&kind);
        self.atoms.push(Atom { kind, binding, span, wild: false, quotients, assumed: None });
        AtomId(self.atoms.len() as u32 - 1)
    }

    /// A name whose size is in error.
    pub fn wild(&mut self, name: &str, span: Span) -> AtomId {
        let atom = self.name(name, None, span);
        self.atoms[atom.0 as usize].wild = true;
        atom
    }

    /// Whether a size is in error, by itself or by what it is bound to.
    fn is_wild(&self, atom: AtomId) -> bool {
        let entry = &self.atoms[atom.0 as usize];
        entry.wild || entry.binding.as_ref().is_some_and(|dim| dim.atoms().any(|atom| self.is_wild(atom)))
    }

    /// Whether a dim is made of a size in error.
    pub fn in_error(&self, dim: &Dim) -> bool {
        dim.atoms().any(|atom| self.is_wild(atom))
    }

    /// Exact quotient `a / b`: a remainder between numbers is an error.
    pub fn exact(&mut self, a: &Dim, b: &Dim, span: Span) -> Result<Dim, DimError> {
        if b.as_number() == Some(0) {
            return Err(DimError::Zero);
        }
        if let Some(quotient) = a.divide_by_monomial(b) {
            return Ok(quotient);
        }
        if a == b {
            return Ok(Dim::number(1));
        }
        let (left, right) = (self.resolve(a), self.resolve(b));
        if let Some(quotient) = left.divide_by_monomial(&right)
            && quotient.as_number().is_none()
        {
            return Ok(quotient);
        }
        match (left.as_number(), right.as_number()) {
            (_, Some(0)) => Err(DimError::Zero),
            (Some(x), Some(y)) => match x.checked_rem(y) {
                Some(0) => Ok(self.named(AtomKind::Exact(a.clone(), b.clone()), x / y, span)),
                Some(_) => Err(DimError::Inexact(x, y)),
                None => Err(DimError::Overflow),
            },
            _ => self.opaque(AtomKind::Exact(a.clone(), b.clone()), span),
        }
    }

    /// `a // b`, floor.
    pub fn floor(&mut self, a: &Dim, b: &Dim, span: Span) -> Result<Dim, DimError> {
        self.quotient(a, b, span, i64::checked_div_euclid, AtomKind::Floor)
    }

    /// `a % b`, never negative for positive b.
    pub fn rem(&mut self, a: &Dim, b: &Dim, span: Span) -> Result<Dim, DimError> {
        self.quotient(a, b, span, i64::checked_rem_euclid, AtomKind::Rem)
    }

    fn quotient(
        &mut self,
        a: &Dim,
        b: &Dim,
        span: Span,
        apply: fn(i64, i64) -> Option<i64>,
        kind: fn(Dim, Dim) -> AtomKind,
    ) -> Result<Dim, DimError> {
        match (self.resolve(a).as_number(), self.resolve(b).as_number()) {
            (_, Some(0)) => Err(DimError::Zero),
            (Some(x), Some(y)) => {
                let value = apply(x, y).ok_or(DimError::Overflow)?;
                Ok(self.named(kind(a.clone(), b.clone()), value, span))
            }
            _ => self.opaque(kind(a.clone(), b.clone()), span),
        }
    }

    /// A quotient whose value is known. Of names it stays a quotient, so that in a use of the definition `H // 2 * 2`
    /// may meet H; what only numbers are divided by is a number.
    fn named(&mut self, kind: AtomKind, value: i64, span: Span) -> Dim {
        let (AtomKind::Floor(a, b) | AtomKind::Rem(a, b) | AtomKind::Exact(a, b)) = &kind else {
            return Dim::number(value);
        };
        if a.as_number().is_some() && b.as_number().is_some() {
            return Dim::number(value);
        }
        self.opaque(kind, span).unwrap_or(Dim::number(value))
    }

    /// The same opaque expression is the same atom.
    fn opaque(&mut self, kind: AtomKind, span: Span) -> Result<Dim, DimError> {
        if let Some(known) = self.opaques.get(&kind) {
            return Ok(Dim::atom(*known));
        }
        if self.quotients(&kind) > QUOTIENT_LIMIT {
            return Err(DimError::Tangled);
        }
        let atom = self.push(kind.clone(), None, span);
        self.opaques.insert(kind, atom);
        Ok(Dim::atom(atom))
    }

    /// How many quotients it has inside of each other, itself included.
    fn quotients(&self, kind: &AtomKind) -> u32 {
        let (AtomKind::Floor(a, b) | AtomKind::Rem(a, b) | AtomKind::Exact(a, b)) = kind else { return 0 };
        let inner = a.atoms().chain(b.atoms()).map(|atom| self.atoms[atom.0 as usize].quotients);
        inner.max().unwrap_or(0) + 1
    }

    /// Goes through all bindings; opaque atoms are computed where all is known. Stays as it is on overflow.
    pub fn resolve(&self, dim: &Dim) -> Dim {
        self.resolve_with(dim, &|_| None)
    }

    /// [`Atoms::resolve`] with values for open atoms.
    pub fn resolve_with(&self, dim: &Dim, open: &dyn Fn(AtomId) -> Option<i64>) -> Dim {
        if dim.as_number().is_some() {
            return dim.clone();
        }
        let mut sum = Dim::default();
        for (monomial, factor) in &dim.terms {
            let mut product = Dim::number(*factor);
            for &atom in monomial {
                let value = self.resolve_atom(atom, open);
                match product.mul(&value) {
                    Ok(next) => product = next,
                    Err(_) => return dim.clone(),
                }
            }
            match sum.add(&product) {
                Ok(next) => sum = next,
                Err(_) => return dim.clone(),
            }
        }
        sum
    }

    fn resolve_atom(&self, atom: AtomId, open: &dyn Fn(AtomId) -> Option<i64>) -> Dim {
        let entry = &self.atoms[atom.0 as usize];
        if let Some(binding) = &entry.binding {
            return self.resolve_with(binding, open);
        }
        if let Some(value) = open(atom) {
            return Dim::number(value);
        }
        let apply = |a: &Dim, b: &Dim, f: fn(i64, i64) -> Option<i64>| {
            let (a, b) = (self.resolve_with(a, open).as_number()?, self.resolve_with(b, open).as_number()?);
            f(a, b).map(Dim::number)
        };
        let value = match &entry.kind {
            AtomKind::Name(_) => None,
            AtomKind::Floor(a, b) => apply(a, b, i64::checked_div_euclid),
            AtomKind::Rem(a, b) => apply(a, b, i64::checked_rem_euclid),
            AtomKind::Exact(a, b) => apply(a, b, |x, y| x.checked_rem(y).filter(|rest| *rest == 0).map(|_| x / y)),
        };
        value.unwrap_or_else(|| Dim::atom(atom))
    }

    /// Replaces atoms for which `outer` gives a dim: how a result leaves a definition.
    pub fn leave(&mut self, dim: &Dim, outer: &dyn Fn(AtomId) -> Option<Dim>) -> Dim {
        let mut sum = Dim::default();
        for (monomial, factor) in &dim.terms {
            let mut product = Dim::number(*factor);
            for &atom in monomial {
                let value = self.leave_atom(atom, outer);
                product = product.mul(&value).unwrap_or(product);
            }
            sum = sum.add(&product).unwrap_or(sum);
        }
        sum
    }

    fn leave_atom(&mut self, atom: AtomId, outer: &dyn Fn(AtomId) -> Option<Dim>) -> Dim {
        if let Some(dim) = outer(atom) {
            return dim;
        }
        let (kind, span) = (self.atoms[atom.0 as usize].kind.clone(), self.span(atom));
        let both = |atoms: &mut Atoms, a: &Dim, b: &Dim| (atoms.leave(a, outer), atoms.leave(b, outer));
        match kind {
            AtomKind::Name(_) => Dim::atom(atom),
            AtomKind::Floor(a, b) => {
                let (a, b) = both(self, &a, &b);
                self.floor(&a, &b, span).unwrap_or(Dim::atom(atom))
            }
            AtomKind::Rem(a, b) => {
                let (a, b) = both(self, &a, &b);
                self.rem(&a, &b, span).unwrap_or(Dim::atom(atom))
            }
            AtomKind::Exact(a, b) => {
                let (a, b) = both(self, &a, &b);
                self.exact(&a, &b, span).unwrap_or(Dim::atom(atom))
            }
        }
    }

    /// Whether two dims of one definition are the same: `None` where only a use can tell.
    pub fn same(&self, a: &Dim, b: &Dim) -> Option<bool> {
        if a == b {
            return Some(true);
        }
        if self.in_error(a) || self.in_error(b) {
            return None;
        }
        let opaque = |dim: &Dim| dim.atoms().any(|atom| !matches!(self.atoms[atom.0 as usize].kind, AtomKind::Name(_)));
        if !opaque(a) && !opaque(b) {
            return Some(self.assumed(a) == self.assumed(b));
        }
        let (left, right) = (self.resolve(a), self.resolve(b));
        if left == right {
            Some(true)
        } else if left.as_number().is_some() && right.as_number().is_some() {
            Some(false)
        } else {
            None
        }
    }

    /// As text: `4*H`, `B`, `784`.
    pub fn show(&self, dim: &Dim) -> String {
        if let Some(number) = dim.as_number() {
            return number.to_string();
        }
        let mut out = String::new();
        // Terms with atoms first: `T - 1`, not `-1 + T`.
        let ordered =
            dim.terms.iter().filter(|(m, _)| !m.is_empty()).chain(dim.terms.iter().filter(|(m, _)| m.is_empty()));
        for (at, (monomial, factor)) in ordered.enumerate() {
            if at > 0 {
                out.push_str(if *factor < 0 { " - " } else { " + " });
            } else if *factor < 0 {
                out.push('-');
            }
            let size = factor.unsigned_abs();
            if size != 1 || monomial.is_empty() {
                let _ = write!(out, "{size}");
            }
            for (place, &atom) in monomial.iter().enumerate() {
                if place > 0 || size != 1 {
                    out.push('*');
                }
                out.push_str(&self.show_atom(atom));
            }
        }
        out
    }

    fn show_atom(&self, atom: AtomId) -> String {
        match &self.atoms[atom.0 as usize].kind {
            AtomKind::Name(name) => name.clone(),
            AtomKind::Floor(a, b) => format!("({} // {})", self.show_operand(a), self.show_operand(b)),
            AtomKind::Rem(a, b) => format!("({} % {})", self.show_operand(a), self.show_operand(b)),
            AtomKind::Exact(a, b) => format!("({} / {})", self.show_operand(a), self.show_operand(b)),
        }
    }

    /// A sum or a product in brackets.
    fn show_operand(&self, dim: &Dim) -> String {
        let shown = self.show(dim);
        if dim.as_number().is_some() || dim.as_atom().is_some() { shown } else { format!("({shown})") }
    }

    /// As text with the number it stands for, where the name alone would not say: `U = 10`.
    pub fn show_full(&self, dim: &Dim) -> String {
        let resolved = self.resolve(dim);
        if dim.as_number().is_none() && resolved.as_number().is_some() {
            format!("{} = {}", self.show(dim), self.show(&resolved))
        } else {
            self.show(dim)
        }
    }

    /// A shape as text, `[B, 28, 28]`.
    pub fn show_shape(&self, shape: &[Dim]) -> String {
        let sizes: Vec<String> = shape.iter().map(|dim| self.show(dim)).collect();
        format!("[{}]", sizes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_have_one_normal_form() {
        let mut atoms = Atoms::default();
        let h = Dim::atom(atoms.name("H", None, Span::default()));
        let twice = h.add(&h).unwrap();
        assert_eq!(twice, h.mul(&Dim::number(2)).unwrap());
        assert_eq!(twice.sub(&h).unwrap(), h);
        assert_eq!(atoms.show(&twice.sub(&Dim::number(1)).unwrap()), "2*H - 1");
        assert_eq!(atoms.exact(&twice, &h, Span::default()), Ok(Dim::number(2)));
    }

    #[test]
    fn opaque_sizes_wait_for_the_use() {
        let mut atoms = Atoms::default();
        let name = atoms.name("H", None, Span::default());
        let h = Dim::atom(name);
        let half = atoms.floor(&h, &Dim::number(2), Span::default()).unwrap();
        assert_eq!(atoms.same(&half, &Dim::number(14)), None);
        atoms.bind(name, Dim::number(29));
        assert_eq!(atoms.same(&half, &Dim::number(14)), Some(true));
        assert_eq!(atoms.exact(&h, &Dim::number(4), Span::default()), Err(DimError::Inexact(29, 4)));
    }
}
