//! Running a program: all its actions, in file order.
//!
//! In: a typed program, options, a listener. Out: an [`Outcome`], or the
//! [`Fault`] that stopped it. One [`Memory`] serves all programs of the run.
//! Invariant: what is computed depends on program, data and seed alone.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::columns::{self, Dataset};
use super::data::{DataError, Values};
use super::engine::{Engine, EngineKind, Executable, Interpreter, Jit, Memory, Place};
use super::evaluate::{self, Prepared, Rows};
use super::report::{Fault, FaultKind, Outcome, Report, RunOptions, Work};
use super::tables::Tables;
use super::value::Value;
use super::{files, show, training};
use crate::check::typed::{self, Action, ActionKind, DataId, Eval, Kind, NodeId, Part, Program, Shown, SlotId};
use crate::ir::{DType, Type};
use crate::lower::{self, Request, path};
use crate::source::Span;

/// Runs a program.
///
/// # Errors
/// The fault that stopped it; what was printed and written before stays.
pub fn run(program: &Program, options: &RunOptions, report: &mut dyn Report) -> Result<Outcome, Fault> {
    let mut session = Session::new(program, options, report);
    let mut at = 0;
    while at < program.actions.len() && !session.outcome.interrupted {
        let stores = session.memory.count();
        let first = at;
        at += session.next(&program.actions[at..])?;
        session.tell_compiling(name_of(&program.actions[first]));
        session.prepared.clear();
        session.memory.release_from(stores);
        session.outcome.interrupted |= session.is_interrupted();
    }
    session.outcome.compilations = session.engine.compilations();
    Ok(session.outcome)
}

/// What an action is called in the list of times.
fn name_of(action: &Action) -> &'static str {
    match &action.kind {
        ActionKind::Set { .. } => "values",
        ActionKind::Print { .. } => "print",
        ActionKind::Assert { .. } => "assert",
        ActionKind::Train(_) => "last batch",
        ActionKind::Save { .. } | ActionKind::Load { .. } => "files",
        ActionKind::Record { .. } | ActionKind::Take { .. } | ActionKind::Group(_) => "tables",
        ActionKind::Plot { .. } => "plot",
    }
}

/// Outputs and the part they are computed on.
type PreparedKey = (Vec<NodeId>, Option<Part>);

/// A run in progress.
pub(super) struct Session<'a> {
    pub program: &'a Program,
    pub options: &'a RunOptions,
    pub report: &'a mut dyn Report,
    pub engine: Box<dyn Engine>,
    pub memory: Memory,
    pub scalars: Scalars,
    pub outcome: Outcome,
    pub tables: Tables,
    /// Time spent on compiling that was not told yet.
    pub compiling: Duration,
    /// What blocks of the action at hand compute again and again, by outputs and part.
    prepared: HashMap<PreparedKey, Prepared>,
    sets: HashMap<DataId, Rc<Dataset>>,
}

/// Where the scalars of the run lie.
pub(super) struct Scalars {
    pub seed: Place,
    pub step: Place,
    pub turn: Place,
    pub clock: [Place; 4],
}

impl<'a> Session<'a> {
    fn new(program: &'a Program, options: &'a RunOptions, report: &'a mut dyn Report) -> Self {
        let engine: Box<dyn Engine> = match options.engine {
            EngineKind::Jit => Box::new(Jit::new(options)),
            EngineKind::Interpreter => Box::new(Interpreter::new(options.verify)),
        };
        let (memory, scalars) = lay_out(program);
        let (outcome, prepared, sets) = (Outcome::default(), HashMap::new(), HashMap::new());
        let (tables, compiling) = (Tables::new(program), Duration::ZERO);
        Session { program, options, report, engine, memory, scalars, outcome, tables, compiling, prepared, sets }
    }

    /// Runs the first action; first values that do not depend on each other are computed together. Returns how many.
    fn next(&mut self, actions: &'a [Action]) -> Result<usize, Fault> {
        let count = self.independent_sets(actions);
        if count > 1 {
            let writes = actions[..count].iter().flat_map(set_writes).collect();
            self.write_all(writes, self.seed(set_seed(&actions[0]).unwrap_or(0)), actions[0].span)?;
            return Ok(count);
        }
        self.action(&actions[0])?;
        Ok(1)
    }

