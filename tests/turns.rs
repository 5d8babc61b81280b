//! Suite: turns. Scans as loops: all results of a scan together, carries that
//! cannot be written in place, views walked along, no turns at all; and that
//! neither code nor memory grows with the turns.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Instant;

use crate::fuse::harness;
use crate::ir::cases::Maker;
use crate::ir::scans::{self, Body};
use crate::jit_ops::compiled::{Compiled, assert_same, compiled, lowered};
use nnc::ir::{Graph, Op, Origin, Scan, Unary, ValueId};
use nnc::jit;
use nnc::loops::ir::{Gemm, KernelId, Place, Program, Stmt};
use nnc::loops::{Options, math};
use nnc::runtime::Pool;

/// Everything against the graph interpreter, shared against unshared memory, fused or not; then machine code with one
/// thread, with two, and with unshared memory, bits equal.
fn check(name: &str, maker: &Maker, tolerance: f64) {
    harness::check(name, &maker.graph, &maker.inputs, tolerance);
    for fuse in [true, false] {
        let program = |share_memory| lowered(name, &maker.graph, Options { fuse, share_memory });
        let run = |program: &Program, threads| compiled(program, &maker.graph, &maker.inputs, &Pool::new(threads), 2);
        let shared = run(&program(true), 1);
        assert_same(&format!("{name}, threads"), &maker.graph, &run(&program(true), 2), &shared);
        assert_same(&format!("{name}, sharing"), &maker.graph, &run(&program(false), 1), &shared);
    }
}

/// All results of a scan as figures.
fn results(graph: &mut Graph, scan: &Arc<Scan>, operands: &[ValueId]) -> Vec<ValueId> {
    let one = |result| graph.push(Op::Scan { scan: Arc::clone(scan), result }, operands.to_vec(), Origin::default());
    let found: Vec<ValueId> = (0..scan.results()).map(one).collect();
    for (at, &result) in found.iter().enumerate() {
        graph.figure(format!("result {at}"), result);
    }
    found
}

#[test]
fn all_results_of_a_scan_come_from_one_loop() {
    for n in [1, 3, 8, 17] {
        for (at, case) in scans::cases(n).into_iter().enumerate() {
            let Op::Scan { scan, .. } = case.graph.node(case.y).op.clone() else { panic!("no scan") };
            let operands = case.graph.node(case.y).operands.clone();
            let mut maker = Maker::new(1);
            (maker.graph, maker.inputs) = (case.graph, case.inputs);
            maker.graph.outputs.clear();
            results(&mut maker.graph, &scan, &operands);
            check(&format!("{n}, case {at}: {}", case.name), &maker, 1e-4);
        }
    }
}

/// Fibonacci, a swap, a rotation, one next value for two carries, and a carry that stays.
#[test]
fn carries_that_depend_on_each_other() {
    let o = Origin::default();
    for reverse in [false, true] {
        for n in [1, 5, 40] {
            let mut body = Body::new();
            let [a, b, c, d, e] = [0; 5].map(|_| body.float(&[n]));
            let x = body.float(&[n]);
            let half = body.graph.full_like(a, 0.5, o);
            let sum = body.graph.add(a, b, o);
            let mean = body.graph.mul(sum, half, o);
            let turned = body.graph.mul(c, x, o);
            let outputs = [b, mean, d, turned, e, a, mean, d, sum, e];
            let scan = Arc::new(Scan { reverse, ..body.scan(7, 5, 1, &outputs) });
            let mut maker = Maker::new(n as u64);
            let operands: Vec<ValueId> = (0..6)
                .map(|at| {
                    let shape = if at == 5 { vec![7, n] } else { vec![n] };
                    maker.float(&shape, |k| k.uniform(-1.0, 1.0))
                })
                .collect();
            results(&mut maker.graph, &scan, &operands);
            check(&format!("carries {n} reverse {reverse}"), &maker, 1e-5);
        }
    }
}

