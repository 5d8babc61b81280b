//! Memory: a place for every value of a program.
//!
//! In: a program whose temporaries have no places yet, and which buffer becomes
//! which slot's next value. Out: the program with places, and a [`Report`].
//! Invariant: two buffers share memory only if no run between the first write
//! and the last read of one touches the other, or if one kernel reads each
//! element of the first before it writes the same element of the second.
//!
//! In loops: what lives from turn to turn, or is touched inside and outside,
//! lives as long as the whole loop; what a turn makes and uses up lives in it.

use std::collections::{HashMap, HashSet};

use crate::ir::Origin;
use crate::loops::ir::{
    Access, Affine, Arg, Buffer, BufferId, Cost, Kernel, KernelId, Mode, ParamId, Place, Program, Range, Run, ScalarOp,
    Stmt, ValueId, VarId,
};

use super::build::KernelBuilder;
use super::bundle::bundle;
use super::fuse::{Carry, Draft};
use super::rename::{Renaming, rename};

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

/// A program while its memory is decided: which runs touch each buffer, in order.
struct Layout {
    program: Program,
    runs_of: HashMap<BufferId, Vec<usize>>,
    figures: HashSet<BufferId>,
}

/// Gives places. With `share` off each temporary has its own, and nothing happens in place.
/// With `join` short turns become kernels.
pub fn plan(draft: Draft, share: bool, join: bool) -> (Program, Report) {
    let Draft { program, writes, carries } = draft;
    let mut layout = Layout::new(program);
    layout.carry(carries, share);
    let mut copies = Vec::new();
    for (slot, value) in writes {
        if slot != value && !(share && layout.put_in_slot(slot, value)) {
            copies.push((slot, value));
        }
    }
    if !copies.is_empty() {
        layout.append_copies(&copies, None);
    }
    if share {
        layout.update_in_place();
    }
    if join {
        bundle(&mut layout.program);
        layout.find_runs();
    }
    layout.drop_merged();
    let temporaries = layout.assign(share);
    let report = layout.report(temporaries);
    (layout.program, report)
}

impl Layout {
    fn new(program: Program) -> Layout {
        let figures = program.figures.iter().map(|figure| figure.buffer).collect();
        let mut layout = Layout { program, runs_of: HashMap::new(), figures };
        layout.find_runs();
        layout
    }

    fn find_runs(&mut self) {
        self.runs_of.clear();
        for (at, run) in self.program.runs.iter().enumerate() {
            run.args.iter().for_each(|arg| self.runs_of.entry(arg.buffer).or_default().push(at));
        }
        self.runs_of.values_mut().for_each(|runs| runs.dedup());
    }

    /// First and last run of a buffer's life.
    fn span(&self, buffer: BufferId) -> Option<(usize, usize)> {
        self.life(buffer, None)
    }

    /// The same within one loop: of what a single turn does, loops inside the turn being whole.
    fn life(&self, buffer: BufferId, within: Option<usize>) -> Option<(usize, usize)> {
        let bounds = within.map_or(0..self.program.runs.len(), |at| self.program.loops[at].range());
        let touched = self.runs_of.get(&buffer)?;
        let inside = touched.iter().filter(|run| bounds.contains(run));
        let (mut from, mut to) = (*inside.clone().next()?, *inside.clone().next_back()?);
        let inner = within.map_or(0, |at| at + 1);
        for number in (inner..self.program.loops.len()).rev() {
            let range = self.program.loops[number].range();
            if range.end <= bounds.start || bounds.end <= range.start || range.end <= from || to < range.start {
                continue;
            }
            let all_here = range.contains(&from) && range.contains(&to);
            if inside.clone().any(|run| range.contains(run)) && (!all_here || self.survives(buffer, number)) {
                from = from.min(range.start);
                to = to.max(range.end - 1);
            }
        }
        Some((from, to))
    }

    /// Whether a buffer's contents pass from one turn of a loop to another: it is touched outside as well, moves on
    /// with the turns, or is read before it is written.
    fn survives(&self, buffer: BufferId, number: usize) -> bool {
        let range = self.program.loops[number].range();
        let Some(touched) = self.runs_of.get(&buffer) else { return false };
        let outside = touched.iter().any(|run| !range.contains(run)) || self.figures.contains(&buffer);
        let Some(&first) = touched.iter().find(|run| range.contains(run)) else { return false };
        let depth = self.program.around(first).position(|(found, _)| found == number).unwrap_or(0);
        let here = touched.iter().filter(|run| range.contains(run));
        let args = here.flat_map(|&run| &self.program.runs[run].args).filter(|arg| arg.buffer == buffer);
        let moves = args.into_iter().any(|arg| arg.stride(depth) != 0);
        let read_first = mode(&self.program, first, buffer).is_none_or(|(_, mode)| mode != Mode::Out);
        outside || moves || read_first
    }

