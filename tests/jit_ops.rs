//! Suite: jit_ops. Every op of the table and its gradient as machine code,
//! through the whole way down, against the graph in f64 within the bound that
//! the ops' stated accuracies give; fused or not, memory shared or not, bits
//! equal to the loops interpreter. Then random graphs.
#![allow(clippy::unwrap_used)]

mod bounds;
pub mod compiled;
mod layouts;
mod pictures;
mod reductions;

use crate::grad::Problem;
use crate::grad::random::random_problem;
use crate::ir::cases::{self, Case};
use compiled::{Results, assert_same, compiled, interpreted, lowered};
use nnc::grad::grad;
use nnc::ir::interpret::Array;
use nnc::ir::{Binary, DType, Graph, Op};
use nnc::loops::Options;
use nnc::loops::interpret::Options as Cut;
use nnc::opt;
use nnc::runtime::Pool;

/// Elements compared, and those among them of which nothing is promised.
#[derive(Default)]
pub struct Count {
    all: usize,
    free: usize,
}

/// In how many cases only each so-many-th is run: without optimisation compiling takes its time.
const EACH: usize = if cfg!(debug_assertions) { 7 } else { 1 };

/// All four ways of lowering.
pub fn check(name: &str, graph: Graph, inputs: &[Array<f64>], pool: &Pool, count: &mut Count) {
    let graph = opt::run_verified(graph).unwrap_or_else(|why| panic!("{name}: {why}"));
    let bounds = bounds::bounds(&graph, inputs);
    for fuse in [true, false] {
        let apart = lowered(name, &graph, Options { fuse, share_memory: false });
        let shared = lowered(name, &graph, Options { fuse, share_memory: true });
        let found = compiled(&shared, &graph, inputs, pool, 1);
        let what = format!("{name}, fuse {fuse}");
        within(&what, &graph, &found, &bounds, count);
        assert_same(&format!("{what}, sharing"), &graph, &found, &compiled(&apart, &graph, inputs, pool, 1));
        let words = interpreted(&apart, &graph, inputs, Cut::default(), 1);
        assert_same(&format!("{what}, interpreter"), &graph, &found, &words);
    }
}

fn within(what: &str, graph: &Graph, found: &Results, bounds: &[bounds::Bounded], count: &mut Count) {
    for (output, words) in graph.outputs.iter().zip(&found.0) {
        let bounded = &bounds[output.value.index()];
        for (at, (&word, (&value, &error))) in words.iter().zip(bounded.value.iter().zip(&bounded.error)).enumerate() {
            let fits = match graph.ty(output.value).dtype {
                DType::F32 => bounds::fits(f32::from_bits(word), value, error),
                DType::I32 => error > 0.0 || f64::from(word as i32) == value,
                DType::Bool => error > 0.0 || word == if value != 0.0 { u32::MAX } else { 0 },
            };
            let shown = f32::from_bits(word);
            assert!(fits, "{what}: {} [{at}] is {word:#x} ({shown}), not {value} ± {error}\n{graph}", output.value);
            count.all += 1;
            count.free += usize::from(error == f64::INFINITY);
        }
    }
}

fn run_cases(op: &Op, run: impl Fn(Case, &Pool, &mut Count)) -> Count {
    let (pool, mut count) = (Pool::new(1), Count::default());
    for case in cases::cases_of(op).into_iter().step_by(EACH) {
        run(case, &pool, &mut count);
    }
    count
}

/// The table in two halves, so that two cores have work.
fn each_op(half: usize, run: impl Fn(Case, &Pool, &mut Count)) {
    for op in cases::table().iter().skip(half).step_by(2) {
        let count = run_cases(op, &run);
        assert!(count.all == 0 || count.free * 4 <= count.all, "{op:?}: {} of {} free", count.free, count.all);
    }
}

fn forward(case: Case, pool: &Pool, count: &mut Count) {
    check(&case.name, case.graph, &case.inputs, pool, count);
}

fn backward(case: Case, pool: &Pool, count: &mut Count) {
    if !case.wrt.is_empty() {
        gradient(Problem::of_case(case), pool, count);
    }
}

/// The gradients of a problem's loss, and the loss.
fn gradient(problem: Problem, pool: &Pool, count: &mut Count) {
    let Problem { name, mut graph, inputs, loss, wrt } = problem;
    graph.outputs.clear();
    graph.figure("loss", loss);
    for (at, gradient) in grad(&mut graph, loss, &wrt).into_iter().enumerate() {
        graph.figure(format!("gradient {at}"), gradient);
    }
    check(&format!("gradient of {name}"), graph, &inputs, pool, count);
}

#[test]
fn every_op_is_within_its_bound() {
    each_op(0, forward);
}

#[test]
fn every_other_op_is_within_its_bound() {
    each_op(1, forward);
}

#[test]
fn every_gradient_is_within_its_bound() {
    each_op(0, backward);
}

#[test]
fn every_other_gradient_is_within_its_bound() {
    each_op(1, backward);
}

#[test]
fn gradients_of_random_graphs_are_within_their_bounds() {
    let graphs = if cfg!(debug_assertions) { 60 } else { 1000 };
    let mut total = Count::default();
    let pool = Pool::new(1);
    for seed in 20_000..20_000 + graphs {
        gradient(random_problem(seed), &pool, &mut total);
    }
    println!("{} elements compared, of {} nothing is promised", total.all, total.free);
    assert!(total.free * 10 < total.all, "{} of {}", total.free, total.all);
}

/// The bounds would not be worth much if they let anything pass: a result that is off by 16 ulp must not
/// fit (but for sums, loops, and remainders of large quotients).
#[test]
fn the_bounds_are_tight_for_single_ops() {
    let mut tight = 0;
    for case in cases::all().into_iter().step_by(5) {
        let bounds = bounds::bounds(&case.graph, &case.inputs);
        let bounded = &bounds[case.y.index()];
        if case.graph.ty(case.y).dtype != DType::F32
            || matches!(
                case.graph.node(case.y).op,
                Op::Sum { .. }
                    | Op::Fold { .. }
                    | Op::Contract { .. }
                    | Op::Conv { .. }
                    | Op::Scan { .. }
                    | Op::Binary(Binary::Rem)
            )
        {
            continue;
        }
        for (&value, &error) in bounded.value.iter().zip(&bounded.error) {
            let off = value as f32 * (1.0 + 16.0 / 8_388_608.0);
            if value.is_finite() && value.abs() > 1e-30 && error != f64::INFINITY && off.is_finite() {
                assert!(!bounds::fits(off, value, error), "{}: {off} for {value} ± {error}", case.name);
                tight += 1;
            }
        }
    }
    assert!(tight > 1000, "{tight}");
}
