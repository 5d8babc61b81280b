//! The training loop.
//!
//! In: a train of the program. Out: its slots trained, its figures told, its
//! weights in a file. Order of an epoch's end: figures, `every`, `keep`, `stop`.
//! Invariants: the loop allocates nothing in a step; rows are shuffled by (seed,
//! data name, epoch) unless a batch holds the whole part, which then stays in its
//! own order and is loaded once; the clock of the machine never shows in results.

use std::collections::BTreeSet;
use std::time::Instant;

use super::epoch_end::EpochEnd;
use super::pace::Pace;
use super::phase::{Feed, Phase};
use super::report::{EpochRecord, Fault, FaultKind, Progress, TrainStart, TrainSummary};
use super::session::{Session, internal};
use super::show;
use crate::check::typed::{Part, Plan, SlotId, Train};
use crate::source::Span;

/// Most rows that a log keeps that nobody asked for.
const MOST_RECORDS: u64 = 2_000;
/// About as many epochs are told at most.
const MOST_TOLD: u64 = 100;
/// Steps after which the slots are copied, so that a fault can be found by doing its steps again.
const STEPS_A_COPY: u64 = 1_000;

/// A train in progress.
pub(super) struct Run<'a> {
    pub train: &'a Train,
    pub span: Span,
    pub length: Plan,
    pub phases: Vec<Phase<'a>>,
    pub feed: Option<Feed>,
    /// Steps done.
    pub step: u64,
    /// Slots at the start of an epoch, with its number and the steps done by then.
    copy: Option<Copy>,
    pace: Pace,
    started: Instant,
}

struct Copy {
    words: Vec<u32>,
    step: u64,
    epoch: u64,
}

/// Trains.
pub(super) fn train<'a>(session: &mut Session<'a>, train: &'a Train, span: Span) -> Result<(), Fault> {
    // What was compiled before is of the statements before.
    session.tell_compiling("values");
    let mut run = prepare(session, train, span)?;
    let mut end = EpochEnd::new(session, train, span)?;
    let compile_seconds = session.tell_compiling(&train.name);
    let rows = run.feed.as_ref().map_or(0, |feed| feed.rows());
    session.report.on_train_start(&TrainStart {
        name: &train.name,
        epochs: run.length.epochs,
        steps: run.length.steps,
        rows: rows as u64,
        batch: run.phases.iter().map(|phase| phase.rows()).max().unwrap_or(0) as u64,
        compile_seconds,
    });
    run.started = Instant::now();
    let mut summary = TrainSummary {
        name: train.name.clone(),
        log: train.log.map(|log| session.program.table(log).name.clone()),
        ..TrainSummary::default()
    };
    for epoch in 0..run.length.epochs {
        run.epoch(session, &mut end, epoch)?;
        let finished = finish_epoch(session, &mut run, &mut end, epoch, &mut summary)?;
        summary.epochs = epoch + 1;
        if finished || session.outcome.interrupted || run.step >= run.length.steps {
            break;
        }
    }
    summary.steps = run.step;
    summary.seconds = run.started.elapsed().as_secs_f64();
    summary.pieces = run.pieces(session);
    conclude(session, &run, end, summary)
}

/// Compiles the phases and loads the part.
fn prepare<'a>(session: &mut Session<'a>, train: &'a Train, span: Span) -> Result<Run<'a>, Fault> {
    let takes_columns = train.phases.iter().any(|phase| phase.columns);
    let feed = match train.data.filter(|_| takes_columns) {
        Some(data) => {
            let part = Part { data, name: "train".to_string(), by: None };
            let rows = session.rows(&part, train.rows, span)?;
            let name = &session.program.data[data.index()].name;
            let seed = i64::from(session.seed(train.seed)) as u64;
            Some(Feed::new(rows, train, seed, name).map_err(|error| internal(&error.to_string(), span))?)
        }
        None if takes_columns => return Err(internal("a phase with columns, a train without data", span)),
        None => None,
    };
    let length = train.plan(feed.as_ref().map(|feed| feed.batches() as u64));
    let mut phases = Vec::with_capacity(train.phases.len());
    for at in 0..train.phases.len() {
        phases.push(Phase::new(session, train, at, feed.as_ref(), span)?);
    }
    let (pace, started) = (Pace::new(), Instant::now());
    Ok(Run { train, span, length, phases, feed, step: 0, copy: None, pace, started })
}

