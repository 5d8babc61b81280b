//! The order of groups, and which neighbours share a kernel.
//!
//! In: groups. Out: kernels as lists of groups, in an order that respects all
//! reads. Invariant: a topological order; where nothing hinders it, a slot's
//! readers run before the group that computes its next value, so that it can be
//! written in place.

use std::collections::{BTreeSet, HashMap};

use crate::ir::{Face, Graph, Node, Op, OutputKind, SlotId, ValueId};

use super::fate::{Class, Fates};
use super::group::{Group, Groups, Kind};
use super::product::Axes;

/// Groups estimated below this are bundled, in nanoseconds.
const TINY: f64 = 1100.0;
/// Longest bundle, in nanoseconds: above, threads would help.
const BUNDLE: f64 = 8000.0;
/// Most nests of a bundle.
const NESTS: usize = 12;
/// Most statements of a bundle, values used twice counted twice.
const STATEMENTS: u32 = 600;

/// The groups of each kernel, in order.
///
/// # Errors
/// If the groups are not acyclic.
pub(super) fn order(graph: &Graph, fates: &Fates, groups: &Groups, fuse: bool) -> Result<Vec<Vec<usize>>, String> {
    let times: HashMap<usize, f64> = groups.iter().map(|(at, group)| (at, estimate(graph, fates, group))).collect();
    let sequence = sequence(graph, groups, &times, fuse);
    check_topological(groups, &sequence)?;
    let mut kernels: Vec<Vec<usize>> = Vec::new();
    let (mut time, mut statements) = (0.0, 0);
    for at in sequence {
        let mine = groups.groups[at]
            .iter()
            .flat_map(|group| &group.members)
            .map(|member| fates.length[member.index()] + 3)
            .sum::<u32>();
        let tiny = fuse && times[&at] < TINY;
        if let Some(last) = kernels.last_mut() {
            let fits = last.len() < NESTS && time + times[&at] < BUNDLE && statements + mine <= STATEMENTS;
            if tiny && fits && times[&last[0]] < TINY {
                last.push(at);
                time += times[&at];
                statements += mine;
                continue;
            }
        }
        kernels.push(vec![at]);
        (time, statements) = (times[&at], mine);
    }
    Ok(kernels)
}

/// Every group once, after all that it reads.
fn check_topological(groups: &Groups, sequence: &[usize]) -> Result<(), String> {
    let place: HashMap<usize, usize> = sequence.iter().enumerate().map(|(place, at)| (*at, place)).collect();
    for (at, group) in groups.iter() {
        let mine = place.get(&at).ok_or_else(|| format!("the group of {} is part of a cycle", group.members[0]))?;
        if let Some(late) =
            groups.before(at).into_iter().find(|before| place.get(before).is_none_or(|other| other >= mine))
        {
            return Err(format!("the group of {} runs before group {late}, which it reads", group.members[0]));
        }
    }
    Ok(())
}

/// Kahn's walk: among what is ready, the kind (tiny or not) of the group before, then the earliest.
fn sequence(graph: &Graph, groups: &Groups, times: &HashMap<usize, f64>, fuse: bool) -> Vec<usize> {
    let mut hard: HashMap<usize, usize> = groups.iter().map(|(at, _)| (at, groups.before(at).len())).collect();
    let mut after: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, _) in groups.iter() {
        groups.before(at).into_iter().for_each(|before| after.entry(before).or_default().push(at));
    }
    let (mut soft, soft_after) = slot_edges(graph, groups);
    let key = |at: usize| (groups.groups[at].as_ref().and_then(|group| group.members.last().copied()), at);
    let mut waiting: BTreeSet<(Option<ValueId>, usize)> =
        hard.iter().filter(|(_, count)| **count == 0).map(|(at, _)| key(*at)).collect();
    let mut sequence = Vec::new();
    let mut tiny_before = false;
    while !waiting.is_empty() {
        let free = |at: usize| soft.get(&at).copied().unwrap_or(0) == 0;
        let tiny = |at: usize| fuse && times[&at] < TINY;
        let pick = waiting
            .iter()
            .find(|(_, at)| free(*at) && tiny(*at) == tiny_before)
            .or_else(|| waiting.iter().find(|(_, at)| free(*at)))
            .or_else(|| waiting.first())
            .copied();
        let Some(pick) = pick else { break };
        waiting.remove(&pick);
        let at = pick.1;
        tiny_before = tiny(at);
        sequence.push(at);
        for next in soft_after.get(&at).into_iter().flatten() {
            soft.entry(*next).and_modify(|count| *count -= 1);
        }
        for next in after.get(&at).into_iter().flatten() {
            let count = hard.entry(*next).or_insert(1);
            *count -= 1;
            if *count == 0 {
                waiting.insert(key(*next));
            }
        }
    }
    sequence
}

