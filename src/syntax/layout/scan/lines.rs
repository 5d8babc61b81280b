//! Newlines and comments: which of them end a statement.
//!
//! In: the newline or `#` at hand. Out: the statement ended, or the newline blanked.

use super::super::join;
use super::{Doc, Scanner, is_directly_below};

impl Scanner<'_> {
    pub(super) fn newline(&mut self) {
        if self.holes > 0 {
            self.unclosed_text();
        }
        let newline = self.at;
        if self.top().current.is_none() {
            self.at += 1;
            self.line_start = self.at;
            return;
        }
        let (next, line_start) = self.next_token();
        let rest = &self.text[next..];
        let at_margin = self.recover.is_some() && next == line_start && join::begins_item(rest);
        if let Some(&(_, open)) = self.top().brackets.last() {
            let given_up = self.recover.as_ref().is_some_and(|open_at_end| open_at_end.contains(&open));
            if !(given_up || at_margin || join::begins_statement(rest)) {
                return self.join_to(next, line_start);
            }
            let open = self.top().brackets[0];
            self.unclosed_bracket(open, self.last.1);
        } else if self.goes_on(rest) {
            return self.join_to(next, line_start);
        }
        self.end_statement();
        if at_margin {
            self.close_open_blocks();
        }
        self.at = newline + 1;
        self.line_start = self.at;
    }

    pub(super) fn goes_on(&self, rest: &str) -> bool {
        let last = &self.text[self.last.0..self.last.1];
        join::goes_on_before(rest)
            || (join::goes_on_after(last)
                && !rest.is_empty()
                && !rest.starts_with('}')
                && !join::begins_statement(rest))
    }

    pub(super) fn join_to(&mut self, next: usize, line_start: usize) {
        self.blank(self.at, next);
        self.at = next;
        self.line_start = line_start;
    }

    /// The next token after blanks, newlines and comments, and where its line begins.
    pub(super) fn next_token(&self) -> (usize, usize) {
        let mut at = self.at;
        let mut line_start = self.line_start;
        while let Some(&byte) = self.bytes.get(at) {
            match byte {
                b'\n' => {
                    at += 1;
                    line_start = at;
                }
                b' ' | b'\t' => at += 1,
                b'\r' if self.bytes.get(at + 1) == Some(&b'\n') => at += 1,
                b'#' => at += self.line_length(at),
                _ => break,
            }
        }
        (at, line_start)
    }

    pub(super) fn comment(&mut self) {
        let start = self.at;
        let end = start + self.line_length(start);
        let line = self.text[start..end].trim_end();
        if line.starts_with("##") && self.top().current.is_none() {
            let line = line.trim_start_matches('#');
            let line = line.strip_prefix(' ').unwrap_or(line);
            let text = self.text;
            let sequence = self.top_mut();
            match &mut sequence.doc {
                Some(doc) if is_directly_below(text, doc.end, start) => {
                    doc.text.push('\n');
                    doc.text.push_str(line);
                    doc.end = end;
                }
                _ => sequence.doc = Some(Doc { end, text: line.to_string() }),
            }
        }
        self.blank(start, end);
        self.at = end;
        if self.holes > 0 {
            self.unclosed_text();
        }
    }
}
