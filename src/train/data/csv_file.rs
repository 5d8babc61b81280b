//! CSV files with a header line.
//!
//! In: a path. Out: a table of scalar columns: numbers where every cell that is
//! not empty is a finite number, else texts. Quoting, doubled quotes, CRLF and a
//! missing last newline are the `csv` crate's work; a byte-order mark is dropped.
//! Gaps (an empty cell; in a column of numbers also NA, N/A, NaN, null) are
//! recorded with their lines, not reported: that happens where they are used.

use super::error::DataError;
use super::table::{Column, Kind, Origin, Schema, Table, Values};
use csv::StringRecord;
use std::path::Path;
use std::sync::Arc;

/// Columns, kinds, categories and rows; the file is read once, its numbers are dropped.
pub fn schema(path: &Path) -> Result<Schema, DataError> {
    Ok(load(path)?.schema())
}

/// All rows.
pub fn load(path: &Path) -> Result<Table, DataError> {
    let bytes = std::fs::read(path).map_err(|error| DataError::io(path, &error))?;
    let text = decode(&bytes).map_err(|error| error.file(path))?;
    let names = header(text).map_err(|error| error.file(path))?;
    let (is_number, lines) = kinds(text, names.len()).map_err(|error| error.file(path))?;
    if lines.is_empty() {
        return Err(DataError::new("the file has a header but no rows").file(path));
    }
    let rows = lines.len();
    let origin = Arc::new(Origin { file: path.to_path_buf(), lines });
    let mut columns: Vec<Column> = names.iter().zip(&is_number).map(|(name, &is)| empty(name, is, rows)).collect();
    for_records(text, |row, record| {
        columns.iter_mut().zip(record.iter()).for_each(|(column, cell)| push(column, row, cell));
        Ok(())
    })
    .map_err(|error| error.file(path))?;
    columns.iter_mut().for_each(|column| column.origin = Some(Arc::clone(&origin)));
    let name = path.file_stem().map_or_else(|| "csv".into(), |stem| stem.to_string_lossy().into_owned());
    Table::new(name, columns).map_err(|error| error.file(path).row(1))
}

/// A header and rows as CSV text, quoted where needed.
///
/// # Errors
/// A row of another length than the header's: an internal error.
pub fn text_of(header: &[String], rows: impl Iterator<Item = Vec<String>>) -> Result<String, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).map_err(|error| error.to_string())?;
    for row in rows {
        writer.write_record(&row).map_err(|error| error.to_string())?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The text without its byte-order mark.
fn decode(bytes: &[u8]) -> Result<&str, DataError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        DataError::new("the file is not UTF-8 text").row(line as u64).help("save it again in UTF-8")
    })
}

fn reader(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().from_reader(text.as_bytes())
}

/// Column names; a nameless one (an index written by a spreadsheet) is called `columnN`, from 1.
fn header(text: &str) -> Result<Vec<String>, DataError> {
    let mut reader = reader(text);
    let header = reader.headers().map_err(|error| located(text, &error))?;
    if header.iter().all(|name| name.trim().is_empty()) {
        return Err(DataError::new("the file is empty").help("the first line of a CSV names its columns"));
    }
    let mut names: Vec<String> = Vec::new();
    for (index, name) in header.iter().map(str::trim).enumerate() {
        let name = if name.is_empty() { format!("column{}", index + 1) } else { name.to_string() };
        if names.contains(&name) {
            return Err(DataError::new("two columns have this name").row(1).column(name));
        }
        names.push(name);
    }
    Ok(names)
}

/// Which columns are numbers, and the line of every row.
fn kinds(text: &str, count: usize) -> Result<(Vec<bool>, Vec<u64>), DataError> {
    let mut all_numbers = vec![true; count];
    let mut some_number = vec![false; count];
    let mut lines = Vec::new();
    let (mut counted, mut line) = (0, 1);
    for_records(text, |_, record| {
        let byte = record.position().map_or(0, |position| position.byte() as usize);
        let (start, ends) = line_ends(text, counted, byte);
        (counted, line) = (start, line + ends);
        lines.push(line);
        for (column, cell) in record.iter().enumerate().filter(|(_, cell)| !is_gap(cell)) {
            let is_number = number(cell).is_some();
            all_numbers[column] &= is_number;
            some_number[column] |= is_number;
        }
        Ok(())
    })?;
    let is_number = all_numbers.iter().zip(&some_number).map(|(&all, &some)| all && some).collect();
    Ok((is_number, lines))
}

fn empty(name: &str, is_number: bool, rows: usize) -> Column {
    let (kind, values) = match is_number {
        true => (Kind::Number, Values::F32(Vec::with_capacity(rows))),
        false => (Kind::Text, Values::Text(Vec::with_capacity(rows))),
    };
    Column::new(name, kind, Vec::new(), values)
}

fn push(column: &mut Column, row: usize, cell: &str) {
    let missing = match &mut column.values {
        Values::F32(values) => {
            let value = number(cell);
            values.push(value.unwrap_or(f32::NAN));
            value.is_none()
        }
        Values::Text(texts) => {
            texts.push(cell.to_string());
            cell.is_empty()
        }
        Values::U8 { .. } | Values::I32(_) | Values::Windows(_) => false,
    };
    if missing {
        // `for_records` stops before a row number leaves u32.
        column.missing.push(row as u32);
    }
}

/// Calls `each` with the number of every record, from 0.
fn for_records(
    text: &str,
    mut each: impl FnMut(usize, &StringRecord) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut reader = reader(text);
    let mut record = StringRecord::new();
    let mut row = 0;
    while reader.read_record(&mut record).map_err(|error| located(text, &error))? {
        if row == u32::MAX as usize {
            return Err(DataError::new(format!("more than {} rows", u32::MAX)));
        }
        each(row, &record)?;
        row += 1;
    }
    Ok(())
}

fn located(text: &str, error: &csv::Error) -> DataError {
    let found = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            DataError::new(format!("this row has {len} cells, but the header has {expected_len}"))
                .help("put a cell that holds a comma in quotes, and close every quote")
        }
        _ => DataError::new(format!("the file cannot be read as CSV: {error}")),
    };
    match error.position() {
        Some(position) => found.row(1 + line_ends(text, 0, position.byte() as usize).1),
        None => found,
    }
}

/// Where the record at `byte` really begins, and the line ends between `from` and there. The csv crate's own
/// line numbers are one short after CRLF: its records begin before the LF of the line above.
fn line_ends(text: &str, from: usize, byte: usize) -> (usize, u64) {
    let bytes = text.as_bytes();
    let byte = byte.min(bytes.len());
    let start = byte + bytes[byte..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let ends = bytes[from.min(start)..start].iter().filter(|&&byte| byte == b'\n').count();
    (start, ends as u64)
}

/// A finite number; surrounding blanks do not matter.
fn number(cell: &str) -> Option<f32> {
    cell.trim().parse().ok().filter(|value: &f32| value.is_finite())
}

/// What stands for a missing number.
fn is_gap(cell: &str) -> bool {
    matches!(cell.trim(), "" | "NA" | "N/A" | "NaN" | "nan" | "null" | "NULL")
}
