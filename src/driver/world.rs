//! Files: what the checker asks of the outside.
//!
//! In: paths as programs write them. Out: texts, schemas, numbers of rows.
//! Invariant: a path is looked for in the folder of the file that names it, in
//! that of the program, then in the current folder, then in the folder that `NNC_DATA` names, and the
//! first that exists is the one meant, in checking and in running.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::check::{Schema, SchemaColumn, SchemaError, World, typed};
use crate::source::FileId;
use crate::syntax;
use crate::train::columns;
use crate::train::data::{self, DataError, Kind};

/// The environment's folder of data sets.
const DATA_FOLDER: &str = "NNC_DATA";

/// The file system as a program sees it.
pub struct FileWorld {
    /// The program's folder.
    folder: PathBuf,
    /// Schemas by what they are of, so that no file is looked at twice.
    schemas: Mutex<HashMap<String, Schema>>,
}

impl FileWorld {
    /// That of the program at `path`.
    pub fn new(path: &Path) -> Self {
        FileWorld { folder: folder_of(path), schemas: Mutex::default() }
    }

    /// The same source with the path that was found. One that is nowhere stands in the program's folder.
    pub fn located(&self, source: &typed::Source) -> typed::Source {
        source.with_path(|path| self.find(path))
    }

    /// What was read so far: the checker asks from a thread of its own.
    fn known(&self) -> MutexGuard<'_, HashMap<String, Schema>> {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a path leads: the first place that exists, or else the program's folder.
    pub(super) fn find(&self, path: &str) -> String {
        let given = std::env::var_os(DATA_FOLDER).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let folders = [Some(self.folder.clone()), Some(PathBuf::new()), given];
        let places = folders.into_iter().flatten().map(|folder| folder.join(path));
        let found = places.into_iter().find(|place| place.exists());
        found.unwrap_or_else(|| self.folder.join(path)).to_string_lossy().into_owned()
    }
}

impl World for FileWorld {
    fn import(&self, from: &str, path: &str) -> Result<(String, String), String> {
        let place = folder_of(Path::new(from)).join(path);
        let bytes = read_bounded(&place)?;
        let text = syntax::check_bytes(FileId::default(), &bytes);
        let text = text.map_err(|wrong| format!("{}: {}", place.display(), wrong.message))?;
        // One file has one name, however it is reached: circles of imports are found by it.
        let name = std::fs::canonicalize(&place).unwrap_or_else(|_| place.clone());
        let name = std::env::current_dir()
            .ok()
            .and_then(|here| Some(name.strip_prefix(here).ok()?.to_path_buf()))
            .unwrap_or(name);
        Ok((name.to_string_lossy().into_owned(), text.to_string()))
    }

    fn beside(&self, file: &str, path: &str) -> String {
        let place = folder_of(Path::new(file)).join(path);
        if place.exists() { place.to_string_lossy().into_owned() } else { path.to_string() }
    }

    fn schema(&self, source: &typed::Source) -> Result<Schema, SchemaError> {
        let source = self.located(source);
        let key = format!("{source:?}");
        if let Some(schema) = self.known().get(&key) {
            return Ok(schema.clone());
        }
        let schema = read_schema(&source).map_err(schema_error)?;
        self.known().insert(key, schema.clone());
        Ok(schema)
    }

    fn parts(&self, program: &typed::Program, data: typed::DataId) -> Result<Vec<(String, u64)>, SchemaError> {
        let declared = &program.data[data.index()];
        let declared = typed::Data { source: self.located(&declared.source), ..declared.clone() };
        let set = columns::load(program, &declared, declared.seed).map_err(schema_error)?;
        Ok(set.counts())
    }
}

/// The bytes of a file that may be a program; of a larger one just more than is allowed, which the caller refuses.
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => without_place(DataError::io(path, &error)),
        _ => format!("cannot read {}: {error}", path.display()),
    };
    if path.is_dir() {
        return Err(format!("{} is a folder, not a program", path.display()));
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(syntax::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// An error whose message already names the file.
fn without_place(error: DataError) -> String {
    match error.help {
        Some(help) => format!("{}; {help}", error.message),
        None => error.message,
    }
}

fn read_schema(source: &typed::Source) -> Result<Schema, DataError> {
    let read = columns::source(source);
    let found = data::schema(&read)?;
    let own_test = found.own_test.unwrap_or(0);
    let rows = match found.rows {
        Some(rows) => rows,
        None => data::load(&read)?.rows,
    };
    let columns = found.columns.into_iter().map(column).collect();
    Ok(Schema { columns, rows: (rows - own_test) as u64, test_rows: own_test as u64 })
}

fn column(found: data::SchemaColumn) -> SchemaColumn {
    let (classes, as_classes, text) = match found.kind {
        Kind::Class { names, .. } => (Some(names), None, false),
        Kind::Text => (found.classes, None, true),
        Kind::Number => (None, found.classes, false),
    };
    SchemaColumn { name: found.name, shape: found.shape, classes, text, as_classes, odd: found.odd }
}

fn schema_error(error: DataError) -> SchemaError {
    let help = error.help.clone();
    SchemaError { message: DataError { help: None, ..error }.to_string(), help }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}