/// The carry is read transposed and by rows while its next value is made: in place would read what was just written.
#[test]
fn carries_that_cannot_be_updated_in_place() {
    let o = Origin::default();
    for n in [2, 9, 33] {
        let mut body = Body::new();
        let (a, b) = (body.float(&[n, n]), body.float(&[n, n]));
        let scale = body.graph.full_like(a, 0.25 / n as f32, o);
        let turned = body.graph.transpose(a, &[1, 0], o);
        let sum = body.graph.add(a, turned, o);
        let next_a = body.graph.mul(sum, scale, o);
        let product = body.graph.matmul(b, b, o);
        let scaled = body.graph.mul(product, scale, o);
        let next_b = body.graph.add(scaled, b, o);
        let scan = Arc::new(body.scan(4, 2, 0, &[next_a, next_b]));
        let mut maker = Maker::new(n as u64);
        let operands = [0; 2].map(|_| maker.float(&[n, n], |k| k.uniform(-1.0, 1.0)));
        results(&mut maker.graph, &scan, &operands);
        check(&format!("in place {n}"), &maker, 1e-4);
    }
}

/// The results' users and the operands' makers are fused around the loop, operands die in it, and slots are written.
#[test]
fn a_loop_amid_other_kernels() {
    let o = Origin::default();
    for n in [3, 16, 70] {
        let mut body = Body::new();
        let (h, x, w) = (body.float(&[n]), body.float(&[n]), body.float(&[n]));
        let product = body.graph.mul(h, w, o);
        let next = body.graph.add(product, x, o);
        let scan = Arc::new(body.scan(5, 1, 1, &[next, next]));
        let mut maker = Maker::new(n as u64);
        let h = maker.float(&[n], |k| k.uniform(-1.0, 1.0));
        let x = maker.float(&[n, 5], |k| k.uniform(-1.0, 1.0));
        let w = maker.float(&[n], |k| k.uniform(-1.0, 1.0));
        let graph = &mut maker.graph;
        // A transposed sequence is walked where it lies; one that is computed first needs memory.
        let walked = graph.transpose(x, &[1, 0], o);
        let computed = graph.unary(Unary::Exp, walked, o);
        let halved = graph.full_like(w, 0.5, o);
        let w2 = graph.mul(w, halved, o);
        for (at, sequence) in [walked, computed].into_iter().enumerate() {
            let operands = [h, sequence, w2];
            let last = graph.push(Op::Scan { scan: Arc::clone(&scan), result: 0 }, operands.to_vec(), o);
            let rows = graph.push(Op::Scan { scan: Arc::clone(&scan), result: 1 }, operands.to_vec(), o);
            let total = graph.sum(rows, &[0], o);
            let both = graph.add(total, last, o);
            graph.figure(format!("both {at}"), both);
            if at == 0 {
                graph.write(nnc::ir::SlotId(0), last);
                let kept = graph.transpose(rows, &[1, 0], o);
                graph.write(nnc::ir::SlotId(1), kept);
            }
        }
        check(&format!("amid {n}"), &maker, 1e-4);
    }
}

#[test]
fn no_turns_leave_the_first_values() {
    let mut body = Body::new();
    let (h, x) = (body.float(&[6]), body.float(&[6]));
    let next = body.graph.add(h, x, Origin::default());
    for reverse in [false, true] {
        for turns in [0, 1] {
            let mut scan = Scan { turns, reverse, carries: 1, sequences: 1, body: body.graph.clone() };
            scan.body.figure("next", next);
            scan.body.figure("next again", next);
            let mut maker = Maker::new(9);
            let operands = [vec![6], vec![turns, 6]].map(|shape| maker.float(&shape, |k| k.uniform(-1.0, 1.0)));
            let last =
                maker.graph.push(Op::Scan { scan: Arc::new(scan), result: 0 }, operands.to_vec(), Origin::default());
            maker.graph.figure("last", last);
            check(&format!("{turns} turns"), &maker, 1e-6);
        }
    }
}

/// An LSTM over a sequence: x_t@U + h@W, four gates; `every` also gives all h and what each turn started from.
fn lstm(batch: usize, hidden: usize, turns: usize, every: bool) -> Maker {
    let o = Origin::default();
    let mut body = Body::new();
    let (h, c) = (body.float(&[batch, hidden]), body.float(&[batch, hidden]));
    let x = body.float(&[batch, 4 * hidden]);
    let w = body.float(&[hidden, 4 * hidden]);
    let graph = &mut body.graph;
    let from_h = graph.matmul(h, w, o);
    let gates = graph.add(x, from_h, o);
    let gate = |graph: &mut Graph, at: usize, f| {
        let part = graph.slice_axis(gates, 1, at * hidden, hidden, o);
        graph.unary(f, part, o)
    };
    let i = gate(graph, 0, Unary::Logistic);
    let f = gate(graph, 1, Unary::Logistic);
    let g = gate(graph, 2, Unary::Tanh);
    let out = gate(graph, 3, Unary::Logistic);
    let kept = graph.mul(f, c, o);
    let new = graph.mul(i, g, o);
    let next_c = graph.add(kept, new, o);
    let shown = graph.unary(Unary::Tanh, next_c, o);
    let next_h = graph.mul(out, shown, o);
    let outputs = if every { vec![next_h, next_c, next_h, c] } else { vec![next_h, next_c] };
    let scan = Arc::new(body.scan(turns, 2, 1, &outputs));
    let mut maker = Maker::new(5);
    let zeros = maker.graph.splat(nnc::ir::Const::F32(0.0), &[batch, hidden], o);
    let x = maker.float(&[turns, batch, 4 * hidden], |k| k.uniform(-1.0, 1.0));
    let w = maker.float(&[hidden, 4 * hidden], |k| k.uniform(-0.1, 0.1));
    results(&mut maker.graph, &scan, &[zeros, zeros, x, w]);
    maker
}

