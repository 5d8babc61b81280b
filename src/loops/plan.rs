//! Memory: a place for every value of a program.
//!
//! In: a program whose temporaries have no places yet, and which buffer becomes
//! which slot's next value. Out: the program with places, and a [`Report`].
//! Invariant: two buffers share memory only if no run between the first write
//! and the last read of one touches the other, or if one kernel reads each
//! element of the first before it writes the same element of the second.

use std::collections::HashMap;

use crate::ir::Origin;
use crate::loops::ir::{
    Access, Affine, Arg, Buffer, BufferId, Kernel, KernelId, Mode, ParamId, Place, Program, Run, ScalarOp, Stmt,
};

use super::fuse::Draft;

/// What a program's memory is used for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Bytes of slots that the program touches.
    pub slots: usize,
    /// Bytes of tables.
    pub constants: usize,
    /// Bytes of the arena of temporaries.
    pub temporaries: usize,
    /// The largest buffers: name, bytes, where they come from.
    pub largest: Vec<(String, usize, Origin)>,
}

/// Alignment of every buffer, bytes.
const ALIGN: usize = 64;
/// How many buffers a report names.
const NAMED: usize = 8;

/// Gives places. With `share` off each temporary has its own, and nothing happens in place.
pub fn plan(draft: Draft, share: bool) -> (Program, Report) {
    let Draft { mut program, writes } = draft;
    let mut copies = Vec::new();
    for (slot, value) in writes {
        if !(share && put_in_slot(&mut program, slot, value)) && slot != value {
            copies.push((slot, value));
        }
    }
    for (slot, value) in copies {
        append_copy(&mut program, slot, value);
    }
    if share {
        update_in_place(&mut program);
    }
    let temporaries = assign(&mut program, share);
    let report = report(&program, temporaries);
    (program, report)
}

/// First and last run that touches a buffer.
fn spans(program: &Program) -> HashMap<BufferId, (usize, usize)> {
    let mut spans: HashMap<BufferId, (usize, usize)> = HashMap::new();
    for (at, run) in program.runs.iter().enumerate() {
        for arg in &run.args {
            spans.entry(arg.buffer).or_insert((at, at)).1 = at;
        }
    }
    spans
}

fn mode(program: &Program, at: usize, buffer: BufferId) -> Option<(ParamId, Mode)> {
    let run = &program.runs[at];
    let place = run.args.iter().position(|arg| arg.buffer == buffer)?;
    Some((ParamId(place as u32), program.kernels[run.kernel.index()].params[place].mode))
}

/// Makes `value` live in `slot` from its first write on, if all readers of the old value are done by then.
fn put_in_slot(program: &mut Program, slot: BufferId, value: BufferId) -> bool {
    if !matches!(program.buffers[value.index()].place, Place::Temporary { .. }) {
        return false;
    }
    let spans = spans(program);
    let Some(&(first, _)) = spans.get(&value) else { return false };
    let last_read = spans.get(&slot).map_or(0, |span| span.1);
    if spans.contains_key(&slot) && last_read > first {
        return false;
    }
    if spans.contains_key(&slot) && last_read == first && !same_element(program, first, slot, value) {
        return false;
    }
    replace(program, value, slot);
    true
}

/// Lets a value take the place of an operand that dies in the kernel that computes it.
fn update_in_place(program: &mut Program) {
    let mut spans = spans(program);
    for at in 0..program.runs.len() {
        let args: Vec<BufferId> = program.runs[at].args.iter().map(|arg| arg.buffer).collect();
        for &value in &args {
            let starts = spans.get(&value).is_some_and(|span| span.0 == at);
            if !starts || !is_temporary(program, value) || is_figure(program, value) {
                continue;
            }
            let dying = args.iter().copied().find(|&old| {
                old != value
                    && spans.get(&old).is_some_and(|span| span.1 == at)
                    && is_temporary(program, old)
                    && !is_figure(program, old)
                    && program.buffers[old.index()].len() == program.buffers[value.index()].len()
                    && program.buffers[old.index()].dtype == program.buffers[value.index()].dtype
                    && same_element(program, at, old, value)
            });
            if let Some(old) = dying {
                let end = spans[&value].1;
                spans.entry(old).and_modify(|span| span.1 = end);
                spans.remove(&value);
                replace(program, value, old);
            }
        }
    }
}

