//! The step driver: a compiled program as a flat list of calls.
//!
//! In comes a [`Program`] with the addresses of its kernels and slots; out goes
//! one step per call of [`Machine::step`]. Everything is looked up and checked
//! at load, so a step is a walk over a table: it allocates nothing and takes
//! about two nanoseconds an item beside the kernels. A loop moves the pointers
//! that follow its turns after each turn, and back after the last. Whether a run is spread
//! over threads depends on fixed cost constants, how it is cut on the program
//! alone; neither shows in a result.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::arena::Arena;
use super::place::{Memory, addresses, figures, lay_out_constants, pointer_table};
use super::pool::Pool;
use crate::ir::DType;
use crate::kernels;
use crate::kernels::abi::{Ctx, KernelFn, PACK_BYTES, SCRATCH_BYTES};
use crate::loops::ir::{BufferId, Kernel, Mode, Program, Stmt};

/// Estimated nanoseconds from which a run is spread over threads.
const WORTH_SPREADING: u64 = 8_000;

/// A program ready to run.
#[derive(Debug)]
pub struct Machine {
    items: Vec<Item>,
    loops: Vec<Loop>,
    /// What `Item::pointers` point into.
    table: Box<[*mut u8]>,
    /// The table as it is outside all loops.
    at_rest: Box<[*mut u8]>,
    contexts: Box<[Ctx]>,
    /// What each item writes, for `run_checked`.
    writes: Vec<Vec<Write>>,
    names: Vec<String>,
    figures: Vec<Memory>,
    pool: Pool,
    fault: Box<AtomicU32>,
    /// Temporaries, constants, and the scratch of all threads; only kept alive.
    _memory: [Arena; 3],
}

// SAFETY: the pointers lead to memory that the machine owns, or to slots that the caller of `Machine::new` has
// promised to keep valid and to leave alone during a step; nothing in it depends on the thread.
unsafe impl Send for Machine {}

/// One run.
#[derive(Clone, Copy, Debug)]
struct Item {
    function: KernelFn,
    pointers: *const *mut u8,
    extent: u64,
    by: u64,
    /// Chunks to spread, or 0 for one thread.
    chunks: usize,
    /// Iterations of a call by one thread.
    alone: u64,
}

/// Items that are repeated.
#[derive(Clone, Debug)]
struct Loop {
    items: Range<usize>,
    turns: u64,
    /// Number of the first loop that does not lie in it.
    next: usize,
    moves: Vec<Move>,
}

/// A pointer that follows the turns.
#[derive(Clone, Copy, Debug)]
struct Move {
    /// Its place in the table.
    at: usize,
    /// Bytes to where the first turn has it.
    start: isize,
    /// Bytes from turn to turn.
    step: isize,
}

/// An f32 output of a run.
#[derive(Clone, Debug)]
struct Write {
    /// Place of its pointer in the table.
    at: usize,
    words: usize,
    /// The buffer's first word.
    start: *mut u32,
    buffer: BufferId,
    name: String,
}

/// Where a value that is infinite or not a number appeared.
#[derive(Clone, Debug, PartialEq)]
pub struct NonFinite<'a> {
    /// Index into the program's runs.
    pub run: usize,
    /// How many executions of that run went before in this step: its turn, if it stands in one loop.
    pub before: u64,
    /// The kernel's name.
    pub kernel: &'a str,
    /// The buffer it was written to.
    pub buffer: BufferId,
    /// That buffer's name.
    pub name: &'a str,
    /// Index of the first such element, flat, from the buffer's start.
    pub element: usize,
    /// The value.
    pub value: f32,
}

