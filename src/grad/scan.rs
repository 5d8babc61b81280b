//! The adjoint of a scan: another scan that runs the other way.
//!
//! In: the results of one scan with their cotangents, and which operands want
//! theirs. Out: the adjoints of those operands. The forward scan is made to
//! emit what the adjoint body reads and what would cost much to compute again;
//! its results keep their numbers, so only the shared body of the existing
//! nodes changes. The adjoint's carries are the adjoints of the carries and,
//! from zero, of the captured values; its sequences are the saved values, the
//! elements and the cotangents of what was emitted; its body is the body's own
//! adjoint by the same walk, so scans in bodies and derivatives of derivatives
//! need nothing more.

use std::sync::Arc;

use super::rules::passes;
use crate::ir::{DType, Graph, Op, Origin, Owner, Scan, SlotId, Type, Unary, ValueId};

/// What costs more than this is saved, what does not is computed again.
const SAVED_ABOVE: u32 = 8;

/// Whether a gradient flows from a result of the scan to its operand `k`.
pub(super) fn flows(scan: &Scan, result: usize, k: usize) -> bool {
    let mut live = vec![false; scan.body.slots.len()];
    if let Some(slot) = live.get_mut(k + 1) {
        *slot = true;
    }
    let active = forward_activity(scan, &mut live);
    scan.body.outputs.get(result).is_some_and(|output| active[output.value.index()])
}

/// The nodes of the body that depend on slots that are live, once what the carries bring round is live too.
fn forward_activity(scan: &Scan, live: &mut [bool]) -> Vec<bool> {
    let body = &scan.body;
    loop {
        let mut active = vec![false; body.nodes.len()];
        for (at, node) in body.nodes.iter().enumerate() {
            let through = |k: usize, operand: ValueId| active[operand.index()] && passes(body, ValueId(at as u32), k);
            active[at] = match node.op {
                Op::Input(slot) => live[slot.index()] && node.ty.dtype == DType::F32,
                Op::Const { .. }
                | Op::Iota { .. }
                | Op::Random { .. }
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
                | Op::Scan { .. }
                | Op::Put { .. }
                | Op::Argsort { .. } => node.operands.iter().enumerate().any(|(k, &operand)| through(k, operand)),
            };
        }
        let brought: Vec<usize> =
            (0..scan.carries).filter(|&carry| active[body.outputs[carry].value.index()] && !live[1 + carry]).collect();
        if brought.is_empty() {
            return active;
        }
        brought.into_iter().for_each(|carry| live[1 + carry] = true);
    }
}

/// The outputs whose cotangent is not surely zero: those with one, and carries that such outputs depend on.
fn relevant(scan: &Scan, active: &[bool], cotangents: &[Option<ValueId>]) -> Vec<bool> {
    let body = &scan.body;
    let mut relevant: Vec<bool> = cotangents.iter().map(Option::is_some).collect();
    loop {
        let mut needed = vec![false; body.nodes.len()];
        for (output, _) in body.outputs.iter().zip(&relevant).filter(|(_, relevant)| **relevant) {
            needed[output.value.index()] = active[output.value.index()];
        }
        let mut changed = false;
        for at in (0..body.nodes.len()).rev().filter(|&at| active[at]) {
            if !needed[at] {
                continue;
            }
            let node = &body.nodes[at];
            if let Op::Input(slot) = node.op
                && (1..=scan.carries).contains(&slot.index())
            {
                changed |= !std::mem::replace(&mut relevant[slot.index() - 1], true);
            }
            node.operands.iter().for_each(|operand| needed[operand.index()] |= active[operand.index()]);
        }
        if !changed {
            return relevant;
        }
    }
}

/// The adjoints of the operands of the scan whose results are `siblings` (all of them, ascending), from the cotangents
/// of its results. `wanted` says which operands' are asked for.
pub(super) fn adjoint(
    graph: &mut Graph,
    siblings: &[ValueId],
    cotangents: &[Option<ValueId>],
    wanted: &[bool],
    origin: Origin,
) -> Vec<Option<ValueId>> {
    let Some(first) = siblings.first().map(|&first| graph.node(first).clone()) else { return vec![None; wanted.len()] };
    let Op::Scan { scan, .. } = first.op else { return vec![None; wanted.len()] };
    let operands = first.operands;
    let mut live = vec![false; scan.body.slots.len()];
    wanted.iter().enumerate().for_each(|(k, &wanted)| live[k + 1] = wanted);
    let active = forward_activity(&scan, &mut live);
    let relevant = relevant(&scan, &active, cotangents);
    let mut plan = Plan::new(&scan, &live, &active, &relevant, cotangents);
    plan.differentiate(wanted);
    plan.choose_saved();
    plan.emit_saved(graph, siblings, &operands, origin);
    plan.finish(graph, &operands, cotangents, wanted, origin)
}

