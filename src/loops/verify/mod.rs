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
//! - A `transpose` copies from rows at 1 to columns at 1, of one type, that lie apart.
//! - `vec` holds no `vec` and no call; panels are outermost and only where there is a `par`; `fill` stands
//!   in no panel. Trees on `vec` loops only, chains on `seq` loops only.
//! - Turns stand outermost or in turns, and accumulate nothing.
//! - A `fill` has a base that is a multiple of 64 and, with `par`, exactly the panels that cover it.
//! - At most [`MAX_STATEMENTS`] statements a kernel, before expansion.
//! - Scratch parameters come last, lie in the thread's scratch at multiples of 64 bytes and do not overlap.
//! - Loops over runs are nested, outer ones first.
//! - Arguments of runs fit, in every turn: number, types, lengths. Two arguments share memory in one turn only if
//!   both are `In`.

mod access;
mod disjoint;
mod kernel;

use std::ops::Range;

use super::ir::{Arg, Buffer, Kernel, Mode, Place, Program, Run};
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
    verify_loops(program)?;
    for (at, run) in program.runs.iter().enumerate() {
        let turns: Vec<u64> = program.around(at).map(|(_, found)| found.turns).collect();
        verify_run(program, run, &turns).map_err(|reason| format!("run {at}: {reason}"))?;
    }
    for figure in &program.figures {
        let (name, buffer) = (&figure.name, figure.buffer);
        match program.buffers.get(buffer.index()) {
            None => return Err(format!("figure {name}: no buffer {buffer}")),
            Some(found) if figure.range().end > found.len() => {
                return Err(format!("figure {name}: elements {:?} of {} of {buffer}", figure.range(), found.len()));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Loops hold runs, are nested, and stand with the outer ones first.
fn verify_loops(program: &Program) -> Result<(), String> {
    for (at, inner) in program.loops.iter().enumerate() {
        if inner.first >= inner.end || inner.end > program.runs.len() {
            return Err(format!("loop {at} over the runs {}..{}", inner.first, inner.end));
        }
        for outer in &program.loops[..at] {
            let holds = outer.first <= inner.first && inner.end <= outer.end;
            if !holds && inner.first < outer.end {
                return Err(format!("loop {at} stands before its turn, or crosses another"));
            }
        }
    }
    Ok(())
}

/// A run in loops of so many turns.
fn verify_run(program: &Program, run: &Run, turns: &[u64]) -> Result<(), String> {
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
        if arg.strides.len() > turns.len() {
            return fail("it moves in more loops than there are");
        }
        let (first, last) = reach(arg, turns);
        if first < 0 || last + param.len as i128 > buffer.len() as i128 {
            let turn = if first == last { String::new() } else { format!(" or {last}") };
            return fail(&format!("{} elements from {first}{turn} of {}", param.len, buffer.len()));
        }
        if param.mode != Mode::In && matches!(buffer.place, Place::Constant(_)) {
            return fail("a constant is written");
        }
        let bytes = |elements: i128| (4 * elements) as usize;
        let (memory, start) = memory_of(arg.buffer.index(), buffer);
        // In one turn, and over all of them.
        let now = start + 4 * arg.offset..start + 4 * (arg.offset + param.len);
        let ever = start + bytes(first)..start + bytes(last) + 4 * param.len;
        regions.push(Region { memory, now, ever, strides: &arg.strides, mode: param.mode });
    }
    no_overlap(kernel, &regions)
}

/// First elements of an argument, the least and the greatest over all turns.
fn reach(arg: &Arg, turns: &[u64]) -> (i128, i128) {
    let (mut first, mut last) = (arg.offset as i128, arg.offset as i128);
    for (&stride, &turns) in arg.strides.iter().zip(turns) {
        let moved = i128::from(stride) * (i128::from(turns) - 1).max(0);
        first += moved.min(0);
        last += moved.max(0);
    }
    (first, last)
}

/// A stretch of one of the memories.
struct Region<'a> {
    memory: Memory,
    /// Bytes at turn 0 of all loops.
    now: Range<usize>,
    /// Bytes over all turns.
    ever: Range<usize>,
    strides: &'a [i64],
    mode: Mode,
}

#[derive(PartialEq)]
enum Memory {
    Arena,
    Slot(crate::ir::SlotId),
    Constant(usize),
}

/// Which memory a buffer lies in, and where it starts there.
fn memory_of(at: usize, buffer: &Buffer) -> (Memory, usize) {
    match &buffer.place {
        Place::Temporary { offset } => (Memory::Arena, *offset),
        Place::Slot(slot) => (Memory::Slot(*slot), 0),
        Place::Constant(_) => (Memory::Constant(at), 0),
    }
}

fn no_overlap(kernel: &Kernel, regions: &[Region<'_>]) -> Result<(), String> {
    let meet = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
    for (second, b) in regions.iter().enumerate() {
        for (first, a) in regions[..second].iter().enumerate() {
            // What moves alike meets in all turns or in none.
            let overlap = if a.strides == b.strides { meet(&a.now, &b.now) } else { meet(&a.ever, &b.ever) };
            if a.memory == b.memory && overlap && !(a.mode == Mode::In && b.mode == Mode::In) {
                let name = |at: usize| &kernel.params[at].name;
                return Err(format!("kernel {}: {} and {} overlap", kernel.name, name(first), name(second)));
            }
        }
    }
    Ok(())
}
