//! What becomes of each value: computed in its readers, or a root that is
//! computed once, by one group.
//!
//! In: the graph. Out: [`Fates`]. Invariant: operands of wide calls, sources of
//! indirect reads and of reshapes without an affine index end in memory; no
//! inlined chain, and no sum of those of a concatenation's parts, is longer than
//! [`LONGEST`], which bounds kernels and recursion.

use crate::ir::{Binary, Const, Graph, Node, Op, SlotId, Unary, ValueId};
use crate::loops::ir::Affine;

use super::product::{Axes, Form, Side, pair};
use super::turns::reads_whole;
use super::view::{Strided, is_row_major, operand_index, padded, row_major, strided};

/// What a node is to the lowering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// In memory before the step: a slot or a table.
    Memory,
    /// A number made on the spot: splat or iota.
    Made,
    /// An index map.
    View,
    /// Elementwise, or a guarded or indirect read.
    Map,
    /// A sum, a maximum, or a contraction as a nest.
    Reduce,
    /// A contraction by the wide kernels.
    Product,
    /// A kernel of its own: random numbers, scatter, concat, dilation.
    Own,
}

/// The decisions.
#[derive(Clone, Debug)]
pub(super) struct Fates {
    /// What each node is.
    pub class: Vec<Class>,
    /// Whether anything needs it.
    pub live: Vec<bool>,
    /// Whether some group computes it as a value of its own.
    pub root: Vec<bool>,
    /// Whether it must be readable in memory whatever the groups are.
    pub needed: Vec<bool>,
    /// Cost of computing it from roots and memory, in the language's units.
    pub cost: Vec<u32>,
    /// Statements of computing it from roots and memory.
    pub length: Vec<u32>,
    /// The strides of inputs that are no contiguous arrays.
    layouts: Vec<Option<Vec<i64>>>,
}

/// Longest chain of inlined statements.
const LONGEST: u32 = 100;
/// Inline if (readers - 1) · cost is at most this.
const INLINE: u32 = 8;
/// The same for values of one element: computed once a kernel, outside its loops.
const INLINE_SCALAR: u32 = 150;
/// A value that a broadcast repeats along outer axes is computed once if it costs more.
const REPEAT: u32 = 8;
/// More readers than this are not told apart.
const MANY: usize = 16;

impl Fates {
    /// Decides for the whole graph; with `fuse` off every value is a root. `slots` gives the strides of slots that
    /// are no contiguous arrays.
    pub fn decide(graph: &Graph, slots: &[Option<Vec<i64>>], fuse: bool) -> Fates {
        let count = graph.nodes.len();
        let layout = |node: &Node| {
            let Op::Input(slot) = node.op else { return None };
            slots.get(slot.index()).cloned().flatten()
        };
        let mut fates = Fates {
            class: graph.nodes.iter().map(|node| class(graph, node)).collect(),
            live: live(graph),
            root: vec![false; count],
            needed: vec![false; count],
            cost: vec![0; count],
            length: vec![0; count],
            layouts: graph.nodes.iter().map(layout).collect(),
        };
        for output in &graph.outputs {
            fates.need(output.value);
        }
        fates.settle_memory(graph, fuse);
        if fuse {
            fates.store_shared(graph);
        }
        fates
    }

    /// Whether a value can be loaded.
    pub fn in_memory(&self, value: ValueId) -> bool {
        self.root[value.index()] || self.class[value.index()] == Class::Memory
    }

    /// The strides of a value that can be loaded.
    pub fn layout(&self, graph: &Graph, value: ValueId) -> Option<Vec<i64>> {
        let given = || self.layouts[value.index()].clone();
        self.in_memory(value).then(|| given().unwrap_or_else(|| row_major(&graph.ty(value).shape)))
    }

    fn need(&mut self, value: ValueId) {
        self.needed[value.index()] = true;
        self.root[value.index()] |= self.class[value.index()] != Class::Memory;
    }

    /// First walk, forward: roots by nature, and operands that must lie in memory.
    fn settle_memory(&mut self, graph: &Graph, fuse: bool) {
        for (at, node) in graph.nodes.iter().enumerate() {
            if !self.live[at] {
                continue;
            }
            self.settle_operands(graph, ValueId(at as u32), node);
            let class = self.class[at];
            let by_nature = match class {
                Class::Reduce | Class::Product | Class::Own => true,
                Class::Map => !fuse,
                Class::Memory | Class::Made | Class::View => false,
            };
            self.root[at] |= by_nature;
            self.needed[at] |= by_nature && (!fuse || matches!(class, Class::Own));
            let operands = node.operands.iter().filter(|operand| !self.in_memory(**operand));
            let (length, cost) = operands.fold((1, op_cost(&node.op)), |(length, cost), operand| {
                (length + self.length[operand.index()], cost + self.cost[operand.index()])
            });
            if length > LONGEST && class == Class::Map {
                self.root[at] = true;
            }
            (self.length[at], self.cost[at]) = (length, cost);
        }
    }