/// A value of the forward body that the adjoint body is handed instead of computing it.
struct Saved {
    /// In the body at hand.
    value: ValueId,
    /// The stack of its values over the turns, in the graph around.
    stack: Option<ValueId>,
}

struct Plan<'a> {
    scan: &'a Scan,
    /// The body, then its adjoint.
    body: Graph,
    /// Carries that have an adjoint, with the slot of their next value's.
    carries: Vec<(usize, SlotId)>,
    /// Emitted results with a cotangent, and its slot.
    emits: Vec<(usize, SlotId)>,
    /// By slot of the forward body: its adjoint.
    adjoints: Vec<Option<ValueId>>,
    /// For each node of `body`: whether it belongs to the forward body.
    forward: Vec<bool>,
    /// For each node: whether the adjoint is handed it.
    is_saved: Vec<bool>,
    saved: Vec<Saved>,
}

impl<'a> Plan<'a> {
    fn new(scan: &'a Scan, live: &[bool], active: &[bool], relevant: &[bool], cotangents: &[Option<ValueId>]) -> Self {
        let mut body = scan.body.clone();
        body.outputs.clear();
        let mut slot = |output: usize| {
            let ty = scan.body.ty(scan.body.outputs[output].value).clone();
            (output, body.slot_new(format!("adjoint {output}"), ty, Owner::Column))
        };
        let float = |output: &usize| scan.body.ty(scan.body.outputs[*output].value).dtype == DType::F32;
        let carries = (0..scan.carries).filter(|&c| live[1 + c] && relevant[c]).filter(float).map(&mut slot).collect();
        let emits = (scan.carries..scan.results())
            .filter(|&e| cotangents[e].is_some() && active[scan.body.outputs[e].value.index()])
            .filter(float)
            .map(&mut slot)
            .collect();
        let slots = scan.body.slots.len();
        Plan {
            scan,
            body,
            carries,
            emits,
            adjoints: vec![None; slots],
            forward: Vec::new(),
            is_saved: Vec::new(),
            saved: Vec::new(),
        }
    }

    /// Appends the adjoints of the slots to the body.
    fn differentiate(&mut self, wanted: &[bool]) {
        let scan = self.scan;
        let asked = |slot: usize| match slot {
            0 => false,
            slot if slot <= scan.carries => self.carries.iter().any(|(carry, _)| carry + 1 == slot),
            slot => wanted[slot - 1] && scan.body.slots[slot].ty.dtype == DType::F32,
        };
        let target = |at: usize| {
            let Op::Input(slot) = scan.body.nodes[at].op else { return None };
            asked(slot.index()).then_some((slot.index(), ValueId(at as u32)))
        };
        let targets: Vec<(usize, ValueId)> = (0..scan.body.nodes.len()).filter_map(target).collect();
        let seeds: Vec<(ValueId, ValueId)> = self
            .carries
            .iter()
            .chain(&self.emits)
            .map(|&(output, slot)| {
                let value = scan.body.outputs[output].value;
                (value, self.body.input(slot, scan.body.node(value).origin))
            })
            .collect();
        let nodes: Vec<ValueId> = targets.iter().map(|(_, node)| *node).collect();
        let found = super::pull(&mut self.body, &seeds, &nodes, scan.body.nodes.len());
        for ((slot, _), adjoint) in targets.into_iter().zip(found) {
            self.adjoints[slot] = match (self.adjoints[slot], adjoint) {
                (Some(sum), Some(share)) => Some(self.body.add(sum, share, Origin::default())),
                (sum, share) => sum.or(share),
            };
        }
        // A scan inside that now emits more has results behind the adjoints, of forward values only.
        let first = scan.body.nodes.len();
        for (at, node) in self.body.nodes.iter().enumerate() {
            let scanned = matches!(node.op, Op::Scan { .. });
            let forward = at < first || scanned && node.operands.iter().all(|operand| self.forward[operand.index()]);
            self.forward.push(forward);
        }
    }