fn is_temporary(program: &Program, buffer: BufferId) -> bool {
    matches!(program.buffers[buffer.index()].place, Place::Temporary { .. })
}

fn is_figure(program: &Program, buffer: BufferId) -> bool {
    program.figures.iter().any(|(_, figure)| *figure == buffer)
}

/// Replaces a buffer everywhere; a kernel that had both gets one parameter for them.
fn replace(program: &mut Program, from: BufferId, to: BufferId) {
    program.figures.iter_mut().filter(|(_, figure)| *figure == from).for_each(|(_, figure)| *figure = to);
    for run in &mut program.runs {
        let Some(gone) = run.args.iter().position(|arg| arg.buffer == from) else { continue };
        match run.args.iter().position(|arg| arg.buffer == to) {
            None => run.args[gone].buffer = to,
            Some(left) => {
                run.args.remove(gone);
                merge_params(&mut program.kernels[run.kernel.index()], ParamId(gone as u32), ParamId(left as u32));
            }
        }
    }
}

fn merge_params(kernel: &mut Kernel, gone: ParamId, left: ParamId) {
    kernel.params[left.index()].mode = Mode::InOut;
    kernel.params.remove(gone.index());
    let renamed = |param: ParamId| {
        let param = if param == gone { left } else { param };
        ParamId(param.0 - u32::from(param.0 > gone.0))
    };
    fn visit(body: &mut [Stmt], renamed: &dyn Fn(ParamId) -> ParamId) {
        for stmt in body {
            match stmt {
                Stmt::Let { op: ScalarOp::Load(access), .. } | Stmt::Store { access, .. } => {
                    access.param = renamed(access.param)
                }
                Stmt::Let { .. } => {}
                Stmt::Loop(inner) => visit(&mut inner.body, renamed),
                Stmt::Gemm(gemm) => {
                    for matrix in [&mut gemm.a, &mut gemm.b, &mut gemm.c] {
                        matrix.param = renamed(matrix.param);
                    }
                }
                Stmt::Fill(fill) => fill.param = renamed(fill.param),
            }
        }
    }
    visit(&mut kernel.body, &renamed);
}

/// What a kernel does to one parameter, in program order.
struct Touch<'a> {
    /// Position among all touches.
    order: usize,
    /// Outermost statement it stands in.
    top: usize,
    write: bool,
    /// Of an ordinary access without guard or indirection.
    index: Option<&'a Affine>,
}

/// Whether the kernel of a run reads each element of `old` before it writes that element of `new`.
fn same_element(program: &Program, at: usize, old: BufferId, new: BufferId) -> bool {
    let (Some((old, old_mode)), Some((new, new_mode))) = (mode(program, at, old), mode(program, at, new)) else {
        return false;
    };
    // A value that the kernel reads back after another one took its place would be lost.
    if new_mode == Mode::In {
        return false;
    }
    let kernel = &program.kernels[program.runs[at].kernel.index()];
    let (olds, news) = (touches(kernel, old), touches(kernel, new));
    let parallel = kernel.par.is_some();
    let before = |a: &Touch<'_>, b: &Touch<'_>| {
        let earlier = a.top < b.top && !parallel;
        let same = a.index.is_some() && a.index == b.index && a.order < b.order;
        earlier || same
    };
    // Writes of the old value (a product that the epilogue then replaces) own the same rows of the panel.
    let own_rows = |a: &Touch<'_>, b: &Touch<'_>| a.write && old_mode == Mode::InOut && a.order < b.order;
    news.iter().all(|new| olds.iter().all(|old| before(old, new) || own_rows(old, new)))
}

