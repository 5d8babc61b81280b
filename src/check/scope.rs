//! Scopes: what a name means at a place.
//!
//! A [`Frame`] is one body being elaborated (the file, a function call, a layer
//! application, an optimiser, a train); its scopes are its blocks. Order of
//! look-up: locals, dims, columns, names of the file, names of the prelude.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::dims::Dim;
use super::typed::{DataId, NodeId, SlotId};
use super::value::{InstanceId, Value};
use super::{Checker, ItemValue, foreign};
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::Span;

/// Most columns that a message lists.
const MOST_COLUMNS: usize = 12;

/// What a local name is bound to.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its value.
    pub value: Value,
    /// Where it was bound.
    pub span: Span,
    /// File-level writes that had happened then.
    pub writes: u32,
    /// The statement that bound it.
    pub statement: usize,
    /// The seed in force then.
    pub seed: i64,
}

/// Where a name gets its meaning from; numbers are those of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A column of the set at hand, by its number there, before the names of the file's frame.
    Column(usize, DataId, usize),
    /// Bound in a block of a frame.
    Local(usize),
    /// A dim of a frame.
    Dim(usize),
    /// A column of the set whose block is being elaborated.
    BlockColumn,
    /// What a definition in a body sees of that body.
    Around(usize),
    /// Known without a definition.
    Ambient,
    /// An order-free name of the file, or of those behind it.
    Item,
}

/// What kind of body a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The file's own statements.
    File,
    /// A function: owns nothing.
    Fn,
    /// A layer's or model's body.
    Layer,
    /// An optimiser's body.
    Optimizer,
    /// A train, phase or `every` body.
    Train,
    /// A data block.
    Data,
}

impl FrameKind {
    /// Whether it is the file or a train, which see the dims of each other, rather than a definition.
    fn is_of_file(self) -> bool {
        matches!(self, FrameKind::File | FrameKind::Train)
    }
}

/// A body being elaborated.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// The file whose names it sees.
    pub file: usize,
    /// Blocks, innermost last.
    pub scopes: Vec<HashMap<String, Binding>>,
    /// Dims of this definition by name.
    pub dims: Vec<(String, Dim)>,
    /// What `...` stands for here.
    pub ellipsis: Option<Vec<Dim>>,
    /// The instance that owns what is made here.
    pub owner: InstanceId,
    /// The call that led here.
    pub call_span: Span,
    /// Label of nodes: the path of the instance.
    pub path: Arc<str>,
    /// Key of random places: the path, the functions called from there, and the application.
    pub place: String,
    /// Turns of the unrolled loops around, and the names they add to paths.
    pub unroll: Vec<u32>,
    /// Path parts of the loops around: `repeat1[0]`.
    pub loops: Vec<String>,
    /// Numbers given so far, by name.
    pub counters: HashMap<String, u32>,
    /// Carries of the loops around that are set by `next`: name to new value.
    pub carries: Vec<Vec<(String, Option<Value>, Span)>>,
    /// `emit`s and `final`s of the loops around.
    pub emits: Vec<(Vec<Value>, Vec<Value>)>,
    /// How many `scan`s of this body are around.
    pub scans: u32,
    /// Where the caller wrote each argument: an error about it is shown there.
    pub given: HashMap<String, Span>,
    /// An `assert` of the definition does not hold: the rest of its body is left alone.
    pub refused: bool,
    /// Of a definition in a body what that body had bound, dims included.
    pub around: Option<Rc<HashMap<String, Value>>>,
}

/// Whose rows are at hand.
#[derive(Clone, Debug)]
pub enum AtHand {
    /// All rows of a part: of an `on`, or of validation.
    Part(super::typed::Part),
    /// So many in each step of a train; of the part's rows, if there is one.
    Batch(u64, Option<super::typed::Part>),
}

