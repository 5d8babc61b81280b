//! `train`: what it is on, how long it is, its phases in both modes, its figures.

use std::rc::Rc;

use super::Checker;
use super::dims::{AtomId, Dim};
use super::scope::{AtHand, Frame, FrameKind, Phase};
use super::typed::{ActionKind, DataId, Figure, Part, Phase as Step, SlotId, Train};
use super::value::{InstanceId, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::Owner;
use crate::source::Span;
use crate::syntax::ast::{Block, Expr, ExprKind, Name, On, Path, Stmt, StmtKind};

/// What `evaluate` needs of a train that has been.
#[derive(Debug)]
pub(super) struct Trained {
    /// Its phases: name and statements.
    pub phases: Vec<(String, Vec<Stmt>)>,
}

/// What a train statement says, sorted.
#[derive(Default)]
pub(super) struct Sorted {
    epochs: Option<(u64, Span)>,
    steps: Option<(u64, Span)>,
    batch: Option<u64>,
    /// Whether `epochs` or `steps` is there, right or wrong.
    timed: bool,
    /// Statements before and around the phases.
    shared: Vec<Stmt>,
    phases: Vec<(Option<Name>, Option<Expr>, Vec<Stmt>)>,
    /// `every` statements.
    pub every: Vec<Stmt>,
    /// Conditions of `stop when`.
    pub stop: Vec<Expr>,
    /// `keep`: whether the highest, and of which figure.
    pub keep: Option<(bool, Path)>,
}

impl Checker<'_> {
    /// `train subject on data as log { ... }`
    pub(super) fn train_item(
        &mut self,
        subject: Option<&Path>,
        on: Option<&On>,
        log: Option<&Name>,
        body: &Block,
        span: Span,
    ) {
        let errors = self.errors();
        self.without_chunks(on, "train", "`batch n` in its body says how many rows a step has");
        let on = on.map(|on| &on.part);
        // A train whose subject or data is in error is looked at all the same, for what else is wrong in it.
        let mut broken = false;
        let instance = match subject {
            Some(path) => match self.path_value(path) {
                value @ Value::Instance(_) => Some(value),
                Value::Unknown => {
                    broken = true;
                    None
                }
                other => {
                    broken = true;
                    let message = format!("a train's subject is a model or layer, this is {}", other.describe());
                    self.error(Code::E0501, message, path.span);
                    None
                }
            },
            None => None,
        };
        let data = match on {
            Some(on) => {
                let data = self.train_data(on);
                self.columns_unknown = data.is_none();
                broken |= data.is_none();
                data
            }
            None => None,
        };
        self.train_count += 1;
        self.train_whole = span;
        self.train_span = subject.map_or(span, |path| path.span);
        // By the model rather than by the name that a loop gives it.
        let name = match (subject, &instance) {
            (_, Some(Value::Instance(instance))) => self.instances[instance.0 as usize].path.clone(),
            (Some(path), _) => self.sources.text(path.span).trim().to_string(),
            (None, _) => format!("train{}", self.train_count),
        };
        let rows = match data {
            Some(data) => self.program.data[data.index()].at_hand,
            None => self.program.atoms.name("B", None, on.map_or(span, |on| on.span)),
        };
        let number = self.train_places.len() as u32 + 1;
        let place = format!("train{}", self.train_places.entry(span).or_insert(number));
        let owner = InstanceId(0);
        let file = self.frame().file;
        let mut frame = Frame::new(FrameKind::Train, file, owner, "", Span::default());
        frame.place = place;
        frame.dims.push(("B".to_string(), Dim::atom(rows)));
        self.frames.push(frame);
        let trained = match instance {
            Some(Value::Instance(instance)) => Some(instance),
            _ => None,
        };
        let train = self.train(name, instance, data, rows, body, span, broken);
        self.columns_unknown = false;
        self.frames.pop();
        self.phase = Phase::default();
        if let Some(log) = log.filter(|_| train.is_none() || broken || self.errors() != errors) {
            self.bind(&log.text, Value::Unknown, log.span);
        }
        if let Some(mut train) = train
            && !broken
            && self.errors() == errors
        {
            self.count_rows(&mut train, log);
            let nodes = train
                .phases
                .iter()
                .flat_map(|phase| phase.writes.iter().map(|(_, node)| *node).chain(phase.loss).collect::<Vec<_>>());
            let fits = self.fits_of(nodes.collect::<Vec<_>>());
            train.subject.extend(&fits);
            if let Some(subject) = trained {
                self.note_fits(subject, fits);
            }
            let slots: Vec<SlotId> =
                train.phases.iter().flat_map(|phase| phase.writes.iter().map(|(slot, _)| *slot)).collect();
            self.act(ActionKind::Train(Box::new(train)), span);
            self.written(&slots);
        }
    }

    fn train_data(&mut self, on: &Expr) -> Option<DataId> {
        match self.eval(on) {
            Value::Data(data) | Value::Part(Part { data, .. }) if self.program.data[data.index()].like.is_some() => {
                let set = &self.program.data[data.index()];
                let message = format!("`{}` is new data: it has no train part", set.name);
                let declared = set.span;
                self.report(
                    Diagnostic::new(Code::E0501, message, on.span)
                        .also(declared, "declared with `as`")
                        .help("train on the set that it is like; a data block of its own makes parts"),
                );
                None
            }
            Value::Data(data) => Some(data),
            Value::Part(part) if part.name == "train" => Some(part.data),
            Value::Part(part) => {
                let message =
                    format!("a train never sees `{}`: it takes a whole set and uses its train part", part.name);
                self.error(Code::E0501, message, on.span);
                None
            }
            Value::Unknown => None,
            other => {
                let message = format!("`on` takes a data set, this is {}", other.describe());
                self.error(Code::E0501, message, on.span);
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // What the head of a train says, in one place.
    fn train(
        &mut self,
        name: String,
        subject: Option<Value>,
        data: Option<DataId>,
        rows: AtomId,
        body: &Block,
        span: Span,
        broken: bool,
    ) -> Option<Train> {
        self.failed_figures.clear();
        let broken = broken || self.unparsed.within(span);
        let sorted = self.sort(body, span);
        // States live in the train's own scope; phases see them, and the rules at an epoch's end.
        self.phase = self.phase_at(data, rows, false, None);
        for stmt in sorted.shared.iter().filter(|stmt| matches!(stmt.kind, StmtKind::State(_))) {
            self.body_stmt(stmt);
        }
        let validated = data.is_some_and(|data| {
            self.program.data[data.index()].parts.iter().any(|(part, rows)| part == "val" && *rows > 0)
        });
        let turns = self.train_turns.entry((span, name.clone())).or_insert(0);
        *turns += 1;
        let file = if *turns == 1 { name.clone() } else { format!("{name}-{turns}") };
        let mut train = Train {
            name,
            file,
            data,
            phases: Vec::new(),
            rows,
            epochs: sorted.epochs.map(|epochs| epochs.0),
            steps: sorted.steps.map(|steps| steps.0),
            batch: sorted.batch,
            figures: Vec::new(),
            every: Vec::new(),
            stop: Vec::new(),
            keep: None,
            log: None,
            subject: Vec::new(),
            seed: self.seed,
        };
        for (at, (phase, times, stmts)) in sorted.phases.iter().enumerate() {
            let word = phase.as_ref().map(|phase| phase.text.clone()).unwrap_or_default();
            let times = match times {
                Some(times) => {
                    let value = self.eval(times);
                    self.whole(&value, "`times`", times.span).unwrap_or(1).max(1) as u64
                }
                None => 1,
            };
            let stmts: Vec<Stmt> = sorted.shared.iter().cloned().chain(stmts.iter().cloned()).collect();
            self.train_phase(&mut train, at, word, times, &stmts, (data, rows), subject.as_ref(), validated);
        }
        if !self.unparsed.within(span) {
            self.check_length(&train, &sorted, broken);
        }
        self.validated = match data {
            None if broken => None,
            _ => Some(validated),
        };
        self.train_rules(&mut train, &sorted, (data, rows));
        self.subject_slots(&mut train, subject.as_ref());
        if let Some(Value::Instance(instance)) = subject {
            let phases = sorted
                .phases
                .into_iter()
                .map(|(name, _, stmts)| {
                    let stmts = sorted.shared.iter().cloned().chain(stmts).collect();
                    (name.map(|name| name.text).unwrap_or_default(), stmts)
                })
                .collect();
            self.trained.insert(instance, Rc::new(Trained { phases }));
        }
        Some(train)
    }

    /// The state of a phase at its start.
    pub(super) fn phase_at(
        &self,
        data: Option<DataId>,
        rows: AtomId,
        training: bool,
        at_hand: Option<AtHand>,
    ) -> Phase {
        Phase { training, data, rows: Some(Dim::atom(rows)), at_hand, clock: true, train: true, ..Phase::default() }
    }

    fn sort(&mut self, body: &Block, span: Span) -> Sorted {
        let mut sorted = Sorted::default();
        let mut plain = Vec::new();
        for stmt in &body.stmts {
            match &stmt.kind {
                StmtKind::Epochs(count) => {
                    sorted.timed = true;
                    sorted.epochs = self.count(count, "`epochs`").map(|n| (n, stmt.span));
                }
                StmtKind::Steps(count) => {
                    sorted.timed = true;
                    sorted.steps = self.count(count, "`steps`").map(|n| (n, stmt.span));
                }
                StmtKind::Batch(count) => sorted.batch = self.count(count, "`batch`"),
                StmtKind::Every { .. } => sorted.every.push(stmt.clone()),
                StmtKind::Stop(condition) => sorted.stop.push(condition.clone()),
                StmtKind::Keep { highest, figure } => sorted.keep = Some((*highest, figure.clone())),
                StmtKind::Phase { name, times, body } => {
                    let mut stmts = body.stmts.clone();
                    if let Some(value) = &body.value {
                        stmts.push(Stmt { kind: StmtKind::Expr((**value).clone()), span: value.span, doc: None });
                    }
                    sorted.phases.push((Some(name.clone()), times.clone(), stmts));
                }
                _ => plain.push(stmt.clone()),
            }
        }
        if let Some(value) = &body.value {
            plain.push(Stmt { kind: StmtKind::Expr((**value).clone()), span: value.span, doc: None });
        }
        if sorted.phases.is_empty() {
            let (states, rest) = plain.into_iter().partition(|stmt| matches!(stmt.kind, StmtKind::State(_)));
            sorted.shared = states;
            sorted.phases.push((None, None, rest));
        } else {
            for stmt in &plain {
                if matches!(stmt.kind, StmtKind::Minimize { .. } | StmtKind::Next { .. } | StmtKind::Watch(_)) {
                    self.report(
                        Diagnostic::new(Code::E0403, "this stands in a phase where a train has phases", stmt.span)
                            .also(span, "this train"),
                    );
                }
            }
            sorted.shared = plain;
        }
        sorted
    }

    pub(super) fn count(&mut self, expr: &Expr, what: &str) -> Option<u64> {
        let value = self.eval(expr);
        let count = self.whole(&value, what, expr.span)?;
        if count < 1 {
            self.error(Code::E0504, format!("{what} is at least 1, not {count}"), expr.span);
            return None;
        }
        Some(count as u64)
    }

    /// Elaborates a phase in both modes and adds its step and figures.
    #[allow(clippy::too_many_arguments)]
    fn train_phase(
        &mut self,
        train: &mut Train,
        at: usize,
        name: String,
        times: u64,
        stmts: &[Stmt],
        place: (Option<DataId>, AtomId),
        subject: Option<&Value>,
        validated: bool,
    ) {
        let part = |name: &str| place.0.map(|data| Part { data, name: name.to_string(), by: None });
        let step_rows = match (train.batch, part("train")) {
            (Some(batch), part) => Some(AtHand::Batch(batch, part)),
            (None, part) => part.map(AtHand::Part),
        };
        self.phase = self.phase_at(place.0, place.1, true, step_rows);
        let step = self.elaborate_step(stmts, subject);
        let silent = self.columns_unknown || self.unparsed.within(self.train_whole);
        if step.writes.is_empty() && !stmts.iter().any(sets) && !silent {
            let span = self.train_span;
            self.report(
                Diagnostic::new(Code::E0501, "this train changes nothing", span)
                    .help("`minimize ... with ...`, or `next name = ...`"),
            );
        }
        let val = if validated && step.columns {
            self.phase = self.phase_at(place.0, place.1, false, part("val").map(AtHand::Part));
            Some(self.elaborate(stmts, subject, false))
        } else {
            None
        };
        let full = |figure: &str| if name.is_empty() { figure.to_string() } else { format!("{name}.{figure}") };
        if let Some(loss) = &step.loss {
            let val = val.as_ref().and_then(|val| val.loss.as_ref()).map(|loss| loss.node);
            train.figures.push(Figure { name: full("loss"), phase: at, train: loss.node, val, objective: true });
        }
        for (which, (figure, tensor)) in step.watches.iter().enumerate() {
            let val = val.as_ref().and_then(|val| val.watches.get(which)).map(|(_, tensor)| tensor.node);
            train.figures.push(Figure { name: full(figure), phase: at, train: tensor.node, val, objective: false });
        }
        self.failed_figures.extend(step.failed.iter().map(|figure| full(figure)));
        train.subject.extend(&step.trained);
        train.phases.push(Step {
            name,
            times,
            columns: step.columns,
            writes: step.writes,
            loss: step.loss.map(|loss| loss.node),
            recorded: step.recorded,
            rows: step.rows,
        });
    }

    fn check_length(&mut self, train: &Train, sorted: &Sorted, broken: bool) {
        // An objective in error may have named columns.
        let columns =
            broken || train.phases.iter().any(|phase| phase.columns || phase.loss.is_none() && phase.writes.is_empty());
        match (sorted.epochs, sorted.steps) {
            (None, None) if sorted.timed => {}
            (None, None) => {
                self.report(
                    Diagnostic::new(Code::E0501, "a train says how long it goes on", self.train_span)
                        .help("`epochs 10` or `steps 1000`"),
                );
            }
            (Some((_, first)), Some((_, second))) => {
                self.report(
                    Diagnostic::new(Code::E0504, "`epochs` and `steps` both say how long it goes on", second)
                        .also(first, "the other"),
                );
            }
            (Some((_, place)), None) if !columns => {
                let message = match train.data {
                    Some(_) => "nothing in this train names a column, so no epoch ever ends",
                    None => "a train without data has no epochs",
                };
                self.report(Diagnostic::new(Code::E0501, message, place).help("say how many steps: `steps 1000`"));
            }
            _ => {}
        }
    }

    /// What is saved and kept: the subject's parameters and states, or all that is trained or written by layers.
    fn subject_slots(&mut self, train: &mut Train, subject: Option<&Value>) {
        let mut slots = std::mem::take(&mut train.subject);
        if let Some(Value::Instance(instance)) = subject {
            slots.extend(self.slots_of(*instance));
        }
        for phase in &train.phases {
            slots.extend(
                phase
                    .writes
                    .iter()
                    .map(|(slot, _)| *slot)
                    .filter(|slot| matches!(self.program.slot(*slot).owner, Owner::Parameter | Owner::State)),
            );
        }
        slots.sort();
        slots.dedup();
        train.subject = slots;
    }
}

/// Whether a statement is there to change something (and said itself why it does not).
fn sets(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Minimize { .. } | StmtKind::Next { .. } => true,
        StmtKind::Expr(expr) => matches!(expr.kind, ExprKind::If { .. } | ExprKind::For { .. }),
        _ => false,
    }
}
