//! Values of a scan's body for all turns at once, in the graph around.
//!
//! In: a value of the body. Out: the same with the turns in front, or the value
//! itself if it is the same every turn; nothing if a carry, the turn's number or
//! a draw is in it, or an op that has no form over turns here.

use std::collections::{BTreeSet, HashMap};

use crate::ir::{Graph, Node, Op, Origin, Scan, ValueId};

pub(super) struct Lift<'a> {
    /// The graph around.
    pub graph: &'a mut Graph,
    pub scan: &'a Scan,
    operands: &'a [ValueId],
    origin: Origin,
    /// For each node of the body: whether a carry, the turn or a draw is in it.
    bound: Vec<bool>,
    /// For each node: whether it may differ from turn to turn.
    varies: Vec<bool>,
    known: HashMap<ValueId, Option<(ValueId, bool)>>,
}

impl<'a> Lift<'a> {
    pub fn new(graph: &'a mut Graph, scan: &'a Scan, operands: &'a [ValueId], origin: Origin) -> Self {
        let count = scan.body.nodes.len();
        let (mut bound, mut varies) = (vec![false; count], vec![false; count]);
        for (at, node) in scan.body.nodes.iter().enumerate() {
            let any = |of: &[bool]| node.operands.iter().any(|operand| of[operand.index()]);
            (bound[at], varies[at]) = match node.op {
                Op::Input(slot) => {
                    let slot = slot.index();
                    (slot <= scan.carries, slot <= scan.carries + scan.sequences)
                }
                Op::Random { .. } | Op::Scan { .. } => (true, true),
                Op::Const { .. }
                | Op::Iota { .. }
                | Op::Unary(_)
                | Op::Binary(_)
                | Op::Compare(_)
                | Op::And
                | Op::Or
                | Op::Not
                | Op::Select
                | Op::Convert(_)
                | Op::StopGradient
                | Op::Broadcast { .. }
                | Op::Reshape { .. }
                | Op::Transpose { .. }
                | Op::Slice { .. }
                | Op::Unslice { .. }
                | Op::Concat { .. }
                | Op::Unfold { .. }
                | Op::Fold { .. }
                | Op::Sum { .. }
                | Op::MaxOf { .. }
                | Op::Contract { .. }
                | Op::Conv { .. }
                | Op::Gather { .. }
                | Op::ScatterAdd { .. }
                | Op::Put { .. }
                | Op::Argsort { .. } => (any(&bound), any(&varies)),
            };
        }
        Lift { graph, scan, operands, origin, bound, varies, known: HashMap::new() }
    }

    /// Whether a value may differ from turn to turn.
    pub fn varies(&self, value: ValueId) -> bool {
        self.varies[value.index()]
    }

    /// The value over all turns, and whether the turns are in front.
    pub fn lift(&mut self, value: ValueId) -> Option<(ValueId, bool)> {
        if self.bound[value.index()] {
            return None;
        }
        let mut needed = BTreeSet::new();
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            if !self.known.contains_key(&value) && needed.insert(value) {
                stack.extend(&self.scan.body.node(value).operands);
            }
        }
        // Whether all of it can be lifted is looked at first, so that nothing is made for nothing.
        if !needed.iter().all(|&value| liftable(&self.scan.body.node(value).op)) {
            return None;
        }
        for value in needed {
            let made = self.made(self.scan.body.node(value));
            self.known.insert(value, made);
        }
        self.known.get(&value).copied().flatten()
    }

    fn made(&mut self, node: &Node) -> Option<(ValueId, bool)> {
        let origin = Origin { label: self.origin.label, derived: None, ..node.origin };
        if let Op::Input(slot) = node.op {
            let sequence = slot.index() <= self.scan.carries + self.scan.sequences;
            return Some((*self.operands.get(slot.index().checked_sub(1)?)?, sequence));
        }
        let parts: Option<Vec<(ValueId, bool)>> =
            node.operands.iter().map(|operand| self.known.get(operand).copied().flatten()).collect();
        let parts = parts?;
        if !parts.iter().any(|(_, turns)| *turns) {
            let operands = parts.iter().map(|(value, _)| *value).collect();
            return Some((self.graph.push(node.op.clone(), operands, origin), false));
        }
        if let Op::Contract { .. } = node.op {
            return lifted_contract(self.graph, &node.op, &parts, origin).map(|value| (value, true));
        }
        let turns = self.scan.turns;
        let operands = parts.iter().map(|&(value, lifted)| if lifted { value } else { self.spread(value) }).collect();
        Some((self.graph.push(lifted_move(&node.op, turns), operands, origin), true))
    }

    /// The same value every turn.
    fn spread(&mut self, value: ValueId) -> ValueId {
        let shape = [&[self.scan.turns], self.graph.ty(value).shape.as_slice()].concat();
        let axes: Vec<usize> = (1..shape.len()).collect();
        self.graph.broadcast(value, &shape, &axes, self.origin)
    }
}

