//! Words, signs and quoted names, and where a statement begins and ends.
//!
//! In: the byte at hand. Out: the statement that it belongs to, longer by a token.

use super::super::{Statement, chars, join};
use super::{Scanner, is_directly_below};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

impl Scanner<'_> {
    pub(super) fn word_or_sign(&mut self) {
        let start = self.at;
        let word = join::leading_word(&self.text[start..]);
        if !word.is_empty() {
            self.token(start, start + word.len());
            return;
        }
        let sign = |byte: &u8| b"+-*/@%^=<>.,:~|;!".contains(byte);
        let length = self.bytes[start..].iter().take_while(|byte| sign(byte)).take(3).count();
        if length > 0 {
            // Three signs at most at a time: `...`; the run before still counts as one token.
            let joined =
                if start > 0 && self.last.1 == start && sign(&self.bytes[start - 1]) { self.last.0 } else { start };
            self.token(start, start + length);
            self.last.0 = joined;
            return;
        }
        let c = self.text[start..].chars().next().map_or(' ', |c| c);
        let end = start + c.len_utf8();
        self.token(start, end);
        if !self.is_broken() {
            self.diagnostics.push(unexpected_char(self.span(start, end), c));
            self.break_statement();
        }
    }

    pub(super) fn quoted_name(&mut self) {
        let start = self.at;
        let rest = &self.bytes[start + 1..];
        let length = rest.iter().take_while(|byte| **byte != b'`' && **byte != b'\n').count();
        if rest.get(length) == Some(&b'`') && length > 0 {
            self.token(start, start + length + 2);
            return;
        }
        let end = (start + 1 + length + usize::from(rest.get(length) == Some(&b'`'))).min(self.bytes.len());
        self.token(start, end);
        let diagnostic = Diagnostic::new(Code::E0112, "a quoted name is not closed", self.span(start, start + 1))
            .help("a name in back-quotes has at least one character and ends on the same line");
        self.report(diagnostic);
    }

    /// Takes `start..end` as a token of the current statement.
    pub(super) fn token(&mut self, start: usize, end: usize) {
        self.touch(start);
        self.last = (start, end);
        self.at = end;
    }

    /// Makes sure that a statement is being read.
    pub(super) fn touch(&mut self, start: usize) {
        if self.top().current.is_some() {
            return;
        }
        let first_of_line = self.is_first_of_line(start);
        let indent = start - self.line_start;
        let byte = self.bytes[start];
        let text = self.text;
        let sequence = self.top_mut();
        let mut statement = Statement { start, end: start, ..Statement::default() };
        if let Some(doc) = sequence.doc.take().filter(|doc| is_directly_below(text, doc.end, start)) {
            statement.doc = Some(doc.text);
        }
        let sign = first_of_line && matches!(byte, b'-' | b'(' | b'[') && !text[start..].starts_with("->");
        if let Some(above) = sequence.statements.last().filter(|_| sign) {
            statement.continues = indent > indent_of_line(text, above.start);
            sequence.sign_starts.push(sequence.statements.len());
        }
        sequence.current = Some(statement);
    }

    pub(super) fn end_statement(&mut self) {
        let end = self.last.1;
        let open = self.top().brackets.len();
        self.depth -= open;
        let sequence = self.top_mut();
        sequence.brackets.clear();
        if let Some(mut statement) = sequence.current.take() {
            statement.end = end;
            statement.broken |= open > 0;
            sequence.statements.push(statement);
        }
    }
}

fn unexpected_char(span: Span, c: char) -> Diagnostic {
    let (what, instead) = chars::describe_char(c);
    let shown = if c.is_control() || c.is_whitespace() || what.contains("invisible") {
        format!("unexpected character: {what}")
    } else {
        format!("unexpected character `{c}`: {what}")
    };
    let diagnostic = Diagnostic::new(Code::E0115, shown, span);
    match instead {
        Some(" ") => diagnostic.help("write an ordinary space").fix(span, " "),
        Some(instead) => diagnostic.help(format!("write `{instead}`")).fix(span, instead),
        None => diagnostic,
    }
}

fn indent_of_line(text: &str, at: usize) -> usize {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text.as_bytes()[line..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}
