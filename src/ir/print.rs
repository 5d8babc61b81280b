//! The text form of a graph: everything but spans, one slot, node or output a
//! line. [`super::parse`] reads it back.
//!
//! ```text
//! slot s0: f32[64, 128] column "digits.image"
//! v1: f32[] = const() value=0.5
//! v3: f32[64, 10] = contract(v0, v2) batch=[] over=[1:0]  # Mlp.dense1 let=h adjoint=v1:exp
//! write s2 = v7
//! figure "loss" = v9
//! ```
//! The body of a scan stands before its first use, as a graph of its own between braces:
//!
//! ```text
//! body b0 turns=4 reverse=false carries=1 sequences=0 {
//!   slot s0: i32[] scalar "turn"
//!   ...
//! }
//! v5: f32[3] = scan(v2) body=b0 result=0
//! ```
//! Behind `#`: the label (quoted if it holds a space), the name a `let` gave,
//! the forward node and rule of an adjoint node.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use super::graph::{Graph, Node, Output, OutputKind, Owner, Slot, SlotId, ValueId};
use super::op::{Const, Op, Window};
use super::scan::Scan;
use super::types::DType;

/// The whole graph as text.
pub fn print(graph: &Graph) -> String {
    graph.to_string()
}

/// One node as a line without the line break.
pub fn print_node(graph: &Graph, value: ValueId) -> String {
    let before = graph.nodes.iter().take(value.index());
    let mut bodies: Vec<&Arc<Scan>> = Vec::new();
    before.for_each(|node| {
        new_body(&mut bodies, node);
    });
    new_body(&mut bodies, graph.node(value));
    line(graph, value, graph.node(value), &bodies)
}

/// Counts the node's body if no node before had it; the number of that new body.
fn new_body<'a>(bodies: &mut Vec<&'a Arc<Scan>>, node: &'a Node) -> Option<usize> {
    let Op::Scan { scan, .. } = &node.op else { return None };
    if bodies.iter().any(|known| Arc::ptr_eq(known, scan)) {
        return None;
    }
    bodies.push(scan);
    Some(bodies.len() - 1)
}

/// An owner as printed.
pub fn owner_name(owner: Owner) -> &'static str {
    match owner {
        Owner::Parameter => "parameter",
        Owner::State => "state",
        Owner::TrainState => "train_state",
        Owner::OptimizerState => "optimizer_state",
        Owner::Column => "column",
        Owner::Scalar => "scalar",
    }
}

impl Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in &self.labels {
            writeln!(f, "label {label:?}")?;
        }
        for (at, Slot { path, ty, owner }) in self.slots.iter().enumerate() {
            writeln!(f, "slot {}: {ty} {} {path:?}", SlotId(at as u32), owner_name(*owner))?;
        }
        let mut bodies = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if let Some(number) = new_body(&mut bodies, node) {
                write_body(f, number, bodies[number])?;
            }
            writeln!(f, "{}", line(self, ValueId(at as u32), node, &bodies))?;
        }
        for Output { kind, value } in &self.outputs {
            match kind {
                OutputKind::Write(slot) => writeln!(f, "write {slot} = {value}")?,
                OutputKind::Figure(name) => writeln!(f, "figure {name:?} = {value}")?,
            }
        }
        Ok(())
    }
}

fn write_body(f: &mut fmt::Formatter<'_>, number: usize, scan: &Scan) -> fmt::Result {
    let Scan { turns, reverse, carries, sequences, body } = scan;
    writeln!(f, "body b{number} turns={turns} reverse={reverse} carries={carries} sequences={sequences} {{")?;
    for line in body.to_string().lines() {
        writeln!(f, "  {line}")?;
    }
    writeln!(f, "}}")
}

fn line(graph: &Graph, value: ValueId, node: &Node, bodies: &[&Arc<Scan>]) -> String {
    let mut line = format!("{value}: {} = {}({})", node.ty, node.op.name(), join(&node.operands));
    for (key, text) in attributes(&node.op, bodies) {
        line += &format!(" {key}={text}");
    }
    let comment = comment(graph, node);
    if !comment.is_empty() {
        line += &format!("  #{comment}");
    }
    line
}

