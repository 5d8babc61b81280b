//! The file of epochs: `log.jsonl` in the results' folder.
//!
//! In: epochs as JSON lines. Out: a file with one line each, replaced by the next
//! run. Invariant: nothing is made before the first epoch; a disk that is full
//! is told once and does not end the run.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// The log of a run.
pub struct Record {
    folder: PathBuf,
    file: Option<File>,
    failure: Option<String>,
}

impl Record {
    /// A log in this folder, made when there is something to write.
    pub fn new(folder: PathBuf) -> Self {
        Record { folder, file: None, failure: None }
    }

    /// Adds a line.
    pub fn epoch(&mut self, line: &str) {
        if self.failure.is_none()
            && let Err(error) = self.append(line)
        {
            self.failure = Some(format!("{}: {error}", self.folder.display()));
        }
    }

    /// Why it is not complete.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn append(&mut self, line: &str) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                std::fs::create_dir_all(&self.folder)?;
                none.insert(File::create(self.folder.join("log.jsonl"))?)
            }
        };
        file.write_all(format!("{line}\n").as_bytes())
    }
}
