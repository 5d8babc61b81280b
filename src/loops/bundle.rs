//! Short turns become one kernel.
//!
//! In: a program whose buffers are decided but have no addresses yet. Out: the
//! same program, in which a loop over runs that are all short is one run of one
//! kernel: the loop is a `turn` loop in it, around the statements of all of
//! them. A turn then costs its arithmetic, not a call. Invariant: the same
//! operations on the same elements in the same order, so the same bits; inner
//! loops go first, so nests of short turns become one kernel as well.

use super::ir::{
    Affine, Arg, BufferId, Cost, Kernel, KernelId, Loop, LoopKind, Mode, Param, ParamId, Program, Range, Run, Stmt,
    Turns, ValueId, VarId,
};
use super::rename::{Renaming, rename};
use super::verify::MAX_STATEMENTS;
use crate::kernels::abi::SCRATCH_BYTES;

/// A run is short up to so many nanoseconds: a call costs a few, and below it nothing is spread over threads.
const SHORT: u64 = 1_000;
/// Most runs of a kernel.
const MOST: usize = 12;

/// Makes kernels of all loops that are short enough.
pub(super) fn bundle(program: &mut Program) {
    for number in (0..program.loops.len()).rev() {
        let turns = program.loops[number];
        let inner = program.loops[number + 1..].iter().any(|other| other.first < turns.end);
        let depth = program.around(turns.first).position(|(at, _)| at == number);
        let (false, Some(depth)) = (inner, depth) else { continue };
        if let Some((kernel, args)) = joined(program, turns, depth) {
            replace(program, number, kernel, args);
        }
    }
    drop_unused(program);
}

/// The kernel that is a whole loop, and its arguments, if all runs in it are short.
fn joined(program: &Program, turns: Turns, depth: usize) -> Option<(Kernel, Vec<Arg>)> {
    let runs = &program.runs[turns.range()];
    let kernels: Vec<&Kernel> = runs.iter().map(|run| &program.kernels[run.kernel.index()]).collect();
    let statements: usize = kernels.iter().flat_map(|kernel| &kernel.body).map(Stmt::size).sum();
    let short = kernels.iter().all(|kernel| kernel.cost.nanoseconds() <= SHORT && kernel.body.iter().all(can_repeat));
    if !short || runs.len() > MOST || statements >= MAX_STATEMENTS || turns.turns == 0 {
        return None;
    }
    let places = Places::of(program, runs, turns, depth)?;
    let mut kernel = Kernel {
        name: name(&kernels),
        params: places.params.clone(),
        par: None,
        body: Vec::new(),
        values: Vec::new(),
        vars: 1,
        cost: Cost::default(),
    };
    let mut body = Vec::new();
    let mut scratch = 0;
    for (run, from) in runs.iter().zip(&kernels) {
        let mut params: Vec<(ParamId, Affine)> = run.args.iter().map(|arg| places.place(arg, turns, depth)).collect();
        for param in &from.params[run.args.len()..] {
            let offset = scratch;
            scratch += (param.len * 4).next_multiple_of(64);
            params.push((ParamId(kernel.params.len() as u32), Affine::default()));
            kernel.params.push(Param { mode: Mode::Scratch { offset }, ..param.clone() });
        }
        let extent = from.par.map_or(0, |par| par.extent);
        let to = Moved { values: kernel.values.len() as u32, vars: kernel.vars, extent, params };
        let mut statements = from.body.clone();
        rename(&mut statements, &to);
        body.append(&mut statements);
        kernel.values.extend(from.values.iter().cloned());
        kernel.vars += from.vars;
        kernel.cost.flops += from.cost.flops * turns.turns;
    }
    if scratch > SCRATCH_BYTES {
        return None;
    }
    let memory = |param: &Param| match param.mode {
        Mode::In | Mode::Out => 4 * param.len as u64,
        Mode::InOut => 8 * param.len as u64,
        Mode::Scratch { .. } => 0,
    };
    kernel.cost.bytes = kernel.params.iter().map(memory).sum();
    let range = Range::Count(turns.turns);
    kernel.body = vec![Stmt::Loop(Loop { kind: LoopKind::Turn, range, var: VarId(0), reduces: Vec::new(), body })];
    Some((kernel, places.args))
}

/// Whether a statement may stand in a loop and can be moved from turn to turn.
fn can_repeat(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Loop(nest) => nest.body.iter().all(can_repeat),
        Stmt::Let { .. } | Stmt::Store { .. } | Stmt::Gemm(_) | Stmt::Sort(_) | Stmt::Transpose(_) => true,
        Stmt::Conv(_) | Stmt::Fill(_) => false,
    }
}

fn name(kernels: &[&Kernel]) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<&str> = Vec::new();
    for kernel in kernels {
        if !names.contains(&&kernel.name[..]) {
            names.push(&kernel.name);
        }
    }
    let more = if names.len() > SHOWN { "; ..." } else { "" };
    format!("turns of {}{more}", names[..names.len().min(SHOWN)].join("; "))
}

/// The parameters of a joined kernel: one for each buffer, from the first element that any turn reaches.
struct Places {
    params: Vec<Param>,
    args: Vec<Arg>,
    /// Buffer of each, and its strides in the loops around.
    keys: Vec<(BufferId, Vec<i64>)>,
}

