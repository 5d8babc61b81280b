//! The first values of a program: what its slots hold when an action begins.
//!
//! In: a typed program and an engine. Out: memory in which everything that is
//! given its value before an action has it (loaded files and training left out),
//! and the first rows of its data, for listings with values and for timings.
//! Invariant: nothing is printed and no file is written.

use std::collections::HashMap;
use std::rc::Rc;

use crate::check::typed::{self, ActionKind, DataId, Program};
use crate::ir::interpret::Array;
use crate::ir::{DType, Graph, Type};
use crate::lower::{self, Request, path};
use crate::train::columns::{self, Dataset};
use crate::train::data::fill_column;
use crate::train::engine::{Engine, Executable, Memory};
use crate::train::evaluate::{Rows, prepare};
use crate::train::session;

/// A program's memory, not run.
pub struct Preview<'a> {
    program: &'a Program,
    engine: Box<dyn Engine>,
    /// All slots.
    pub memory: Memory,
    sets: HashMap<DataId, Rc<Dataset>>,
}

impl<'a> Preview<'a> {
    /// All slots zero.
    pub fn new(program: &'a Program, engine: Box<dyn Engine>) -> Self {
        Preview { program, engine, memory: session::memory(program), sets: HashMap::new() }
    }

    /// Gives first values to what has them before an action.
    ///
    /// # Errors
    /// A data set cannot be read, or a fault of ours.
    pub fn advance(&mut self, action: usize) -> Result<(), String> {
        for action in &self.program.actions[..action] {
            let ActionKind::Set { slots, eval } = &action.kind else { continue };
            self.set_scalars(eval.seed, 0);
            if let Some((part, atom)) = &eval.on {
                let set = self.set(part.data)?;
                let rows = set.rows(&part.name).unwrap_or_default().into();
                let rows = Rows { set, rows, atom: *atom, by: part.by };
                let (engine, memory) = (self.engine.as_mut(), &mut self.memory);
                let mut prepared = prepare(self.program, engine, memory, &eval.outputs, Some(rows), "values")?;
                prepared.run(memory)?;
                for (slot, value) in slots.iter().zip(prepared.values()) {
                    memory.main_mut().words_mut(slot.index()).copy_from_slice(&value.words);
                }
                continue;
            }
            let writes = slots.iter().copied().zip(eval.outputs.iter().copied()).collect();
            let graph = lower::lower(self.program, &Request { writes, ..Request::default() })?;
            self.engine.compile("values", graph, &mut self.memory)?.step(&mut self.memory)?;
        }
        Ok(())
    }

    /// Compiles a graph into this memory.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn compile(&mut self, name: &str, graph: Graph) -> Result<Box<dyn Executable>, String> {
        self.engine.compile(name, graph, &mut self.memory)
    }

    /// Loads the first rows of a part into the columns of an executable.
    ///
    /// # Errors
    /// The data set cannot be read, or has too few rows.
    pub fn fill(&mut self, executable: &dyn Executable, part: &typed::Part) -> Result<(), String> {
        let set = self.set(part.data)?;
        let rows = set.rows(&part.name).unwrap_or_default();
        for binding in executable.bindings() {
            let Some(name) = binding.path.strip_prefix(path::COLUMN) else { continue };
            let (column, rows) = column_rows(&set, name, rows, binding.ty.shape.first().copied().unwrap_or(0))?;
            fill_column(column, rows, self.memory.words_mut(binding.place));
        }
        Ok(())
    }

    /// A value for each slot of a graph: as it is now, columns from the first rows of a part.
    ///
    /// # Errors
    /// The data set cannot be read, or a fault of ours.
    pub fn inputs(&mut self, graph: &Graph, part: Option<&typed::Part>) -> Result<Vec<Array<f32>>, String> {
        graph
            .slots
            .iter()
            .map(|slot| {
                let words = match (slot.path.strip_prefix(path::COLUMN), part) {
                    (Some(name), Some(part)) => {
                        let set = self.set(part.data)?;
                        let rows = set.rows(&part.name).unwrap_or_default();
                        let (column, rows) =
                            column_rows(&set, name, rows, slot.ty.shape.first().copied().unwrap_or(0))?;
                        let mut words = vec![0; slot.ty.len()];
                        fill_column(column, rows, &mut words);
                        words
                    }
                    _ => {
                        let at =
                            self.memory.main().find(&slot.path).ok_or_else(|| format!("{} has no value", slot.path))?;
                        self.memory.main().words(at).to_vec()
                    }
                };
                Ok(array(&slot.ty, &words))
            })
            .collect()
    }

    /// The seed, and the clock at the start of a step.
    pub fn set_scalars(&mut self, seed: i64, step: u32) {
        for (name, word) in [(path::SEED, seed as u32), (path::STEP, step), (path::TURN, 0)] {
            if let Some(at) = self.memory.main().find(name) {
                self.memory.main_mut().words_mut(at)[0] = word;
            }
        }
    }

    /// Sets the clock of a train: all steps to come, none done.
    pub fn set_clock(&mut self, steps: u64, epochs: u64) {
        for (name, value) in [(path::CLOCK[1], steps), (path::CLOCK[3], epochs)] {
            if let Some(at) = self.memory.main().find(name) {
                self.memory.main_mut().words_mut(at)[0] = (value as f32).to_bits();
            }
        }
    }

    fn set(&mut self, id: DataId) -> Result<Rc<Dataset>, String> {
        if let Some(set) = self.sets.get(&id) {
            return Ok(Rc::clone(set));
        }
        let declared = &self.program.data[id.index()];
        let set = Rc::new(columns::load(self.program, declared, declared.seed).map_err(|error| error.to_string())?);
        self.sets.insert(id, Rc::clone(&set));
        Ok(set)
    }
}

fn column_rows<'s>(
    set: &'s Dataset,
    name: &str,
    rows: &'s [u32],
    count: usize,
) -> Result<(&'s crate::train::data::Column, &'s [u32]), String> {
    let column = set.columns.iter().find(|column| column.name == name);
    let column = column.ok_or_else(|| format!("there is no column {name}"))?;
    let rows = rows.get(..count).ok_or_else(|| format!("{count} rows are wanted, there are {}", rows.len()))?;
    Ok((column, rows))
}

fn array(ty: &Type, words: &[u32]) -> Array<f32> {
    match ty.dtype {
        DType::F32 => Array::floats(&ty.shape, words.iter().map(|&word| f32::from_bits(word)).collect()),
        DType::I32 => Array::ints(&ty.shape, words.iter().map(|&word| word as i32).collect()),
        DType::Bool => Array::bools(&ty.shape, words.iter().map(|&word| word != 0).collect()),
    }
}
