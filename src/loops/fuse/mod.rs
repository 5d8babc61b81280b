//! From graph to loops: groups of values, one nest each.
//!
//! In: a graph after its passes. Out: a [`Program`] whose values in memory all
//! have buffers of their own; [`super::plan`] then gives them places. Invariant:
//! the kernels are a topological order of the groups, the groups of the graph.
//!
//! The way: `arrange` lays out what wide products read, `fate` decides what is stored, `group` puts roots into common nests
//! (with `domain` and `reads` to see what fits), `order` lays them in a row and
//! bundles small ones, `emit`, `nest`, `wide` and `steps` write statements, `tidy`
//! joins and (`exchange`, `tile`) swaps and cuts loops, forms fma and cuts panels. `home` says where values lie, `turns`
//! lowers the body of a scan by the same way.
mod arrange;
mod domain;
mod emit;
mod exchange;
mod fate;
mod group;
mod home;
mod nest;
mod order;
mod product;
mod reads;
mod scope;
mod steps;
mod sums;
mod tidy;
mod tile;
mod turns;
mod view;
mod wide;

use std::collections::HashSet;

use crate::ir::{Const, Graph, Node, Op, OutputKind, ValueId};
use crate::loops::ir::{Arg, BufferId, Figure, KernelId, Program, Run};
use crate::loops::verify::MAX_STATEMENTS;

use domain::Style;
use emit::Emitter;
use fate::{Class, Fates};
use group::{Group, Groups, Kind};
use home::{Frame, Home};
use scope::Scope;

/// A program before the plan.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// All temporaries lie at offset 0 still.
    pub program: Program,
    /// Each written slot's new value: (slot's buffer, value's buffer).
    pub writes: Vec<(BufferId, BufferId)>,
    /// Carries of loops that are written at the end of a turn, unless that is legal earlier.
    pub carries: Vec<Carry>,
}

/// A carry of a loop in one place.
#[derive(Clone, Debug)]
pub struct Carry {
    /// Which of the program's loops.
    pub turns: usize,
    /// Holds the value that a turn starts from.
    pub place: BufferId,
    /// Holds the next value.
    pub next: BufferId,
}

/// Groups the graph's values into kernels and writes them as loops.
///
/// # Errors
/// A message when an invariant of the lowering is broken: an internal error.
pub fn fuse(graph: &Graph, fuse: bool) -> Result<Draft, String> {
    let mut draft = Draft::default();
    let graph = separate_outputs(&arrange::arrange(graph), false);
    let homes = lower(&graph, &Frame::default(), fuse, &mut draft)?;
    for output in &graph.outputs {
        let Some(home) = &homes[output.value.index()] else { continue };
        match &output.kind {
            OutputKind::Write(slot) => {
                let to = home::slot_buffer(&graph, *slot, graph.node(output.value).origin, &mut draft.program);
                draft.writes.push((to, home.arg.buffer));
            }
            OutputKind::Figure(name) => {
                let Arg { buffer, offset, .. } = home.arg;
                let shape = graph.ty(output.value).shape.clone();
                draft.program.figures.push(Figure { name: name.clone(), buffer, offset, shape });
            }
        }
    }
    Ok(draft)
}

/// Appends a graph's runs to the program; where its values lie.
fn lower(graph: &Graph, frame: &Frame, fuse: bool, draft: &mut Draft) -> Result<Vec<Option<Home>>, String> {
    let fates = Fates::decide(graph, &frame.layouts(), fuse);
    let groups = Groups::form(graph, &fates, fuse);
    let stored = stored(graph, &fates, &groups);
    let mut homes = home::homes(graph, &fates, &stored, frame, &mut draft.program);
    for kernel in order::order(graph, &fates, &groups, fuse)? {
        let members: Vec<&Group> = kernel.iter().filter_map(|at| groups.groups[*at].as_ref()).collect();
        let context = Context { graph, fates: &fates, homes: &homes, fuse };
        if let [group] = members[..]
            && matches!(graph.node(group.members[0]).op, Op::Scan { .. })
        {
            for (result, home) in context.scan(&group.members, frame.depth, draft)? {
                homes[result.index()] = Some(home);
            }
        } else {
            context.emit(&members, &mut draft.program)?;
        }
    }
    Ok(homes)
}

/// What emission reads.
struct Context<'a> {
    graph: &'a Graph,
    fates: &'a Fates,
    homes: &'a [Option<Home>],
    fuse: bool,
}

