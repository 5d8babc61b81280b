//! The compiling engine.
//!
//! In: an optimised graph. Out: an [`Executable`] of machine code: fused into
//! loops, transcendentals expanded, kernels compiled, slots bound to the run's
//! memory. The code lives as long as the executable.

use super::interpreter::find_not_finite;
use super::{Binding, Engine, Executable, Memory, NotFinite};
use crate::ir::{Graph, Type};
use crate::jit::{self, Module};
use crate::loops::ir::{KernelId, Place, Program};
use crate::loops::{self, math, verify};
use crate::runtime::{Machine, Pool};
use crate::train::report::RunOptions;

/// Compiles graphs to machine code.
#[derive(Debug)]
pub struct Jit {
    pool: Pool,
    verify: bool,
    compile: jit::Options,
}

impl Jit {
    /// With threads as asked.
    pub fn new(options: &RunOptions) -> Self {
        let threads = options.threads.max(1);
        let compile = jit::Options { threads, ..jit::Options::default() };
        Jit { pool: Pool::new(threads), verify: options.verify, compile }
    }
}

impl Engine for Jit {
    fn compile(&mut self, name: &str, graph: Graph, memory: &mut Memory) -> Result<Box<dyn Executable>, String> {
        let mut program = loops::lower(&graph, &loops::Options::default())?;
        program.name = name.to_string();
        // Before the expansion: the limit on a kernel's statements is of what fusion makes.
        if self.verify {
            verify::verify(&program)?;
        }
        program.kernels.iter_mut().for_each(math::expand);
        let module = jit::compile(&program.kernels, &self.compile).map_err(|error| error.to_string())?;
        let bindings = memory.bind(&graph)?;
        let machine = load(&program, &module, &bindings, memory, &self.pool)?;
        let figure_types = program
            .figures
            .iter()
            .map(|(_, buffer)| &program.buffers[buffer.index()])
            .map(|buffer| Type::new(buffer.dtype, buffer.shape.clone()))
            .collect();
        Ok(Box::new(Compiled { machine, _module: module, graph, bindings, figure_types }))
    }
}

/// Machine code bound to memory. The machine comes first, so it is gone before its code is.
struct Compiled {
    machine: Machine,
    _module: Module,
    graph: Graph,
    bindings: Vec<Binding>,
    figure_types: Vec<Type>,
}

fn load(
    program: &Program,
    module: &Module,
    bindings: &[Binding],
    memory: &Memory,
    pool: &Pool,
) -> Result<Machine, String> {
    let functions: Vec<_> = (0..program.kernels.len()).map(|at| module.function(KernelId(at as u32))).collect();
    let slots: Vec<*mut u8> = bindings.iter().map(|binding| memory.pointer(binding.place)).collect();
    // SAFETY: the functions are those of the program's kernels and are kept by `Compiled`; the slots have the types
    // that `Memory::bind` compared, lie in stores that a run releases only after its executables, and a step borrows
    // the memory exclusively.
    unsafe { Machine::new(program, &functions, &slots, pool, temporary_bytes(program)) }
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
        find_not_finite(&self.graph, &self.bindings, memory)
    }

    fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    fn figure_types(&self) -> &[Type] {
        &self.figure_types
    }
}