    /// The nodes that the adjoints need, not looking behind what is saved.
    fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.body.nodes.len()];
        self.adjoints.iter().flatten().for_each(|adjoint| needed[adjoint.index()] = true);
        for at in (0..needed.len()).rev() {
            if needed[at] && !self.is_saved.get(at).copied().unwrap_or(false) {
                self.body.nodes[at].operands.iter().for_each(|operand| needed[operand.index()] = true);
            }
        }
        needed
    }

    /// Marks what the forward scan is to emit: of what the adjoint reads directly, all that costs much.
    fn choose_saved(&mut self) {
        let needed = self.needed();
        let count = self.body.nodes.len();
        let mut read = vec![false; count];
        for at in (0..count).filter(|&at| needed[at] && !self.forward[at]) {
            let operands = self.body.nodes[at].operands.iter();
            operands.filter(|operand| self.forward[operand.index()]).for_each(|operand| read[operand.index()] = true);
        }
        // What only moves elements is moved again: saved is what it moves.
        for at in (0..count).rev().filter(|&at| self.forward[at]) {
            let node = &self.body.nodes[at];
            if read[at] && matches!(node.op, Op::Broadcast { .. } | Op::Reshape { .. } | Op::Transpose { .. }) {
                read[at] = false;
                read[node.operands[0].index()] = true;
            }
        }
        self.is_saved = vec![false; count];
        let mut cost = vec![0u32; count];
        for at in (0..count).filter(|&at| self.forward[at]) {
            let node = &self.body.nodes[at];
            let before = node.operands.iter().map(|operand| cost[operand.index()]);
            cost[at] = before.fold(cost_of(&node.op), u32::saturating_add);
            if read[at] && cost[at] > SAVED_ABOVE {
                cost[at] = 0;
                self.is_saved[at] = true;
            }
        }
    }

    /// Makes the forward scan emit what is saved: the same results, and more.
    fn emit_saved(&mut self, graph: &mut Graph, siblings: &[ValueId], operands: &[ValueId], origin: Origin) {
        let needed = self.needed();
        for at in (0..self.body.nodes.len()).filter(|&at| needed[at] && self.forward[at]) {
            let started = matches!(self.body.nodes[at].op,
                Op::Input(slot) if (1..=self.scan.carries).contains(&slot.index()));
            if started || self.is_saved[at] {
                self.saved.push(Saved { value: ValueId(at as u32), stack: None });
                self.is_saved[at] = true;
            }
        }
        let (mut body, places) = self.forward_body();
        body.outputs = self.scan.body.outputs.clone();
        let mut numbers = Vec::with_capacity(self.saved.len());
        for saved in &self.saved {
            let value = places[saved.value.index()].unwrap_or(saved.value);
            let emitted = body.outputs[self.scan.carries..].iter().position(|output| output.value == value);
            numbers.push(emitted.map_or(body.outputs.len(), |at| self.scan.carries + at));
            if emitted.is_none() {
                body.figure(body.outputs.len().to_string(), value);
            }
        }
        let Scan { turns, reverse, carries, sequences, .. } = *self.scan;
        let scan = Arc::new(Scan { turns, reverse, carries, sequences, body });
        for &sibling in siblings {
            if let Op::Scan { scan: old, .. } = &mut graph.nodes[sibling.index()].op {
                *old = scan.clone();
            }
        }
        for (saved, result) in self.saved.iter_mut().zip(numbers) {
            let op = Op::Scan { scan: scan.clone(), result };
            saved.stack = Some(graph.push(op, operands.to_vec(), Origin { derived: None, ..origin }));
        }
    }

    /// The forward nodes alone, and where each went.
    fn forward_body(&self) -> (Graph, Vec<Option<ValueId>>) {
        let slots = self.scan.body.slots.clone();
        let mut body = Graph { slots, labels: self.body.labels.clone(), ..Graph::default() };
        let mut places: Vec<Option<ValueId>> = vec![None; self.body.nodes.len()];
        for (at, node) in self.body.nodes.iter().enumerate().filter(|(at, _)| self.forward[*at]) {
            let mut node = node.clone();
            node.operands.iter_mut().for_each(|operand| *operand = places[operand.index()].unwrap_or(*operand));
            body.nodes.push(node);
            places[at] = Some(ValueId(body.nodes.len() as u32 - 1));
        }
        (body, places)
    }

    /// The adjoint scan and the adjoints of the operands among its results.
    fn finish(
        self,
        graph: &mut Graph,
        operands: &[ValueId],
        cotangents: &[Option<ValueId>],
        wanted: &[bool],
        origin: Origin,
    ) -> Vec<Option<ValueId>> {
        let (scan, first_captured) = (self.scan, 1 + self.scan.carries + self.scan.sequences);
        let has = |slot: usize| wanted[slot - 1] && self.adjoints[slot].is_some();
        let summed: Vec<usize> = (first_captured..scan.body.slots.len()).filter(|&slot| has(slot)).collect();
        let emitted: Vec<usize> = (1 + scan.carries..first_captured).filter(|&slot| has(slot)).collect();
        let mut maker = Maker::new(&self);

        // Slots and operands, in the order of a scan's.
        let mut given = Vec::new();
        for &(carry, slot) in &self.carries {
            maker.slot_for(slot, scan.body.slots[1 + carry].ty.clone());
            given.push(cotangents[carry].unwrap_or_else(|| graph.full_like(operands[carry], 0.0, origin)));
        }
        let mut sums = Vec::new();
        for &slot in &summed {
            sums.push(maker.new_slot(scan.body.slots[slot].ty.clone()));
            given.push(graph.full_like(operands[slot - 1], 0.0, origin));
        }
        for saved in &self.saved {
            let slot = maker.new_slot(self.body.ty(saved.value).clone());
            maker.saved[saved.value.index()] = Some(slot);
            given.extend(saved.stack);
        }
        let needed = self.needed();
        let reads = |slot: usize| {
            let read = |(at, node): (usize, &crate::ir::Node)| {
                needed[at] && !self.is_saved[at] && matches!(node.op, Op::Input(of) if of.index() == slot)
            };
            self.body.nodes.iter().enumerate().any(read)
        };
        let mut sequences = self.saved.len();
        for slot in (1 + scan.carries..first_captured).filter(|&slot| reads(slot)) {
            maker.slot_for(SlotId(slot as u32), scan.body.slots[slot].ty.clone());
            given.push(operands[slot - 1]);
            sequences += 1;
        }
        for &(emit, slot) in &self.emits {
            maker.slot_for(slot, self.body.slots[slot.index()].ty.clone());
            given.extend(cotangents[emit]);
            sequences += 1;
        }
        for slot in (first_captured..scan.body.slots.len()).filter(|&slot| reads(slot)) {
            maker.slot_for(SlotId(slot as u32), scan.body.slots[slot].ty.clone());
            given.push(operands[slot - 1]);
        }

        maker.copy(&needed);
        for &(carry, _) in &self.carries {
            maker.output(self.adjoints[1 + carry], &scan.body.slots[1 + carry].ty);
        }
        for (&slot, sum) in summed.iter().zip(sums) {
            maker.sum(sum, self.adjoints[slot]);
        }
        for &slot in &emitted {
            maker.output(self.adjoints[slot], &scan.body.slots[slot].ty);
        }
        let carries = self.carries.len() + summed.len();
        let adjoint =
            Arc::new(Scan { turns: scan.turns, reverse: !scan.reverse, carries, sequences, body: maker.graph });
        let mut found = vec![None; wanted.len()];
        let starts = self.carries.iter().map(|(carry, _)| *carry);
        let order = starts.chain(summed.iter().chain(&emitted).map(|slot| slot - 1));
        for (result, operand) in order.enumerate().filter(|(_, operand)| wanted[*operand]) {
            let op = Op::Scan { scan: adjoint.clone(), result };
            found[operand] = Some(graph.push(op, given.clone(), origin));
        }
        found
    }
}

