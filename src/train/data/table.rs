//! Tables: named columns of equal length, in memory.
//!
//! In: what a reader or a generator made. Out: [`Table`] and, without numbers,
//! [`Schema`]; conversions of single columns ([`as_class`], [`join`]).
//! Invariant: every column of a [`Table`] holds exactly `rows` times the product
//! of its shape values; a class column holds numbers in `0..count` only.

use super::error::DataError;
use super::windows::Windows;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// What the values of a column mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Real numbers.
    Number,
    /// Integers `0..count`.
    Class {
        /// Number of classes.
        count: usize,
        /// Their names, in order.
        names: Vec<String>,
    },
    /// Strings; [`as_class`] numbers them.
    Text,
}

/// The values of a column, row by row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; a missing one is NaN and listed in [`Column::missing`].
    F32(Vec<f32>),
    /// Numbers kept as bytes: `value = byte * scale`, converted when a batch is loaded.
    U8 {
        /// The bytes.
        bytes: Vec<u8>,
        /// What one step of a byte is worth.
        scale: f32,
    },
    /// Class numbers.
    I32(Vec<i32>),
    /// Strings; a missing one is empty.
    Text(Vec<String>),
    /// Pieces of one long sequence.
    Windows(Windows),
}

impl Values {
    /// Number of values, over all rows.
    pub fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::U8 { bytes, .. } => bytes.len(),
            Values::I32(values) => values.len(),
            Values::Text(values) => values.len(),
            Values::Windows(windows) => windows.starts.len() * windows.size,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The file a column was read from, so that a cell can be named later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// For every row the line of the file it begins on, from 1.
    pub lines: Vec<u64>,
}

/// One named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values mean.
    pub kind: Kind,
    /// Shape of one row; empty for a scalar.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Values,
    /// The rows without a value, ascending.
    pub missing: Vec<u32>,
    /// Where it was read, if from lines of a file.
    pub origin: Option<Arc<Origin>>,
}

impl Column {
    /// A column without gaps that comes from no file.
    pub fn new(name: impl Into<String>, kind: Kind, shape: Vec<usize>, values: Values) -> Self {
        Column { name: name.into(), kind, shape, values, missing: Vec::new(), origin: None }
    }

    /// Scalars.
    pub fn numbers(name: impl Into<String>, values: Vec<f32>) -> Self {
        Column::new(name, Kind::Number, Vec::new(), Values::F32(values))
    }

    /// Values in one row; 1 for a scalar.
    pub fn row_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of rows; 0 if a row holds no values.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.row_size()).unwrap_or(0)
    }

    /// An error that names the cell of `row`.
    pub fn cell_error(&self, row: usize, message: impl Into<String>) -> DataError {
        let error = DataError::new(message).column(&self.name);
        match self.origin.as_deref() {
            Some(origin) => match origin.lines.get(row) {
                Some(&line) => error.file(&origin.file).row(line),
                None => error.file(&origin.file),
            },
            None => error,
        }
    }

    /// That none of the rows that are `there` lacks its value; to be asked of every column that is used unfilled.
    ///
    /// # Errors
    /// Names the first empty cell and how many there are.
    pub fn require_complete(&self, there: &[bool]) -> Result<(), DataError> {
        let gap = |row: &&u32| there.get(**row as usize).is_none_or(|there| *there);
        let Some(&row) = self.missing.iter().find(gap) else { return Ok(()) };
        let message = match self.missing.iter().filter(gap).count() {
            1 => "this cell is empty".to_string(),
            count => format!("this cell is empty, and {} more of this column are", count - 1),
        };
        let filler = if self.kind == Kind::Number { "fill(median)" } else { "fill(most_common)" };
        Err(self.cell_error(row as usize, message).help(format!("fill the gaps: {} |> {filler}", self.name)))
    }

    /// That the column can be used as numbers, gaps aside.
    ///
    /// # Errors
    /// Names the first cell that is not a number.
    pub fn require_numbers(&self) -> Result<(), DataError> {
        match (&self.kind, &self.values) {
            (Kind::Class { .. }, _) => Err(DataError::new("classes are not numbers")
                .column(&self.name)
                .help(format!("make numbers of them: {} |> one_hot", self.name))),
            (_, Values::Text(texts)) if texts.iter().any(|text| !text.is_empty()) => Err(self.not_numbers(texts)),
            (_, Values::Text(_) | Values::F32(_) | Values::U8 { .. } | Values::I32(_) | Values::Windows(_)) => Ok(()),
        }
    }

    /// Whether its values are numbers as compiled code reads them.
    pub fn is_plain_numbers(&self) -> bool {
        self.kind == Kind::Number && !matches!(self.values, Values::Text(_))
    }

    /// Moves the values out.
    pub fn take(&mut self) -> Column {
        let values = std::mem::replace(&mut self.values, Values::F32(Vec::new()));
        Column { values, ..self.clone_frame() }
    }

    fn not_numbers(&self, texts: &[String]) -> DataError {
        let is_text = |text: &String| !text.is_empty() && text.trim().parse::<f32>().is_err();
        let row = texts.iter().position(is_text).unwrap_or(0);
        let text = texts.get(row).map_or("", String::as_str);
        self.cell_error(row, format!("{text:?} is not a number"))
            .help(format!("mend the cell, or use the column as classes: {} |> one_hot", self.name))
    }
}