/// What is at hand while an atomic step (a statement, a phase, an `every` block) is elaborated.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// Known: training mode.
    pub training: bool,
    /// What has been set, in order.
    pub writes: Vec<(SlotId, NodeId, Span)>,
    /// Of layer state that has been set, the application that set it last, by its place, and what that found.
    pub set_in: HashMap<SlotId, (String, Option<NodeId>)>,
    /// Results of applications: instance, argument nodes, mode.
    pub calls: HashMap<(InstanceId, Vec<NodeId>, bool), Value>,
    /// How often each instance was applied to different arguments.
    pub applied: HashMap<InstanceId, u32>,
    /// The set whose columns are in scope.
    pub data: Option<DataId>,
    /// The open dim of the rows at hand.
    pub rows: Option<Dim>,
    /// Columns that were named, by their numbers among those of the set.
    pub columns: BTreeSet<usize>,
    /// Whether `run` is there.
    pub clock: bool,
    /// Names of figures in scope (`every`, `stop`, `keep`).
    pub figures: Vec<String>,
    /// Figures that an epoch's end has and this block, which runs in between, has not.
    pub late: Vec<String>,
    /// A train (`every` included) rather than a statement of the file.
    pub train: bool,
    /// An epoch's end: figures are at hand.
    pub epoch_end: bool,
    /// The part that an `evaluate` in this statement takes its rows from.
    pub evaluated: Option<(super::typed::Part, super::dims::AtomId)>,
    /// Whose rows are at hand, where that is known.
    pub at_hand: Option<AtHand>,
    /// The number of the update at hand, from 1, once an optimiser has asked.
    pub turn: Option<NodeId>,
    /// Parameters of what the step applies only further down: `Some(true)` once they were asked for. The step is elaborated
    /// again then, with all sizes known.
    pub early: Option<bool>,
    /// Slots whose new value is in error.
    pub spoiled: HashSet<SlotId>,
    /// The place of the `fresh` application around, of which all draws in it are.
    pub fresh: Option<String>,
    /// Instances held constant and in evaluation mode.
    pub frozen: u32,
}

impl Phase {
    /// How many rows at a time, if values are averaged over chunks of a part.
    pub fn by(&self) -> Option<u64> {
        match self.at_hand.as_ref()? {
            AtHand::Part(part) | AtHand::Batch(_, Some(part)) => part.by,
            AtHand::Batch(_, None) => None,
        }
    }
}

impl Frame {
    /// A frame without locals.
    pub fn new(kind: FrameKind, file: usize, owner: InstanceId, path: impl Into<Arc<str>>, call_span: Span) -> Self {
        let path = path.into();
        Frame {
            kind,
            file,
            scopes: vec![HashMap::new()],
            dims: Vec::new(),
            ellipsis: None,
            owner,
            call_span,
            place: path.to_string(),
            path,
            unroll: Vec::new(),
            loops: Vec::new(),
            counters: HashMap::new(),
            carries: Vec::new(),
            emits: Vec::new(),
            scans: 0,
            given: HashMap::new(),
            refused: false,
            around: None,
        }
    }

    /// The next number of `name` in this body, from 1.
    pub fn number(&mut self, name: &str) -> u32 {
        let count = self.counters.entry(name.to_string()).or_insert(0);
        *count += 1;
        *count
    }

    /// The turns of the unrolled loops around, as they stand in the keys of draws: `[2][0]`.
    pub fn turns(&self) -> String {
        self.unroll.iter().map(|turn| format!("[{turn}]")).collect()
    }

    /// The dim with this name.
    pub fn dim(&self, name: &str) -> Option<&Dim> {
        self.dims.iter().find(|(known, _)| known == name).map(|(_, dim)| dim)
    }
}