/// The body of the adjoint scan, made of nodes of the plan's body.
struct Maker<'a> {
    plan: &'a Plan<'a>,
    graph: Graph,
    /// By slot of the plan's body: the slot here.
    slots: Vec<Option<SlotId>>,
    /// By node that is saved: the slot here.
    saved: Vec<Option<SlotId>>,
    places: Vec<Option<ValueId>>,
}

impl<'a> Maker<'a> {
    fn new(plan: &'a Plan<'a>) -> Self {
        let graph = Graph { labels: plan.body.labels.clone(), ..Graph::default() };
        let (slots, nodes) = (plan.body.slots.len(), plan.body.nodes.len());
        let mut maker =
            Maker { plan, graph, slots: vec![None; slots], saved: vec![None; nodes], places: vec![None; nodes] };
        let turn = maker.graph.slot_new("turn", Type::scalar(DType::I32), Owner::Scalar);
        maker.slots[0] = Some(turn);
        maker
    }

    fn new_slot(&mut self, ty: Type) -> SlotId {
        let path = format!("in{}", self.graph.slots.len());
        self.graph.slot_new(path, ty, Owner::Column)
    }

    fn slot_for(&mut self, slot: SlotId, ty: Type) {
        let made = self.new_slot(ty);
        self.slots[slot.index()] = Some(made);
    }

