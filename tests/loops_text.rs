//! Suite: loops_text. The text form of the loops IR carries all its meaning:
//! read back and printed again it is the same text, and it computes the same.
#![allow(clippy::unwrap_used)]

use crate::fuse::nets;
use crate::ir::cases;
use nnc::loops::ir::Program;
use nnc::loops::parse::parse;
use nnc::loops::print::print;
use nnc::loops::verify::verify;
use nnc::loops::{Options, interpret, lower, math};

/// Everything but costs and origins.
fn round_trip(name: &str, program: &Program) {
    let text = print(program, None);
    let again = parse(&text).unwrap_or_else(|why| panic!("{name}: {why}\n{text}"));
    assert_eq!(print(&again, None), without_places(&text), "{name}");
    let bare = |program: &Program| {
        let kernel = |kernel: &nnc::loops::ir::Kernel| {
            let types: Vec<_> = kernel.values.iter().map(|value| value.dtype).collect();
            format!("{:?} {types:?} {} {:?}", kernel.body, kernel.vars, kernel.par)
        };
        let kernels: Vec<String> = program.kernels.iter().map(kernel).collect();
        format!("{kernels:#?} {:?} {:?} {:?}", program.runs, program.loops, program.figures)
    };
    assert_eq!(bare(&again), bare(program), "{name}");
    let places = |program: &Program| program.buffers.iter().map(|buffer| buffer.place.clone()).collect::<Vec<_>>();
    assert_eq!(places(&again), places(program), "{name}");
}

/// Without the bytes of the source, which shift with every change of the library.
pub fn without_places(text: &str) -> String {
    text.lines()
        .map(|line| match line.rfind("  @").filter(|_| line.starts_with(' ')) {
            Some(at) => format!("{}\n", &line[..at]),
            None => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn programs_of_all_ops_come_back() {
    for case in cases::all().into_iter().step_by(3) {
        for fuse in [false, true] {
            let mut program = lower(&case.graph, &Options { fuse, share_memory: fuse }).unwrap();
            round_trip(&case.name, &program);
            program.kernels.iter_mut().for_each(math::expand);
            round_trip(&case.name, &program);
        }
    }
}

#[test]
fn whole_steps_come_back() {
    for step in [nets::classifier(64, 784, 128, 10), nets::xor(), nets::attention(3, 40, 24, 2)] {
        for fuse in [false, true] {
            round_trip("step", &lower(&step.graph, &Options { fuse, share_memory: fuse }).unwrap());
        }
    }
}

#[test]
fn what_comes_back_computes_the_same() {
    let step = nets::xor();
    let program = lower(&step.graph, &Options { fuse: true, share_memory: false }).unwrap();
    let again = parse(&print(&program, None)).unwrap();
    verify(&again).unwrap();
    let memory = [&program, &again].map(|program| {
        let mut memory = interpret::Memory::new(program);
        memory.buffers.iter_mut().flatten().enumerate().for_each(|(at, word)| *word = (at as f32 / 99.0).to_bits());
        interpret::run(program, &mut memory);
        memory
    });
    assert!(memory[0] == memory[1]);
}

#[test]
fn what_cannot_be_read_is_told_by_line() {
    for (text, told) in [
        ("kernel k1 \"a\" ()", "line 1: k1 stands where k0 should"),
        ("kernel k0 \"a\" (x: f32[4] in)\n  t0 = load y[0]", "line 2: \"y\" is no parameter"),
        ("kernel k0 \"a\" (x: f32[4] in)\n  t0 = neg(t1)", "line 2: t1 is read before it is defined"),
        ("  t0 = f32 1.0", "line 1: a statement outside a kernel"),
        ("kernel k0 \"a\" ()\n  t0 = cosh(t1)", "line 2: there is no operation \"cosh\" of 1 values"),
        ("buffer b0 \"x\" f32[3] nowhere", "line 1: \"nowhere\" is no place"),
    ] {
        assert_eq!(parse(text).map(|_| ()), Err(told.to_string()));
    }
}