fn touches(kernel: &Kernel, param: ParamId) -> Vec<Touch<'_>> {
    fn plain(access: &Access) -> Option<&Affine> {
        (access.indirect.is_none() && access.guards.is_empty()).then_some(&access.index)
    }
    fn visit<'a>(body: &'a [Stmt], param: ParamId, top: Option<usize>, order: &mut usize, found: &mut Vec<Touch<'a>>) {
        for (at, stmt) in body.iter().enumerate() {
            let top = top.unwrap_or(at);
            let mut add = |index: Option<&'a Affine>, write: bool, touched: ParamId, order: usize| {
                if touched == param {
                    found.push(Touch { order, top, write, index });
                }
            };
            *order += 1;
            match stmt {
                Stmt::Let { op: ScalarOp::Load(access), .. } => add(plain(access), false, access.param, *order),
                Stmt::Let { .. } => {}
                Stmt::Store { access, .. } => add(plain(access), true, access.param, *order),
                Stmt::Gemm(gemm) => {
                    add(None, false, gemm.a.param, *order);
                    add(None, false, gemm.b.param, *order);
                    add(None, true, gemm.c.param, *order);
                }
                Stmt::Fill(fill) => add(None, true, fill.param, *order),
                Stmt::Loop(inner) => visit(&inner.body, param, Some(top), order, found),
            }
        }
    }
    let mut found = Vec::new();
    visit(&kernel.body, param, None, &mut 0, &mut found);
    found
}

/// A last kernel that copies a value into its slot.
fn append_copy(program: &mut Program, slot: BufferId, value: BufferId) {
    let buffer = &program.buffers[value.index()];
    let (dtype, len) = (buffer.dtype, buffer.len());
    let mut builder =
        super::build::KernelBuilder::new(format!("{} = {}", program.buffers[slot.index()].name, buffer.name));
    builder.origin(buffer.origin);
    let from = builder.param("from", dtype, len, Mode::In);
    let to = builder.param("to", dtype, len, Mode::Out);
    builder.vec(len as u64, |builder, i| {
        let word = builder.load(from, Affine::var(i, 1));
        builder.store(to, Affine::var(i, 1), word);
    });
    builder.cost(super::ir::Cost { flops: 0, bytes: 8 * len as u64 });
    let args = [value, slot].map(|buffer| Arg { buffer, offset: 0 }).to_vec();
    program.runs.push(Run { kernel: KernelId(program.kernels.len() as u32), args });
    program.kernels.push(builder.finish());
}

/// Offsets of all temporaries; the size of the arena. Largest first, each at the lowest place that is free while
/// it lives.
fn assign(program: &mut Program, share: bool) -> usize {
    let spans = spans(program);
    let last = program.runs.len();
    let mut waiting: Vec<(usize, usize, usize, BufferId)> = Vec::new();
    for at in 0..program.buffers.len() {
        let id = BufferId(at as u32);
        if let (true, Some(&(from, to))) = (is_temporary(program, id), spans.get(&id)) {
            let to = if is_figure(program, id) { last } else { to };
            waiting.push(((program.buffers[at].len() * 4).next_multiple_of(ALIGN), from, to, id));
        }
    }
    waiting.sort_by_key(|&(bytes, from, _, id)| (std::cmp::Reverse(bytes), from, id));
    let mut placed: Vec<(usize, usize, usize, usize)> = Vec::new();
    let mut size = 0;
    for (bytes, from, to, id) in waiting {
        let mut busy: Vec<(usize, usize)> = placed
            .iter()
            .filter(|(_, _, other_from, other_to)| !share || (*other_from <= to && from <= *other_to))
            .map(|&(start, end, ..)| (start, end))
            .collect();
        busy.sort_unstable();
        let mut offset = 0;
        for (start, end) in busy {
            if offset + bytes <= start {
                break;
            }
            offset = offset.max(end);
        }
        placed.push((offset, offset + bytes, from, to));
        size = size.max(offset + bytes);
        program.buffers[id.index()].place = Place::Temporary { offset };
    }
    size
}

fn report(program: &Program, temporaries: usize) -> Report {
    let used = spans(program);
    let mut report = Report { temporaries, ..Report::default() };
    let mut sizes: Vec<(&Buffer, usize)> = Vec::new();
    for (at, buffer) in program.buffers.iter().enumerate() {
        let bytes = buffer.len() * 4;
        match &buffer.place {
            Place::Slot(_) => report.slots += bytes,
            Place::Constant(_) => report.constants += bytes,
            Place::Temporary { .. } => {}
        }
        if used.contains_key(&BufferId(at as u32)) {
            sizes.push((buffer, bytes));
        }
    }
    sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    report.largest =
        sizes.iter().take(NAMED).map(|(buffer, bytes)| (buffer.name.clone(), *bytes, buffer.origin)).collect();
    report
}
