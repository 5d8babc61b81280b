//! Values as text: what `print` writes.
//!
//! In: a tree of [`Shown`] and the action's output values. Out: text without a
//! final newline. Numbers are written as shortly as reads back the same f32;
//! columns of a matrix are aligned; what is long is cut with its shape named.
//! The text depends on the values alone.

use std::fmt::Write as _;

use super::value::Value;
use crate::check::tokens;
use crate::check::typed::Shown;
use crate::ir::DType;

/// Longer vectors and higher matrices are cut.
const MOST_ROWS: usize = 12;
/// Rows of more elements are cut.
const MOST_COLUMNS: usize = 16;
/// Vectors up to this length are shown whole.
const MOST_ELEMENTS: usize = 32;

/// Longer tables are cut.
const MOST_TABLE: usize = 40;

type Classes<'a> = Option<&'a [String]>;

/// The values of one `print`, with a blank between.
pub fn show_all(shown: &[Shown], outputs: &[Value]) -> String {
    let texts: Vec<String> = shown.iter().map(|value| show(value, outputs)).collect();
    let separator = if texts.iter().any(|text| text.contains('\n')) { "\n" } else { " " };
    texts.join(separator)
}

/// One value.
pub fn show(shown: &Shown, outputs: &[Value]) -> String {
    match shown {
        Shown::Text(text) => text.clone(),
        // The session puts its rows in; one that stands here has none.
        Shown::Table(_) | Shown::Texts(..) => String::new(),
        Shown::Output(at, classes) => match outputs.get(*at) {
            Some(value) => tensor(value, classes.as_deref()),
            None => "?".to_string(),
        },
        Shown::Decoded(at, names) => outputs.get(*at).map_or("?".to_string(), |value| decoded(value, names)),
        Shown::List(items) => bracketed("[", items, outputs, "]"),
        Shown::Tuple(items) => bracketed("(", items, outputs, ")"),
        Shown::Pieces(pieces) => pieces.iter().map(|piece| show(piece, outputs)).collect(),
        Shown::Record(fields) => record(fields, outputs),
        Shown::Columns(columns) => beside(columns, outputs),
    }
}

/// The text that classes stand for, a line for each row.
fn decoded(value: &Value, names: &[String]) -> String {
    let characters = tokens::are_characters(names);
    let piece = |&word: &u32| names.get(word as usize).map_or("?", String::as_str);
    let width = value.ty.shape.last().copied().unwrap_or(1).max(1);
    let rows: Vec<String> =
        value.words.chunks(width).map(|row| tokens::decode(row.iter().map(piece), characters)).collect();
    match rows.as_slice() {
        [one] => one.clone(),
        // Line ends around a row would only pull the rows apart.
        rows => rows.iter().map(|row| row.trim_matches('\n')).collect::<Vec<_>>().join("\n"),
    }
}

/// A number as shortly as reads back the same f32: `49`, `0.1`, `1e-7`, `nan`, `inf`.
pub fn number(value: f32) -> String {
    if value.is_nan() {
        return "nan".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-5..1e9).contains(&size) { format!("{value:e}") } else { format!("{value}") }
}

fn bracketed(open: &str, items: &[Shown], outputs: &[Value], close: &str) -> String {
    let texts: Vec<String> = items.iter().map(|item| show(item, outputs)).collect();
    if texts.iter().any(|text| text.contains('\n')) {
        let lines = texts.join(",\n");
        return format!("{open}\n{lines}\n{close}");
    }
    format!("{open}{}{close}", texts.join(", "))
}