/// Columns of equal length.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Keys the shuffles of this set.
    pub name: String,
    /// In the order of the source.
    pub columns: Vec<Column>,
    /// Rows of every column.
    pub rows: usize,
    /// The rows that the source itself sets aside as its test part.
    pub own_test: Option<Range<usize>>,
}

impl Table {
    /// A table of these columns.
    ///
    /// # Errors
    /// No column, a name twice, lengths that differ or are no multiple of the row size.
    pub fn new(name: impl Into<String>, columns: Vec<Column>) -> Result<Self, DataError> {
        let Some(first) = columns.first() else { return Err(DataError::new("a data set needs at least one column")) };
        let rows = first.rows();
        if u32::try_from(rows).is_err() {
            return Err(DataError::new(format!("{rows} rows are too many: the limit is {}", u32::MAX)));
        }
        let mut seen = BTreeSet::new();
        for column in &columns {
            if !seen.insert(column.name.as_str()) {
                return Err(DataError::new("two columns have this name").column(&column.name));
            }
            if Some(column.values.len()) != column.row_size().checked_mul(rows) {
                return Err(DataError::new(format!("{} rows, but column {} has {rows}", column.rows(), first.name))
                    .column(&column.name));
            }
        }
        Ok(Table { name: name.into(), columns, rows, own_test: None })
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// What the checker sees of it.
    pub fn schema(&self) -> Schema {
        let columns = self.columns.iter().map(SchemaColumn::of).collect();
        let own_test = self.own_test.as_ref().map(|rows| rows.len());
        Schema { name: self.name.clone(), columns, rows: Some(self.rows), own_test }
    }
}

/// A [`Column`] without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaColumn {
    /// Its name.
    pub name: String,
    /// What its values mean.
    pub kind: Kind,
    /// Shape of one row.
    pub shape: Vec<usize>,
    /// The class names that [`as_class`] would give, where it would succeed.
    pub classes: Option<Vec<String>>,
    /// Number of rows without a value.
    pub missing: usize,
    /// Of texts that are nearly all numbers, the first cell that is none: a line that names file and row.
    pub odd: Option<String>,
}

/// Of so many cells one may be no number, and the column is still meant as one of numbers.
const NUMBERS_FOR_ONE_ODD: usize = 10;

impl SchemaColumn {
    fn of(column: &Column) -> Self {
        let classes = class_names(column).ok();
        let (kind, shape) = (column.kind.clone(), column.shape.clone());
        let (name, missing, odd) = (column.name.clone(), column.missing.len(), odd_cell(column));
        SchemaColumn { name, kind, shape, classes, missing, odd }
    }
}

