//! The reference interpreter: a graph and its slots' values in, its outputs'
//! (or every node's) values out, in f32 or f64.
//!
//! Written to be obviously right, not fast: each op is computed in f64 and
//! rounded to the asked precision once, sums and products included. It is what
//! gradients are checked in and what compiled code is compared with, within
//! stated tolerances. Invariant: values are in row-major standard layout and
//! have the type of their node.

mod array;
mod elementwise;
pub mod math;
pub mod misstep;
mod movement;
mod reduce;
mod scan;
mod window;

pub use array::{Array, Real};

use misstep::Missing;

use super::graph::{Graph, Node, ValueId};
use super::op::Op;
use super::philox::Stream;

/// The values of the graph's outputs, in order. `inputs` holds a value for
/// each slot, in slot order.
///
/// # Errors
/// A slot whose value is missing or of another type.
pub fn interpret<F: Real>(graph: &Graph, inputs: &[Array<F>]) -> Result<Vec<Array<F>>, String> {
    interpret_in(graph, inputs, Missing::Nearest)
}

fn interpret_in<F: Real>(graph: &Graph, inputs: &[Array<F>], missing: Missing) -> Result<Vec<Array<F>>, String> {
    let wanted: Vec<ValueId> = graph.outputs.iter().map(|output| output.value).collect();
    values_in(graph, inputs, &wanted, missing)
}

/// The values of chosen nodes. Others are dropped after their last reader;
/// those that `wanted` does not need are not computed.
///
/// # Errors
/// As [`interpret`].
pub fn interpret_values<F: Real>(
    graph: &Graph,
    inputs: &[Array<F>],
    wanted: &[ValueId],
) -> Result<Vec<Array<F>>, String> {
    values_in(graph, inputs, wanted, Missing::Nearest)
}

fn values_in<F: Real>(
    graph: &Graph,
    inputs: &[Array<F>],
    wanted: &[ValueId],
    missing: Missing,
) -> Result<Vec<Array<F>>, String> {
    check_inputs(graph, inputs)?;
    let mut readers = count_readers(graph, wanted);
    let mut values: Vec<Option<Array<F>>> = vec![None; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        if readers[at] == 0 {
            continue;
        }
        values[at] = Some(evaluate(node, &operands(node, &values), inputs, missing));
        for operand in &node.operands {
            readers[operand.index()] -= 1;
            if readers[operand.index()] == 0 {
                values[operand.index()] = None;
            }
        }
    }
    let value = |id: &ValueId| values[id.index()].clone().ok_or_else(|| format!("{id} was not computed"));
    wanted.iter().map(value).collect()
}

/// The value of every node, in node order.
///
/// # Errors
/// As [`interpret`].
pub fn interpret_all<F: Real>(graph: &Graph, inputs: &[Array<F>]) -> Result<Vec<Array<F>>, String> {
    check_inputs(graph, inputs)?;
    let mut values: Vec<Option<Array<F>>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let value = evaluate(node, &operands(node, &values), inputs, Missing::Nearest);
        values.push(Some(value));
    }
    Ok(values.into_iter().flatten().collect())
}

fn check_inputs<F: Real>(graph: &Graph, inputs: &[Array<F>]) -> Result<(), String> {
    if inputs.len() != graph.slots.len() {
        return Err(format!("{} values for {} slots", inputs.len(), graph.slots.len()));
    }
    for (slot, value) in graph.slots.iter().zip(inputs) {
        if slot.ty != value.ty() {
            return Err(format!("{} is {}, its value {}", slot.path, slot.ty, value.ty()));
        }
    }
    Ok(())
}

/// How often each value is still to be read; 0 for what is not needed at all.
fn count_readers(graph: &Graph, wanted: &[ValueId]) -> Vec<usize> {
    let mut readers = vec![0; graph.nodes.len()];
    for value in wanted {
        readers[value.index()] += 1;
    }
    for at in (0..graph.nodes.len()).rev() {
        if readers[at] > 0 {
            for operand in &graph.nodes[at].operands {
                readers[operand.index()] += 1;
            }
        }
    }
    readers
}