    /// Runs one action.
    pub fn action(&mut self, action: &'a Action) -> Result<(), Fault> {
        let span = action.span;
        match &action.kind {
            ActionKind::Set { slots, eval } if eval.on.is_none() => {
                let writes = slots.iter().copied().zip(eval.outputs.iter().copied()).collect();
                self.write_all(writes, self.seed(eval.seed), span)
            }
            ActionKind::Set { slots, eval } => {
                let values = self.evaluate(eval, span)?;
                self.check_fits(slots, &values)?;
                self.write_values(slots, &values, span)
            }
            ActionKind::Print { eval, values } => {
                let outputs = self.evaluate(eval, span)?;
                let values = values.iter().map(|value| self.with_tables(value)).collect::<Result<Vec<_>, _>>()?;
                self.report.on_outputs(&outputs);
                self.report.on_print(&show::show_all(&values, &outputs));
                Ok(())
            }
            ActionKind::Assert { eval, message, sides } => self.assert(eval, message.as_ref(), sides, span),
            ActionKind::Train(train) => training::train(self, train, span),
            ActionKind::Save { slots, to } => {
                let path = self.out_path(to);
                self.save(slots, &path, span)
            }
            ActionKind::Load { slots, fits, from } => self.load(slots, fits, from, span),
            ActionKind::Record { eval, row } => {
                let outputs = match eval.outputs.is_empty() {
                    true => Vec::new(),
                    false => self.evaluate(eval, span)?,
                };
                self.tables.record(self.program, row, |at| outputs[at].words.clone());
                Ok(())
            }
            ActionKind::Take { table, column, slot } => self.take(*table, *column, *slot, span),
            ActionKind::Group(grouping) => {
                self.tables.group(self.program, grouping);
                Ok(())
            }
            ActionKind::Plot { eval, plot } => self.plot(eval, plot, span),
        }
    }

    fn plot(&mut self, eval: &Eval, plot: &typed::Plot, span: Span) -> Result<(), Fault> {
        let outputs = self.evaluate(eval, span)?;
        let name = plot.to.as_ref().map(|name| show::show(name, &outputs));
        let path = name.map(|name| self.out_path(&name));
        let written = self.report.on_plot(plot, &outputs, path.as_deref());
        let written = written.map_err(|reason| Fault::new(FaultKind::Io, reason, span))?;
        if let Some(path) = written {
            self.report.on_note(&format!("wrote {}", path.display()));
            if !self.outcome.written.contains(&path) {
                self.outcome.written.push(path);
            }
        }
        Ok(())
    }

    /// What a transform has learnt is a number.
    fn check_fits(&self, slots: &[SlotId], values: &[Value]) -> Result<(), Fault> {
        for (slot, value) in slots.iter().zip(values) {
            let Some(data) = self.program.data.iter().find(|data| data.fits.contains(slot)) else { continue };
            let described = self.program.slot(*slot);
            let nan = |&word: &u32| f32::from_bits(word).is_nan();
            if described.ty.dtype == DType::F32 && value.words.iter().any(nan) {
                let message = format!("{} is not a number over the training part of {}", described.path, data.name);
                return Err(Fault::new(FaultKind::Data, message, described.applied).help(
                    "a transform that is not `fill` wants a value in each row: `|> fill(median)` before it; \
                     `fill` wants at least one",
                ));
            }
        }
        Ok(())
    }

    /// A value to be shown with its tables and columns of texts in it.
    fn with_tables(&mut self, shown: &Shown) -> Result<Shown, Fault> {
        let mut all = |items: &[Shown]| items.iter().map(|item| self.with_tables(item)).collect::<Result<Vec<_>, _>>();
        let shown = match shown {
            Shown::Table(table) => Shown::Text(self.tables.text(self.program, *table)),
            Shown::Texts(data, column) => self.texts(*data, *column)?,
            Shown::Text(_) | Shown::Output(..) | Shown::Decoded(..) => shown.clone(),
            Shown::List(items) => Shown::List(all(items)?),
            Shown::Tuple(items) => Shown::Tuple(all(items)?),
            Shown::Pieces(items) => Shown::Pieces(all(items)?),
            Shown::Record(fields) => Shown::Record(self.fields_with_tables(fields)?),
            Shown::Columns(fields) => Shown::Columns(self.fields_with_tables(fields)?),
        };
        Ok(shown)
    }

    fn fields_with_tables(&mut self, fields: &[(String, Shown)]) -> Result<Vec<(String, Shown)>, Fault> {
        fields.iter().map(|(name, value)| Ok((name.clone(), self.with_tables(value)?))).collect()
    }

