//! Diagnostics as values.
//!
//! In: what a room found wrong, with spans. Out: [`Diagnostic`]s that are
//! collected, never thrown; [`render`] turns them into text once, at the edge.
//! Messages start in lower case and have no full stop.

pub mod codes;
pub mod render;

pub use codes::{Code, Severity};

use crate::source::Span;

/// A span with a short text that stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is to be seen there; may be empty for a primary label.
    pub text: String,
}

/// A replacement that would mend the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced; empty span: insertion.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

/// One thing wrong with a program (or worth a warning).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its code; `nnc explain CODE` tells more. Says the severity as well.
    pub code: Code,
    /// One line.
    pub message: String,
    /// The place to look at first.
    pub primary: Label,
    /// The other ends: where a size came from, the first definition, ...
    pub secondary: Vec<Label>,
    /// How to go on.
    pub help: Option<String>,
    /// A replacement, where one is sure enough to offer.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A diagnostic with a message and a primary place.
    pub fn new(code: Code, message: impl Into<String>, span: Span) -> Self {
        Diagnostic {
            code,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// Text beside the primary place.
    pub fn here(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// A further place.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// How to go on.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// A replacement that would mend it.
    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }

    /// Whether it stops the program from running.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }
}

/// "did you mean": the candidate nearest to `name`, if any is near enough.
///
/// The distance is that of Damerau and Levenshtein between the names in lower
/// case; a third of the name may differ, and of a name of one or two letters
/// nothing but the case (every other short name would be near). Among equally
/// near ones that begin alike win, then the first in the alphabet.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let letters = lower.chars().count();
    let limit = if letters < 3 { 0 } else { (letters / 3).max(1) };
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (candidate.to_lowercase(), candidate))
        .map(|(other, candidate)| {
            let distance = strsim::damerau_levenshtein(&lower, &other);
            let alike = lower.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
            (distance, usize::MAX - alike, candidate)
        })
        .filter(|(distance, _, _)| *distance <= limit)
        .min()
        .map(|(_, _, candidate)| candidate)
}
