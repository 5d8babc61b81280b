//! Symbolic reverse-mode differentiation, on the graph and into the graph.
//!
//! In: a graph, a value, the nodes to differentiate by. Out: the same graph
//! with the adjoint nodes appended. Invariants: existing nodes do not change,
//! but that a scan may emit more for its adjoint;
//! adjoints are made of the same ops, so `grad` of a gradient is the same walk;
//! only nodes on a path from a target are differentiated.
//!
//! Derived names: `x_adj` is the adjoint of the value named `x`. An adjoint
//! node keeps its forward node's span and label, and `derived` names that node
//! and its op.

mod rules;
mod scan;

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Derived, Graph, Op, Origin, Scan, ValueId};

pub use rules::passes;

/// Appends the derivative of `of` (f32; of its sum, if it is not a scalar) by
/// each node of `wrt`, and returns those adjoints, of the targets' types.
///
/// A target may be any node: what does not go through it counts as constant.
/// One that `of` does not depend on gets zeros (see [`reaches`]).
pub fn grad(graph: &mut Graph, of: ValueId, wrt: &[ValueId]) -> Vec<ValueId> {
    let (reached, first) = (active(graph, of, wrt)[of.index()], graph.nodes.len());
    let seeds: Vec<(ValueId, ValueId)> = match reached {
        true => vec![(of, graph.full_like(of, 1.0, derived(graph, of)))],
        false => Vec::new(),
    };
    let found = pull(graph, &seeds, wrt, first);
    let zeros = |(&target, adjoint): (&ValueId, Option<ValueId>)| {
        adjoint.unwrap_or_else(|| graph.full_like(target, 0.0, derived(graph, target)))
    };
    wrt.iter().zip(found).map(zeros).collect()
}

/// Appends the adjoints of `wrt` for the given cotangents of values; none where nothing arrives. Nodes from `first` on,
/// the cotangents included, are the walk's own to name.
fn pull(graph: &mut Graph, seeds: &[(ValueId, ValueId)], wrt: &[ValueId], first: usize) -> Vec<Option<ValueId>> {
    let Some(last) = seeds.iter().map(|(value, _)| *value).max() else { return vec![None; wrt.len()] };
    let mut walk = Walk {
        active: active(graph, last, wrt),
        adjoint: vec![None; last.index() + 1],
        first,
        scans: scans(graph, last),
    };
    for &(value, cotangent) in seeds.iter().filter(|(value, _)| walk.active[value.index()]) {
        let sum = walk.adjoint[value.index()].map(|sum| graph.add(sum, cotangent, derived(graph, value)));
        walk.adjoint[value.index()] = Some(sum.unwrap_or(cotangent));
    }
    for at in (0..=last.index()).rev() {
        walk.visit(graph, ValueId(at as u32));
    }
    wrt.iter().map(|target| walk.adjoint.get(target.index()).copied().flatten()).collect()
}

/// The lowest result of each scan up to `last`, with all results of that scan in the graph, ascending.
fn scans(graph: &Graph, last: ValueId) -> HashMap<ValueId, Vec<ValueId>> {
    let mut lowest: HashMap<(*const Scan, &[ValueId]), ValueId> = HashMap::new();
    let mut groups: HashMap<ValueId, Vec<ValueId>> = HashMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        if let Op::Scan { scan, .. } = &node.op {
            let value = ValueId(at as u32);
            let first = *lowest.entry((Arc::as_ptr(scan), &node.operands)).or_insert(value);
            groups.entry(first).or_default().push(value);
        }
    }
    groups.retain(|first, _| *first <= last);
    groups
}

/// Whether a change of `from` reaches `to` along differentiable operations.
pub fn reaches(graph: &Graph, from: ValueId, to: ValueId) -> bool {
    active(graph, to, &[from])[to.index()]
}

