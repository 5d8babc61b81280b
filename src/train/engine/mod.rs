//! Engines: what runs a graph, and the memory that all programs of a run share.
//!
//! In: a graph. Out: an [`Executable`] whose inputs and written slots lie in the
//! run's [`Memory`], so nothing is copied between the programs of a run: slots
//! of the typed program and scalars are in one store, a program's own columns
//! and fronts in a store of its own. Invariant: a step allocates nothing (but in
//! the reference interpreter, which is not for speed).

mod interpreter;
mod machine;

use crate::ir::interpret::misstep::Misstep;
use crate::ir::{Graph, Type};
use crate::opt;
use crate::runtime::Store;

pub use interpreter::Interpreter;
pub use machine::Jit;

/// Which engine runs the programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// Machine code.
    #[default]
    Jit,
    /// The graph's reference interpreter, in f32.
    Interpreter,
}

/// Makes graphs executable.
pub trait Engine {
    /// Compiles a graph as it was lowered, under a name for listings. Slots that the main store lacks get a store of
    /// their own.
    ///
    /// # Errors
    /// An internal error, or a limit of the machine.
    fn compile(&mut self, name: &str, graph: Graph, memory: &mut Memory) -> Result<Box<dyn Executable>, String>;

    /// How many programs were compiled so far: of several of the same structure only the first is.
    fn compilations(&self) -> u64;
}

/// A compiled graph, bound to the memory it was compiled for.
pub trait Executable {
    /// Computes everything once: reads its slots, writes its slots and figures.
    ///
    /// # Errors
    /// An internal error.
    fn step(&mut self, memory: &mut Memory) -> Result<(), String>;

    /// As [`Executable::step`], and adds the nanoseconds of each run to `times`, in the order of the loops program.
    ///
    /// # Errors
    /// An internal error, or the engine has no kernels.
    fn step_timed(&mut self, memory: &mut Memory, times: &mut [u64]) -> Result<(), String>;

    /// The words of a figure, by its number among the graph's figures; undefined before the first step.
    fn figure(&self, at: usize) -> &[u32];

    /// The first operation, in order, that gives something not finite for the values the slots hold now: its origin,
    /// what it is, and the ranges of its operands. Changes no memory.
    ///
    /// # Errors
    /// An internal error.
    fn find_not_finite(&self, memory: &Memory) -> Result<Option<NotFinite>, String>;

    /// Whether an index was outside of its axis, or a whole number divided by zero, since this was last asked.
    fn take_fault(&mut self) -> bool;

    /// The first such operation for the values the slots hold now, if an output depends on it. Changes no memory.
    ///
    /// # Errors
    /// An internal error.
    fn find_misstep(&self, memory: &Memory) -> Result<Option<Misstep>, String>;

    /// What the graph reads and writes, with its place.
    fn bindings(&self) -> &[Binding];

    /// The types of the figures.
    fn figure_types(&self) -> &[Type];

    /// The place of a slot by its path.
    fn place(&self, path: &str) -> Option<Place> {
        self.bindings().iter().find(|binding| binding.path == path).map(|binding| binding.place)
    }
}

/// An operation whose result is not finite although its operands are.
#[derive(Clone, Debug, PartialEq)]
pub struct NotFinite {
    /// The expression.
    pub span: crate::source::Span,
    /// The operation's name.
    pub operation: String,
    /// `from .. to` of each operand.
    pub operands: Vec<(f64, f64)>,
}

/// Where a slot of a graph lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The slot's path.
    pub path: String,
    /// Its type.
    pub ty: Type,
    /// Its place.
    pub place: Place,
}

/// A slot of one of the stores of a [`Memory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    store: u32,
    slot: u32,
}

impl Place {
    /// A slot of the main store.
    pub fn main(slot: usize) -> Self {
        Place { store: 0, slot: slot as u32 }
    }
}

/// All memory that programs of a run share.
#[derive(Debug)]
pub struct Memory {
    /// The main store, then one for each program that has columns or fronts.
    stores: Vec<Option<Store>>,
}

impl Memory {
    /// The main store with these slots; all zero.
    pub fn new(slots: &[(String, Type)]) -> Self {
        Memory { stores: vec![Some(Store::new(slots))] }
    }

    /// The slots of the whole run.
    pub fn main(&self) -> &Store {
        self.stores[0].as_ref().expect("the main store is never released")
    }

    /// The slots of the whole run, to be written.
    pub fn main_mut(&mut self) -> &mut Store {
        self.stores[0].as_mut().expect("the main store is never released")
    }

    /// The words of a place.
    pub fn words(&self, place: Place) -> &[u32] {
        self.store(place).words(place.slot as usize)
    }

    /// The words of a place, to be written.
    pub fn words_mut(&mut self, place: Place) -> &mut [u32] {
        let store = self.stores[place.store as usize].as_mut();
        store.expect("a program's store lives as long as the program").words_mut(place.slot as usize)
    }

    /// The address of a place, for the machine.
    pub(crate) fn pointer(&self, place: Place) -> *mut u8 {
        self.store(place).pointer(place.slot as usize)
    }

    /// Places for all slots of a graph: in the main store by path, the others in a new store.
    fn bind(&mut self, graph: &Graph) -> Result<Vec<Binding>, String> {
        let own: Vec<(String, Type)> = graph
            .slots
            .iter()
            .filter(|slot| self.main().find(&slot.path).is_none())
            .map(|slot| (slot.path.clone(), slot.ty.clone()))
            .collect();
        let number = self.stores.len();
        let store = Store::new(&own);
        let mut bindings = Vec::with_capacity(graph.slots.len());
        for slot in &graph.slots {
            let place = match (self.main().find(&slot.path), store.find(&slot.path)) {
                (Some(at), _) => Place::main(at),
                (None, Some(at)) => Place { store: number as u32, slot: at as u32 },
                (None, None) => return Err(format!("{} has no place", slot.path)),
            };
            if place.store == 0 && self.main().slots()[place.slot as usize].ty != slot.ty {
                return Err(format!("{} is {} here and another type in the run", slot.path, slot.ty));
            }
            bindings.push(Binding { path: slot.path.clone(), ty: slot.ty.clone(), place });
        }
        self.stores.push(Some(store));
        Ok(bindings)
    }

    /// Gives back the memory of programs that were compiled since there were `count` stores.
    pub fn release_from(&mut self, count: usize) {
        self.stores[count.max(1)..].iter_mut().for_each(|store| *store = None);
    }

    /// The number of stores ever made; see [`Memory::release_from`].
    pub fn count(&self) -> usize {
        self.stores.len()
    }

    fn store(&self, place: Place) -> &Store {
        self.stores[place.store as usize].as_ref().expect("a program's store lives as long as the program")
    }
}

/// The passes over a lowered graph; with `verify` each is followed by the verifier.
fn optimised(graph: Graph, verify: bool) -> Result<Graph, String> {
    if verify { opt::run_verified(graph) } else { Ok(opt::run(graph)) }
}
