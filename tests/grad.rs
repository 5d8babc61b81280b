//! Suite: grad. Every op's derivative against central differences in f64, once
//! and twice; the conventions at kinks; random graphs.
#![allow(clippy::unwrap_used)]

mod kinks;
pub mod random;
mod scans;

use nnc::grad::{grad, reaches};
use nnc::ir::interpret::{Array, interpret_values};
use nnc::ir::verify::verify;
use nnc::ir::{DType, Graph, Op, Origin, Owner, Type, Unary, ValueId};

use crate::ir::cases::{self, Case, Numbers};

/// A scalar of a graph and what to differentiate it by: inputs, node = slot number aside.
pub struct Problem {
    pub name: String,
    pub graph: Graph,
    pub inputs: Vec<Array<f64>>,
    pub loss: ValueId,
    pub wrt: Vec<ValueId>,
}

impl Problem {
    /// sum(value · fixed numbers), so that each element has its own cotangent.
    pub fn of(
        name: String,
        mut graph: Graph,
        inputs: Vec<Array<f64>>,
        values: &[ValueId],
        wrt: Vec<ValueId>,
    ) -> Problem {
        let origin = Origin::default();
        let mut loss = graph.f32(0.0, origin);
        let mut numbers = Numbers(99);
        for &value in values {
            let ty = graph.ty(value).clone();
            let weights: Vec<f32> = (0..ty.len()).map(|_| numbers.away(0.2, 1.0) as f32).collect();
            let weights = graph.table_f32(&weights, &ty.shape, origin);
            let product = graph.mul(value, weights, origin);
            let sum = graph.sum_all(product, origin);
            loss = graph.add(loss, sum, origin);
        }
        Problem { name, graph, inputs, loss, wrt }
    }

    pub fn of_case(case: Case) -> Problem {
        Problem::of(case.name, case.graph, case.inputs, &[case.y], case.wrt)
    }

    /// The problem of a weighted sum of this one's gradients.
    fn derivative(self) -> Problem {
        let mut graph = self.graph;
        let gradients = grad(&mut graph, self.loss, &self.wrt);
        verify(&graph).unwrap();
        Problem::of(self.name, graph, self.inputs, &gradients, self.wrt)
    }

    /// Compares the gradient with differences along `directions` random
    /// directions, to 1e-6 of max(1, |.|).
    fn check(&self, directions: usize) {
        let mut graph = self.graph.clone();
        let gradients = grad(&mut graph, self.loss, &self.wrt);
        verify(&graph).unwrap_or_else(|reason| panic!("{reason} in {}", self.name));
        let gradients = interpret_values(&graph, &self.inputs, &gradients).unwrap();
        let mut numbers = Numbers(7);
        for _ in 0..directions {
            let direction: Vec<Vec<f64>> =
                gradients.iter().map(|g| (0..g.ty().len()).map(|_| numbers.uniform(-1.0, 1.0)).collect()).collect();
            let analytic: f64 = gradients.iter().zip(&direction).map(|(g, d)| dot(&g.to_f64(), d)).sum();
            let step = 1e-5;
            let numeric = (self.at(&direction, step) - self.at(&direction, -step)) / (2.0 * step);
            let close = (analytic - numeric).abs() <= 1e-6 * numeric.abs().max(1.0);
            assert!(close, "{}: gradient {analytic}, differences {numeric}\n{}", self.name, graph);
        }
    }

