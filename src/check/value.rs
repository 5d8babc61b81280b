//! Values at elaboration: what an expression of the program stands for before
//! anything has run.
//!
//! Known values (numbers, texts, lists, definitions, instances, data) are
//! computed here; tensors are nodes of the typed tree. [`Value::Unknown`] is the
//! error type: it silences whatever follows from it.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::dims::Dim;
use super::typed::{DataId, NodeId, Part, SlotId};
use crate::ir::{DType, Type};
use crate::source::Span;
use crate::syntax::ast;

/// Element types of the language.
#[derive(Clone, Debug, PartialEq)]
pub enum Elem {
    /// Real numbers.
    F32,
    /// 32-bit integers.
    Int,
    /// Truth values.
    Bool,
    /// An integer in `0..K`.
    Class(Dim),
}

impl Elem {
    /// How the graph holds it.
    pub fn dtype(&self) -> DType {
        match self {
            Elem::F32 => DType::F32,
            Elem::Int | Elem::Class(_) => DType::I32,
            Elem::Bool => DType::Bool,
        }
    }

    /// The element type of a graph type without classes.
    pub fn of(dtype: DType) -> Elem {
        match dtype {
            DType::F32 => Elem::F32,
            DType::I32 => Elem::Int,
            DType::Bool => Elem::Bool,
        }
    }
}

/// A computed value: a node, seen with the dims of the definition at hand.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The node.
    pub node: NodeId,
    /// Its element type.
    pub elem: Elem,
    /// Its shape in dims of the definition that looks at it.
    pub shape: Vec<Dim>,
    /// Names of the classes, for showing.
    pub classes: Option<Arc<[String]>>,
}

impl Tensor {
    /// The graph type.
    pub fn ty(&self) -> Type<Dim> {
        Type::new(self.elem.dtype(), self.shape.clone())
    }
}

/// A known number.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// Written or computed as a whole number.
    Int(i64),
    /// Any other.
    Float(f64),
    /// A size that is still open, or that has a name.
    Size(Dim),
}

/// Which name or arithmetic of the program a known number comes from: see [`super::known`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// A slot seen with the dims of the definition at hand.
#[derive(Clone, Debug)]
pub struct SlotValue {
    /// The slot.
    pub slot: SlotId,
    /// Its element type.
    pub elem: Elem,
    /// Its shape.
    pub shape: Vec<Dim>,
}

/// An optimiser with its settings.
#[derive(Debug)]
pub struct Rule {
    /// Which optimiser.
    pub definition: DefId,
    /// Values of all settings, in order of declaration.
    pub settings: Vec<Value>,
    /// Where it was made.
    pub span: Span,
}

/// A definition of some file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefId(pub u32);

/// A layer instance or model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub u32);

/// What a definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefKind {
    /// `fn`
    Fn,
    /// `layer`
    Layer,
    /// `model`
    Model,
    /// `optimizer`
    Optimizer,
}

/// A definition with where it stands.
#[derive(Clone, Debug)]
pub struct Def {
    /// What it is.
    pub kind: DefKind,
    /// Its text.
    pub ast: Rc<ast::Definition>,
    /// The file whose names it sees.
    pub file: usize,
    /// Its own check found errors: uses stay silent.
    pub broken: bool,
    /// Of a definition in a body what it sees of that body.
    pub around: Option<Rc<HashMap<String, Value>>>,
}

