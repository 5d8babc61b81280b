//! Suite: fuse. Graphs lowered to loops in all four ways (fused or one kernel a
//! node, memory shared or not), verified, run by the loops interpreter and
//! compared with the graph interpreter.

pub mod harness;
pub mod nets;

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

/// Outputs that are inputs, constants, each other's slots, or one value twice.
#[test]
fn outputs_of_every_kind() {
    let o = Origin::default();
    let mut maker = cases::Maker::new(3);
    let a = maker.float(&[5], |k| k.uniform(-1.0, 1.0));
    let b = maker.float(&[5], |k| k.uniform(-1.0, 1.0));
    let c = maker.float(&[5], |k| k.uniform(-1.0, 1.0));
    let d = maker.float(&[5], |k| k.uniform(-1.0, 1.0));
    let graph = &mut maker.graph;
    let sum = graph.add(a, c, o);
    let table = graph.table_f32(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5], o);
    let two = graph.full_like(a, 2.0, o);
    let [slot_a, slot_b, slot_c, slot_d] = [0, 1, 2, 3].map(nnc::ir::SlotId);
    graph.write(slot_a, b);
    graph.write(slot_b, a);
    graph.write(slot_c, sum);
    graph.write(slot_d, sum);
    graph.figure("input", c);
    graph.figure("table", table);
    graph.figure("splat", two);
    graph.figure("sum", sum);
    graph.figure("old d", d);
    let reversed = graph.push(Op::Slice { start: vec![4], size: vec![5], step: vec![-1] }, vec![d], o);
    graph.figure("view", reversed);
    check("outputs", &maker.graph, &maker.inputs, 1e-6);

    let mut same = cases::Maker::new(4);
    let x = same.float(&[3], |k| k.uniform(-1.0, 1.0));
    same.graph.write(nnc::ir::SlotId(0), x);
    check("unchanged", &same.graph, &same.inputs, 1e-6);
}

/// A slot that is written reversed, shifted and by rows: in place would read what was just written.
#[test]
fn updates_that_cannot_happen_in_place() {
    let o = Origin::default();
    for size in [2, 5, 8, 33, 100] {
        let mut maker = cases::Maker::new(size as u64);
        let x = maker.float(&[size, size], |k| k.uniform(-1.0, 1.0));
        let y = maker.float(&[size, size], |k| k.uniform(-1.0, 1.0));
        let z = maker.float(&[size, size], |k| k.uniform(-1.0, 1.0));
        let graph = &mut maker.graph;
        let turned = graph.transpose(x, &[1, 0], o);
        let next = graph.add(x, turned, o);
        graph.write(nnc::ir::SlotId(0), next);
        let sum = graph.sum(y, &[1], o);
        let wide = graph.broadcast(sum, &[size, size], &[1], o);
        let next = graph.sub(y, wide, o);
        graph.write(nnc::ir::SlotId(1), next);
        let product = graph.matmul(z, z, o);
        let next = graph.add(product, z, o);
        graph.write(nnc::ir::SlotId(2), next);
        check("in place", &maker.graph, &maker.inputs, 1e-4);
    }
}
