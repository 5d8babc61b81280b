//! What the parser could not read.
//!
//! In: a file's syntax errors. Out: the names that the lost statements may have
//! bound, and the bodies that are incomplete. Invariant: nothing is reported
//! that only follows from a statement that did not parse.

use std::collections::HashSet;

use super::Checker;
use crate::diag::Diagnostic;
use crate::source::Span;

/// Lines above an error that may belong to its statement.
const LOOK_BACK: usize = 60;
/// Words that begin a statement which binds a name.
const HEADS: &[&str] = &[
    "let",
    "param",
    "state",
    "const",
    "fn",
    "layer",
    "model",
    "optimizer",
    "data",
    "train",
    "import",
    "for",
    "record",
];

/// What is missing from the trees.
#[derive(Debug, Default)]
pub(super) struct Unparsed {
    names: HashSet<String>,
    places: Vec<Span>,
}

impl Unparsed {
    /// Whether anything did not parse.
    pub fn any(&self) -> bool {
        !self.places.is_empty()
    }

    /// Whether a lost statement may have bound this name.
    pub fn binds(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether something inside a place did not parse.
    pub fn within(&self, place: Span) -> bool {
        self.places.iter().any(|span| span.file == place.file && place.start <= span.start && span.start < place.end)
    }
}

impl Checker<'_> {
    /// Notes the syntax errors of a file.
    pub(super) fn note_unparsed(&mut self, text: &str, errors: &[Diagnostic]) {
        for error in errors.iter().filter(|error| error.is_error()) {
            let place = error.primary.span;
            let start = (place.start as usize).min(text.len());
            for line in statement(text, start) {
                self.unparsed.names.extend(bound(line).into_iter().map(str::to_string));
            }
            self.unparsed.places.push(place);
        }
    }
}

/// The lines of the statement around a place: from the last line above that begins one.
fn statement(text: &str, at: usize) -> Vec<&str> {
    let from = text.get(..at).map_or(0, |before| before.rfind('\n').map_or(0, |end| end + 1));
    let here = text.get(from..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let mut lines = vec![here];
    let begins = |line: &str| words(line).next().is_some_and(|word| HEADS.contains(&word));
    for line in text.get(..from).unwrap_or_default().lines().rev().take(LOOK_BACK) {
        if lines.last().is_some_and(|line| begins(line)) {
            break;
        }
        lines.push(line);
    }
    // Without a beginning in sight only the line itself counts.
    if !lines.last().is_some_and(|line| begins(line)) {
        lines.truncate(1);
    }
    lines
}

/// Names that a line may bind: after a head, before `=`, `~` or `:`, and all of a pattern.
fn bound(line: &str) -> Vec<&str> {
    let code = line.split('#').next().unwrap_or_default();
    let all: Vec<&str> = words(code).collect();
    let head = all.first().copied().unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    if HEADS.contains(&head) {
        names.extend(all.get(1));
    }
    if head == "let" || head == "for" {
        names.extend(words(code.split(['=']).next().unwrap_or_default()));
    }
    for (at, _) in code.match_indices(['=', '~', ':']) {
        names.extend(code.get(..at).and_then(|before| words(before.get(last_blank(before)..)?).last()));
    }
    names
}

/// Where the last word of a text begins, blanks behind it not counted.
fn last_blank(text: &str) -> usize {
    text.trim_end().rfind(|c: char| c.is_whitespace() || c == ',').map_or(0, |at| at)
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\'')).filter(|word| !word.is_empty())
}