    /// The innermost loop around a run.
    fn innermost(&self, run: usize) -> Option<usize> {
        self.program.around(run).map(|(number, _)| number).last()
    }

    /// Whether a run is the first (or last) of a buffer's life, once each time that the run is executed.
    fn ends_at(&self, buffer: BufferId, run: usize, first: bool) -> bool {
        let Some(touched) = self.runs_of.get(&buffer) else { return false };
        let end = if first { touched.first() } else { touched.last() };
        end == Some(&run) && self.program.around(run).all(|(number, _)| !self.survives(buffer, number))
    }

    /// Gives each carry its next value: in its own place where no reader of the old value comes later in a turn, else
    /// by a copy at the turn's end.
    fn carry(&mut self, carries: Vec<Carry>, share: bool) {
        let mut copies: HashMap<usize, Vec<(BufferId, BufferId)>> = HashMap::new();
        for carry in carries {
            if !(share && self.takes_over(&carry)) {
                copies.entry(carry.turns).or_default().push((carry.place, carry.next));
            }
        }
        for number in 0..self.program.loops.len() {
            if let Some(copies) = copies.get(&number) {
                self.append_copies(copies, Some(number));
            }
        }
    }

    fn takes_over(&mut self, carry: &Carry) -> bool {
        let Some((first, _)) = self.life(carry.next, Some(carry.turns)).filter(|_| self.is_temporary(carry.next))
        else {
            return false;
        };
        let legal = match self.life(carry.place, Some(carry.turns)) {
            None => true,
            Some((_, last)) if last == first => {
                self.innermost(first) == Some(carry.turns)
                    && same_element(&self.program, first, carry.place, carry.next)
            }
            Some((_, last)) => last < first,
        };
        if legal {
            self.replace(carry.next, carry.place);
        }
        legal
    }

    fn is_temporary(&self, buffer: BufferId) -> bool {
        matches!(self.program.buffers[buffer.index()].place, Place::Temporary { .. })
    }

    /// Makes `value` live in `slot` from its first write on, if all readers of the old value are done by then.
    fn put_in_slot(&mut self, slot: BufferId, value: BufferId) -> bool {
        let Some((first, _)) = self.span(value).filter(|_| self.is_temporary(value)) else { return false };
        let legal = match self.span(slot) {
            None => true,
            Some((_, last)) if last == first => {
                self.innermost(first).is_none() && same_element(&self.program, first, slot, value)
            }
            Some((_, last)) => last < first,
        };
        if legal {
            self.replace(value, slot);
        }
        legal
    }

    /// Lets a value take the place of an operand that dies in the kernel that computes it.
    fn update_in_place(&mut self) {
        for at in 0..self.program.runs.len() {
            let args: Vec<BufferId> = self.program.runs[at].args.iter().map(|arg| arg.buffer).collect();
            for &value in &args {
                if !self.ends_at(value, at, true) || !self.movable(value) {
                    continue;
                }
                if let Some(&old) = args.iter().find(|&&old| self.dies_into(at, old, value)) {
                    self.replace(value, old);
                }
            }
        }
    }

    fn movable(&self, buffer: BufferId) -> bool {
        self.is_temporary(buffer) && !self.figures.contains(&buffer)
    }

    fn dies_into(&self, at: usize, old: BufferId, value: BufferId) -> bool {
        let (from, to) = (&self.program.buffers[old.index()], &self.program.buffers[value.index()]);
        old != value
            && self.ends_at(old, at, false)
            && self.movable(old)
            && from.len() == to.len()
            && from.dtype == to.dtype
            && same_element(&self.program, at, old, value)
    }

