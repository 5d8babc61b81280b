//! Scans against the same turns one after the other: values, gradients and
//! gradients of gradients, of random bodies, forwards and reversed, before and
//! after the passes.

use std::sync::Arc;

use nnc::grad::grad;
use nnc::ir::interpret::{Array, interpret};
use nnc::ir::verify::verify;
use nnc::ir::{DType, Graph, Op, Origin, Owner, Scan, Type, ValueId};
use nnc::opt;

use super::Problem;
use super::random::step;
use crate::ir::cases::Maker;

/// The shapes of carries, elements and captured values.
const CARRIES: [&[usize]; 2] = [&[3], &[2, 3]];
const ELEMENTS: [&[usize]; 2] = [&[3], &[]];
const CAPTURED: [&[usize]; 2] = [&[2, 3], &[3]];

/// A random body: two carries, two sequences, two captured values, two emits.
fn random_scan(seed: u64) -> Scan {
    let mut maker = Maker::new(seed);
    maker.int(&[], |_| 0);
    let shapes = [CARRIES, ELEMENTS, CAPTURED].concat();
    let mut pool: Vec<ValueId> = shapes.iter().map(|shape| maker.float(shape, |_| 0.0)).collect();
    let turn = maker.graph.convert(DType::F32, ValueId(0), Origin::default());
    pool.push(maker.graph.unary(nnc::ir::Unary::Sin, turn, Origin::default()));
    let ops = 4 + maker.numbers.below(12);
    for _ in 0..ops {
        let value = step(&mut maker, &pool);
        pool.push(value);
    }
    for carry in CARRIES {
        let fits: Vec<ValueId> = pool.iter().copied().filter(|&v| maker.graph.ty(v).shape == carry).collect();
        let next = fits[fits.len() - 1 - maker.numbers.below(fits.len().min(2))];
        maker.graph.figure(maker.graph.outputs.len().to_string(), next);
    }
    for back in [1, 2] {
        maker.graph.figure(maker.graph.outputs.len().to_string(), pool[pool.len() - back]);
    }
    let reverse = seed % 2 == 1;
    let turns = 1 + maker.numbers.below(4);
    let scan = Scan { turns, reverse, carries: 2, sequences: 2, body: maker.graph };
    scan.verify().unwrap();
    scan
}

/// The results of a scan, by one scan or by as many copies of its body as it has turns.
fn results(scan: &Scan, graph: &mut Graph, operands: &[ValueId], unrolled: bool) -> Vec<ValueId> {
    let o = Origin::default();
    if !unrolled {
        let scan = Arc::new(scan.clone());
        let op = |result| Op::Scan { scan: scan.clone(), result };
        return (0..scan.results()).map(|result| graph.push(op(result), operands.to_vec(), o)).collect();
    }
    let mut carries = operands[..scan.carries].to_vec();
    let (sequences, captured) = operands[scan.carries..].split_at(scan.sequences);
    let mut emitted = vec![vec![carries[0]; scan.turns]; scan.results() - scan.carries];
    let turns: Vec<usize> = if scan.reverse { (0..scan.turns).rev().collect() } else { (0..scan.turns).collect() };
    for turn in turns {
        let mut given = vec![graph.i32(turn as i32, o)];
        given.append(&mut carries);
        for &sequence in sequences {
            let row = graph.slice_axis(sequence, 0, turn, 1, o);
            let shape = graph.ty(row).shape[1..].to_vec();
            given.push(graph.reshape(row, &shape, o));
        }
        given.extend(captured);
        let mut places: Vec<ValueId> = Vec::new();
        for node in &scan.body.nodes {
            let operands = node.operands.iter().map(|operand| places[operand.index()]).collect();
            places.push(match node.op {
                Op::Input(slot) => given[slot.index()],
                _ => graph.push(node.op.clone(), operands, o),
            });
        }
        let output = |at: usize| places[scan.body.outputs[at].value.index()];
        carries = (0..scan.carries).map(output).collect();
        for (at, rows) in emitted.iter_mut().enumerate() {
            let row = output(scan.carries + at);
            let shape = [vec![1], graph.ty(row).shape.clone()].concat();
            rows[turn] = graph.reshape(row, &shape, o);
        }
    }
    carries.extend(emitted.into_iter().map(|rows| graph.concat(&rows, 0, o)));
    carries
}

