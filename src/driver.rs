//! The whole pipeline as one readable list.
//!
//! In: the path of a program. Out, stage by stage: text, syntax tree, typed
//! program ([`front`]); of each thing in it that is computed ([`computations`])
//! a graph ([`forward`], [`differentiated`], [`optimised`]), loops with memory
//! ([`loops`]) and machine code. Passes are chained here and where a run
//! compiles (`train::engine`), which takes the same steps. Invariant: what is
//! wrong with a program is a [`Failure`] with diagnostics; everything behind
//! [`front`] fails only by a fault of ours.

mod computation;
mod loads;
mod memory;
mod predict;
mod preview;
mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::check::{self, typed};
use crate::diag::Diagnostic;
use crate::ir::Graph;
use crate::loops::ir::Program as Loops;
use crate::loops::plan::Report as Memory;
use crate::loops::{self as loop_room, math, verify};
use crate::lower::{self, Request};
use crate::opt;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::{self, ast};

pub use computation::{Computation, computations};
pub use memory::{size, too_large};
pub use predict::{Prediction, Wanted, prediction};
pub use preview::Preview;
pub use world::FileWorld;

/// Stack of the thread that compiles: deep but legal programs must not overflow it. Only what is used is touched.
const STACK: usize = 256 << 20;

/// With what a program is read.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `--set NAME=VALUE`
    pub set: Vec<(String, String)>,
    /// `--seed`
    pub seed: i64,
}

/// A checked program without errors.
pub struct Front {
    /// All texts, for listings and faults.
    pub sources: SourceMap,
    /// The program; its data sets name the files that were found.
    pub program: typed::Program,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// When the file was parsed.
    pub parsed: Instant,
    /// How long it took to parse the file itself.
    pub parsing: Duration,
    /// How long it took to check it, the library included.
    pub checking: Duration,
}

/// Why there is no checked program.
pub enum Failure {
    /// The file cannot be read: one line.
    Io(String),
    /// The program is wrong.
    Wrong {
        /// All texts.
        sources: SourceMap,
        /// What is wrong, warnings included.
        diagnostics: Vec<Diagnostic>,
    },
}

/// Runs `work` on a thread with room for every program that the parser lets through.
///
/// # Errors
/// The thread cannot be started.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("nnc".to_string()).stack_size(STACK).spawn_scoped(scope, work)?;
        thread.join().or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Reads, parses and checks a program.
///
/// # Errors
/// The file cannot be read, or the program is wrong.
pub fn front(path: &Path, settings: &Settings) -> Result<Front, Failure> {
    let mut sources = SourceMap::default();
    let main = match read(path, &mut sources)? {
        Ok(main) => main,
        Err(wrong) => return Err(Failure::Wrong { sources, diagnostics: vec![wrong] }),
    };
    check_main(path, sources, main, settings)
}

/// [`front`] of a text that stands for the file's.
fn check_text(path: &Path, text: String, settings: &Settings) -> Result<Front, Failure> {
    let mut sources = SourceMap::default();
    let main = sources.add(path.display().to_string(), text);
    check_main(path, sources, main, settings)
}

fn check_main(path: &Path, mut sources: SourceMap, main: FileId, settings: &Settings) -> Result<Front, Failure> {
    let started = Instant::now();
    let (file, mut diagnostics) = parse(&sources, main);
    let parsed = Instant::now();
    let parsing = parsed - started;
    let world = FileWorld::new(path);
    let options =
        check::Options { set: settings.set.clone(), seed: settings.seed, unparsed: &diagnostics, world: &world };
    let (mut program, found) = check::check(&mut sources, main, file, &options);
    diagnostics.extend(found);
    let checking = parsed.elapsed();
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Failure::Wrong { sources, diagnostics });
    }
    program.data.iter_mut().for_each(|data| data.source = world.located(&data.source));
    let wrong = loads::locate(&mut program, &world);
    if !wrong.is_empty() {
        diagnostics.extend(wrong);
        return Err(Failure::Wrong { sources, diagnostics });
    }
    Ok(Front { sources, program, warnings: diagnostics, parsed, parsing, checking })
}

