//! Suite: steps. Whole training steps of programs in the language: machine code
//! against the loops interpreter, threads, the order of chunks, the memory plan:
//! all bits equal. How many kernels a step takes, and that it allocates nothing.
#![allow(clippy::unwrap_used)]

mod allocations;
mod programs;

use crate::jit_ops::compiled::{Compiled, assert_same, compiled, interpreted, lowered};
use crate::loops_text::without_places;
use nnc::loops::Options;
use nnc::loops::interpret::Options as Cut;
use nnc::loops::ir::{ParamId, Place, Program, ScalarOp, Stmt, ValueId};
use nnc::loops::print::print;
use nnc::runtime::Pool;
use nnc::train::{Report, RunOptions, run};
use programs::{ATTENTION, MNIST, PLAIN_MNIST, Step, XOR, checked, step};

/// The loops interpreter, forwards and backwards and in other chunks, against machine code on one thread and two,
/// with memory shared and not.
fn all_ways(name: &str, text: &str, steps: usize) -> usize {
    let Step { graph, inputs } = step(name, text);
    let apart = lowered(name, &graph, Options { fuse: true, share_memory: false });
    let shared = lowered(name, &graph, Options::default());
    let found = compiled(&shared, &graph, &inputs, &Pool::new(1), steps);
    let moved = graph.outputs.iter().zip(&found.0).any(|(output, words)| match output.kind {
        nnc::ir::OutputKind::Write(slot) => crate::jit_ops::compiled::words(&inputs[slot.index()]) != *words,
        nnc::ir::OutputKind::Figure(_) => false,
    });
    assert!(moved && found.0.iter().flatten().all(|&word| f32::from_bits(word).is_finite()), "{name} trains");
    let two = Pool::new(2);
    assert_same(&format!("{name}: sharing"), &graph, &found, &compiled(&apart, &graph, &inputs, &two, steps));
    for turn in 0..5 {
        let again = compiled(&shared, &graph, &inputs, &two, steps);
        assert_same(&format!("{name}: two threads, run {turn}"), &graph, &again, &found);
    }
    for (chunk, backwards) in [(None, false), (None, true), (Some(1), true)] {
        let words = interpreted(&apart, &graph, &inputs, Cut { chunk, backwards, trace: false }, steps);
        assert_same(&format!("{name}: interpreter, chunk {chunk:?} backwards {backwards}"), &graph, &found, &words);
    }
    Compiled::new(&shared, &graph, &two).spread()
}

#[test]
fn the_mnist_step_has_the_same_bits_in_all_ways() {
    let spread = all_ways("mnist", MNIST, 2);
    assert!(spread >= 3, "{spread} kernels run on two threads");
}

#[test]
fn the_xor_step_has_the_same_bits_in_all_ways() {
    all_ways("xor", XOR, 20);
}

#[test]
fn the_attention_step_has_the_same_bits_in_all_ways() {
    let spread = all_ways("attention", ATTENTION, 2);
    assert!(spread >= 1, "{spread} kernels run on two threads");
}

/// One line a kernel.
fn outline(program: &Program) -> String {
    let mut text = String::new();
    for run in &program.runs {
        let kernel = &program.kernels[run.kernel.index()];
        let args: Vec<&str> = run.args.iter().map(|arg| &program.buffers[arg.buffer.index()].name[..]).collect();
        let par = kernel.par.map_or(String::new(), |par| format!(" par {} by {}", par.extent, par.by));
        text += &format!("{}{par}: {}\n", kernel.name, args.join(" "));
    }
    text
}

#[test]
fn the_mnist_step_is_at_most_twelve_kernels() {
    for (name, text) in [("full", MNIST), ("plain", PLAIN_MNIST)] {
        let program = lowered(name, &step(name, text).graph, Options::default());
        println!("{name}: {} kernels\n{}", program.runs.len(), outline(&program));
        insta::assert_snapshot!(format!("mnist_{name}_outline"), outline(&program));
        insta::assert_snapshot!(format!("mnist_{name}_loops"), without_places(&print(&program, None)));
        assert!(program.runs.len() <= 12, "{name}: {} kernels", program.runs.len());
    }
}