/// Columns side by side under their names: numbers to the right, texts to the left.
fn beside(columns: &[(String, Shown)], outputs: &[Value]) -> String {
    let cells: Vec<Vec<String>> = columns.iter().map(|(_, column)| rows_of(column, outputs)).collect();
    let rows = cells.iter().map(Vec::len).max().unwrap_or(0);
    let shown: Vec<usize> = match rows <= MOST_TABLE {
        true => (0..rows).collect(),
        false => (0..MOST_TABLE / 2).chain(rows - 5..rows).collect(),
    };
    let mut lines = vec![String::new(); shown.len() + 1];
    for ((name, column), cells) in columns.iter().zip(&cells) {
        let cell = |row: usize| cells.get(row).map_or("", String::as_str);
        let texts = std::iter::once(name.as_str()).chain(shown.iter().map(|&row| cell(row)));
        let texts: Vec<&str> = texts.collect();
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let left = matches!(column, Shown::List(_) | Shown::Output(_, Some(_)));
        for (line, text) in lines.iter_mut().zip(texts) {
            let padded = if left { pad_right(text, width) } else { format!("{text:>width$}") };
            *line += if line.is_empty() { "" } else { "  " };
            *line += &padded;
        }
    }
    if rows > shown.len() {
        lines.insert(MOST_TABLE / 2 + 1, "...".to_string());
        lines.push(format!("({rows} rows)"));
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// A column's rows as texts.
fn rows_of(column: &Shown, outputs: &[Value]) -> Vec<String> {
    match column {
        Shown::List(items) => items.iter().map(|item| show(item, outputs)).collect(),
        Shown::Output(at, classes) => {
            let Some(value) = outputs.get(*at) else { return Vec::new() };
            let row = crate::ir::Type::new(value.ty.dtype, value.ty.shape.get(1..).unwrap_or_default().to_vec());
            let rows = value.words.chunks(row.len().max(1));
            rows.map(|words| {
                tensor(&Value { ty: row.clone(), words: words.to_vec() }, classes.as_deref()).replace('\n', " ")
            })
            .collect()
        }
        other => vec![show(other, outputs)],
    }
}

/// Names and values below each other, aligned.
fn record(fields: &[(String, Shown)], outputs: &[Value]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (name, value) in fields {
        let text = show(value, outputs);
        let name = pad_right(name, width);
        if text.contains('\n') {
            lines.push(name.trim_end().to_string());
            lines.extend(text.lines().map(|line| format!("  {line}")));
        } else {
            lines.push(format!("{name}  {text}"));
        }
    }
    lines.join("\n")
}

pub fn tensor(value: &Value, classes: Classes) -> String {
    let shape = &value.ty.shape;
    let cells = |range: std::ops::Range<usize>| -> Vec<String> {
        range.map(|at| element(value.ty.dtype, value.words[at], classes)).collect()
    };
    match shape[..] {
        [] => cells(0..value.words.len()).concat(),
        [length] => vector(length, &cells),
        [.., columns] => {
            let rows = value.words.len() / columns.max(1);
            if value.words.is_empty() { format!("[] {}", value.ty) } else { matrix(shape, rows, columns, &cells) }
        }
    }
}

fn element(dtype: DType, word: u32, classes: Classes) -> String {
    match dtype {
        DType::F32 => number(f32::from_bits(word)),
        DType::Bool => (word != 0).to_string(),
        DType::I32 => {
            let index = word as i32;
            let name = classes.and_then(|names| names.get(usize::try_from(index).ok()?));
            // Line ends and their kin would break the table.
            name.map_or_else(|| index.to_string(), |name| name.replace('\n', "\\n").replace('\t', "\\t"))
        }
    }
}

fn vector(length: usize, cells: &dyn Fn(std::ops::Range<usize>) -> Vec<String>) -> String {
    if length <= MOST_ELEMENTS {
        return format!("[{}]", cells(0..length).join(", "));
    }
    let (first, last) = (cells(0..6), cells(length - 3..length));
    format!("[{}, ..., {}]  ({length} elements)", first.join(", "), last.join(", "))
}

/// Rows of the last axis; a blank line between matrices of a higher rank.
fn matrix(
    shape: &[usize],
    rows: usize,
    columns: usize,
    cells: &dyn Fn(std::ops::Range<usize>) -> Vec<String>,
) -> String {
    let shown: Vec<usize> =
        if rows <= MOST_ROWS { (0..rows).collect() } else { (0..6).chain(rows - 3..rows).collect() };
    let table: Vec<Vec<String>> = shown.iter().map(|&row| row_cells(row, columns, cells)).collect();
    let width = |at: usize| table.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table.first().map_or(0, Vec::len)).map(width).collect();
    let height = shape[shape.len() - 2];
    let mut out = String::new();
    for (at, (&row, texts)) in shown.iter().zip(&table).enumerate() {
        if at > 0 {
            out.push('\n');
            if row != shown[at - 1] + 1 {
                out.push_str(" ...\n");
            } else if shape.len() > 2 && row % height == 0 {
                out.push('\n');
            }
        }
        let padded: Vec<String> = texts.iter().zip(&widths).map(|(text, &width)| pad_left(text, width)).collect();
        let (open, close) = if shape.len() == 2 {
            (if at == 0 { "[[" } else { " [" }, if at + 1 == shown.len() { "]]" } else { "]" })
        } else {
            ("[", "]")
        };
        let _ = write!(out, "{open}{}{close}", padded.join(", "));
    }
    if rows > MOST_ROWS || columns > MOST_COLUMNS || shape.len() > 2 {
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        let _ = write!(out, "  [{}]", sizes.join(", "));
    }
    out
}

fn row_cells(row: usize, columns: usize, cells: &dyn Fn(std::ops::Range<usize>) -> Vec<String>) -> Vec<String> {
    let start = row * columns;
    if columns <= MOST_COLUMNS {
        return cells(start..start + columns);
    }
    let mut texts = cells(start..start + 6);
    texts.push("...".to_string());
    texts.extend(cells(start + columns - 3..start + columns));
    texts
}

fn pad_left(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.chars().count())))
}

fn pad_right(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Type;

    fn floats(shape: &[usize], values: &[f32]) -> Value {
        Value { ty: Type::new(DType::F32, shape), words: values.iter().map(|value| value.to_bits()).collect() }
    }

    #[test]
    fn numbers_are_as_short_as_reads_back() {
        let shown: Vec<String> =
            [49.0, 0.1, -0.0, 1.0 / 3.0, 1e-7, 3e12, f32::NAN, f32::NEG_INFINITY].map(number).to_vec();
        assert_eq!(shown, ["49", "0.1", "-0", "0.33333334", "1e-7", "3e12", "nan", "-inf"]);
    }

    #[test]
    fn matrices_are_aligned_and_long_ones_cut() {
        let value = floats(&[2, 2], &[1.0, -20.5, 3.25, 4.0]);
        assert_eq!(tensor(&value, None), "[[   1, -20.5]\n [3.25,     4]]");
        let long = floats(&[100], &(0..100).map(|at| at as f32).collect::<Vec<_>>());
        assert_eq!(tensor(&long, None), "[0, 1, 2, 3, 4, 5, ..., 97, 98, 99]  (100 elements)");
    }

    #[test]
    fn classes_have_names_and_records_are_tables() {
        let class = Value { ty: Type::new(DType::I32, [2]), words: vec![1, 0] };
        let names: std::sync::Arc<[String]> = vec!["cat".to_string(), "dog".to_string()].into();
        let record = Shown::Record(vec![
            ("loss".to_string(), Shown::Output(0, None)),
            ("label".to_string(), Shown::Output(1, Some(names))),
        ]);
        assert_eq!(show(&record, &[Value::scalar(0.5), class]), "loss   0.5\nlabel  [dog, cat]");
    }
}
