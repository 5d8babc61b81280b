//! Making nodes: an op, its operands and an origin in, a [`ValueId`] out.
//!
//! Invariant: a pushed node's type is what its shape rule gives and its
//! operands precede it. Nothing is shared: two pushes are two nodes until cse.
//! All helpers panic, with the shape rule's message, only where the caller
//! broke a rule that checking already guaranteed.

use super::graph::{Graph, LabelId, Node, Origin, Output, OutputKind, Owner, Slot, SlotId, ValueId};
use super::infer::infer;
use super::op::{Binary, Comparison, Const, Op, Unary};
use super::types::{DType, Type};

impl Graph {
    /// Appends a node and returns its value.
    ///
    /// # Panics
    /// With the shape rule's message: an internal error.
    pub fn push(&mut self, op: Op, operands: Vec<ValueId>, origin: Origin) -> ValueId {
        match self.try_push(op, operands, origin) {
            Ok(value) => value,
            Err(reason) => panic!("internal error: {reason}"),
        }
    }

    /// Appends a node, or says why its shape rule refuses it.
    ///
    /// # Errors
    /// The shape rule's message, or an operand that does not exist yet.
    pub fn try_push(&mut self, op: Op, operands: Vec<ValueId>, origin: Origin) -> Result<ValueId, String> {
        let ty = self.infer_node(&op, &operands)?;
        self.nodes.push(Node { op, operands, ty, origin, name: None });
        Ok(ValueId(self.nodes.len() as u32 - 1))
    }

    /// The type `op` would have on these values.
    ///
    /// # Errors
    /// As [`Graph::try_push`].
    pub fn infer_node(&self, op: &Op, operands: &[ValueId]) -> Result<Type, String> {
        let types: Option<Vec<&Type>> =
            operands.iter().map(|operand| self.nodes.get(operand.index()).map(|node| &node.ty)).collect();
        let types = types.ok_or_else(|| format!("{}: an operand of {operands:?} does not exist", op.name()))?;
        infer(op, &types, &self.slots)
    }

    /// Adds a slot.
    pub fn slot_new(&mut self, path: impl Into<String>, ty: Type, owner: Owner) -> SlotId {
        self.slots.push(Slot { path: path.into(), ty, owner });
        SlotId(self.slots.len() as u32 - 1)
    }

    /// Adds a slot and the node that reads it.
    pub fn slot_input(&mut self, path: impl Into<String>, ty: Type, owner: Owner, origin: Origin) -> ValueId {
        let slot = self.slot_new(path, ty, owner);
        self.input(slot, origin)
    }

    /// The label with this text; added if new.
    pub fn label(&mut self, text: &str) -> LabelId {
        let at = self.labels.iter().position(|label| &**label == text).unwrap_or_else(|| {
            self.labels.push(text.into());
            self.labels.len() - 1
        });
        LabelId(at as u32)
    }

    /// Hands `value` to the host as `name`.
    pub fn figure(&mut self, name: impl Into<String>, value: ValueId) {
        self.outputs.push(Output { kind: OutputKind::Figure(name.into()), value });
    }

    /// Makes `value` the slot's value at the end of the step.
    pub fn write(&mut self, slot: SlotId, value: ValueId) {
        self.outputs.push(Output { kind: OutputKind::Write(slot), value });
    }

    /// Gives a value the name a `let` gave it, for printing.
    pub fn set_name(&mut self, value: ValueId, name: &str) {
        self.nodes[value.index()].name = Some(name.into());
    }
}

/// The ops, a short helper each.
impl Graph {
    /// The slot's value as at the step's start.
    pub fn input(&mut self, slot: SlotId, origin: Origin) -> ValueId {
        self.push(Op::Input(slot), vec![], origin)
    }

    /// An f32 scalar.
    pub fn f32(&mut self, value: f32, origin: Origin) -> ValueId {
        self.splat(Const::F32(value), &[], origin)
    }

    /// An i32 scalar.
    pub fn i32(&mut self, value: i32, origin: Origin) -> ValueId {
        self.splat(Const::I32(value), &[], origin)
    }

    /// A bool scalar.
    pub fn bool(&mut self, value: bool, origin: Origin) -> ValueId {
        self.splat(Const::Bool(value), &[], origin)
    }

