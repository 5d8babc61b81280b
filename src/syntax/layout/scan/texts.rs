//! Texts: their pieces, and the `{ }` inside of them.
//!
//! In: the quote at hand. Out: the [`Text`], put into its statement as a hole.

use super::super::{Block, Hole, MAX_DEPTH, Piece, Text};
use super::{Kind, Scanner, Sequence};
use crate::diag::{Code, Diagnostic};

impl Scanner<'_> {
    pub(super) fn text_start(&mut self) {
        let start = self.at;
        self.token(start, start + 1);
        self.text_rest(Text { start, ..Text::default() });
    }

    /// Reads on in a text up to its end or to the next `{`.
    pub(super) fn text_rest(&mut self, mut text: Text) {
        let from = self.at;
        let mut at = from;
        let plain = self.depth >= MAX_DEPTH;
        let stop = loop {
            match self.bytes.get(at) {
                Some(b'\\') if self.text[at..].starts_with("\\u{") => at += 3,
                Some(b'\\') if self.bytes.get(at + 1).is_some_and(|byte| byte.is_ascii() && *byte != b'\n') => at += 2,
                Some(b'{') if plain => {
                    self.deeper(at);
                    self.depth -= 1;
                    at += 1;
                }
                Some(byte @ (b'"' | b'{' | b'\n')) => break Some(*byte),
                Some(_) => at += 1,
                None => break None,
            }
        };
        if at > from {
            text.pieces.push(Piece::Chars(from, at));
        }
        self.last = (text.start, at);
        self.at = at;
        match stop {
            Some(b'"') => self.text_end(text),
            Some(b'{') => {
                let mut sequence = Sequence::new(Kind::Hole, at, self.indent_here());
                sequence.text = Some(text);
                self.deeper(at);
                self.holes += 1;
                self.at = at + 1;
                self.last = (at, at + 1);
                self.sequences.push(sequence);
            }
            _ => self.report_unclosed_text(text.start),
        }
    }

    pub(super) fn text_end(&mut self, mut text: Text) {
        text.end = self.at + 1;
        self.at = text.end;
        self.last = (text.start, text.end);
        if let Some(current) = &mut self.top_mut().current {
            current.holes.push(Hole::Text(text));
        }
    }

    pub(super) fn close_hole(&mut self, end: usize) {
        let Some(mut sequence) = self.sequences.pop() else { return };
        self.depth -= 1;
        self.holes -= 1;
        let mut text = sequence.text.take().unwrap_or_default();
        text.pieces.push(Piece::Hole(Block { start: sequence.start, end, statements: sequence.into_statements() }));
        self.at = end;
        self.text_rest(text);
    }

    /// The line ends inside of `{ }` inside of a text.
    pub(super) fn unclosed_text(&mut self) {
        let outermost = self.sequences.iter().position(|sequence| sequence.kind == Kind::Hole);
        let Some(index) = outermost else { return };
        let start = self.sequences[index].text.as_ref().map_or(self.at, |text| text.start);
        for sequence in self.sequences.drain(index..) {
            self.depth -= 1 + sequence.brackets.len();
        }
        self.holes = 0;
        self.last = (start, self.at);
        self.report_unclosed_text(start);
    }

    pub(super) fn report_unclosed_text(&mut self, start: usize) {
        let diagnostic = Diagnostic::new(Code::E0112, "this text is not closed", self.span(start, start + 1))
            .here("begins here")
            .also(self.span(self.at, self.at), "expected `\"` before the end of the line")
            .help("a text ends on the line it begins on; write `\\n` for a new line and `\\\"` for a quote");
        self.report(diagnostic);
    }
}
