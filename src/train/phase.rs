//! One phase of a train: its compiled step, its batches, what it sums up.
//!
//! In: turns. Out: the objective of each, its mean by rows over an epoch, and
//! the joined fronts of the phase's watches. The smaller last batch has a step
//! of its own, compiled when it is first needed.

use super::columns::Dataset;
use super::data::{Batches, DataError, fill_column};
use super::engine::{Executable, NotFinite, Place};
use super::evaluate::{Layout, Rows, columns_of};
use super::report::Fault;
use super::session::{Session, internal};
use crate::check::rows;
use crate::check::typed::{NodeId, Source, TextBy, Train};
use crate::ir::Type;
use crate::lower::{self, Request, path};
use crate::source::Span;

/// The part a train takes its batches from.
pub(super) struct Feed {
    rows: Rows,
    batches: Batches,
    size: usize,
    /// Batches that a step takes.
    a_step: usize,
    /// The next batch.
    next: usize,
    /// Rows taken since the train began.
    taken: u64,
}

impl Feed {
    pub fn new(rows: Rows, train: &Train, seed: u64, name: &str) -> Result<Self, DataError> {
        let count = rows.rows.len();
        let size = train.batch.map_or(count, |batch| (batch as usize).min(count)).max(1);
        let batches = Batches::new(&rows.rows, size, seed, name)?;
        Ok(Feed { rows, batches, size, a_step: train.batches_a_step() as usize, next: 0, taken: 0 })
    }

    /// Rows of the part.
    pub fn rows(&self) -> usize {
        self.rows.rows.len()
    }

    /// Rows taken since the train began.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Pieces in a row, and what they are, if a row is one of a text.
    pub fn pieces(&self, source: &Source) -> Option<(u64, &'static str)> {
        let Source::Text { by, .. } = source else { return None };
        let pieces = match by {
            TextBy::Characters | TextBy::Lines => "characters",
            TextBy::Words => "words",
        };
        // Both columns of a text have the window for their shape.
        let window = self.rows.set.columns.first()?.shape.first()?;
        Some((*window as u64, pieces))
    }

    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        self.batches.count()
    }

    /// Whether a batch is the whole part, which then is never shuffled.
    fn is_whole(&self) -> bool {
        self.size == self.rows.rows.len()
    }

    /// Shuffles by the number of the epoch.
    pub fn start_epoch(&mut self, epoch: u64) {
        self.next = 0;
        if !self.is_whole() {
            self.batches.start_epoch(epoch);
        }
    }

    /// Whether the epoch has no batch left. A step that takes more batches than there are has its turns all the same:
    /// for it the part begins again.
    fn is_exhausted(&self) -> bool {
        self.next >= self.batches.count() && self.batches.count() >= self.a_step
    }

    /// Takes a batch.
    fn take(&mut self) -> &[u32] {
        let at = if self.next >= self.batches.count() { 0 } else { self.next };
        self.next = at + 1;
        let batch = self.batches.batch(at);
        self.taken += batch.len() as u64;
        batch
    }

    /// Steps back, so that the same batch is taken again.
    fn put_back(&mut self) {
        self.next = self.next.saturating_sub(1);
    }
}

/// A phase, compiled.
pub(super) struct Phase<'a> {
    train: &'a Train,
    at: usize,
    pub times: u64,
    full: Step,
    last: Option<Step>,
    takes_columns: bool,
    loaded_once: bool,
    has_loss: bool,
    /// Whether the watches' fronts are kept this epoch.
    watched: bool,
    /// Whether a fault of a step was looked at.
    judged: bool,
    loss: f64,
    loss_rows: u64,
    fronts: Fronts,
}

/// A phase's step for a number of rows.
struct Step {
    executable: Box<dyn Executable>,
    columns: Vec<(Place, usize)>,
    rows: usize,
}

/// Fronts of the steps of an epoch, one after another.
struct Fronts {
    /// The watches' nodes.
    watches: Vec<NodeId>,
    nodes: Vec<NodeId>,
    axes: Vec<usize>,
    /// Number of the first among the step's figures.
    first: usize,
    /// By front: the words of all turns; a turn's are together.
    words: Vec<Vec<u32>>,
    /// Rows of the turns.
    turns: Vec<usize>,
    /// The program that makes the watches of joined fronts, and its rows.
    rest: Option<(usize, Box<dyn Executable>)>,
}

