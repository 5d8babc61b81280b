//! A graph compiled and loaded as at run time, for suites that compare.
//!
//! In: a graph after its passes, values of its slots. Out: the words of its
//! outputs, by machine code ([`Compiled`]) or by the loops interpreter
//! ([`interpreted`]). Invariant: the same program goes both ways.

use nnc::ir::interpret::Array;
use nnc::ir::{DType, Graph, Output, OutputKind, SlotId, Type};
use nnc::jit::{self, Module};
use nnc::kernels::abi::KernelFn;
use nnc::loops::interpret::{Memory, Options as Cut, run_with};
use nnc::loops::ir::{Buffer, BufferId, KernelId, Place, Program};
use nnc::loops::verify::verify;
use nnc::loops::{self, math};
use nnc::runtime::{Machine, Pool, Store};

/// What dead memory and outputs hold before a step: a signalling NaN.
const POISON: u32 = 0x7fa0_0000;

/// Results: the words of each output, in the graph's order, and the fault flag.
pub type Results = (Vec<Vec<u32>>, bool);

/// Lowers and verifies.
pub fn lowered(name: &str, graph: &Graph, options: loops::Options) -> Program {
    let program = loops::lower(graph, &options).unwrap_or_else(|why| panic!("{name} {options:?}: {why}"));
    verify(&program).unwrap_or_else(|why| panic!("{name} {options:?}: {why}"));
    program
}

/// A program as machine code, bound to memory of its own. The machine comes first, so it is gone before its code is.
pub struct Compiled<'a> {
    machine: Machine,
    _module: Module,
    store: Store,
    graph: &'a Graph,
}

impl<'a> Compiled<'a> {
    pub fn new(program: &Program, graph: &'a Graph, pool: &Pool) -> Self {
        let mut expanded = program.clone();
        expanded.kernels.iter_mut().for_each(math::expand);
        let module = jit::compile(&expanded.kernels, &jit::Options::default())
            .unwrap_or_else(|why| panic!("{}: {why}", program.name));
        let slots: Vec<(String, Type)> =
            graph.slots.iter().enumerate().map(|(at, slot)| (format!("s{at}"), slot.ty.clone())).collect();
        let store = Store::new(&slots);
        let functions: Vec<KernelFn> =
            (0..expanded.kernels.len()).map(|at| module.function(KernelId(at as u32))).collect();
        // SAFETY: the functions are those of the program; module and store live as long as the machine, and nobody
        // else uses the store during a step.
        let machine = unsafe { Machine::new(&expanded, &functions, &store.pointers(), pool, arena_bytes(&expanded)) };
        let machine = machine.unwrap_or_else(|why| panic!("{}: {why}", program.name));
        Compiled { machine, _module: module, store, graph }
    }

    /// Sets all slots.
    pub fn set(&mut self, inputs: &[Array<f64>]) {
        for (at, input) in inputs.iter().enumerate() {
            self.store.words_mut(at).copy_from_slice(&words(input));
        }
    }

    /// One step; slots go on from where they are.
    pub fn step(&mut self) {
        self.machine.step();
    }

    /// Outputs after a step.
    pub fn results(&self) -> Results {
        let mut figure = 0;
        let one = |output: &Output| match output.kind {
            OutputKind::Write(slot) => self.store.words(slot.index()).to_vec(),
            OutputKind::Figure(_) => {
                figure += 1;
                self.machine.figure(figure - 1).to_vec()
            }
        };
        (self.graph.outputs.iter().map(one).collect(), self.machine.fault())
    }

    /// How many runs are spread over threads.
    pub fn spread(&self) -> usize {
        self.machine.spread().filter(|&chunks| chunks > 0).count()
    }
}

/// Steps of machine code from given inputs.
pub fn compiled(program: &Program, graph: &Graph, inputs: &[Array<f64>], pool: &Pool, steps: usize) -> Results {
    let mut compiled = Compiled::new(program, graph, pool);
    compiled.set(inputs);
    (0..steps).for_each(|_| compiled.step());
    compiled.results()
}

/// The same by the loops interpreter. The program must not share memory: each of its buffers gets memory of its own.
pub fn interpreted(program: &Program, graph: &Graph, inputs: &[Array<f64>], cut: Cut, steps: usize) -> Results {
    let mut memory = Memory::new(program);
    let mut fault = false;
    for (buffer, held) in program.buffers.iter().zip(&mut memory.buffers) {
        if let Place::Slot(slot) = buffer.place {
            *held = words(&inputs[slot.index()]);
        }
    }
    for _ in 0..steps {
        for (buffer, held) in program.buffers.iter().zip(&mut memory.buffers) {
            if matches!(buffer.place, Place::Temporary { .. }) {
                held.fill(POISON);
            }
        }
        fault |= run_with(program, &mut memory, cut).fault;
    }
    let mut figures = program.figures.iter();
    let slot_buffer = |slot: SlotId| program.buffers.iter().position(|buffer| buffer.place == Place::Slot(slot));
    let words_of = |buffer: BufferId| memory.buffers[buffer.index()].clone();
    let one = |output: &Output| match output.kind {
        OutputKind::Figure(_) => {
            let figure = figures.next().expect("one of the program for each of the graph");
            words_of(figure.buffer)[figure.range()].to_vec()
        }
        OutputKind::Write(slot) => {
            slot_buffer(slot).map_or_else(|| words(&inputs[slot.index()]), |at| words_of(BufferId(at as u32)))
        }
    };
    (graph.outputs.iter().map(one).collect(), fault)
}

/// Equal words; f32 that are NaN on both sides are equal.
pub fn assert_same(what: &str, graph: &Graph, found: &Results, wanted: &Results) {
    assert_eq!(found.1, wanted.1, "{what}: fault flag");
    for (at, (found, wanted)) in found.0.iter().zip(&wanted.0).enumerate() {
        let float = graph.ty(graph.outputs[at].value).dtype == DType::F32;
        let nan = |word: u32| float && f32::from_bits(word).is_nan();
        for (element, (&a, &b)) in found.iter().zip(wanted).enumerate() {
            let (x, y) = (f32::from_bits(a), f32::from_bits(b));
            assert!(a == b || (nan(a) && nan(b)), "{what}: output {at}[{element}] is {a:#x} ({x}), not {b:#x} ({y})");
        }
    }
}

/// Words of an array, as compiled programs keep them.
pub fn words(array: &Array<f64>) -> Vec<u32> {
    match array {
        Array::Float(values) => values.iter().map(|value| (*value as f32).to_bits()).collect(),
        Array::Int(values) => values.iter().map(|value| *value as u32).collect(),
        Array::Bool(values) => values.iter().map(|value| if *value { u32::MAX } else { 0 }).collect(),
    }
}

fn arena_bytes(program: &Program) -> usize {
    let end = |buffer: &Buffer| match buffer.place {
        Place::Temporary { offset } => offset + (buffer.len() * 4).next_multiple_of(64),
        Place::Slot(_) | Place::Constant(_) => 0,
    };
    program.buffers.iter().map(end).max().unwrap_or(0)
}
