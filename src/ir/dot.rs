//! A graph as a Graphviz text: nodes with op, name and type; inputs as
//! cylinders, adjoint nodes filled, outputs as double circles.

use std::fmt::Write;

use super::graph::{Graph, Node, OutputKind, ValueId};
use super::op::Op;

/// The graph in the DOT language.
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph {\n  node [shape=box, fontname=monospace];\n");
    for (at, node) in graph.nodes.iter().enumerate() {
        let value = ValueId(at as u32);
        let _ = writeln!(text, "  {value} [label={}{}];", quoted(&caption(graph, value, node)), style(node));
        for operand in &node.operands {
            let _ = writeln!(text, "  {operand} -> {value};");
        }
    }
    for (at, output) in graph.outputs.iter().enumerate() {
        let name = match &output.kind {
            OutputKind::Write(slot) => format!("next {}", graph.slot(*slot).path),
            OutputKind::Figure(name) => name.clone(),
        };
        let _ =
            writeln!(text, "  out{at} [label={}, shape=doublecircle];\n  {} -> out{at};", quoted(&name), output.value);
    }
    text + "}\n"
}

fn caption(graph: &Graph, value: ValueId, node: &Node) -> String {
    let mut caption = format!("{value} {}", node.op.name());
    if let Op::Input(slot) = node.op {
        caption += &format!(" {}", graph.slot(slot).path);
    }
    if let Op::Scan { scan, result } = &node.op {
        caption += &format!(" result {result} of {} turns", scan.turns);
    }
    if let Some(name) = &node.name {
        caption += &format!(" '{name}'");
    }
    caption += &format!("\n{}", node.ty);
    if let Some(label) = node.origin.label {
        caption += &format!("\n{}", graph.labels[label.index()]);
    }
    if let Some(derived) = node.origin.derived {
        caption += &format!("\nadjoint of {}", derived.forward);
    }
    caption
}

fn style(node: &Node) -> &'static str {
    match (&node.op, node.origin.derived) {
        (Op::Input(_), _) => ", shape=cylinder",
        (_, Some(_)) => ", style=filled, fillcolor=lightgrey",
        (_, None) => "",
    }
}

/// DOT keeps `\n` as a line break; only quotes and backslashes of names are escaped.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