impl Machine {
    /// Loads a program: `functions` by [`crate::loops::ir::KernelId`], `slots` by [`crate::ir::SlotId`], and
    /// `temp_bytes` of memory for temporaries. An error is a mistake of the compiler, in words.
    ///
    /// # Safety
    /// Each function must be the compiled form of the kernel with its number, and stay loaded as long as the
    /// machine lives. So must the slots, with the sizes and types of the program's buffers, aligned to 64 bytes,
    /// and nobody else may use them during a step.
    pub unsafe fn new(
        program: &Program,
        functions: &[KernelFn],
        slots: &[*mut u8],
        pool: &Pool,
        temp_bytes: usize,
    ) -> Result<Self, String> {
        if functions.len() != program.kernels.len() {
            return Err(format!("{} kernels, but {} functions", program.kernels.len(), functions.len()));
        }
        let temporaries = Arena::zeroed(temp_bytes);
        let constants = lay_out_constants(&program.buffers);
        let addresses = addresses(&program.buffers, slots, &temporaries, &constants)?;
        let pointers = pointer_table(program, &addresses)?;
        let (contexts, scratch, fault) = contexts(pool.threads());
        let mut machine = Machine {
            items: Vec::with_capacity(program.runs.len()),
            loops: loops(program),
            at_rest: pointers.clone(),
            table: pointers,
            contexts,
            writes: Vec::with_capacity(program.runs.len()),
            names: program.runs.iter().map(|run| program.kernels[run.kernel.index()].name.clone()).collect(),
            figures: figures(program, &addresses)?,
            pool: pool.clone(),
            fault,
            _memory: [temporaries, constants, scratch],
        };
        machine.load_runs(program, functions, &addresses);
        Ok(machine)
    }

    /// Runs the program once.
    pub fn step(&mut self) {
        if self.loops.is_empty() {
            self.items.iter().for_each(|item| self.run_item(item));
            return;
        }
        let _ = self.walk(&mut |machine, at| {
            machine.run_item(&machine.items[at]);
            ControlFlow::Continue(())
        });
    }

    /// As [`Machine::step`], and adds the nanoseconds of each run to `times` (as long as the program's runs).
    pub fn step_timed(&mut self, times: &mut [u64]) {
        let _ = self.walk(&mut |machine, at| {
            let start = Instant::now();
            machine.run_item(&machine.items[at]);
            if let Some(time) = times.get_mut(at) {
                *time += start.elapsed().as_nanos() as u64;
            }
            ControlFlow::Continue(())
        });
    }

