//! Data sets: reading, generating, splitting, batching.
//!
//! In: a [`Source`] (a file, a folder, literal columns, a generator with its
//! arguments). Out: a [`Schema`] for the checker and a [`Table`] for training,
//! then [`Parts`] of its rows and [`Batches`] of a part. Everything random is a
//! function of (seed, data name, row or epoch), never of time or of threads.
//! Whatever a file holds, the answer is a value or a located [`DataError`].

pub mod batch;
mod csv_file;
mod error;
pub mod generate;
mod idx;
pub mod random;
pub mod series;
pub mod split;
mod table;
pub mod text;
pub mod windows;

pub use batch::{Batches, fill_batch, fill_column};
pub use csv_file::text_of as csv_text;
pub use error::DataError;
pub use generate::Argument;
pub use series::SeriesSource;
pub use split::{Parts, deal, split_rows};
pub use table::{
    Column, Kind, Origin, Schema, SchemaColumn, Table, Values, as_class, as_numbers, as_texts, join, numbered,
};
pub use text::{By, TextSource};

use std::path::PathBuf;

/// Where the rows of a data set come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A comma-separated file with a header line.
    Csv {
        /// The file.
        path: PathBuf,
    },
    /// A folder of IDX files (MNIST and its kin), plain or `.gz`.
    Idx {
        /// The folder.
        dir: PathBuf,
    },
    /// A text, as class numbers of its characters or words.
    Text(TextSource),
    /// Windows over the columns of numbers of a CSV file.
    Series(SeriesSource),
    /// Columns that stand in the program itself.
    TableLiteral(
        /// All of the same number of rows.
        Vec<Column>,
    ),
    /// One of [`generate::GENERATORS`].
    Generated {
        /// The generator.
        name: String,
        /// Its arguments in the order written; those left out take their defaults.
        args: Vec<Argument>,
    },
}

/// Names, kinds, shapes and sizes, without the numbers: of IDX files only the
/// headers and the labels are read, a generator is not run, a CSV is scanned once.
///
/// # Errors
/// A file is missing, unreadable or not of its format; a generator or an argument is unknown.
pub fn schema(source: &Source) -> Result<Schema, DataError> {
    match source {
        Source::Csv { path } => csv_file::schema(path),
        Source::Idx { dir } => idx::schema(dir),
        Source::Text(source) => Ok(text::load(source, &[])?.0.schema()),
        Source::Series(source) => Ok(series::load(source, &[])?.0.schema()),
        Source::TableLiteral(columns) => Ok(Table::new("table", columns.clone())?.schema()),
        Source::Generated { name, args } => generate::schema(name, args),
    }
}

/// All rows of a source. The table's name is that of the file, folder or generator;
/// set [`Table::name`] to the name of the `data` item, which keys its shuffles.
///
/// # Errors
/// As [`schema`], and also where the contents are damaged.
pub fn load(source: &Source) -> Result<Table, DataError> {
    match source {
        Source::Text(source) => Ok(text::load(source, &[])?.0),
        Source::Series(source) => Ok(series::load(source, &[])?.0),
        Source::Csv { path } => csv_file::load(path),
        Source::Idx { dir } => idx::load(dir),
        Source::TableLiteral(columns) => Table::new("table", columns.clone()),
        Source::Generated { name, args } => generate::generate(name, args),
    }
}

/// [`load`], and the parts of a source whose parts are contiguous: rows are cut from each part by itself.
///
/// # Errors
/// As [`load`], and where a part is too short for one row.
pub fn load_parts(source: &Source, fractions: &[(&str, f64)]) -> Result<(Table, Option<Parts>), DataError> {
    match source {
        Source::Text(source) => text::load(source, fractions),
        Source::Series(source) => series::load(source, fractions).map(|(table, parts)| (table, Some(parts))),
        Source::Csv { .. } | Source::Idx { .. } | Source::TableLiteral(_) | Source::Generated { .. } => {
            Ok((load(source)?, None))
        }
    }
}
