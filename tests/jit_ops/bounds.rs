//! A running error bound: how far f32 results may be from the values in f64.
//!
//! In: a graph and its inputs, exact in f32. Out: for each node its value in
//! f64 and a bound of the error of each element in f32. Every op adds what its
//! own rounding may add (its stated ulp; 4·√n·2⁻²⁴·Σ|terms| for sums and
//! products) to what it makes of its operands' errors. Where a small error can
//! change a result at will (a comparison of nearly equal values, the floor of
//! nearly a whole number) the bound is infinite: nothing is promised there.

use nnc::ir::interpret::{Array, interpret_all, interpret_values, math};
use nnc::ir::{Binary, Comparison, DType, Graph, Node, Op, Origin, Owner, Scan, Unary};

/// Half a unit in the last place of 1.
const U: f64 = 1.0 / 16_777_216.0;
/// The least f32 above 0.
const TINY: f64 = 1.401_298_464_324_817e-45;
const HUGE: f64 = f32::MAX as f64;

/// A node's elements in row-major order, ints and bools as numbers.
#[derive(Clone)]
pub struct Bounded {
    pub value: Vec<f64>,
    pub error: Vec<f64>,
    shape: Vec<usize>,
    dtype: DType,
}

/// All nodes with their bounds; the inputs are exact.
pub fn bounds(graph: &Graph, inputs: &[Array<f64>]) -> Vec<Bounded> {
    let given: Vec<Bounded> = inputs.iter().map(exact).collect();
    bounds_of(graph, &given)
}

fn exact(input: &Array<f64>) -> Bounded {
    let (value, ty) = (input.to_f64(), input.ty());
    Bounded { error: vec![0.0; value.len()], value, shape: ty.shape, dtype: ty.dtype }
}

/// As [`bounds`] for inputs that have errors themselves.
fn bounds_of(graph: &Graph, given: &[Bounded]) -> Vec<Bounded> {
    let inputs: Vec<Array<f64>> = given.iter().map(Bounded::array).collect();
    let values = interpret_all(graph, &inputs).expect("inputs fit");
    let mut done: Vec<Bounded> = Vec::with_capacity(graph.nodes.len());
    for (node, value) in graph.nodes.iter().zip(values) {
        if let Op::Input(slot) = node.op {
            done.push(given[slot.index()].clone());
            continue;
        }
        let operands: Vec<&Bounded> = node.operands.iter().map(|operand| &done[operand.index()]).collect();
        let value = value.to_f64();
        let mut error = errors(node, &operands, &value);
        let exact = operands.iter().all(|operand| operand.error.iter().all(|&error| error == 0.0));
        for (error, &value) in error.iter_mut().zip(&value) {
            let overflows = node.ty.dtype == DType::F32 && !exact && value.abs() + *error > HUGE;
            *error = match () {
                () if exact && !value.is_finite() => 0.0,
                () if error.is_nan() || overflows => f64::INFINITY,
                () => *error,
            };
        }
        done.push(Bounded { value, error, shape: node.ty.shape.clone(), dtype: node.ty.dtype });
    }
    done
}

impl Bounded {
    fn array(&self) -> Array<f64> {
        match self.dtype {
            DType::F32 => Array::floats(&self.shape, self.value.clone()),
            DType::I32 => Array::ints(&self.shape, self.value.iter().map(|&value| value as i32).collect()),
            DType::Bool => Array::bools(&self.shape, self.value.iter().map(|&value| value != 0.0).collect()),
        }
    }

    /// Row `at` of the first axis.
    fn row(&self, at: usize) -> Bounded {
        let shape = self.shape[1..].to_vec();
        let len = shape.iter().product::<usize>();
        let part = |of: &[f64]| of[at * len..(at + 1) * len].to_vec();
        Bounded { value: part(&self.value), error: part(&self.error), shape, dtype: self.dtype }
    }
}

