//! The verifier of the loops IR.
//!
//! In: a program. Out: nothing, or the first violated invariant with kernel and
//! place. Everything is proved from the text of the program, nothing is run:
//!
//! - Values, variables and parameters exist; a value is defined once, before its uses, in the same or an
//!   enclosing body; operand types fit.
//! - Every access lies in its parameter: by interval arithmetic over the loop variables, by guards (loads), or
//!   by the clamp of an indirect index. The same for the operands of `gemm`.
//! - `In` parameters are not written, constants are not written.
//! - Iterations of the parallel axis, and the lanes of a `vec` loop, write different elements, and read none
//!   that another one writes ([`disjoint`]). What a kernel with `par` writes, scratch excepted, it writes in a panel.
//! - A `conv` stands in no loop, its result is no operand, and its rows are all of them or the panel.
//! - `vec` holds no `vec`, `gemm`, `conv` or `fill`; panels are outermost and only where there is a `par`; `fill` stands
//!   in no panel. Trees on `vec` loops only, chains on `seq` loops only.
//! - A `fill` has a base that is a multiple of 64 and, with `par`, exactly the panels that cover it.
//! - At most [`MAX_STATEMENTS`] statements a kernel, before expansion.
//! - Scratch parameters come last, lie in the thread's scratch at multiples of 64 bytes and do not overlap.
//! - Arguments of runs fit: number, types, lengths. Two arguments share memory only if both are `In`.

mod access;
mod disjoint;
mod kernel;

use super::ir::{Buffer, Kernel, Mode, Place, Program, Run};
pub use kernel::verify_kernel;

/// Most statements of a kernel.
pub const MAX_STATEMENTS: usize = 400;

/// Checks a whole program.
///
/// # Errors
/// The first violated invariant.
pub fn verify(program: &Program) -> Result<(), String> {
    for kernel in &program.kernels {
        verify_kernel(kernel)?;
    }
    for (at, run) in program.runs.iter().enumerate() {
        verify_run(program, run).map_err(|reason| format!("run {at}: {reason}"))?;
    }
    for (name, buffer) in &program.figures {
        if buffer.index() >= program.buffers.len() {
            return Err(format!("figure {name}: no buffer {buffer}"));
        }
    }
    Ok(())
}

fn verify_run(program: &Program, run: &Run) -> Result<(), String> {
    let kernel = program.kernels.get(run.kernel.index()).ok_or_else(|| format!("no kernel {}", run.kernel))?;
    let wanted = kernel.params.iter().filter(|param| !matches!(param.mode, Mode::Scratch { .. })).count();
    if run.args.len() != wanted {
        return Err(format!("kernel {}: {} arguments for {wanted} parameters", kernel.name, run.args.len()));
    }
    let mut regions = Vec::new();
    for (arg, param) in run.args.iter().zip(&kernel.params) {
        let buffer = program.buffers.get(arg.buffer.index()).ok_or_else(|| format!("no buffer {}", arg.buffer))?;
        let fail = |reason: &str| Err(format!("kernel {}, {}: {reason}", kernel.name, param.name));
        if buffer.dtype != param.dtype {
            return fail(&format!("buffer {} has type {}", buffer.name, buffer.dtype));
        }
        if arg.offset + param.len > buffer.len() {
            return fail(&format!("{} elements from {} of {}", param.len, arg.offset, buffer.len()));
        }
        if param.mode != Mode::In && matches!(buffer.place, Place::Constant(_)) {
            return fail("a constant is written");
        }
        regions.push((region(arg.buffer.index(), buffer, arg.offset, param.len), param.mode));
    }
    no_overlap(kernel, &regions)
}

/// A stretch of one of the memories: which one, and the bytes in it.
type Region = (Memory, std::ops::Range<usize>);

#[derive(PartialEq)]
enum Memory {
    Arena,
    Slot(crate::ir::SlotId),
    Constant(usize),
}

fn region(at: usize, buffer: &Buffer, offset: usize, len: usize) -> Region {
    let (memory, start) = match &buffer.place {
        Place::Temporary { offset } => (Memory::Arena, *offset),
        Place::Slot(slot) => (Memory::Slot(*slot), 0),
        Place::Constant(_) => (Memory::Constant(at), 0),
    };
    let first = start + 4 * offset;
    (memory, first..first + 4 * len)
}

fn no_overlap(kernel: &Kernel, regions: &[(Region, Mode)]) -> Result<(), String> {
    for (second, (b, b_mode)) in regions.iter().enumerate() {
        for (first, (a, a_mode)) in regions[..second].iter().enumerate() {
            let overlap = a.0 == b.0 && a.1.start < b.1.end && b.1.start < a.1.end;
            if overlap && !(*a_mode == Mode::In && *b_mode == Mode::In) {
                let name = |at: usize| &kernel.params[at].name;
                return Err(format!("kernel {}: {} and {} overlap", kernel.name, name(first), name(second)));
            }
        }
    }
    Ok(())
}
