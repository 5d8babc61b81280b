//! The table of derivative rules: one arm an op, no walking inside.
//!
//! A rule gets node y, its cotangent g and an operand's number k, and returns
//! what y contributes to that operand's adjoint, as new nodes of the same ops.
//! Invariant: [`adjoint`] gives `None` exactly where [`passes`] says no, and for scans, which the walk differentiates.

mod elementwise;
mod movement;
mod reduce;

use crate::ir::{DType, Graph, Op, Origin, Unary, ValueId};

/// Whether a gradient flows from node `y` to its operand `k`.
pub fn passes(graph: &Graph, y: ValueId, k: usize) -> bool {
    let node = graph.node(y);
    let floats = node.ty.dtype == DType::F32 && graph.ty(node.operands[k]).dtype == DType::F32;
    match &node.op {
        Op::Scan { scan, result } => floats && super::scan::flows(scan, *result, k),
        op => floats && !blocks(op),
    }
}

/// Ops of floats that have derivative 0 (or none) everywhere.
fn blocks(op: &Op) -> bool {
    match op {
        Op::StopGradient | Op::Unary(Unary::Floor) => true,
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Random { .. } | Op::Unary(_) | Op::Binary(_) => false,
        Op::Compare(_) | Op::And | Op::Or | Op::Not | Op::Select | Op::Convert(_) | Op::Broadcast { .. } => false,
        Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. } | Op::Unslice { .. } | Op::Concat { .. } => false,
        Op::Unfold { .. } | Op::Fold { .. } | Op::Conv { .. } => false,
        Op::Sum { .. } | Op::MaxOf { .. } | Op::Contract { .. } | Op::Gather { .. } | Op::ScatterAdd { .. } => false,
        Op::Scan { .. } => false,
        Op::Put { .. } | Op::Argsort { .. } => false,
    }
}

/// What node `y` with cotangent `g` contributes to the adjoint of its operand `k`.
pub(super) fn adjoint(graph: &mut Graph, y: ValueId, g: ValueId, k: usize, origin: Origin) -> Option<ValueId> {
    if !passes(graph, y, k) {
        return None;
    }
    let (op, operands) = (graph.node(y).op.clone(), graph.node(y).operands.clone());
    let mut cx = Context { graph, y, g, operands, origin };
    match &op {
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Random { .. } => None,
        Op::Compare(_) | Op::And | Op::Or | Op::Not | Op::StopGradient => None,
        // From f32 to f32, the only conversion that passes, it is the identity.
        Op::Convert(_) => Some(g),
        Op::Unary(function) => elementwise::unary(&mut cx, *function),
        Op::Binary(function) => Some(elementwise::binary(&mut cx, *function, k)),
        Op::Select => Some(elementwise::select(&mut cx, k)),
        Op::Broadcast { shape, axes } => Some(movement::broadcast(&mut cx, shape, axes)),
        Op::Reshape { .. } => Some(movement::reshape(&mut cx)),
        Op::Transpose { perm } => Some(movement::transpose(&mut cx, perm)),
        Op::Slice { start, step, .. } => Some(movement::slice(&mut cx, start, step)),
        Op::Unslice { start, step, .. } => Some(movement::unslice(&mut cx, start, step)),
        Op::Concat { axis } => Some(movement::concat(&mut cx, *axis, k)),
        Op::Unfold { axis, window, .. } => Some(movement::unfold(&mut cx, *axis, window)),
        Op::Fold { axis, window } => Some(movement::fold(&mut cx, *axis, window)),
        Op::Gather { axis } => Some(movement::gather(&mut cx, *axis)),
        Op::ScatterAdd { axis, .. } => Some(movement::scatter_add(&mut cx, *axis)),
        // Its results are differentiated together, by the walk.
        Op::Scan { .. } => None,
        Op::Put { axis } => Some(movement::put(&mut cx, *axis, k)),
        // Its result is whole numbers, through which nothing passes.
        Op::Argsort { .. } => None,
        Op::Sum { axes } => Some(reduce::sum(&mut cx, axes)),
        Op::MaxOf { axes } => Some(reduce::max_of(&mut cx, axes)),
        Op::Contract { batch, over } => Some(reduce::contract(&mut cx, batch, over, k)),
        Op::Conv { face, windows, groups } => Some(reduce::conv(&mut cx, *face, windows, *groups, k)),
    }
}

/// What a rule may look at, and where it puts its nodes.
struct Context<'a> {
    graph: &'a mut Graph,
    y: ValueId,
    g: ValueId,
    operands: Vec<ValueId>,
    origin: Origin,
}

/// The few constructors that rules read best with, origin filled in.
impl Context<'_> {
    fn shape(&self, value: ValueId) -> Vec<usize> {
        self.graph.ty(value).shape.clone()
    }

    /// A constant of the shape of y.
    fn constant(&mut self, value: f32) -> ValueId {
        self.graph.full_like(self.y, value, self.origin)
    }

    fn unary(&mut self, function: Unary, a: ValueId) -> ValueId {
        self.graph.unary(function, a, self.origin)
    }

    fn neg(&mut self, a: ValueId) -> ValueId {
        self.graph.neg(a, self.origin)
    }

    fn sub(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.graph.sub(a, b, self.origin)
    }

    fn mul(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.graph.mul(a, b, self.origin)
    }

    fn div(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.graph.div(a, b, self.origin)
    }

    fn lt(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.graph.lt(a, b, self.origin)
    }

    fn eq(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.graph.eq(a, b, self.origin)
    }

    fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> ValueId {
        self.graph.select(condition, a, b, self.origin)
    }

    fn push(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
        self.graph.push(op, operands.to_vec(), self.origin)
    }
}
