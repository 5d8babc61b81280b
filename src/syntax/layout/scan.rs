//! One walk over the bytes of a file that finds statements, blocks and texts.
//! What each byte begins is read by the files below.
//!
//! In: a text. Out: its [`Layout`]. Invariants: linear time; no recursion; every
//! offset put into the tree is a character boundary. If a bracket is still open
//! at the end of the file, the walk is made once more with indentation as a
//! second witness, so that one forgotten bracket does not swallow the rest.

mod brackets;
mod lines;
mod report;
mod texts;
mod tokens;

use std::collections::HashSet;

use super::{Layout, Statement, Text};
use crate::diag::Diagnostic;
use crate::source::{FileId, Span};

/// Lays out a file.
pub fn scan(file: FileId, text: &str) -> Layout {
    let mut scanner = Scanner::new(file, text, None);
    scanner.run();
    if let Some(open) = scanner.still_open() {
        scanner = Scanner::new(file, text, Some(open));
        scanner.run();
    }
    scanner.finish()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Block,
    /// `{ }` inside a text.
    Hole,
}

/// A run of statements that is being read.
struct Sequence {
    kind: Kind,
    start: usize,
    /// Blanks before the first token of the line on which it opened.
    indent: usize,
    statements: Vec<Statement>,
    current: Option<Statement>,
    /// Which statements begin a line with `-`, `(` or `[`.
    sign_starts: Vec<usize>,
    brackets: Vec<(u8, usize)>,
    doc: Option<Doc>,
    /// For `Kind::Hole`: the text so far in which it stands.
    text: Option<Text>,
}

struct Doc {
    end: usize,
    text: String,
}

impl Sequence {
    fn new(kind: Kind, start: usize, indent: usize) -> Self {
        Sequence {
            kind,
            start,
            indent,
            statements: Vec::new(),
            current: None,
            sign_starts: Vec::new(),
            brackets: Vec::new(),
            doc: None,
            text: None,
        }
    }

    /// The statements, with those marked that should have gone on the line above.
    fn into_statements(mut self) -> Vec<Statement> {
        let count = self.statements.len();
        for &index in &self.sign_starts {
            if index + 1 < count || self.kind == Kind::File {
                self.statements[index].continues = true;
            }
        }
        self.statements
    }
}

struct Scanner<'t> {
    file: FileId,
    text: &'t str,
    bytes: &'t [u8],
    out: Vec<u8>,
    at: usize,
    line_start: usize,
    sequences: Vec<Sequence>,
    depth: usize,
    deepest: usize,
    /// How many sequences are `Kind::Hole`.
    holes: usize,
    /// The last token of the current statement.
    last: (usize, usize),
    diagnostics: Vec<Diagnostic>,
    /// On the second walk: the brackets that the first found open at the end.
    recover: Option<HashSet<usize>>,
}

impl<'t> Scanner<'t> {
    fn new(file: FileId, text: &'t str, recover: Option<HashSet<usize>>) -> Self {
        Scanner {
            file,
            text,
            bytes: text.as_bytes(),
            out: text.as_bytes().to_vec(),
            at: 0,
            line_start: 0,
            sequences: vec![Sequence::new(Kind::File, 0, 0)],
            depth: 0,
            deepest: 0,
            holes: 0,
            last: (0, 0),
            diagnostics: Vec::new(),
            recover,
        }
    }

    fn run(&mut self) {
        if self.text.starts_with('\u{FEFF}') {
            self.blank(0, 3);
            self.at = 3;
            self.line_start = 3;
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            self.step(byte);
        }
        if self.holes > 0 {
            self.unclosed_text();
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' => self.newline(),
            b' ' | b'\t' => self.at += 1,
            b'\r' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 1,
            b'#' => self.comment(),
            b'"' => self.text_start(),
            b'`' => self.quoted_name(),
            b'(' | b'[' => self.open_bracket(byte),
            b'{' => self.open_block(),
            b')' | b']' => self.close_bracket(byte),
            b'}' => self.close_brace(),
            b';' if self.top().brackets.is_empty() => {
                self.end_statement();
                self.at += 1;
            }
            _ => self.word_or_sign(),
        }
    }

    // The end.

    /// The brackets that are open at the end of the first walk; `None` if all is closed.
    fn still_open(&self) -> Option<HashSet<usize>> {
        let open = |sequence: &Sequence| !sequence.brackets.is_empty() || sequence.kind != Kind::File;
        self.sequences.iter().any(open).then(|| {
            let brackets = self.sequences.iter().flat_map(|sequence| &sequence.brackets);
            brackets.filter(|bracket| bracket.0 != b'{').map(|bracket| bracket.1).collect()
        })
    }

    fn finish(mut self) -> Layout {
        if let Some(&open) = self.top().brackets.first() {
            self.unclosed_bracket(open, self.last.1);
        }
        self.end_statement();
        if self.sequences.len() > 1 {
            self.close_open_blocks();
        }
        let statements = self.sequences.pop().map(Sequence::into_statements).unwrap_or_default();
        let text = String::from_utf8(self.out).expect("blanking whole characters keeps UTF-8");
        Layout { text, statements, depth: self.deepest, diagnostics: self.diagnostics }
    }

    // Small things.

    fn top(&self) -> &Sequence {
        self.sequences.last().expect("the sequence of the file is never popped")
    }

    fn top_mut(&mut self) -> &mut Sequence {
        self.sequences.last_mut().expect("the sequence of the file is never popped")
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    fn blank(&mut self, start: usize, end: usize) {
        self.out[start..end].fill(b' ');
    }

    fn line_length(&self, at: usize) -> usize {
        self.bytes[at..].iter().take_while(|byte| **byte != b'\n').count()
    }

    fn indent_here(&self) -> usize {
        self.bytes[self.line_start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    }

    fn is_first_of_line(&self, start: usize) -> bool {
        self.bytes[self.line_start..start].iter().rev().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
    }
}

/// Whether exactly one newline and nothing but blanks stand between.
fn is_directly_below(text: &str, end: usize, start: usize) -> bool {
    let between = &text.as_bytes()[end..start];
    between.len() < 1000 && between.iter().filter(|byte| **byte == b'\n').count() == 1
}