/// An elementwise chain is one kernel: a value that elementwise code makes is in memory only if a product or a
/// reduction reads it there, or the host does.
#[test]
fn no_buffer_stands_inside_an_elementwise_chain() {
    let program = lowered("plain", &step("chains", PLAIN_MNIST).graph, Options::default());
    let mut uses: Vec<Uses> = program.buffers.iter().map(|_| Uses::default()).collect();
    for run in &program.runs {
        let kernel = &program.kernels[run.kernel.index()];
        let mut reduced = Vec::new();
        reduces(&kernel.body, &mut reduced);
        let buffer = |param: ParamId| run.args[param.index()].buffer.index();
        see(&kernel.body, &reduced, false, &mut |param, what| {
            if param.index() < run.args.len() {
                let uses = &mut uses[buffer(param)];
                *(match what {
                    Touch::Made => &mut uses.made,
                    Touch::Wanted => &mut uses.wanted,
                }) = true;
            }
        });
    }
    program.figures.iter().for_each(|figure| uses[figure.buffer.index()].wanted = true);
    assert!(uses.iter().any(|uses| uses.made && uses.wanted), "hidden layers are made elementwise and multiplied");
    for (buffer, uses) in program.buffers.iter().zip(&uses) {
        let temporary = matches!(buffer.place, Place::Temporary { .. });
        assert!(!(temporary && uses.made && !uses.wanted), "{} stands in an elementwise chain", buffer.name);
    }
}

/// Whether elementwise code stores a buffer, and whether there is a reason to.
#[derive(Default)]
struct Uses {
    made: bool,
    wanted: bool,
}

enum Touch {
    Made,
    Wanted,
}

fn reduces(body: &[Stmt], found: &mut Vec<ValueId>) {
    for stmt in body {
        if let Stmt::Loop(nest) = stmt {
            found.extend(nest.reduces.iter().map(|reduce| reduce.result));
            reduces(&nest.body, found);
        }
    }
}

fn see(body: &[Stmt], reduced: &[ValueId], in_reduction: bool, touch: &mut impl FnMut(ParamId, Touch)) {
    for stmt in body {
        match stmt {
            Stmt::Let { op: ScalarOp::Load(access), .. } if in_reduction => touch(access.param, Touch::Wanted),
            Stmt::Let { .. } => {}
            Stmt::Store { access, value } if reduced.contains(value) => touch(access.param, Touch::Wanted),
            Stmt::Store { access, .. } => touch(access.param, Touch::Made),
            Stmt::Loop(nest) => see(&nest.body, reduced, in_reduction || !nest.reduces.is_empty(), touch),
            Stmt::Gemm(gemm) => {
                [&gemm.a, &gemm.b, &gemm.c].into_iter().for_each(|matrix| touch(matrix.param, Touch::Wanted));
            }
            Stmt::Conv(conv) => {
                [conv.a.0, conv.b.0, conv.c].into_iter().for_each(|param| touch(param, Touch::Wanted));
            }
            Stmt::Fill(fill) => touch(fill.param, Touch::Wanted),
            Stmt::Sort(sort) => {
                touch(sort.keys.param, Touch::Wanted);
                touch(sort.order.param, Touch::Wanted);
            }
            Stmt::Transpose(found) => touch(found.to.param, Touch::Made),
        }
    }
}

struct Silent;

impl Report for Silent {
    fn on_print(&mut self, _text: &str) {}
}

/// The weights files of runs with any number of threads are the same file.
#[test]
fn the_same_program_gives_the_same_weights() {
    let mut files = Vec::new();
    for (at, threads) in [1, 1, 2, 3].into_iter().enumerate() {
        let out = std::env::temp_dir().join(format!("nnc-same-{}-{at}", std::process::id()));
        let options = RunOptions { threads, verify: true, out: out.clone(), ..RunOptions::default() };
        let outcome = run(&checked(&format!("same{at}"), MNIST), &options, &mut Silent);
        let written = outcome.unwrap_or_else(|fault| panic!("{fault:?}")).written;
        files.push(std::fs::read(&written[0]).unwrap());
        std::fs::remove_dir_all(out).unwrap();
    }
    assert!(files[0].len() > 400_000, "weights of 101,770 parameters");
    assert!(files.iter().all(|file| *file == files[0]));
}
