//! Suite: ir. Every op of the table through shape rule, text form, verifier
//! and interpreter; the values are checked against independent formulas.
#![allow(clippy::unwrap_used)]

pub mod cases;
pub mod scans;
mod values;

use std::collections::BTreeSet;

use nnc::ir::interpret::{Array, interpret};
use nnc::ir::parse::parse;
use nnc::ir::print::print;
use nnc::ir::verify::verify;
use nnc::ir::{Binary, Derived, Graph, Op, Origin, Owner, Type, Unary, ValueId, name};

#[test]
fn the_cases_cover_the_table() {
    let covered: BTreeSet<&str> = cases::table().iter().map(|op| op.name()).collect();
    assert_eq!(covered, name::NAMES.into_iter().collect());
    for op in cases::table() {
        assert!(cases::cases_of(&op).iter().all(|case| case.graph.node(case.y).op.name() == op.name()), "{op:?}");
        assert!(!cases::cases_of(&op).is_empty(), "{op:?}");
    }
}

#[test]
fn every_case_verifies_and_has_its_type() {
    for case in cases::all() {
        verify(&case.graph).unwrap();
        let values = interpret(&case.graph, &case.inputs).unwrap();
        assert_eq!(values[0].ty(), *case.graph.ty(case.y), "{}", case.name);
    }
}

#[test]
fn text_form_reads_back_exactly() {
    for case in cases::all() {
        let text = print(&case.graph);
        assert_eq!(parse(&text).unwrap_or_else(|reason| panic!("{reason}\n{text}")), case.graph);
    }
}

#[test]
fn text_form_keeps_names_labels_and_derivations() {
    let mut graph = Graph::default();
    let label = graph.label("Gpt.repeat1[0].\"odd\" label");
    let plain = graph.label("Mlp.dense1");
    let origin = Origin { label: Some(label), ..Origin::default() };
    let slot = graph.slot_new("Mlp.dense1.w/m", Type::new(nnc::ir::DType::F32, [2, 3]), Owner::OptimizerState);
    let x = graph.input(slot, origin);
    graph.set_name(x, "größe");
    let derived = Some(Derived { forward: x, rule: "input" });
    let y = graph.unary(Unary::Exp, x, Origin { derived, label: Some(plain), ..Origin::default() });
    let nan = graph.f32(f32::from_bits(0xffc0_1234), Origin::default());
    graph.write(slot, y);
    graph.figure("loss \"a\"", nan);
    let text = print(&graph);
    assert_eq!(parse(&text).unwrap(), graph, "{text}");
    assert!(text.contains("v1: f32[2, 3] = exp(v0)  # Mlp.dense1 adjoint=v0:input"), "{text}");
    assert!(nnc::ir::dot::dot(&graph).contains("adjoint of v0"));
}

#[test]
fn text_form_errors_name_the_line() {
    for (text, expected) in [
        ("v0: f32[] = const() value=1.0\nv1: f32[] = exp(v3)", "line 2: v3 does not precede its user"),
        ("v0: f32[] = konst() value=1.0", "line 1: there is no op \"konst\""),
        ("v1: f32[] = const() value=1.0", "line 1: unexpected \"v1\""),
        ("v0: f32[2] = const() table=[1.0]", "v0: const: 1 words for f32[2]"),
        ("v0: f32[] = const() value=1.0 more", "line 1: unexpected \"more\""),
    ] {
        assert_eq!(parse(text).unwrap_err(), expected);
    }
}

#[test]
fn verifier_finds_each_broken_invariant() {
    let sound = || {
        let mut graph = Graph::default();
        let ty = Type::new(nnc::ir::DType::F32, [2]);
        let x = graph.slot_input("x", ty.clone(), Owner::Column, Origin::default());
        let y = graph.add(x, x, Origin::default());
        let slot = graph.slot_new("w", ty, Owner::Parameter);
        graph.write(slot, y);
        graph
    };
    verify(&sound()).unwrap();
    type Break = fn(&mut Graph);
    let broken: [(&str, Break); 7] = [
        ("does not precede", |graph| graph.nodes[1].operands[0] = ValueId(1)),
        ("its rule gives", |graph| graph.nodes[1].ty.shape = vec![3]),
        ("there is no label", |graph| graph.nodes[1].origin.label = Some(nnc::ir::LabelId(0))),
        ("derived from the later", |graph| {
            graph.nodes[0].origin.derived = Some(Derived { forward: ValueId(1), rule: "add" })
        }),
        ("is written", |graph| graph.slots[1].owner = Owner::Scalar),
        ("written with", |graph| graph.slots[1].ty.shape = vec![]),
        ("twice", |graph| graph.outputs.push(graph.outputs[0].clone())),
    ];
    for (expected, breaks) in broken {
        let mut graph = sound();
        breaks(&mut graph);
        let reason = verify(&graph).unwrap_err();
        assert!(reason.contains(expected), "{reason} for {expected}");
    }
}