fn odd_cell(column: &Column) -> Option<String> {
    let Values::Text(texts) = &column.values else { return None };
    let is_number = |text: &str| text.trim().parse::<f32>().is_ok();
    let mut odd = texts.iter().enumerate().filter(|(_, text)| !text.trim().is_empty() && !is_number(text));
    let (row, text) = odd.next()?;
    let wrong = 1 + odd.count();
    let numbers = texts.iter().filter(|text| is_number(text)).count();
    let most = wrong * NUMBERS_FOR_ONE_ODD <= numbers;
    most.then(|| column.cell_error(row, format!("{text:?} is no number, {numbers} other cells are")).to_string())
}

/// A [`Table`] without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The source's name.
    pub name: String,
    /// In the order of the source.
    pub columns: Vec<SchemaColumn>,
    /// Rows, the own test part included; `None` where only reading would tell.
    pub rows: Option<usize>,
    /// Rows of the test part that the source itself sets aside.
    pub own_test: Option<usize>,
}

/// The column as classes. Texts are numbered in alphabetical (code point) order,
/// whole numbers in ascending order of the distinct values; both are independent
/// of the order of the rows. Empty cells of a text column are gaps, not a class.
///
/// # Errors
/// An empty cell, a number that is not whole, a column whose rows are not scalars.
pub fn as_class(column: &Column) -> Result<Column, DataError> {
    if let Kind::Class { .. } = column.kind {
        return Ok(column.clone());
    }
    column.require_complete(&[])?;
    numbered(column, &class_names(column)?)
}

/// The column as numbers of these classes; a gap is -1.
///
/// # Errors
/// A cell that is none of them.
pub fn numbered(column: &Column, names: &[String]) -> Result<Column, DataError> {
    if let Kind::Class { names: own, .. } = &column.kind
        && own == names
    {
        return Ok(column.clone());
    }
    let places: HashMap<&str, i32> = names.iter().map(String::as_str).zip(0..).collect();
    let text = |row: usize| -> Option<Cow<'_, str>> {
        match (&column.values, &column.kind) {
            (Values::Text(texts), _) => Some(texts[row].as_str().into()).filter(|text: &Cow<'_, str>| !text.is_empty()),
            (Values::F32(values), _) => Some(values[row].to_string().into()).filter(|_| !values[row].is_nan()),
            (Values::I32(values), Kind::Class { names, .. }) => {
                usize::try_from(values[row]).ok().and_then(|class| names.get(class)).map(|name| name.as_str().into())
            }
            (Values::I32(values), _) => Some(values[row].to_string().into()),
            (Values::U8 { .. } | Values::Windows(_), _) => None,
        }
    };
    if matches!(column.values, Values::U8 { .. } | Values::Windows(_)) || !column.shape.is_empty() {
        return Err(DataError::new("its classes are others than those it is to have").column(&column.name));
    }
    let mut numbers = Vec::with_capacity(column.rows());
    for row in 0..column.rows() {
        numbers.push(match text(row) {
            None => -1,
            Some(text) => match places.get(text.as_ref()) {
                Some(place) => *place,
                None => return Err(unknown_class(column, row, &text, names)),
            },
        });
    }
    let kind = Kind::Class { count: names.len(), names: names.to_vec() };
    Ok(Column { kind, values: Values::I32(numbers), ..column.clone_frame() })
}

fn unknown_class(column: &Column, row: usize, text: &str, names: &[String]) -> DataError {
    const MOST: usize = 20;
    let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    let rest = if names.len() > MOST { ", ..." } else { "" };
    column
        .cell_error(row, format!("{text:?} is not a known category"))
        .help(format!("known are {}{rest}", shown.join(", ")))
}

/// The column as numbers; one of nothing but gaps is all NaN.
///
/// # Errors
/// A cell that is not a number.
pub fn as_numbers(column: &Column) -> Result<Column, DataError> {
    column.require_numbers()?;
    Ok(match &column.values {
        Values::Text(texts) => {
            Column { kind: Kind::Number, values: Values::F32(vec![f32::NAN; texts.len()]), ..column.clone_frame() }
        }
        Values::F32(_) | Values::U8 { .. } | Values::I32(_) | Values::Windows(_) => column.clone(),
    })
}

