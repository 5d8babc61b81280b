//! Symbolic reverse-mode differentiation, on the graph and into the graph.
//!
//! In: a graph, a value, the nodes to differentiate by. Out: the same graph
//! with the adjoint nodes appended. Invariants: existing nodes do not change;
//! adjoints are made of the same ops, so `grad` of a gradient is the same walk;
//! only nodes on a path from a target are differentiated.
//!
//! Derived names: `x_adj` is the adjoint of the value named `x`. An adjoint
//! node keeps its forward node's span and label, and `derived` names that node
//! and its op.

mod rules;

use crate::ir::{Derived, Graph, Origin, ValueId};

pub use rules::passes;

/// Appends the derivative of `of` (f32; of its sum, if it is not a scalar) by
/// each node of `wrt`, and returns those adjoints, of the targets' types.
///
/// A target may be any node: what does not go through it counts as constant.
/// One that `of` does not depend on gets zeros (see [`reaches`]).
pub fn grad(graph: &mut Graph, of: ValueId, wrt: &[ValueId]) -> Vec<ValueId> {
    let mut walk =
        Walk { active: active(graph, of, wrt), adjoint: vec![None; of.index() + 1], first: graph.nodes.len() };
    if walk.active[of.index()] {
        let one = graph.full_like(of, 1.0, derived(graph, of));
        walk.adjoint[of.index()] = Some(one);
    }
    for at in (0..=of.index()).rev() {
        walk.visit(graph, ValueId(at as u32));
    }
    let known = |target: &ValueId| walk.adjoint.get(target.index()).copied().flatten();
    let targets: Vec<(ValueId, Option<ValueId>)> = wrt.iter().map(|target| (*target, known(target))).collect();
    let zeros = |(target, adjoint): (ValueId, Option<ValueId>)| {
        adjoint.unwrap_or_else(|| graph.full_like(target, 0.0, derived(graph, target)))
    };
    targets.into_iter().map(zeros).collect()
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
}

impl Walk {
    /// All users of `y` were visited, so its adjoint is complete: hand it to its operands.
    fn visit(&mut self, graph: &mut Graph, y: ValueId) {
        let Some(g) = self.adjoint[y.index()] else { return };
        self.name(graph, y, g);
        let origin = derived(graph, y);
        for k in 0..graph.node(y).operands.len() {
            let operand = graph.node(y).operands[k];
            if !self.active[operand.index()] || !passes(graph, y, k) {
                continue;
            }
            if let Some(share) = rules::adjoint(graph, y, g, k, origin) {
                let sum = self.adjoint[operand.index()].map(|sum| graph.add(sum, share, origin));
                self.adjoint[operand.index()] = Some(sum.unwrap_or(share));
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
