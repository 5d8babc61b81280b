//! Takes products out of scans: many small ones become one large one.
//!
//! In: a graph with scans. Out: the same values. Three moves: a product that
//! depends on no carry is computed for all turns before the scan and becomes a
//! sequence (`x_t @ w_x` of a recurrent net); a carry that only adds products or
//! sums up is computed after the scan from what they are made of, as one product
//! over turns and the rest (the gradient of `w_h`); and an emitted product of
//! something with a captured value is made of that something after the scan (the
//! gradient by `x`). Only products and sums move, with what they need: maps are
//! cheap where they stand, and outside they would fill memory. Sums over turns
//! change their order, so the last bits may differ.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::lift::Lift;
use super::rewrite::{keep, rewrite};
use super::scans::in_bodies;
use crate::ir::{Binary, Graph, Node, Op, Origin, Scan, SlotId, ValueId};

pub(super) fn hoist(mut graph: Graph) -> Graph {
    if !graph.nodes.iter().any(|node| matches!(node.op, Op::Scan { .. })) {
        return graph;
    }
    in_bodies(&mut graph, hoist);
    // By the old body and the operands: its results.
    let mut made: HashMap<(*const Scan, Vec<ValueId>), Made> = HashMap::new();
    rewrite(graph, |graph, node| {
        let Op::Scan { scan, result } = &node.op else { return keep(graph, node) };
        let key = (Arc::as_ptr(scan), node.operands.clone());
        let made = made
            .entry(key)
            .or_insert_with(|| Made { results: split(graph, scan, &node.operands, node.origin), _old: scan.clone() });
        made.results.get(*result).copied().unwrap_or_else(|| keep(graph, node.clone()))
    })
}

/// A scan done.
struct Made {
    results: Vec<ValueId>,
    /// Kept, so that its address stays its own.
    _old: Arc<Scan>,
}

/// The results of a scan whose products are taken out.
fn split(graph: &mut Graph, scan: &Arc<Scan>, operands: &[ValueId], origin: Origin) -> Vec<ValueId> {
    let origin = Origin { derived: None, ..origin };
    let mut split = Split {
        lift: Lift::new(graph, scan, operands, origin),
        body: scan.body.clone(),
        uses: uses(&scan.body),
        emptied: Vec::new(),
        sums: BTreeMap::new(),
        products: BTreeMap::new(),
        before: Vec::new(),
    };
    (0..scan.carries).for_each(|carry| split.accumulator(carry));
    (scan.carries..scan.results()).for_each(|emit| split.emitted_product(emit));
    split.products_before();
    split.finish(scan, operands, origin)
}

/// How often each value is read, by nodes and outputs.
fn uses(body: &Graph) -> Vec<usize> {
    let mut uses = vec![0; body.nodes.len()];
    let outputs = body.outputs.iter().map(|output| &output.value);
    body.nodes.iter().flat_map(|node| &node.operands).chain(outputs).for_each(|value| uses[value.index()] += 1);
    uses
}

/// A product or a sum with the moves of axes behind it, in the order they happen.
struct Term {
    node: Node,
    moves: Vec<Op>,
    /// What it is made of, over all turns.
    parts: Vec<Part>,
}

/// An operand over all turns.
#[derive(Clone, Copy)]
enum Part {
    /// In the graph around, with the turns in front or without.
    Known(ValueId, bool),
    /// This result of the new scan.
    Emitted(usize),
}

struct Split<'a> {
    lift: Lift<'a>,
    /// The new body.
    body: Graph,
    uses: Vec<usize>,
    /// Carries that stay what they start as.
    emptied: Vec<usize>,
    /// By carry: what is added to it after the scan.
    sums: BTreeMap<usize, Vec<Term>>,
    /// By emitted result: what it is made of after the scan.
    products: BTreeMap<usize, Term>,
    /// Values of the body that are computed before the scan, with the turns in front or without.
    before: Vec<(ValueId, ValueId, bool)>,
}