/// Reads and parses a file, to be printed.
///
/// # Errors
/// The file cannot be read, or does not parse.
pub fn tree(path: &Path) -> Result<(SourceMap, ast::File), Failure> {
    let mut sources = SourceMap::default();
    let main = match read(path, &mut sources)? {
        Ok(main) => main,
        Err(wrong) => return Err(Failure::Wrong { sources, diagnostics: vec![wrong] }),
    };
    let (file, diagnostics) = parse(&sources, main);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Failure::Wrong { sources, diagnostics });
    }
    Ok((sources, file))
}

/// The text of a program. What is no text is a diagnostic in the file, as far as it can be read.
fn read(path: &Path, sources: &mut SourceMap) -> Result<Result<FileId, Diagnostic>, Failure> {
    let bytes = world::read_bounded(path).map_err(Failure::Io)?;
    let next = FileId(0);
    let name = path.display().to_string();
    match syntax::check_bytes(next, &bytes) {
        Ok(text) => Ok(Ok(sources.add(name, text))),
        Err(wrong) => {
            sources.add(name, String::from_utf8_lossy(&bytes));
            Ok(Err(Diagnostic {
                primary: crate::diag::Label { span: whole(wrong.primary.span), ..wrong.primary },
                ..*wrong
            }))
        }
    }
}

/// A place in a text that could not be read: its start, which is there in any case.
fn whole(span: Span) -> Span {
    Span { start: 0, end: 0, ..span }
}

fn parse(sources: &SourceMap, file: FileId) -> (ast::File, Vec<Diagnostic>) {
    let text = sources.file(file).text.clone();
    syntax::parse(file, &text)
}

/// The graph of a computation before it is differentiated: what the gradients are taken of, and all that needs none.
///
/// # Errors
/// A fault of ours.
pub fn forward(program: &typed::Program, computation: &Computation) -> Result<Graph, String> {
    lower::lower(program, &computation.forward(program))
}

/// The graph of a computation with its gradients, as they come from the rules.
///
/// # Errors
/// A fault of ours.
pub fn differentiated(program: &typed::Program, computation: &Computation) -> Result<Graph, String> {
    lower::lower(program, &computation.request(program))
}

/// [`differentiated`] for listings: what the gradients are of is the figure `loss`, also where it is no result.
///
/// # Errors
/// A fault of ours.
pub fn listed(program: &typed::Program, computation: &Computation) -> Result<Graph, String> {
    lower::lower(program, &computation.with_objective(program))
}

/// A graph after the passes, verified; with `last`, up to the first run of that pass.
///
/// # Errors
/// The guilty pass and what it broke.
pub fn optimised(graph: Graph, last: Option<&str>) -> Result<Graph, String> {
    match last {
        None => opt::run_verified(graph),
        Some(last) => {
            let graph = opt::run_until(graph, last);
            crate::ir::verify::verify(&graph).map(|()| graph)
        }
    }
}

/// Kernels, their order and their memory, verified before and after the functions are expanded.
///
/// # Errors
/// A fault of ours.
pub fn loops(name: &str, graph: &Graph) -> Result<(Loops, Memory), String> {
    let (mut program, memory) = loop_room::lower_with_report(graph, &loop_room::Options::default())?;
    program.name = name.to_string();
    verify::verify(&program)?;
    Ok((program, memory))
}

/// Kernels in which only what every emitter knows is left.
pub fn expanded(mut program: Loops) -> Loops {
    program.kernels.iter_mut().for_each(math::expand);
    program
}

/// The request of an evaluation, for callers that have none of a train.
pub fn request_of(eval: &typed::Eval, rows: u64) -> Request {
    Request::of_outputs(&eval.outputs, eval.on.as_ref().map(|(_, atom)| (*atom, rows)))
}

/// Where the results of a program go unless told otherwise: `runs/NAME`.
pub fn default_out(path: &Path) -> PathBuf {
    Path::new("runs").join(path.file_stem().unwrap_or(path.as_os_str()))
}