#[test]
fn shape_rules_refuse_what_does_not_fit() {
    let mut graph = Graph::default();
    let o = Origin::default();
    let a = graph.splat(nnc::ir::op::Const::F32(0.0), &[2, 3], o);
    let b = graph.splat(nnc::ir::op::Const::F32(0.0), &[3, 2], o);
    let c = graph.iota(0, &[2, 3], o);
    for (op, operands) in [
        (Op::Binary(Binary::Add), vec![a, b]),
        (Op::Binary(Binary::Add), vec![a, c]),
        (Op::Binary(Binary::Add), vec![a]),
        (Op::Binary(Binary::Pow), vec![c, c]),
        (Op::Unary(Unary::Exp), vec![c]),
        (Op::And, vec![a, a]),
        (Op::Broadcast { shape: vec![2, 4], axes: vec![0, 1] }, vec![a]),
        (Op::Broadcast { shape: vec![3, 2], axes: vec![1, 0] }, vec![a]),
        (Op::Reshape { shape: vec![5] }, vec![a]),
        (Op::Transpose { perm: vec![0, 0] }, vec![a]),
        (Op::Slice { start: vec![0, 2], size: vec![2, 2], step: vec![1, 1] }, vec![a]),
        (Op::Slice { start: vec![0, 0], size: vec![2, 2], step: vec![1, -1] }, vec![a]),
        (Op::Concat { axis: 0 }, vec![a, b]),
        (Op::Concat { axis: 0 }, vec![]),
        (Op::Sum { axes: vec![1, 0] }, vec![a]),
        (Op::Sum { axes: vec![2] }, vec![a]),
        (Op::Contract { batch: vec![], over: vec![(0, 0)] }, vec![a, b]),
        (Op::Contract { batch: vec![(0, 1)], over: vec![(0, 1)] }, vec![a, b]),
        (Op::Gather { axis: 0 }, vec![a, b]),
        (Op::ScatterAdd { axis: 1, size: 4 }, vec![a, c]),
        (Op::Random { place: 0, base: 0, shape: vec![2] }, vec![a, a, a]),
        (Op::Broadcast { shape: vec![1; 9], axes: vec![] }, vec![a]),
    ] {
        assert!(graph.infer_node(&op, &operands).is_err(), "{op:?} on {operands:?}");
    }
}

#[test]
fn f32_is_f64_rounded() {
    for case in cases::all() {
        let narrow: Vec<Array<f32>> = case.inputs.iter().map(Array::cast).collect();
        let wide = interpret(&case.graph, &case.inputs).unwrap()[0].to_f64();
        let narrow = interpret(&case.graph, &narrow).unwrap()[0].to_f64();
        for (wide, narrow) in wide.into_iter().zip(narrow) {
            let rounded = f64::from(wide as f32);
            let close = (rounded - narrow).abs() <= 1e-6 * rounded.abs().max(1.0);
            // The remainder's quotient is rounded before the floor, so only its own test compares it.
            let rem = case.name.contains("= rem(");
            assert!(
                close || rounded == narrow || rounded.is_nan() && narrow.is_nan() || rem,
                "{}: {wide} {narrow}",
                case.name
            );
        }
    }
}

/// No pass recurses along the graph or is quadratic in its length.
#[test]
fn a_chain_of_a_hundred_thousand() {
    let mut graph = Graph::default();
    let x = graph.slot_input("x", Type::scalar(nnc::ir::DType::F32), Owner::Column, Origin::default());
    let mut last = x;
    for _ in 0..100_000 {
        last = graph.add(last, x, Origin::default());
    }
    let gradient = nnc::grad::grad(&mut graph, last, &[x])[0];
    graph.figure("y", last);
    graph.figure("dx", gradient);
    verify(&graph).unwrap();
    assert_eq!(print(&graph).lines().count(), graph.nodes.len() + 3);
    let values = interpret(&graph, &[Array::<f64>::floats(&[], vec![2.0])]).unwrap();
    assert_eq!((values[0].to_f64(), values[1].to_f64()), (vec![200_002.0], vec![100_001.0]));
}

/// The example in `docs/graph.md` is the text form.
#[test]
fn the_documented_text_parses() {
    let doc = include_str!("../docs/graph.md");
    let example: Vec<&str> = doc.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let graph = parse(&example.join("\n")).unwrap();
    assert_eq!((graph.nodes.len(), graph.nodes[2].name.as_deref()), (3, Some("h")));
}