impl Split<'_> {
    /// `c' = c + products + sums`, if nothing else reads the carry.
    fn accumulator(&mut self, carry: usize) {
        let body = &self.lift.scan.body;
        let reads = body.nodes.iter().filter(|node| node.op == Op::Input(SlotId(1 + carry as u32))).count();
        let next = body.outputs[carry].value;
        let (mut own, mut terms, mut rest) = (None, Vec::new(), Vec::new());
        let mut stack = vec![next];
        while let Some(value) = stack.pop() {
            let node = body.node(value);
            if self.uses[value.index()] != 1 {
                rest.push(value);
            } else if node.op == Op::Binary(Binary::Add) {
                stack.extend(node.operands.iter().rev());
            } else if node.op == Op::Input(SlotId(1 + carry as u32)) {
                own = Some(value);
            } else {
                terms.push(value);
            }
        }
        let Some(own) = own.filter(|_| reads == 1 && own != Some(next)) else { return };
        let mut moved = Vec::new();
        for value in terms {
            match self.term(value) {
                Some(term) => moved.push(term),
                None => rest.push(value),
            }
        }
        if moved.is_empty() {
            return;
        }
        if rest.is_empty() {
            self.emptied.push(carry);
        }
        let mut sum = own;
        for value in rest {
            sum = self.body.add(sum, value, body.node(value).origin);
        }
        self.body.outputs[carry].value = sum;
        self.sums.insert(carry, moved);
    }

    /// A product or sum that nothing else reads, made of what can be had over all turns.
    fn term(&mut self, value: ValueId) -> Option<Term> {
        let (node, moves) = self.product(value, true)?;
        let varies = |split: &Self, operand: &ValueId| split.lift.varies(*operand);
        if !node.operands.iter().all(|operand| varies(self, operand)) {
            return None;
        }
        let parts = node.operands.iter().map(|&operand| self.part(operand)).collect();
        Some(Term { node, moves, parts })
    }

    /// The product (or sum) behind moves of axes, if each step has one reader.
    fn product(&self, mut value: ValueId, sums: bool) -> Option<(Node, Vec<Op>)> {
        let body = &self.lift.scan.body;
        let mut moves = Vec::new();
        loop {
            let node = body.node(value);
            if self.uses[value.index()] != 1 {
                return None;
            }
            if matches!(node.op, Op::Contract { .. }) || sums && matches!(node.op, Op::Sum { .. }) {
                break;
            }
            if !matches!(node.op, Op::Transpose { .. } | Op::Reshape { .. }) {
                return None;
            }
            moves.push(node.op.clone());
            value = node.operands[0];
        }
        moves.reverse();
        Some((body.node(value).clone(), moves))
    }

    /// A value over all turns: computed outside if no carry is in it, else emitted.
    fn part(&mut self, value: ValueId) -> Part {
        if let Op::Input(_) = self.lift.scan.body.node(value).op
            && let Some((outer, turns)) = self.lift.lift(value)
        {
            return Part::Known(outer, turns);
        }
        let carries = self.lift.scan.carries;
        let known = self.body.outputs[carries..].iter().position(|output| output.value == value);
        Part::Emitted(known.map_or_else(
            || {
                self.body.figure(self.body.outputs.len().to_string(), value);
                self.body.outputs.len() - 1
            },
            |at| carries + at,
        ))
    }

    /// An emitted product with a captured value.
    fn emitted_product(&mut self, emit: usize) {
        let Some((node, moves)) = self.product(self.lift.scan.body.outputs[emit].value, false) else { return };
        let varies: Vec<bool> = node.operands.iter().map(|&operand| self.lift.varies(operand)).collect();
        let [a, b] = varies[..] else { return };
        if a == b {
            return;
        }
        let fixed = node.operands[usize::from(a)];
        let Some((outer, false)) = self.lift.lift(fixed) else { return };
        let moving = self.part(node.operands[usize::from(b)]);
        let outer = Part::Known(outer, false);
        let parts = if a { vec![moving, outer] } else { vec![outer, moving] };
        self.products.insert(emit, Term { node, moves, parts });
    }

    /// Products without a carry are computed for all turns at once.
    fn products_before(&mut self) {
        for at in 0..self.lift.scan.body.nodes.len() {
            let value = ValueId(at as u32);
            let node = self.lift.scan.body.node(value);
            if matches!(node.op, Op::Contract { .. })
                && let Some((outer, turns)) = self.lift.lift(value)
            {
                self.before.push((value, outer, turns));
            }
        }
    }

    /// The new scan and what is made of its results.
    fn finish(self, old: &Scan, operands: &[ValueId], origin: Origin) -> Vec<ValueId> {
        let Split { lift, mut body, emptied, sums, products, before, .. } = self;
        let graph = lift.graph;
        let first_captured = old.carries + old.sequences;
        let mut given = operands[..first_captured].to_vec();
        let mut slots = body.slots[..=first_captured].to_vec();
        let added = |turns: bool| before.iter().filter(move |(_, _, lifted)| *lifted == turns);
        let shift = added(true).count() as u32;
        for node in &mut body.nodes {
            if let Op::Input(slot) = &mut node.op
                && slot.index() > first_captured
            {
                slot.0 += shift;
            }
        }
        let mut append = |slots: &mut Vec<crate::ir::Slot>, body: &mut Graph, value: ValueId, outer: ValueId| {
            let path = format!("before {value}");
            let mut slot = slots[0].clone();
            (slot.path, slot.ty, slot.owner) = (path, body.ty(value).clone(), crate::ir::Owner::Column);
            let node = &mut body.nodes[value.index()];
            (node.op, node.operands) = (Op::Input(SlotId(slots.len() as u32)), Vec::new());
            slots.push(slot);
            given.push(outer);
        };
        for &(value, outer, _) in added(true) {
            append(&mut slots, &mut body, value, outer);
        }
        slots.extend(body.slots[first_captured + 1..].iter().cloned());
        let sequences = old.sequences + shift as usize;
        let mut rest = operands[first_captured..].to_vec();
        for &(value, outer, _) in added(false) {
            let mut slot = slots[0].clone();
            let path = format!("before {value}");
            (slot.path, slot.ty, slot.owner) = (path, body.ty(value).clone(), crate::ir::Owner::Column);
            let node = &mut body.nodes[value.index()];
            (node.op, node.operands) = (Op::Input(SlotId(slots.len() as u32)), Vec::new());
            slots.push(slot);
            rest.push(outer);
        }
        given.extend(rest);
        body.slots = slots;
        let count = body.outputs.len();
        let scan = Arc::new(Scan { turns: old.turns, reverse: old.reverse, carries: old.carries, sequences, body });
        let results: Vec<ValueId> = (0..count)
            .map(|result| graph.push(Op::Scan { scan: scan.clone(), result }, given.clone(), origin))
            .collect();
        let mut values = results[..old.results()].to_vec();
        for carry in emptied {
            values[carry] = operands[carry];
        }
        for (carry, terms) in sums {
            for term in terms {
                let value = over_turns(graph, &term, &results, true);
                values[carry] = graph.add(values[carry], value, term.node.origin);
            }
        }
        for (emit, term) in products {
            values[emit] = over_turns(graph, &term, &results, false);
        }
        values
    }
}