/// The errors of one result of a scan: those of its body, turn after turn.
fn scanned(scan: &Scan, result: usize, operands: &[&Bounded]) -> Vec<f64> {
    let mut carries: Vec<Bounded> = operands[..scan.carries].iter().map(|&carry| carry.clone()).collect();
    let (sequences, captured) = operands[scan.carries..].split_at(scan.sequences);
    let mut emitted = vec![Vec::new(); scan.turns];
    let turns: Vec<usize> = if scan.reverse { (0..scan.turns).rev().collect() } else { (0..scan.turns).collect() };
    for turn in turns {
        let mut given = vec![exact(&Array::ints(&[], vec![turn as i32]))];
        given.append(&mut carries);
        given.extend(sequences.iter().map(|sequence| sequence.row(turn)));
        given.extend(captured.iter().map(|&value| value.clone()));
        let body = bounds_of(&scan.body, &given);
        let output = |at: usize| &body[scan.body.outputs[at].value.index()];
        carries = (0..scan.carries).map(|at| output(at).clone()).collect();
        emitted[turn] = output(result).error.clone();
    }
    if result < scan.carries { carries.swap_remove(result).error } else { emitted.concat() }
}

/// Whether an f32 may stand for a value with this bound.
pub fn fits(found: f32, value: f64, error: f64) -> bool {
    let (wide, nearest) = (f64::from(found), value as f32);
    error == f64::INFINITY
        || found == nearest
        || (found.is_nan() && value.is_nan())
        || (wide - value).abs() <= error
        || (found.is_infinite() && value.abs() + error >= HUGE && wide.signum() == value.signum())
}

/// A unit in the last place of an f32 of this size.
fn ulp(value: f64) -> f64 {
    let exponent = (((value.abs().to_bits() >> 52) as i32) - 1023).clamp(-126, 127);
    2f64.powi(exponent - 23)
}

fn errors(node: &Node, operands: &[&Bounded], value: &[f64]) -> Vec<f64> {
    let len = value.len();
    let uncertain = |at: usize| operands.iter().any(|operand| operand.error[at] != 0.0);
    match &node.op {
        Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Random { .. } => vec![0.0; len],
        Op::Unary(function) => (0..len).map(|at| unary(*function, operands[0], at, value[at])).collect(),
        Op::Binary(function) => (0..len).map(|at| binary(*function, operands[0], operands[1], at, value[at])).collect(),
        Op::Compare(comparison) => (0..len).map(|at| compare(*comparison, operands[0], operands[1], at)).collect(),
        Op::And | Op::Or | Op::Not => (0..len).map(|at| if uncertain(at) { 1.0 } else { 0.0 }).collect(),
        Op::Select => (0..len).map(|at| select(operands, at, value[at])).collect(),
        Op::Convert(to) => (0..len).map(|at| convert(*to, operands[0], at)).collect(),
        Op::StopGradient
        | Op::Broadcast { .. }
        | Op::Reshape { .. }
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Unslice { .. }
        | Op::Concat { .. }
        | Op::MaxOf { .. } => moved(node, &operands.iter().map(|operand| Part::error(operand)).collect::<Vec<_>>()),
        Op::Gather { .. } => moved(node, &[Part::error(operands[0]), Part::value(operands[1])]),
        // Padding is exact, also where it is an infinity.
        Op::Unfold { .. } => {
            let errors = moved(node, &[Part::error(operands[0])]);
            errors.into_iter().map(|error| error.max(0.0)).collect()
        }
        Op::Fold { .. } => sums(node, operands),
        Op::Sum { .. } => sums(node, operands),
        Op::ScatterAdd { .. } => sums(node, operands),
        Op::Put { .. } => moved(node, &[Part::error(operands[0]), Part::error(operands[1]), Part::value(operands[2])]),
        // Keys that are exact have one order.
        Op::Argsort { .. } => {
            let exact = operands[0].error.iter().all(|error| *error == 0.0);
            vec![if exact { 0.0 } else { f64::INFINITY }; len]
        }
        Op::Contract { .. } | Op::Conv { .. } => products(node, operands),
        Op::Scan { scan, result } => scanned(scan, *result, operands),
    }
}

