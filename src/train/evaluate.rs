//! Something computed once: whole, on a part through its row-wise front, or as
//! the average over chunks of a part.
//!
//! In: nodes, and the part whose rows are at hand. Out: their values. A part of
//! more than [`CHUNK`] rows is never at hand whole: the front of the row rule is
//! computed for `CHUNK` rows at a time (the last chunk filled up with its last
//! row, whose results are thrown away), joined, and the rest computed once.
//! Averages are of the values of chunks as large as the program says, each by
//! its rows: the last may have fewer.

use std::rc::Rc;

use super::columns::Dataset;
use super::data::fill_column;
use super::engine::{Engine, Executable, Memory, Place};
use super::value::Value;
use crate::check::dims::AtomId;
use crate::check::rows::{self, Split};
use crate::check::typed::{NodeId, Program};
use crate::ir::interpret::misstep::Misstep;
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
    /// So many at a time, the values averaged.
    pub by: Option<u64>,
}

/// Nodes compiled, with the rows they are computed on.
pub enum Prepared {
    /// With all rows at hand, or none.
    Whole(Whole),
    /// The average over chunks.
    Average(Average),
}

/// Nodes computed once, from fronts that are joined before.
pub struct Whole {
    front: Option<Front>,
    main: Box<dyn Executable>,
}

/// Nodes of f32 computed for chunks of rows, and averaged by them.
pub struct Average {
    rows: Rows,
    by: usize,
    /// For whole chunks, and for what is left behind them.
    chunks: Vec<Chunk>,
    values: Vec<Value>,
}

/// Nodes compiled for a number of rows.
struct Chunk {
    executable: Box<dyn Executable>,
    columns: Vec<(Place, usize)>,
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
        return Ok(Prepared::Whole(Whole { front: None, main }));
    };
    let count = rows.rows.len();
    if let Some(by) = rows.by.map(|by| usize::try_from(by).unwrap_or(count)).filter(|&by| by < count) {
        return Ok(Prepared::Average(Average::new(program, engine, memory, outputs, (rows, by), name)?));
    }
    if count > CHUNK {
        return Ok(Prepared::Whole(prepare_split(program, engine, memory, outputs, rows, name)?));
    }
    let Chunk { executable: main, columns } = Chunk::new(program, engine, memory, outputs, (&rows, count), name)?;
    for (place, column) in columns {
        fill_column(&rows.set.columns[column], &rows.rows, memory.words_mut(place));
    }
    Ok(Prepared::Whole(Whole { front: None, main }))
}

/// What is computed once from the fronts, which are given.
pub fn of_rest(outputs: &[NodeId], split: &Split, rows: (AtomId, u64)) -> Request {
    Request { given: split.fronts.clone(), ..Request::of_outputs(outputs, Some(rows)) }
}

fn prepare_split(
    program: &Program,
    engine: &mut dyn Engine,
    memory: &mut Memory,
    outputs: &[NodeId],
    rows: Rows,
    name: &str,
) -> Result<Whole, String> {
    let split = rows::split(program, outputs, rows.atom);
    let count = rows.rows.len() as u64;
    let request = of_rest(outputs, &split, (rows.atom, count));
    let main = engine.compile(&format!("{name}, rest"), lower::lower(program, &request)?, memory)?;
    if split.fronts.is_empty() {
        return Ok(Whole { front: None, main });
    }
    let Chunk { executable, columns } =
        Chunk::new(program, engine, memory, &split.fronts, (&rows, CHUNK), &format!("{name}, rows"))?;
    let mut joins = Vec::with_capacity(split.fronts.len());
    for (at, (ty, &axis)) in executable.figure_types().iter().zip(&split.axes).enumerate() {
        let place = main.place(&format!("{}{at}", path::FRONT)).ok_or("a front that the rest does not read")?;
        joins.push((place, Layout::new(&ty.shape, axis)));
    }
    Ok(Whole { front: Some(Front { executable, columns, rows, joins }), main })
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
    /// Computes it for the present values of all slots; read the results with [`Prepared::figure`]. Returns an operation
    /// without a value on which the results depend, if there is one.
    ///
    /// # Errors
    /// An internal error.
    pub fn run(&mut self, memory: &mut Memory) -> Result<Option<Misstep>, String> {
        match self {
            Prepared::Whole(whole) => {
                let front = match &mut whole.front {
                    Some(front) => front.run(memory)?,
                    None => None,
                };
                Ok(front.or(stepped(whole.main.as_mut(), memory)?))
            }
            Prepared::Average(average) => average.run(memory),
        }
    }

    /// The words of an output.
    pub fn figure(&self, at: usize) -> &[u32] {
        match self {
            Prepared::Whole(whole) => whole.main.figure(at),
            Prepared::Average(average) => &average.values[at].words,
        }
    }

    /// All outputs, copied.
    pub fn values(&self) -> Vec<Value> {
        match self {
            Prepared::Whole(whole) => values_of(whole.main.as_ref()),
            Prepared::Average(average) => average.values.clone(),
        }
    }
}

