//! Groups as loop nests.
//!
//! In: a group. Out: its loops in the open kernel. Invariant: the members of a
//! row are computed in stages: all reductions of a stage share one pass, and
//! run after the passes whose results they read; so no pass opens inside another.

use std::collections::HashMap;

use crate::ir::{Op, ValueId as NodeId};
use crate::loops::ir::{Affine, Combine, LoopKind, Order, Reduce, ValueId};

use super::domain::{Domain, Level, Spot, Style};
use super::emit::Emitter;
use super::fate::Class;
use super::group::{Group, symbols};
use super::product::{Axes, Form};
use super::reads::reads_of_root;

/// Chains of sums in columns are cut into blocks of this many rows.
const BLOCK: usize = 256;

/// A group's members by stage.
struct Stages {
    of: HashMap<NodeId, usize>,
    last: usize,
}

/// A part of the reduced axes: fixed loops, outermost first.
struct Pass<'a> {
    domain: &'a Domain,
    stage: usize,
    stages: &'a Stages,
}

/// A reduction in a pass: its node, and the operands in the innermost body.
struct Accumulator {
    node: NodeId,
    combine: Combine,
    result: ValueId,
}

impl Emitter<'_> {
    /// The loops of a group of maps and reductions. `given` members were computed before.
    pub fn nest(&mut self, group: &Group, given: Option<NodeId>) -> Result<(), String> {
        let kept: Vec<usize> = (0..group.domain.axes.len()).filter(|&axis| !group.domain.axes[axis].1).collect();
        let mut at = vec![Affine::default(); group.domain.axes.len()];
        for (place, &axis) in kept.iter().enumerate() {
            let vector = group.domain.style != Style::Tree && place + 1 == kept.len();
            let kind = if vector { LoopKind::Vec } else { LoopKind::Seq };
            at[axis] = Affine::var(self.scope.open(kind, group.domain.axes[axis].0), 1);
        }
        if group.domain.style == Style::Lanes {
            // Lanes reading back what lanes wrote, through loops cut differently, is beyond the verifier's proof.
            let maps = group
                .members
                .iter()
                .filter(|member| matches!(self.fates.class[member.index()], Class::Map | Class::View));
            self.again = maps.copied().collect();
        }
        self.row(group, given, &mut at)?;
        self.again.clear();
        kept.iter().for_each(|_| self.scope.close(Vec::new()));
        Ok(())
    }

    /// All stages at one row, whose kept indices are in `at`.
    pub fn row(&mut self, group: &Group, given: Option<NodeId>, at: &mut [Affine]) -> Result<(), String> {
        let stages = self.stages(group);
        for stage in 0..=stages.last {
            for &member in group.members.iter().filter(|member| stages.of[member] == stage && Some(**member) != given) {
                let spot = self.spot(&group.domain, member, at)?;
                if spot.level == Level::Row || group.domain.style == Style::Map {
                    self.finish(member, &spot)?;
                }
            }
            if group.domain.style != Style::Map {
                let pass = Pass { domain: &group.domain, stage, stages: &stages };
                self.pass(group, given, &pass, at)?;
            }
        }
        Ok(())
    }

    fn spot(&self, domain: &Domain, member: NodeId, at: &[Affine]) -> Result<Spot, String> {
        domain.spot(self.graph, self.fates, member, at).ok_or_else(|| format!("{member} does not fit its group"))
    }

    /// Computes a member that is no reduction, and stores it if it has a buffer.
    fn finish(&mut self, member: NodeId, spot: &Spot) -> Result<(), String> {
        if self.homes[member.index()].is_some() {
            let value = self.compute(member, &spot.index)?;
            self.store(member, &spot.index, value)?;
        }
        Ok(())
    }

    /// After a reduction's pass a reader may start: stage of a member = passes that must be over.
    fn stages(&self, group: &Group) -> Stages {
        let at = symbols(&group.domain);
        let mut stages = Stages { of: HashMap::new(), last: 0 };
        for &member in &group.members {
            let mut stage = 0;
            if let Some(spot) = group.domain.spot(self.graph, self.fates, member, &at) {
                reads_of_root(self.graph, self.fates, member, &spot, &mut |value, _| {
                    if let Some(&before) = stages.of.get(&value) {
                        let reduces = self.fates.class[value.index()] == Class::Reduce;
                        stage = stage.max(before + usize::from(reduces));
                    }
                });
            }
            stages.last = stages.last.max(stage);
            stages.of.insert(member, stage);
        }
        stages
    }

    /// One walk over the reduced axes: all its reductions and all points that are stored.
    fn pass(&mut self, group: &Group, given: Option<NodeId>, pass: &Pass<'_>, at: &mut [Affine]) -> Result<(), String> {
        let mut members = Vec::new();
        for &member in
            group.members.iter().filter(|member| pass.stages.of[member] == pass.stage && Some(**member) != given)
        {
            let level = self.spot(pass.domain, member, at)?.level;
            let stored = self.homes[member.index()].is_some();
            if level == Level::Reduce || (level == Level::Full && stored) {
                members.push(member);
            }
        }
        if members.is_empty() {
            return Ok(());
        }
        let axes: Vec<usize> = (0..pass.domain.axes.len()).filter(|&axis| pass.domain.axes[axis].1).collect();
        // Chains of columns are cut into blocks; what is stored at each point is not, and then runs on its own.
        let columns =
            pass.domain.style == Style::Lanes && axes.last().is_some_and(|&axis| pass.domain.axes[axis].0 > BLOCK);
        let reduces = |member: &&NodeId| !columns || self.fates.class[member.index()] == Class::Reduce;
        let (blocked, points): (Vec<&NodeId>, Vec<&NodeId>) = members.iter().partition(reduces);
        let mut results = Vec::new();
        for part in [blocked, points].into_iter().filter(|part| !part.is_empty()) {
            let part: Vec<NodeId> = part.into_iter().copied().collect();
            results.extend(self.walk(&part, pass, &axes, at)?);
        }
        for (node, result) in results {
            let spot = self.spot(pass.domain, node, at)?;
            self.scope.remember(node, &spot.index, result);
            if self.homes[node.index()].is_some() {
                self.store(node, &spot.index, result)?;
            }
        }
        Ok(())
    }

    /// Loops over `axes`, outermost first; the reduced values, defined after them.
    fn walk(
        &mut self,
        members: &[NodeId],
        pass: &Pass<'_>,
        axes: &[usize],
        at: &mut [Affine],
    ) -> Result<Vec<(NodeId, ValueId)>, String> {
        let Some((&axis, inner)) = axes.split_first() else { return Ok(Vec::new()) };
        let size = pass.domain.axes[axis].0;
        let lanes = pass.domain.style == Style::Lanes;
        if !inner.is_empty() {
            at[axis] = Affine::var(self.scope.open(LoopKind::Seq, size), 1);
            let parts = self.walk(members, pass, inner, at)?;
            return Ok(self.chain(parts));
        }
        if !lanes {
            return self.innermost(members, pass, axis, Affine::default(), size, at);
        }
        let products =
            members.iter().all(|&member| self.is_chain(member) || self.fates.class[member.index()] != Class::Reduce);
        if size <= BLOCK || products {
            return self.innermost(members, pass, axis, Affine::default(), size, at);
        }
        let block = self.scope.open(LoopKind::Seq, size / BLOCK);
        let parts = self.innermost(members, pass, axis, Affine::var(block, BLOCK as i64), BLOCK, at)?;
        let whole = self.chain(parts);
        if size.is_multiple_of(BLOCK) {
            return Ok(whole);
        }
        let start = Affine::constant((size - size % BLOCK) as i64);
        let rest = self.innermost(members, pass, axis, start, size % BLOCK, at)?;
        Ok(self.combined(whole, &rest))
    }

    /// Closes a `seq` loop over partial results: accumulates them in order.
    fn chain(&mut self, parts: Vec<(NodeId, ValueId)>) -> Vec<(NodeId, ValueId)> {
        let mut reduces = Vec::new();
        let mut results = Vec::new();
        for (node, part) in parts {
            self.scope.origin = self.graph.node(node).origin;
            let result = self.scope.fresh(self.graph.ty(node).dtype);
            let combine = if self.is_maximum(node) { Combine::Max(part) } else { Combine::Sum(part) };
            reduces.push(Reduce { order: Order::Chain, combine, result });
            results.push((node, result));
        }
        self.scope.close(reduces);
        results
    }

    /// Adds the results of the last, shorter block.
    fn combined(&mut self, whole: Vec<(NodeId, ValueId)>, rest: &[(NodeId, ValueId)]) -> Vec<(NodeId, ValueId)> {
        let add = |(node, a): (NodeId, ValueId), b: ValueId| {
            let function = if self.is_maximum(node) { crate::ir::Binary::Max } else { crate::ir::Binary::Add };
            let dtype = self.graph.ty(node).dtype;
            (node, self.scope.define(crate::loops::ir::ScalarOp::Binary(function, a, b), dtype))
        };
        let mut add = add;
        whole.into_iter().zip(rest).map(|(part, (_, other))| add(part, *other)).collect()
    }

    /// The innermost loop, from `start`.
    fn innermost(
        &mut self,
        members: &[NodeId],
        pass: &Pass<'_>,
        axis: usize,
        start: Affine,
        size: usize,
        at: &mut [Affine],
    ) -> Result<Vec<(NodeId, ValueId)>, String> {
        let (kind, order) = match pass.domain.style {
            Style::Lanes => (LoopKind::Seq, Order::Chain),
            Style::Tree | Style::Map => (LoopKind::Vec, if size < 64 { Order::Tree8 } else { Order::Tree32 }),
        };
        let var = self.scope.open(kind, size);
        at[axis] = Affine::var(var, 1).plus(&start);
        let mut accumulators = Vec::new();
        for &member in members {
            let spot = self.spot(pass.domain, member, at)?;
            if spot.level == Level::Reduce {
                let combine = self.combine(member, &spot)?;
                let result = self.scope.fresh(self.graph.ty(member).dtype);
                accumulators.push(Accumulator { node: member, combine, result });
            } else {
                self.finish(member, &spot)?;
            }
        }
        let reduces =
            accumulators.iter().map(|one| Reduce { order, combine: one.combine, result: one.result }).collect();
        self.scope.close(reduces);
        Ok(accumulators.into_iter().map(|one| (one.node, one.result)).collect())
    }

    fn combine(&mut self, member: NodeId, spot: &Spot) -> Result<Combine, String> {
        let graph = self.graph;
        let node = graph.node(member);
        self.scope.origin = node.origin;
        let Some(axes) = Axes::of(graph, node) else {
            let value = self.value(node.operands[0], &spot.inner)?;
            return Ok(if self.is_maximum(member) { Combine::Max(value) } else { Combine::Sum(value) });
        };
        let (a, b) = self.factors(node, &axes, &spot.index, &spot.inner)?;
        if self.is_chain(member) {
            return Ok(Combine::Product(a, b));
        }
        let product = crate::loops::ir::ScalarOp::Binary(crate::ir::Binary::Mul, a, b);
        Ok(Combine::Sum(self.scope.define(product, node.ty.dtype)))
    }

    /// Whether a contraction is one chain of multiply-adds, as the wide kernels compute it.
    fn is_chain(&self, member: NodeId) -> bool {
        let node = self.graph.node(member);
        Axes::of(self.graph, node).is_some_and(|axes| axes.form(self.graph, node) != Form::Dot)
    }

    fn is_maximum(&self, member: NodeId) -> bool {
        matches!(self.graph.node(member).op, Op::MaxOf { .. })
    }
}