/// The column as texts, to be shown.
pub fn as_texts(column: &Column) -> Column {
    let texts = match &column.values {
        Values::Text(texts) => texts.clone(),
        Values::F32(values) => values.iter().map(f32::to_string).collect(),
        Values::U8 { .. } | Values::I32(_) | Values::Windows(_) => vec![String::new(); column.rows()],
    };
    Column { kind: Kind::Text, values: Values::Text(texts), ..column.clone_frame() }
}

/// The columns side by side as `f32[N, D]`, called `input`; a tensor column
/// contributes its values in row-major order, a gap is NaN.
///
/// # Errors
/// A column that is not of numbers, or lengths that differ.
pub fn join(columns: &[&Column]) -> Result<Column, DataError> {
    let Some(first) = columns.first() else { return Err(DataError::new("there is no column to join")) };
    let rows = first.rows();
    let width: usize = columns.iter().map(|column| column.row_size()).sum();
    let mut joined = vec![0.0_f32; rows * width];
    let mut offset = 0;
    for column in columns {
        column.require_numbers()?;
        if column.rows() != rows {
            let message = format!("{} rows, but column {} has {rows}", column.rows(), first.name);
            return Err(DataError::new(message).column(&column.name));
        }
        let size = column.row_size();
        for (row, out) in joined.chunks_exact_mut(width.max(1)).enumerate() {
            copy_numbers(&column.values, row, size, &mut out[offset..offset + size]);
        }
        offset += size;
    }
    let joined = Column::new("input", Kind::Number, vec![width], Values::F32(joined));
    Ok(Column { origin: first.origin.clone(), ..joined })
}

fn copy_numbers(values: &Values, row: usize, size: usize, out: &mut [f32]) {
    let range = row * size..(row + 1) * size;
    match values {
        Values::F32(values) => out.copy_from_slice(&values[range]),
        Values::U8 { bytes, scale } => {
            out.iter_mut().zip(&bytes[range]).for_each(|(out, &byte)| *out = f32::from(byte) * scale)
        }
        Values::I32(values) => out.iter_mut().zip(&values[range]).for_each(|(out, &value)| *out = value as f32),
        Values::Windows(windows) => windows.copy_numbers(row, out),
        // All of its cells are empty, or it would have been refused.
        Values::Text(_) => out.fill(f32::NAN),
    }
}

impl Column {
    /// Everything but the values.
    fn clone_frame(&self) -> Column {
        Column {
            name: self.name.clone(),
            kind: self.kind.clone(),
            shape: self.shape.clone(),
            values: Values::I32(Vec::new()),
            missing: self.missing.clone(),
            origin: self.origin.clone(),
        }
    }
}

/// The names of the classes of a column, gaps left out.
fn class_names(column: &Column) -> Result<Vec<String>, DataError> {
    if let Kind::Class { names, .. } = &column.kind {
        return Ok(names.clone());
    }
    if !column.shape.is_empty() {
        return Err(DataError::new("only a column of scalars can be made classes").column(&column.name));
    }
    match &column.values {
        Values::Text(texts) => {
            let distinct: BTreeSet<&String> = texts.iter().filter(|text| !text.is_empty()).collect();
            Ok(distinct.into_iter().cloned().collect())
        }
        Values::F32(values) => Ok(distinct_whole(column, values)?.iter().map(i32::to_string).collect()),
        Values::U8 { .. } | Values::I32(_) | Values::Windows(_) => {
            Err(DataError::new("this column cannot be made classes").column(&column.name))
        }
    }
}

/// The distinct values of a column of whole numbers, NaN (a gap) left out.
fn distinct_whole(column: &Column, values: &[f32]) -> Result<BTreeSet<i32>, DataError> {
    /// Above this, neighbouring whole numbers are no longer distinct in f32.
    const LIMIT: f32 = 16_777_216.0;
    let mut distinct = BTreeSet::new();
    for (row, &value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
        if value.fract() != 0.0 || value.abs() > LIMIT {
            return Err(column.cell_error(row, format!("{value} is not a whole number, so it cannot name a class")));
        }
        distinct.insert(value as i32);
    }
    Ok(distinct)
}
