//! Text to syntax tree: layout pass, pest grammar, [`ast`].
//!
//! In: bytes or text of a file. Out: an [`ast::File`] and what is wrong with it.
//! Invariants: never panics and never reads an expression twice, whatever the
//! text; a statement that does not parse is absent from the tree and has exactly
//! one error; the rest of the file still parses.

pub mod ast;
mod layout;
mod parse;
pub mod print;

use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};

pub use layout::ascii_lookalike;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// Nesting up to which a file is parsed on the caller's stack.
const SHALLOW: usize = 12;
/// Stack for a parse of deeper files; only what is used is ever touched.
const DEEP_STACK: usize = 256 << 20;

/// Words that are no names.
pub const RESERVED: &[&str] = &[
    "const",
    "let",
    "param",
    "state",
    "next",
    "fn",
    "layer",
    "model",
    "optimizer",
    "data",
    "train",
    "import",
    "if",
    "else",
    "for",
    "in",
    "scan",
    "repeat",
    "with",
    "over",
    "on",
    "as",
    "into",
    "emit",
    "final",
    "fit",
    "and",
    "or",
    "not",
    "true",
    "false",
];

/// Words that begin statements of the file or of a train, and are names elsewhere.
pub const HEADS: &[&str] = &[
    "print", "plot", "assert", "save", "load", "record", "seed", "minimize", "watch", "phase", "epochs", "steps",
    "batch", "stop", "keep", "every",
];

/// Words that begin statements of a data block, and are names elsewhere.
pub const DATA_HEADS: &[&str] = &["input", "target", "column", "keep_rows", "split"];

/// Parses one file. Diagnostics come in the order of their places.
pub fn parse(file: FileId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} MB; at most {} MB are read", text.len() >> 20, MAX_BYTES >> 20);
        return (ast::File::default(), vec![Diagnostic::new(Code::E0118, message, Span::new(file, 0, 0))]);
    }
    let layout = layout::scan(file, text);
    let (tree, mut diagnostics) =
        if layout.depth <= SHALLOW { parse::file(file, &layout) } else { on_deep_stack(|| parse::file(file, &layout)) };
    diagnostics.extend(layout.diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span);
    (tree, diagnostics)
}

/// The text of a file, if it is one: UTF-8 without NUL and not too large.
///
/// A byte order mark and CRLF are fine. The error's span is in file `file`,
/// whose text is best registered as `String::from_utf8_lossy(bytes)`.
pub fn check_bytes(file: FileId, bytes: &[u8]) -> Result<&str, Box<Diagnostic>> {
    let fail = |message: String, at: usize, help: &str| {
        Err(Box::new(Diagnostic::new(Code::E0118, message, Span::new(file, at, at)).help(help)))
    };
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} MB; at most {} MB are read", bytes.len() >> 20, MAX_BYTES >> 20);
        return fail(message, 0, "numbers belong into a data file, not into the program");
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return fail("the file is UTF-16".to_string(), 0, "save it as UTF-8");
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return fail(format!("a zero byte at offset {at}: this is not a text"), at, "is this the right file?");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let at = error.valid_up_to();
            let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            fail(format!("not UTF-8: byte {:#04X} in line {line}", bytes[at]), at, "save the file as UTF-8")
        }
    }
}

/// Runs `work` with room for the recursion that [`layout::MAX_DEPTH`] allows.
fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("parse".to_string()).stack_size(DEEP_STACK);
        let handle = thread.spawn_scoped(scope, work).expect("a thread can be started");
        match handle.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
