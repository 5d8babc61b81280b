//! Series: windows over the columns of numbers of a CSV file, in its order.
//!
//! In: a file, the length of a row, how many values behind it are predicted, the
//! distance of rows. Out: for each column of numbers `NAME`, the windows, and
//! `NAME_ahead`, what follows each. Invariant: parts are contiguous and in the
//! order of the fractions; a row is in the part that what it predicts lies in,
//! so no part's rows predict what another part's do. Texts (dates) are left out.

use std::path::PathBuf;
use std::sync::Arc;

use super::csv_file;
use super::error::DataError;
use super::split::{Parts, apportion};
use super::table::{Column, Kind, Origin, Table, Values};
use super::windows::{Sequence, Windows};

/// A series as a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSource {
    /// The file.
    pub path: PathBuf,
    /// Values in a row.
    pub window: usize,
    /// Values behind it that are to be predicted.
    pub horizon: usize,
    /// From the start of a row to that of the next.
    pub stride: usize,
}

/// The table and its parts.
///
/// # Errors
/// The file cannot be read, has no column of numbers, or a part is too short for one row.
pub fn load(source: &SeriesSource, fractions: &[(&str, f64)]) -> Result<(Table, Parts), DataError> {
    let table = csv_file::load(&source.path)?;
    let (starts, parts) = rows(source, table.rows, fractions).map_err(|error| error.file(&source.path))?;
    let mut columns = Vec::new();
    for column in table.columns {
        let Column { name, values: Values::F32(values), missing, origin, .. } = column else { continue };
        let sequence = Arc::new(Sequence::Numbers(values));
        let ahead = if source.horizon == 1 { Vec::new() } else { vec![source.horizon] };
        let both = [
            (name.clone(), vec![source.window], 0, source.window),
            (format!("{name}_ahead"), ahead, source.window, source.horizon),
        ];
        for (name, shape, ahead, size) in both {
            let windows = Windows { of: Arc::clone(&sequence), starts: Arc::clone(&starts), ahead, size };
            let column = Column::new(name, Kind::Number, shape, Values::Windows(windows));
            columns.push(with_gaps(column, &starts, ahead, size, &missing, origin.as_deref()));
        }
    }
    if columns.is_empty() {
        return Err(DataError::new("a series needs a column of numbers").file(&source.path));
    }
    Ok((Table::new(table.name, columns)?, parts))
}

/// The start of each row, part after part.
fn rows(source: &SeriesSource, length: usize, fractions: &[(&str, f64)]) -> Result<(Arc<[u32]>, Parts), DataError> {
    let fractions = if fractions.is_empty() { &[("train", 1.0)] } else { fractions };
    let (mut starts, mut parts, mut from) = (Vec::new(), Parts::default(), 0);
    for (&(name, _), count) in fractions.iter().zip(apportion(length, fractions)) {
        let first = starts.len() as u32;
        // What is predicted begins behind the window, and ends within the part.
        let begin = from.max(source.window) - source.window;
        let end = (from + count + 1).saturating_sub(source.window + source.horizon).max(begin);
        starts.extend((begin..end).step_by(source.stride).map(|start| start as u32));
        let rows: Vec<u32> = (first..starts.len() as u32).collect();
        if rows.is_empty() {
            let extent = source.window + source.horizon;
            let message = format!("`{name}` has {count} values: none of them can be predicted from {}", source.window);
            return Err(DataError::new(message).help(format!("a row takes {extent} values: take a smaller window")));
        }
        parts.parts.push((name.to_string(), rows));
        from += count;
    }
    Ok((starts.into(), parts))
}

/// The rows whose values are not all there; the line of such a row is that of its first gap.
fn with_gaps(
    column: Column,
    starts: &[u32],
    ahead: usize,
    size: usize,
    missing: &[u32],
    origin: Option<&Origin>,
) -> Column {
    let Some(origin) = origin else { return column };
    let mut gaps = Vec::new();
    let mut lines = Vec::with_capacity(starts.len());
    for (row, &start) in starts.iter().enumerate() {
        let from = start + ahead as u32;
        let gap = missing.get(missing.partition_point(|&cell| cell < from)).filter(|&&cell| cell < from + size as u32);
        if gap.is_some() {
            gaps.push(row as u32);
        }
        lines.push(origin.lines[*gap.unwrap_or(&from) as usize]);
    }
    let origin = Some(Arc::new(Origin { file: origin.file.clone(), lines }));
    Column { missing: gaps, origin, ..column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_predicts_its_own_values_and_only_those() {
        let source = SeriesSource { path: PathBuf::new(), window: 3, horizon: 2, stride: 1 };
        let (starts, parts) = rows(&source, 10, &[("train", 0.7), ("test", 0.3)]).unwrap();
        // Train: values 0..7, so pairs (3, 4), (4, 5), (5, 6); test: 7..10, so (7, 8), (8, 9).
        assert_eq!(*starts, [0, 1, 2, 4, 5]);
        assert_eq!(parts.get("train"), Some(&[0, 1, 2][..]));
        assert_eq!(parts.get("test"), Some(&[3, 4][..]));
        assert!(rows(&source, 4, &[]).is_err());
    }
}
