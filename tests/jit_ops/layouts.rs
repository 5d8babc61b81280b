//! Movements whose loops are swapped, tiled, cut at guards or shuffled, at all
//! lengths around those of vectors and tiles: what is moved, and nothing else.

use super::{Count, check};
use crate::ir::cases::Numbers;
use nnc::ir::interpret::Array;
use nnc::ir::parse;
use nnc::loops::ir::{Loop, LoopKind, Range, Stmt};
use nnc::loops::{Options, lower};
use nnc::runtime::Pool;

/// The largest of each pair, and a cotangent that goes back to it: the vector runs over the pairs.
fn pairs(n: usize) -> String {
    let wide = 2 * n;
    format!(
        "slot s0: f32[3, {wide}] column \"x\"\nslot s1: f32[3, {n}] column \"g\"
v0: f32[3, {wide}] = input() slot=s0
v1: f32[3, {n}, 2] = reshape(v0)
v2: f32[2, 3, {n}] = transpose(v1) perm=[2, 0, 1]
v3: f32[3, {n}] = max_of(v2) axes=[0]
v4: f32[2, 3, {n}] = broadcast(v3) axes=[1, 2]
v5: bool[2, 3, {n}] = eq(v2, v4)
v6: f32[3, {n}] = input() slot=s1
v7: f32[3, {n}] = mul(v6, v3)
v8: f32[2, 3, {n}] = broadcast(v7) axes=[1, 2]
v9: f32[2, 3, {n}] = const() value=0.0
v10: f32[2, 3, {n}] = select(v5, v8, v9)
v11: f32[3, {n}, 2] = transpose(v10) perm=[1, 2, 0]
v12: f32[3, {wide}] = reshape(v11)
figure \"largest\" = v3\nfigure \"back\" = v12\n"
    )
}

/// Reversed, and every second element.
fn steps(n: usize) -> String {
    format!(
        "slot s0: f32[3, {wide}] column \"x\"
v0: f32[3, {wide}] = input() slot=s0
v1: f32[3, {wide}] = slice(v0) start=[0, {last}] step=[1, -1]
v2: f32[3, {n}] = slice(v0) start=[0, 1] step=[1, 2]
figure \"reversed\" = v1\nfigure \"second\" = v2\n",
        wide = 2 * n,
        last = 2 * n - 1
    )
}

/// Three parts laid side by side by sums of what is padded with zeros.
fn parts(n: usize) -> String {
    let all = 2 * n + 5;
    format!(
        "slot s0: f32[2, {n}] column \"a\"\nslot s1: f32[2, 5] column \"b\"\nslot s2: f32[2, {n}] column \"c\"
v0: f32[2, {n}] = input() slot=s0
v1: f32[2, 5] = input() slot=s1
v2: f32[2, {n}] = input() slot=s2
v3: f32[2, {all}] = unslice(v0) start=[0, 0] step=[1, 1]
v4: f32[2, {all}] = unslice(v1) start=[0, {n}] step=[1, 1]
v5: f32[2, {all}] = unslice(v2) start=[0, {last}] step=[1, 1]
v6: f32[2, {all}] = add(v3, v4)
v7: f32[2, {all}] = add(v6, v5)
figure \"all\" = v7\n",
        last = n + 5
    )
}

fn transposed(rows: usize, columns: usize) -> String {
    format!(
        "slot s0: f32[2, {rows}, {columns}] column \"x\"
v0: f32[2, {rows}, {columns}] = input() slot=s0
v1: f32[2, {columns}, {rows}] = transpose(v0) perm=[0, 2, 1]
figure \"y\" = v1\n"
    )
}

