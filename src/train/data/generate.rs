//! Generated data sets: the two-dimensional classics and drawn digits.
//!
//! In: a generator's name and arguments. Out: a table that is a function of
//! them alone. Every row has its own random stream (seed, generator, row), so
//! the first rows of a longer set are those of a shorter one, and the number of
//! threads does not matter.

mod args;
mod digits;
mod plane;
mod strokes;

pub use args::{Argument, GENERATORS, Generator, Parameter};

use super::error::DataError;
use super::table::{Column, Kind, Schema, SchemaColumn, Table};
use args::Arguments;

/// The rows of a generator.
///
/// # Errors
/// An unknown generator or argument, an argument twice, a value out of range.
pub fn generate(name: &str, args: &[Argument]) -> Result<Table, DataError> {
    let arguments = Arguments::resolve(name, args)?;
    let columns = match name {
        "digits" => digits::columns(&arguments.with_test_rows()),
        _ => plane::columns(name, &arguments),
    };
    let mut table = Table::new(name, columns)?;
    table.own_test = own_test(&arguments).map(|test| arguments.rows()..arguments.rows() + test);
    Ok(table)
}

/// What [`generate`] would give; no row is drawn.
///
/// # Errors
/// As [`generate`].
pub fn schema(name: &str, args: &[Argument]) -> Result<Schema, DataError> {
    let arguments = Arguments::resolve(name, args)?;
    let number = |name: &str, shape: &[usize]| SchemaColumn {
        name: name.into(),
        kind: Kind::Number,
        shape: shape.to_vec(),
        classes: None,
        missing: 0,
        odd: None,
    };
    let columns = match name {
        "digits" => vec![number("image", &[digits::SIDE, digits::SIDE]), label_schema(10)],
        "sine" => vec![number("x", &[]), number("y", &[])],
        // Four rows hold every value of `y`, so they tell its classes.
        "xor" | "and" | "or" => Table::new(name, plane::columns(name, &arguments.at_most(4)))?.schema().columns,
        _ => vec![number("x", &[2]), label_schema(plane::class_count(name, &arguments))],
    };
    Ok(Schema { name: name.into(), columns, rows: Some(arguments.rows()), own_test: own_test(&arguments) })
}

/// Rows of a test part of its own, if it was asked for.
fn own_test(arguments: &Arguments) -> Option<usize> {
    Some(arguments.test_rows()).filter(|&rows| rows > 0)
}

fn label_schema(count: usize) -> SchemaColumn {
    let names = class_names(count);
    let kind = Kind::Class { count, names: names.clone() };
    SchemaColumn { name: "label".into(), kind, shape: Vec::new(), classes: Some(names), missing: 0, odd: None }
}

/// Row `i` is of class `i % count`, so that classes are balanced and the first rows show all of them.
fn label_column(rows: usize, count: usize) -> Column {
    let kind = Kind::Class { count, names: class_names(count) };
    let labels = (0..rows).map(|row| (row % count) as i32).collect();
    Column::new("label", kind, Vec::new(), super::table::Values::I32(labels))
}

fn class_names(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}
