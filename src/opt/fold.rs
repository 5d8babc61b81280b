//! Computes what is constant, applies exact identities and merges movement.
//!
//! Constants that are the same everywhere (splats) fold through elementwise
//! ops and movement; tables and sums do not, since a table is data and a sum
//! of many has an order. Arithmetic folds exactly as it would run;
//! transcendental functions fold to the correctly computed value, which may be
//! nearer than compiled code comes.

use super::rewrite::{keep, rewrite};
use super::scans::{constants_inward, in_bodies};
use super::{identities, movement};
use crate::ir::interpret::{Array, interpret_values};
use crate::ir::op::Const;
use crate::ir::{DType, Graph, Node, Op, ValueId};

pub(super) fn fold(mut graph: Graph) -> Graph {
    constants_inward(&mut graph);
    in_bodies(&mut graph, fold);
    rewrite(graph, simplified)
}

/// The simplest value for the node, whose operands are simplified already.
pub(super) fn simplified(graph: &mut Graph, node: Node) -> ValueId {
    if let Some(value) = splat_of(graph, &node) {
        let op = Op::Const { value, shape: node.ty.shape.clone() };
        return keep(graph, Node { op, operands: vec![], ..node });
    }
    if let Some(value) = identities::simpler(graph, &node).or_else(|| movement::simpler(graph, &node)) {
        return value;
    }
    keep(graph, node)
}

/// Appends an op with this node's origin, itself simplified.
pub(super) fn push(graph: &mut Graph, node: &Node, op: Op, operands: Vec<ValueId>) -> ValueId {
    let value = graph.push(op, operands, node.origin);
    match graph.nodes.pop() {
        Some(made) => simplified(graph, made),
        None => value,
    }
}

/// The constant that `value` is everywhere, if it is one.
pub(super) fn splat(graph: &Graph, value: ValueId) -> Option<&Const> {
    let Op::Const { value, .. } = &graph.node(value).op else { return None };
    (!matches!(value, Const::Table { .. })).then_some(value)
}

/// Whether `value` is this f32 everywhere, to the bit.
pub(super) fn is_f32(graph: &Graph, value: ValueId, wanted: f32) -> bool {
    matches!(splat(graph, value), Some(Const::F32(value)) if value.to_bits() == wanted.to_bits())
}

/// The constant that the node is everywhere, if its operands are such constants.
fn splat_of(graph: &Graph, node: &Node) -> Option<Const> {
    let operands: Vec<&Const> = node.operands.iter().map(|&operand| splat(graph, operand)).collect::<Option<_>>()?;
    match &node.op {
        Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::And | Op::Or | Op::Not | Op::Select | Op::Convert(_) => {
            element(&node.op, &operands)
        }
        Op::StopGradient
        | Op::Broadcast { .. }
        | Op::Reshape { .. }
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Gather { .. } => operands.first().map(|&value| value.clone()),
        Op::MaxOf { axes } => {
            let full = axes.iter().all(|&axis| graph.ty(node.operands[0]).shape[axis] > 0);
            operands.first().filter(|_| full).map(|&value| value.clone())
        }
        Op::Concat { .. } => operands
            .split_first()
            .filter(|(first, rest)| rest.iter().all(|part| part == *first))
            .map(|(first, _)| (*first).clone()),
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Random { .. } => None,
        Op::Unslice { .. } | Op::Sum { .. } | Op::Contract { .. } | Op::ScatterAdd { .. } | Op::Scan { .. } => None,
        Op::Unfold { .. } | Op::Fold { .. } | Op::Conv { .. } => None,
        Op::Put { .. } | Op::Argsort { .. } => None,
    }
}

/// An elementwise op on scalars, by the reference interpreter at f32.
fn element(op: &Op, operands: &[&Const]) -> Option<Const> {
    let mut graph = Graph::default();
    let origin = crate::ir::Origin::default();
    let operands = operands.iter().map(|&value| graph.splat(value.clone(), &[], origin)).collect();
    let result = graph.try_push(op.clone(), operands, origin).ok()?;
    let value = interpret_values::<f32>(&graph, &[], &[result]).ok()?.pop()?;
    match value {
        Array::Float(array) => array.first().map(|value| Const::F32(*value)),
        Array::Int(array) => array.first().map(|value| Const::I32(*value)),
        Array::Bool(array) => array.first().map(|value| Const::Bool(*value)),
    }
}

/// A splat with the node's type and origin.
pub(super) fn constant(graph: &mut Graph, node: &Node, value: f32) -> ValueId {
    let constant = match node.ty.dtype {
        DType::F32 => Const::F32(value),
        DType::I32 => Const::I32(value as i32),
        DType::Bool => Const::Bool(value != 0.0),
    };
    graph.splat(constant, &node.ty.shape, node.origin)
}