/// A value at elaboration.
#[derive(Clone, Debug)]
pub enum Value {
    /// In error, or open: whatever follows is silent.
    Unknown,
    /// `none`
    None,
    /// A known number; the link names the `let` it came from.
    Number(Number, Option<LinkId>),
    /// A known truth value.
    Bool(bool),
    /// A known text.
    Text(Rc<str>),
    /// A text with computed pieces; only for showing.
    Pieces(Rc<Vec<Value>>),
    /// A computed value.
    Tensor(Tensor),
    /// A parameter or state.
    Slot(SlotValue),
    /// `[a, b]`
    List(Rc<Vec<Value>>),
    /// `(a, b)`
    Tuple(Rc<Vec<Value>>),
    /// `a..b`
    Range(i64, i64),
    /// A definition by name: function, template, optimiser.
    Def(DefId),
    /// A filler with its other arguments, waiting for a shape.
    Partial(DefId, Rc<Vec<(Option<ast::Name>, Value, Span)>>),
    /// A primitive of the language.
    Intrinsic(super::intrinsics::Intrinsic),
    /// A layer instance or model.
    Instance(InstanceId),
    /// An instance in evaluation mode with constant parameters.
    Frozen(InstanceId),
    /// `fresh(m)`: m with draws of its own each time it is applied, in training mode if so asked.
    Fresh(InstanceId, bool),
    /// An optimiser with settings.
    Rule(Rc<Rule>),
    /// A list of parameters.
    Params(Rc<Vec<SlotId>>),
    /// A data set.
    Data(DataId),
    /// A part of one.
    Part(Part),
    /// A column of a set, where no rows of it are at hand.
    Column(DataId, usize),
    /// Class numbers that are shown as the text they stand for.
    Decoded(Tensor),
    /// Named values, as of `evaluate`.
    Record(Rc<Vec<(String, Value)>>),
    /// A table of recorded rows.
    Table(super::typed::TableId),
    /// Columns side by side, to be shown.
    Columns(Rc<Vec<(String, Value)>>),
    /// The texts of a column of a set, to be shown: the number of what is read.
    Texts(DataId, usize),
    /// An imported file.
    Namespace(usize),
    /// `core`, the primitives by their own names.
    Core,
    /// `run`, the clock of a train.
    Run,
    /// `val` among the figures of a train.
    Figures(Rc<str>),
}

impl Value {
    /// A known whole number.
    pub fn int(value: i64) -> Value {
        Value::Number(Number::Int(value), None)
    }

    /// A known number.
    pub fn float(value: f64) -> Value {
        Value::Number(Number::Float(value), None)
    }

    /// A known size.
    pub fn size(dim: Dim) -> Value {
        Value::Number(Number::Size(dim), None)
    }

    /// Whether it is one number.
    pub fn is_scalar(&self) -> bool {
        match self {
            Value::Number(..) => true,
            Value::Tensor(tensor) => tensor.shape.is_empty(),
            Value::Slot(slot) => slot.shape.is_empty(),
            _ => false,
        }
    }

    /// What it is, for messages.
    pub fn describe(&self) -> &'static str {
        match self {
            Value::Unknown => "a value in error",
            Value::None => "`none`",
            Value::Number(..) => "a known number",
            Value::Bool(_) => "a known truth value",
            Value::Text(_) | Value::Pieces(_) => "a text",
            Value::Tensor(_) => "a computed value",
            Value::Slot(_) => "a parameter or state",
            Value::List(_) => "a list",
            Value::Tuple(_) => "a tuple",
            Value::Range(..) => "a range",
            Value::Def(_) | Value::Intrinsic(_) => "a definition",
            Value::Partial(..) => "a filler without a shape",
            Value::Instance(_) | Value::Frozen(_) | Value::Fresh(..) => "a layer or model",
            Value::Rule(_) => "an optimiser",
            Value::Params(_) => "a list of parameters",
            Value::Data(_) => "a data set",
            Value::Part(_) => "a part of a data set",
            Value::Column(..) => "a column without rows",
            Value::Decoded(_) => "a decoded text",
            Value::Record(_) => "a record of figures",
            Value::Table(_) | Value::Columns(_) => "a table",
            Value::Texts(..) => "a column of texts",
            Value::Namespace(_) | Value::Core => "a file of definitions",
            Value::Run => "the clock of a train",
            Value::Figures(_) => "the figures of a train",
        }
    }
}

/// A layer instance or model: made once per place, applied many times.
#[derive(Clone, Debug)]
pub struct Instance {
    /// What it is an instance of; `None` for the file itself.
    pub definition: Option<DefId>,
    /// Its settings, in order of declaration.
    pub settings: Vec<Value>,
    /// `Mlp.dense1`
    pub path: String,
    /// Parameters and states by name.
    pub slots: Vec<(String, SlotValue)>,
    /// Instances it made, by name within it.
    pub children: Vec<(String, InstanceId)>,
    /// Their names, and under `template#` the last number given to one without a name.
    pub names: HashMap<String, u32>,
    /// The same by the place that made them.
    pub places: HashMap<(Span, Vec<u32>), InstanceId>,
    /// Where it was made.
    pub made: Span,
    /// The first application.
    pub applied: Option<Span>,
    /// The size of axis 1 of the first argument of its first application.
    pub context: Option<Dim>,
    /// Where in the order of actions its first values are set, and the seed there.
    pub order: (usize, i64),
}
