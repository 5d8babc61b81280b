//! What a run tells while it runs, what it ends with, and what stops it.
//!
//! In: events of the session. Out: whatever a [`Report`] makes of them (terminal,
//! JSON lines, files). Invariant: events depend on the program and its data
//! alone, but for times and for how often progress is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::engine::EngineKind;
use super::value::Value;
use crate::check::typed::Plot;
use crate::ir::interpret::misstep::Misstep;
use crate::source::Span;

/// How to run a program.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What runs it.
    pub engine: EngineKind,
    /// Threads; never shows in results.
    pub threads: usize,
    /// Stands for the default seed, 0.
    pub seed: Option<i64>,
    /// Where weights and relative `save` paths go; made when first needed.
    pub out: PathBuf,
    /// Whether every pass is verified.
    pub verify: bool,
    /// Set from outside to end the run after the step at hand.
    pub interrupt: Arc<AtomicBool>,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            engine: EngineKind::Jit,
            threads: 1,
            seed: None,
            out: PathBuf::from("."),
            verify: false,
            interrupt: Arc::default(),
        }
    }
}

/// Listens to a run.
pub trait Report {
    /// A `print`.
    fn on_print(&mut self, text: &str);
    /// The values of a `print`, before they are text.
    fn on_outputs(&mut self, _outputs: &[Value]) {}
    /// Something was done that takes time without being training.
    fn on_work(&mut self, _work: &Work<'_>) {}
    /// A train begins.
    fn on_train_start(&mut self, _start: &TrainStart<'_>) {}
    /// The first step of a train is done.
    fn on_first_step(&mut self) {}
    /// How far a train is; at most some ten times a second.
    fn on_progress(&mut self, _progress: &Progress) {}
    /// An epoch's figures; of very many epochs evenly spaced ones and the last.
    fn on_epoch(&mut self, _epoch: &EpochRecord<'_>) {}
    /// A train is over.
    fn on_train_end(&mut self, _summary: &TrainSummary) {}
    /// A `plot`, with what its outputs are, to be written to a file of this name or shown. The file written, if any.
    ///
    /// # Errors
    /// The file cannot be written: one line.
    fn on_plot(&mut self, _plot: &Plot, _outputs: &[Value], _to: Option<&Path>) -> Result<Option<PathBuf>, String> {
        Ok(None)
    }
    /// Something worth knowing: a file written, the best epoch restored.
    fn on_note(&mut self, _note: &str) {}
}

/// Something done beside training, for the list of times.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// `load` or `compile`.
    pub what: &'static str,
    /// Of what: a data set, a train, a kind of statement.
    pub name: &'a str,
    /// How long it took.
    pub seconds: f64,
}

/// What is known when a train begins.
#[derive(Clone, Copy, Debug)]
pub struct TrainStart<'a> {
    /// Its name.
    pub name: &'a str,
    /// Epochs to come.
    pub epochs: u64,
    /// Steps to come.
    pub steps: u64,
    /// Rows of the part, 0 without data.
    pub rows: u64,
    /// Rows of a step.
    pub batch: u64,
    /// Seconds that compiling the step took.
    pub compile_seconds: f64,
}

/// How far a train is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole train.
    pub steps: u64,
    /// Of the step just done.
    pub loss: f32,
    /// Rows trained on a second.
    pub rows_per_second: f64,
}

/// The figures of an epoch.
#[derive(Clone, Copy, Debug)]
pub struct EpochRecord<'a> {
    /// The train's name.
    pub train: &'a str,
    /// From 1.
    pub epoch: u64,
    /// Epochs of the whole train.
    pub epochs: u64,
    /// Steps done.
    pub step: u64,
    /// Names and values: `loss`, `val.loss`, `accuracy`, `val.accuracy`, ...
    pub figures: &'a [(String, f32)],
    /// Since the train began.
    pub seconds: f64,
}

/// What came of a train.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainSummary {
    /// Its name.
    pub name: String,
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Seconds of the loop, compiling excluded.
    pub seconds: f64,
    /// The epoch that `keep` restored.
    pub kept: Option<u64>,
    /// Of a text: how many of its pieces were trained on, and what they are.
    pub pieces: Option<(u64, &'static str)>,
    /// Whether a `stop` ended it.
    pub stopped: bool,
    /// The name of the `as` table.
    pub log: Option<String>,
    /// Names of the columns of `records`, `epoch` first.
    pub columns: Vec<String>,
    /// One row an epoch (of very many: evenly spaced ones and the last).
    pub records: Vec<Vec<f32>>,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Its trains, in order.
    pub trains: Vec<TrainSummary>,
    /// Files written.
    pub written: Vec<PathBuf>,
    /// Whether it was ended from outside.
    pub interrupted: bool,
    /// Programs that were compiled; those of equal structure count once.
    pub compilations: u64,
}

/// Of what kind a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An assertion does not hold.
    Assert,
    /// A number is not finite.
    NotFinite,
    /// An index is outside of its axis, or a whole number is divided by zero.
    Misstep,
    /// A data set cannot be read.
    Data,
    /// A file cannot be read or written, or holds something else.
    Io,
    /// A fault of ours.
    Internal,
}

/// What stops a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Of what kind.
    pub kind: FaultKind,
    /// One line, in lower case, without a full stop.
    pub message: String,
    /// Where to look.
    pub span: Span,
    /// Further places with what is to be seen there.
    pub also: Vec<(Span, String)>,
    /// How to go on.
    pub help: Option<String>,
}

impl Fault {
    /// A fault at a place.
    pub fn new(kind: FaultKind, message: impl Into<String>, span: Span) -> Self {
        Fault { kind, message: message.into(), span, also: Vec::new(), help: None }
    }

    /// An operation that has no value, in what is computed at a place.
    pub fn misstep(misstep: &Misstep, span: Span) -> Self {
        let mut fault = Fault::new(FaultKind::Misstep, misstep.what.clone(), misstep.span);
        if misstep.span.file != span.file {
            // What the library does is shown where it was asked for.
            fault.span = span;
            fault.also.push((misstep.span, "in this definition".to_string()));
        }
        fault
    }

    /// With advice.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}