impl Run<'_> {
    /// The steps of one epoch.
    fn epoch<'a>(&mut self, session: &mut Session<'a>, end: &mut EpochEnd<'a>, epoch: u64) -> Result<(), Fault> {
        self.start_epoch(session, epoch);
        let watched = self.is_followed(end, epoch);
        self.phases.iter_mut().for_each(|phase| phase.start_epoch(watched));
        let steps = self.length.steps_an_epoch.min(self.length.steps - self.step);
        for _ in 0..steps {
            let loss = self.one_step(session)?;
            if self.step == 1 {
                session.report.on_first_step();
            }
            if !loss.is_finite() {
                return Err(self.not_finite(session, loss, epoch));
            }
            if end.has_step_blocks() {
                end.after_step(session, self.step, loss)?;
            }
            if let Some(seconds) = self.pace.tick() {
                self.tell_progress(session, loss, seconds);
            }
            if session.is_interrupted() {
                session.outcome.interrupted = true;
                break;
            }
        }
        Ok(())
    }

    /// Seed, clock, the order of rows, and now and then a copy of the slots.
    fn start_epoch(&mut self, session: &mut Session<'_>, epoch: u64) {
        self.set_epoch(session, epoch);
        // Blocks may change slots at an epoch's end, which steps done again would not see.
        let apart = !self.train.every.is_empty();
        let due = self.copy.as_ref().is_none_or(|copy| apart || self.step - copy.step >= STEPS_A_COPY);
        if due {
            let mut words = self.copy.take().map_or_else(Vec::new, |copy| copy.words);
            session.memory.main().save_into(&mut words);
            self.copy = Some(Copy { words, step: self.step, epoch });
        }
    }

    /// What an epoch's steps see of it.
    fn set_epoch(&mut self, session: &mut Session<'_>, epoch: u64) {
        let clock = session.scalars.clock;
        let seed = session.seed(self.train.seed) as u32;
        session.set_scalar(session.scalars.seed, seed);
        session.set_scalar(clock[1], (self.length.steps as f32).to_bits());
        session.set_scalar(clock[2], (epoch as f32).to_bits());
        session.set_scalar(clock[3], (self.length.epochs as f32).to_bits());
        if let Some(feed) = &mut self.feed {
            feed.start_epoch(epoch);
        }
    }

    /// All phases with all their turns. Returns the last objective (0 if there is none).
    #[inline]
    fn one_step(&mut self, session: &mut Session<'_>) -> Result<f32, Fault> {
        let (step_place, clock) = (session.scalars.step, session.scalars.clock[0]);
        session.set_scalar(step_place, self.step as u32 + 1);
        session.set_scalar(clock, (self.step as f32).to_bits());
        let mut loss = 0.0_f32;
        for phase in &mut self.phases {
            for turn in 0..phase.times {
                // An epoch ends when the part is exhausted, also in the middle of a step.
                if !phase.has_turn(self.feed.as_ref()) {
                    break;
                }
                session.set_scalar(session.scalars.turn, turn as u32);
                let found = phase.turn(session, self.feed.as_mut(), self.span)?;
                // A phase after one that is not finite must not hide it.
                loss = if loss.is_finite() { found } else { loss };
            }
        }
        self.step += 1;
        Ok(loss)
    }

    /// Of a text: how many of its pieces were trained on, and what they are.
    fn pieces(&self, session: &Session<'_>) -> Option<(u64, &'static str)> {
        let (feed, data) = (self.feed.as_ref()?, self.train.data?);
        let (window, pieces) = feed.pieces(&session.program.data[data.index()].source)?;
        Some((feed.taken() * window, pieces))
    }

    /// Whether anybody looks at the figures of this epoch.
    fn is_followed(&self, end: &EpochEnd<'_>, epoch: u64) -> bool {
        end.looks_at(epoch) || self.is_told(epoch) || self.is_logged(epoch)
    }

    fn is_last(&self, epoch: u64) -> bool {
        epoch + 1 == self.length.epochs
    }

    fn is_told(&self, epoch: u64) -> bool {
        self.is_last(epoch) || epoch == 0 || (epoch + 1).is_multiple_of(self.length.epochs.div_ceil(MOST_TOLD))
    }

    fn is_logged(&self, epoch: u64) -> bool {
        let every = if self.train.log.is_some() { 1 } else { self.length.epochs.div_ceil(MOST_RECORDS) };
        self.is_last(epoch) || epoch == 0 || (epoch + 1).is_multiple_of(every)
    }

    fn tell_progress(&self, session: &mut Session<'_>, loss: f32, _seconds: f64) {
        let rows: u64 = self.phases.iter().map(|phase| phase.rows() as u64 * phase.times).sum();
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        session.report.on_progress(&Progress {
            step: self.step,
            steps: self.length.steps,
            loss,
            rows_per_second: (rows * self.step) as f64 / seconds,
        });
    }

    /// The fault, located by doing the steps since the last copy again and interpreting the guilty one.
    fn not_finite(&mut self, session: &mut Session<'_>, loss: f32, epoch: u64) -> Fault {
        let objective = self.train.phases.iter().find_map(|phase| phase.loss);
        let span = objective.map_or(self.span, |loss| session.program.node(loss).span);
        let what = format!("the loss of {} is {} at step {}", self.train.name, show::number(loss), self.step);
        let message = if self.length.epochs > 1 { format!("{what} (epoch {})", epoch + 1) } else { what };
        let mut fault = Fault::new(FaultKind::NotFinite, message, span);
        // Where it came from is a help only; what happened is told in any case.
        if let Ok(Some(found)) = self.locate(session, epoch) {
            let range =
                |(low, high): &(f64, f64)| format!("{} .. {}", show::number(*low as f32), show::number(*high as f32));
            let told: Vec<String> = found.operands.iter().map(range).collect();
            let operation = found.operation;
            let text = format!("the first that is not finite: {operation} of operands in {}", told.join(" and "));
            fault.also.push((found.span, text));
        }
        fault.help("a smaller learning rate often helps; so does clipping the gradient")
    }

    /// Does the steps since the copy again, up to the guilty one, which is interpreted. Only where no block changed
    /// slots at an epoch's end in between.
    fn locate(&mut self, session: &mut Session<'_>, epoch: u64) -> Result<Option<super::engine::NotFinite>, Fault> {
        let guilty = self.step;
        let Some(copy) = self.copy.take() else { return Ok(None) };
        if !self.train.every.is_empty() && copy.epoch != epoch {
            return Ok(None);
        }
        session.memory.main_mut().restore(&copy.words);
        self.step = copy.step;
        for again in copy.epoch..=epoch {
            self.set_epoch(session, again);
            self.phases.iter_mut().for_each(|phase| phase.start_epoch(false));
            let end = (self.step + self.length.steps_an_epoch).min(guilty - 1);
            while self.step < end {
                self.one_step(session)?;
            }
        }
        let (step, clock) = (session.scalars.step, session.scalars.clock[0]);
        session.set_scalar(step, self.step as u32 + 1);
        session.set_scalar(clock, (self.step as f32).to_bits());
        for phase in &mut self.phases {
            for turn in 0..phase.times {
                if !phase.has_turn(self.feed.as_ref()) {
                    break;
                }
                session.set_scalar(session.scalars.turn, turn as u32);
                if let Some(found) = phase.inspect(session, self.feed.as_mut(), self.span)? {
                    return Ok(Some(found));
                }
                phase.turn(session, self.feed.as_mut(), self.span)?;
            }
        }
        Ok(None)
    }
}

