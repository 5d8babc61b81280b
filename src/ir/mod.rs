//! The tensor graph: closed op table, types, builder, text form, verifier,
//! reference interpreter.
//!
//! The graph is pure and every shape in it is a number. All adjoints are made
//! of the same ops.
pub mod graph;
pub mod op;
pub mod types;

pub use graph::{Derived, Graph, Label, LabelId, Node, Origin, Output, OutputKind, Owner, Slot, SlotId, ValueId};
pub use op::{Binary, Comparison, Const, Op, Unary};
pub use types::{DType, Type};
