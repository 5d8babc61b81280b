//! Runs a graph through the lowering and compares.
//!
//! Tolerance: relative to the larger of 1 and the value, against the graph in
//! f64. Between plans: bits equal, with dead memory filled with a signalling NaN.

use std::collections::HashMap;

use nnc::ir::interpret::{Array, interpret};
use nnc::ir::{DType, Graph, OutputKind, SlotId};
use nnc::loops::interpret::{Memory, Options as Cut, run_kernel, run_with};
use nnc::loops::ir::{Arg, BufferId, Mode, Param, Place, Program};
use nnc::loops::verify::verify;
use nnc::loops::{Options, lower};

const POISON: u32 = 0x7fa0_0000;

/// All ways of lowering against the interpreter, and against each other.
pub fn check(name: &str, graph: &Graph, inputs: &[Array<f64>], tolerance: f64) {
    let wanted = interpret(graph, inputs).expect("inputs fit");
    for fuse in [false, true] {
        let lowered = |share_memory| {
            let program =
                lower(graph, &Options { fuse, share_memory }).unwrap_or_else(|reason| panic!("{name}: {reason}"));
            verify(&program)
                .unwrap_or_else(|reason| panic!("{name} fuse {fuse} share {share_memory}: {reason}\n{program:#?}"));
            program
        };
        let plain = run_apart(&lowered(false), graph, inputs);
        compare(&format!("{name} fuse {fuse}"), graph, &plain, &wanted, tolerance);
        let shared = run_overlaid(&lowered(true), graph, inputs);
        assert_eq!(plain, shared, "{name} fuse {fuse}: sharing memory changed the result");
    }
}

/// Words of an array, as the compiled program keeps them.
pub fn words(array: &Array<f64>) -> Vec<u32> {
    match array {
        Array::Float(values) => values.iter().map(|value| (*value as f32).to_bits()).collect(),
        Array::Int(values) => values.iter().map(|value| *value as u32).collect(),
        Array::Bool(values) => values.iter().map(|value| if *value { u32::MAX } else { 0 }).collect(),
    }
}

/// Each buffer in memory of its own; slots that are written keep one memory for all their buffers.
fn run_apart(program: &Program, graph: &Graph, inputs: &[Array<f64>]) -> Vec<Vec<u32>> {
    let mut memory = Memory::new(program);
    for (buffer, words_of) in program.buffers.iter().zip(&mut memory.buffers) {
        match buffer.place {
            Place::Slot(slot) => *words_of = words(&inputs[slot.index()]),
            Place::Temporary { .. } => words_of.fill(POISON),
            Place::Constant(_) => {}
        }
    }
    run_with(program, &mut memory, Cut { chunk: None, backwards: true, trace: false });
    outputs(program, graph, inputs, |buffer| memory.buffers[buffer.index()].clone())
}

/// One arena, as at run time; what is dead is poisoned.
fn run_overlaid(program: &Program, graph: &Graph, inputs: &[Array<f64>]) -> Vec<Vec<u32>> {
    let mut slots: HashMap<SlotId, Vec<u32>> =
        inputs.iter().enumerate().map(|(at, array)| (SlotId(at as u32), words(array))).collect();
    let mut arena = vec![POISON; arena_words(program)];
    let mut trace: Vec<(usize, Vec<u64>)> = Vec::new();
    program.each_run(&mut |at, turns| trace.push((at, turns.to_vec())));
    let dead = dead_after(program, &trace);
    for (moment, (at, turns)) in trace.iter().enumerate() {
        let run = &program.runs[*at];
        let kernel = &program.kernels[run.kernel.index()];
        let whole = |arg: &Arg| read(program, &slots, &arena, arg.buffer);
        let part = |(arg, param): (&Arg, &Param)| whole(arg)[arg.at(turns)..][..param.len].to_vec();
        let mut views: Vec<Vec<u32>> = run.args.iter().zip(&kernel.params).map(part).collect();
        let mut args: Vec<&mut [u32]> = views.iter_mut().map(|view| &mut view[..]).collect();
        let cut = Cut { chunk: None, backwards: moment % 2 == 0, trace: false };
        run_kernel(kernel, &mut args, cut);
        for ((arg, param), view) in run.args.iter().zip(&kernel.params).zip(views) {
            if param.mode != Mode::In {
                let mut words = read(program, &slots, &arena, arg.buffer);
                words[arg.at(turns)..][..param.len].copy_from_slice(&view);
                write(program, &mut slots, &mut arena, arg.buffer, words);
            }
        }
        for buffer in &dead[moment] {
            if let Place::Temporary { offset } = program.buffers[buffer.index()].place {
                let len = program.buffers[buffer.index()].len();
                arena[offset / 4..offset / 4 + len].fill(POISON);
            }
        }
    }
    outputs(program, graph, inputs, |buffer| read(program, &slots, &arena, buffer))
}

