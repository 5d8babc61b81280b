//! From the typed tree to the graph: sizes, gradients, and the row rule.

use crate::programs::{INTERPRETER, JIT, check, numbers, run_text};
use crate::session::build::{Build, d, ds};
use nnc::check::rows;
use nnc::check::typed::*;
use nnc::ir::interpret::{Array, interpret};
use nnc::ir::{Binary, DType, Op, Owner, Unary};
use nnc::lower::{self, Request};

/// A normalised sum over the hidden row features of a table of `rows` rows, and its pieces.
struct Scored {
    b: Build,
    data: DataId,
    /// Row-wise.
    hidden: NodeId,
    /// Over all rows, then back to the rows.
    score: NodeId,
    /// Over all rows.
    spread: NodeId,
}

fn scored(count: usize) -> Scored {
    let mut b = Build::new();
    let xs: Vec<f32> = (0..count * 3).map(|at| ((at * 37) % 101) as f32 / 50.0 - 1.0).collect();
    let data = b.table("points", &[("x", vec![3], xs)], &[]);
    let weights = b.random(7, &[3, 5]);
    let slot = b.param("w", &[3, 5], weights);
    let (x, w) = (b.column(data, 0), b.read(slot));
    let product = b.matmul(x, w);
    let hidden = b.unary(Unary::Tanh, product);
    let wide = b.shape(hidden);
    let total = b.sum(hidden, &[0]);
    let rows = b.b();
    let size = b.node(Kind::Size(rows), &[], DType::F32, vec![]);
    let size = b.spread(size, ds(&[5]), &[]);
    let mean = b.div(total, size);
    let mean = b.spread(mean, wide, &[1]);
    let score = b.sub(hidden, mean);
    let square = b.mul(score, score);
    let spread = b.sum(square, &[0, 1]);
    Scored { b, data, hidden, score, spread }
}

#[test]
fn the_front_is_what_needs_only_its_own_row() {
    let scored = scored(10);
    let program = &scored.b.program;
    let whole = rows::split(program, &[scored.spread], scored.b.rows);
    assert_eq!((whole.fronts, whole.axes), (vec![scored.hidden], vec![0]));
    let direct = rows::split(program, &[scored.hidden], scored.b.rows);
    assert_eq!(direct.fronts, [scored.hidden]);
}

#[test]
fn every_movement_keeps_or_loses_the_rows_as_the_rule_says() {
    let mut b = Build::new();
    let data = b.table("points", &[("x", vec![2, 3], vec![0.0; 60])], &[]);
    let (x, rows) = (b.column(data, 0), b.b());
    let front = |b: &Build, node: NodeId| rows::split(&b.program, &[node], b.rows);
    let kept = |b: &Build, node: NodeId, axis: usize| {
        let split = front(b, node);
        assert_eq!((split.fronts, split.axes), (vec![node], vec![axis]), "{:?}", b.program.node(node).kind);
    };
    let flat = b.op(Op::Reshape { shape: vec![rows.clone(), d(6)] }, &[x], DType::F32, vec![rows.clone(), d(6)]);
    kept(&b, flat, 0);
    let turned = b.op(Op::Transpose { perm: vec![2, 0, 1] }, &[x], DType::F32, vec![d(3), rows.clone(), d(2)]);
    kept(&b, turned, 1);
    let slice = Op::Slice { start: ds(&[0, 0, 1]), size: vec![rows.clone(), d(2), d(2)], step: vec![1, 1, 1] };
    let slice = b.op(slice, &[x], DType::F32, vec![rows.clone(), d(2), d(2)]);
    kept(&b, slice, 0);
    let inner = b.sum(turned, &[0]);
    kept(&b, inner, 0);
    let joined = b.op(Op::Concat { axis: 1 }, &[x, x], DType::F32, vec![rows.clone(), d(4), d(3)]);
    kept(&b, joined, 0);
    // Reversing the rows, joining along them, products of rows with rows: no row stands alone.
    let reversed = Op::Slice { start: ds(&[9]), size: vec![rows.clone()], step: vec![-1] };
    let vector = b.sum(flat, &[1]);
    let reversed = b.op(reversed, &[vector], DType::F32, vec![rows.clone()]);
    assert_eq!(front(&b, reversed).fronts, [vector]);
    let pairs = Op::Contract { batch: vec![], over: vec![(1, 1)] };
    let pairs = b.op(pairs, &[flat, flat], DType::F32, vec![rows.clone(), rows.clone()]);
    assert_eq!(front(&b, pairs).fronts, [flat]);
    // A number of the row is not known to the row; random draws are numbered over the whole tensor.
    let number = b.op(Op::Iota { axis: 0, shape: vec![rows.clone()] }, &[], DType::I32, vec![rows.clone()]);
    let number = b.number(number);
    let numbered = b.mul(vector, number);
    assert_eq!(front(&b, numbered).fronts, [vector]);
    let noise = b.node(Kind::Random { place: 3, seed: None }, &[], DType::F32, vec![rows]);
    let noisy = b.binary(Binary::Max, vector, noise);
    assert_eq!(front(&b, noisy).fronts, [vector]);
}

