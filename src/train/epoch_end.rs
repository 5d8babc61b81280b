//! What happens at an epoch's end: figures, `every`, `keep`, `stop`, in this order.
//!
//! In: a train whose steps of an epoch are done. Out: its figures, as names and
//! values and in the scalars that blocks and rules read; states of the rules
//! advanced; the best slots kept in memory. Everything is compiled once, when
//! the train begins.

use super::engine::{Executable, Place};
use super::evaluate::Prepared;
use super::report::{Fault, FaultKind};
use super::session::{Session, internal};
use super::training::Run;
use crate::check::typed::{Every, NodeId, Part, SlotId, Train};
use crate::lower::{Request, path};
use crate::source::Span;

/// The compiled ends of a train's epochs.
pub(super) struct EpochEnd<'a> {
    train: &'a Train,
    span: Span,
    /// All validation figures at once, by figure number.
    val: Option<(Vec<usize>, Prepared)>,
    blocks: Vec<Block<'a>>,
    stops: Vec<(Span, Box<dyn Executable>)>,
    best: Option<Best>,
}

struct Block<'a> {
    every: &'a Every,
    writes: Option<Box<dyn Executable>>,
}

/// The best epoch so far and its slots.
struct Best {
    value: f32,
    epoch: u64,
    words: Vec<Vec<u32>>,
}

impl<'a> EpochEnd<'a> {
    pub fn new(session: &mut Session<'a>, train: &'a Train, span: Span) -> Result<Self, Fault> {
        let val = prepare_val(session, train, span)?;
        let mut blocks = Vec::with_capacity(train.every.len());
        for every in &train.every {
            let writes = match every.writes.is_empty() {
                true => None,
                false => Some(session.compile_request("every", &advance(&[], &every.writes), span)?),
            };
            blocks.push(Block { every, writes });
        }
        let mut stops = Vec::with_capacity(train.stop.len());
        for rule in &train.stop {
            let request = advance(&[rule.condition], &rule.writes);
            stops.push((rule.span, session.compile_request("stop", &request, rule.span)?));
        }
        Ok(EpochEnd { train, span, val, blocks, stops, best: None })
    }

    /// Whether something besides report and log needs the figures of this epoch.
    pub fn looks_at(&self, epoch: u64) -> bool {
        self.train.keep.is_some()
            || !self.stops.is_empty()
            || self
                .blocks
                .iter()
                .any(|block| block.every.epochs && (epoch + 1).is_multiple_of(block.every.count.max(1)))
    }

    /// Whether some block is due after a number of steps.
    pub fn has_step_blocks(&self) -> bool {
        self.blocks.iter().any(|block| !block.every.epochs)
    }

    /// Runs the blocks that are due after this many steps; they see the step's own loss.
    pub fn after_step(&mut self, session: &mut Session<'a>, step: u64, loss: f32) -> Result<(), Fault> {
        set_figure(session, "loss", loss);
        self.run_blocks(session, |every| !every.epochs && step.is_multiple_of(every.count.max(1)))
    }

    /// The figures of the epoch just done.
    pub fn figures(&mut self, session: &mut Session<'a>, run: &mut Run<'_>) -> Result<Vec<(String, f32)>, Fault> {
        let mut watches = Vec::with_capacity(run.phases.len());
        for phase in &mut run.phases {
            watches.push(phase.watches(session, run.span)?.into_iter());
        }
        let val = self.val_figures(session)?;
        let mut figures = Vec::with_capacity(2 * self.train.figures.len());
        for (at, figure) in self.train.figures.iter().enumerate() {
            let value = match figure.objective {
                true => run.phases[figure.phase].mean_loss(),
                false => watches[figure.phase].next().unwrap_or(f32::NAN),
            };
            figures.push((figure.name.clone(), value));
            if let Some((_, value)) = val.iter().find(|(number, _)| *number == at) {
                figures.push((format!("val.{}", figure.name), *value));
            }
        }
        for (name, value) in &figures {
            set_figure(session, name, *value);
        }
        Ok(figures)
    }

    fn val_figures(&mut self, session: &mut Session<'a>) -> Result<Vec<(usize, f32)>, Fault> {
        let Some((numbers, prepared)) = &mut self.val else { return Ok(Vec::new()) };
        session.set_scalar(session.scalars.step, 0);
        session.set_scalar(session.scalars.turn, 0);
        let misstep = prepared.run(&mut session.memory).map_err(|reason| internal(&reason, self.span))?;
        if let Some(misstep) = misstep {
            return Err(Fault::misstep(&misstep, self.span));
        }
        let value = |at: usize| prepared.figure(at).first().map_or(f32::NAN, |&word| f32::from_bits(word));
        Ok(numbers.iter().enumerate().map(|(at, &number)| (number, value(at))).collect())
    }

