//! What several statements of the file compute alike, and at length.
//!
//! In: the actions in order. Out: the same, with such a value computed once, in
//! the statement that first needs it, and read by the others: `let images =
//! sample(16)` is sampled once, however often it is shown. Invariant: no result
//! changes. A value stays a formula where something is derived through it, where
//! a train or the rows of a data set are at hand, and where it is cheap, so that
//! a listing shows it.

use std::collections::{BTreeMap, HashSet};

use super::Checker;
use super::typed::{Action, ActionKind, Eval, Kind, Loop, Node, NodeId, Program, Share, Train};
use crate::ir::{Op, Owner, Type};

/// Multiplications, or turns of loops times their operations, from which on an operation is worth a place in memory.
const LONG: u64 = 1 << 20;
/// Elements that a place may have.
const MOST: usize = 1 << 24;

/// What is known of each node.
struct Known {
    /// It or something it needs takes long.
    long: Vec<bool>,
    /// It depends on rows or on a train, or is of no known size.
    open: Vec<bool>,
    /// It depends on draws of the seed at hand.
    draws: Vec<bool>,
    /// Something is derived through it, or only a train or a data set may compute it.
    formula: Vec<bool>,
}

impl Checker<'_> {
    /// Gives a slot to each value that takes long and that several statements need.
    pub(super) fn share_values(&mut self) {
        let evals = |action: &Action| eval_of(action).is_some_and(|eval| !eval.outputs.is_empty());
        if self.program.actions.iter().filter(|action| evals(action)).count() < 2 {
            return;
        }
        let known = self.known_of_nodes();
        if !known.long.contains(&true) {
            return;
        }
        let mut shared = self.program.shared(&known);
        // What another one is computed from comes before it.
        shared.sort_by_key(|&(node, first)| (first, node));
        let actions = std::mem::take(&mut self.program.actions);
        let mut shared = shared.into_iter().peekable();
        for (at, action) in actions.into_iter().enumerate() {
            while let Some((node, _)) = shared.next_if(|&(_, first)| first == at) {
                let seed = eval_of(&action).map_or(0, |eval| eval.seed);
                let set = self.shared_value(node, seed);
                self.program.actions.push(set);
            }
            self.program.actions.push(action);
        }
    }

    /// The action that computes a value, which is read from now on.
    fn shared_value(&mut self, node: NodeId, seed: i64) -> Action {
        let Node { ty, span, name, .. } = self.program.node(node).clone();
        let sizes = self.numbers_of(&ty.shape).unwrap_or_default();
        let path = self.unique_path(name.map_or_else(|| format!("let {node}"), |name| format!("let {name}")));
        let slot = self.new_slot(&path, Owner::TrainState, Type::new(ty.dtype, sizes), span);
        let formula = NodeId(self.program.nodes.len() as u32);
        let read =
            Node { kind: Kind::Read { slot, version: 0 }, operands: Vec::new(), ..self.program.node(node).clone() };
        let computed = std::mem::replace(&mut self.program.nodes[node.index()], read);
        self.program.nodes.push(computed);
        let eval = Eval { outputs: vec![formula], on: None, seed };
        Action { kind: ActionKind::Set { slots: vec![slot], eval }, span }
    }

    fn known_of_nodes(&self) -> Known {
        let program = &self.program;
        let count = program.nodes.len();
        let mut known = Known {
            long: vec![false; count],
            open: vec![false; count],
            draws: vec![false; count],
            formula: vec![false; count],
        };
        for (at, node) in program.nodes.iter().enumerate() {
            let any = |of: &[bool]| node.operands.iter().any(|operand| of[operand.index()]);
            known.long[at] = any(&known.long) || self.work(node) >= LONG;
            let sizes = self.numbers_of(&node.ty.shape);
            known.open[at] = any(&known.open)
                || sizes.is_none_or(|sizes| sizes.iter().product::<usize>() > MOST)
                || match &node.kind {
                    Kind::Column { .. } | Kind::Given(_) | Kind::Clock(_) | Kind::Figure(_) => true,
                    Kind::Size(size) => self.program.atoms.resolve(size).as_number().is_none(),
                    _ => false,
                };
            known.draws[at] = any(&known.draws)
                || match &node.kind {
                    Kind::Random { seed, .. } => seed.is_none(),
                    Kind::Scan { body, .. } => body.draws(&program.nodes),
                    _ => false,
                };
        }
        // From what is derived, trained or read of data down to all that it needs.
        let mut roots: Vec<NodeId> = Vec::new();
        for node in program.nodes.iter().filter(|node| matches!(node.kind, Kind::Grad)) {
            roots.extend(&node.operands);
        }
        for action in &program.actions {
            if let ActionKind::Train(train) = &action.kind {
                roots.extend(of_train(train));
            }
        }
        for data in &program.data {
            let rows = data.split.iter().filter_map(|(_, share)| match share {
                Share::Rows(rows) => Some(*rows),
                Share::Fraction(_) => None,
            });
            roots.extend(rows.chain(data.kept));
        }
        for node in program.reachable(roots) {
            known.formula[node.index()] = true;
        }
        known
    }

    /// About the multiplications of a product, the operations of a loop; nothing of what is done element by element.
    fn work(&self, node: &Node) -> u64 {
        let shape = |at: usize| self.numbers_of(&self.program.node(node.operands[at]).ty.shape).unwrap_or_default();
        match &node.kind {
            Kind::Op(Op::Contract { over, .. }) => {
                let shape = shape(0);
                times(over.iter().filter_map(|(axis, _)| shape.get(*axis)), self.elements(node))
            }
            // Each of x or y meets the elements of a filter; each of a filter all places of an image.
            Kind::Op(Op::Conv { .. }) => times(shape(1).iter().skip(1), self.elements(node)),
            Kind::Scan { body, .. } => self.work_of_loop(body),
            _ => 0,
        }
    }

    fn elements(&self, node: &Node) -> u64 {
        times(&self.numbers_of(&node.ty.shape).unwrap_or_default(), 1)
    }

    fn work_of_loop(&self, body: &Loop) -> u64 {
        let turns = self.program.atoms.resolve(&body.turns).as_number().map_or(1, |turns| turns.max(1) as u64);
        let inside = body.body.iter().map(|&id| {
            let node = self.program.node(id);
            self.work(node).max(self.elements(node))
        });
        inside.fold(0, u64::saturating_add).saturating_mul(turns)
    }
}