impl Checker<'_> {
    /// The frame at hand.
    pub(super) fn frame(&self) -> &Frame {
        self.frames.last().expect("a file frame is pushed before anything is elaborated")
    }

    /// The frame at hand.
    pub(super) fn frame_mut(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a file frame is pushed before anything is elaborated")
    }

    /// Binds a local name in the innermost block.
    pub(super) fn bind(&mut self, name: &str, value: Value, span: Span) {
        let binding = Binding { value, span, writes: self.writes, statement: self.statement, seed: self.seed };
        let frame = self.frame_mut();
        if let Some(scope) = frame.scopes.last_mut() {
            scope.insert(name.to_string(), binding);
        }
    }

    /// What a definition that stands here sees: the names and dims of this body, and of those around it.
    pub(super) fn names_at_hand(&self) -> Rc<HashMap<String, Value>> {
        let frame = self.frame();
        let mut names = frame.around.as_deref().cloned().unwrap_or_default();
        names.extend(frame.dims.iter().map(|(name, dim)| (name.clone(), Value::size(dim.clone()))));
        for scope in &frame.scopes {
            names.extend(scope.iter().map(|(name, binding)| (name.clone(), binding.value.clone())));
        }
        Rc::new(names)
    }

    /// Runs `inside` in a block of its own.
    pub(super) fn scoped<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.frame_mut().scopes.push(HashMap::new());
        let result = inside(self);
        self.frame_mut().scopes.pop();
        result
    }

    /// What `name` means here; unknown names are reported.
    pub(super) fn lookup(&mut self, name: &str, span: Span) -> Value {
        match self.find(name, span) {
            Some(value) => value,
            None => self.unknown_name(name, span),
        }
    }

    /// What `name` means here, if anything.
    pub(super) fn find(&mut self, name: &str, span: Span) -> Option<Value> {
        let meaning = self.meaning(name)?;
        // A name that the file binds hides the library's, also where its value is not known yet.
        if self.open && meaning == Meaning::Item {
            let file = self.frame().file;
            if !self.files[file].items.contains_key(name) && self.bound_later(name).is_some() {
                return Some(Value::Unknown);
            }
        }
        match meaning {
            Meaning::Column(level, data, at) => {
                let value = self.column_value(data, at, span);
                Some(self.unless_hiding(value, name, level, span))
            }
            Meaning::Local(level) => {
                let frame = &self.frames[level];
                let binding = frame.scopes.iter().rev().find_map(|scope| scope.get(name)).cloned()?;
                let at_file = frame.kind == FrameKind::File;
                Some(if at_file { self.current_value(binding, name) } else { binding.value })
            }
            Meaning::Dim(level) => self.frames[level].dim(name).map(|dim| Value::size(dim.clone())),
            Meaning::BlockColumn => self.block_column(name, span),
            Meaning::Around(level) => self.frames[level].around.as_ref()?.get(name).cloned(),
            Meaning::Ambient => self.ambient(name, span),
            Meaning::Item => self.item(self.frame().file, name, span),
        }
    }

    /// Where `name` gets its meaning from here, if it has any; nothing is read or computed.
    pub(super) fn meaning(&self, name: &str) -> Option<Meaning> {
        // A train's frame sees the file's locals; a definition only what the file has bound so far.
        let last = self.frames.len() - 1;
        for level in (0..self.frames.len()).rev() {
            let frame = &self.frames[level];
            let visible = level == last || frame.file == self.frames[last].file && frame.kind.is_of_file();
            if !visible || level != last && !self.sees(level, last) {
                continue;
            }
            // Columns hide the library's names; which of two of the file is meant nobody can tell.
            if frame.kind == FrameKind::File
                && let Some((data, at)) = self.column_at_hand(name, last)
            {
                return Some(Meaning::Column(level, data, at));
            }
            if frame.scopes.iter().any(|scope| scope.contains_key(name)) {
                return Some(Meaning::Local(level));
            }
            // The rows at hand (`B` of `on`) are the statement's: a definition has dims of its own.
            if frame.dim(name).is_some() && (level == last || self.frames[last].kind.is_of_file()) {
                return Some(Meaning::Dim(level));
            }
            if frame.kind == FrameKind::Data && self.is_block_column(name) {
                return Some(Meaning::BlockColumn);
            }
            if frame.around.as_ref().is_some_and(|around| around.contains_key(name)) {
                return Some(Meaning::Around(level));
            }
        }
        if ["training", "run", "core", "none"].contains(&name) || self.is_figure(name) {
            return Some(Meaning::Ambient);
        }
        let mut file = Some(self.frames[last].file);
        while let Some(at) = file {
            if self.files[at].items.contains_key(name) {
                return Some(Meaning::Item);
            }
            file = self.files[at].behind;
        }
        super::intrinsics::Intrinsic::word(name).map(|_| Meaning::Item)
    }

    /// A column's value, if the file has no other meaning for its name.
    fn unless_hiding(&mut self, value: Value, name: &str, level: usize, span: Span) -> Value {
        let frame = &self.frames[level];
        let bound = frame.scopes.iter().rev().find_map(|scope| scope.get(name)).map(|binding| binding.span);
        let hidden = bound.or_else(|| self.files[frame.file].items.get(name).map(|item| item.span));
        let (Some(hidden), Some(data)) = (hidden, self.phase.data) else { return value };
        let set = &self.program.data[data.index()].name;
        let message = format!("`{name}` is a column of `{set}` and a name of the file");
        let help = format!(
            "say `{set}.{name}` for the column, or give one of them another name: `column {name}2 = {name}` in the block"
        );
        self.report(Diagnostic::new(Code::E0202, message, span).also(hidden, "the other one").help(help))
    }

    /// Whether a body sees the locals of an outer one: trains see all, definitions only the file's.
    fn sees(&self, outer: usize, inner: usize) -> bool {
        let inner = self.frames[inner].kind;
        inner.is_of_file() || inner == FrameKind::Data || self.frames[outer].kind == FrameKind::File
    }

    /// `training`, `run`, `core`, figures.
    fn ambient(&mut self, name: &str, span: Span) -> Option<Value> {
        match name {
            "training" => Some(Value::Bool(self.phase.training && self.phase.frozen == 0)),
            "run" => Some(Value::Run),
            "core" => Some(Value::Core),
            "none" => Some(Value::None),
            _ => self.named_figure(name, span),
        }
    }

    /// A figure of the train at hand, or the part of one's name before the dot.
    pub(super) fn named_figure(&mut self, name: &str, span: Span) -> Option<Value> {
        if self.phase.figures.iter().chain(&self.phase.late).any(|figure| figure == name) {
            return Some(self.figure(name, span));
        }
        self.is_figure(name).then(|| Value::Figures(name.into()))
    }

    /// Whether this is a figure of the train at hand, or the part of one's name before the dot.
    fn is_figure(&self, name: &str) -> bool {
        let mut figures = self.phase.figures.iter().chain(&self.phase.late);
        let known = figures
            .any(|figure| figure.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        known || name == "val" && self.phase.epoch_end
    }

    /// An order-free name of a file or of those behind it.
    pub(super) fn item(&mut self, file: usize, name: &str, span: Span) -> Option<Value> {
        if let Some(item) = self.files[file].items.get(name).cloned() {
            return Some(match item.value {
                ItemValue::Def(definition) => Value::Def(definition),
                ItemValue::Value(value) => value,
                ItemValue::File(other) => Value::Namespace(other),
                ItemValue::Const(expr) => self.compute_const(file, name, &expr),
                ItemValue::Computing => self.report(
                    Diagnostic::new(Code::E0402, format!("`{name}` is computed from itself"), span)
                        .also(item.span, "defined here"),
                ),
            });
        }
        if let Some(intrinsic) = super::intrinsics::Intrinsic::word(name) {
            return Some(Value::Intrinsic(intrinsic));
        }
        self.files[file].behind.and_then(|behind| self.item(behind, name, span))
    }

    pub(super) fn unknown_name(&mut self, name: &str, span: Span) -> Value {
        if self.phase.epoch_end {
            let figures = self.phase.figures.clone();
            if let Some(near) = nearest(name, figures.iter().map(String::as_str)) {
                return self.report(
                    Diagnostic::new(Code::E0502, format!("this train has no figure `{name}`"), span)
                        .help(format!("did you mean `{near}`?"))
                        .fix(span, near),
                );
            }
        }
        // Where columns are in error any name may be one of them, except that of something called.
        if self.unparsed.binds(name) {
            return Value::Unknown;
        }
        // What an import in error would have brought is not known; what is nearly a known name is a slip all the same.
        if self.files[self.frame().file].missing.is_some() && self.near_name(name).is_none() {
            return Value::Unknown;
        }
        if self.frame().kind == FrameKind::Data
            && let Some(value) = self.unknown_column(name, span)
        {
            return value;
        }
        let blind = self.columns_unknown || self.phase.data.is_some_and(|data| self.blind.contains(&data));
        if blind && self.callee != Some(span) {
            return Value::Unknown;
        }
        if let Some(later) = self.bound_later(name) {
            // A definition may read what the file binds further down, if its use stands below that.
            if self.open {
                return Value::Unknown;
            }
            let file = self.frame().file;
            if self.imported.values().any(|(_, imported)| *imported == file) {
                let message = format!("`{name}` is bound by a statement, and an import runs none");
                return self.report(
                    Diagnostic::new(Code::E0207, message, span)
                        .also(later.0, "bound here")
                        .help("make it a `const`, or an argument of the definition"),
                );
            }
            let kind = if later.1 { "defined" } else { "bound" };
            return self.report(
                Diagnostic::new(Code::E0207, format!("`{name}` is used before it is {kind}"), span)
                    .also(later.0, format!("{kind} here"))
                    .help("statements run in file order: move the use below"),
            );
        }
        let mut diagnostic = Diagnostic::new(Code::E0201, format!("unknown name `{name}`"), span);
        if let Some(ours) = foreign::name(name) {
            diagnostic = diagnostic.help(format!("here it is `{ours}`"));
            if ours.chars().all(|c| c.is_alphanumeric() || c == '_') {
                diagnostic = diagnostic.fix(span, ours);
            }
        } else if let Some(near) = self.near_name(name) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(span, near);
        } else if let Some(help) = self.unknown_help(name) {
            diagnostic = diagnostic.help(help);
        }
        self.report(diagnostic)
    }

    /// What a name that nothing is near to may have been meant for.
    fn unknown_help(&self, name: &str) -> Option<String> {
        let owner = self.sets.iter().position(|set| set.find(name).is_some());
        if let Some(at) = owner.filter(|_| self.phase.data.is_none()) {
            let data = &self.program.data[at];
            return Some(format!("it is a column of `{0}`: say which rows with `on {0}.train`", data.name));
        }
        if let Some(data) = self.phase.data {
            let columns: Vec<&str> =
                self.sets[data.index()].columns.iter().map(|column| column.name.as_str()).collect();
            if !columns.is_empty() && columns.len() <= MOST_COLUMNS {
                let set = &self.program.data[data.index()].name;
                return Some(format!("the columns of `{set}` are {}", columns.join(", ")));
            }
        }
        ["w", "g", "t", "loss"].contains(&name).then(|| {
            "an optimiser sees `w`, `g`, `t` and `loss`; a train has its figures in `every`, `stop` and `keep`"
                .to_string()
        })
    }
}