fn unary(function: Unary, x: &Bounded, at: usize, value: f64) -> f64 {
    let (x, error) = (x.value[at], x.error[at]);
    let around = |f: fn(f64) -> f64, ulps: f64| {
        let moved = if error == 0.0 { 0.0 } else { (f(x + error) - value).abs().max((f(x - error) - value).abs()) };
        moved + ulps * ulp(value) + TINY
    };
    match function {
        Unary::Neg | Unary::Abs => error,
        Unary::Exp => around(f64::exp, 2.0),
        Unary::Log => around(f64::ln, 2.0),
        Unary::Sqrt => around(f64::sqrt, 0.5),
        Unary::Sin | Unary::Cos => error + 4.0 * ulp(value),
        Unary::Softplus => around(math::softplus, 4.0),
        Unary::Tanh => around(f64::tanh, 4.0),
        Unary::Logistic => around(math::logistic, 4.0),
        Unary::Erf => around(math::erf, 4.0),
        Unary::ErfInv => around(math::erfinv, 4.0),
        Unary::Floor if error > 0.0 && (x - error).floor() != (x + error).floor() => f64::INFINITY,
        Unary::Floor => 0.0,
    }
}

fn binary(function: Binary, a: &Bounded, b: &Bounded, at: usize, value: f64) -> f64 {
    let whole = a.dtype == DType::I32;
    let (a, b, ea, eb) = (a.value[at], b.value[at], a.error[at], b.error[at]);
    let certain = ea == 0.0 && eb == 0.0;
    if whole {
        return if certain { 0.0 } else { f64::INFINITY };
    }
    let rounding = 0.5 * ulp(value) + TINY;
    match function {
        Binary::Add | Binary::Sub => ea + eb + rounding,
        Binary::Mul => a.abs() * eb + b.abs() * ea + ea * eb + rounding,
        Binary::Div if certain => rounding,
        Binary::Div if eb >= b.abs() => f64::INFINITY,
        Binary::Div => (ea + value.abs() * eb) / (b.abs() - eb) + rounding,
        // The quotient is rounded before its floor is taken: near a whole one the result may be off by b.
        Binary::Rem => {
            let (quotient, off) = (a / b, (ea + (a / b).abs() * eb) / (b.abs() - eb) + (a / b).abs() * 2.0 * U);
            let crosses = (quotient - off).floor() != (quotient + off).floor();
            if crosses || eb >= b.abs() { f64::INFINITY } else { ea + (quotient.abs() + 1.0) * eb + 2.0 * U * a.abs() }
        }
        Binary::Pow if certain => 4.0 * ulp(value) + TINY,
        Binary::Pow if a - ea <= 0.0 => f64::INFINITY,
        Binary::Pow => {
            let corners = [(a - ea, b - eb), (a - ea, b + eb), (a + ea, b - eb), (a + ea, b + eb)];
            let moved = corners.map(|(a, b)| (a.powf(b) - value).abs()).into_iter().fold(0.0, f64::max);
            moved + 4.0 * ulp(value) + TINY
        }
        Binary::Max | Binary::Min => ea.max(eb),
    }
}

/// Values that are equal in f64 with errors are taken to be one value computed once.
fn compare(comparison: Comparison, a: &Bounded, b: &Bounded, at: usize) -> f64 {
    let (distance, error) = ((a.value[at] - b.value[at]).abs(), a.error[at] + b.error[at]);
    match comparison {
        Comparison::Lt | Comparison::Le | Comparison::Eq => {
            if error > 0.0 && distance > 0.0 && distance <= error {
                1.0
            } else {
                0.0
            }
        }
    }
}

fn select(operands: &[&Bounded], at: usize, value: f64) -> f64 {
    let [condition, a, b] = operands else { panic!("select has three operands") };
    let chosen = if condition.value[at] != 0.0 { a.error[at] } else { b.error[at] };
    if condition.error[at] == 0.0 {
        return chosen;
    }
    [a, b].map(|side| (side.value[at] - value).abs() + side.error[at]).into_iter().fold(0.0, f64::max)
}

