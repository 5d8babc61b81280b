//! Where the memory of a program lies: addresses of buffers, arguments and
//! figures, each checked once, when the program is loaded.
//!
//! In: a program, the slots' addresses, the arenas. Out: pointers. Invariant:
//! whatever a kernel is told to reach lies inside of its buffer, in every turn of
//! the loops around, or the program is refused.

use super::arena::{ALIGNMENT, Arena};
use crate::kernels::abi::SCRATCH_BYTES;
use crate::loops::ir::{Arg, Buffer, Figure, Kernel, Mode, Place, Program};

/// A piece of memory of 4-byte words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub start: *mut u32,
    pub words: usize,
}

/// Least and greatest first element of an argument over all turns.
fn reach(arg: &Arg, program: &Program, run: usize) -> (i64, i64) {
    let (mut first, mut last) = (arg.offset as i64, arg.offset as i64);
    for (depth, (_, found)) in program.around(run).enumerate() {
        let moved = arg.stride(depth).saturating_mul(found.turns as i64 - 1);
        first = first.saturating_add(moved.min(0));
        last = last.saturating_add(moved.max(0));
    }
    (first, last)
}

/// Constants are copied, so that they are aligned and padded like all buffers.
pub(super) fn lay_out_constants(buffers: &[Buffer]) -> Arena {
    let sizes = buffers.iter().filter_map(|buffer| match &buffer.place {
        Place::Constant(words) => Some((words.len() * 4).next_multiple_of(ALIGNMENT)),
        Place::Slot(_) | Place::Temporary { .. } => None,
    });
    Arena::zeroed(sizes.sum())
}

/// Where each buffer lies; constants are copied to their arena on the way.
pub(super) fn addresses(
    buffers: &[Buffer],
    slots: &[*mut u8],
    temporaries: &Arena,
    constants: &Arena,
) -> Result<Vec<Memory>, String> {
    let mut next_constant = 0;
    let mut place = |buffer: &Buffer| {
        let bytes = buffer.len() * 4;
        let start = match &buffer.place {
            Place::Slot(slot) => {
                *slots.get(slot.index()).ok_or_else(|| format!("`{}` is {slot}, which is not given", buffer.name))?
            }
            Place::Constant(words) if words.len() == buffer.len() => {
                // SAFETY: the arena was made for all constants, in this order.
                let start = unsafe { constants.start().add(next_constant) };
                // SAFETY: likewise, and nobody else knows the arena yet.
                unsafe { std::ptr::copy_nonoverlapping(words.as_ptr(), start.cast(), words.len()) };
                next_constant += bytes.next_multiple_of(ALIGNMENT);
                start
            }
            Place::Constant(words) => {
                return Err(format!("constant `{}` has {} words for {}", buffer.name, words.len(), buffer.len()));
            }
            Place::Temporary { offset } if offset + bytes <= temporaries.len() => {
                // SAFETY: just checked.
                unsafe { temporaries.start().add(*offset) }
            }
            Place::Temporary { offset } => {
                return Err(format!("`{}` at {offset} exceeds {} bytes", buffer.name, temporaries.len()));
            }
        };
        if !(start as usize).is_multiple_of(ALIGNMENT) {
            return Err(format!("`{}` is not aligned to {ALIGNMENT} bytes", buffer.name));
        }
        Ok(Memory { start: start.cast(), words: buffer.len() })
    };
    buffers.iter().map(&mut place).collect()
}

/// Where each figure lies.
pub(super) fn figures(program: &Program, addresses: &[Memory]) -> Result<Vec<Memory>, String> {
    let place = |figure: &Figure| {
        let part = figure.range();
        let memory = addresses.get(figure.buffer.index()).filter(|memory| part.end <= memory.words);
        let memory = memory.ok_or_else(|| format!("`{}` is not in {}", figure.name, figure.buffer))?;
        // SAFETY: the part lies inside the buffer.
        Ok(Memory { start: unsafe { memory.start.add(part.start) }, words: part.len() })
    };
    program.figures.iter().map(place).collect()
}

/// The arguments of all runs one after another, checked against the kernels' parameters.
pub(super) fn pointer_table(program: &Program, addresses: &[Memory]) -> Result<Box<[*mut u8]>, String> {
    let mut table = Vec::with_capacity(program.runs.iter().map(|run| run.args.len()).sum());
    for (number, run) in program.runs.iter().enumerate() {
        let kernel = program.kernels.get(run.kernel.index()).ok_or_else(|| format!("there is no {}", run.kernel))?;
        check_scratch(kernel)?;
        let params: Vec<_> = kernel.params.iter().filter(|param| !is_scratch(param.mode)).collect();
        if params.len() != run.args.len() {
            return Err(format!("`{}` takes {} arguments, not {}", kernel.name, params.len(), run.args.len()));
        }
        for (param, arg) in params.iter().zip(&run.args) {
            let buffer =
                program.buffers.get(arg.buffer.index()).ok_or_else(|| format!("there is no {}", arg.buffer))?;
            // Loops over a whole buffer may run over its padding to the next 64 bytes.
            let reachable = buffer.len().next_multiple_of(ALIGNMENT / 4);
            let (first, last) = reach(arg, program, number);
            let inside = first >= 0
                && arg.offset <= buffer.len()
                && usize::try_from(last).is_ok_and(|last| last + param.len <= reachable);
            if param.dtype != buffer.dtype || !inside {
                return Err(format!(
                    "`{}` of `{}` reaches {} {} from {} on, but `{}` has {} {}",
                    param.name,
                    kernel.name,
                    param.len,
                    param.dtype,
                    arg.offset,
                    buffer.name,
                    buffer.len(),
                    buffer.dtype
                ));
            }
            // SAFETY: the offset lies inside the buffer.
            table.push(unsafe { addresses[arg.buffer.index()].start.add(arg.offset) }.cast());
        }
    }
    Ok(table.into_boxed_slice())
}

fn is_scratch(mode: Mode) -> bool {
    matches!(mode, Mode::Scratch { .. })
}

fn check_scratch(kernel: &Kernel) -> Result<(), String> {
    let mut behind_scratch = false;
    for param in &kernel.params {
        match param.mode {
            Mode::Scratch { offset } if offset + param.len * 4 > SCRATCH_BYTES => {
                return Err(format!("scratch `{}` of `{}` exceeds {SCRATCH_BYTES} bytes", param.name, kernel.name));
            }
            Mode::Scratch { .. } => behind_scratch = true,
            Mode::In | Mode::Out | Mode::InOut if behind_scratch => {
                return Err(format!("`{}` of `{}` follows a scratch parameter", param.name, kernel.name));
            }
            Mode::In | Mode::Out | Mode::InOut => {}
        }
    }
    Ok(())
}
