//! Something computed once: whole, or on a part through its row-wise front.
//!
//! In: nodes, and the part whose rows are at hand. Out: their values. A part of
//! more than [`CHUNK`] rows is never at hand whole: the front of the row rule is
//! computed for `CHUNK` rows at a time (the last chunk filled up with its last
//! row, whose results are thrown away), joined, and the rest computed once.

use std::rc::Rc;

use super::columns::Dataset;
use super::data::fill_column;
use super::engine::{Engine, Executable, Memory, Place};
use super::value::Value;
use crate::check::dims::AtomId;
use crate::check::rows;
use crate::check::typed::{NodeId, Program};
use crate::lower::{self, Request, path};

/// Rows that a front is compiled for.
pub const CHUNK: usize = 256;

/// The rows at hand.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The data set.
    pub set: Rc<Dataset>,
    /// Which of its rows.
    pub rows: Rc<[u32]>,
    /// The open size they give a number.
    pub atom: AtomId,
}

/// Nodes compiled, with the rows they are computed on.
pub struct Prepared {
    front: Option<Front>,
    main: Box<dyn Executable>,
}

struct Front {
    executable: Box<dyn Executable>,
    columns: Vec<(Place, usize)>,
    rows: Rows,
    /// Where each front goes, and how it is laid out.
    joins: Vec<(Place, Layout)>,
}

/// A tensor cut at its row axis: `outer` times rows times `inner`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// Elements before the row axis.
    pub outer: usize,
    /// Elements behind it.
    pub inner: usize,
}

impl Layout {
    /// Of a shape with this row axis.
    pub fn new(shape: &[usize], axis: usize) -> Self {
        Layout { outer: shape[..axis].iter().product(), inner: shape[axis + 1..].iter().product() }
    }

    /// Copies the first `count` of `from_rows` rows to row `at` of `to_rows`.
    pub fn join(self, from: &[u32], from_rows: usize, to: &mut [u32], to_rows: usize, at: usize, count: usize) {
        for outer in 0..self.outer {
            let (source, target) = (outer * from_rows * self.inner, (outer * to_rows + at) * self.inner);
            let length = count * self.inner;
            to[target..target + length].copy_from_slice(&from[source..source + length]);
        }
    }
}

/// Compiles nodes, to be computed on these rows.
///
/// # Errors
/// An internal error, or a limit of the machine.
pub fn prepare(
    program: &Program,
    engine: &mut dyn Engine,
    memory: &mut Memory,
    outputs: &[NodeId],
    rows: Option<Rows>,
    name: &str,
) -> Result<Prepared, String> {
    let Some(rows) = rows else {
        let main = engine.compile(name, lower::eval(program, outputs, None)?, memory)?;
        return Ok(Prepared { front: None, main });
    };
    if rows.rows.len() > CHUNK {
        return prepare_split(program, engine, memory, outputs, rows, name);
    }
    let graph = lower::eval(program, outputs, Some((rows.atom, rows.rows.len() as u64)))?;
    let main = engine.compile(name, graph, memory)?;
    for (place, column) in columns_of(main.as_ref(), &rows.set)? {
        fill_column(&rows.set.columns[column], &rows.rows, memory.words_mut(place));
    }
    Ok(Prepared { front: None, main })
}

fn prepare_split(
    program: &Program,
    engine: &mut dyn Engine,
    memory: &mut Memory,
    outputs: &[NodeId],
    rows: Rows,
    name: &str,
) -> Result<Prepared, String> {
    let split = rows::split(program, outputs, rows.atom);
    let count = rows.rows.len() as u64;
    let request = Request { given: split.fronts.clone(), ..Request::of_outputs(outputs, Some((rows.atom, count))) };
    let main = engine.compile(&format!("{name}, rest"), lower::lower(program, &request)?, memory)?;
    if split.fronts.is_empty() {
        return Ok(Prepared { front: None, main });
    }
    let graph = lower::eval(program, &split.fronts, Some((rows.atom, CHUNK as u64)))?;
    let executable = engine.compile(&format!("{name}, rows"), graph, memory)?;
    let columns = columns_of(executable.as_ref(), &rows.set)?;
    let mut joins = Vec::with_capacity(split.fronts.len());
    for (at, (ty, &axis)) in executable.figure_types().iter().zip(&split.axes).enumerate() {
        let place = main.place(&format!("{}{at}", path::FRONT)).ok_or("a front that the rest does not read")?;
        joins.push((place, Layout::new(&ty.shape, axis)));
    }
    Ok(Prepared { front: Some(Front { executable, columns, rows, joins }), main })
}

/// The places of a program's columns, with the numbers of the data set's columns.
///
/// # Errors
/// A column that the data set does not have: an internal error.
pub fn columns_of(executable: &dyn Executable, set: &Dataset) -> Result<Vec<(Place, usize)>, String> {
    let mut columns = Vec::new();
    for binding in executable.bindings() {
        if let Some(name) = binding.path.strip_prefix(path::COLUMN) {
            let at = set.columns.iter().position(|column| column.name == name);
            columns.push((binding.place, at.ok_or_else(|| format!("there is no column {name} at hand"))?));
        }
    }
    Ok(columns)
}

impl Prepared {
    /// Computes it for the present values of all slots; read the results with [`Prepared::figure`].
    ///
    /// # Errors
    /// An internal error.
    pub fn run(&mut self, memory: &mut Memory) -> Result<(), String> {
        if let Some(front) = &mut self.front {
            front.run(memory)?;
        }
        self.main.step(memory)
    }

    /// The words of an output.
    pub fn figure(&self, at: usize) -> &[u32] {
        self.main.figure(at)
    }

    /// All outputs, copied.
    pub fn values(&self) -> Vec<Value> {
        let types = self.main.figure_types().iter().enumerate();
        types.map(|(at, ty)| Value { ty: ty.clone(), words: self.main.figure(at).to_vec() }).collect()
    }
}

impl Front {
    fn run(&mut self, memory: &mut Memory) -> Result<(), String> {
        let total = self.rows.rows.len();
        let mut chunk = Vec::with_capacity(CHUNK);
        for start in (0..total).step_by(CHUNK) {
            let count = CHUNK.min(total - start);
            chunk.clear();
            chunk.extend_from_slice(&self.rows.rows[start..start + count]);
            chunk.resize(CHUNK, self.rows.rows[start + count - 1]);
            for &(place, column) in &self.columns {
                fill_column(&self.rows.set.columns[column], &chunk, memory.words_mut(place));
            }
            self.executable.step(memory)?;
            for (at, (place, layout)) in self.joins.iter().enumerate() {
                layout.join(self.executable.figure(at), CHUNK, memory.words_mut(*place), total, start, count);
            }
        }
        Ok(())
    }
}