/// A step, and what in it had no value, if that matters.
///
/// # Errors
/// An internal error.
pub fn stepped(executable: &mut dyn Executable, memory: &mut Memory) -> Result<Option<Misstep>, String> {
    executable.step(memory)?;
    if executable.take_fault() { executable.find_misstep(memory) } else { Ok(None) }
}

fn values_of(executable: &dyn Executable) -> Vec<Value> {
    let types = executable.figure_types().iter().enumerate();
    types.map(|(at, ty)| Value { ty: ty.clone(), words: executable.figure(at).to_vec() }).collect()
}

impl Chunk {
    fn new(
        program: &Program,
        engine: &mut dyn Engine,
        memory: &mut Memory,
        outputs: &[NodeId],
        (rows, count): (&Rows, usize),
        name: &str,
    ) -> Result<Chunk, String> {
        let graph = lower::eval(program, outputs, Some((rows.atom, count as u64)))?;
        let executable = engine.compile(name, graph, memory)?;
        let columns = columns_of(executable.as_ref(), &rows.set)?;
        Ok(Chunk { executable, columns })
    }
}

impl Average {
    fn new(
        program: &Program,
        engine: &mut dyn Engine,
        memory: &mut Memory,
        outputs: &[NodeId],
        (rows, by): (Rows, usize),
        name: &str,
    ) -> Result<Average, String> {
        let mut chunk = |count: usize| Chunk::new(program, engine, memory, outputs, (&rows, count), name);
        let mut chunks = vec![chunk(by)?];
        let left = rows.rows.len() % by;
        if left > 0 {
            chunks.push(chunk(left)?);
        }
        let values = values_of(chunks[0].executable.as_ref());
        Ok(Average { rows, by, chunks, values })
    }

    /// Sums in f64 in the order of the rows, so that the average of equal values is that value.
    fn run(&mut self, memory: &mut Memory) -> Result<Option<Misstep>, String> {
        let mut misstep = None;
        let mut sums: Vec<Vec<f64>> = self.values.iter().map(|value| vec![0.0; value.words.len()]).collect();
        for rows in self.rows.rows.chunks(self.by) {
            let chunk = &mut self.chunks[usize::from(rows.len() < self.by)];
            for &(place, column) in &chunk.columns {
                fill_column(&self.rows.set.columns[column], rows, memory.words_mut(place));
            }
            misstep = misstep.or(stepped(chunk.executable.as_mut(), memory)?);
            for (at, sums) in sums.iter_mut().enumerate() {
                for (sum, word) in sums.iter_mut().zip(chunk.executable.figure(at)) {
                    *sum += rows.len() as f64 * f64::from(f32::from_bits(*word));
                }
            }
        }
        let total = self.rows.rows.len() as f64;
        for (value, sums) in self.values.iter_mut().zip(sums) {
            value.words = sums.iter().map(|sum| ((sum / total) as f32).to_bits()).collect();
        }
        Ok(misstep)
    }
}

impl Front {
    fn run(&mut self, memory: &mut Memory) -> Result<Option<Misstep>, String> {
        let mut misstep = None;
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
            misstep = misstep.or(stepped(self.executable.as_mut(), memory)?);
            for (at, (place, layout)) in self.joins.iter().enumerate() {
                layout.join(self.executable.figure(at), CHUNK, memory.words_mut(*place), total, start, count);
            }
        }
        Ok(misstep)
    }
}
