//! Graphs as pictures: Graphviz text, or SVG laid out here.
//!
//! In: a graph, with or without values. Out: boxes in layers, operands above
//! their users (forward blue, adjoint orange, slots green). The layout is the
//! layered one of Sugiyama, Tagawa and Toda (1981): ranks by longest path, long
//! edges through empty places, order by the mean of the neighbours, then
//! positions by the same means with the boxes kept apart. Invariant: equal
//! graphs give equal texts.

mod layout;

use std::fmt::Write;

use super::values::{self, Shown};
use crate::ir::{Graph, Op, OutputKind, ValueId};
use crate::source::SourceMap;
use layout::{Layout, Point};

/// Width of a character, pixels of 12 px monospace.
const CHARACTER: f64 = 7.3;
/// Height of a line of text.
const LINE: f64 = 15.0;
/// Free room inside a box.
const PADDING: f64 = 8.0;
/// Free room around the picture.
const MARGIN: f64 = 20.0;

/// What a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A slot is read.
    Input,
    /// A constant.
    Constant,
    /// A forward operation.
    Forward,
    /// An operation of a gradient.
    Adjoint,
    /// A result.
    Output,
}

/// A box of the picture.
pub struct BoxText {
    /// Its text.
    pub lines: Vec<String>,
    /// What it is.
    pub look: Look,
    /// Boxes above it.
    pub operands: Vec<usize>,
}

/// A box for each node and each result.
pub fn boxes(graph: &Graph, shown: Option<&[Shown]>, sources: &SourceMap) -> Vec<BoxText> {
    let mut boxes: Vec<BoxText> = (0..graph.nodes.len()).map(|at| node_box(graph, at, shown, sources)).collect();
    for output in &graph.outputs {
        let line = match &output.kind {
            OutputKind::Write(slot) => format!("next {}", graph.slot(*slot).path),
            OutputKind::Figure(name) => format!("result {name}"),
        };
        boxes.push(BoxText { lines: vec![line], look: Look::Output, operands: vec![output.value.index()] });
    }
    boxes
}

fn node_box(graph: &Graph, at: usize, shown: Option<&[Shown]>, sources: &SourceMap) -> BoxText {
    let value = ValueId(at as u32);
    let node = graph.node(value);
    let mut lines = vec![format!("{value} {} {}", node.op.name(), node.ty)];
    lines.push(values::describe(graph, value, sources));
    if let Some(derived) = node.origin.derived {
        lines.push(format!("from {}, rule of {}", derived.forward, derived.rule));
    }
    if let Some(label) = node.origin.label {
        lines.push(graph.labels[label.index()].to_string());
    }
    if let Some(numbers) = shown.and_then(|shown| shown.get(at)) {
        lines.push(format!("= {}", numbers.value));
        lines.extend(numbers.gradient.iter().map(|gradient| format!("gradient {gradient}")));
    }
    lines.dedup();
    let look = match (&node.op, node.origin.derived) {
        (_, Some(_)) => Look::Adjoint,
        (Op::Input(_), None) => Look::Input,
        (Op::Const { .. }, None) => Look::Constant,
        (_, None) => Look::Forward,
    };
    BoxText { lines, look, operands: node.operands.iter().map(|operand| operand.index()).collect() }
}

/// In the DOT language.
pub fn dot(boxes: &[BoxText]) -> String {
    let mut text = String::from("digraph {\n  node [shape=box, style=filled, fontname=monospace];\n");
    for (at, shown) in boxes.iter().enumerate() {
        let label = shown.lines.join("\n").replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = writeln!(text, "  n{at} [label=\"{label}\", fillcolor=\"{}\"];", fill(shown.look));
        for operand in &shown.operands {
            let _ = writeln!(text, "  n{operand} -> n{at};");
        }
    }
    text + "}\n"
}

/// As a picture.
pub fn svg(boxes: &[BoxText]) -> String {
    let sizes: Vec<Point> = boxes.iter().map(size).collect();
    let operands: Vec<Vec<usize>> = boxes.iter().map(|shown| shown.operands.clone()).collect();
    let layout = Layout::new(&sizes, &operands);
    let (width, height) = (layout.width + 2.0 * MARGIN, layout.height + 2.0 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"monospace\" font-size=\"12\">\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"#556\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <g transform=\"translate({MARGIN},{MARGIN})\">\n"
    );
    for path in &layout.edges {
        text += &edge(path);
    }
    for (at, shown) in boxes.iter().enumerate() {
        text += &box_text(shown, layout.places[at], sizes[at]);
    }
    text + "</g>\n</svg>\n"
}

fn size(shown: &BoxText) -> Point {
    let longest = shown.lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    Point { x: longest as f64 * CHARACTER + 2.0 * PADDING, y: shown.lines.len() as f64 * LINE + PADDING }
}

/// A curve through the places of an edge, leaving and arriving straight down.
fn edge(path: &[Point]) -> String {
    let Some(first) = path.first() else { return String::new() };
    let mut text = format!("<path d=\"M{:.1},{:.1}", first.x, first.y);
    for pair in path.windows(2) {
        let middle = (pair[0].y + pair[1].y) / 2.0;
        let _ = write!(
            text,
            " C{:.1},{middle:.1} {:.1},{middle:.1} {:.1},{:.1}",
            pair[0].x, pair[1].x, pair[1].x, pair[1].y
        );
    }
    text + "\" fill=\"none\" stroke=\"#889\" stroke-width=\"1.2\" marker-end=\"url(#arrow)\"/>\n"
}

/// A box around its centre.
fn box_text(shown: &BoxText, centre: Point, size: Point) -> String {
    let (left, top) = (centre.x - size.x / 2.0, centre.y - size.y / 2.0);
    let mut text = format!(
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{}\" fill=\"{}\" stroke=\"#445\"/>\n",
        size.x,
        size.y,
        if shown.look == Look::Output { 12 } else { 3 },
        fill(shown.look),
    );
    for (at, line) in shown.lines.iter().enumerate() {
        let weight = if line.starts_with("= ") || line.starts_with("gradient ") { " font-weight=\"bold\"" } else { "" };
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\"{weight}>{}</text>",
            centre.x,
            top + PADDING / 2.0 + LINE * (at as f64 + 0.75),
            escaped(line),
        );
    }
    text
}

fn fill(look: Look) -> &'static str {
    match look {
        Look::Input => "#d9efdc",
        Look::Constant => "#eeeeee",
        Look::Forward => "#dbe7f6",
        Look::Adjoint => "#fbe3c8",
        Look::Output => "#f3f0a8",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
