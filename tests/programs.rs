//! Whole programs, as a user writes them, from text to results.
//!
//! What the suites of examples, documentation and golden values share: one way
//! to check and run a text, and one way to look at what came out.

use nnc::check::{self, typed};
use nnc::diag::{Diagnostic, render};
use nnc::driver::FileWorld;
use nnc::report::{Reporter, Style, Times, TimesStyle};
use nnc::source::SourceMap;
use nnc::syntax;
use nnc::train::engine::EngineKind;
use nnc::train::{Outcome, Report, RunOptions, Value, run};
use std::path::{Path, PathBuf};

/// How a program is run.
#[derive(Clone, Copy)]
pub struct Way {
    pub engine: EngineKind,
    pub threads: usize,
}

pub const JIT: Way = Way { engine: EngineKind::Jit, threads: 1 };
pub const INTERPRETER: Way = Way { engine: EngineKind::Interpreter, threads: 1 };

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    pub prints: Vec<String>,
    pub outcome: Outcome,
    /// The bytes of each file it wrote, by name.
    pub files: Vec<(String, Vec<u8>)>,
    pub warnings: Vec<Diagnostic>,
}

/// Keeps what is printed and draws pictures as the command does.
struct Told {
    prints: Vec<String>,
    pictures: Reporter,
}

impl Report for Told {
    fn on_print(&mut self, text: &str) {
        self.prints.push(text.to_string());
    }

    fn on_plot(&mut self, plot: &typed::Plot, outputs: &[Value], to: Option<&Path>) -> Result<Option<PathBuf>, String> {
        self.pictures.on_plot(plot, outputs, to)
    }
}

/// A program that may run: its texts, itself, its warnings.
pub type Checked = (SourceMap, typed::Program, Vec<Diagnostic>);

/// Checks a text; on failure what is wrong, as codes and as a reader sees it. `name` says in which folder it stands.
pub fn check(name: &str, text: &str) -> Result<Checked, (Vec<String>, String)> {
    check_set(name, text, &[])
}

/// As [`check`], with other values of constants.
fn check_set(name: &str, text: &str, set: &[(String, String)]) -> Result<Checked, (Vec<String>, String)> {
    let mut sources = SourceMap::default();
    let main = sources.add(name.to_string(), text);
    let (file, mut diagnostics) = syntax::parse(main, text);
    let world = FileWorld::new(Path::new(name));
    let unparsed = diagnostics.clone();
    let options = check::Options { set: set.to_vec(), seed: 0, unparsed: &unparsed, world: &world };
    let (mut program, found) = check::check(&mut sources, main, file, &options);
    diagnostics.extend(found);
    if diagnostics.iter().any(Diagnostic::is_error) {
        let codes = diagnostics.iter().filter(|one| one.is_error()).map(|one| one.code.name().to_string()).collect();
        return Err((codes, render::text(&sources, &diagnostics, false, 120)));
    }
    program.data.iter_mut().for_each(|data| data.source = world.located(&data.source));
    Ok((sources, program, diagnostics))
}

/// Checks and runs a text; on failure what a reader would see.
pub fn run_text(name: &str, text: &str, way: Way) -> Result<Ran, String> {
    run_set(name, text, &[], way)
}

/// As [`run_text`], with other values of constants.
pub fn run_set(name: &str, text: &str, set: &[(String, String)], way: Way) -> Result<Ran, String> {
    let (name, text, set) = (name.to_string(), text.to_string(), set.to_vec());
    // As the command does: deep programs need stack.
    std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || run_here(&name, &text, &set, way))
        .expect("a thread starts")
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn run_here(name: &str, text: &str, set: &[(String, String)], way: Way) -> Result<Ran, String> {
    let (sources, program, warnings) = check_set(name, text, set).map_err(|(_, shown)| shown)?;
    let folder = Folder::new();
    let options = RunOptions {
        engine: way.engine,
        threads: way.threads,
        verify: true,
        out: folder.0.clone(),
        ..RunOptions::default()
    };
    let times = Times::new(std::time::Instant::now(), TimesStyle::Silent);
    let mut told = Told { prints: Vec::new(), pictures: Reporter::new(Style::Quiet, folder.0.clone(), times) };
    let outcome = run(&program, &options, &mut told).map_err(|fault| {
        let (line, column) = sources.line_column(fault.span);
        format!("{name}:{line}:{column}: {}: `{}` {:?}", fault.message, sources.text(fault.span), fault.help)
    })?;
    let files = outcome
        .written
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("what was written can be read"))
        })
        .collect();
    Ok(Ran { prints: told.prints, outcome, files, warnings })
}

/// The numbers in a text, in order.
pub fn numbers(text: &str) -> Vec<f64> {
    let part = |c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c));
    text.split(part).filter_map(|word| word.parse().ok()).collect()
}

/// A folder of its own, gone with the value.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Folder(std::env::temp_dir().join(format!("nnc-programs-{}-{number}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The files of a folder with an ending, by name.
pub fn files_in(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == ending));
    found.sort();
    found
}

/// The files with an ending in a folder and the folders below it, by path.
pub fn files_below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