    /// The texts of a column, of all rows of its set.
    fn texts(&mut self, data: DataId, column: usize) -> Result<Shown, Fault> {
        let set = self.set(data)?;
        let Values::Text(texts) = &set.columns[column].values else { return Ok(Shown::List(Vec::new())) };
        let rows = set.rows("all").unwrap_or_default();
        Ok(Shown::List(rows.iter().map(|&row| Shown::Text(texts[row as usize].clone())).collect()))
    }

    fn assert(
        &mut self,
        eval: &Eval,
        message: Option<&Shown>,
        sides: &[(String, Shown)],
        span: Span,
    ) -> Result<(), Fault> {
        let outputs = self.evaluate(eval, span)?;
        let Some(held) = outputs.first() else { return Err(internal("an assertion without a condition", span)) };
        if held.words.iter().all(|&word| word != 0) {
            return Ok(());
        }
        let wrong = held.words.iter().filter(|&&word| word == 0).count();
        let mut text = message.map_or("the assertion does not hold".to_string(), |shown| show::show(shown, &outputs));
        if held.words.len() > 1 {
            text += &format!(", for {wrong} of {} elements", held.words.len());
        }
        let told: Vec<String> =
            sides.iter().map(|(name, shown)| format!("{name} is {}", show::show(shown, &outputs))).collect();
        let fault = Fault::new(FaultKind::Assert, text, span);
        Err(if told.is_empty() { fault } else { fault.help(told.join(", ")) })
    }

    /// The values of an evaluation for the present values of all slots.
    pub fn evaluate(&mut self, eval: &Eval, span: Span) -> Result<Vec<Value>, Fault> {
        self.set_scalar(self.scalars.seed, self.seed(eval.seed) as u32);
        self.set_scalar(self.scalars.step, 0);
        self.set_scalar(self.scalars.turn, 0);
        let part = eval.on.as_ref().map(|(part, _)| part.clone());
        let key = (eval.outputs.clone(), part);
        let mut prepared = match self.prepared.remove(&key) {
            Some(prepared) => prepared,
            None => {
                let rows = eval.on.as_ref().map(|(part, atom)| self.rows(part, *atom, span)).transpose()?;
                self.prepare(&eval.outputs, rows, "evaluation", span)?
            }
        };
        let misstep = prepared.run(&mut self.memory).map_err(|reason| internal(&reason, span))?;
        if let Some(misstep) = misstep {
            return Err(Fault::misstep(&misstep, span));
        }
        let values = prepared.values();
        self.prepared.insert(key, prepared);
        Ok(values)
    }

    /// Compiles nodes, to be computed on these rows.
    pub fn prepare(
        &mut self,
        outputs: &[NodeId],
        rows: Option<Rows>,
        name: &str,
        span: Span,
    ) -> Result<Prepared, Fault> {
        let started = Instant::now();
        let prepared = evaluate::prepare(self.program, self.engine.as_mut(), &mut self.memory, outputs, rows, name);
        self.compiling += started.elapsed();
        prepared.map_err(|reason| internal(&reason, span))
    }

    /// Lowers a request and compiles it.
    pub fn compile_request(&mut self, name: &str, request: &Request, span: Span) -> Result<Box<dyn Executable>, Fault> {
        let started = Instant::now();
        let graph = lower::lower(self.program, request);
        let compiled = graph.and_then(|graph| self.engine.compile(name, graph, &mut self.memory));
        self.compiling += started.elapsed();
        compiled.map_err(|reason| internal(&reason, span))
    }

    /// Tells what was spent on compiling since it was told last. Returns the seconds.
    pub fn tell_compiling(&mut self, name: &str) -> f64 {
        let spent = std::mem::take(&mut self.compiling);
        if !spent.is_zero() {
            self.report.on_work(&Work { what: "compile", name, seconds: spent.as_secs_f64() });
        }
        spent.as_secs_f64()
    }

    /// Computes all values from what the slots hold now, then writes them.
    fn write_all(&mut self, writes: Vec<(SlotId, NodeId)>, seed: i32, span: Span) -> Result<(), Fault> {
        self.set_scalar(self.scalars.seed, seed as u32);
        self.set_scalar(self.scalars.step, 0);
        self.set_scalar(self.scalars.turn, 0);
        let mut executable = self.compile_request("values", &Request { writes, ..Request::default() }, span)?;
        executable.step(&mut self.memory).map_err(|reason| internal(&reason, span))
    }