/// Figures, `every`, `keep`, `stop`; tells and logs. Returns whether the train is to end.
fn finish_epoch<'a>(
    session: &mut Session<'a>,
    run: &mut Run<'_>,
    end: &mut EpochEnd<'a>,
    epoch: u64,
    summary: &mut TrainSummary,
) -> Result<bool, Fault> {
    let cut_short = session.outcome.interrupted || run.step >= run.length.steps;
    if !run.is_followed(end, epoch) && !cut_short {
        return Ok(false);
    }
    let figures = end.figures(session, run)?;
    if run.is_told(epoch) || cut_short {
        session.report.on_epoch(&EpochRecord {
            train: &run.train.name,
            epoch: epoch + 1,
            epochs: run.length.epochs,
            step: run.step,
            figures: &figures,
            seconds: run.started.elapsed().as_secs_f64(),
        });
    }
    if run.is_logged(epoch) || cut_short {
        if let Some(log) = run.train.log {
            let cells = std::iter::once((epoch + 1) as f32).chain(figures.iter().map(|(_, value)| *value));
            session.tables.append(log, cells.map(|cell| vec![cell.to_bits()]));
        }
        if summary.columns.is_empty() {
            summary.columns.push("epoch".to_string());
            summary.columns.extend(figures.iter().map(|(name, _)| name.clone()));
        }
        let row = std::iter::once((epoch + 1) as f32).chain(figures.iter().map(|(_, value)| *value));
        summary.records.push(row.collect());
    }
    let stopped = end.finish(session, epoch, &figures)?;
    summary.stopped |= stopped;
    Ok(stopped)
}

/// Restores what `keep` kept, writes the weights, tells the summary.
fn conclude<'a>(
    session: &mut Session<'a>,
    run: &Run<'_>,
    end: EpochEnd<'a>,
    mut summary: TrainSummary,
) -> Result<(), Fault> {
    summary.kept = end.restore(session);
    if let (Some(epoch), Some(keep)) = (summary.kept, &run.train.keep) {
        session.report.on_note(&format!("kept epoch {epoch}, {} of {}", keep.word(), keep.figure));
    }
    if !run.train.subject.is_empty() {
        let slots = &run.train.subject;
        let short: BTreeSet<&str> = slots.iter().map(|&slot| session.program.slot(slot).name_in_file()).collect();
        // Slots of several turns of a loop keep the numbers of their turns.
        let is_short = short.len() == slots.len();
        let name = |slot| {
            let slot = session.program.slot(slot);
            if is_short { slot.name_in_file().to_string() } else { slot.path.clone() }
        };
        let slots: Vec<(String, SlotId)> = slots.iter().map(|&slot| (name(slot), slot)).collect();
        let path = session.out_path(&format!("{}.safetensors", run.train.file));
        session.save(&slots, &path, run.span)?;
    }
    session.report.on_train_end(&summary);
    session.outcome.trains.push(summary);
    Ok(())
}

impl crate::check::typed::Keep {
    /// As written.
    fn word(&self) -> &'static str {
        if self.highest { "highest" } else { "lowest" }
    }
}