    fn settle_operands(&mut self, graph: &Graph, value: ValueId, node: &Node) {
        match (&node.op, self.class[value.index()]) {
            (Op::Reshape { shape }, _) => {
                let index = vec![Affine::default(); shape.len()];
                if operand_index(graph, node, &index).is_none() {
                    self.force(graph, node.operands[0], true);
                }
            }
            (Op::Contract { .. }, Class::Product) => self.settle_product(graph, value, node),
            (Op::Scan { scan, .. }, _) => {
                // First values are copied in; what is read each turn is read where it lies.
                for (at, &operand) in node.operands.iter().enumerate().skip(scan.carries) {
                    self.force(graph, operand, reads_whole(&scan.body, SlotId(1 + at as u32)));
                    let view = strided(graph, &|value| self.layout(graph, value), operand);
                    // A matrix that lies by columns is laid by rows once, not read across in every turn.
                    let captured = at >= scan.carries + scan.sequences;
                    let across = |view: &Strided| captured && view.strides.last().is_some_and(|&stride| stride > 1);
                    if view.is_none_or(|view| across(&view) || view.strides.iter().any(|&stride| stride < 0)) {
                        self.need(operand);
                    }
                }
            }
            (Op::Conv { .. }, _) => node.operands.iter().for_each(|&operand| self.force_contiguous(graph, operand)),
            (Op::Fold { .. }, _) => self.force(graph, node.operands[0], false),
            (Op::Unfold { .. }, Class::Map) => {
                let index = vec![Affine::default(); node.ty.rank()];
                let in_memory = |value| self.in_memory(value);
                if let Some(found) = padded(graph, &in_memory, value, &index) {
                    self.need(found.base);
                }
            }
            (Op::Gather { .. } | Op::Unslice { .. }, Class::Map) => self.force(graph, node.operands[0], false),
            (Op::Argsort { .. }, _) => self.force(graph, node.operands[0], false),
            // All parts are computed in one kernel: together they are no longer than one chain may be.
            (Op::Concat { .. }, _) => {
                let open = |operand: &&ValueId| !self.in_memory(**operand);
                let length: u32 = node.operands.iter().filter(open).map(|operand| self.length[operand.index()]).sum();
                if length > LONGEST {
                    node.operands.iter().for_each(|&operand| self.need(operand));
                }
            }
            _ => {}
        }
    }

    /// Both operands of a wide product in memory, as copies where strides do not join the summed axes; the product is
    /// a plain nest if even those do not.
    fn settle_product(&mut self, graph: &Graph, value: ValueId, node: &Node) {
        let Some(axes) = Axes::of(graph, node) else { return };
        let (a, b) = pair(node);
        let sides: [(ValueId, Side); 2] = [(a, |pair| pair.0), (b, |pair| pair.1)];
        for (operand, side) in sides {
            let joins = |fates: &Fates| {
                let view = strided(graph, &|value| fates.layout(graph, value), operand);
                view.is_some_and(|view| axes.over_joins(graph, node, &view, side))
            };
            self.force(graph, operand, false);
            if !joins(self) {
                self.need(operand);
            }
            if !joins(self) {
                self.class[value.index()] = Class::Reduce;
            }
        }
    }

    /// Makes `value` a strided view of something in memory; `whole`: contiguous.
    fn force(&mut self, graph: &Graph, value: ValueId, whole: bool) {
        if self.in_memory(value) {
            self.needed[value.index()] = true;
            return;
        }
        if whole || self.class[value.index()] != Class::View {
            return self.need(value);
        }
        if let Some(view) = strided(graph, &|value| self.layout(graph, value), value) {
            self.needed[view.base.index()] = true;
            return;
        }
        self.force(graph, graph.node(value).operands[0], false);
        if strided(graph, &|value| self.layout(graph, value), value).is_none() {
            self.need(value);
        }
    }

    /// Makes `value` lie in memory as one row-major block.
    fn force_contiguous(&mut self, graph: &Graph, value: ValueId) {
        let layout = |value| self.layout(graph, value);
        let shape = &graph.ty(value).shape;
        match strided(graph, &layout, value).filter(|view| is_row_major(shape, &view.strides)) {
            Some(view) => self.needed[view.base.index()] = true,
            None => self.need(value),
        }
    }

    /// Second walk, backward: maps whose recomputation in every reader would cost too much become roots.
    fn store_shared(&mut self, graph: &Graph) {
        let mut readers: Vec<Vec<u32>> = vec![Vec::new(); graph.nodes.len()];
        // Whether a reader computes a value again for each turn of an outer loop.
        let mut repeated = vec![false; graph.nodes.len()];
        for at in (0..graph.nodes.len()).rev().filter(|&at| self.live[at]) {
            let many = readers[at].len() as u32;
            let limit = if graph.nodes[at].ty.len() == 1 { INLINE_SCALAR } else { INLINE };
            let shared = many > 1 && (many - 1) * self.cost[at] > limit;
            if self.class[at] == Class::Map && (shared || repeated[at] && self.cost[at] > REPEAT) {
                self.root[at] = true;
            }
            let again = repeats_outside(graph, &graph.nodes[at]) || repeated[at] && !self.root[at];
            for operand in &graph.nodes[at].operands {
                repeated[operand.index()] |= again;
            }
            let above = if self.root[at] { vec![at as u32] } else { std::mem::take(&mut readers[at]) };
            for operand in &graph.nodes[at].operands {
                let seen = &mut readers[operand.index()];
                for reader in &above {
                    if seen.len() < MANY && !seen.contains(reader) {
                        seen.push(*reader);
                    }
                }
            }
        }
    }
}

