//! The printed name of every op, shared by the text form, messages and the
//! rule names of adjoint nodes. Invariant: [`NAMES`] holds exactly what
//! [`Op::name`] can return.

use super::op::{Binary, Comparison, Op, Unary};

/// Every op's name, in table order.
pub const NAMES: [&str; 51] = [
    "input",
    "const",
    "iota",
    "random",
    "neg",
    "abs",
    "exp",
    "log",
    "sqrt",
    "sin",
    "cos",
    "softplus",
    "tanh",
    "logistic",
    "erf",
    "erfinv",
    "floor",
    "add",
    "sub",
    "mul",
    "div",
    "rem",
    "pow",
    "max",
    "min",
    "lt",
    "le",
    "eq",
    "and",
    "or",
    "not",
    "select",
    "convert",
    "stop_gradient",
    "broadcast",
    "reshape",
    "transpose",
    "slice",
    "unslice",
    "concat",
    "unfold",
    "fold",
    "sum",
    "max_of",
    "contract",
    "conv",
    "gather",
    "scatter_add",
    "scan",
    "put",
    "argsort",
];

impl<D> Op<D> {
    /// As printed in the text form.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input(_) => "input",
            Op::Const { .. } => "const",
            Op::Iota { .. } => "iota",
            Op::Random { .. } => "random",
            Op::Unary(function) => function.name(),
            Op::Binary(function) => function.name(),
            Op::Compare(comparison) => comparison.name(),
            Op::And => "and",
            Op::Or => "or",
            Op::Not => "not",
            Op::Select => "select",
            Op::Convert(_) => "convert",
            Op::StopGradient => "stop_gradient",
            Op::Broadcast { .. } => "broadcast",
            Op::Reshape { .. } => "reshape",
            Op::Transpose { .. } => "transpose",
            Op::Slice { .. } => "slice",
            Op::Unslice { .. } => "unslice",
            Op::Concat { .. } => "concat",
            Op::Unfold { .. } => "unfold",
            Op::Fold { .. } => "fold",
            Op::Sum { .. } => "sum",
            Op::MaxOf { .. } => "max_of",
            Op::Contract { .. } => "contract",
            Op::Conv { .. } => "conv",
            Op::Gather { .. } => "gather",
            Op::ScatterAdd { .. } => "scatter_add",
            Op::Scan { .. } => "scan",
            Op::Put { .. } => "put",
            Op::Argsort { .. } => "argsort",
        }
    }
}

/// The elementwise function of one operand with this name.
pub fn unary(name: &str) -> Option<Unary> {
    Unary::ALL.into_iter().find(|function| function.name() == name)
}

/// The elementwise function of two operands with this name.
pub fn binary(name: &str) -> Option<Binary> {
    Binary::ALL.into_iter().find(|function| function.name() == name)
}

/// The comparison with this name.
pub fn comparison(name: &str) -> Option<Comparison> {
    [Comparison::Lt, Comparison::Le, Comparison::Eq].into_iter().find(|comparison| comparison.name() == name)
}

/// The table's own copy of an op name.
pub fn interned(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| *known == name)
}
