//! Long and short reductions along every axis: columns that are taken row by row, sums of sums, windows, and
//! maxima with a NaN somewhere; one thread, two, and the loops interpreter agree to the bit.

use super::compiled::{assert_same, compiled, interpreted, lowered};
use super::{Count, check};
use crate::ir::cases::Numbers;
use nnc::ir::interpret::Array;
use nnc::ir::{Graph, parse};
use nnc::loops::Options;
use nnc::loops::interpret::Options as Cut;
use nnc::runtime::Pool;

/// One reduction of one operand.
fn reduction(op: &str, shape: &[usize], axes: &[usize]) -> Graph {
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
    let text = format!(
        "slot s0: f32{shape:?} column \"x\"\nv0: f32{shape:?} = input() slot=s0\nv1: f32{kept:?} = {op}(v0) axes={axes:?}\n\
         figure \"y\" = v1\n"
    );
    parse::parse(&text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn random(shape: &[usize], seed: u64) -> Vec<f64> {
    let mut numbers = Numbers(seed);
    (0..shape.iter().product::<usize>()).map(|_| f64::from(numbers.uniform(-1.0, 1.0) as f32)).collect()
}

fn run(op: &str, shape: &[usize], axes: &[usize], pools: &[Pool]) {
    let (name, graph) = (format!("{op} {axes:?} of {shape:?}"), reduction(op, shape, axes));
    let inputs = [Array::floats(shape, random(shape, 5))];
    for pool in pools {
        check(&name, graph.clone(), &inputs, pool, &mut Count::default());
    }
}

#[test]
fn long_columns_are_taken_row_by_row() {
    let pools = [Pool::new(1), Pool::new(2)];
    for (rows, columns) in [(64, 300), (70, 256), (257, 1041), (515, 272), (1100, 600)] {
        for op in ["sum", "max_of"] {
            run(op, &[rows, columns], &[0], &pools);
        }
    }
    run("sum", &[3, 130, 257], &[1], &pools);
    run("sum", &[9, 40, 310], &[0, 1], &pools);
}

#[test]
fn long_sums_are_sums_of_sums() {
    let pools = [Pool::new(1), Pool::new(2)];
    for n in [16_384, 16_385, 20_000, 32_768, 50_021] {
        run("sum", &[n], &[0], &pools);
        run("max_of", &[n], &[0], &pools);
    }
    for (shape, axes) in [
        (&[70, 300][..], &[0, 1][..]),
        (&[2, 20_001], &[0, 1]),
        (&[40, 5, 100], &[0, 2]),
        (&[300, 3, 7, 7], &[0, 2, 3]),
    ] {
        run("sum", shape, axes, &pools);
        run("max_of", shape, axes, &pools);
    }
}

#[test]
fn windows_are_reduced_lane_by_lane() {
    let pools = [Pool::new(1)];
    for (k, n) in [(2, 8), (2, 21), (3, 9), (4, 33), (3, 3)] {
        for op in ["sum", "max_of"] {
            run(op, &[3, n, k], &[2], &pools);
            run(op, &[3, k, n, k], &[1, 3], &pools);
        }
    }
}

/// A NaN at any place makes the maximum of its row NaN and no other; of zeros the bits are those of the interpreter.
#[test]
fn a_maximum_forgets_no_nan() {
    let pools = [Pool::new(1), Pool::new(2)];
    let shapes = [[5, 3], [9, 40], [70, 67], [130, 300], [3, 1000]];
    for (shape, axis) in shapes.iter().flat_map(|shape| [(shape, 0), (shape, 1)]) {
        let graph = reduction("max_of", shape, &[axis]);
        let [rows, columns] = *shape;
        let mut values = random(shape, 9);
        let marked: Vec<usize> = (0..6).map(|at| (at * 7919 + 13) % (rows * columns)).collect();
        for (at, value) in values.iter_mut().enumerate() {
            if marked.contains(&at) {
                *value = f64::NAN;
            } else if *value < 0.3 {
                *value = if at % 3 == 0 { -0.0 } else { 0.0 };
            }
        }
        let inputs = [Array::floats(shape, values)];
        let name = format!("{shape:?} along {axis}");
        let program = lowered(&name, &graph, Options { fuse: true, share_memory: false });
        let wanted = interpreted(&program, &graph, &inputs, Cut::default(), 1);
        for pool in &pools {
            assert_same(&name, &graph, &compiled(&program, &graph, &inputs, pool, 1), &wanted);
        }
        for (at, word) in wanted.0[0].iter().enumerate() {
            let hit = marked.iter().any(|place| at == if axis == 0 { place % columns } else { place / columns });
            assert_eq!(f32::from_bits(*word).is_nan(), hit, "{name} [{at}]");
        }
    }
}
