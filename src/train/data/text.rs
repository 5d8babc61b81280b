//! Texts as class numbers.
//!
//! In: a file, what its pieces are, the length of a row. Out: columns `ids` and
//! `target`, the same moved on by one piece. The numbers of the pieces stand in
//! memory once, as bytes or 16-bit numbers. Classes are the distinct pieces of
//! the whole file in the order of their code points; of lines class 0 is the end
//! of a line, which also stands before it and fills up shorter ones.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::DataError;
use super::split::Parts;
use super::table::{Column, Kind, Table, Values};
use super::windows::{Cut, Sequence, Windows};
use crate::check::tokens;

/// What the pieces of a text are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Characters, the text being one long row of them.
    Characters,
    /// Words and marks, the text being one long row of them.
    Words,
    /// Characters, each line being a row.
    Lines,
}

/// A text as a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct TextSource {
    /// The file.
    pub path: PathBuf,
    /// What its pieces are.
    pub by: By,
    /// Pieces in a row; of lines, if absent, what the longest takes.
    pub window: Option<usize>,
    /// From the start of a row to that of the next; if absent, the window.
    pub stride: Option<usize>,
}

/// The table, and its parts unless its rows are to be shuffled.
///
/// # Errors
/// The file cannot be read, or is too short for its windows.
pub fn load(source: &TextSource, fractions: &[(&str, f64)]) -> Result<(Table, Option<Parts>), DataError> {
    let path = &source.path;
    let text = read(path)?;
    match source.by {
        By::Lines => lines(source, &text).map(|table| (table, None)).map_err(|error| error.file(path)),
        By::Characters | By::Words => running(source, &text, fractions)
            .map(|(table, parts)| (table, Some(parts)))
            .map_err(|error| error.file(path)),
    }
}

fn read(path: &Path) -> Result<String, DataError> {
    let bytes = std::fs::read(path).map_err(|error| DataError::io(path, &error))?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        DataError::new("the file is not UTF-8 text").file(path).row(line as u64).help("save it again in UTF-8")
    })?;
    Ok(if text.contains('\r') { text.replace("\r\n", "\n") } else { text.to_string() })
}

fn running(source: &TextSource, text: &str, fractions: &[(&str, f64)]) -> Result<(Table, Parts), DataError> {
    let window = source.window.unwrap_or(DEFAULT_WINDOW);
    let words = source.by == By::Words;
    let (sequence, names) =
        if words { numbered(tokens::words(text), None)? } else { numbered(tokens::characters(text), None)? };
    let length = match &sequence {
        Sequence::Bytes(values) => values.len(),
        Sequence::Shorts(values) => values.len(),
        Sequence::Numbers(values) => values.len(),
    };
    let unit = if words { "words and marks" } else { "characters" };
    let cut = Cut { extent: window + 1, stride: source.stride.unwrap_or(window), unit };
    let (starts, parts) = cut.parts(length, fractions)?;
    Ok((table(source, Arc::new(sequence), starts, window, names)?, parts))
}

/// Pieces in a row unless told otherwise.
const DEFAULT_WINDOW: usize = 64;

fn lines(source: &TextSource, text: &str) -> Result<Table, DataError> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    if longest == 0 {
        return Err(DataError::new("the file has no line with text"));
    }
    let window = source.window.unwrap_or(longest + 1);
    if window <= longest {
        let message =
            format!("the longest line has {longest} characters, which with its end is too long for this window");
        return Err(DataError::new(message).help(format!("window = {}", longest + 1)));
    }
    // A row reads one more than its window: what stands before the line.
    let padded = lines.iter().flat_map(|line| {
        let fill = window - line.chars().count();
        std::iter::once("\n").chain(tokens::characters(line)).chain(std::iter::repeat_n("\n", fill))
    });
    let (sequence, names) = numbered(padded, Some("\n"))?;
    let starts = (0..lines.len()).map(|line| (line * (window + 1)) as u32).collect();
    table(source, Arc::new(sequence), starts, window, names)
}

/// Pieces by the number of their class, and the names of the classes; `first` is class 0.
fn numbered<'t>(
    pieces: impl Iterator<Item = &'t str> + Clone,
    first: Option<&'t str>,
) -> Result<(Sequence, Vec<String>), DataError> {
    let mut known: BTreeSet<&str> = pieces.clone().collect();
    first.map(|first| known.remove(first));
    let names: Vec<&str> = first.into_iter().chain(known).collect();
    if names.is_empty() {
        return Err(DataError::new("the file is empty"));
    }
    if names.len() > usize::from(u16::MAX) {
        let message = format!("{} different pieces are too many: the limit is {}", names.len(), u16::MAX);
        return Err(DataError::new(message).help("take characters: by = \"chars\""));
    }
    let numbers: HashMap<&str, u16> = names.iter().zip(0..).map(|(&name, number)| (name, number)).collect();
    let sequence = match names.len() {
        ..=256 => Sequence::Bytes(pieces.map(|piece| numbers[piece] as u8).collect()),
        _ => Sequence::Shorts(pieces.map(|piece| numbers[piece]).collect()),
    };
    Ok((sequence, names.into_iter().map(String::from).collect()))
}

fn table(
    source: &TextSource,
    of: Arc<Sequence>,
    starts: Arc<[u32]>,
    size: usize,
    names: Vec<String>,
) -> Result<Table, DataError> {
    let kind = Kind::Class { count: names.len(), names };
    let column = |name: &str, ahead: usize| {
        let windows = Windows { of: Arc::clone(&of), starts: Arc::clone(&starts), ahead, size };
        Column::new(name, kind.clone(), vec![size], Values::Windows(windows))
    };
    let name = source.path.file_stem().map_or_else(|| "text".into(), |stem| stem.to_string_lossy().into_owned());
    Table::new(name, vec![column("ids", 0), column("target", 1)])
}