    /// Copies the needed nodes; those that are saved become reads of their slots.
    fn copy(&mut self, needed: &[bool]) {
        let body = &self.plan.body;
        for (at, node) in body.nodes.iter().enumerate().filter(|(at, _)| needed[*at]) {
            let mut node = node.clone();
            if let Some(slot) = self.saved[at] {
                (node.op, node.operands) = (Op::Input(slot), Vec::new());
            } else if let Op::Input(slot) = node.op {
                node.op = Op::Input(self.slots[slot.index()].unwrap_or(slot));
            }
            node.operands.iter_mut().for_each(|operand| *operand = self.places[operand.index()].unwrap_or(*operand));
            node.origin.derived = node.origin.derived.and_then(|derived| {
                self.places[derived.forward.index()].map(|forward| crate::ir::Derived { forward, ..derived })
            });
            self.graph.nodes.push(node);
            self.places[at] = Some(ValueId(self.graph.nodes.len() as u32 - 1));
        }
    }

    fn placed(&self, value: Option<ValueId>) -> Option<ValueId> {
        value.and_then(|value| self.places[value.index()])
    }

    fn output(&mut self, value: Option<ValueId>, ty: &Type) {
        let value = self
            .placed(value)
            .unwrap_or_else(|| self.graph.splat(crate::ir::Const::F32(0.0), &ty.shape, Origin::default()));
        self.graph.figure(self.graph.outputs.len().to_string(), value);
    }

    /// The sum so far and this turn's share.
    fn sum(&mut self, so_far: SlotId, share: Option<ValueId>) {
        let origin = self.placed(share).map_or(Origin::default(), |share| self.graph.node(share).origin);
        let so_far = self.graph.input(so_far, Origin { derived: None, ..origin });
        let next = match self.placed(share) {
            Some(share) => self.graph.add(so_far, share, Origin { derived: None, ..origin }),
            None => so_far,
        };
        self.graph.figure(self.graph.outputs.len().to_string(), next);
    }
}

/// What an op costs an element, as fusion counts it: what is free, cheap, and never done twice.
fn cost_of(op: &Op) -> u32 {
    match op {
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::StopGradient => 0,
        Op::Broadcast { .. } | Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. } => 0,
        Op::Unary(Unary::Neg | Unary::Abs | Unary::Floor) => 1,
        Op::Unary(Unary::Sqrt) => 4,
        Op::Unary(Unary::Exp | Unary::Log | Unary::Sin | Unary::Cos | Unary::Softplus) => 12,
        Op::Unary(Unary::Tanh | Unary::Logistic | Unary::Erf | Unary::ErfInv) => 12,
        Op::Binary(crate::ir::Binary::Pow) => 24,
        Op::Binary(crate::ir::Binary::Div | crate::ir::Binary::Rem) => 4,
        Op::Binary(_) | Op::Compare(_) | Op::And | Op::Or | Op::Not | Op::Select | Op::Convert(_) => 1,
        Op::Unslice { .. } | Op::Concat { .. } | Op::Unfold { .. } => 1,
        Op::Gather { .. } | Op::Sum { .. } | Op::MaxOf { .. } => 8,
        Op::Random { .. } | Op::Contract { .. } | Op::Conv { .. } | Op::Fold { .. } => 100,
        Op::ScatterAdd { .. } | Op::Scan { .. } | Op::Put { .. } | Op::Argsort { .. } => 100,
    }
}