/// Edges from the readers of a slot's old value to the group that computes the new one: how many reach each group,
/// and where they go.
fn slot_edges(graph: &Graph, groups: &Groups) -> (HashMap<usize, usize>, HashMap<usize, Vec<usize>>) {
    let mut writer: HashMap<SlotId, usize> = HashMap::new();
    for output in &graph.outputs {
        if let (OutputKind::Write(slot), Some(&at)) = (&output.kind, groups.of.get(&output.value)) {
            writer.insert(*slot, at);
        }
    }
    let mut count: HashMap<usize, usize> = HashMap::new();
    let mut edges: HashMap<usize, Vec<usize>> = HashMap::new();
    for (reader, group) in groups.iter() {
        for source in &group.sources {
            let Op::Input(slot) = &graph.node(*source).op else { continue };
            if let Some(&to) = writer.get(slot).filter(|&&to| to != reader) {
                edges.entry(reader).or_default().push(to);
                *count.entry(to).or_default() += 1;
            }
        }
    }
    (count, edges)
}

/// Operations of a convolution: each element of y meets each element of a filter.
fn convolution(graph: &Graph, node: &Node) -> f64 {
    let Op::Conv { face, .. } = &node.op else { return 0.0 };
    let (a, b) = (graph.ty(node.operands[0]), graph.ty(node.operands[1]));
    let (w, y) = match face {
        Face::Out => (b, &node.ty),
        Face::Input => (b, a),
        Face::Weight => (&node.ty, b),
    };
    let filter = w.len() / w.shape.first().copied().unwrap_or(1).max(1);
    2.0 * y.len() as f64 * filter as f64
}

/// Estimated nanoseconds of a group, by constants of the language.
pub(super) fn estimate(graph: &Graph, fates: &Fates, group: &Group) -> f64 {
    let bytes: usize = group.sources.iter().chain(&group.members).map(|value| graph.ty(*value).len() * 4).sum();
    let mut work = 0.0;
    for &member in &group.members {
        let node = graph.node(member);
        let cost = f64::from(fates.cost[member.index()]);
        work += match fates.class[member.index()] {
            Class::Product => {
                let sizes = Axes::of(graph, node).map_or((1, 1, 1), |axes| axes.sizes(graph, node));
                let batch = node.ty.len() / (sizes.0 * sizes.1).max(1);
                (2 * sizes.0 * sizes.1 * sizes.2 * batch) as f64 / 50.0
            }
            Class::Reduce => group.domain.len() as f64 * (cost + 1.0) / 16.0,
            // A loop is never part of a bundle.
            Class::Own if matches!(node.op, Op::Scan { .. }) => BUNDLE,
            Class::Own if matches!(node.op, Op::Conv { .. }) => convolution(graph, node) / 50.0,
            Class::Own => node.ty.len() as f64 * 1.5,
            Class::Memory | Class::Made | Class::View | Class::Map => node.ty.len() as f64 * cost.max(1.0) / 16.0,
        };
    }
    let call = if matches!(group.kind, Kind::Product(_)) { 100.0 } else { 0.0 };
    f64::max(work, bytes as f64 / 32.0) + call
}
