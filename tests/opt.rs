//! Suite: opt. Each file of `tests/opt` is a graph before and after one pass
//! (or `run`, the pipeline); NNC_BLESS=1 rewrites what comes after the line
//! `----`. Then: no pass changes a bit of any output.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use nnc::grad::grad;
use nnc::ir::interpret::{Array, interpret};
use nnc::ir::parse::parse;
use nnc::ir::print::print;
use nnc::ir::verify::verify;
use nnc::ir::{DType, Graph, Origin, Owner, Type};
use nnc::opt;

use crate::grad::random::random_problem;
use crate::ir::cases;

#[test]
fn files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opt");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5);
    let failures: Vec<String> = files.iter().filter_map(|file| check(file).err()).collect();
    assert!(failures.is_empty(), "NNC_BLESS=1 rewrites these:\n{}", failures.join("\n"));
}

/// First line: `pass NAME: what the case shows`.
fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).unwrap();
    let (before, expected) = text.split_once("----\n").unwrap_or((&text, ""));
    let (header, graph) = before.split_once('\n').unwrap();
    let name = header.strip_prefix("pass ").and_then(|rest| rest.split_once(':')).unwrap().0;
    let graph = parse(graph).unwrap_or_else(|reason| panic!("{}: {reason}", file.display()));
    let after = if name == "run" { opt::run(graph) } else { (opt::pass(name).unwrap().run)(graph) };
    verify(&after).unwrap_or_else(|reason| panic!("{}: {reason}", file.display()));
    let actual = print(&after);
    if actual == expected {
        return Ok(());
    }
    if std::env::var_os("NNC_BLESS").is_some() {
        std::fs::write(file, format!("{before}----\n{actual}")).unwrap();
    }
    Err(format!("{}: expected\n{expected}but got\n{actual}", file.display()))
}

#[test]
fn every_pass_keeps_the_bits_of_every_op() {
    for case in cases::all() {
        same_outputs(case.graph, &case.inputs, &case.name);
    }
}

#[test]
fn every_pass_keeps_the_bits_of_random_gradients() {
    for seed in 0..200 {
        let mut problem = random_problem(seed);
        let gradients = grad(&mut problem.graph, problem.loss, &problem.wrt);
        problem.graph.figure("loss", problem.loss);
        for (at, gradient) in gradients.into_iter().enumerate() {
            problem.graph.figure(format!("g{at}"), gradient);
        }
        same_outputs(problem.graph, &problem.inputs, &format!("seed {seed}"));
    }
}

/// Each pass alone, and the pipeline, at f32.
fn same_outputs(graph: Graph, inputs: &[Array<f64>], name: &str) {
    let inputs: Vec<Array<f32>> = inputs.iter().map(Array::cast).collect();
    let bits = |graph: &Graph| -> Vec<Vec<u64>> {
        let canonical = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
        let outputs = interpret(graph, &inputs).unwrap();
        outputs.iter().map(|output| output.to_f64().iter().map(canonical).collect()).collect()
    };
    let expected = bits(&graph);
    for pass in opt::PASSES {
        let after = (pass.run)(graph.clone());
        verify(&after).unwrap_or_else(|reason| panic!("{} on {name}: {reason}", pass.name));
        let grows = ["fold", "hoist"].contains(&pass.name);
        assert!(after.nodes.len() <= graph.nodes.len() + 1 || grows, "{} on {name}", pass.name);
        assert_eq!(bits(&after), expected, "{} on {name}\n{graph}\n{after}", pass.name);
    }
    let after = opt::run_verified(graph).unwrap();
    assert_eq!(bits(&after), expected, "pipeline on {name}");
    let again = opt::run(after.clone());
    assert!(again.nodes.len() <= after.nodes.len(), "a second run of the pipeline on {name}");
}

#[test]
fn run_until_stops() {
    let text = "slot s0: f32[2] column \"x\"\nv0: f32[2] = input() slot=s0\nv1: f32[2] = stop_gradient(v0)\n\
        v2: f32[2] = exp(v1)\nv3: f32[2] = exp(v1)\nv4: f32[2] = add(v2, v3)\nfigure \"y\" = v4";
    let nodes = |last: &str| opt::run_until(parse(text).unwrap(), last).nodes.len();
    assert_eq!((nodes("strip"), nodes("fold"), nodes("cse"), nodes("dce")), (4, 4, 3, 3));
}

#[test]
fn a_chain_of_a_hundred_thousand() {
    let mut graph = Graph::default();
    let o = Origin::default();
    let x = graph.slot_input("x", Type::scalar(DType::F32), Owner::Column, o);
    let mut last = x;
    for _ in 0..100_000 {
        last = graph.add(last, x, o);
    }
    let gradient = grad(&mut graph, last, &[x])[0];
    graph.figure("y", last);
    graph.figure("dx", gradient);
    let graph = opt::run(graph);
    let values = interpret(&graph, &[Array::<f64>::floats(&[], vec![1.0])]).unwrap();
    assert_eq!((values[0].to_f64(), values[1].to_f64()), (vec![100_001.0], vec![100_001.0]));
}

#[test]
fn masks_hold_at_every_kind_of_value() {
    let text = "slot s0: f32[7] column \"x\"\nv0: f32[7] = input() slot=s0\nv1: f32[7] = const() value=0.0\n\
        v2: bool[7] = le(v0, v1)\nv3: f32[7] = select(v2, v1, v0)\nv4: f32[7] = exp(v0)\n\
        v5: f32[7] = select(v2, v1, v4)\nfigure \"h\" = v3\nfigure \"g\" = v5";
    let x = vec![0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let graph = parse(text).unwrap();
    let masked = print(&opt::run(graph.clone()));
    assert!(masked.contains("le(v3, v1)"), "{masked}");
    same_outputs(graph, &[Array::floats(&[7], x)], "relu");
}

#[test]
fn the_guilty_pass_is_named() {
    fn spoil(mut graph: Graph) -> Graph {
        graph.nodes[1].ty = Type::scalar(DType::I32);
        graph
    }
    let text = "slot s0: f32[] parameter \"w\"\nv0: f32[] = input() slot=s0\nv1: f32[] = neg(v0)\nfigure \"0\" = v1\n";
    let spoiling = opt::Pass { name: "spoil", description: "breaks a type", run: spoil };
    let fold = opt::pass("fold").unwrap();
    let reason = opt::run_each_verified(parse(text).unwrap(), [fold, &spoiling, fold]).unwrap_err();
    assert!(reason.starts_with("after spoil: v1: "), "{reason}");
    let reason = opt::run_each_verified(spoil(parse(text).unwrap()), [fold]).unwrap_err();
    assert!(reason.starts_with("after lower: v1: "), "{reason}");
}