    /// Replaces a buffer everywhere; a kernel that had both gets one parameter for them.
    fn replace(&mut self, from: BufferId, to: BufferId) {
        if self.figures.remove(&from) {
            self.figures.insert(to);
            let figures = self.program.figures.iter_mut();
            figures.filter(|figure| figure.buffer == from).for_each(|figure| figure.buffer = to);
        }
        let moved = self.runs_of.remove(&from).unwrap_or_default();
        for &at in &moved {
            let run = &mut self.program.runs[at];
            let Some(gone) = run.args.iter().position(|arg| arg.buffer == from) else { continue };
            match run.args.iter().position(|arg| arg.buffer == to) {
                None => run.args.iter_mut().filter(|arg| arg.buffer == from).for_each(|arg| arg.buffer = to),
                Some(left) => {
                    run.args.remove(gone);
                    let kernel = &mut self.program.kernels[run.kernel.index()];
                    merge_params(kernel, ParamId(gone as u32), ParamId(left as u32));
                }
            }
        }
        let runs = self.runs_of.entry(to).or_default();
        runs.extend(moved);
        runs.sort_unstable();
        runs.dedup();
    }
}

/// How a run uses a buffer; `None` if it does so by two arguments, as rows of one stack.
fn mode(program: &Program, at: usize, buffer: BufferId) -> Option<(ParamId, Mode)> {
    let run = &program.runs[at];
    let place = run.args.iter().position(|arg| arg.buffer == buffer)?;
    if run.args[place + 1..].iter().any(|arg| arg.buffer == buffer) {
        return None;
    }
    Some((ParamId(place as u32), program.kernels[run.kernel.index()].params[place].mode))
}

fn merge_params(kernel: &mut Kernel, gone: ParamId, left: ParamId) {
    // What stays may have been read in part only.
    let len = kernel.params.remove(gone.index()).len;
    let left = ParamId(left.0 - u32::from(left.0 > gone.0));
    let stays = &mut kernel.params[left.index()];
    (stays.mode, stays.len) = (Mode::InOut, stays.len.max(len));
    rename(&mut kernel.body, &Merged { gone, left });
}

/// One parameter taken for another.
struct Merged {
    gone: ParamId,
    left: ParamId,
}

impl Renaming for Merged {
    fn value(&self, value: ValueId) -> ValueId {
        value
    }

    fn var(&self, var: VarId) -> VarId {
        var
    }

    fn place(&self, param: ParamId, _: &mut Affine) -> ParamId {
        if param == self.gone { self.left } else { ParamId(param.0 - u32::from(param.0 > self.gone.0)) }
    }

    fn range(&self, range: Range) -> Range {
        range
    }
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
    let (a, b) = (&program.runs[at].args[old.index()], &program.runs[at].args[new.index()]);
    if (a.offset, &a.strides) != (b.offset, &b.strides) {
        return false;
    }
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
                Stmt::Conv(conv) => {
                    add(None, false, conv.a.0, *order);
                    add(None, false, conv.b.0, *order);
                    add(None, true, conv.c, *order);
                }
                Stmt::Fill(fill) => add(None, true, fill.param, *order),
                Stmt::Sort(sort) => {
                    add(None, false, sort.keys.param, *order);
                    add(None, true, sort.order.param, *order);
                }
                Stmt::Transpose(found) => {
                    add(None, false, found.from.param, *order);
                    add(None, true, found.to.param, *order);
                }
                Stmt::Loop(inner) => visit(&inner.body, param, Some(top), order, found),
            }
        }
    }
    let mut found = Vec::new();
    visit(&kernel.body, param, None, &mut 0, &mut found);
    found
}

impl Layout {
    /// A kernel that copies values at the end of each turn of a loop, or of the step. Each pair: to where, from where.
    fn append_copies(&mut self, copies: &[(BufferId, BufferId)], within: Option<usize>) {
        let program = &mut self.program;
        let at = within.map_or(program.runs.len(), |number| program.loops[number].end);
        let first = within.map_or(at, |number| program.loops[number].first);
        let name = |id: BufferId| &program.buffers[id.index()].name;
        let title = copies.iter().map(|&(to, from)| format!("{} = {}", name(to), name(from))).take(4);
        let mut builder = KernelBuilder::new(title.collect::<Vec<_>>().join(", "));
        let mut args = Vec::new();
        let mut bytes = 0;
        for &(to, from) in copies {
            let buffer = &program.buffers[from.index()];
            let len = buffer.len();
            builder.origin(buffer.origin);
            let source = builder.param("from", buffer.dtype, len, Mode::In);
            let target = builder.param("to", buffer.dtype, len, Mode::Out);
            builder.vec(len as u64, |builder, i| {
                let word = builder.load(source, Affine::var(i, 1));
                builder.store(target, Affine::var(i, 1), word);
            });
            args.extend([from, to].map(Arg::whole));
            bytes += 8 * len as u64;
        }
        builder.cost(Cost { flops: 0, bytes });
        program.runs.insert(at, Run { kernel: KernelId(program.kernels.len() as u32), args });
        program.kernels.push(builder.finish());
        for (number, found) in program.loops.iter_mut().enumerate() {
            let around = within.is_some_and(|within| number <= within) && found.first <= first && found.end >= at;
            found.end += usize::from(around || found.first >= at);
            found.first += usize::from(found.first >= at);
        }
        self.find_runs();
    }

