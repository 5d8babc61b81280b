//! The loops interpreter: programs and kernels executed word by word, in the
//! order that [`super::ir`] gives; the oracle for every emitter.
//!
//! In: a verified program and memory, one vector of words a buffer. Out: the
//! memory after the step, and a [`Report`]. Invariant: results do not depend on
//! how the parallel axis is cut ([`Options`]), and equal those of emitted code
//! bit for bit (NaN payloads excepted).
//!
//! Composite operations are expanded first. Scratch is filled with a signalling
//! NaN before each chunk, since its contents are undefined. An indirect index
//! that is clamped, and an integer divided by zero, set the fault flag, the
//! former also where a guard hides the element.

pub mod block;
mod conv;
mod machine;
pub mod scalar;

use super::ir::{Kernel, Mode, Program, ValueId};
use super::math;
use crate::ir::{DType, Origin};
use machine::Machine;

/// What fresh scratch holds: a signalling NaN.
const POISON: u32 = 0x7fa0_0000;

/// Memory of a program: `buffers[b]` are the words of buffer `b`. Buffers that share a place have separate vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// One vector a buffer.
    pub buffers: Vec<Vec<u32>>,
}

impl Memory {
    /// Constants as given, all else zero.
    pub fn new(program: &Program) -> Self {
        let words = |buffer: &super::ir::Buffer| match &buffer.place {
            super::ir::Place::Constant(words) => words.to_vec(),
            super::ir::Place::Slot(_) | super::ir::Place::Temporary { .. } => vec![0; buffer.len()],
        };
        Memory { buffers: program.buffers.iter().map(words).collect() }
    }
}

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Iterations of the parallel axis at a time, instead of the kernel's own cut.
    pub chunk: Option<u64>,
    /// Chunks in descending order.
    pub backwards: bool,
    /// Whether to look for the first stored f32 that is not finite.
    pub trace: bool,
}

/// What happened besides the results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// An index was clamped, or an integer divided by zero.
    pub fault: bool,
    /// The first non-finite f32 that was stored, if asked for.
    pub not_finite: Option<NotFinite>,
}

/// Where a non-finite number came from.
#[derive(Clone, Debug, PartialEq)]
pub struct NotFinite {
    /// The kernel's name.
    pub kernel: String,
    /// The first value on the way to the store that is not finite though its operands are.
    pub value: ValueId,
    /// Where in the source that operation comes from.
    pub origin: Origin,
    /// The value's bits.
    pub bits: u32,
    /// Its operands: value, type and bits; none for a load or a reduction.
    pub operands: Vec<(ValueId, DType, u32)>,
}

/// Runs the whole program with the kernels' own chunks.
pub fn run(program: &Program, memory: &mut Memory) -> Report {
    run_with(program, memory, Options::default())
}

/// Runs the whole program.
pub fn run_with(program: &Program, memory: &mut Memory, options: Options) -> Report {
    let mut report = Report::default();
    program.each_run(&mut |at, turns| {
        let run = &program.runs[at];
        let kernel = &program.kernels[run.kernel.index()];
        let mut places = run.args.iter().map(|arg| (arg.buffer.index(), arg.at(turns))).collect();
        run_placed(kernel, &mut places, &mut memory.buffers, options, &mut report);
    });
    report
}

/// Runs one kernel; `args` are its non-scratch parameters from their first element on.
pub fn run_kernel(kernel: &Kernel, args: &mut [&mut [u32]], options: Options) -> Report {
    let mut buffers: Vec<Vec<u32>> = args.iter().map(|arg| arg.to_vec()).collect();
    let mut places = (0..args.len()).map(|buffer| (buffer, 0)).collect();
    let mut report = Report::default();
    run_placed(kernel, &mut places, &mut buffers, options, &mut report);
    for (arg, words) in args.iter_mut().zip(&buffers) {
        arg.copy_from_slice(words);
    }
    report
}

/// Runs a kernel on parameters at (buffer, offset); scratch gets buffers of its own meanwhile.
fn run_placed(
    kernel: &Kernel,
    places: &mut Vec<(usize, usize)>,
    buffers: &mut Vec<Vec<u32>>,
    options: Options,
    report: &mut Report,
) {
    let mut expanded = kernel.clone();
    math::expand(&mut expanded);
    let real = buffers.len();
    for (lo, hi) in chunks(kernel, options) {
        let arguments = places.len();
        for param in &kernel.params {
            if matches!(param.mode, Mode::Scratch { .. }) {
                places.push((buffers.len(), 0));
                buffers.push(vec![POISON; param.len]);
            }
        }
        Machine::new(kernel, &expanded, places, buffers, options.trace, report).run(lo, hi);
        places.truncate(arguments);
        buffers.truncate(real);
    }
}

/// The parts of the parallel axis, in the order they are run; one empty part for a kernel without.
fn chunks(kernel: &Kernel, options: Options) -> Vec<(u64, u64)> {
    let Some(par) = kernel.par else { return vec![(0, 0)] };
    let by = options.chunk.unwrap_or(par.by).max(1);
    let mut parts: Vec<_> =
        (0..par.extent.div_ceil(by)).map(|part| (part * by, ((part + 1) * by).min(par.extent))).collect();
    if options.backwards {
        parts.reverse();
    }
    parts
}