/// Whether an op has a form over all turns here.
fn liftable(op: &Op) -> bool {
    match op {
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Unary(_) | Op::Binary(_) | Op::Compare(_) => true,
        Op::And | Op::Or | Op::Not | Op::Select | Op::Convert(_) | Op::StopGradient => true,
        Op::Broadcast { .. } | Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. } | Op::Concat { .. } => true,
        Op::Sum { .. } | Op::MaxOf { .. } | Op::Contract { .. } => true,
        Op::Unfold { .. } | Op::Fold { .. } | Op::Conv { .. } | Op::Put { .. } | Op::Argsort { .. } => false,
        Op::Random { .. } | Op::Unslice { .. } | Op::Gather { .. } | Op::ScatterAdd { .. } | Op::Scan { .. } => false,
    }
}

/// The op on operands that all have the turns in front.
pub(super) fn lifted_move(op: &Op, turns: usize) -> Op {
    let shape = |shape: &[usize]| [&[turns], shape].concat();
    let axes = |axes: &[usize]| axes.iter().map(|axis| axis + 1).collect::<Vec<_>>();
    let all = |of: &[usize]| std::iter::once(0).chain(axes(of)).collect::<Vec<_>>();
    match op {
        Op::Broadcast { shape: to, axes: at } => Op::Broadcast { shape: shape(to), axes: all(at) },
        Op::Reshape { shape: to } => Op::Reshape { shape: shape(to) },
        Op::Transpose { perm } => Op::Transpose { perm: all(perm) },
        Op::Slice { start, size, step } => Op::Slice {
            start: std::iter::once(0).chain(start.iter().copied()).collect(),
            size: shape(size),
            step: std::iter::once(1).chain(step.iter().copied()).collect(),
        },
        Op::Concat { axis } => Op::Concat { axis: axis + 1 },
        Op::Sum { axes: gone } => Op::Sum { axes: axes(gone) },
        Op::MaxOf { axes: gone } => Op::MaxOf { axes: axes(gone) },
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Random { .. } | Op::Unary(_) | Op::Binary(_) => {
            op.clone()
        }
        Op::Compare(_) | Op::And | Op::Or | Op::Not | Op::Select | Op::Convert(_) | Op::StopGradient => op.clone(),
        Op::Unslice { .. } | Op::Contract { .. } | Op::Gather { .. } | Op::ScatterAdd { .. } | Op::Scan { .. } => {
            op.clone()
        }
        Op::Unfold { .. } | Op::Fold { .. } | Op::Conv { .. } | Op::Put { .. } | Op::Argsort { .. } => op.clone(),
    }
}

/// A product of which at least one operand has the turns in front; so has the result.
pub(super) fn lifted_contract(
    graph: &mut Graph,
    op: &Op,
    parts: &[(ValueId, bool)],
    origin: Origin,
) -> Option<ValueId> {
    let (Op::Contract { batch, over }, &[(a, in_a), (b, in_b)]) = (op, parts) else { return None };
    let shifted = |pairs: &[(usize, usize)]| -> Vec<(usize, usize)> {
        pairs.iter().map(|(i, j)| (i + usize::from(in_a), j + usize::from(in_b))).collect()
    };
    let (mut pairs, over) = (shifted(batch), shifted(over));
    let both = in_a && in_b;
    if both {
        pairs.insert(0, (0, 0));
    }
    // Of one operand only, the turns are the first of its free axes.
    let place = match (in_a, in_b) {
        (true, true) => 0,
        (true, false) => pairs.len(),
        _ => pairs.len() + graph.ty(a).rank() - pairs.len() - over.len(),
    };
    let product = graph.contract(a, b, &pairs, &over, origin);
    let mut perm: Vec<usize> = (0..graph.ty(product).rank()).collect();
    perm.remove(place);
    perm.insert(0, place);
    Some(graph.transpose(product, &perm, origin))
}
