//! Data sets as the session needs them: loaded once, columns as declared.
//!
//! In: a declared data set. Out: [`Dataset`], whose columns stand in the order of
//! the declaration and whose parts are lists of rows. Invariant: types, shapes
//! and part sizes are those that checking saw, or the load fails.

use std::path::PathBuf;

use super::data::{self, Argument, By, DataError, Parts, Table, TextSource};
use crate::check::typed::{Column, Data, Source, TextBy};

/// A data set in memory.
#[derive(Debug)]
pub struct Dataset {
    /// Columns that the program can name, in the order of the declaration.
    pub columns: Vec<data::Column>,
    /// Rows by part.
    parts: Parts,
    /// All rows but those of an own test part.
    all: Vec<u32>,
}

impl Dataset {
    /// The rows of a part, `all` included.
    pub fn rows(&self, part: &str) -> Option<&[u32]> {
        if part == "all" { Some(&self.all) } else { self.parts.get(part) }
    }
}

/// Reads a data set.
///
/// # Errors
/// What is wrong with it, and where.
pub fn load(declared: &Data, seed: i64) -> Result<Dataset, DataError> {
    let fractions: Vec<(&str, f64)> =
        declared.split.iter().map(|(name, fraction)| (name.as_str(), *fraction)).collect();
    let (mut table, contiguous) = data::load_parts(&source(&declared.source), &fractions)?;
    table.name.clone_from(&declared.name);
    let columns = declared.columns.iter().map(|column| make(&table, column)).collect::<Result<Vec<_>, _>>()?;
    let stratify = declared.stratify.and_then(|at| columns.get(at));
    let parts = match contiguous {
        Some(parts) => parts,
        None => data::split(&table, &fractions, seed as u64, stratify)?,
    };
    let test = table.own_test.clone().unwrap_or(0..0);
    let all = (0..table.rows).filter(|row| !test.contains(row)).map(|row| row as u32).collect();
    Ok(Dataset { columns, parts, all })
}

/// The reader's description of a source.
pub fn source(declared: &Source) -> data::Source {
    match declared {
        Source::Csv { path } => data::Source::Csv { path: PathBuf::from(path) },
        Source::Idx { path } => data::Source::Idx { dir: PathBuf::from(path) },
        Source::Text { path, by, window, stride } => data::Source::Text(TextSource {
            path: PathBuf::from(path),
            by: match by {
                TextBy::Characters => By::Characters,
                TextBy::Words => By::Words,
                TextBy::Lines => By::Lines,
            },
            window: *window,
            stride: *stride,
        }),
        Source::Literal { columns } => data::Source::TableLiteral(
            columns
                .iter()
                .map(|(name, shape, values)| {
                    let values = data::Values::F32(values.clone());
                    data::Column::new(name.clone(), data::Kind::Number, shape.clone(), values)
                })
                .collect(),
        ),
        Source::Generated { generator, args } => data::Source::Generated {
            name: generator.clone(),
            args: args.iter().map(|(name, value)| Argument::named(name.clone(), *value)).collect(),
        },
    }
}

/// A declared column from those of the source. Text stays text: it is named, but no tensor.
fn make(table: &Table, declared: &Column) -> Result<data::Column, DataError> {
    let parts = declared
        .from
        .iter()
        .map(|name| table.column(name).ok_or_else(|| DataError::new(format!("{} has no column {name}", table.name))))
        .collect::<Result<Vec<_>, _>>()?;
    let mut column = match parts[..] {
        [one] if declared.as_class || declared.classes.is_some() => data::as_class(one)?,
        [one] if declared.text => one.clone(),
        [one] if one.shape == declared.shape => {
            one.require_numbers()?;
            one.clone()
        }
        _ => data::join(&parts)?,
    };
    if column.shape != declared.shape {
        let message = format!("rows of {} have shape {:?}, it was {:?}", declared.name, column.shape, declared.shape);
        return Err(DataError::new(message).column(&declared.name));
    }
    column.name.clone_from(&declared.name);
    Ok(column)
}