    /// The same constant everywhere in `shape`.
    pub fn splat(&mut self, value: Const, shape: &[usize], origin: Origin) -> ValueId {
        self.push(Op::Const { value, shape: shape.to_vec() }, vec![], origin)
    }

    /// An f32 table in row-major order.
    pub fn table_f32(&mut self, values: &[f32], shape: &[usize], origin: Origin) -> ValueId {
        let words = values.iter().map(|value| value.to_bits()).collect();
        self.splat(Const::Table { dtype: DType::F32, words }, shape, origin)
    }

    /// An i32 table in row-major order.
    pub fn table_i32(&mut self, values: &[i32], shape: &[usize], origin: Origin) -> ValueId {
        let words = values.iter().map(|value| *value as u32).collect();
        self.splat(Const::Table { dtype: DType::I32, words }, shape, origin)
    }

    /// A constant of the type and shape of `like`, the same everywhere; exact
    /// for the small whole numbers and fractions rules use. For bool: != 0.
    pub fn full_like(&mut self, like: ValueId, value: f32, origin: Origin) -> ValueId {
        let ty = self.ty(like).clone();
        let constant = match ty.dtype {
            DType::F32 => Const::F32(value),
            DType::I32 => Const::I32(value as i32),
            DType::Bool => Const::Bool(value != 0.0),
        };
        self.splat(constant, &ty.shape, origin)
    }

    /// i32: the index along `axis`.
    pub fn iota(&mut self, axis: usize, shape: &[usize], origin: Origin) -> ValueId {
        self.push(Op::Iota { axis, shape: shape.to_vec() }, vec![], origin)
    }

    /// An elementwise function.
    pub fn unary(&mut self, function: Unary, a: ValueId, origin: Origin) -> ValueId {
        self.push(Op::Unary(function), vec![a], origin)
    }

    /// An elementwise function of two values of one type.
    pub fn binary(&mut self, function: Binary, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.push(Op::Binary(function), vec![a, b], origin)
    }

    /// -a.
    pub fn neg(&mut self, a: ValueId, origin: Origin) -> ValueId {
        self.unary(Unary::Neg, a, origin)
    }

    /// a + b.
    pub fn add(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.binary(Binary::Add, a, b, origin)
    }

    /// a - b.
    pub fn sub(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.binary(Binary::Sub, a, b, origin)
    }

    /// a · b.
    pub fn mul(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.binary(Binary::Mul, a, b, origin)
    }

    /// a / b.
    pub fn div(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.binary(Binary::Div, a, b, origin)
    }

    /// A comparison.
    pub fn compare(&mut self, comparison: Comparison, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.push(Op::Compare(comparison), vec![a, b], origin)
    }

    /// a < b.
    pub fn lt(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.compare(Comparison::Lt, a, b, origin)
    }

    /// a <= b.
    pub fn le(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.compare(Comparison::Le, a, b, origin)
    }

    /// a == b.
    pub fn eq(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.compare(Comparison::Eq, a, b, origin)
    }

