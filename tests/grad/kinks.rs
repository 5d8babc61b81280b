//! The conventions at kinks, as the table of primitives states them.

use nnc::grad::grad;
use nnc::ir::interpret::{Array, interpret_values};
use nnc::ir::parse::parse;
use nnc::ir::{Op, ValueId};

/// The gradient of the sum of the last node by every f32 input.
fn gradients(text: &str, inputs: &[&[f64]]) -> Vec<Vec<f64>> {
    let mut graph = parse(text).unwrap();
    let last = ValueId(graph.nodes.len() as u32 - 1);
    let is_input = |value: &ValueId| matches!(graph.node(*value).op, Op::Input(_));
    let wrt: Vec<ValueId> = (0..=last.0).map(ValueId).filter(is_input).collect();
    let gradients = grad(&mut graph, last, &wrt);
    let inputs: Vec<Array<f64>> = inputs.iter().map(|data| Array::floats(&[data.len()], data.to_vec())).collect();
    interpret_values(&graph, &inputs, &gradients).unwrap().iter().map(Array::to_f64).collect()
}

fn of_one(line: &str, x: &[f64]) -> Vec<f64> {
    let n = x.len();
    let text = format!("slot s0: f32[{n}] parameter \"x\"\nv0: f32[{n}] = input() slot=s0\n{line}");
    gradients(&text, &[x]).remove(0)
}

fn of_two(op: &str, a: &[f64], b: &[f64]) -> Vec<Vec<f64>> {
    let n = a.len();
    let text = format!(
        "slot s0: f32[{n}] parameter \"a\"\nslot s1: f32[{n}] parameter \"b\"\nv0: f32[{n}] = input() slot=s0\n\
         v1: f32[{n}] = input() slot=s1\nv2: f32[{n}] = {op}(v0, v1)"
    );
    gradients(&text, &[a, b])
}

#[test]
fn abs_has_slope_zero_at_zero() {
    assert_eq!(of_one("v1: f32[4] = abs(v0)", &[-2.0, 0.0, -0.0, 3.0]), [-1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn relu_has_slope_zero_at_zero() {
    let relu = "v1: f32[3] = const() value=0.0\nv2: bool[3] = le(v0, v1)\nv3: f32[3] = select(v2, v1, v0)";
    assert_eq!(of_one(relu, &[-1.0, 0.0, 2.0]), [0.0, 0.0, 1.0]);
}

#[test]
fn max_and_min_share_a_tie() {
    let (a, b) = ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]);
    assert_eq!(of_two("max", &a, &b), [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]);
    assert_eq!(of_two("min", &a, &b), [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]);
}

#[test]
fn max_of_shares_among_all_ties() {
    assert_eq!(
        of_one("v1: f32[] = max_of(v0) axes=[0]", &[4.0, 1.0, 4.0, 4.0]),
        [1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]
    );
}

#[test]
fn power_at_zero_stays_finite() {
    let (a, b) = ([0.0, 0.0, 0.0, -2.0, 0.0], [2.0, 1.0, 0.0, 3.0, 0.5]);
    let slopes = of_two("pow", &a, &b);
    assert_eq!(slopes[0], [0.0, 1.0, 0.0, 12.0, f64::INFINITY]);
    assert_eq!(slopes[1], [0.0; 5]);
}

#[test]
fn flat_ops_have_no_slope() {
    assert_eq!(of_one("v1: f32[2] = floor(v0)", &[0.5, 1.0]), [0.0, 0.0]);
    assert_eq!(of_one("v1: f32[2] = stop_gradient(v0)", &[0.5, 1.0]), [0.0, 0.0]);
    assert_eq!(of_one("v1: bool[2] = lt(v0, v0)\nv2: f32[2] = convert(v1)", &[0.5, 1.0]), [0.0, 0.0]);
}

#[test]
fn clamped_indices_give_their_share_to_the_edge() {
    let text = "v1: i32[4] = const() table=[-3, 0, 1, 7]\nv2: f32[4] = gather(v0, v1) axis=0";
    assert_eq!(of_one(text, &[1.0, 2.0, 3.0]), [2.0, 1.0, 1.0]);
}
