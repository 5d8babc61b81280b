//! Algebraic identities of elementwise ops. Each keeps the bits for every
//! operand, zeros of both signs, infinities and NaN (payload aside) included;
//! that is why x + 0, x · 0 and x - x are not here for floats. The one
//! exception is `pow` with a small whole exponent, which becomes products:
//! within the 4 ulp that `pow` has.

use super::fold::{constant, is_f32, push, splat};
use crate::ir::op::Const;
use crate::ir::{Binary, DType, Graph, Node, Op, Unary, ValueId};

/// A simpler value for the node, if there is one.
pub(super) fn simpler(graph: &mut Graph, node: &Node) -> Option<ValueId> {
    match &node.op {
        Op::Unary(function) => unary(graph, node, *function),
        Op::Binary(function) => match node.ty.dtype {
            DType::F32 => float(graph, node, *function),
            DType::I32 => int(graph, node, *function),
            DType::Bool => None,
        },
        Op::And | Op::Or => logic(graph, node),
        Op::Not => inverse(graph, node, &Op::Not),
        Op::Select => select(graph, node),
        Op::Convert(to) => {
            let operand = node.operands[0];
            (graph.ty(operand).dtype == *to).then_some(operand)
        }
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Random { .. } | Op::Compare(_) | Op::StopGradient => {
            None
        }
        Op::Broadcast { .. } | Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. } | Op::Unslice { .. } => {
            None
        }
        Op::Concat { .. } | Op::Sum { .. } | Op::MaxOf { .. } | Op::Contract { .. } => None,
        Op::Unfold { .. } | Op::Fold { .. } | Op::Conv { .. } => None,
        Op::Gather { .. } | Op::ScatterAdd { .. } | Op::Scan { .. } | Op::Put { .. } | Op::Argsort { .. } => None,
    }
}

fn unary(graph: &Graph, node: &Node, function: Unary) -> Option<ValueId> {
    let operand = node.operands[0];
    let inner = &graph.node(operand).op;
    match function {
        Unary::Neg => inverse(graph, node, &Op::Unary(Unary::Neg)),
        Unary::Abs | Unary::Floor => (*inner == node.op).then_some(operand),
        Unary::Exp | Unary::Log | Unary::Sqrt | Unary::Sin | Unary::Cos | Unary::Softplus => None,
        Unary::Tanh | Unary::Logistic | Unary::Erf | Unary::ErfInv => None,
    }
}

/// x, for an op that undoes itself.
fn inverse(graph: &Graph, node: &Node, op: &Op) -> Option<ValueId> {
    let inner = graph.node(node.operands[0]);
    (inner.op == *op).then(|| inner.operands[0])
}

fn float(graph: &mut Graph, node: &Node, function: Binary) -> Option<ValueId> {
    let (a, b) = (node.operands[0], node.operands[1]);
    let is = |value, wanted| is_f32(graph, value, wanted);
    match function {
        Binary::Add if is(b, -0.0) => Some(a),
        Binary::Add if is(a, -0.0) => Some(b),
        Binary::Sub if is(b, 0.0) => Some(a),
        Binary::Sub if is(a, -0.0) => Some(push(graph, node, Op::Unary(Unary::Neg), vec![b])),
        Binary::Mul | Binary::Div if is(b, 1.0) => Some(a),
        Binary::Mul if is(a, 1.0) => Some(b),
        Binary::Mul | Binary::Div if is(b, -1.0) => Some(push(graph, node, Op::Unary(Unary::Neg), vec![a])),
        Binary::Mul if is(a, -1.0) => Some(push(graph, node, Op::Unary(Unary::Neg), vec![b])),
        Binary::Div => by_reciprocal(graph, node),
        Binary::Pow => power(graph, node),
        Binary::Max | Binary::Min => (a == b).then_some(a),
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Rem => None,
    }
}

/// x / 2ᵏ is x · 2⁻ᵏ, exactly.
fn by_reciprocal(graph: &mut Graph, node: &Node) -> Option<ValueId> {
    let Some(Const::F32(divisor)) = splat(graph, node.operands[1]) else { return None };
    let reciprocal = 1.0 / divisor;
    let power_of_two = divisor.to_bits() << 9 == 0 && divisor.is_normal() && reciprocal.is_normal();
    if !power_of_two {
        return None;
    }
    let factor = constant(graph, node, reciprocal);
    Some(push(graph, node, Op::Binary(Binary::Mul), vec![node.operands[0], factor]))
}

/// Whole exponents from 0 to 8 as products by squaring; -1 as a quotient.
fn power(graph: &mut Graph, node: &Node) -> Option<ValueId> {
    let (base, exponent) = (node.operands[0], node.operands[1]);
    let Some(Const::F32(exponent)) = splat(graph, exponent) else { return None };
    let exponent = *exponent;
    if exponent == -1.0 {
        let one = constant(graph, node, 1.0);
        return Some(push(graph, node, Op::Binary(Binary::Div), vec![one, base]));
    }
    if exponent.fract() != 0.0 || !(0.0..=8.0).contains(&exponent) {
        return None;
    }
    let (mut rest, mut square, mut product) = (exponent as u32, base, None);
    while rest > 0 {
        if rest % 2 == 1 {
            product = Some(match product {
                None => square,
                Some(product) => push(graph, node, Op::Binary(Binary::Mul), vec![product, square]),
            });
        }
        rest /= 2;
        if rest > 0 {
            square = push(graph, node, Op::Binary(Binary::Mul), vec![square, square]);
        }
    }
    Some(product.unwrap_or_else(|| constant(graph, node, 1.0)))
}

fn int(graph: &mut Graph, node: &Node, function: Binary) -> Option<ValueId> {
    let (a, b) = (node.operands[0], node.operands[1]);
    let is = |value, wanted| matches!(splat(graph, value), Some(Const::I32(value)) if *value == wanted);
    match function {
        Binary::Add if is(a, 0) => Some(b),
        Binary::Add | Binary::Sub if is(b, 0) => Some(a),
        Binary::Mul if is(a, 1) => Some(b),
        Binary::Mul | Binary::Div if is(b, 1) => Some(a),
        Binary::Mul if is(a, 0) || is(b, 0) => Some(constant(graph, node, 0.0)),
        Binary::Sub if a == b => Some(constant(graph, node, 0.0)),
        Binary::Max | Binary::Min if a == b => Some(a),
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem => None,
        Binary::Pow | Binary::Max | Binary::Min => None,
    }
}

fn logic(graph: &Graph, node: &Node) -> Option<ValueId> {
    let (a, b) = (node.operands[0], node.operands[1]);
    if a == b {
        return Some(a);
    }
    // `and` has the unit true, `or` false; the other constant absorbs.
    let unit = node.op == Op::And;
    [(a, b), (b, a)].into_iter().find_map(|(known, other)| match splat(graph, known) {
        Some(Const::Bool(value)) => Some(if *value == unit { other } else { known }),
        Some(_) | None => None,
    })
}

fn select(graph: &Graph, node: &Node) -> Option<ValueId> {
    let &[condition, a, b] = &node.operands[..] else { return None };
    match splat(graph, condition) {
        Some(Const::Bool(value)) => Some(if *value { a } else { b }),
        Some(_) | None => (a == b).then_some(a),
    }
}