impl Program {
    /// Values that take long and that several actions need, each with the first of these.
    fn shared(&self, known: &Known) -> Vec<(NodeId, usize)> {
        let seed = |action: usize| eval_of(&self.actions[action]).map(|eval| eval.seed);
        let mut first: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let mut found: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut barred: HashSet<NodeId> = HashSet::new();
        for (at, action) in self.actions.iter().enumerate() {
            let Some(eval) = eval_of(action) else { continue };
            let mut rest = eval.outputs.clone();
            let mut again: HashSet<NodeId> = HashSet::new();
            while let Some(id) = rest.pop() {
                let number = id.index();
                let Some(before) = first[number] else {
                    first[number] = Some(at);
                    rest.extend(&self.node(id).operands);
                    continue;
                };
                if before == at || !known.long[number] || !again.insert(id) {
                    continue;
                }
                if known.draws[number] && seed(before) != seed(at) {
                    barred.insert(id);
                }
                if known.open[number] || known.formula[number] || barred.contains(&id) {
                    // What it is computed from may be had all the same.
                    rest.extend(&self.node(id).operands);
                } else {
                    found.insert(id, before);
                }
            }
        }
        found.into_iter().filter(|(id, _)| !barred.contains(id)).collect()
    }
}

/// The product of sizes.
fn times<'s>(sizes: impl IntoIterator<Item = &'s usize>, start: u64) -> u64 {
    sizes.into_iter().fold(start, |product, &size| product.saturating_mul(size as u64))
}

/// What an action computes, if it is no train.
fn eval_of(action: &Action) -> Option<&Eval> {
    match &action.kind {
        ActionKind::Set { eval, .. }
        | ActionKind::Print { eval, .. }
        | ActionKind::Assert { eval, .. }
        | ActionKind::Record { eval, .. }
        | ActionKind::Plot { eval, .. } => Some(eval),
        ActionKind::Train(_) | ActionKind::Save { .. } | ActionKind::Load { .. } => None,
        ActionKind::Take { .. } | ActionKind::Group(_) => None,
    }
}

/// All that a train computes.
fn of_train(train: &Train) -> Vec<NodeId> {
    let writes = |writes: &[(super::typed::SlotId, NodeId)]| writes.iter().map(|(_, node)| *node).collect::<Vec<_>>();
    let mut nodes = Vec::new();
    for phase in &train.phases {
        nodes.extend(writes(&phase.writes).into_iter().chain(phase.loss).chain(phase.recorded.iter().copied()));
    }
    nodes.extend(train.figures.iter().flat_map(|figure| [Some(figure.train), figure.val]).flatten());
    for rule in &train.stop {
        nodes.push(rule.condition);
        nodes.extend(writes(&rule.writes));
    }
    for every in &train.every {
        nodes.extend(writes(&every.writes));
        nodes.extend(every.actions.iter().filter_map(eval_of).flat_map(|eval| eval.outputs.iter().copied()));
    }
    nodes
}
