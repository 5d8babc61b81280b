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

/// Windows at small steps, and what is added back from them; channels beside each other; zeros between elements.
fn combs(n: usize) -> String {
    let mut text = format!("slot s0: f32[2, {n}] column \"x\"\nv0: f32[2, {n}] = input() slot=s0\n");
    let mut next = 1;
    let mut add = |line: String, figure: bool| {
        text += &format!("v{next}: {line}\n");
        if figure {
            text += &format!("figure \"{next}\" = v{next}\n");
        }
        next += 1;
        next - 1
    };
    for (k, step, lo) in
        [(2, 1, 0), (3, 1, 1), (4, 1, 2), (2, 2, 0), (3, 2, 1), (4, 3, 1), (3, 3, 0), (5, 4, 2), (5, 1, 2), (7, 2, 3)]
    {
        let Some(out) = (n + 2 * lo).checked_sub(k).map(|rest| rest / step + 1) else { continue };
        let window = format!("axis=1 window=[{n}:{out}:{k}:{step}:1:{lo}]");
        let unfolded = add(format!("f32[2, {out}, {k}] = unfold(v0) {window} fill=zero"), true);
        let twice = add(format!("f32[2, {out}, {k}] = add(v{unfolded}, v{unfolded})"), false);
        add(format!("f32[2, {n}] = fold(v{twice}) {window}"), true);
    }
    for channels in 2..9 {
        let wide = add(format!("f32[{channels}, 2, {n}] = broadcast(v0) axes=[1, 2]"), false);
        let wide = add(format!("f32[{channels}, 2, {n}] = mul(v{wide}, v{wide})"), false);
        let last = add(format!("f32[2, {n}, {channels}] = transpose(v{wide}) perm=[1, 2, 0]"), true);
        add(format!("f32[{channels}, 2, {n}] = transpose(v{last}) perm=[2, 0, 1]"), true);
    }
    for (start, step, more) in [(0, 2, 0), (0, 2, 1), (3, 2, 5), (1, 3, 0), (0, 3, 2), (2, 4, 3), (0, 5, 1)] {
        let size = start + step * (n - 1) + 1 + more;
        let at = format!("start=[0, {start}] step=[1, {step}]");
        add(format!("f32[2, {size}] = unslice(v0) {at}"), true);
        add(format!("f32[5, {size}] = unslice(v0) start=[1, {start}] step=[3, {step}]"), true);
    }
    text
}

/// All axes the other way round, alone and with what depends on one of them.
fn turned_round(a: usize, b: usize, c: usize) -> String {
    format!(
        "slot s0: f32[{a}, {b}, {c}] column \"x\"\nslot s1: f32[{b}] column \"y\"
v0: f32[{a}, {b}, {c}] = input() slot=s0
v1: f32[{b}] = input() slot=s1
v2: f32[{c}, {b}, {a}] = transpose(v0) perm=[2, 1, 0]
v3: f32[{c}, {b}, {a}] = broadcast(v1) axes=[1]
v4: f32[{c}, {b}, {a}] = mul(v2, v3)
figure \"turned\" = v2\nfigure \"times\" = v4\n"
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
        run(&format!("combs {n}"), &combs(n), &pool);
    }
}

#[test]
fn tiles_cover_what_is_transposed() {
    let pool = Pool::new(1);
    let sizes = [(8, 16), (16, 8), (24, 32), (32, 48), (17, 16), (16, 17), (64, 33), (300, 20), (3, 40), (260, 48)];
    for (rows, columns) in sizes {
        run(&format!("transposed {rows} by {columns}"), &transposed(rows, columns), &pool);
        run(&format!("mixed {rows} by {columns}"), &mixed(rows, columns), &pool);
        run(&format!("turned round {rows} by {columns}"), &turned_round(rows, 5, columns), &pool);
    }
}

/// Large enough to be cut into panels, which three threads share.
#[test]
fn panels_move_the_same_as_the_whole() {
    let pool = Pool::new(3);
    for (name, text) in [
        ("transposed", transposed(301, 203)),
        ("mixed", mixed(288, 208)),
        ("turned round", turned_round(37, 50, 61)),
        (
            "dilated",
            "slot s0: f32[300, 201] column \"x\"\nv0: f32[300, 201] = input() slot=s0
v1: f32[300, 604] = unslice(v0) start=[0, 2] step=[1, 3]\nfigure \"y\" = v1\n"
                .to_owned(),
        ),
        (
            "windows",
            "slot s0: f32[300, 201] column \"x\"\nv0: f32[300, 201] = input() slot=s0
v1: f32[300, 101, 5] = unfold(v0) axis=1 window=[201:101:5:2:1:2] fill=zero
v2: f32[300, 201] = fold(v1) axis=1 window=[201:101:5:2:1:2]\nfigure \"w\" = v1\nfigure \"y\" = v2\n"
                .to_owned(),
        ),
    ] {
        let graph = parse::parse(&text).unwrap();
        let program = lower(&graph, &Options { fuse: true, share_memory: false }).unwrap();
        assert!(program.kernels.iter().any(|kernel| kernel.par.is_some()), "{name} has panels");
        run(name, &text, &pool);
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