fn operands<'a, F: Real>(node: &Node, values: &'a [Option<Array<F>>]) -> Vec<&'a Array<F>> {
    let value = |id: &ValueId| values[id.index()].as_ref().expect("operands precede their users and are kept for them");
    node.operands.iter().map(value).collect()
}

/// One op on values whose types its shape rule accepted.
fn evaluate<F: Real>(node: &Node, operands: &[&Array<F>], inputs: &[Array<F>], missing: Missing) -> Array<F> {
    let value = defined(node, operands, inputs, missing);
    if missing == Missing::Poison { misstep::poisoned(node, operands, value) } else { value }
}

fn defined<F: Real>(node: &Node, operands: &[&Array<F>], inputs: &[Array<F>], missing: Missing) -> Array<F> {
    match &node.op {
        Op::Input(slot) => inputs[slot.index()].clone(),
        Op::Const { value, shape } => Array::constant(value, shape),
        Op::Iota { axis, shape } => Array::from_fn_i32(shape, |index| index[*axis] as i32),
        Op::Random { place, base, shape } => random(*place, *base, shape, operands),
        Op::Unary(function) => elementwise::unary(*function, operands[0]),
        Op::Binary(function) => elementwise::binary(*function, operands[0], operands[1]),
        Op::Compare(comparison) => elementwise::compare(*comparison, operands[0], operands[1]),
        Op::And => elementwise::logic(operands[0], operands[1], |a, b| a & b),
        Op::Or => elementwise::logic(operands[0], operands[1], |a, b| a | b),
        Op::Not => elementwise::logic(operands[0], operands[0], |a, _| !a),
        Op::Select => elementwise::select(operands[0], operands[1], operands[2]),
        Op::Convert(to) => elementwise::convert(*to, operands[0]),
        Op::StopGradient => operands[0].clone(),
        Op::Broadcast { shape, axes } => movement::broadcast(operands[0], shape, axes),
        Op::Reshape { shape } => movement::reshape(operands[0], shape),
        Op::Transpose { perm } => movement::transpose(operands[0], perm),
        Op::Slice { start, size, step } => movement::slice(operands[0], start, size, step),
        Op::Unslice { start, step, shape } => movement::unslice(operands[0], start, step, shape),
        Op::Concat { axis } => movement::concat(operands, *axis),
        Op::Unfold { axis, window, fill } => window::unfold(operands[0], *axis, window, *fill),
        Op::Fold { axis, window } => window::fold(operands[0], *axis, window),
        Op::Sum { axes } => reduce::sum(operands[0], axes),
        Op::MaxOf { axes } => reduce::max_of(operands[0], axes),
        Op::Contract { batch, over } => reduce::contract(operands[0], operands[1], batch, over),
        Op::Conv { face, windows, groups } => {
            window::conv(*face, operands[0], operands[1], windows, *groups, &node.ty.shape)
        }
        Op::Gather { axis } => reduce::gather(operands[0], operands[1], *axis),
        Op::ScatterAdd { axis, size } => reduce::scatter_add(operands[0], operands[1], *axis, *size),
        Op::Scan { scan, result } => scan::scan(scan, operands, missing).swap_remove(*result),
        Op::Put { axis } => reduce::put(operands[0], operands[1], operands[2], *axis),
        Op::Argsort { axis } => reduce::argsort(operands[0], *axis),
    }
}

fn random<F: Real>(place: u32, base: u64, shape: &[usize], operands: &[&Array<F>]) -> Array<F> {
    let scalar = |at: usize| operands[at].int().iter().next().map_or(0, |value| *value as u32);
    let stream = Stream { place, seed: scalar(0), step: scalar(1), turn: scalar(2) };
    let mut number = base;
    Array::from_fn_float(shape, |_| {
        let value = stream.uniform(number);
        number += 1;
        f64::from(value)
    })
}