    /// As [`Machine::step`], and after each run reports the first element of each f32 output that is not finite.
    /// Infinities may be meant (masks), so `report` decides whether to go on.
    pub fn run_checked(&mut self, report: &mut dyn FnMut(NonFinite<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut executed = vec![0; self.items.len()];
        self.walk(&mut |machine, run| {
            machine.run_item(&machine.items[run]);
            executed[run] += 1;
            machine.check_writes(run, executed[run] - 1, report)
        })
    }

    fn check_writes(
        &self,
        run: usize,
        before: u64,
        report: &mut dyn FnMut(NonFinite<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for write in &self.writes[run] {
            let start: *mut u32 = self.table[write.at].cast();
            // SAFETY: the memory was checked at load to lie inside its buffer in every turn, and no kernel runs now.
            let words = unsafe { std::slice::from_raw_parts(start, write.words) };
            let Some(at) = words.iter().position(|&word| !f32::from_bits(word).is_finite()) else { continue };
            report(NonFinite {
                run,
                before,
                kernel: &self.names[run],
                buffer: write.buffer,
                name: &write.name,
                element: (start as usize - write.start as usize) / 4 + at,
                value: f32::from_bits(words[at]),
            })?;
        }
        ControlFlow::Continue(())
    }

    /// Visits the items in order, loops turn by turn, with the pointers of each turn.
    fn walk(&mut self, visit: &mut dyn FnMut(&Self, usize) -> ControlFlow<()>) -> ControlFlow<()> {
        let flow = self.walk_range(0..self.items.len(), 0..self.loops.len(), visit);
        if flow.is_break() {
            self.table.copy_from_slice(&self.at_rest);
        }
        flow
    }

    fn walk_range(
        &mut self,
        items: Range<usize>,
        loops: Range<usize>,
        visit: &mut dyn FnMut(&Self, usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (mut at, mut next) = (items.start, loops.start);
        while at < items.end {
            let until = if next < loops.end { self.loops[next].items.start } else { items.end };
            while at < until {
                visit(self, at)?;
                at += 1;
            }
            if at < items.end {
                let inside = next + 1..self.loops[next].next;
                self.walk_loop(next, inside.clone(), visit)?;
                (at, next) = (self.loops[next].items.end, inside.end);
            }
        }
        ControlFlow::Continue(())
    }

    fn walk_loop(
        &mut self,
        number: usize,
        inside: Range<usize>,
        visit: &mut dyn FnMut(&Self, usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (items, turns) = (self.loops[number].items.clone(), self.loops[number].turns);
        let (loops, table) = (&self.loops, &mut self.table);
        loops[number].moves.iter().for_each(|one| table[one.at] = table[one.at].wrapping_offset(one.start));
        for _ in 0..turns {
            self.walk_range(items.clone(), inside.clone(), visit)?;
            let (loops, table) = (&self.loops, &mut self.table);
            loops[number].moves.iter().for_each(|one| table[one.at] = table[one.at].wrapping_offset(one.step));
        }
        let (loops, table) = (&self.loops, &mut self.table);
        for one in &loops[number].moves {
            table[one.at] = table[one.at].wrapping_offset(-one.start - one.step * turns as isize);
        }
        ControlFlow::Continue(())
    }

    /// The words of a figure, by its index in the program, as the last step left them.
    pub fn figure(&self, index: usize) -> &[u32] {
        let Memory { start, words } = self.figures[index];
        // SAFETY: checked at load; kernels run only under `&mut self`.
        unsafe { std::slice::from_raw_parts(start, words) }
    }

    /// The first element of a figure as f32: the value of a scalar one.
    pub fn figure_f32(&self, index: usize) -> f32 {
        f32::from_bits(self.figure(index)[0])
    }

    /// Whether an index was clamped or an integer divided by zero since the flag was cleared.
    pub fn fault(&self) -> bool {
        self.fault.load(Ordering::Relaxed) != 0
    }

    /// Clears the flag.
    pub fn clear_fault(&mut self) {
        self.fault.store(0, Ordering::Relaxed);
    }

    /// For each run, the number of chunks it is spread over threads in, 0 if it is one call.
    pub fn spread(&self) -> impl Iterator<Item = usize> {
        self.items.iter().map(|item| item.chunks)
    }

    #[inline]
    fn run_item(&self, item: &Item) {
        if item.chunks == 0 {
            let mut lo = 0;
            loop {
                let hi = (lo + item.alone).min(item.extent);
                // SAFETY: by the contract of `new` the function belongs to these pointers; the context is thread 0's.
                unsafe { (item.function)(item.pointers, self.contexts.as_ptr(), lo, hi) }
                lo = hi;
                if lo >= item.extent {
                    break;
                }
            }
        } else {
            let region = Region { item, contexts: self.contexts.as_ptr() };
            self.pool.run(item.chunks, &|chunk, thread| region.run(chunk, thread));
        }
    }

    fn load_runs(&mut self, program: &Program, functions: &[KernelFn], addresses: &[Memory]) {
        let mut pointers = self.table.as_ptr();
        let mut place = 0;
        for run in &program.runs {
            let kernel = &program.kernels[run.kernel.index()];
            let (extent, by) = kernel.par.map_or((0, 0), |par| (par.extent, par.by));
            self.items.push(Item {
                function: functions[run.kernel.index()],
                pointers,
                extent,
                by,
                chunks: chunks(kernel, self.pool.threads()),
                alone: if keeps_near(kernel) { by } else { extent },
            });
            // SAFETY: the table has one pointer for each argument of each run, in order.
            pointers = unsafe { pointers.add(run.args.len()) };
            let outputs =
                kernel.params.iter().zip(&run.args).enumerate().filter(|(_, (param, _))| {
                    param.dtype == DType::F32 && matches!(param.mode, Mode::Out | Mode::InOut)
                });
            let writes = outputs.map(|(number, (param, arg))| {
                let memory = addresses[arg.buffer.index()];
                Write {
                    at: place + number,
                    words: param.len.min(memory.words - arg.offset.min(memory.words)),
                    start: memory.start,
                    buffer: arg.buffer,
                    name: program.buffers[arg.buffer.index()].name.clone(),
                }
            });
            self.writes.push(writes.collect());
            place += run.args.len();
        }
    }
}

/// The loops, with what moves in each.
fn loops(program: &Program) -> Vec<Loop> {
    let mut places = vec![0];
    program.runs.iter().for_each(|run| places.push(places[places.len() - 1] + run.args.len()));
    let lower = |number: usize| {
        let found = program.loops[number];
        let depth = program.around(found.first).position(|(other, _)| other == number).unwrap_or(0);
        let mut moves = Vec::new();
        for run in found.range() {
            for (number, arg) in program.runs[run].args.iter().enumerate() {
                let stride = arg.stride(depth) as isize * 4;
                let start = if found.reverse { stride * (found.turns as isize - 1) } else { 0 };
                let step = if found.reverse { -stride } else { stride };
                if stride != 0 {
                    moves.push(Move { at: places[run] + number, start, step });
                }
            }
        }
        let after = program.loops[number + 1..].iter().position(|other| other.first >= found.end);
        let next = after.map_or(program.loops.len(), |after| number + 1 + after);
        Loop { items: found.range(), turns: found.turns, next, moves }
    };
    (0..program.loops.len()).map(lower).collect()
}

/// A run that is being spread: what the threads share.
struct Region<'a> {
    item: &'a Item,
    contexts: *const Ctx,
}

// SAFETY: the kernel's iterations are independent (the verifier's promise), and each thread takes its own context.
unsafe impl Sync for Region<'_> {}

impl Region<'_> {
    fn run(&self, chunk: usize, thread: usize) {
        let lo = chunk as u64 * self.item.by;
        let hi = (lo + self.item.by).min(self.item.extent);
        // SAFETY: as in `run_item`; there are as many contexts as threads in the pool.
        unsafe { (self.item.function)(self.item.pointers, self.contexts.add(thread), lo, hi) }
    }
}

/// How many chunks a kernel is spread in; 0 if it is not worth it.
fn chunks(kernel: &Kernel, threads: usize) -> usize {
    let Some(par) = kernel.par else { return 0 };
    let chunks = par.extent.div_ceil(par.by.max(1)) as usize;
    if threads < 2 || chunks < 2 || par.by == 0 || kernel.cost.nanoseconds() < WORTH_SPREADING { 0 } else { chunks }
}

/// Whether one thread does better in chunks too: what a convolution wrote is read again while it is still near.
fn keeps_near(kernel: &Kernel) -> bool {
    kernel.par.is_some() && kernel.body.len() > 1 && kernel.body.iter().any(|stmt| matches!(stmt, Stmt::Conv(_)))
}

/// A context for each thread, the memory they point to, and the fault flag.
fn contexts(threads: usize) -> (Box<[Ctx]>, Arena, Box<AtomicU32>) {
    let fault = Box::new(AtomicU32::new(0));
    let per_thread = SCRATCH_BYTES + PACK_BYTES;
    let memory = Arena::scratch(threads * per_thread);
    let kernels = kernels::table();
    let contexts = (0..threads)
        .map(|thread| {
            // SAFETY: the arena holds `threads` times both.
            let scratch = unsafe { memory.start().add(thread * per_thread) };
            Ctx {
                gemm: kernels.gemm,
                conv: kernels.conv,
                fill: kernels.fill,
                sort: kernels.sort,
                transpose: kernels.transpose,
                scratch,
                // SAFETY: as above.
                pack: unsafe { scratch.add(SCRATCH_BYTES) },
                fault: fault.as_ptr(),
            }
        })
        .collect();
    (contexts, memory, fault)
}
