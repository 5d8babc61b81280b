//! What the interpreter computes, against values worked out by hand.

use nnc::ir::interpret::{Array, interpret};
use nnc::ir::parse::parse;
use nnc::ir::philox::Stream;

type Value = Array<f64>;

/// Runs a text with the figure `y` and compares.
fn check(text: &str, inputs: &[Value], expected: &[f64]) {
    let graph = parse(text).unwrap();
    let y = interpret(&graph, inputs).unwrap()[0].to_f64();
    let same = y.len() == expected.len() && y.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(same, "{y:?} is not {expected:?} in\n{text}");
}

fn counting(shape: &[usize]) -> Value {
    let len = shape.iter().product::<usize>();
    Array::floats(shape, (0..len).map(|n| n as f64).collect())
}

#[test]
fn movement() {
    let x = "slot s0: f32[2, 3] column \"x\"\nv0: f32[2, 3] = input() slot=s0\nfigure \"y\" = v1\n";
    let check = |line: &str, expected: &[f64]| check(&format!("{x}{line}"), &[counting(&[2, 3])], expected);
    check("v1: f32[3, 2] = transpose(v0) perm=[1, 0]", &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    check("v1: f32[3, 2] = reshape(v0)", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    check("v1: f32[2, 2] = slice(v0) start=[1, 2] step=[-1, -2]", &[5.0, 3.0, 2.0, 0.0]);
    check(
        "v1: f32[2, 6] = unslice(v0) start=[0, 5] step=[1, -2]",
        &[0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 5.0, 0.0, 4.0, 0.0, 3.0],
    );
    check("v1: f32[2, 6] = concat(v0, v0) axis=1", &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 3.0, 4.0, 5.0]);
    check("v1: f32[3] = sum(v0) axes=[0]", &[3.0, 5.0, 7.0]);
    check("v1: f32[2] = max_of(v0) axes=[1]", &[2.0, 5.0]);
    check("v1: f32[] = sum(v0) axes=[0, 1]", &[15.0]);
    check("v1: f32[2, 2] = contract(v0, v0) batch=[] over=[1:1]", &[5.0, 14.0, 14.0, 50.0]);
    check("v1: f32[2] = contract(v0, v0) batch=[0:0] over=[1:1]", &[5.0, 50.0]);
}

#[test]
fn broadcast_places_axes() {
    let text = "slot s0: f32[2] column \"x\"\nv0: f32[2] = input() slot=s0\nfigure \"y\" = v1\n";
    check(&format!("{text}v1: f32[2, 2] = broadcast(v0) axes=[0]"), &[counting(&[2])], &[0.0, 0.0, 1.0, 1.0]);
    check(&format!("{text}v1: f32[2, 2] = broadcast(v0) axes=[1]"), &[counting(&[2])], &[0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn gather_clamps_and_scatter_adds_back() {
    let text = "slot s0: f32[3, 2] column \"x\"\nslot s1: i32[4] column \"i\"\n\
        v0: f32[3, 2] = input() slot=s0\nv1: i32[4] = input() slot=s1\nv2: f32[4, 2] = gather(v0, v1) axis=0\n";
    let inputs = [counting(&[3, 2]), Array::ints(&[4], vec![2, -5, 9, 1])];
    check(&format!("{text}figure \"y\" = v2"), &inputs, &[4.0, 5.0, 0.0, 1.0, 4.0, 5.0, 2.0, 3.0]);
    let scatter = "v3: f32[3, 2] = scatter_add(v2, v1) axis=0 size=3\nfigure \"y\" = v3";
    check(&format!("{text}{scatter}"), &inputs, &[0.0, 1.0, 2.0, 3.0, 8.0, 10.0]);
}

#[test]
fn integers_wrap_and_divide_to_the_floor() {
    let text = |op: &str| {
        format!(
            "slot s0: i32[5] column \"a\"\nslot s1: i32[5] column \"b\"\nv0: i32[5] = input() slot=s0\n\
             v1: i32[5] = input() slot=s1\nv2: i32[5] = {op}(v0, v1)\nfigure \"y\" = v2"
        )
    };
    let inputs = [Array::ints(&[5], vec![i32::MAX, -7, 7, i32::MIN, 9]), Array::ints(&[5], vec![1, 2, -2, -1, 0])];
    check(&text("add"), &inputs, &[-2147483648.0, -5.0, 5.0, 2147483647.0, 9.0]);
    check(&text("div"), &inputs, &[2147483647.0, -4.0, -4.0, -2147483648.0, 0.0]);
    check(&text("rem"), &inputs, &[0.0, 1.0, -1.0, 0.0, 0.0]);
    check(&text("max"), &inputs, &[2147483647.0, 2.0, 7.0, -1.0, 9.0]);
}

#[test]
fn conversion_truncates_and_saturates() {
    let text =
        "slot s0: f32[6] column \"x\"\nv0: f32[6] = input() slot=s0\nv1: i32[6] = convert(v0)\nfigure \"y\" = v1";
    let x = Array::floats(&[6], vec![2.9, -2.9, 1e20, -1e20, f64::NAN, -0.0]);
    check(text, &[x], &[2.0, -2.0, 2147483647.0, -2147483648.0, 0.0, 0.0]);
}

#[test]
fn maximum_lets_nan_win() {
    let text = "slot s0: f32[4] column \"a\"\nslot s1: f32[4] column \"b\"\nv0: f32[4] = input() slot=s0\n\
        v1: f32[4] = input() slot=s1\nv2: f32[4] = max(v0, v1)\nv3: f32[4] = min(v0, v1)\n\
        v4: bool[4] = eq(v2, v2)\nv5: bool[4] = eq(v3, v3)\nv6: bool[4] = or(v4, v5)\nfigure \"y\" = v6";
    let (a, b) = (vec![f64::NAN, 1.0, f64::NAN, 1.0], vec![1.0, f64::NAN, f64::NAN, 2.0]);
    check(text, &[Array::floats(&[4], a), Array::floats(&[4], b)], &[0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn remainder_has_the_divisors_sign() {
    let text = "slot s0: f32[4] column \"a\"\nslot s1: f32[4] column \"b\"\nv0: f32[4] = input() slot=s0\n\
        v1: f32[4] = input() slot=s1\nv2: f32[4] = rem(v0, v1)\nfigure \"y\" = v2";
    let (a, b) = (vec![5.5, -5.5, 5.5, -5.5], vec![2.0, 2.0, -2.0, -2.0]);
    check(text, &[Array::floats(&[4], a), Array::floats(&[4], b)], &[1.5, 0.5, -0.5, -1.5]);
}

#[test]
fn random_numbers_elements_from_the_base() {
    let text = "slot s0: i32[] scalar \"seed\"\nv0: i32[] = input() slot=s0\n\
        v1: f32[40, 5] = random(v0, v0, v0) place=0x00000007 base=128\nfigure \"y\" = v1";
    let stream = Stream { place: 7, seed: 11, step: 11, turn: 11 };
    let expected: Vec<f64> = (128..328).map(|number| f64::from(stream.uniform(number))).collect();
    check(text, &[Array::ints(&[], vec![11])], &expected);
}
