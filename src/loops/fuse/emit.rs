//! Values of the graph as statements of a kernel.
//!
//! In: a node and the index at which it is wanted. Out: the scalar value, made
//! of loads and the inlined nodes between. Invariant: a value is computed once
//! in each open loop that asks for it at one index.

use crate::ir::{Const, DType, Graph, Node, Op, ValueId as NodeId};
use crate::loops::ir::{Access, Affine, Guard, Indirect, Mode, ParamId, ScalarOp, ValueId};

use super::fate::{Class, Fates};
use super::home::Home;
use super::product::{Axes, pair};
use super::scope::Scope;
use super::view::{Strided, flat, operand_index, padded, row_major, strided};

/// A kernel in the making, over one graph.
pub(super) struct Emitter<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The decisions.
    pub fates: &'a Fates,
    /// Where each value in memory lies.
    pub homes: &'a [Option<Home>],
    /// Values of the open nest that are computed again rather than read back.
    pub again: Vec<NodeId>,
    /// The statements so far.
    pub scope: Scope,
}

impl Emitter<'_> {
    /// The value of `node` at `index`.
    pub fn value(&mut self, node: NodeId, index: &[Affine]) -> Result<ValueId, String> {
        if let Some(value) = self.scope.recall(node, index) {
            return Ok(value);
        }
        if self.readable(node) {
            let value = self.load(node, flat(index, &self.layout(node)))?;
            self.scope.remember(node, index, value);
            return Ok(value);
        }
        self.compute(node, index)
    }

    /// The same, though `node` has a buffer: this is where it is computed.
    pub fn compute(&mut self, id: NodeId, index: &[Affine]) -> Result<ValueId, String> {
        if let Some(value) = self.scope.recall(id, index) {
            return Ok(value);
        }
        let node = &self.graph.nodes[id.index()];
        let before = std::mem::replace(&mut self.scope.origin, node.origin);
        let value = self.operation(id, node, index)?;
        self.scope.origin = before;
        self.scope.remember(id, index, value);
        Ok(value)
    }

    /// Writes the value of `node` at `index`.
    pub fn store(&mut self, node: NodeId, index: &[Affine], value: ValueId) -> Result<(), String> {
        let at = flat(index, &row_major(&self.graph.ty(node).shape));
        let param = self.param(node, Mode::Out)?;
        self.scope.store(plain(param, at), value);
        Ok(())
    }

    /// The parameter for a value in memory.
    pub fn param(&mut self, node: NodeId, mode: Mode) -> Result<ParamId, String> {
        let home =
            self.homes[node.index()].as_ref().ok_or_else(|| format!("{node} is read from memory but has none"))?;
        let name = self.name(node);
        Ok(self.scope.param(&home.arg, &name, self.graph.ty(node).dtype, home.len, mode))
    }

    /// A chain of views as strides over memory.
    pub fn strided(&self, node: NodeId) -> Result<Strided, String> {
        strided(self.graph, &|value| self.readable(value).then(|| self.layout(value)), node)
            .ok_or_else(|| format!("{node} is no view of memory"))
    }

    fn readable(&self, node: NodeId) -> bool {
        self.homes[node.index()].is_some() && !self.again.contains(&node)
    }

    fn layout(&self, node: NodeId) -> Vec<i64> {
        self.fates.layout(self.graph, node).unwrap_or_else(|| row_major(&self.graph.ty(node).shape))
    }

    fn name(&self, node: NodeId) -> String {
        let found = self.graph.node(node);
        match (&found.op, &found.name) {
            (Op::Input(slot), _) => self.graph.slot(*slot).path.clone(),
            (_, Some(name)) => name.to_string(),
            (_, None) => node.to_string(),
        }
    }

    fn load(&mut self, node: NodeId, at: Affine) -> Result<ValueId, String> {
        let param = self.param(node, Mode::In)?;
        Ok(self.scope.define(ScalarOp::Load(plain(param, at)), self.graph.ty(node).dtype))
    }

    fn operation(&mut self, id: NodeId, node: &Node, index: &[Affine]) -> Result<ValueId, String> {
        let dtype = node.ty.dtype;
        let mut operands = Vec::new();
        let elementwise =
            !matches!(node.op, Op::Gather { .. } | Op::Unslice { .. } | Op::Unfold { .. } | Op::Contract { .. });
        if self.fates.class[id.index()] == Class::Map && elementwise {
            for &operand in &node.operands {
                operands.push(self.value(operand, index)?);
            }
        }
        let op = match (&node.op, &operands[..]) {
            (Op::Unary(function), &[a]) => ScalarOp::Unary(*function, a),
            (Op::Binary(function), &[a, b]) => ScalarOp::Binary(*function, a, b),
            (Op::Compare(comparison), &[a, b]) => ScalarOp::Compare(*comparison, a, b),
            (Op::And, &[a, b]) => ScalarOp::And(a, b),
            (Op::Or, &[a, b]) => ScalarOp::Or(a, b),
            (Op::Not, &[a]) => ScalarOp::Not(a),
            (Op::Select, &[c, a, b]) => ScalarOp::Select(c, a, b),
            (Op::Convert(to), &[a]) if self.graph.ty(node.operands[0]).dtype == *to => return Ok(a),
            (Op::Convert(to), &[a]) => ScalarOp::Convert(*to, a),
            (Op::Const { value, .. }, _) => constant(value)?,
            (Op::Iota { axis, .. }, _) => ScalarOp::Index(index[*axis].clone()),
            (Op::Gather { axis }, _) => self.gather(node, *axis, index)?,
            (Op::Unslice { start, step, .. }, _) => self.unslice(node, start, step, index)?,
            (Op::Unfold { .. }, _) if self.fates.class[id.index()] == Class::Map => self.padded(id, index)?,
            (Op::Contract { .. }, _) => return self.outer(node, index),
            _ => return self.view(id, node, index),
        };
        Ok(self.scope.define(op, dtype))
    }

    /// A view: its operand's value at another index.
    fn view(&mut self, id: NodeId, node: &Node, index: &[Affine]) -> Result<ValueId, String> {
        if let Some(read) = operand_index(self.graph, node, index) {
            return self.value(node.operands[0], &read);
        }
        if !matches!(node.op, Op::Reshape { .. }) {
            return Err(format!("{id} is read before its pass"));
        }
        let view = self.strided(node.operands[0])?;
        // Fates made the operand contiguous, so the result's own flat index is the operand's.
        let at = flat(index, &row_major(&node.ty.shape)).plus(&Affine::constant(view.offset));
        self.load(view.base, at)
    }

    fn gather(&mut self, node: &Node, axis: usize, index: &[Affine]) -> Result<ScalarOp, String> {
        let (source, at) = pair(node);
        let rank = self.graph.ty(at).rank();
        let view = self.strided(source)?;
        let which = self.value(at, &index[axis..axis + rank])?;
        let mut read: Vec<Affine> = index[..axis].to_vec();
        read.push(Affine::default());
        read.extend_from_slice(&index[axis + rank..]);
        let mut access = plain(self.param(view.base, Mode::In)?, view.at(&read));
        let bound = self.graph.ty(source).shape[axis] as i64;
        access.indirect = Some(Indirect { value: which, stride: view.strides[axis], bound });
        Ok(ScalarOp::Load(access))
    }

    fn unslice(&mut self, node: &Node, start: &[usize], step: &[i64], index: &[Affine]) -> Result<ScalarOp, String> {
        let operand = node.operands[0];
        let view = self.strided(operand)?;
        let shape = &self.graph.ty(operand).shape;
        let mut read = Vec::new();
        let mut guards = Vec::new();
        for axis in 0..shape.len() {
            let at = index[axis].plus(&Affine::constant(-(start[axis] as i64))).times(step[axis]);
            if shape[axis] != node.ty.shape[axis] {
                guards.push(Guard { at: at.clone(), bound: shape[axis] as i64, step: 1 });
            }
            read.push(at);
        }
        let mut access = plain(self.param(view.base, Mode::In)?, view.at(&read));
        access.guards = guards;
        Ok(ScalarOp::Load(access))
    }

    /// An element of a window that may reach into padding.
    fn padded(&mut self, id: NodeId, index: &[Affine]) -> Result<ScalarOp, String> {
        let found = padded(self.graph, &|value| self.readable(value), id, index).ok_or("no window")?;
        // Along axes of one element it is known whether a guard holds.
        let (known, open): (Vec<Guard>, Vec<Guard>) =
            found.guards.into_iter().partition(|guard| guard.at.terms.is_empty());
        let fill = found.fill.value().to_bits();
        if known.iter().any(|guard| !(0..guard.bound).contains(&guard.at.offset)) {
            return Ok(ScalarOp::F32(fill));
        }
        let at = flat(&found.index, &row_major(&self.graph.ty(found.base).shape));
        let mut access = plain(self.param(found.base, Mode::In)?, at);
        (access.guards, access.fill) = (open, fill);
        Ok(ScalarOp::Load(access))
    }

    /// A contraction over nothing (or over one element).
    fn outer(&mut self, node: &Node, index: &[Affine]) -> Result<ValueId, String> {
        let axes = Axes::of(self.graph, node).ok_or("a contraction without axes")?;
        let (a, b) = self.factors(node, &axes, index, &vec![Affine::default(); axes.over.len()])?;
        let op = ScalarOp::Binary(crate::ir::Binary::Mul, a, b);
        Ok(self.scope.define(op, node.ty.dtype))
    }

    /// The two factors of a contraction's term.
    pub fn factors(
        &mut self,
        node: &Node,
        axes: &Axes,
        index: &[Affine],
        over: &[Affine],
    ) -> Result<(ValueId, ValueId), String> {
        let (index_a, index_b) = axes.operand_indices(index, over);
        let (a, b) = pair(node);
        Ok((self.value(a, &index_a)?, self.value(b, &index_b)?))
    }

    /// The zero of a type.
    pub fn zero(&mut self, dtype: DType) -> ValueId {
        let op = match dtype {
            DType::F32 => ScalarOp::F32(0),
            DType::I32 => ScalarOp::I32(0),
            DType::Bool => ScalarOp::Bool(false),
        };
        self.scope.define(op, dtype)
    }
}

impl Strided {
    /// The element at an index.
    pub fn at(&self, index: &[Affine]) -> Affine {
        flat(index, &self.strides).plus(&Affine::constant(self.offset))
    }
}

/// An access without guards.
pub(super) fn plain(param: ParamId, index: Affine) -> Access {
    Access { param, index, indirect: None, guards: Vec::new(), fill: 0 }
}

fn constant(value: &Const) -> Result<ScalarOp, String> {
    match value {
        Const::F32(value) => Ok(ScalarOp::F32(value.to_bits())),
        Const::I32(value) => Ok(ScalarOp::I32(*value)),
        Const::Bool(value) => Ok(ScalarOp::Bool(*value)),
        Const::Table { .. } => Err("a table without memory".to_owned()),
    }
}
