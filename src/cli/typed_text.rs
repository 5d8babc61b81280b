//! Syntax tree and typed program as text, for `emit-ir`.
//!
//! In: trees. Out: one line a node. Invariant: places are lines of the source,
//! so that the text changes only where the program does.

use crate::check::dims::Dim;
use crate::check::typed::{ActionKind, Clock, Kind, Node, NodeId, Program};
use crate::ir::Type;
use crate::ir::print::owner_name;
use crate::source::SourceMap;

/// The typed program: slots, data, nodes, actions.
pub fn program(program: &Program, sources: &SourceMap) -> String {
    let mut text = String::new();
    for (at, slot) in program.slots.iter().enumerate() {
        text += &format!("slot{at}: {} {} {:?}\n", slot.ty, owner_name(slot.owner), slot.path);
    }
    for (at, data) in program.data.iter().enumerate() {
        let columns: Vec<&str> = data.columns.iter().map(|column| column.name.as_str()).collect();
        text += &format!("data{at}: {} [{}]\n", data.name, columns.join(", "));
    }
    for at in 0..program.nodes.len() {
        text += &format!("{}\n", node(program, NodeId(at as u32)));
    }
    for action in &program.actions {
        text += &format!("line {}: {}\n", sources.line_column(action.span).0, self::action(program, &action.kind));
    }
    text
}

fn node(program: &Program, id: NodeId) -> String {
    let node = program.node(id);
    let operands: Vec<String> = node.operands.iter().map(NodeId::to_string).collect();
    let comment = comment(node);
    format!("{id}: {} = {}({}){comment}", shape(program, &node.ty), kind(program, &node.kind), operands.join(", "))
}

fn comment(node: &Node) -> String {
    match (&node.label, &node.name) {
        (None, None) => String::new(),
        (Some(label), None) => format!("  # {label}"),
        (None, Some(name)) => format!("  # let={name}"),
        (Some(label), Some(name)) => format!("  # {label} let={name}"),
    }
}

fn kind(program: &Program, kind: &Kind) -> String {
    match kind {
        Kind::Op(op) => op.name().to_string(),
        Kind::Read { slot, version } => format!("read {slot}@{version} "),
        Kind::Known(known) => program.known[known.index()].path.clone(),
        Kind::Column { data, column } => {
            let set = &program.data[data.index()];
            format!("column {}.{} ", set.name, set.columns[*column].name)
        }
        Kind::Size(dim) => format!("size {} ", program.atoms.show(dim)),
        Kind::Random { place, .. } => format!("random {place:#010x} "),
        Kind::Given(slot) => format!("given {slot} "),
        Kind::Scan { body, result } => {
            let (turns, outputs) = (program.atoms.show(&body.turns), list(&body.outputs));
            format!("scan turns={turns} carries={} outputs=[{outputs}] result={result} ", body.carries)
        }
        Kind::Grad => "grad".to_string(),
        Kind::Clock(Clock::Step) => "run.step".to_string(),
        Kind::Clock(Clock::Steps) => "run.steps".to_string(),
        Kind::Clock(Clock::Epoch) => "run.epoch".to_string(),
        Kind::Clock(Clock::Epochs) => "run.epochs".to_string(),
        Kind::Figure(name) => format!("figure {name} "),
    }
}

fn shape(program: &Program, ty: &Type<Dim>) -> String {
    let sizes: Vec<String> = ty.shape.iter().map(|dim| program.atoms.show(dim)).collect();
    format!("{}[{}]", ty.dtype, sizes.join(", "))
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn action(program: &Program, kind: &ActionKind) -> String {
    match kind {
        ActionKind::Set { slots, eval } => format!("set {} = {}", list(slots), list(&eval.outputs)),
        ActionKind::Print { eval, .. } => format!("print {}", list(&eval.outputs)),
        ActionKind::Assert { eval, .. } => format!("assert {}", list(&eval.outputs)),
        ActionKind::Train(train) => {
            let mut text = format!("train {}", train.name);
            for phase in &train.phases {
                let loss = phase.loss.map_or(String::new(), |loss| format!(" minimize {loss}"));
                let writes = list(phase.writes.iter().map(|(slot, node)| format!("{slot} = {node}")));
                text += &format!("\n  phase {:?}{loss} next {writes}", phase.name);
            }
            for figure in &train.figures {
                let val = figure.val.map_or(String::new(), |val| format!(", val {val}"));
                text += &format!("\n  figure {} = {}{val}", figure.name, figure.train);
            }
            text
        }
        ActionKind::Save { slots, to } => {
            format!("save {} as {to:?}", list(slots.iter().map(|(_, slot)| path(program, *slot))))
        }
        ActionKind::Load { slots, from, .. } => {
            format!("load {} from {from:?}", list(slots.iter().map(|(_, slot)| path(program, *slot))))
        }
        ActionKind::Record { eval, row } => format!("record {} into {}", list(&eval.outputs), row.table),
        ActionKind::Take { table, column, slot } => format!("take column {column} of {table} into {slot}"),
        ActionKind::Group(grouping) => format!("group {} into {}", grouping.from, grouping.into),
        ActionKind::Plot { eval, .. } => format!("plot {}", list(&eval.outputs)),
    }
}

fn path(program: &Program, slot: crate::check::typed::SlotId) -> String {
    program.slot(slot).path.clone()
}
