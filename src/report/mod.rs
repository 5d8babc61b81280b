//! What a user sees of a run: a bar or plain lines, JSON lines, files of epochs,
//! times.
//!
//! In: the session's events. Out: results on stdout, everything else on stderr,
//! epochs in the results' folder. Invariant: stdout depends on program, data and
//! seed alone (but for the times in `--json` events); a closed pipe ends the
//! output, not the run.

mod json;
mod lines;
pub mod plot;
mod record;
mod times;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::check::typed::Plot;
use crate::train::Value;
use crate::train::{EpochRecord, Fault, Outcome, Progress, Report, TrainStart, TrainSummary, Work};

pub use times::{Times, TimesStyle};

/// Up to this many epochs each gets a line.
const ALL_TOLD: u64 = 40;
/// Of more about this many do.
const MANY_TOLD: u64 = 20;

/// How a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A bar that moves, and a line an epoch.
    Terminal,
    /// A line an epoch.
    Lines,
    /// One JSON object an event, on stdout.
    Json,
    /// Results alone.
    Quiet,
}

/// Listens to a run and tells it.
pub struct Reporter {
    style: Style,
    times: Times,
    bar: Option<ProgressBar>,
    record: record::Record,
    first_step: bool,
    out: PathBuf,
    /// Pictures without a name so far.
    unnamed: usize,
}

impl Reporter {
    /// Tells in a style; epochs also go to `log.jsonl` in the folder `out`.
    pub fn new(style: Style, out: PathBuf, times: Times) -> Self {
        let record = record::Record::new(out.clone());
        Reporter { style, times, bar: None, record, first_step: true, out, unnamed: 0 }
    }

    /// Tells how it ended and gives back the times.
    pub fn finish(mut self, result: &Result<Outcome, Fault>) -> Times {
        self.end_bar();
        if let Some(reason) = self.record.failure() {
            self.aside(&format!("the log is incomplete: {reason}"));
        }
        if self.style == Style::Json {
            emit(&match result {
                Ok(outcome) => json::done(outcome, self.times.elapsed()),
                Err(fault) => json::fault(fault),
            });
        }
        if let (Ok(outcome), Style::Terminal | Style::Lines) = (result, self.style)
            && outcome.interrupted
        {
            eprintln!("interrupted; what was reached is kept");
        }
        self.times
    }

    /// A line beside the results.
    fn aside(&self, line: &str) {
        match (self.style, &self.bar) {
            (Style::Quiet, _) => {}
            (Style::Json, _) => emit(&json::note(line)),
            (Style::Terminal | Style::Lines, Some(bar)) => bar.suspend(|| eprintln!("{line}")),
            (Style::Terminal | Style::Lines, None) => eprintln!("{line}"),
        }
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Report for Reporter {
    fn on_print(&mut self, text: &str) {
        match (self.style, &self.bar) {
            (Style::Json, _) => emit(&json::print(text)),
            (Style::Terminal | Style::Lines | Style::Quiet, Some(bar)) => bar.suspend(|| emit(text)),
            (Style::Terminal | Style::Lines | Style::Quiet, None) => emit(text),
        }
    }

    fn on_work(&mut self, work: &Work<'_>) {
        self.times.spent(&format!("{} {}", work.what, work.name), Duration::from_secs_f64(work.seconds));
    }

    fn on_train_start(&mut self, start: &TrainStart<'_>) {
        match self.style {
            Style::Quiet => {}
            Style::Json => emit(&json::train_start(start)),
            Style::Lines => eprintln!("{}", lines::train_start(start)),
            Style::Terminal => {
                eprintln!("{}", lines::train_start(start));
                self.bar = Some(bar(start.steps));
            }
        }
    }

    fn on_first_step(&mut self) {
        // Only the first of all trains says how long a cold start takes.
        if std::mem::take(&mut self.first_step) {
            self.times.mark("first step");
        }
    }

    fn on_progress(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            // The message first: each of the two draws the bar.
            bar.set_message(lines::progress(progress));
            bar.set_position(progress.step);
        }
        if self.style == Style::Json {
            emit(&json::progress(progress));
        }
    }

    fn on_epoch(&mut self, epoch: &EpochRecord<'_>) {
        self.times.epoch(&format!("epoch {}", epoch.epoch));
        self.record.epoch(&json::epoch(epoch));
        match self.style {
            Style::Quiet => {}
            Style::Json => emit(&json::epoch(epoch)),
            Style::Terminal | Style::Lines if is_told(epoch) => self.aside(&lines::epoch(epoch)),
            Style::Terminal | Style::Lines => {}
        }
    }

    fn on_train_end(&mut self, summary: &TrainSummary) {
        self.end_bar();
        if self.style == Style::Json {
            emit(&json::train_end(summary));
        } else {
            lines::train_end(summary).iter().for_each(|line| self.aside(line));
        }
    }

    fn on_plot(&mut self, plot: &Plot, outputs: &[Value], to: Option<&Path>) -> Result<Option<PathBuf>, String> {
        let path = match to {
            Some(path) => path.to_path_buf(),
            None => {
                let shown = matches!(self.style, Style::Terminal | Style::Lines) && std::io::stdout().is_terminal();
                if shown {
                    // As https://no-color.org asks for.
                    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
                    self.on_print(&plot::text(plot, outputs, colour));
                    return Ok(None);
                }
                self.unnamed += 1;
                self.out.join(format!("plot{}.svg", self.unnamed))
            }
        };
        let png = path.extension().is_some_and(|ending| ending == "png");
        let bytes = plot::bytes(plot, outputs, png)?;
        write_whole(&path, &bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Some(path))
    }

    fn on_note(&mut self, note: &str) {
        self.aside(note);
    }
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::write(&part, bytes)?;
    std::fs::rename(&part, path)
}

/// Whether an epoch gets a line: of many the first, the last and evenly spaced ones.
fn is_told(epoch: &EpochRecord<'_>) -> bool {
    let every = if epoch.epochs <= ALL_TOLD { 1 } else { epoch.epochs.div_ceil(MANY_TOLD) };
    epoch.epoch == 1 || epoch.epoch == epoch.epochs || epoch.epoch.is_multiple_of(every)
}

/// A line on stdout. A reader that went away (`| head`) is no fault of the run.
pub fn emit(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("  {bar:32} {pos}/{len}  {msg}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
    bar
}
