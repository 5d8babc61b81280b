//! `assert` in a definition: what its settings and sizes have to be.
//!
//! In: a known condition. Out: E0315 where the definition is used, if it does
//! not hold, before anything runs. What is still open (a size in the
//! definition's own check) is judged at each use.

use super::intrinsics::Args;
use super::value::{Number, Value};
use super::{Checker, limits};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Expr;

impl Checker<'_> {
    /// `assert condition, "message"` in a body.
    pub(super) fn require(&mut self, condition: &Expr, message: Option<&Expr>) {
        match self.eval(condition) {
            Value::Bool(true) | Value::Unknown => {}
            Value::Bool(false) => self.refuse(condition, message),
            _ if self.open => {}
            other => {
                let diagnostic = Diagnostic::new(
                    Code::E0401,
                    "an `assert` in a definition is judged before anything runs",
                    condition.span,
                )
                .here(format!("this is {}", other.describe()))
                .help("assert what is computed at file level: `assert all(x > 0) on digits.val`");
                self.report(diagnostic);
            }
        }
    }

    fn refuse(&mut self, condition: &Expr, message: Option<&Expr>) {
        let message = match message.map(|message| self.eval(message)) {
            Some(said) => self.whole_text(&said),
            None => format!("`{}` does not hold", self.sources.text(condition.span)),
        };
        let place = self.blamed(condition);
        self.frame_mut().refused = true;
        let diagnostic = Diagnostic::new(Code::E0315, message, place);
        // The library's message says what it wants; a user's own definition is shown.
        let own = !self.prelude.contains(&condition.span.file);
        self.report(if own { diagnostic.also(condition.span, "this does not hold") } else { diagnostic });
    }

    /// Where the caller wrote an argument that a condition names; the call where it names none.
    fn blamed(&self, condition: &Expr) -> Span {
        let frame = self.frame();
        let written = limits::names_in(condition).into_iter().rev().find_map(|name| frame.given.get(&name));
        *written.unwrap_or(&frame.call_span)
    }

    /// A known text with its known pieces.
    fn whole_text(&self, value: &Value) -> String {
        match value {
            Value::Pieces(pieces) => pieces.iter().map(|piece| self.whole_text(piece)).collect(),
            other => self.known_text(other).unwrap_or_else(|| "…".to_string()),
        }
    }

    /// `core.is_known(x)`: whether it is a number, text, list or definition before anything runs.
    pub(super) fn is_known_call(&mut self, args: &Args) -> Value {
        match args[0].as_ref().map(|(value, _)| value) {
            Some(Value::Number(Number::Size(dim), _)) => {
                Value::Bool(self.program.atoms.resolve(dim).as_number().is_some())
            }
            Some(value) => Value::Bool(!matches!(value, Value::Tensor(_) | Value::Slot(_))),
            None => Value::Bool(true),
        }
    }
}