impl<'a> Phase<'a> {
    pub fn new(
        session: &mut Session<'_>,
        train: &'a Train,
        at: usize,
        feed: Option<&Feed>,
        span: Span,
    ) -> Result<Self, Fault> {
        let phase = &train.phases[at];
        let rows = match feed {
            Some(feed) if phase.columns => feed.size,
            _ => train.batch.unwrap_or(1) as usize,
        };
        let feed = feed.filter(|_| phase.columns);
        let full = Step::new(session, train, at, rows, feed.map(|feed| feed.rows.set.as_ref()), span)?;
        let loaded_once = feed.is_some_and(Feed::is_whole);
        if let Some(feed) = feed.filter(|_| loaded_once) {
            full.load(session, &feed.rows.set, &feed.rows.rows);
        }
        let first = usize::from(phase.loss.is_some());
        let fronts = Fronts::new(session, train, at, first);
        Ok(Phase {
            train,
            at,
            times: phase.times.max(1),
            full,
            last: None,
            takes_columns: phase.columns,
            loaded_once,
            has_loss: phase.loss.is_some(),
            watched: false,
            judged: false,
            loss: 0.0,
            loss_rows: 0,
            fronts,
        })
    }

    /// Rows of a full batch.
    pub fn rows(&self) -> usize {
        self.full.rows
    }

    pub fn start_epoch(&mut self, watched: bool) {
        self.watched = watched && !self.fronts.watches.is_empty();
        (self.loss, self.loss_rows) = (0.0, 0);
        self.fronts.clear();
    }

    /// The mean of the objective over this epoch's rows.
    pub fn mean_loss(&self) -> f32 {
        (self.loss / self.loss_rows.max(1) as f64) as f32
    }

    /// Whether there is a batch for its next turn, if it takes one.
    pub fn has_turn(&self, feed: Option<&Feed>) -> bool {
        !self.takes_columns || feed.is_none_or(|feed| !feed.is_exhausted())
    }

    /// One turn; returns the objective, 0 without one.
    #[inline]
    pub fn turn(&mut self, session: &mut Session<'_>, feed: Option<&mut Feed>, span: Span) -> Result<f32, Fault> {
        let step = match feed {
            Some(feed) if self.takes_columns && !self.loaded_once => {
                load_batch(&mut self.full, &mut self.last, session, feed, (self.train, self.at), span)?
            }
            _ => &mut self.full,
        };
        if let Err(reason) = step.executable.step(&mut session.memory) {
            return Err(internal(&reason, span));
        }
        // Once it was found not to matter it is not looked at again: each look interprets the step.
        if !self.judged && step.executable.take_fault() {
            self.judged = true;
            let misstep = step.executable.find_misstep(&session.memory).map_err(|reason| internal(&reason, span))?;
            if let Some(misstep) = misstep {
                return Err(Fault::misstep(&misstep, span));
            }
        }
        let loss = if self.has_loss { f32::from_bits(step.executable.figure(0)[0]) } else { 0.0 };
        self.loss += f64::from(loss) * step.rows as f64;
        self.loss_rows += step.rows as u64;
        for row in &self.train.phases[self.at].rows {
            let recorded = &self.train.phases[self.at].recorded;
            let first = step.executable.figure_types().len() - recorded.len();
            session.tables.record(session.program, row, |at| step.executable.figure(first + at).to_vec());
        }
        if self.watched {
            self.fronts.keep(step.executable.as_ref(), step.rows, self.takes_columns);
        }
        Ok(loss)
    }

    /// What in the next turn is not finite; changes no slot, takes no batch.
    pub fn inspect(
        &mut self,
        session: &mut Session<'_>,
        feed: Option<&mut Feed>,
        span: Span,
    ) -> Result<Option<NotFinite>, Fault> {
        let step = match feed {
            Some(feed) if self.takes_columns && !self.loaded_once => {
                let step = load_batch(&mut self.full, &mut self.last, session, feed, (self.train, self.at), span)?;
                feed.put_back();
                step
            }
            _ => &mut self.full,
        };
        step.executable.find_not_finite(&session.memory).map_err(|reason| internal(&reason, span))
    }

    /// The training-side values of the phase's watches, in order.
    pub fn watches(&mut self, session: &mut Session<'_>, span: Span) -> Result<Vec<f32>, Fault> {
        if self.fronts.watches.is_empty() {
            return Ok(Vec::new());
        }
        if !self.takes_columns {
            let values =
                (0..self.fronts.watches.len()).map(|at| scalar(self.full.executable.figure(self.fronts.first + at)));
            return Ok(values.collect());
        }
        self.fronts.evaluate(session, self.train, self.full.executable.figure_types(), span)
    }
}

