//! Text to syntax tree: layout pass, pest grammar, [`ast`].
pub mod ast;