    /// The loss at inputs moved by `step · direction`.
    fn at(&self, direction: &[Vec<f64>], step: f64) -> f64 {
        let mut inputs = self.inputs.clone();
        for (target, direction) in self.wrt.iter().zip(direction) {
            let Op::Input(slot) = self.graph.node(*target).op else { panic!("{target} is not an input") };
            let moved = inputs[slot.index()].to_f64().iter().zip(direction).map(|(x, d)| x + step * d).collect();
            let shape = inputs[slot.index()].shape().to_vec();
            inputs[slot.index()] = Array::floats(&shape, moved);
        }
        interpret_values(&self.graph, &inputs, &[self.loss]).unwrap()[0].to_f64()[0]
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn len(case: &Case) -> usize {
    case.inputs.iter().map(|input| input.ty().len()).sum()
}

/// Ops without a derivative, by decision; every other op has one.
const NO_GRADIENT: [&str; 13] =
    ["const", "iota", "random", "floor", "lt", "le", "eq", "and", "or", "not", "convert", "stop_gradient", "argsort"];

#[test]
fn every_op_has_a_gradient_or_is_listed() {
    for op in cases::table() {
        let listed = NO_GRADIENT.contains(&op.name());
        let differentiable = cases::cases_of(&op).iter().any(|case| !case.wrt.is_empty());
        assert_eq!(differentiable, !listed, "{}", op.name());
        for case in cases::cases_of(&op) {
            let reached = |x: &ValueId| reaches(&case.graph, *x, case.y);
            assert!(case.wrt.iter().all(reached), "{}", case.name);
        }
    }
}

#[test]
fn gradients_agree_with_differences() {
    for case in cases::all().into_iter().filter(|case| !case.wrt.is_empty()) {
        let directions = if len(&case) < 40 { 4 } else { 2 };
        Problem::of_case(case).check(directions);
    }
}

#[test]
fn second_derivatives_agree_with_differences() {
    let small = |case: &Case| !case.wrt.is_empty() && len(case) <= 40;
    for case in cases::all().into_iter().filter(small) {
        Problem::of_case(case).derivative().check(3);
    }
}

#[test]
fn third_derivatives_agree_with_differences() {
    let small = |case: &Case| !case.wrt.is_empty() && len(case) <= 8;
    for case in cases::all().into_iter().filter(small) {
        Problem::of_case(case).derivative().derivative().check(2);
    }
}

#[test]
fn a_target_may_be_any_node() {
    let mut graph = Graph::default();
    let o = Origin::default();
    let x = graph.slot_input("x", Type::scalar(DType::F32), Owner::Parameter, o);
    let h = graph.unary(Unary::Exp, x, o);
    let y = graph.mul(h, x, o);
    let gradients = grad(&mut graph, y, &[h, x]);
    let values = interpret_values(&graph, &[Array::<f64>::floats(&[], vec![0.5])], &gradients).unwrap();
    // By h: x is constant. By x: through both.
    assert_eq!(values[0].to_f64(), [0.5]);
    assert!((values[1].to_f64()[0] - 1.5 * 0.5f64.exp()).abs() < 1e-12);
}

#[test]
fn unreached_targets_get_zeros() {
    let mut graph = Graph::default();
    let o = Origin::default();
    let x = graph.slot_input("x", Type::new(DType::F32, [3]), Owner::Parameter, o);
    let w = graph.slot_input("w", Type::new(DType::F32, [2]), Owner::Parameter, o);
    let stopped = graph.push(Op::StopGradient, vec![w], o);
    let (left, right) = (graph.sum_all(x, o), graph.sum_all(stopped, o));
    let y = graph.add(left, right, o);
    assert!(reaches(&graph, x, y) && !reaches(&graph, w, y) && !reaches(&graph, y, x));
    let before = graph.nodes.clone();
    let gradients = grad(&mut graph, y, &[w, x, right]);
    assert_eq!(graph.nodes[..before.len()], before);
    let inputs = [Array::<f64>::floats(&[3], vec![1.0; 3]), Array::floats(&[2], vec![1.0; 2])];
    let values = interpret_values(&graph, &inputs, &gradients).unwrap();
    assert_eq!([values[0].to_f64(), values[1].to_f64(), values[2].to_f64()], [vec![0.0; 2], vec![1.0; 3], vec![1.0]]);
}

#[test]
fn adjoints_know_where_they_come_from() {
    let mut graph = Graph::default();
    let label = graph.label("Mlp.dense1");
    let span = nnc::source::Span::new(nnc::source::FileId(0), 3, 9);
    let origin = Origin { span, label: Some(label), derived: None };
    let x = graph.slot_input("x", Type::scalar(DType::F32), Owner::Parameter, Origin::default());
    let h = graph.unary(Unary::Exp, x, origin);
    graph.set_name(h, "h");
    let y = graph.unary(Unary::Sin, h, origin);
    let first = graph.nodes.len();
    grad(&mut graph, y, &[x]);
    for node in &graph.nodes[first..] {
        let derived = node.origin.derived.unwrap();
        assert_eq!(derived.rule, graph.node(derived.forward).op.name());
        assert_eq!((node.origin.span, node.origin.label), (span, Some(label)));
    }
    assert!(graph.nodes[first..].iter().any(|node| node.name.as_deref() == Some("h_adj")));
}

/// What no target needs is not built: here nothing for the constant factor.
#[test]
fn only_needed_nodes_are_built() {
    let mut graph = Graph::default();
    let o = Origin::default();
    let x = graph.slot_input("x", Type::scalar(DType::F32), Owner::Parameter, o);
    let data = graph.slot_input("data", Type::scalar(DType::F32), Owner::Column, o);
    let heavy = graph.unary(Unary::Tanh, data, o);
    let y = graph.mul(x, heavy, o);
    let first = graph.nodes.len();
    grad(&mut graph, y, &[x]);
    assert_eq!(graph.nodes.len(), first + 2, "the seed and one product\n{graph}");
}