#[test]
fn front_and_rest_give_what_the_whole_gives() {
    let count = 600;
    let scored = scored(count);
    let (program, outputs) = (&scored.b.program, [scored.score, scored.spread]);
    let inputs = |graph: &nnc::ir::Graph, rows: std::ops::Range<usize>, fronts: &[Array<f32>]| -> Vec<Array<f32>> {
        let value = |path: &str| match path {
            "w" => Array::floats(&[3, 5], (0..15).map(|at| (at as f32 - 7.0) / 5.0).collect()),
            "column:x" => {
                let values =
                    rows.clone().flat_map(|row| (0..3).map(move |at| ((row * 3 + at) * 37 % 101) as f32 / 50.0));
                Array::floats(&[rows.len(), 3], values.map(|value| value - 1.0).collect())
            }
            _ => fronts[0].clone(),
        };
        graph.slots.iter().map(|slot| value(&slot.path)).collect()
    };
    let size = Some((scored.b.rows, count as u64));
    let graph = lower::eval(program, &outputs, size).unwrap();
    let whole = interpret(&graph, &inputs(&graph, 0..count, &[])).unwrap();

    let split = rows::split(program, &outputs, scored.b.rows);
    let front = lower::eval(program, &split.fronts, Some((scored.b.rows, 200))).unwrap();
    let mut joined = Vec::new();
    for start in (0..count).step_by(200) {
        let part = interpret(&front, &inputs(&front, start..start + 200, &[])).unwrap();
        joined.extend(part[0].to_f64().into_iter().map(|value| value as f32));
    }
    let joined = Array::floats(&[count, 5], joined);
    let request = Request { given: split.fronts, ..Request::of_outputs(&outputs, size) };
    let rest = lower::lower(program, &request).unwrap();
    assert!(rest.slots.iter().all(|slot| slot.owner == Owner::Column), "the rest reads fronts only: {:?}", rest.slots);
    assert_eq!(interpret(&rest, &inputs(&rest, 0..count, &[joined])).unwrap(), whole);
    assert_eq!(scored.data, DataId(0));
}

#[test]
fn a_gradient_of_a_gradient_is_lowered_in_order() {
    let mut b = Build::new();
    let two = b.f32(2.0);
    let slot = b.param("x", &[], two);
    let x = b.read(slot);
    let square = b.mul(x, x);
    let cube = b.mul(square, x);
    let first = b.grad(cube, x);
    let second = b.grad(first, x);
    let third = b.grad(second, x);
    let graph = lower::eval(&b.program, &[cube, first, second, third], None).unwrap();
    assert_eq!(graph.slots.len(), 1);
    let values = interpret(&graph, &[Array::<f32>::floats(&[], vec![2.0])]).unwrap();
    let values: Vec<f64> = values.iter().map(|value| value.to_f64()[0]).collect();
    assert_eq!(values, [8.0, 12.0, 12.0, 6.0]);
}

#[test]
fn an_open_size_without_a_number_is_an_internal_error() {
    let scored = scored(4);
    let error = lower::eval(&scored.b.program, &[scored.spread], None).unwrap_err();
    assert!(error.contains("the size B is still open"), "{error}");
}

/// The scan of an LSTM over the rows' own sequences is row-wise, forwards and backwards, with masks; one that walks over
/// the rows, or whose carry mixes them, is not.
#[test]
fn the_rows_go_through_a_scan_that_keeps_them_apart() {
    let front = |text: &str| {
        let text = format!("data points = moons(n = 600, noise = 0.1)\n{text}");
        let (_, program, _) = check("rows", &text).unwrap_or_else(|(_, shown)| panic!("{shown}"));
        let mut evals = program.actions.iter().filter_map(|action| match &action.kind {
            ActionKind::Print { eval, .. } => Some(eval),
            _ => None,
        });
        let eval = evals.next_back().expect("a print");
        let (_, rows) = eval.on.clone().expect("on a part");
        let split = rows::split(&program, &eval.outputs, rows);
        let scans = |id: &NodeId| matches!(program.node(*id).kind, Kind::Scan { .. });
        let behind = program.reachable(split.fronts.iter().copied()).iter().filter(|id| scans(id)).count();
        let all = program.reachable(eval.outputs.iter().copied()).iter().filter(|id| scans(id)).count();
        (behind, all)
    };
    let layers = ["rnn(3)", "gru(3)", "lstm(3)", "bidirectional(lstm(2), gru(2))"];
    for layer in layers {
        let text = format!(
            "let own = {layer}\nlet first = own(ones[1, 2, 1])\nprint mean(own(reshape(x, [B, 2, 1]))) on points\n"
        );
        let (behind, all) = front(&text);
        assert!(behind == all && all > 0, "{layer}: {behind} of {all}");
    }
    let masked = "let own = lstm(3)\nlet first = own(ones[1, 2, 1])\nprint mean(own(reshape(x, [B, 2, 1]), seen = x > 0)) on points\n";
    let (behind, all) = front(masked);
    assert!(behind == all && all > 0, "{behind} of {all}");
    let over_rows = "print max(cumsum(x[:, 0])) on points\n";
    assert_eq!(front(over_rows), (0, 1));
    let mixed = "print max(scan t in 0..3 with h = x[:, 0] { next h = h - mean(h) }) on points\n";
    assert_eq!(front(mixed), (0, 1));
}

/// What a scan gives in pieces of rows is what it gives for all at once: the mean over 600 rows, of which a piece has 256.
#[test]
fn a_scan_over_rows_in_pieces_gives_what_the_whole_gives() {
    let text = "data points = moons(n = 600, noise = 0.1)\nlet own = lstm(3)\nlet first = own(ones[1, 2, 1])\n\
        print mean(own(reshape(x, [B, 2, 1]), seen = x > 0), keep = 2) on points\n";
    let [jit, reference] = [JIT, INTERPRETER].map(|way| run_text("rows", text, way).unwrap().prints.join(" "));
    let (jit, reference) = (numbers(&jit), numbers(&reference));
    assert_eq!(jit.len(), 3);
    for (a, b) in jit.iter().zip(&reference) {
        assert!((a - b).abs() < 1e-6, "{jit:?}, {reference:?}");
    }
}