/// What nobody reads again after each execution of a run: it is never touched again, or written as a whole before.
fn dead_after(program: &Program, trace: &[(usize, Vec<u64>)]) -> Vec<Vec<BufferId>> {
    let mut dead = vec![Vec::new(); trace.len()];
    // Going backwards: whether the next touch of a buffer writes all of it anew; nothing comes after the step.
    let mut anew: HashMap<BufferId, bool> = program.figures.iter().map(|figure| (figure.buffer, false)).collect();
    for (moment, (at, _)) in trace.iter().enumerate().rev() {
        let run = &program.runs[*at];
        for arg in &run.args {
            if anew.get(&arg.buffer).copied().unwrap_or(true) {
                dead[moment].push(arg.buffer);
            }
        }
        for (arg, param) in run.args.iter().zip(&program.kernels[run.kernel.index()].params) {
            let whole = *arg == Arg::whole(arg.buffer) && param.mode == Mode::Out;
            let alone = run.args.iter().filter(|other| other.buffer == arg.buffer).count() == 1;
            anew.insert(arg.buffer, whole && alone);
        }
    }
    dead
}

fn arena_words(program: &Program) -> usize {
    let end = |buffer: &nnc::loops::ir::Buffer| match buffer.place {
        Place::Temporary { offset } => offset / 4 + buffer.len(),
        Place::Slot(_) | Place::Constant(_) => 0,
    };
    program.buffers.iter().map(end).max().unwrap_or(0)
}

fn read(program: &Program, slots: &HashMap<SlotId, Vec<u32>>, arena: &[u32], buffer: BufferId) -> Vec<u32> {
    let found = &program.buffers[buffer.index()];
    match &found.place {
        Place::Slot(slot) => slots[slot].clone(),
        Place::Constant(words) => words.to_vec(),
        Place::Temporary { offset } => arena[offset / 4..offset / 4 + found.len()].to_vec(),
    }
}

fn write(
    program: &Program,
    slots: &mut HashMap<SlotId, Vec<u32>>,
    arena: &mut [u32],
    buffer: BufferId,
    words: Vec<u32>,
) {
    match &program.buffers[buffer.index()].place {
        Place::Slot(slot) => _ = slots.insert(*slot, words),
        Place::Constant(_) => panic!("a constant is written"),
        Place::Temporary { offset } => arena[offset / 4..offset / 4 + words.len()].copy_from_slice(&words),
    }
}

fn outputs(
    program: &Program,
    graph: &Graph,
    inputs: &[Array<f64>],
    read: impl Fn(BufferId) -> Vec<u32>,
) -> Vec<Vec<u32>> {
    let mut figures = program.figures.iter();
    let slot_buffer = |slot: SlotId| program.buffers.iter().position(|buffer| buffer.place == Place::Slot(slot));
    let one = |output: &nnc::ir::Output| match output.kind {
        OutputKind::Figure(_) => {
            let figure = figures.next().expect("one of the program for each of the graph");
            read(figure.buffer)[figure.range()].to_vec()
        }
        OutputKind::Write(slot) => match slot_buffer(slot) {
            Some(at) => read(BufferId(at as u32)),
            None => words(&inputs[slot.index()]),
        },
    };
    graph.outputs.iter().map(one).collect()
}

fn compare(name: &str, graph: &Graph, found: &[Vec<u32>], wanted: &[Array<f64>], tolerance: f64) {
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let dtype = graph.ty(graph.outputs[at].value).dtype;
        let exact = words(wanted);
        for (element, (&found, &exact)) in found.iter().zip(&exact).enumerate() {
            let near = match dtype {
                DType::I32 | DType::Bool => found == exact,
                DType::F32 => close(f32::from_bits(found), f32::from_bits(exact), tolerance),
            };
            assert!(
                near,
                "{name}: output {at} element {element}: {} for {}",
                f32::from_bits(found),
                f32::from_bits(exact)
            );
        }
    }
}

fn close(found: f32, wanted: f32, tolerance: f64) -> bool {
    let (found, wanted) = (f64::from(found), f64::from(wanted));
    found == wanted
        || (found.is_nan() && wanted.is_nan())
        || (found - wanted).abs() <= tolerance * wanted.abs().max(1.0)
}
