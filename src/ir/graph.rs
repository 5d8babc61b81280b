//! The graph itself: nodes in topological order, slots, outputs, origins.
//!
//! Invariants (checked by `verify`): operands precede their users; each node's
//! type is what the shape rule gives; outputs have the type of their slot.

use std::sync::Arc;

use super::op::Op;
use super::types::Type;
use crate::source::Span;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}
pub(crate) use id;

id! {
    /// A node, and the value it computes.
    ValueId "v"
}
id! {
    /// A slot of this graph.
    SlotId "s"
}
id! {
    /// A label of this graph: where in the model a node stands.
    LabelId "l"
}

/// Who owns a slot, hence who writes it and how long it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A trained parameter.
    Parameter,
    /// Layer state, such as running statistics.
    State,
    /// The user's `state` in a train.
    TrainState,
    /// An optimiser's state.
    OptimizerState,
    /// A column of the batch.
    Column,
    /// A run-time scalar: seed, step, a learning rate with a name, ...
    Scalar,
}

/// Something a program reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// `Mlp.dense1.w`, `Mlp.dense1.w/m`, `digits.image`, `step`.
    pub path: String,
    /// Its type.
    pub ty: Type,
    /// Who owns it.
    pub owner: Owner,
}

/// Where in the model a node stands: `Mlp.dense1`.
pub type Label = Arc<str>;

/// Where a node comes from. Every pass keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Origin {
    /// The expression in the source.
    pub span: Span,
    /// The instance it belongs to.
    pub label: Option<LabelId>,
    /// Set on adjoint nodes.
    pub derived: Option<Derived>,
}

/// Which forward node an adjoint node comes from, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The forward node (its id at the time; remapped by passes, or dropped with the node).
    pub forward: ValueId,
    /// The rule's name: the forward op's name.
    pub rule: &'static str,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// On which values.
    pub operands: Vec<ValueId>,
    /// What comes out.
    pub ty: Type,
    /// Where it comes from.
    pub origin: Origin,
    /// The name a `let` gave it, for printing.
    pub name: Option<Arc<str>>,
}

/// What an output is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// Becomes the slot's value at the end of the step.
    Write(SlotId),
    /// Is handed to the host under this name: a figure, a printed value, a front.
    Figure(String),
}

/// A result of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What for.
    pub kind: OutputKind,
    /// Which value.
    pub value: ValueId,
}

/// A program over slots: pure, static, every shape a number.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Graph {
    /// In topological order.
    pub nodes: Vec<Node>,
    /// What is read and written.
    pub slots: Vec<Slot>,
    /// Labels that origins refer to.
    pub labels: Vec<Label>,
    /// The results.
    pub outputs: Vec<Output>,
}

impl Graph {
    /// The node that computes `value`.
    pub fn node(&self, value: ValueId) -> &Node {
        &self.nodes[value.index()]
    }

    /// The type of `value`.
    pub fn ty(&self, value: ValueId) -> &Type {
        &self.nodes[value.index()].ty
    }

    /// The slot with this id.
    pub fn slot(&self, slot: SlotId) -> &Slot {
        &self.slots[slot.index()]
    }
}
