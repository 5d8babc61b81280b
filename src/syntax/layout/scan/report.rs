//! What is wrong with brackets: said once for each statement.
//!
//! In: the places. Out: diagnostics, and the statement marked as broken.

use super::Scanner;
use crate::diag::{Code, Diagnostic};

impl Scanner<'_> {
    pub(super) fn unclosed_bracket(&mut self, (byte, open): (u8, usize), at: usize) {
        let close = if byte == b'(' { ')' } else { ']' };
        let diagnostic =
            Diagnostic::new(Code::E0103, format!("unclosed `{}`", byte as char), self.span(open, open + 1))
                .here("opened here")
                .also(self.span(at, at), format!("expected `{close}` before this"));
        self.report(diagnostic);
    }

    pub(super) fn missing_brace(&mut self, open: usize, at: usize) {
        let diagnostic = Diagnostic::new(Code::E0105, "missing `}`", self.span(open, open + 1))
            .here("this block is not closed")
            .also(self.span(at, at), "expected `}` after this");
        self.diagnostics.push(diagnostic);
    }

    /// Reports what spoils the current statement, if nothing has spoilt it yet.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        if !self.is_broken() {
            self.diagnostics.push(diagnostic);
        }
        self.break_statement();
    }

    pub(super) fn is_broken(&self) -> bool {
        self.top().current.as_ref().is_some_and(|statement| statement.broken)
    }

    pub(super) fn break_statement(&mut self) {
        if let Some(statement) = &mut self.top_mut().current {
            statement.broken = true;
        }
    }
}