#[test]
fn an_lstm_has_the_same_bits_in_all_ways() {
    for (batch, hidden, turns) in [(2, 3, 4), (5, 16, 3), (32, 40, 2)] {
        for every in [false, true] {
            check(&format!("lstm {batch} {hidden} {turns} {every}"), &lstm(batch, hidden, turns, every), 1e-4);
        }
    }
}

/// Products in a kernel.
fn gemms(body: &[Stmt]) -> Vec<&Gemm> {
    let found = body.iter().flat_map(|stmt| match stmt {
        Stmt::Gemm(gemm) => vec![gemm],
        Stmt::Loop(inner) => gemms(&inner.body),
        Stmt::Let { .. } | Stmt::Store { .. } | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => {
            Vec::new()
        }
    });
    found.collect()
}

/// What an adjoint does: h' = h @ wᵀ. The matrix is transposed once, before the loop.
#[test]
fn a_matrix_that_is_read_by_columns_is_turned_once() {
    let o = Origin::default();
    let mut body = Body::new();
    let (h, w) = (body.float(&[8, 48]), body.float(&[48, 48]));
    let product = body.graph.contract(h, w, &[], &[(1, 1)], o);
    let again = body.graph.matmul(product, w, o);
    let next = body.graph.unary(Unary::Tanh, again, o);
    let scan = Arc::new(body.scan(5, 1, 0, &[next, product, next]));
    let mut maker = Maker::new(8);
    let operands = [[8, 48], [48, 48]].map(|shape| maker.float(&shape, |k| k.uniform(-0.3, 0.3)));
    results(&mut maker.graph, &scan, &operands);
    let program = lowered("columns", &maker.graph, Options::default());
    let inside = program.runs[program.loops[0].range()].iter().map(|run| &program.kernels[run.kernel.index()]);
    let found: Vec<&Gemm> = inside.flat_map(|kernel| gemms(&kernel.body)).collect();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|gemm| gemm.b.column == 1), "{found:?}");
    check("columns", &maker, 1e-4);
}

/// Products of heads: summed over axes that do not lie side by side in memory.
#[test]
fn products_over_several_axes_are_wide() {
    let o = Origin::default();
    let mut maker = Maker::new(12);
    let x = maker.float(&[3, 20, 24], |k| k.uniform(-1.0, 1.0));
    let y = maker.float(&[3, 4, 20, 6], |k| k.uniform(-1.0, 1.0));
    let w = maker.float(&[4, 6, 24], |k| k.uniform(-1.0, 1.0));
    let graph = &mut maker.graph;
    let gradient = graph.contract(x, y, &[], &[(0, 0), (1, 2)], o);
    let heads = graph.contract(y, w, &[], &[(1, 0), (3, 1)], o);
    let kept = graph.contract(y, y, &[(0, 0)], &[(3, 3), (1, 1)], o);
    graph.figure("gradient", gradient);
    graph.figure("heads", heads);
    graph.figure("kept", kept);
    let program = lowered("heads", graph, Options::default());
    let wide: usize = program.kernels.iter().map(|kernel| gemms(&kernel.body).len()).sum();
    assert_eq!(wide, 3);
    check("heads", &maker, 1e-4);
}

/// Bytes of code of the kernels in the loop.
fn code_size(program: &Program) -> usize {
    let runs = &program.runs[program.loops[0].range()];
    let mut kernels: Vec<_> = runs.iter().map(|run| program.kernels[run.kernel.index()].clone()).collect();
    kernels.iter_mut().for_each(math::expand);
    let module = jit::compile(&kernels, &jit::Options::default()).unwrap();
    (0..kernels.len()).map(|at| module.code_size(KernelId(at as u32))).sum()
}