/// Attributes as printed, in the order of the op's fields; what the type
/// already says (shape of a constant) is left out.
fn attributes(op: &Op, bodies: &[&Arc<Scan>]) -> Vec<(&'static str, String)> {
    match op {
        Op::Input(slot) => vec![("slot", slot.to_string())],
        Op::Const { value, .. } => vec![constant(value)],
        Op::Iota { axis, .. } => vec![("axis", axis.to_string())],
        Op::Random { place, base, .. } => vec![("place", format!("{place:#010x}")), ("base", base.to_string())],
        Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::And | Op::Or | Op::Not => vec![],
        Op::Select | Op::Convert(_) | Op::StopGradient | Op::Reshape { .. } => vec![],
        Op::Broadcast { axes, .. } => vec![("axes", list(axes))],
        Op::Transpose { perm } => vec![("perm", list(perm))],
        Op::Slice { start, step, .. } => vec![("start", list(start)), ("step", list(step))],
        Op::Unslice { start, step, .. } => vec![("start", list(start)), ("step", list(step))],
        Op::Concat { axis } => vec![("axis", axis.to_string())],
        Op::Unfold { axis, window, fill } => {
            vec![("axis", axis.to_string()), ("window", windows(&[*window])), ("fill", fill.name().to_string())]
        }
        Op::Fold { axis, window } => vec![("axis", axis.to_string()), ("window", windows(&[*window]))],
        Op::Sum { axes } | Op::MaxOf { axes } => vec![("axes", list(axes))],
        Op::Contract { batch, over } => vec![("batch", pairs(batch)), ("over", pairs(over))],
        Op::Conv { face, windows: along, groups } => {
            vec![("face", face.name().to_string()), ("windows", windows(along)), ("groups", groups.to_string())]
        }
        Op::Gather { axis } => vec![("axis", axis.to_string())],
        Op::ScatterAdd { axis, size } => vec![("axis", axis.to_string()), ("size", size.to_string())],
        Op::Scan { scan, result } => {
            let number = bodies.iter().position(|known| Arc::ptr_eq(known, scan)).unwrap_or(bodies.len());
            vec![("body", format!("b{number}")), ("result", result.to_string())]
        }
        Op::Put { axis } | Op::Argsort { axis } => vec![("axis", axis.to_string())],
    }
}

fn constant(value: &Const) -> (&'static str, String) {
    match value {
        Const::F32(value) => ("value", float(*value)),
        Const::I32(value) => ("value", value.to_string()),
        Const::Bool(value) => ("value", value.to_string()),
        Const::Table { dtype, words } => {
            let word = |word: &u32| match dtype {
                DType::F32 => float(f32::from_bits(*word)),
                DType::I32 => (*word as i32).to_string(),
                DType::Bool => (*word != 0).to_string(),
            };
            ("table", list(&words.iter().map(word).collect::<Vec<_>>()))
        }
    }
}

/// The shortest text that reads back to the same bits; NaN by its bits.
fn float(value: f32) -> String {
    if value.is_nan() { format!("nan:{:#010x}", value.to_bits()) } else { format!("{value:?}") }
}

fn comment(graph: &Graph, node: &Node) -> String {
    let mut comment = String::new();
    if let Some(label) = node.origin.label.and_then(|label| graph.labels.get(label.index())) {
        let _ = write!(comment, " {}", word(label));
    }
    if let Some(name) = &node.name {
        let _ = write!(comment, " let={}", word(name));
    }
    if let Some(derived) = node.origin.derived {
        let _ = write!(comment, " adjoint={}:{}", derived.forward, derived.rule);
    }
    comment
}

/// As it is if it reads as one word, else quoted.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '[' | ']' | '-');
    if !text.is_empty() && text.chars().all(plain) { text.to_string() } else { format!("{text:?}") }
}

/// `[n:out:k:step:dilation:lo, ...]`
fn windows(windows: &[Window]) -> String {
    let text = |w: &Window| format!("{}:{}:{}:{}:{}:{}", w.n, w.out, w.k, w.step, w.dilation, w.lo);
    list(&windows.iter().map(text).collect::<Vec<_>>())
}

fn pairs(pairs: &[(usize, usize)]) -> String {
    list(&pairs.iter().map(|(a, b)| format!("{a}:{b}")).collect::<Vec<_>>())
}

fn list<T: Display>(items: &[T]) -> String {
    format!("[{}]", join(items))
}

fn join<T: Display>(items: &[T]) -> String {
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let separator = if at > 0 { ", " } else { "" };
        let _ = write!(text, "{separator}{item}");
    }
    text
}
