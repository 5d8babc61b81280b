//! The tensor graph: closed op table, types, builder, text form, verifier,
//! reference interpreter.
//!
//! The graph is pure and every shape in it is a number. All adjoints are made
//! of the same ops.
pub mod build;
pub mod canonical;
pub mod dot;
pub mod graph;
pub mod infer;
pub mod interpret;
pub mod name;
pub mod op;
pub mod parse;
pub mod philox;
pub mod print;
pub mod scan;
pub mod types;
pub mod verify;

pub use graph::{Derived, Graph, Label, LabelId, Node, Origin, Output, OutputKind, Owner, Slot, SlotId, ValueId};
pub use op::{Binary, Comparison, Const, Face, Fill, Op, Unary, Window};
pub use scan::Scan;
pub use types::{DType, Type};
