//! Where a diagnostic is shown.
//!
//! In: a diagnostic whose places may lie in the library. Out: the same with the
//! places the user can do something about: an argument where it was written, a
//! call of a library definition instead of its inside, and for a mistake inside
//! the user's own definition also the use that brought it out.

use super::Checker;
use super::scope::FrameKind;
use crate::diag::Diagnostic;
use crate::source::Span;

impl Checker<'_> {
    /// A diagnostic with its places moved to where the user looks.
    pub(super) fn placed(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        for label in &mut diagnostic.secondary {
            label.span = self.written_at(label.span);
        }
        let primary = self.written_at(diagnostic.primary.span);
        if self.is_library(primary) {
            if let Some(call) = self.user_call() {
                let text = std::mem::take(&mut diagnostic.primary.text);
                diagnostic.primary.span = call;
                let explained = diagnostic.secondary.iter().any(|label| !self.is_library(label.span));
                if !explained {
                    let text = if text.is_empty() { "in this definition".to_string() } else { text };
                    diagnostic = diagnostic.also(primary, text);
                }
            }
        } else {
            diagnostic.primary.span = primary;
            if let Some(call) = self.use_of(primary) {
                diagnostic = diagnostic.also(call, "in this use");
            }
        }
        self.shrink_call(&mut diagnostic);
        let primary = diagnostic.primary.span;
        diagnostic.secondary.retain(|label| label.span != primary);
        diagnostic
    }

    /// Where arguments of a call are marked, the call itself is marked by the name of what is called.
    fn shrink_call(&self, diagnostic: &mut Diagnostic) {
        let primary = diagnostic.primary.span;
        let inside = diagnostic.secondary.iter().any(|label| overlap(label.span, primary) && label.span != primary);
        let text = self.sources.text(primary);
        let name = text.find('(').filter(|&end| text[..end].chars().all(|c| c.is_alphanumeric() || "_.".contains(c)));
        if let Some(end) = name.filter(|&end| inside && end > 0) {
            diagnostic.primary.span.end = primary.start + end as u32;
        }
    }

    fn is_library(&self, span: Span) -> bool {
        self.prelude.contains(&span.file)
    }

    /// The name of an argument inside a library definition stands for what the caller wrote.
    fn written_at(&self, mut span: Span) -> Span {
        for frame in self.frames.iter().rev() {
            if !self.is_library(span) {
                break;
            }
            if let Some(written) = frame.given.get(self.sources.text(span)) {
                span = *written;
            }
        }
        span
    }

    /// The call of the user's own definition in whose body a place lies.
    fn use_of(&self, place: Span) -> Option<Span> {
        let frame = self.frames.last()?;
        let body = matches!(frame.kind, FrameKind::Fn | FrameKind::Layer);
        let call = frame.call_span;
        let fine = body && call != Span::default() && !self.is_library(call);
        (fine && !overlap(call, place)).then_some(call)
    }
}

fn overlap(a: Span, b: Span) -> bool {
    a.file == b.file && a.start < b.end && b.start < a.end
}
