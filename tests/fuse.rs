//! Suite: fuse. Graphs lowered to loops in all four ways (fused or one kernel a
//! node, memory shared or not), verified, run by the loops interpreter and
//! compared with the graph interpreter.

mod harness;
mod nets;

use crate::grad::random::random_problem;
use crate::ir::cases;
use harness::check;
use nnc::grad::grad;
use nnc::ir::{Op, Origin};

#[test]
fn every_op_at_many_sizes() {
    for case in cases::all() {
        check(&case.name, &case.graph, &case.inputs, 1e-5);
    }
}

#[test]
fn random_graphs() {
    for seed in 0..300 {
        let mut problem = random_problem(seed);
        problem.graph.outputs.clear();
        problem.graph.figure("loss", problem.loss);
        check(&problem.name, &problem.graph, &problem.inputs, 2e-4);
    }
}

/// Each parameter moves against its gradient, so slots are read and written in one program.
#[test]
fn random_graphs_with_a_step() {
    let o = Origin::default();
    for seed in 1000..1200 {
        let mut problem = random_problem(seed);
        let graph = &mut problem.graph;
        graph.outputs.clear();
        graph.figure("loss", problem.loss);
        let gradients = grad(graph, problem.loss, &problem.wrt);
        for (&target, &gradient) in problem.wrt.iter().zip(&gradients) {
            let Op::Input(slot) = graph.node(target).op else { panic!("{target} is no input") };
            let rate = graph.full_like(target, 0.1, o);
            let change = graph.mul(rate, gradient, o);
            let next = graph.sub(target, change, o);
            graph.write(slot, next);
            graph.figure(format!("{slot} gradient"), gradient);
        }
        check(&problem.name, &problem.graph, &problem.inputs, 1e-3);
    }
}