/// Loads the next batch into the step for its size.
fn load_batch<'a>(
    full: &'a mut Step,
    last: &'a mut Option<Step>,
    session: &mut Session<'_>,
    feed: &mut Feed,
    (train, phase): (&Train, usize),
    span: Span,
) -> Result<&'a mut Step, Fault> {
    let set = std::rc::Rc::clone(&feed.rows.set);
    let rows = feed.take();
    let step = if rows.len() == full.rows {
        full
    } else {
        match last {
            Some(step) => step,
            None => last.insert(Step::new(session, train, phase, rows.len(), Some(&set), span)?),
        }
    };
    step.load(session, &set, rows);
    Ok(step)
}

impl Step {
    fn new(
        session: &mut Session<'_>,
        train: &Train,
        phase: usize,
        rows: usize,
        set: Option<&Dataset>,
        span: Span,
    ) -> Result<Self, Fault> {
        let request = lower::step_request(session.program, train, phase, rows as u64);
        let name = match train.phases[phase].name.as_str() {
            "" => format!("{} step, {rows} rows", train.name),
            phase => format!("{}.{phase} step, {rows} rows", train.name),
        };
        let executable = session.compile_request(&name, &request, span)?;
        let columns = match set {
            Some(set) => columns_of(executable.as_ref(), set).map_err(|reason| internal(&reason, span))?,
            None => Vec::new(),
        };
        Ok(Step { executable, columns, rows })
    }

    fn load(&self, session: &mut Session<'_>, set: &Dataset, rows: &[u32]) {
        for &(place, column) in &self.columns {
            fill_column(&set.columns[column], rows, session.memory.words_mut(place));
        }
    }
}

impl Fronts {
    fn new(session: &Session<'_>, train: &Train, at: usize, first: usize) -> Self {
        let watches = rows::watched(train, at);
        let split = rows::of_steps(session.program, train, at);
        let words = split.fronts.iter().map(|_| Vec::new()).collect();
        Fronts { watches, nodes: split.fronts, axes: split.axes, first, words, turns: Vec::new(), rest: None }
    }

    fn clear(&mut self) {
        self.turns.clear();
        self.words.iter_mut().for_each(Vec::clear);
    }

    fn keep(&mut self, executable: &dyn Executable, rows: usize, takes_columns: bool) {
        if !takes_columns {
            return;
        }
        for (at, words) in self.words.iter_mut().enumerate() {
            words.extend_from_slice(executable.figure(self.first + at));
        }
        self.turns.push(rows);
    }

    /// Joins the fronts and computes the watches of them.
    fn evaluate(
        &mut self,
        session: &mut Session<'_>,
        train: &Train,
        types: &[Type],
        span: Span,
    ) -> Result<Vec<f32>, Fault> {
        let total: usize = self.turns.iter().sum();
        if self.rest.as_ref().is_none_or(|(rows, _)| *rows != total) {
            let request = Request {
                given: self.nodes.clone(),
                ..Request::of_outputs(&self.watches, Some((train.rows, total as u64)))
            };
            let executable = session.compile_request(&format!("{} watches", train.name), &request, span)?;
            self.rest = Some((total, executable));
        }
        let Some((_, rest)) = &mut self.rest else { return Ok(Vec::new()) };
        for (at, (words, &axis)) in self.words.iter().zip(&self.axes).enumerate() {
            let layout = Layout::new(&types[self.first + at].shape, axis);
            let Some(place) = rest.place(&format!("{}{at}", path::FRONT)) else { continue };
            join(layout, words, &self.turns, session.memory.words_mut(place));
        }
        rest.step(&mut session.memory).map_err(|reason| internal(&reason, span))?;
        Ok((0..self.watches.len()).map(|at| scalar(rest.figure(at))).collect())
    }
}

/// Joins the values of turns that stand one after another.
fn join(layout: Layout, words: &[u32], turns: &[usize], target: &mut [u32]) {
    let total: usize = turns.iter().sum();
    let (mut at, mut start) = (0, 0);
    for &rows in turns {
        let length = layout.outer * rows * layout.inner;
        layout.join(&words[start..start + length], rows, target, total, at, rows);
        at += rows;
        start += length;
    }
}

/// A figure's number; figures are f32 scalars.
fn scalar(words: &[u32]) -> f32 {
    words.first().map_or(f32::NAN, |&word| f32::from_bits(word))
}