    /// Forgets temporaries that no run touches: they live on in other buffers.
    fn drop_merged(&mut self) {
        let mut kept: HashMap<BufferId, BufferId> = HashMap::new();
        let mut buffers = Vec::new();
        for (at, buffer) in std::mem::take(&mut self.program.buffers).into_iter().enumerate() {
            let id = BufferId(at as u32);
            if self.runs_of.contains_key(&id) || !matches!(buffer.place, Place::Temporary { .. }) {
                kept.insert(id, BufferId(buffers.len() as u32));
                buffers.push(buffer);
            }
        }
        self.program.buffers = buffers;
        let args = self.program.runs.iter_mut().flat_map(|run| &mut run.args).map(|arg| &mut arg.buffer);
        let figures = self.program.figures.iter_mut().map(|figure| &mut figure.buffer);
        args.chain(figures).for_each(|buffer| *buffer = kept[buffer]);
        self.runs_of = std::mem::take(&mut self.runs_of).into_iter().map(|(id, runs)| (kept[&id], runs)).collect();
        self.figures = self.figures.iter().map(|id| kept[id]).collect();
    }

    /// Offsets of all temporaries; the size of the arena. Largest first, each at the lowest place that is free
    /// while it lives.
    fn assign(&mut self, share: bool) -> usize {
        let end = self.program.runs.len();
        let mut waiting: Vec<(usize, usize, usize, BufferId)> = Vec::new();
        for (at, buffer) in self.program.buffers.iter().enumerate() {
            let id = BufferId(at as u32);
            if let Some((from, to)) = self.span(id).filter(|_| self.is_temporary(id)) {
                let to = if self.figures.contains(&id) { end } else { to };
                waiting.push(((buffer.len() * 4).next_multiple_of(ALIGN), from, to, id));
            }
        }
        waiting.sort_by_key(|&(bytes, from, _, id)| (std::cmp::Reverse(bytes), from, id));
        let mut placed: Vec<Placed> = Vec::new();
        let mut size = 0;
        for (bytes, from, to, id) in waiting {
            let offset = if share { lowest_free(&placed, bytes, from, to) } else { size };
            let at = placed.partition_point(|other| other.start < offset);
            placed.insert(at, Placed { start: offset, end: offset + bytes, from, to });
            size = size.max(offset + bytes);
            self.program.buffers[id.index()].place = Place::Temporary { offset };
        }
        size
    }

    fn report(&self, temporaries: usize) -> Report {
        let mut report = Report { temporaries, ..Report::default() };
        let mut sizes: Vec<(&Buffer, usize)> = Vec::new();
        for (at, buffer) in self.program.buffers.iter().enumerate() {
            let bytes = buffer.len() * 4;
            match &buffer.place {
                Place::Slot(_) => report.slots += bytes,
                Place::Constant(_) => report.constants += bytes,
                Place::Temporary { .. } => {}
            }
            if self.runs_of.contains_key(&BufferId(at as u32)) {
                sizes.push((buffer, bytes));
            }
        }
        sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let largest = sizes.iter().take(NAMED);
        report.largest = largest.map(|(buffer, bytes)| (buffer.name.clone(), *bytes, buffer.origin)).collect();
        report
    }
}

/// Bytes that are taken while some runs go by.
struct Placed {
    start: usize,
    end: usize,
    from: usize,
    to: usize,
}

/// `placed` is in order of starts.
fn lowest_free(placed: &[Placed], bytes: usize, from: usize, to: usize) -> usize {
    let mut offset = 0;
    for other in placed.iter().filter(|other| other.from <= to && from <= other.to) {
        if offset + bytes <= other.start {
            break;
        }
        offset = offset.max(other.end);
    }
    offset
}