/// A term over all turns: added up, or for each turn.
fn over_turns(graph: &mut Graph, term: &Term, results: &[ValueId], summed: bool) -> ValueId {
    let origin = Origin { derived: None, ..term.node.origin };
    let parts: Vec<(ValueId, bool)> = term
        .parts
        .iter()
        .map(|part| match *part {
            Part::Known(value, turns) => (value, turns),
            Part::Emitted(result) => (results[result], true),
        })
        .collect();
    let mut value = match (&term.node.op, summed) {
        (Op::Contract { batch, over }, true) => {
            let shifted = |pairs: &[(usize, usize)]| pairs.iter().map(|(a, b)| (a + 1, b + 1)).collect::<Vec<_>>();
            let over = std::iter::once((0, 0)).chain(shifted(over)).collect();
            let op = Op::Contract { batch: shifted(batch), over };
            graph.push(op, parts.iter().map(|(value, _)| *value).collect(), origin)
        }
        (Op::Sum { axes }, true) => {
            let axes: Vec<usize> = std::iter::once(0).chain(axes.iter().map(|axis| axis + 1)).collect();
            graph.sum(parts[0].0, &axes, origin)
        }
        (op, _) => super::lift::lifted_contract(graph, op, &parts, origin).unwrap_or(parts[0].0),
    };
    for op in &term.moves {
        let op = if summed { op.clone() } else { super::lift::lifted_move(op, graph.ty(value).shape[0]) };
        value = graph.push(op, vec![value], origin);
    }
    value
}