fn temporary_bytes(program: &Program) -> usize {
    let end = |buffer: &nnc::loops::ir::Buffer| match buffer.place {
        Place::Temporary { offset } => offset + buffer.len() * 4,
        Place::Slot(_) | Place::Constant(_) => 0,
    };
    program.buffers.iter().map(end).max().unwrap_or(0)
}

#[test]
fn code_does_not_grow_with_the_turns_and_memory_only_with_what_is_kept() {
    let program = |turns, every| lowered("lstm", &lstm(4, 16, turns, every).graph, Options::default());
    for every in [false, true] {
        let (short, long) = (program(10, every), program(1000, every));
        assert_eq!(short.loops[0].range().len(), long.loops[0].range().len());
        assert_eq!(code_size(&short), code_size(&long));
        let grown = temporary_bytes(&long) - temporary_bytes(&short);
        let row = 4 * 16 * 4;
        // Kept are h and c, two rows a turn, and the figures are these.
        assert!(grown <= if every { 2 * 990 * row } else { 0 }, "{grown} bytes");
    }
}

/// A running product of sums, of `n` at once.
fn running(n: usize, turns: usize, reverse: bool) -> Maker {
    let o = Origin::default();
    let shape: &[usize] = if n == 0 { &[] } else { &[n] };
    let mut body = Body::new();
    let (s, x) = (body.float(shape), body.float(shape));
    let sum = body.graph.add(s, x, o);
    let half = body.graph.full_like(s, 0.75, o);
    let next = body.graph.mul(sum, half, o);
    let scan = Arc::new(Scan { reverse, ..body.scan(turns, 1, 1, &[next, next, s]) });
    let mut maker = Maker::new(n as u64);
    let start = maker.float(shape, |k| k.uniform(-1.0, 1.0));
    let walked: Vec<usize> = std::iter::once(turns).chain(shape.iter().copied()).collect();
    let x = maker.float(&walked, |k| k.uniform(-1.0, 1.0));
    results(&mut maker.graph, &scan, &[start, x]);
    maker
}

#[test]
fn short_turns_are_one_kernel() {
    for n in [0, 1, 5, 32] {
        for reverse in [false, true] {
            for turns in [1, 2, 300] {
                check(&format!("running {n}, {turns} turns, reverse {reverse}"), &running(n, turns, reverse), 1e-5);
            }
        }
    }
    let program = |n, turns, reverse| lowered("running", &running(n, turns, reverse).graph, Options::default());
    let of_turns =
        |program: &Program| program.kernels.iter().find(|kernel| kernel.name.starts_with("turns of")).cloned().unwrap();
    let size = |n, turns, reverse| {
        let program = program(n, turns, reverse);
        assert!(program.loops.is_empty());
        let mut kernel = of_turns(&program);
        math::expand(&mut kernel);
        jit::compile(&[kernel], &jit::Options::default()).unwrap().code_size(KernelId(0))
    };
    for (n, reverse) in [(0, false), (0, true), (7, false), (32, true)] {
        assert_eq!(size(n, 10, reverse), size(n, 1000, reverse), "bytes of code of {n}, reverse {reverse}");
    }
}

#[test]
fn long_turns_stay_runs() {
    let program = lowered("running", &running(100_000, 4, false).graph, Options::default());
    assert_eq!(program.loops.len(), 1);
}

/// Kernels of the loop, and the time of a turn.
#[test]
fn a_turn_of_an_lstm_is_few_kernels() {
    let maker = lstm(32, 128, 64, true);
    let program = lowered("lstm", &maker.graph, Options::default());
    let turns = program.loops[0].range();
    let names: Vec<&str> =
        program.runs[turns.clone()].iter().map(|run| &program.kernels[run.kernel.index()].name[..]).collect();
    println!("{names:?}\n{}", nnc::loops::print::print(&program, None));
    assert!(turns.len() <= 3, "{names:?}");
    let mut machine = Compiled::new(&program, &maker.graph, &Pool::new(1));
    machine.set(&maker.inputs);
    machine.step();
    let mut times: Vec<f64> = (0..20)
        .map(|_| {
            let before = Instant::now();
            machine.step();
            before.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("64 turns: least {:.0} µs, median {:.0} µs", times[0] * 1e6, times[10] * 1e6);
}