    fn write_values(&mut self, slots: &[SlotId], values: &[Value], span: Span) -> Result<(), Fault> {
        for (slot, value) in slots.iter().zip(values) {
            let words = self.memory.main_mut().words_mut(slot.index());
            if words.len() != value.words.len() {
                let message = format!("{} values came out, {} were expected", value.words.len(), words.len());
                let fault = Fault::new(FaultKind::Data, message, span);
                return Err(fault.help("the data changed since it was checked; run again"));
            }
            words.copy_from_slice(&value.words);
        }
        Ok(())
    }

    /// The rows of a part; its data set is read if it was not yet.
    pub fn rows(&mut self, part: &Part, atom: crate::check::dims::AtomId, span: Span) -> Result<Rows, Fault> {
        let set = self.set(part.data)?;
        let name = &self.program.data[part.data.index()].name;
        let rows = set.rows(&part.name).filter(|rows| !rows.is_empty());
        let rows =
            rows.ok_or_else(|| Fault::new(FaultKind::Data, format!("{name}.{} has no rows", part.name), span))?;
        Ok(Rows { rows: rows.into(), set, atom, by: part.by })
    }

    /// A data set; read when first needed.
    pub fn set(&mut self, id: DataId) -> Result<Rc<Dataset>, Fault> {
        if let Some(set) = self.sets.get(&id) {
            return Ok(Rc::clone(set));
        }
        let declared = &self.program.data[id.index()];
        let seed = i64::from(self.seed(declared.seed));
        if let Some(fold) = declared.fold {
            let whole = self.set(fold.of)?;
            let fold = whole.fold(declared, fold, seed).map_err(|error| data_fault(&error, declared.span))?;
            let fold = Rc::new(fold);
            self.sets.insert(id, Rc::clone(&fold));
            return Ok(fold);
        }
        let started = Instant::now();
        let set = columns::load(self.program, declared, seed).map_err(|error| data_fault(&error, declared.span))?;
        let set = Rc::new(set);
        let seconds = started.elapsed().as_secs_f64();
        self.report.on_work(&Work { what: "load", name: &declared.name, seconds });
        self.sets.insert(id, Rc::clone(&set));
        Ok(set)
    }

    /// Writes slots under their names.
    pub fn save(&mut self, slots: &[(String, SlotId)], path: &Path, span: Span) -> Result<(), Fault> {
        let value = |slot: &SlotId| Value {
            ty: self.program.slot(*slot).ty.clone(),
            words: self.memory.main().words(slot.index()).to_vec(),
        };
        let values: Vec<(String, Value)> = slots.iter().map(|(name, slot)| (name.clone(), value(slot))).collect();
        files::save(path, &values).map_err(|reason| Fault::new(FaultKind::Io, reason, span))?;
        self.report.on_note(&format!("wrote {}", path.display()));
        self.outcome.written.push(path.to_path_buf());
        Ok(())
    }

    fn load(
        &mut self,
        slots: &[(String, SlotId)],
        fits: &[(String, SlotId)],
        from: &str,
        span: Span,
    ) -> Result<(), Fault> {
        // What the same run wrote is found where it was put; all else where the path says, which was looked up before.
        let written = self.out_path(from);
        let path = if self.outcome.written.contains(&written) { written } else { PathBuf::from(from) };
        let stored = files::contents(&path).map_err(|reason| Fault::new(FaultKind::Io, reason, span))?;
        let fits = fits.iter().filter(|(name, _)| stored.has(name));
        let all: Vec<&(String, SlotId)> = slots.iter().chain(fits).collect();
        let wanted: Vec<(String, Type)> =
            all.iter().map(|(name, slot)| (name.clone(), self.program.slot(*slot).ty.clone())).collect();
        let values = files::load(&path, &wanted).map_err(|reason| Fault::new(FaultKind::Io, reason, span))?;
        let ids: Vec<SlotId> = all.iter().map(|(_, slot)| *slot).collect();
        self.write_values(&ids, &values, span)
    }

    /// Where a file of this name is written.
    pub fn out_path(&self, name: &str) -> PathBuf {
        self.options.out.join(name)
    }

    /// The seed in force, as the key of draws: its low 32 bits.
    pub fn seed(&self, seed: i64) -> i32 {
        let seed = if seed == 0 { self.options.seed.unwrap_or(0) } else { seed };
        seed as i32
    }

    /// Writes a scalar.
    pub fn set_scalar(&mut self, place: Place, word: u32) {
        self.memory.words_mut(place)[0] = word;
    }

