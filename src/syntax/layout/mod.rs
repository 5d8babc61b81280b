//! The layout pass: where every statement, block and text begins and ends.
//!
//! In: the text of a file. Out: a tree of [`Statement`]s whose holes are the
//! `{ }` blocks and `"texts"` inside them, each with its own statements, and a
//! text of the same byte length in which comments and the newlines that do not
//! end a statement are blanks. Invariants: offsets are those of the file; the
//! tree is at most [`MAX_DEPTH`] deep; a statement that is not broken has
//! balanced brackets.

mod chars;
mod join;
mod scan;

use crate::diag::Diagnostic;

pub use chars::{ascii_lookalike, is_name_part};
pub use scan::scan;

/// How deep brackets, blocks and texts may be nested.
pub const MAX_DEPTH: usize = 256;

/// A file, laid out.
#[derive(Debug)]
pub struct Layout {
    /// The text with comments and joined newlines blanked; same byte length.
    pub text: String,
    /// The statements of the file.
    pub statements: Vec<Statement>,
    /// The deepest nesting seen, at most [`MAX_DEPTH`].
    pub depth: usize,
    /// What is wrong already.
    pub diagnostics: Vec<Diagnostic>,
}

/// The extent of one statement.
#[derive(Debug, Default)]
pub struct Statement {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The blocks and texts inside, in order; what is inside of them is theirs.
    pub holes: Vec<Hole>,
    /// The `##` lines directly above, without the marks.
    pub doc: Option<String>,
    /// It has been reported already and is not to be parsed.
    pub broken: bool,
    /// It begins with `-`, `(` or `[` and was meant to go on the statement above.
    pub continues: bool,
}

/// A part of a statement that is parsed on its own.
#[derive(Debug)]
pub enum Hole {
    /// `{ ... }`
    Block(Block),
    /// `"..."`
    Text(Text),
}

impl Hole {
    /// The offsets of its first byte and of one past its last.
    pub fn extent(&self) -> (usize, usize) {
        match self {
            Hole::Block(block) => (block.start, block.end),
            Hole::Text(text) => (text.start, text.end),
        }
    }

    /// How many bytes stand between its first and its last.
    pub fn inside(&self) -> usize {
        let (start, end) = self.extent();
        (end - start).saturating_sub(2)
    }
}

/// The extent of a `{ }` block.
#[derive(Debug, Default)]
pub struct Block {
    /// The offset of `{`.
    pub start: usize,
    /// One past `}`, or where it should have been.
    pub end: usize,
    /// What is inside.
    pub statements: Vec<Statement>,
}

/// The extent of a text.
#[derive(Debug, Default)]
pub struct Text {
    /// The offset of the first quote.
    pub start: usize,
    /// One past the last quote.
    pub end: usize,
    /// What is between.
    pub pieces: Vec<Piece>,
}

/// A piece of a text.
#[derive(Debug)]
pub enum Piece {
    /// Characters as written, `start..end`.
    Chars(usize, usize),
    /// `{ ... }`: its extent with braces and what stands in it. More or less than one statement is an error.
    Hole(Block),
}
