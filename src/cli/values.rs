//! `--values`: a graph with the number that each node holds, and the gradient of
//! the objective by it.
//!
//! In: a graph and the first values of its slots. Out: texts by node. Invariant:
//! values and gradients come from the reference interpreter, in f32, on the
//! graph that is shown, with adjoints appended for every node.

use crate::driver::{Computation, Front, Preview};
use crate::grad;
use crate::ir::interpret::{self, Array};
use crate::ir::{DType, Graph, Op, OutputKind, ValueId};
use crate::source::SourceMap;
use crate::train::engine::Interpreter;
use crate::train::show;

/// Up to this many elements are listed.
const MOST_ELEMENTS: usize = 6;
/// Longer expressions are cut.
const LONGEST_EXPRESSION: usize = 40;

/// What is known of a node's numbers.
pub struct Shown {
    /// Its value.
    pub value: String,
    /// The objective's derivative by it, where it reaches the objective.
    pub gradient: Option<String>,
}

/// Values and gradients of every node of a graph.
///
/// # Errors
/// A data set cannot be read, or a fault of ours.
pub fn of(front: &Front, computation: &Computation, graph: &Graph) -> Result<Vec<Shown>, String> {
    let (program, sources) = (&front.program, &front.sources);
    let mut preview = Preview::new(program, Box::new(Interpreter::new(false)));
    preview.advance(computation.action)?;
    preview.set_scalars(computation.seed(), u32::from(computation.train().is_some()));
    preview.set_clock(1, 1);
    let inputs = preview.inputs(graph, computation.part().as_ref())?;
    let mut extended = graph.clone();
    let targets = targets(graph, sources);
    let gradients = match objective(graph) {
        Some(of) => grad::grad(&mut extended, of, &targets),
        None => Vec::new(),
    };
    let values = interpret::interpret_all(&extended, &inputs)?;
    let mut shown: Vec<Shown> =
        values[..graph.nodes.len()].iter().map(|value| Shown { value: array(value), gradient: None }).collect();
    for (target, gradient) in targets.iter().zip(&gradients) {
        shown[target.index()].gradient = Some(array(&values[gradient.index()]));
    }
    Ok(shown)
}

/// The node the gradients are of: the figure `loss`.
fn objective(graph: &Graph) -> Option<ValueId> {
    let is_loss = |kind: &OutputKind| matches!(kind, OutputKind::Figure(name) if name == "loss");
    let found = graph.outputs.iter().find(|output| is_loss(&output.kind))?;
    (graph.ty(found.value).dtype == DType::F32).then_some(found.value)
}

/// Forward nodes that reach the objective; of constants those that have a name.
fn targets(graph: &Graph, sources: &SourceMap) -> Vec<ValueId> {
    let Some(of) = objective(graph) else { return Vec::new() };
    let candidate = |value: &ValueId| {
        let node = graph.node(*value);
        // A number that stands as such in the text is no variable; one that a name stands for is.
        let is_name = sources.text(node.origin.span).starts_with(char::is_alphabetic);
        let plain_constant = matches!(node.op, Op::Const { .. }) && !is_name;
        node.ty.dtype == DType::F32 && node.origin.derived.is_none() && !plain_constant
    };
    let all = (0..=of.index()).map(|at| ValueId(at as u32));
    all.filter(candidate).filter(|value| grad::reaches(graph, *value, of)).collect()
}

/// The graph's text with a line of numbers to each node.
pub fn text(graph: &Graph, shown: &[Shown], sources: &SourceMap) -> String {
    let mut text = String::new();
    let printed = graph.to_string();
    let mut at = 0;
    for line in printed.lines() {
        text += line;
        text.push('\n');
        // Nodes are the lines that begin with their id, in order.
        if let Some(numbers) = shown.get(at).filter(|_| line.starts_with(&format!("v{at}:"))) {
            text += &format!("    {}\n", numbers_of(graph, ValueId(at as u32), numbers, sources));
            at += 1;
        }
    }
    text
}

fn numbers_of(graph: &Graph, value: ValueId, shown: &Shown, sources: &SourceMap) -> String {
    let expression = describe(graph, value, sources);
    let gradient = shown.gradient.as_ref().map_or(String::new(), |gradient| format!("   gradient {gradient}"));
    format!("{expression} = {}{gradient}", shown.value)
}

/// What a node stands for: its name, or the expression it comes from; of an adjoint what it is the derivative by.
pub fn describe(graph: &Graph, value: ValueId, sources: &SourceMap) -> String {
    let node = graph.node(value);
    match (&node.origin.derived, &node.op) {
        (Some(derived), _) => match &node.name {
            Some(name) => name.to_string(),
            None => format!("by {} of {}", derived.rule, expression(graph, derived.forward, sources)),
        },
        (None, Op::Input(slot)) => graph.slot(*slot).path.clone(),
        (None, _) => expression(graph, value, sources),
    }
}

fn expression(graph: &Graph, value: ValueId, sources: &SourceMap) -> String {
    let Some(node) = graph.nodes.get(value.index()) else { return value.to_string() };
    if let Some(name) = &node.name {
        return name.to_string();
    }
    let source = sources.text(node.origin.span).split_whitespace().collect::<Vec<_>>().join(" ");
    if source.is_empty() {
        return node.op.name().to_string();
    }
    if source.chars().count() > LONGEST_EXPRESSION {
        let start: String = source.chars().take(LONGEST_EXPRESSION - 3).collect();
        return format!("{start}...");
    }
    source
}

/// A number, a few numbers, or from where to where they go.
fn array(value: &Array<f32>) -> String {
    let numbers = value.to_f64();
    let one = |number: f64| show::number(number as f32);
    if value.shape().is_empty() {
        return numbers.first().map_or(String::new(), |number| one(*number));
    }
    if numbers.len() <= MOST_ELEMENTS {
        return format!("[{}]", numbers.iter().map(|number| one(*number)).collect::<Vec<_>>().join(", "));
    }
    let (low, high) =
        numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    format!("{:.4} .. {:.4}, mean {:.4}", low, high, mean)
}
