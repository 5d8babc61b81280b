//! Tables while a program runs: rows that `record` and the epochs of a train append.
//!
//! In: rows, cell by cell. Out: columns as words, groups of rows, text. Invariant:
//! all columns of a table have the same number of rows.

use super::report::{Fault, FaultKind};
use super::session::Session;
use super::show;
use super::value::Value;
use crate::check::typed::{Cell, Grouping, Program, Row, SlotId, Table, TableId};
use crate::ir::DType;
use crate::source::Span;

/// Most rows that `print` shows whole.
const MOST_SHOWN: usize = 40;

/// All tables of a run.
#[derive(Default)]
pub(super) struct Tables {
    stored: Vec<Stored>,
}

#[derive(Clone, Default)]
struct Stored {
    rows: usize,
    columns: Vec<Vec<u32>>,
}

impl Tables {
    /// Empty tables.
    pub fn new(program: &Program) -> Self {
        let empty = |table: &Table| Stored { rows: 0, columns: vec![Vec::new(); table.columns.len()] };
        Tables { stored: program.tables.iter().map(empty).collect() }
    }

    /// Appends a row.
    pub fn append(&mut self, table: TableId, cells: impl Iterator<Item = Vec<u32>>) {
        let stored = &mut self.stored[table.index()];
        let mut cells = cells;
        for column in &mut stored.columns {
            column.extend(cells.next().unwrap_or_else(|| vec![f32::NAN.to_bits()]));
        }
        stored.rows += 1;
    }

    /// Appends a row whose computed cells are read from `output`.
    pub fn record(&mut self, program: &Program, row: &Row, output: impl Fn(usize) -> Vec<u32>) {
        let columns = &program.table(row.table).columns;
        let cells = row.cells.iter().zip(columns).map(|(cell, column)| match cell {
            Cell::Output(at) => output(*at),
            Cell::Known(number) => vec![known_word(*number, column.ty.dtype)],
        });
        self.append(row.table, cells);
    }

    /// Keys, number of rows, mean and spread of the others.
    pub fn group(&mut self, program: &Program, grouping: &Grouping) {
        let from = self.stored[grouping.from.index()].clone();
        let columns = &program.table(grouping.from).columns;
        for keys in &grouping.groups {
            let holds = |row: usize, (&key, &wanted): (&usize, &f32)| {
                from.columns[key][row] == known_word(wanted, columns[key].ty.dtype)
            };
            let of_group = |row: &usize| grouping.keys.iter().zip(keys).all(|key| holds(*row, key));
            let rows: Vec<usize> = (0..from.rows).filter(of_group).collect();
            let first = rows.first().copied();
            let mut cells: Vec<Vec<u32>> =
                grouping.keys.iter().map(|&key| vec![first.map_or(0, |row| from.columns[key][row])]).collect();
            cells.push(vec![(rows.len() as f32).to_bits()]);
            for &column in &grouping.averaged {
                let values = rows.iter().map(|&row| f64::from(f32::from_bits(from.columns[column][row])));
                let (mean, spread) = mean_and_spread(&values.collect::<Vec<_>>());
                cells.push(vec![(mean as f32).to_bits()]);
                cells.push(vec![(spread as f32).to_bits()]);
            }
            self.append(grouping.into, cells.into_iter());
        }
    }

    /// A table as text, its columns aligned.
    pub fn text(&self, program: &Program, id: TableId) -> String {
        let (table, stored) = (program.table(id), &self.stored[id.index()]);
        let shown: Vec<usize> = match stored.rows <= MOST_SHOWN {
            true => (0..stored.rows).collect(),
            false => (0..MOST_SHOWN / 2).chain(stored.rows - 5..stored.rows).collect(),
        };
        let mut lines: Vec<Vec<String>> = vec![table.columns.iter().map(|column| column.name.clone()).collect()];
        let mut last = None;
        for row in shown {
            if last.is_some_and(|last: usize| last + 1 != row) {
                lines.push(vec!["...".to_string(); table.columns.len()]);
            }
            last = Some(row);
            lines.push((0..table.columns.len()).map(|column| self.cell(table, stored, column, row)).collect());
        }
        aligned(&lines, table)
    }

    fn cell(&self, table: &Table, stored: &Stored, column: usize, row: usize) -> String {
        let described = &table.columns[column];
        let size: usize = described.ty.shape.iter().product();
        let words = &stored.columns[column][row * size..(row + 1) * size];
        match (&described.classes, described.ty.shape.is_empty()) {
            (Some(names), true) => names.get(words[0] as usize).cloned().unwrap_or_else(|| words[0].to_string()),
            (None, true) => show::number(f32::from_bits(words[0])),
            (_, false) => {
                let value = Value { ty: described.ty.clone(), words: words.to_vec() };
                show::tensor(&value, described.classes.as_deref()).replace('\n', " ")
            }
        }
    }
}

/// A known number, or the number of a text, as a cell holds it.
fn known_word(number: f32, dtype: DType) -> u32 {
    match dtype {
        DType::I32 => number as u32,
        DType::F32 | DType::Bool => number.to_bits(),
    }
}

/// Numbers to the right, texts to the left.
fn aligned(lines: &[Vec<String>], table: &Table) -> String {
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().enumerate().map(|(at, text)| {
            let blank = " ".repeat(widths[at].saturating_sub(text.chars().count()));
            match table.columns[at].classes {
                Some(_) => format!("{text}{blank}"),
                None => format!("{blank}{text}"),
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The mean and the standard deviation of a sample (0 of fewer than two).
fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}

impl Session<'_> {
    /// Copies the first rows of a column; the last one stands for those that a train which stopped early did not make.
    pub(super) fn take(&mut self, table: TableId, column: usize, slot: SlotId, span: Span) -> Result<(), Fault> {
        let from = &self.tables.stored[table.index()];
        let size: usize = self.program.table(table).columns[column].ty.shape.iter().product();
        let words = self.memory.main_mut().words_mut(slot.index());
        if from.rows == 0 || size == 0 {
            if words.is_empty() || self.outcome.interrupted {
                return Ok(());
            }
            let message = format!("`{}` has no rows", self.program.table(table).name);
            return Err(Fault::new(FaultKind::Data, message, span));
        }
        for (row, target) in words.chunks_mut(size).enumerate() {
            let at = row.min(from.rows - 1);
            target.copy_from_slice(&from.columns[column][at * size..(at + 1) * size]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(mean_and_spread(&[1.0, 2.0, 3.0]), (2.0, 1.0));
        assert_eq!(mean_and_spread(&[5.0]), (5.0, 0.0));
    }
}
