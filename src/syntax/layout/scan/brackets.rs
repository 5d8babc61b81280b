//! Brackets and blocks: how deep they are, and what closes what.
//!
//! In: the bracket at hand. Out: the bracket or sequence opened or closed.

use super::super::{Block, Hole, MAX_DEPTH};
use super::{Kind, Scanner, Sequence};
use crate::diag::{Code, Diagnostic};

impl Scanner<'_> {
    pub(super) fn open_bracket(&mut self, byte: u8) {
        let start = self.at;
        self.token(start, start + 1);
        self.deeper(start);
        self.top_mut().brackets.push((byte, start));
    }

    pub(super) fn open_block(&mut self) {
        let start = self.at;
        let indent = self.indent_here();
        self.token(start, start + 1);
        if self.deeper(start) {
            self.top_mut().brackets.push((b'{', start));
        } else {
            self.sequences.push(Sequence::new(Kind::Block, start, indent));
        }
    }

    /// One level deeper; true if that is too deep, which it reports.
    pub(super) fn deeper(&mut self, start: usize) -> bool {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth.min(MAX_DEPTH));
        if self.depth <= MAX_DEPTH {
            return false;
        }
        // Said where the limit is crossed, not at each of a million brackets beyond it.
        if self.depth > MAX_DEPTH + 1 {
            return true;
        }
        let message = format!("nested more than {MAX_DEPTH} deep");
        let diagnostic = Diagnostic::new(Code::E0117, message, self.span(start, start + 1))
            .help("give the inner part a name with `let`, or make it a `fn`");
        self.report(diagnostic);
        true
    }

    pub(super) fn close_bracket(&mut self, byte: u8) {
        let start = self.at;
        let open = if byte == b')' { b'(' } else { b'[' };
        self.token(start, start + 1);
        let brackets = &self.top().brackets;
        let Some(index) = brackets.iter().rposition(|bracket| bracket.0 == open) else {
            let message = format!("`{}` closes nothing", byte as char);
            let mut diagnostic = Diagnostic::new(Code::E0104, message, self.span(start, start + 1));
            if let Some(&(other, at)) = brackets.last() {
                diagnostic = diagnostic.also(self.span(at, at + 1), format!("this `{}` is open", other as char));
            }
            return self.report(diagnostic);
        };
        if index + 1 < brackets.len() {
            self.unclosed_bracket(brackets[index + 1], start);
        }
        self.depth -= self.top().brackets.len() - index;
        self.top_mut().brackets.truncate(index);
    }

    pub(super) fn close_brace(&mut self) {
        let start = self.at;
        let brackets = &self.top().brackets;
        if let Some(index) = brackets.iter().rposition(|bracket| bracket.0 == b'{') {
            self.depth -= brackets.len() - index;
            self.top_mut().brackets.truncate(index);
            return self.token(start, start + 1);
        }
        if let Some(&open) = brackets.first() {
            self.unclosed_bracket(open, start);
        }
        self.end_statement();
        self.close_blocks_inside(start);
        match self.top().kind {
            Kind::File => {
                let diagnostic = Diagnostic::new(Code::E0104, "`}` closes nothing", self.span(start, start + 1))
                    .help("take it away, or look above for a `{` that is missing");
                self.diagnostics.push(diagnostic);
                self.at = start + 1;
            }
            Kind::Block => {
                self.at = start + 1;
                self.close_block(start + 1);
            }
            Kind::Hole => self.close_hole(start + 1),
        }
    }

    /// On the second walk: a `}` at the left of the line that opened the block,
    /// in line with an outer one, closes the outer one.
    pub(super) fn close_blocks_inside(&mut self, start: usize) {
        if self.recover.is_none() || !self.is_first_of_line(start) {
            return;
        }
        let indent = start - self.line_start;
        let belongs = |sequence: &Sequence| sequence.kind == Kind::Block && sequence.indent == indent;
        if !self.sequences.iter().any(belongs) {
            return;
        }
        while self.top().kind == Kind::Block && self.top().indent > indent {
            self.missing_brace(self.top().start, self.last.1);
            self.close_block(self.last.1);
        }
    }

    pub(super) fn close_block(&mut self, end: usize) {
        let Some(sequence) = self.sequences.pop() else { return };
        self.depth -= 1;
        let block = Block { start: sequence.start, end, statements: sequence.into_statements() };
        self.last = (end.max(self.last.1) - 1, end);
        if let Some(current) = &mut self.top_mut().current {
            current.holes.push(Hole::Block(block));
        }
    }

    /// Closes every open block where the text read so far ends.
    pub(super) fn close_open_blocks(&mut self) {
        if let Some(outermost) = self.sequences.iter().find(|sequence| sequence.kind == Kind::Block) {
            self.missing_brace(outermost.start, self.last.1);
        }
        while self.sequences.len() > 1 {
            self.end_statement();
            self.close_block(self.last.1);
        }
        self.end_statement();
    }
}
