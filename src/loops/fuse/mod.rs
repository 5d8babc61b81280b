//! From graph to loops: groups of values, one nest each.
//!
//! In: a graph after its passes. Out: a [`Program`] whose values in memory all
//! have buffers of their own; [`super::plan`] then gives them places. Invariant:
//! the kernels are a topological order of the groups, the groups of the graph.
//!
//! The way: `fate` decides what is stored, `group` puts roots into common nests
//! (with `domain` and `reads` to see what fits), `order` lays them in a row and
//! bundles small ones, `emit`, `nest` and `wide` write statements, `tidy`
//! joins loops, forms fma and cuts panels.
mod domain;
mod emit;
mod fate;
mod group;
mod nest;
mod order;
mod product;
mod reads;
mod scope;
mod tidy;
mod view;
mod wide;

use std::collections::{HashMap, HashSet};

use crate::ir::{Const, Graph, Node, Op, OutputKind, ValueId};
use crate::loops::ir::{Arg, Buffer, BufferId, KernelId, Place, Program, Run};
use crate::loops::verify::MAX_STATEMENTS;

use domain::Style;
use emit::Emitter;
use fate::{Class, Fates};
use group::{Group, Groups, Kind};
use scope::Scope;

/// A program before the plan.
#[derive(Clone, Debug)]
pub struct Draft {
    /// All temporaries lie at offset 0 still.
    pub program: Program,
    /// Each written slot's new value: (slot's buffer, value's buffer).
    pub writes: Vec<(BufferId, BufferId)>,
}

/// Groups the graph's values into kernels and writes them as loops.
///
/// # Errors
/// A message when an invariant of the lowering is broken: an internal error.
pub fn fuse(graph: &Graph, fuse: bool) -> Result<Draft, String> {
    let graph = separate_outputs(graph);
    let fates = Fates::decide(&graph, fuse);
    let groups = Groups::form(&graph, &fates, fuse);
    let stored = stored(&graph, &fates, &groups);
    let (mut program, buffers, writes) = buffers(&graph, &fates, &stored);
    let context = Context { graph: &graph, fates: &fates, buffers: &buffers, fuse };
    for kernel in order::order(&graph, &fates, &groups, fuse)? {
        let members: Vec<&Group> = kernel.iter().filter_map(|at| groups.groups[*at].as_ref()).collect();
        context.emit(&members, &mut program)?;
    }
    Ok(Draft { program, writes })
}

/// What emission reads.
struct Context<'a> {
    graph: &'a Graph,
    fates: &'a Fates,
    buffers: &'a [Option<BufferId>],
    fuse: bool,
}

impl Context<'_> {
    /// One kernel of all the groups; two of half of them if it becomes too long.
    fn emit(&self, groups: &[&Group], program: &mut Program) -> Result<(), String> {
        let scope = Scope::new(name(self.graph, groups));
        let mut emitter =
            Emitter { graph: self.graph, fates: self.fates, buffers: self.buffers, again: Vec::new(), scope };
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
        let (mut kernel, args) = emitter.scope.finish();
        tidy::tidy(&mut kernel, self.fuse, groups.len() == 1);
        let args = args.into_iter().map(|buffer| Arg { buffer, offset: 0 }).collect();
        program.runs.push(Run { kernel: KernelId(program.kernels.len() as u32), args });
        program.kernels.push(kernel);
        Ok(())
    }
}

/// Gives each output a value of its own: one that is computed, and not claimed by another written slot.
fn separate_outputs(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    let mut claimed: HashSet<ValueId> = HashSet::new();
    for at in 0..graph.outputs.len() {
        let output = graph.outputs[at].clone();
        let node = graph.node(output.value).clone();
        let own_slot = matches!((&output.kind, &node.op), (OutputKind::Write(to), Op::Input(from)) if to == from);
        let given = matches!(&node.op, Op::Input(_) | Op::Const { value: Const::Table { .. }, .. });
        let written = matches!(output.kind, OutputKind::Write(_));
        if own_slot || !(given || (written && claimed.contains(&output.value))) {
            if written {
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

type Buffers = (Program, Vec<Option<BufferId>>, Vec<(BufferId, BufferId)>);

/// One buffer for each value in memory, and one for each slot.
fn buffers(graph: &Graph, fates: &Fates, stored: &[bool]) -> Buffers {
    let mut program = Program::default();
    let mut of = vec![None; graph.nodes.len()];
    let mut slots: HashMap<u32, BufferId> = HashMap::new();
    let add = |program: &mut Program, buffer: Buffer| {
        program.buffers.push(buffer);
        BufferId(program.buffers.len() as u32 - 1)
    };
    let mut slot_buffer = |program: &mut Program, slot: crate::ir::SlotId, origin| {
        *slots.entry(slot.0).or_insert_with(|| {
            let found = graph.slot(slot);
            let (name, dtype, shape) = (found.path.clone(), found.ty.dtype, found.ty.shape.clone());
            add(program, Buffer { name, dtype, shape, place: Place::Slot(slot), origin })
        })
    };
    for (at, node) in graph.nodes.iter().enumerate().filter(|(at, _)| fates.live[*at]) {
        let name = node.name.as_ref().map_or_else(|| ValueId(at as u32).to_string(), |name| name.to_string());
        let place = match (&node.op, fates.class[at]) {
            (Op::Input(slot), _) => {
                of[at] = Some(slot_buffer(&mut program, *slot, node.origin));
                continue;
            }
            (Op::Const { value: Const::Table { words, .. }, .. }, _) => Place::Constant(words.clone()),
            _ if stored[at] && fates.root[at] => Place::Temporary { offset: 0 },
            _ => continue,
        };
        let (dtype, shape) = (node.ty.dtype, node.ty.shape.clone());
        program.buffers.push(Buffer { name, dtype, shape, place, origin: node.origin });
        of[at] = Some(BufferId(program.buffers.len() as u32 - 1));
    }
    let mut writes = Vec::new();
    for output in &graph.outputs {
        let Some(value) = of[output.value.index()] else { continue };
        match &output.kind {
            OutputKind::Write(slot) => {
                let to = slot_buffer(&mut program, *slot, graph.node(output.value).origin);
                writes.push((to, value));
            }
            OutputKind::Figure(name) => program.figures.push((name.clone(), value)),
        }
    }
    (program, of, writes)
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