fn convert(to: DType, x: &Bounded, at: usize) -> f64 {
    let (value, error) = (x.value[at], x.error[at]);
    match (x.dtype, to) {
        (DType::F32, DType::F32) => error,
        (DType::F32, DType::I32) if error > 0.0 && (value - error).trunc() != (value + error).trunc() => f64::INFINITY,
        (DType::F32, DType::Bool) if error > 0.0 && value.abs() <= error => 1.0,
        (DType::F32, DType::I32 | DType::Bool) => 0.0,
        (DType::I32, DType::F32) => error + 0.5 * ulp(value),
        (DType::I32 | DType::Bool, DType::F32 | DType::I32 | DType::Bool) => error,
    }
}

/// Σ of the errors, and 4·√n·2⁻²⁴·Σ|terms|; one term is exact.
fn sums(node: &Node, operands: &[&Bounded]) -> Vec<f64> {
    if node.ty.dtype == DType::I32 {
        let certain = operands[0].error.iter().all(|&error| error == 0.0);
        return vec![if certain { 0.0 } else { f64::INFINITY }; node.ty.len()];
    }
    let with = |part: Part| -> Vec<Part> {
        std::iter::once(part).chain(operands[1..].iter().map(|index| Part::value(index))).collect()
    };
    let ones = Part { data: vec![1.0; operands[0].value.len()], ..Part::value(operands[0]) };
    let terms = moved(node, &with(Part::size(operands[0])));
    let (error, count) = (moved(node, &with(Part::error(operands[0]))), moved(node, &with(ones)));
    let own = terms.iter().zip(&count).map(|(terms, &n)| if n <= 1.0 { 0.0 } else { 4.0 * n.sqrt() * U * terms });
    own.zip(&error).map(|(own, error)| own + error + TINY).collect()
}

fn products(node: &Node, operands: &[&Bounded]) -> Vec<f64> {
    let [a, b] = operands else { panic!("contract has two operands") };
    let ones = |operand: &Bounded| Part { data: vec![1.0; operand.value.len()], ..Part::value(operand) };
    let terms = moved(node, &[Part::size(a), Part::size(b)]);
    let count = moved(node, &[ones(a), ones(b)]);
    let from_a = moved(node, &[Part::error(a), Part::size(b)]);
    let from_b = moved(node, &[Part::size(a), Part::error(b)]);
    let from_both = moved(node, &[Part::error(a), Part::error(b)]);
    (0..terms.len())
        .map(|at| 4.0 * count[at].sqrt() * U * terms[at] + from_a[at] + from_b[at] + from_both[at] + count[at] * TINY)
        .collect()
}

/// Numbers in the shape of an operand; those of an index stay whole.
struct Part {
    data: Vec<f64>,
    shape: Vec<usize>,
    whole: bool,
}

impl Part {
    fn value(of: &Bounded) -> Part {
        Part { data: of.value.clone(), shape: of.shape.clone(), whole: of.dtype == DType::I32 }
    }

    fn size(of: &Bounded) -> Part {
        Part { data: of.value.iter().map(|value| value.abs()).collect(), shape: of.shape.clone(), whole: false }
    }

    fn error(of: &Bounded) -> Part {
        Part { data: of.error.clone(), shape: of.shape.clone(), whole: false }
    }
}

/// The node's op on other numbers.
fn moved(node: &Node, parts: &[Part]) -> Vec<f64> {
    let mut graph = Graph::default();
    let mut inputs = Vec::with_capacity(parts.len());
    let mut operands = Vec::with_capacity(parts.len());
    for part in parts {
        let array = match part.whole {
            true => Array::ints(&part.shape, part.data.iter().map(|&value| value as i32).collect()),
            false => Array::floats(&part.shape, part.data.clone()),
        };
        operands.push(graph.slot_input(inputs.len().to_string(), array.ty(), Owner::Column, Origin::default()));
        inputs.push(array);
    }
    let y = graph.push(node.op.clone(), operands, Origin::default());
    let values = interpret_values(&graph, &inputs, &[y]).expect("the node's shapes fit");
    values[0].to_f64()
}