impl Places {
    /// `None` if a buffer that is written moves in two ways in the loops around.
    fn of(program: &Program, runs: &[Run], turns: Turns, depth: usize) -> Option<Places> {
        let mut places = Places { params: Vec::new(), args: Vec::new(), keys: Vec::new() };
        // Where each is used first: a place of its own in each turn stays one that is only written first.
        let mut first: Vec<(usize, i64)> = Vec::new();
        for run in runs {
            let kernel = &program.kernels[run.kernel.index()];
            for (arg, param) in run.args.iter().zip(&kernel.params) {
                let stride = arg.stride(depth);
                let moved = stride * (turns.turns as i64 - 1);
                let low = arg.offset.checked_add_signed(moved.min(0) as isize)?;
                let high = arg.offset.checked_add_signed(moved.max(0) as isize)? + param.len;
                let key = key(arg, depth);
                let Some(at) = places.keys.iter().position(|seen| *seen == key) else {
                    let strides = key.1.clone();
                    places.args.push(Arg { buffer: arg.buffer, offset: low, strides });
                    places.params.push(Param { len: high - low, ..param.clone() });
                    places.keys.push(key);
                    first.push((arg.offset, stride));
                    continue;
                };
                let (known, place) = (&mut places.params[at], &mut places.args[at]);
                let end = high.max(place.offset + known.len);
                place.offset = place.offset.min(low);
                known.len = end - place.offset;
                known.mode = match (known.mode, param.mode) {
                    (Mode::In, Mode::In) => Mode::In,
                    (Mode::Out, _) if first[at] == (arg.offset, stride) => Mode::Out,
                    _ => Mode::InOut,
                };
                if first[at] != (arg.offset, stride) {
                    // Never again taken for one that each turn writes before it reads.
                    first[at] = (usize::MAX, 0);
                }
            }
        }
        let written = |at: usize| places.params[at].mode != Mode::In;
        let split = (0..places.keys.len()).any(|a| {
            let alike = |b: usize| places.keys[a].0 == places.keys[b].0 && (written(a) || written(b));
            (0..a).any(alike)
        });
        if split { None } else { Some(places) }
    }

    /// Which parameter an argument is part of, and what is added to its indices.
    fn place(&self, arg: &Arg, turns: Turns, depth: usize) -> (ParamId, Affine) {
        let key = key(arg, depth);
        let at = self.keys.iter().position(|seen| *seen == key).unwrap_or(0);
        let stride = arg.stride(depth);
        let (start, step) = if turns.reverse { (stride * (turns.turns as i64 - 1), -stride) } else { (0, stride) };
        let mut index = Affine::var(VarId(0), step);
        index.offset = arg.offset as i64 - self.args[at].offset as i64 + start;
        (ParamId(at as u32), index)
    }
}

fn key(arg: &Arg, depth: usize) -> (BufferId, Vec<i64>) {
    let mut strides: Vec<i64> = (0..depth).map(|outer| arg.stride(outer)).collect();
    while strides.last() == Some(&0) {
        strides.pop();
    }
    (arg.buffer, strides)
}

/// Names of one run's kernel in the joined one.
struct Moved {
    values: u32,
    vars: u32,
    extent: u64,
    params: Vec<(ParamId, Affine)>,
}

impl Renaming for Moved {
    fn value(&self, value: ValueId) -> ValueId {
        ValueId(value.0 + self.values)
    }

    fn var(&self, var: VarId) -> VarId {
        VarId(var.0 + self.vars)
    }

    fn place(&self, param: ParamId, index: &mut Affine) -> ParamId {
        let (param, moved) = &self.params[param.index()];
        *index = index.plus(moved);
        *param
    }

    fn range(&self, range: Range) -> Range {
        match range {
            Range::Count(count) => Range::Count(count),
            Range::Panel => Range::Count(self.extent),
        }
    }
}

/// Puts one run in the place of a loop.
fn replace(program: &mut Program, number: usize, kernel: Kernel, args: Vec<Arg>) {
    let gone = program.loops.remove(number);
    let kernel_id = KernelId(program.kernels.len() as u32);
    program.kernels.push(kernel);
    program.runs.splice(gone.range(), [Run { kernel: kernel_id, args }]);
    let fewer = gone.range().len() - 1;
    for found in &mut program.loops {
        found.first -= if found.first >= gone.end { fewer } else { 0 };
        found.end -= if found.end >= gone.end { fewer } else { 0 };
    }
}

/// Forgets kernels that no run is of.
fn drop_unused(program: &mut Program) {
    let mut used = vec![false; program.kernels.len()];
    program.runs.iter().for_each(|run| used[run.kernel.index()] = true);
    let mut place = 0;
    let places: Vec<KernelId> = used
        .iter()
        .map(|used| {
            place += u32::from(*used);
            KernelId(place.saturating_sub(1))
        })
        .collect();
    let mut used = used.iter();
    program.kernels.retain(|_| *used.next().unwrap_or(&true));
    program.runs.iter_mut().for_each(|run| run.kernel = places[run.kernel.index()]);
}