    /// Whether the run is to end.
    pub fn is_interrupted(&self) -> bool {
        self.options.interrupt.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many of the first actions give independent first values under one seed.
    fn independent_sets(&self, actions: &[Action]) -> usize {
        let Some(seed) = actions.first().and_then(set_seed) else { return 1 };
        let mut written: BTreeSet<SlotId> = BTreeSet::new();
        let mut count = 0;
        for action in actions {
            let writes = set_writes(action);
            let reads_written = self
                .program
                .reachable(writes.iter().map(|(_, node)| *node))
                .into_iter()
                .any(|id| matches!(self.program.node(id).kind, Kind::Read { slot, .. } if written.contains(&slot)));
            let again = writes.iter().any(|(slot, _)| written.contains(slot));
            if set_seed(action) != Some(seed) || reads_written || again || count >= 64 {
                break;
            }
            written.extend(writes.iter().map(|(slot, _)| *slot));
            count += 1;
        }
        count.max(1)
    }
}

/// The main store: slots of the program in order, scalars, figures of trains.
fn lay_out(program: &Program) -> (Memory, Scalars) {
    let mut slots: Vec<(String, Type)> =
        program.slots.iter().map(|slot: &typed::Slot| (slot.path.clone(), slot.ty.clone())).collect();
    let first = slots.len();
    slots.extend([path::SEED, path::STEP, path::TURN].map(|name| (name.to_string(), Type::scalar(DType::I32))));
    slots.extend(path::CLOCK.map(|name| (name.to_string(), Type::scalar(DType::F32))));
    let figures: BTreeSet<&String> = program
        .nodes
        .iter()
        .filter_map(|node| if let Kind::Figure(name) = &node.kind { Some(name) } else { None })
        .collect();
    slots.extend(figures.iter().map(|name| (format!("{}{name}", path::FIGURE), Type::scalar(DType::F32))));
    let at = |offset: usize| Place::main(first + offset);
    let scalars = Scalars { seed: at(0), step: at(1), turn: at(2), clock: [at(3), at(4), at(5), at(6)] };
    let known = slots.len();
    slots.extend(program.known.iter().map(|number| (number.path.clone(), Type::scalar(number.dtype))));
    let mut memory = Memory::new(&slots);
    for (at, number) in program.known.iter().enumerate() {
        memory.main_mut().words_mut(known + at)[0] = number.word;
    }
    (memory, scalars)
}

/// The memory of a program's run: slots zero, numbers that are handed over in their places.
pub fn memory(program: &Program) -> Memory {
    lay_out(program).0
}

/// The writes of a plain `Set`, none for other actions.
fn set_writes(action: &Action) -> Vec<(SlotId, NodeId)> {
    match &action.kind {
        ActionKind::Set { slots, eval } => slots.iter().copied().zip(eval.outputs.iter().copied()).collect(),
        ActionKind::Print { .. }
        | ActionKind::Assert { .. }
        | ActionKind::Train(_)
        | ActionKind::Save { .. }
        | ActionKind::Load { .. }
        | ActionKind::Record { .. }
        | ActionKind::Take { .. }
        | ActionKind::Group(_)
        | ActionKind::Plot { .. } => Vec::new(),
    }
}

/// The seed of a `Set` that needs no rows.
fn set_seed(action: &Action) -> Option<i64> {
    match &action.kind {
        ActionKind::Set { eval, .. } if eval.on.is_none() => Some(eval.seed),
        ActionKind::Set { .. }
        | ActionKind::Print { .. }
        | ActionKind::Assert { .. }
        | ActionKind::Train(_)
        | ActionKind::Save { .. }
        | ActionKind::Load { .. }
        | ActionKind::Record { .. }
        | ActionKind::Take { .. }
        | ActionKind::Group(_)
        | ActionKind::Plot { .. } => None,
    }
}

/// A fault of ours.
pub(super) fn internal(reason: &str, span: Span) -> Fault {
    Fault::new(FaultKind::Internal, format!("internal error: {reason}"), span)
        .help("this is a bug in nnc, not in the program; please report it")
}

fn data_fault(error: &DataError, span: Span) -> Fault {
    let plain = DataError { help: None, ..error.clone() };
    let fault = Fault::new(FaultKind::Data, plain.to_string(), span);
    match &error.help {
        Some(help) => fault.help(help.clone()),
        None => fault,
    }
}
