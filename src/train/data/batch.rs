//! Batches of a part, and loading them into column buffers.
//!
//! In: a part's rows, a batch size, a key. Out: for every epoch the rows in
//! shuffled order, batch by batch, and [`fill_column`], which writes the rows of
//! a column as 32-bit words. Nothing is allocated after [`Batches::new`].
//! A batch is read through `&self`, so a helper thread may fill the next one.

use super::error::DataError;
use super::random::{Stream, key};
use super::table::{Column, Table, Values};
use crate::kernels::widen::widen_rows;

/// The batches of one epoch of a part.
#[derive(Clone, Debug)]
pub struct Batches {
    /// The part as given; every epoch starts from it, so epochs can be visited in any order.
    part: Vec<u32>,
    order: Vec<u32>,
    size: usize,
    key: u64,
}

impl Batches {
    /// Batches in the order of the part, until [`Batches::start_epoch`] shuffles them.
    ///
    /// # Errors
    /// A batch size of 0.
    pub fn new(part: &[u32], size: usize, seed: u64, data_name: &str) -> Result<Self, DataError> {
        if size == 0 {
            return Err(DataError::new("a batch needs at least one row"));
        }
        Ok(Batches { part: part.to_vec(), order: part.to_vec(), size, key: key(seed, data_name) })
    }

    /// Puts the rows in the order of `epoch`: a function of (seed, data name, epoch).
    pub fn start_epoch(&mut self, epoch: u64) {
        self.order.copy_from_slice(&self.part);
        // Index 0 is the split's.
        Stream::new(self.key, epoch.wrapping_add(1)).shuffle(&mut self.order);
    }

    /// Batches of an epoch, the smaller last one included.
    pub fn count(&self) -> usize {
        self.order.len().div_ceil(self.size)
    }

    /// The rows of batch `index`; empty beyond the last.
    pub fn batch(&self, index: usize) -> &[u32] {
        let end = self.order.len();
        let start = index.saturating_mul(self.size).min(end);
        &self.order[start..start.saturating_add(self.size).min(end)]
    }

    /// All batches of the epoch, in order.
    pub fn iter(&self) -> std::slice::Chunks<'_, u32> {
        self.order.chunks(self.size)
    }
}

/// Loads `rows` of the chosen columns, one buffer for each; see [`fill_column`].
///
/// # Panics
/// As [`fill_column`], and where `columns` and `buffers` differ in length.
pub fn fill_batch(table: &Table, columns: &[usize], rows: &[u32], buffers: &mut [&mut [u32]]) {
    assert_eq!(columns.len(), buffers.len(), "one buffer for each column");
    for (&column, buffer) in columns.iter().zip(buffers) {
        fill_column(&table.columns[column], rows, buffer);
    }
}

/// Writes the rows of a column one after another as the 32-bit words that compiled
/// code reads: the bits of an f32 for numbers, an i32 for classes. Words of
/// `buffer` beyond the last row are left alone.
///
/// # Panics
/// If the buffer is too short, a row is not in the column, or the column holds
/// texts: the checker and the plan have seen to all three.
pub fn fill_column(column: &Column, rows: &[u32], buffer: &mut [u32]) {
    let size = column.row_size();
    let buffer = &mut buffer[..rows.len() * size];
    match &column.values {
        Values::F32(values) => gather(values, size, rows, buffer, f32::to_bits),
        Values::I32(values) => gather(values, size, rows, buffer, i32::cast_unsigned),
        Values::U8 { bytes, scale } => {
            widen_rows(bytes, size, rows, *scale, buffer);
        }
        Values::Windows(windows) => windows.fill(rows, buffer),
        Values::Text(_) => panic!("column {} holds texts, which compiled code cannot read", column.name),
    }
}

/// Copies rows and converts each value; the inner loop is over slices of equal length and vectorises.
#[inline(always)]
fn gather<T: Copy>(values: &[T], size: usize, rows: &[u32], buffer: &mut [u32], word: impl Fn(T) -> u32) {
    if size == 1 {
        buffer.iter_mut().zip(rows).for_each(|(out, &row)| *out = word(values[row as usize]));
        return;
    }
    for (out, &row) in buffer.chunks_exact_mut(size.max(1)).zip(rows) {
        let start = row as usize * size;
        out.iter_mut().zip(&values[start..start + size]).for_each(|(out, &value)| *out = word(value));
    }
}
