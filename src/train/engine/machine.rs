//! The compiling engine.
//!
//! In: a graph. Out: an [`Executable`] of machine code: optimised, fused into
//! loops, transcendentals expanded, kernels compiled, slots bound to the run's
//! memory. What was compiled once is found again by the structure of its graph,
//! so the turns of a loop over a file's statements are compiled once. The code
//! lives as long as the engine or an executable made of it.

use std::collections::HashMap;
use std::rc::Rc;

use super::interpreter::{find_misstep, find_not_finite};
use super::{Binding, Engine, Executable, Memory, NotFinite, optimised};
use crate::ir::canonical::{Canonical, Key, canonical};
use crate::ir::interpret::misstep::Misstep;
use crate::ir::{Graph, SlotId, Type};
use crate::jit::{self, Module};
use crate::loops::ir::{KernelId, Place, Program};
use crate::loops::{self, math, verify};
use crate::opt;
use crate::runtime::{Machine, Pool};
use crate::train::report::RunOptions;

/// Compiles graphs to machine code.
#[derive(Debug)]
pub struct Jit {
    pool: Pool,
    verify: bool,
    compile: jit::Options,
    /// By structure, for this machine: what the engine compiled so far.
    compiled: HashMap<Key, Rc<Code>>,
}

/// A program's machine code, not bound to memory yet.
struct Code {
    program: Program,
    module: Module,
    figure_types: Vec<Type>,
    /// The program's slots in the order in which any graph of its structure meets its own.
    slots: Vec<SlotId>,
    /// How many slots it numbers, those it does not use included.
    slot_count: usize,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Code({})", self.program.name)
    }
}

impl Jit {
    /// With threads as asked.
    pub fn new(options: &RunOptions) -> Self {
        let threads = options.threads.max(1);
        let compile = jit::Options { threads, ..jit::Options::default() };
        Jit { pool: Pool::new(threads), verify: options.verify, compile, compiled: HashMap::new() }
    }

    /// The code of a graph, from an earlier one of its structure if there is one.
    fn code(&mut self, name: &str, graph: &Graph, found: &Canonical) -> Result<Rc<Code>, String> {
        if let Some(code) = self.compiled.get(&found.key) {
            return Ok(Rc::clone(code));
        }
        let graph = optimised(graph.clone(), self.verify)?;
        let mut program = loops::lower(&graph, &loops::Options::default())?;
        program.name = name.to_string();
        // Before the expansion: the limit on a kernel's statements is of what fusion makes.
        if self.verify {
            verify::verify(&program).map_err(|reason| format!("after fuse: {reason}"))?;
        }
        program.kernels.iter_mut().for_each(math::expand);
        let module = jit::compile(&program.kernels, &self.compile).map_err(|error| error.to_string())?;
        let figures = program.figures.iter();
        let figure_types = figures
            .map(|figure| Type::new(program.buffers[figure.buffer.index()].dtype, figure.shape.clone()))
            .collect();
        let code =
            Rc::new(Code { program, module, figure_types, slots: found.slots.clone(), slot_count: graph.slots.len() });
        self.compiled.insert(found.key, Rc::clone(&code));
        Ok(code)
    }
}

impl Engine for Jit {
    fn compile(&mut self, name: &str, graph: Graph, memory: &mut Memory) -> Result<Box<dyn Executable>, String> {
        let found = canonical(&graph);
        let code = self.code(name, &graph, &found)?;
        let bindings = memory.bind(&graph)?;
        let slots = places(&code, &found, &bindings, memory);
        let machine = load(&code, &slots, &self.pool)?;
        Ok(Box::new(Compiled { machine, code, graph, bindings }))
    }

    fn compilations(&self) -> u64 {
        self.compiled.len() as u64
    }
}

/// Where the slots of the code lie, by its own numbers, for a graph of its structure.
fn places(code: &Code, found: &Canonical, bindings: &[Binding], memory: &Memory) -> Vec<*mut u8> {
    let mut places = vec![std::ptr::null_mut(); code.slot_count];
    for (theirs, ours) in code.slots.iter().zip(&found.slots) {
        places[theirs.index()] = memory.pointer(bindings[ours.index()].place);
    }
    places
}

/// Machine code bound to memory. The machine comes first, so it is gone before its code is.
struct Compiled {
    machine: Machine,
    code: Rc<Code>,
    /// As it was lowered, with this program's own places in the text.
    graph: Graph,
    bindings: Vec<Binding>,
}

fn load(code: &Code, slots: &[*mut u8], pool: &Pool) -> Result<Machine, String> {
    let (program, module) = (&code.program, &code.module);
    let functions: Vec<_> = (0..program.kernels.len()).map(|at| module.function(KernelId(at as u32))).collect();
    // SAFETY: the functions are those of the program's kernels and are kept by `Compiled`; the slots have the types
    // of the program's, since structures agree and `Memory::bind` compared them, lie in stores that a run releases
    // only after its executables, and a step borrows the memory exclusively.
    unsafe { Machine::new(program, &functions, slots, pool, temporary_bytes(program)) }
}

/// The size of the arena: the end of the last temporary.
fn temporary_bytes(program: &Program) -> usize {
    let end = |buffer: &loops::ir::Buffer| match buffer.place {
        Place::Temporary { offset } => offset + (buffer.len() * 4).next_multiple_of(64),
        Place::Slot(_) | Place::Constant(_) => 0,
    };
    program.buffers.iter().map(end).max().unwrap_or(0)
}

impl Executable for Compiled {
    fn step(&mut self, _memory: &mut Memory) -> Result<(), String> {
        self.machine.step();
        Ok(())
    }

    fn step_timed(&mut self, _memory: &mut Memory, times: &mut [u64]) -> Result<(), String> {
        self.machine.step_timed(times);
        Ok(())
    }

    fn figure(&self, at: usize) -> &[u32] {
        self.machine.figure(at)
    }

    fn find_not_finite(&self, memory: &Memory) -> Result<Option<NotFinite>, String> {
        // What runs is the optimised graph, so that is what is looked through; it is made again only here.
        find_not_finite(&opt::run(self.graph.clone()), &self.bindings, memory)
    }

    fn take_fault(&mut self) -> bool {
        let fault = self.machine.fault();
        if fault {
            self.machine.clear_fault();
        }
        fault
    }

    fn find_misstep(&self, memory: &Memory) -> Result<Option<Misstep>, String> {
        find_misstep(&self.graph, &self.bindings, memory)
    }

    fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    fn figure_types(&self) -> &[Type] {
        &self.code.figure_types
    }
}
