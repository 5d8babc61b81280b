//! Typed nodes, made in one place.
//!
//! In: tensors whose types have been checked. Out: nodes of the typed tree,
//! with the span and the label of the body at hand.

use std::sync::Arc;

use super::Checker;
use super::dims::Dim;
use super::limits::NODE_LIMIT;
use super::typed::{Kind, Node, NodeId};
use super::value::{Elem, Tensor};
use crate::ir::{Binary, Comparison, Const, DType, Op, Type, Unary};
use crate::source::Span;

impl Checker<'_> {
    /// Appends a node.
    pub(super) fn push(&mut self, kind: Kind, operands: Vec<NodeId>, ty: Type<Dim>, span: Span) -> NodeId {
        if self.program.nodes.len() >= NODE_LIMIT && !self.exhausted {
            self.exhaust(format!("the program unrolls to more than {NODE_LIMIT} operations"), span);
        }
        self.written.truncate(self.program.nodes.len());
        let user = if self.prelude.contains(&span.file) { self.user_call().unwrap_or(span) } else { span };
        self.written.push(user);
        let label = self.frames.last().map(|frame| frame.path.clone()).filter(|path| !path.is_empty());
        self.program.nodes.push(Node { kind, operands, ty, span, label, name: None });
        NodeId(self.program.nodes.len() as u32 - 1)
    }

    /// Appends an operation and gives its value.
    pub(super) fn op(&mut self, op: Op<Dim>, operands: &[NodeId], elem: Elem, shape: Vec<Dim>, span: Span) -> Tensor {
        let node = self.push(Kind::Op(op), operands.to_vec(), Type::new(elem.dtype(), shape.clone()), span);
        Tensor { node, elem, shape, classes: None }
    }

    /// A scalar constant of an element type.
    pub(super) fn constant(&mut self, value: f64, elem: &Elem, span: Span) -> Tensor {
        let data = match elem {
            Elem::F32 => Const::F32(value as f32),
            Elem::Int | Elem::Class(_) => Const::I32(value as i32),
            Elem::Bool => Const::Bool(value != 0.0),
        };
        self.op(Op::Const { value: data, shape: Vec::new() }, &[], elem.clone(), Vec::new(), span)
    }

    /// A table of numbers.
    pub(super) fn table(&mut self, values: &[f64], elem: Elem, shape: Vec<Dim>, span: Span) -> Tensor {
        let words: Arc<[u32]> = values
            .iter()
            .map(|&value| match elem {
                Elem::F32 => (value as f32).to_bits(),
                Elem::Int | Elem::Class(_) => (value as i32) as u32,
                Elem::Bool => u32::MAX * u32::from(value != 0.0),
            })
            .collect();
        let value = Const::Table { dtype: elem.dtype(), words };
        self.op(Op::Const { value, shape: shape.clone() }, &[], elem, shape, span)
    }

    /// A size as an f32 scalar: a constant if it is known already.
    pub(super) fn size_tensor(&mut self, dim: &Dim, span: Span) -> Tensor {
        match self.program.atoms.resolve(dim).as_number() {
            Some(number) => self.constant(number as f64, &Elem::F32, span),
            None => {
                let node = self.push(Kind::Size(dim.clone()), Vec::new(), Type::scalar(DType::F32), span);
                Tensor { node, elem: Elem::F32, shape: Vec::new(), classes: None }
            }
        }
    }

    /// The same values as another element type; nothing if it has that type.
    pub(super) fn convert(&mut self, tensor: Tensor, elem: Elem, span: Span) -> Tensor {
        if tensor.elem.dtype() == elem.dtype() {
            return Tensor { elem, ..tensor };
        }
        self.op(Op::Convert(elem.dtype()), &[tensor.node], elem, tensor.shape, span)
    }

    /// `tensor` laid along `axes` of `shape`.
    pub(super) fn broadcast(&mut self, tensor: Tensor, shape: &[Dim], axes: Vec<usize>, span: Span) -> Tensor {
        if tensor.shape == shape {
            return tensor;
        }
        let op = Op::Broadcast { shape: shape.to_vec(), axes };
        self.op(op, &[tensor.node], tensor.elem, shape.to_vec(), span)
    }

    /// A scalar everywhere in `shape`.
    pub(super) fn splat(&mut self, tensor: Tensor, shape: &[Dim], span: Span) -> Tensor {
        self.broadcast(tensor, shape, Vec::new(), span)
    }

    /// One operand, elementwise.
    pub(super) fn unary(&mut self, function: Unary, tensor: Tensor, span: Span) -> Tensor {
        self.op(Op::Unary(function), &[tensor.node], tensor.elem, tensor.shape, span)
    }

    /// Two operands of one shape and type.
    pub(super) fn binary(&mut self, function: Binary, a: Tensor, b: Tensor, span: Span) -> Tensor {
        self.op(Op::Binary(function), &[a.node, b.node], a.elem, a.shape, span)
    }

    /// Two operands of one shape and type.
    pub(super) fn compare(&mut self, comparison: Comparison, a: Tensor, b: Tensor, span: Span) -> Tensor {
        self.op(Op::Compare(comparison), &[a.node, b.node], Elem::Bool, a.shape, span)
    }

    /// `not`
    pub(super) fn negate(&mut self, tensor: Tensor, span: Span) -> Tensor {
        self.op(Op::Not, &[tensor.node], Elem::Bool, tensor.shape, span)
    }

    /// Sum over axes (ascending).
    pub(super) fn sum(&mut self, tensor: Tensor, axes: &[usize], span: Span) -> Tensor {
        let shape = without(&tensor.shape, axes);
        self.op(Op::Sum { axes: axes.to_vec() }, &[tensor.node], tensor.elem, shape, span)
    }

    /// The same elements in another shape.
    pub(super) fn reshape(&mut self, tensor: Tensor, shape: Vec<Dim>, span: Span) -> Tensor {
        let reshaped = self.op(Op::Reshape { shape: shape.clone() }, &[tensor.node], tensor.elem, shape, span);
        Tensor { classes: tensor.classes, ..reshaped }
    }

    /// A node of its own for a value, so that a name means this place and no other.
    pub(super) fn alias(&mut self, tensor: Tensor, span: Span) -> Tensor {
        let shape = tensor.shape.clone();
        self.reshape(tensor, shape, span)
    }

    /// Names a node, if it has no name yet.
    pub(super) fn name_node(&mut self, node: NodeId, name: &str) {
        let entry = &mut self.program.nodes[node.index()].name;
        if entry.is_none() {
            *entry = Some(name.into());
        }
    }
}

/// `shape` without `axes`.
pub(super) fn without(shape: &[Dim], axes: &[usize]) -> Vec<Dim> {
    shape.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, dim)| dim.clone()).collect()
}
