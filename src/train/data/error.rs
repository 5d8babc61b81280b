//! What is wrong with a data set, and exactly where.
//!
//! In: the finding of a reader. Out: [`DataError`], a value that the caller
//! turns into a diagnostic at the `data` item. Messages start in lower case and
//! have no full stop.

use crate::diag::nearest;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing wrong with a data set.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DataError {
    /// One line.
    pub message: String,
    /// The file it is in.
    pub file: Option<PathBuf>,
    /// The line of the file, from 1 (the header is line 1).
    pub row: Option<u64>,
    /// The column's name.
    pub column: Option<String>,
    /// How to go on.
    pub help: Option<String>,
}

impl DataError {
    /// An error that is not yet placed.
    pub fn new(message: impl Into<String>) -> Self {
        DataError { message: message.into(), ..DataError::default() }
    }

    /// In this file.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// On this line.
    pub fn row(mut self, line: u64) -> Self {
        self.row = Some(line);
        self
    }

    /// In this column.
    pub fn column(mut self, name: impl Into<String>) -> Self {
        self.column = Some(name.into());
        self
    }

    /// How to go on.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Reading `path` failed: says why, and for a missing file which near one exists.
    pub fn io(path: &Path, error: &std::io::Error) -> Self {
        if error.kind() != std::io::ErrorKind::NotFound {
            return DataError::new(format!("cannot read {}: {error}", path.display())).file(path);
        }
        let found = DataError::new(format!("there is no {}", path.display())).file(path);
        match near_file(path) {
            Some(near) => found.help(format!("did you mean {}?", near.display())),
            None => match first_missing_folder(path) {
                Some(folder) => found.help(format!("the folder {} does not exist either", folder.display())),
                None => found,
            },
        }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut place = self.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        if let Some(row) = self.row {
            place += &format!(":{row}");
        }
        // A message that names the file itself needs no place before it.
        if !place.is_empty() && (self.row.is_some() || !self.message.contains(&place)) {
            write!(f, "{place}: ")?;
        }
        if let Some(column) = &self.column {
            write!(f, "column {column}: ")?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " (hint: {help})"))
    }
}

impl std::error::Error for DataError {}

/// A file of the same folder whose name is nearly that of `path`.
fn near_file(path: &Path) -> Option<PathBuf> {
    let folder = folder_of(path);
    let wanted = path.file_name()?.to_str()?;
    let mut names: Vec<String> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let same_but_case = names.iter().find(|name| name.to_lowercase() == wanted.to_lowercase());
    let near = same_but_case.map(String::as_str).or_else(|| nearest(wanted, names.iter().map(String::as_str)))?;
    Some(path.with_file_name(near))
}

/// The outermost folder of `path` that does not exist.
fn first_missing_folder(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()).last()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