    /// `a` where the condition holds, else `b`.
    pub fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.push(Op::Select, vec![condition, a, b], origin)
    }

    /// To another element type.
    pub fn convert(&mut self, to: DType, a: ValueId, origin: Origin) -> ValueId {
        self.push(Op::Convert(to), vec![a], origin)
    }

    /// Operand axis i becomes result axis `axes[i]`.
    pub fn broadcast(&mut self, a: ValueId, shape: &[usize], axes: &[usize], origin: Origin) -> ValueId {
        self.push(Op::Broadcast { shape: shape.to_vec(), axes: axes.to_vec() }, vec![a], origin)
    }

    /// Broadcasts with the trailing axes aligned; `a` itself if it has the shape already.
    pub fn broadcast_to(&mut self, a: ValueId, shape: &[usize], origin: Origin) -> ValueId {
        let from = &self.ty(a).shape;
        if from == shape {
            return a;
        }
        let axes: Vec<usize> = (shape.len().saturating_sub(from.len())..shape.len()).collect();
        self.broadcast(a, shape, &axes, origin)
    }

    /// The same elements in another shape; `a` itself if it has the shape already.
    pub fn reshape(&mut self, a: ValueId, shape: &[usize], origin: Origin) -> ValueId {
        if self.ty(a).shape == shape {
            return a;
        }
        self.push(Op::Reshape { shape: shape.to_vec() }, vec![a], origin)
    }

    /// Result axis i is operand axis `perm[i]`; `a` itself if nothing moves.
    pub fn transpose(&mut self, a: ValueId, perm: &[usize], origin: Origin) -> ValueId {
        if perm.iter().enumerate().all(|(at, &axis)| at == axis) && perm.len() == self.ty(a).rank() {
            return a;
        }
        self.push(Op::Transpose { perm: perm.to_vec() }, vec![a], origin)
    }

    /// Axes (ascending) summed away; `a` itself if there are none.
    pub fn sum(&mut self, a: ValueId, axes: &[usize], origin: Origin) -> ValueId {
        if axes.is_empty() {
            return a;
        }
        self.push(Op::Sum { axes: axes.to_vec() }, vec![a], origin)
    }

    /// Everything summed to a scalar.
    pub fn sum_all(&mut self, a: ValueId, origin: Origin) -> ValueId {
        let axes: Vec<usize> = (0..self.ty(a).rank()).collect();
        self.sum(a, &axes, origin)
    }

    /// Maximum over axes (ascending); `a` itself if there are none.
    pub fn max_of(&mut self, a: ValueId, axes: &[usize], origin: Origin) -> ValueId {
        if axes.is_empty() {
            return a;
        }
        self.push(Op::MaxOf { axes: axes.to_vec() }, vec![a], origin)
    }

    /// The product over `over`, axis by axis in `batch`.
    pub fn contract(
        &mut self,
        a: ValueId,
        b: ValueId,
        batch: &[(usize, usize)],
        over: &[(usize, usize)],
        origin: Origin,
    ) -> ValueId {
        self.push(Op::Contract { batch: batch.to_vec(), over: over.to_vec() }, vec![a, b], origin)
    }

    /// Last axis of `a` with the first of `b`: `x @ w` for a matrix `w`.
    pub fn matmul(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        let last = self.ty(a).rank().saturating_sub(1);
        self.contract(a, b, &[], &[(last, 0)], origin)
    }

    /// Both.
    pub fn and(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.push(Op::And, vec![a, b], origin)
    }

    /// Either.
    pub fn or(&mut self, a: ValueId, b: ValueId, origin: Origin) -> ValueId {
        self.push(Op::Or, vec![a, b], origin)
    }

    /// Not a.
    pub fn not(&mut self, a: ValueId, origin: Origin) -> ValueId {
        self.push(Op::Not, vec![a], origin)
    }

    /// a, through which no gradient flows.
    pub fn stop_gradient(&mut self, a: ValueId, origin: Origin) -> ValueId {
        self.push(Op::StopGradient, vec![a], origin)
    }

    /// A value with a node of its own: a reshape to the same shape, until `strip`.
    pub fn alias(&mut self, a: ValueId, origin: Origin) -> ValueId {
        let shape = self.ty(a).shape.clone();
        self.push(Op::Reshape { shape }, vec![a], origin)
    }

    /// `size` elements of `axis` from `start` on.
    pub fn slice_axis(&mut self, a: ValueId, axis: usize, start: usize, size: usize, origin: Origin) -> ValueId {
        let mut sizes = self.ty(a).shape.clone();
        let (mut starts, step) = (vec![0; sizes.len()], vec![1; sizes.len()]);
        (starts[axis], sizes[axis]) = (start, size);
        self.push(Op::Slice { start: starts, size: sizes, step }, vec![a], origin)
    }

    /// The parts, joined along `axis`; a single part is itself.
    pub fn concat(&mut self, parts: &[ValueId], axis: usize, origin: Origin) -> ValueId {
        if let [only] = parts {
            return *only;
        }
        self.push(Op::Concat { axis }, parts.to_vec(), origin)
    }

    /// Uniform f32 in [0, 1); `base` (a multiple of 64) is the first element's
    /// number, `key` the scalars (seed, step, turn).
    pub fn random(&mut self, place: u32, base: u64, key: [ValueId; 3], shape: &[usize], origin: Origin) -> ValueId {
        self.push(Op::Random { place, base, shape: shape.to_vec() }, key.to_vec(), origin)
    }

    /// `axis` of x is replaced by the shape of `index`.
    pub fn gather(&mut self, x: ValueId, index: ValueId, axis: usize, origin: Origin) -> ValueId {
        self.push(Op::Gather { axis }, vec![x, index], origin)
    }
}
