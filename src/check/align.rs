//! Axes align by name, not by position.
//!
//! In: two shapes. Out: the shape of the result and where each operand's axes
//! go in it, or a diagnostic that shows both ends. Rules: language reference,
//! "Types, shapes, axes".

use super::Checker;
use super::dims::Dim;
use super::value::Tensor;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// How two operands meet.
pub(super) struct Aligned {
    /// Shape of the result.
    pub shape: Vec<Dim>,
    /// Result axis of each axis of the first operand.
    pub left: Vec<usize>,
    /// Result axis of each axis of the second operand.
    pub right: Vec<usize>,
}

impl Checker<'_> {
    /// Brings two operands to one shape.
    pub(super) fn align(&mut self, a: Tensor, b: Tensor, spans: [Span; 3]) -> Option<(Tensor, Tensor)> {
        let aligned = self.align_shapes(&a.shape, &b.shape, spans)?;
        let left = self.broadcast(a, &aligned.shape, aligned.left, spans[0]);
        let right = self.broadcast(b, &aligned.shape, aligned.right, spans[0]);
        Some((left, right))
    }

    /// `spans`: the whole, the first, the second operand.
    pub(super) fn align_shapes(&mut self, a: &[Dim], b: &[Dim], spans: [Span; 3]) -> Option<Aligned> {
        if a.len() == b.len() {
            return self.align_equal(a, b, spans);
        }
        if a.len() < b.len() {
            let axes = self.embed(a, b, [spans[0], spans[1], spans[2]])?;
            let right = (0..b.len()).collect();
            return Some(Aligned { shape: b.to_vec(), left: axes, right });
        }
        let axes = self.embed(b, a, [spans[0], spans[2], spans[1]])?;
        Some(Aligned { shape: a.to_vec(), left: (0..a.len()).collect(), right: axes })
    }

    fn align_equal(&mut self, a: &[Dim], b: &[Dim], spans: [Span; 3]) -> Option<Aligned> {
        let mut shape = Vec::new();
        for (x, y) in a.iter().zip(b) {
            if self.program.atoms.same(x, y) != Some(false) || y.is_one() {
                shape.push(x.clone());
            } else if x.is_one() {
                shape.push(y.clone());
            } else {
                self.shapes_differ(a, b, (x, y), spans);
                return None;
            }
        }
        let axes: Vec<usize> = (0..a.len()).collect();
        Some(Aligned { shape, left: axes.clone(), right: axes })
    }

    fn shapes_differ(&mut self, a: &[Dim], b: &[Dim], sizes: (&Dim, &Dim), spans: [Span; 3]) {
        let atoms = &self.program.atoms;
        let message = format!("shapes differ: {} against {}", atoms.show_shape(a), atoms.show_shape(b));
        let help = format!("{} is not {}", atoms.show_full(sizes.0), atoms.show_full(sizes.1));
        let diagnostic = Diagnostic::new(Code::E0301, message, self.operator.unwrap_or(spans[0]))
            .also(spans[1], format!("this has shape {}", atoms.show_shape(a)))
            .also(spans[2], format!("this has shape {}", atoms.show_shape(b)))
            .help(help);
        let diagnostic = self.origins(diagnostic, &[sizes.0, sizes.1]);
        self.report(diagnostic);
    }

    /// Says where named sizes come from.
    pub(super) fn origins(&self, mut diagnostic: Diagnostic, dims: &[&Dim]) -> Diagnostic {
        for dim in dims {
            let Some(atom) = dim.as_atom() else { continue };
            let span = self.program.atoms.span(atom);
            let said = diagnostic.secondary.iter().any(|label| label.span == span);
            if span != Span::default() && !said {
                let number = self
                    .program
                    .atoms
                    .resolve(dim)
                    .as_number()
                    .map(|number| format!(" = {number}"))
                    .unwrap_or_default();
                diagnostic =
                    diagnostic.also(span, format!("`{}`{number} comes from here", self.program.atoms.show(dim)));
            }
        }
        diagnostic
    }

    /// Where the axes of the lower rank stand in the higher: in order, in exactly one way.
    fn embed(&mut self, low: &[Dim], high: &[Dim], spans: [Span; 3]) -> Option<Vec<usize>> {
        // Axes that are the same by name go before those that only may be.
        let mut ways = Vec::new();
        self.embeddings(low, high, 0, &|same| same == Some(true), &mut Vec::new(), &mut ways);
        if ways.is_empty() {
            self.embeddings(low, high, 0, &|same| same != Some(false), &mut Vec::new(), &mut ways);
        }
        let atoms = &self.program.atoms;
        let (small, large) = (atoms.show_shape(low), atoms.show_shape(high));
        match ways.len() {
            1 => {
                let axes = ways.swap_remove(0);
                let only_ones = high.iter().enumerate().all(|(axis, dim)| axes.contains(&axis) || dim.is_one());
                // In front an axis of 1 changes nothing (one row is a batch of one); behind, `[N, 1]` against `[N]`,
                // it would make a square of a column.
                let in_front = axes.iter().rev().zip((0..high.len()).rev()).all(|(axis, last)| *axis == last);
                if only_ones && !in_front && !low.is_empty() {
                    let message = format!("shapes {large} and {small} differ by axes of size 1");
                    self.report(
                        Diagnostic::new(Code::E0303, message, self.operator.unwrap_or(spans[0]))
                            .also(spans[2], format!("this has shape {large}"))
                            .also(spans[1], format!("this has shape {small}"))
                            .help("`squeeze` the axis of size 1, or reshape the other: silent broadcasting hides mistakes"),
                    );
                    return None;
                }
                Some(axes)
            }
            0 => {
                let message = format!("shapes differ: {small} has no place in {large}");
                let missing = low.iter().find(|dim| !high.iter().any(|other| atoms.same(dim, other) != Some(false)));
                let mut diagnostic = Diagnostic::new(Code::E0301, message, self.operator.unwrap_or(spans[0]))
                    .also(spans[1], format!("this has shape {small}"))
                    .also(spans[2], format!("this has shape {large}"))
                    .help("axes are matched by name, in order");
                if let Some(dim) = missing {
                    diagnostic = diagnostic
                        .help(format!("no axis of {large} is {}; axes are matched by name", atoms.show_full(dim)));
                    diagnostic = self.origins(diagnostic, &[dim]);
                }
                self.report(diagnostic);
                None
            }
            // Which of them a size in error is, is not the matter here.
            _ if low.iter().any(|dim| atoms.in_error(dim)) => None,
            _ => {
                let message = format!("{small} fits {large} in more than one way");
                self.report(
                    Diagnostic::new(Code::E0303, message, self.operator.unwrap_or(spans[0]))
                        .also(spans[1], format!("this has shape {small}"))
                        .also(spans[2], format!("this has shape {large}"))
                        .help("say which axis is meant: `reshape` it to the same rank, with 1 for the other axes"),
                );
                None
            }
        }
    }

    fn embeddings(
        &self,
        low: &[Dim],
        high: &[Dim],
        from: usize,
        fits: &dyn Fn(Option<bool>) -> bool,
        path: &mut Vec<usize>,
        ways: &mut Vec<Vec<usize>>,
    ) {
        if path.len() == low.len() {
            ways.push(path.clone());
            return;
        }
        if ways.len() > 1 {
            return;
        }
        for axis in from..high.len() {
            if fits(self.program.atoms.same(&low[path.len()], &high[axis])) {
                path.push(axis);
                self.embeddings(low, high, axis + 1, fits, path, ways);
                path.pop();
            }
        }
    }
}