/// A loss over all results, and what to differentiate by: starts, elements, captured values.
fn problem(seed: u64, unrolled: bool) -> Problem {
    let scan = random_scan(seed);
    let mut maker = Maker::new(seed + 77);
    let elements = ELEMENTS.iter().map(|shape| [&[scan.turns], *shape].concat());
    let shapes: Vec<Vec<usize>> =
        CARRIES.iter().map(|s| s.to_vec()).chain(elements).chain(CAPTURED.iter().map(|s| s.to_vec())).collect();
    let operands: Vec<ValueId> = shapes.iter().map(|shape| maker.smooth(shape, |k| k.uniform(-1.0, 1.0))).collect();
    let values = results(&scan, &mut maker.graph, &operands, unrolled);
    Problem::of(format!("seed {seed}"), maker.graph, maker.inputs, &values, maker.wrt)
}

/// The loss and its gradients as figures.
fn with_gradients(problem: Problem) -> (Graph, Vec<Array<f64>>) {
    let Problem { mut graph, inputs, loss, wrt, .. } = problem;
    graph.figure("loss", loss);
    for (at, gradient) in grad(&mut graph, loss, &wrt).into_iter().enumerate() {
        graph.figure(format!("gradient {at}"), gradient);
    }
    verify(&graph).unwrap();
    (graph, inputs)
}

fn compare(seed: u64, rolled: Problem, straight: Problem) {
    let (straight, inputs) = with_gradients(straight);
    let expected = interpret(&straight, &inputs).unwrap();
    let (graph, _) = with_gradients(rolled);
    let passed = opt::run_verified(graph.clone()).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    for graph in [graph, passed] {
        let found = interpret(&graph, &inputs).unwrap();
        for (output, (found, expected)) in graph.outputs.iter().zip(found.iter().zip(&expected)) {
            for (found, expected) in found.to_f64().into_iter().zip(expected.to_f64()) {
                let close = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
                assert!(close, "seed {seed}, {:?}: {found}, not {expected}\n{graph}", output.kind);
            }
        }
    }
}

#[test]
fn scans_are_what_their_turns_are() {
    for seed in 0..300 {
        compare(seed, problem(seed, false), problem(seed, true));
    }
}

#[test]
fn scans_are_what_their_turns_are_twice_over() {
    for seed in 1000..1060 {
        compare(seed, problem(seed, false).derivative(), problem(seed, true).derivative());
    }
}

/// The forward product is computed once, and of the two of the gradient the one by `w` is one over all turns.
#[test]
fn gradients_do_not_compute_the_forward_scan_again() {
    let o = Origin::default();
    let mut body = Graph::default();
    body.slot_input("turn", Type::scalar(DType::I32), Owner::Scalar, o);
    let h = body.slot_input("h", Type::new(DType::F32, [2, 3]), Owner::Column, o);
    let w = body.slot_input("w", Type::new(DType::F32, [3, 3]), Owner::Column, o);
    let product = body.matmul(h, w, o);
    let next = body.unary(nnc::ir::Unary::Tanh, product, o);
    body.figure("0", next);
    let scan = Arc::new(Scan { turns: 4, reverse: false, carries: 1, sequences: 0, body });
    let mut graph = Graph::default();
    let h = graph.slot_input("h", Type::new(DType::F32, [2, 3]), Owner::Parameter, o);
    let w = graph.slot_input("w", Type::new(DType::F32, [3, 3]), Owner::Parameter, o);
    let last = graph.push(Op::Scan { scan, result: 0 }, vec![h, w], o);
    let loss = graph.sum_all(last, o);
    let gradients = grad(&mut graph, loss, &[h, w]);
    graph.figure("loss", loss);
    graph.figure("by h", gradients[0]);
    graph.figure("by w", gradients[1]);
    let graph = opt::run_verified(graph).unwrap();
    let products = |graph: &Graph| graph.nodes.iter().filter(|node| node.op.name() == "contract").count();
    let mut bodies: Vec<&Arc<Scan>> = Vec::new();
    for node in &graph.nodes {
        if let Op::Scan { scan, .. } = &node.op
            && !bodies.iter().any(|known| Arc::ptr_eq(known, scan))
        {
            bodies.push(scan);
        }
    }
    let counts: Vec<usize> = bodies.iter().map(|scan| products(&scan.body)).collect();
    assert_eq!((counts, products(&graph)), (vec![1, 1], 1), "{graph}");
}