    /// `every`, `keep`, `stop`. Returns whether the train is to end.
    pub fn finish(&mut self, session: &mut Session<'a>, epoch: u64, figures: &[(String, f32)]) -> Result<bool, Fault> {
        self.run_blocks(session, |every| every.epochs && (epoch + 1).is_multiple_of(every.count.max(1)))?;
        self.keep(session, epoch, figures)?;
        let mut stop = false;
        for (span, executable) in &mut self.stops {
            executable.step(&mut session.memory).map_err(|reason| internal(&reason, *span))?;
            stop |= executable.figure(0).iter().any(|&word| word != 0);
        }
        Ok(stop)
    }

    fn run_blocks(&mut self, session: &mut Session<'a>, due: impl Fn(&Every) -> bool) -> Result<(), Fault> {
        let seed = session.memory.words(session.scalars.seed)[0];
        for block in &mut self.blocks {
            if !due(block.every) {
                continue;
            }
            if let Some(executable) = &mut block.writes {
                executable.step(&mut session.memory).map_err(|reason| internal(&reason, self.span))?;
            }
            for action in &block.every.actions {
                session.action(action)?;
            }
        }
        // Evaluations have a seed of their own.
        session.set_scalar(session.scalars.seed, seed);
        Ok(())
    }

    /// Copies the subject if this epoch is the best so far. Of equal ones the first is kept; NaN never is.
    fn keep(&mut self, session: &Session<'_>, epoch: u64, figures: &[(String, f32)]) -> Result<(), Fault> {
        let Some(keep) = &self.train.keep else { return Ok(()) };
        let Some((_, value)) = figures.iter().find(|(name, _)| *name == keep.figure) else {
            let message = format!("there is no figure {} to keep by: the data has no such part", keep.figure);
            return Err(Fault::new(FaultKind::Data, message, self.span));
        };
        let better = |best: &Best| if keep.highest { *value > best.value } else { *value < best.value };
        if value.is_nan() || self.best.as_ref().is_some_and(|best| !better(best)) {
            return Ok(());
        }
        let slot = |slot: &SlotId| session.memory.main().words(slot.index());
        match &mut self.best {
            Some(best) => {
                (best.value, best.epoch) = (*value, epoch);
                let pairs = best.words.iter_mut().zip(&self.train.subject);
                pairs.for_each(|(words, id)| words.copy_from_slice(slot(id)));
            }
            None => {
                let words = self.train.subject.iter().map(|id| slot(id).to_vec()).collect();
                self.best = Some(Best { value: *value, epoch, words });
            }
        }
        Ok(())
    }

    /// Brings back what was kept; the number of its epoch, from 1.
    pub fn restore(self, session: &mut Session<'_>) -> Option<u64> {
        let best = self.best?;
        for (slot, words) in self.train.subject.iter().zip(&best.words) {
            session.memory.main_mut().words_mut(slot.index()).copy_from_slice(words);
        }
        Some(best.epoch + 1)
    }
}

/// All validation figures on the whole part.
fn prepare_val(session: &mut Session<'_>, train: &Train, span: Span) -> Result<Option<(Vec<usize>, Prepared)>, Fault> {
    let (numbers, nodes): (Vec<usize>, Vec<NodeId>) =
        train.figures.iter().enumerate().filter_map(|(at, figure)| Some((at, figure.val?))).unzip();
    let Some(data) = train.data.filter(|_| !numbers.is_empty()) else { return Ok(None) };
    let part = Part { data, name: "val".to_string(), by: None };
    if session.set(data)?.rows(&part.name).is_none_or(<[u32]>::is_empty) {
        return Ok(None);
    }
    let rows = session.rows(&part, train.rows, span)?;
    let prepared = session.prepare(&nodes, Some(rows), &format!("{} validation", train.name), span)?;
    Ok(Some((numbers, prepared)))
}

/// A program that looks at something and advances states.
fn advance(outputs: &[NodeId], writes: &[(SlotId, NodeId)]) -> Request {
    Request { writes: writes.to_vec(), ..Request::of_outputs(outputs, None) }
}

/// Puts a figure where blocks and rules read it, if any does.
fn set_figure(session: &mut Session<'_>, name: &str, value: f32) {
    if let Some(slot) = session.memory.main().find(&format!("{}{name}", path::FIGURE)) {
        session.set_scalar(Place::main(slot), value.to_bits());
    }
}