/// Whether a broadcast repeats its operand along an axis that lies outside of one which the operand has: what varies
/// along the innermost loop cannot be taken out of the outer one.
fn repeats_outside(graph: &Graph, node: &Node) -> bool {
    let Op::Broadcast { axes, .. } = &node.op else { return false };
    let from = &graph.ty(node.operands[0]).shape;
    let innermost = axes.iter().zip(from).filter(|(_, size)| **size > 1).map(|(axis, _)| *axis).max();
    let repeated = |axis: usize| !axes.contains(&axis) && node.ty.shape[axis] > 1;
    innermost.is_some_and(|innermost| (0..innermost).any(repeated))
}

/// Cost of one op an element, in the language's units.
pub(super) fn op_cost(op: &Op) -> u32 {
    match op {
        Op::Input(_)
        | Op::Const { .. }
        | Op::Iota { .. }
        | Op::StopGradient
        | Op::Broadcast { .. }
        | Op::Reshape { .. }
        | Op::Transpose { .. }
        | Op::Slice { .. } => 0,
        Op::Unfold { window, .. } => u32::from(!window.is_inside()),
        Op::Unary(Unary::Neg | Unary::Abs | Unary::Floor)
        | Op::Compare(_)
        | Op::And
        | Op::Or
        | Op::Not
        | Op::Select
        | Op::Convert(_)
        | Op::Unslice { .. }
        | Op::Concat { .. }
        | Op::Sum { .. }
        | Op::MaxOf { .. }
        | Op::Fold { .. }
        | Op::Contract { .. }
        | Op::Conv { .. } => 1,
        Op::Unary(Unary::Sqrt) | Op::Binary(Binary::Div | Binary::Rem) => 4,
        Op::Unary(
            Unary::Exp
            | Unary::Log
            | Unary::Sin
            | Unary::Cos
            | Unary::Softplus
            | Unary::Tanh
            | Unary::Logistic
            | Unary::Erf
            | Unary::ErfInv,
        )
        | Op::Binary(Binary::Pow)
        | Op::Random { .. } => 12,
        Op::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Max | Binary::Min) => 1,
        Op::Gather { .. } | Op::ScatterAdd { .. } => 8,
        Op::Scan { .. } => 12,
        Op::Put { .. } => 1,
        Op::Argsort { .. } => 12,
    }
}

fn class(graph: &Graph, node: &Node) -> Class {
    match &node.op {
        Op::Input(_) | Op::Const { value: Const::Table { .. }, .. } => Class::Memory,
        Op::Const { value: Const::F32(_) | Const::I32(_) | Const::Bool(_), .. } | Op::Iota { .. } => Class::Made,
        Op::StopGradient | Op::Broadcast { .. } | Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. } => {
            Class::View
        }
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::And
        | Op::Or
        | Op::Not
        | Op::Select
        | Op::Convert(_)
        | Op::Gather { .. } => Class::Map,
        Op::Unslice { step, .. } if step.iter().all(|step| step.abs() == 1) => Class::Map,
        Op::Unfold { window, .. } => {
            if window.is_inside() {
                Class::View
            } else {
                Class::Map
            }
        }
        Op::Sum { axes } | Op::MaxOf { axes } => {
            let shape = &graph.ty(node.operands[0]).shape;
            if axes.iter().all(|&axis| shape[axis] == 1) { Class::View } else { Class::Reduce }
        }
        Op::Contract { .. } => match Axes::of(graph, node).map(|axes| axes.form(graph, node)) {
            Some(Form::Outer) | None => Class::Map,
            Some(Form::Dot | Form::Nest) => Class::Reduce,
            Some(Form::Gemm) => Class::Product,
        },
        Op::Random { .. } | Op::Unslice { .. } | Op::Concat { .. } | Op::ScatterAdd { .. } => Class::Own,
        Op::Fold { .. } | Op::Conv { .. } | Op::Scan { .. } => Class::Own,
        Op::Put { .. } | Op::Argsort { .. } => Class::Own,
    }
}

fn live(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes.len()];
    for output in &graph.outputs {
        live[output.value.index()] = true;
    }
    for at in (0..graph.nodes.len()).rev() {
        if live[at] {
            for operand in &graph.nodes[at].operands {
                live[operand.index()] = true;
            }
        }
    }
    live
}
