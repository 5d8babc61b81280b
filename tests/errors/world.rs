//! The outside as programs of the suite see it: imports and tables of
//! `tests/errors/`, images that only have a schema, generators.

use std::path::{Path, PathBuf};

use nnc::check::typed::{Data, DataId, Program, Source};
use nnc::check::{self, Options, Schema, SchemaColumn, SchemaError, World};
use nnc::diag::Diagnostic;
use nnc::source::SourceMap;
use nnc::syntax;
use nnc::train::columns;
use nnc::train::data::{self, DataError, Kind};

/// Files of `tests/errors/`; `data/mnist` and `data/fashion` are there without their numbers.
pub struct TestWorld;

/// Parses and checks a program.
pub fn check_program(name: &str, text: &str) -> (SourceMap, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let (ast, mut diagnostics) = syntax::parse(file, text);
    let unparsed = diagnostics.clone();
    let options = Options { set: Vec::new(), seed: 0, unparsed: &unparsed, world: &TestWorld };
    let (_, found) = check::check(&mut sources, file, ast, &options);
    diagnostics.extend(found);
    (sources, diagnostics)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/errors")
}

fn located(source: &Source) -> Source {
    match source {
        Source::Csv { .. } | Source::Text { .. } | Source::Series { .. } => {
            source.with_path(|path| folder().join(path).to_string_lossy().into_owned())
        }
        other => other.clone(),
    }
}

fn is_images(source: &Source) -> bool {
    matches!(source, Source::Idx { path } if path == "data/mnist" || path == "data/fashion")
}

fn schema_error(error: DataError) -> SchemaError {
    let help = error.help.clone();
    let message = DataError { help: None, ..error }.to_string();
    SchemaError { message: message.replace(&format!("{}/", folder().display()), ""), help }
}

fn column(found: data::SchemaColumn) -> SchemaColumn {
    let (classes, as_classes, text) = match found.kind {
        Kind::Class { names, .. } => (Some(names), None, false),
        Kind::Text => (found.classes, None, true),
        Kind::Number => (None, found.classes, false),
    };
    let odd = found.odd.map(|odd| odd.replace(&format!("{}/", folder().display()), ""));
    SchemaColumn { name: found.name, shape: found.shape, classes, text, as_classes, odd }
}

impl World for TestWorld {
    fn import(&self, from: &str, path: &str) -> Result<(String, String), String> {
        let name = Path::new(from).parent().unwrap_or(Path::new("")).join(path);
        let name = name.to_string_lossy().into_owned();
        match std::fs::read_to_string(folder().join(&name)) {
            Ok(text) => Ok((name, text)),
            Err(_) => Err(format!("there is no file {name}")),
        }
    }

    fn schema(&self, source: &Source) -> Result<Schema, SchemaError> {
        if is_images(source) {
            let classes = Some((0..10).map(|digit| digit.to_string()).collect());
            let image = SchemaColumn {
                name: "image".into(),
                shape: vec![28, 28],
                classes: None,
                text: false,
                as_classes: None,
                odd: None,
            };
            let label =
                SchemaColumn { name: "label".into(), shape: vec![], classes, text: false, as_classes: None, odd: None };
            return Ok(Schema { columns: vec![image, label], rows: 60_000, test_rows: 10_000 });
        }
        let found = data::schema(&columns::source(&located(source))).map_err(schema_error)?;
        let own_test = found.own_test.unwrap_or(0);
        let rows = found.rows.unwrap_or(0);
        let columns = found.columns.into_iter().map(column).collect();
        Ok(Schema { columns, rows: (rows - own_test) as u64, test_rows: own_test as u64 })
    }

    fn parts(&self, program: &Program, data: DataId) -> Result<Vec<(String, u64)>, SchemaError> {
        let declared = &program.data[data.index()];
        if is_images(&declared.source) {
            return Ok(vec![("train".into(), 60_000), ("test".into(), 10_000), ("all".into(), 60_000)]);
        }
        let declared = Data { source: located(&declared.source), ..declared.clone() };
        Ok(columns::load(program, &declared, declared.seed).map_err(schema_error)?.counts())
    }
}