/// For the nodes up to `of`: whether they depend differentiably on a target.
fn active(graph: &Graph, of: ValueId, wrt: &[ValueId]) -> Vec<bool> {
    let mut active = vec![false; of.index() + 1];
    for target in wrt {
        if let Some(target) = active.get_mut(target.index()) {
            *target = true;
        }
    }
    for at in 0..active.len() {
        let value = ValueId(at as u32);
        let mut operands = graph.node(value).operands.iter().enumerate();
        let depends = operands.any(|(k, operand)| active[operand.index()] && passes(graph, value, k));
        active[at] = active[at] || depends;
    }
    active
}

/// The origin of a node made by the rule of `forward`.
fn derived(graph: &Graph, forward: ValueId) -> Origin {
    let node = graph.node(forward);
    Origin { derived: Some(Derived { forward, rule: node.op.name() }), ..node.origin }
}

struct Walk {
    active: Vec<bool>,
    /// The sum of what the users seen so far contribute.
    adjoint: Vec<Option<ValueId>>,
    /// The first node that this walk made.
    first: usize,
    /// By its lowest result: all results of a scan.
    scans: HashMap<ValueId, Vec<ValueId>>,
}

impl Walk {
    /// The results of a scan hand on their cotangents together, when the walk comes to the lowest: every reader of any
    /// of them comes after it, and so was visited; every operand comes before.
    fn visit_scan(&mut self, graph: &mut Graph, y: ValueId) {
        let Some(siblings) = self.scans.remove(&y) else { return };
        let Op::Scan { scan, .. } = &graph.node(y).op else { return };
        let mut cotangents = vec![None; scan.results()];
        let origin = derived(graph, y);
        for &sibling in &siblings {
            let found = self.adjoint.get(sibling.index()).copied().flatten();
            let (Some(g), Op::Scan { result, .. }) = (found, graph.node(sibling).op.clone()) else { continue };
            self.name(graph, sibling, g);
            cotangents[result] = Some(cotangents[result].map_or(g, |sum| graph.add(sum, g, origin)));
        }
        if cotangents.iter().all(Option::is_none) {
            return;
        }
        let operands = graph.node(y).operands.clone();
        let asked = |k: usize, operand: &ValueId| {
            self.active[operand.index()] && siblings.iter().any(|&sibling| passes(graph, sibling, k))
        };
        let wanted: Vec<bool> = operands.iter().enumerate().map(|(k, operand)| asked(k, operand)).collect();
        let shares = scan::adjoint(graph, &siblings, &cotangents, &wanted, origin);
        for (operand, share) in operands.into_iter().zip(shares) {
            if let Some(share) = share {
                self.give(graph, operand, share, origin);
            }
        }
    }

    fn give(&mut self, graph: &mut Graph, operand: ValueId, share: ValueId, origin: Origin) {
        let sum = self.adjoint[operand.index()].map(|sum| graph.add(sum, share, origin));
        self.adjoint[operand.index()] = Some(sum.unwrap_or(share));
    }

    /// All users of `y` were visited, so its adjoint is complete: hand it to its operands.
    fn visit(&mut self, graph: &mut Graph, y: ValueId) {
        if let Op::Scan { .. } = graph.node(y).op {
            return self.visit_scan(graph, y);
        }
        let Some(g) = self.adjoint[y.index()] else { return };
        self.name(graph, y, g);
        let origin = derived(graph, y);
        for k in 0..graph.node(y).operands.len() {
            let operand = graph.node(y).operands[k];
            if !self.active[operand.index()] || !passes(graph, y, k) {
                continue;
            }
            if let Some(share) = rules::adjoint(graph, y, g, k, origin) {
                self.give(graph, operand, share, origin);
            }
        }
    }

    /// An adjoint may be handed on unchanged; the first forward name it had stays.
    fn name(&self, graph: &mut Graph, forward: ValueId, adjoint: ValueId) {
        let name = graph.node(forward).name.as_ref().map(|name| format!("{name}_adj"));
        let unnamed = adjoint.index() >= self.first && graph.node(adjoint).name.is_none();
        if let Some(name) = name.filter(|_| unnamed) {
            graph.set_name(adjoint, &name);
        }
    }
}