impl Context<'_> {
    fn emitter(&self, name: String) -> Emitter<'_> {
        let scope = Scope::new(name);
        Emitter { graph: self.graph, fates: self.fates, homes: self.homes, again: Vec::new(), scope }
    }

    /// One kernel of all the groups; two of half of them if it becomes too long.
    fn emit(&self, groups: &[&Group], program: &mut Program) -> Result<(), String> {
        let mut emitter = self.emitter(name(self.graph, groups));
        for group in groups {
            match group.kind {
                Kind::Loops => emitter.nest(group, None)?,
                Kind::Product(product) => emitter.product(group, product)?,
                Kind::Own => emitter.own(group.members[0])?,
            }
        }
        if emitter.scope.statements() > MAX_STATEMENTS && groups.len() > 1 {
            let (first, second) = groups.split_at(groups.len() / 2);
            self.emit(first, program)?;
            return self.emit(second, program);
        }
        self.push(emitter.scope, groups.len() == 1, program);
        Ok(())
    }

    /// Appends a kernel and its run.
    fn push(&self, scope: Scope, alone: bool, program: &mut Program) {
        let (mut kernel, args) = scope.finish();
        tidy::tidy(&mut kernel, self.fuse, alone);
        program.runs.push(Run { kernel: KernelId(program.kernels.len() as u32), args });
        program.kernels.push(kernel);
    }
}

/// Gives each output a value of its own: one that is computed by a kernel, and not claimed by another written slot;
/// with `every`, nor by a figure. Without it a figure may be what a scan leaves, where it leaves it.
fn separate_outputs(graph: &Graph, every: bool) -> Graph {
    let mut graph = graph.clone();
    let mut claimed: HashSet<ValueId> = HashSet::new();
    for at in 0..graph.outputs.len() {
        let output = graph.outputs[at].clone();
        let node = graph.node(output.value).clone();
        let own_slot = matches!((&output.kind, &node.op), (OutputKind::Write(to), Op::Input(from)) if to == from);
        let alone = every || matches!(output.kind, OutputKind::Write(_));
        let given = match &node.op {
            Op::Input(_) | Op::Const { value: Const::Table { .. }, .. } => true,
            Op::Scan { .. } => alone,
            _ => false,
        };
        if own_slot || !(given || (alone && claimed.contains(&output.value))) {
            if alone {
                claimed.insert(output.value);
            }
            continue;
        }
        let copy = Node { op: Op::Reshape { shape: node.ty.shape.clone() }, operands: vec![output.value], ..node };
        graph.nodes.push(copy);
        graph.outputs[at].value = ValueId(graph.nodes.len() as u32 - 1);
    }
    graph
}

/// Which roots must have memory: all but those that only their own group reads, and does so cheaply.
fn stored(graph: &Graph, fates: &Fates, groups: &Groups) -> Vec<bool> {
    let mut stored = fates.needed.clone();
    for (_, group) in groups.iter() {
        for source in &group.sources {
            stored[source.index()] = true;
        }
        if let Kind::Product(product) = group.kind {
            stored[product.index()] = true;
        }
    }
    // Within a group reductions are remembered and cheap maps computed again; the others are kept.
    const AGAIN: u32 = 12;
    for (_, group) in groups.iter().filter(|(_, group)| group.domain.style == Style::Tree) {
        for &member in &group.members {
            let map = matches!(fates.class[member.index()], Class::Map | Class::View | Class::Made);
            if map && fates.cost[member.index()] > AGAIN && graph.ty(member).len() > group.domain.rows() {
                stored[member.index()] = true;
            }
        }
    }
    stored
}

/// `Mlp.dense1 + relu`: where the members stand, or what they do.
fn name(graph: &Graph, groups: &[&Group]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for &member in groups.iter().flat_map(|group| &group.members) {
        let node = graph.node(member);
        let label = node.origin.label.and_then(|label| graph.labels.get(label.index()));
        let part = match (label, &node.name) {
            (Some(label), _) => label.to_string(),
            (None, Some(name)) => name.to_string(),
            (None, None) => node.op.name().to_owned(),
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    const SHOWN: usize = 4;
    if parts.len() > SHOWN {
        parts.truncate(SHOWN);
        parts.push("...".to_owned());
    }
    parts.join(" + ")
}