/// Two operands that are read across, with what depends on a row or a column alone.
fn mixed(rows: usize, columns: usize) -> String {
    format!(
        "slot s0: f32[2, {rows}, {columns}] column \"x\"\nslot s1: f32[2, {rows}, {columns}] column \"y\"
slot s2: f32[{columns}] column \"a\"\nslot s3: f32[{rows}] column \"b\"
v0: f32[2, {rows}, {columns}] = input() slot=s0
v1: f32[2, {rows}, {columns}] = input() slot=s1
v2: f32[{columns}] = input() slot=s2
v3: f32[{rows}] = input() slot=s3
v4: f32[2, {columns}, {rows}] = transpose(v0) perm=[0, 2, 1]
v5: f32[2, {columns}, {rows}] = transpose(v1) perm=[0, 2, 1]
v6: f32[2, {columns}, {rows}] = broadcast(v2) axes=[1]
v7: f32[2, {columns}, {rows}] = broadcast(v3) axes=[2]
v8: f32[2, {columns}, {rows}] = mul(v4, v6)
v9: f32[2, {columns}, {rows}] = add(v5, v7)
v10: f32[2, {columns}, {rows}] = sub(v8, v9)
figure \"z\" = v10\n"
    )
}

fn run(name: &str, text: &str, pool: &Pool) {
    let graph = parse::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
    let mut numbers = Numbers(11);
    let mut inputs = Vec::new();
    for slot in &graph.slots {
        let data = (0..slot.ty.len()).map(|_| f64::from(numbers.uniform(-1.0, 1.0) as f32)).collect();
        inputs.push(Array::floats(&slot.ty.shape, data));
    }
    check(name, graph, &inputs, pool, &mut Count::default());
}

#[test]
fn lengths_around_vectors_are_moved_whole() {
    let pool = Pool::new(1);
    for n in 1..40 {
        run(&format!("pairs {n}"), &pairs(n), &pool);
        run(&format!("steps {n}"), &steps(n), &pool);
        run(&format!("parts {n}"), &parts(n), &pool);
    }
}

#[test]
fn tiles_cover_what_is_transposed() {
    let pool = Pool::new(1);
    let sizes = [(8, 16), (16, 8), (24, 32), (32, 48), (17, 16), (16, 17), (64, 33), (300, 20), (3, 40), (260, 48)];
    for (rows, columns) in sizes {
        run(&format!("transposed {rows} by {columns}"), &transposed(rows, columns), &pool);
        run(&format!("mixed {rows} by {columns}"), &mixed(rows, columns), &pool);
    }
}

/// Depth of the loops around the innermost, and whether the short loop of the pairs is inside the vectors.
#[test]
fn the_loops_are_those_that_are_meant() {
    let program =
        |text: &str| lower(&parse::parse(text).unwrap(), &Options { fuse: true, share_memory: false }).unwrap();
    let depth =
        |program: &nnc::loops::ir::Program| program.kernels.iter().flat_map(|kernel| &kernel.body).map(nested).max();
    assert_eq!(depth(&program(&transposed(17, 31))), Some(1), "a call for each matrix");
    assert_eq!(depth(&program(&mixed(24, 32))), Some(5), "two loops in tiles, and the matrices");
    assert_eq!(depth(&program(&mixed(17, 31))), Some(3), "no tiles of 31 rows");
    let back = program(&pairs(20));
    let swapped = back.kernels.iter().flat_map(|kernel| &kernel.body).any(has_short_inside);
    assert!(swapped, "the pairs' loop is inside the vectors");
}

fn nested(stmt: &Stmt) -> usize {
    match stmt {
        Stmt::Loop(found) => 1 + found.body.iter().map(nested).max().unwrap_or(0),
        _ => 0,
    }
}

fn has_short_inside(stmt: &Stmt) -> bool {
    let Stmt::Loop(found) = stmt else { return false };
    let short = |inner: &Stmt| matches!(inner, Stmt::Loop(Loop { kind: LoopKind::Seq, range: Range::Count(2), reduces, .. }) if reduces.is_empty());
    (found.kind == LoopKind::Vec && found.body.iter().any(short)) || found.body.iter().any(has_short_inside)
}
