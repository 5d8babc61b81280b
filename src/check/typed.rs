//! The typed tree: what `check` hands to `lower` and to the session that runs it.
//!
//! A [`Program`] is one flat table of typed, span-carrying nodes for the whole
//! file (definitions inlined, `for` unrolled, instances made), the slots that
//! live while it runs, and a list of actions in file order. Shapes are dims:
//! only the rows at hand (`B`) of trains and `on` parts stay open, and are
//! given a number when an action is lowered.
//!
//! Invariant: operands precede their users; every slot's shape is a number.

use std::sync::Arc;

pub use super::dataset::{Column, Data, Fold, Holds, LiteralColumn, LiteralValues, Need, Share, Source, TextBy};
use super::dims::{AtomId, Atoms, Dim};
pub use super::picture::{Cell, Grouping, Mark, MarkKind, Plot, Row, Series, Table, TableColumn, TableId, Theme};
use crate::ir::{DType, Op, Owner, Type};
use crate::source::Span;

use crate::ir::graph::id;

id! {
    /// A node of the typed tree.
    NodeId "n"
}
id! {
    /// A slot of the whole program.
    SlotId "slot"
}
id! {
    /// A known number that is handed over when the program runs.
    KnownId "known"
}
id! {
    /// A data set.
    DataId "data"
}

/// A typed node.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub kind: Kind,
    /// From which values.
    pub operands: Vec<NodeId>,
    /// What comes out.
    pub ty: Type<Dim>,
    /// The expression.
    pub span: Span,
    /// The path of the instance it belongs to, `Mlp.dense1`.
    pub label: Option<Arc<str>>,
    /// The name a `let` gave it.
    pub name: Option<Arc<str>>,
}

/// What a node computes.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A primitive (never `Input`, `Random` or `Scan`).
    Op(Op<Dim>),
    /// A slot's value; the version counts the writes at file level before it.
    Read { slot: SlotId, version: u32 },
    /// A known number with a name, a scalar: the graph does not depend on its value.
    Known(KnownId),
    /// A column of the rows at hand.
    Column { data: DataId, column: usize },
    /// An f32 scalar: the size itself.
    Size(Dim),
    /// Uniform numbers in [0, 1) of the place with this key. With a seed they were drawn once, before any step, and are
    /// the same wherever they are used; without, seed and step are those at hand.
    Random { place: u32, seed: Option<i64> },
    /// What a turn of the scan around is given at this slot of its body: its number, the carries, the elements.
    Given(usize),
    /// One result of a loop. Operands: the carries' first values, the sequences with the turns in front, the captured
    /// values.
    Scan { body: Arc<Loop>, result: usize },
    /// Derivative of operand 0 (a scalar) by operand 1.
    Grad,
    /// The clock of a train, f32 scalars: `run.step`, `run.steps`, `run.epoch`, `run.epochs`.
    Clock(Clock),
    /// A figure of the train at hand (`val.loss`), f32 scalar; only in `every`, `stop`.
    Figure(String),
}

/// What a scan does each turn: nodes of the program's table. Results: the carries after the last turn, then each
/// emitted value stacked, `[turns, ...]`.
#[derive(Debug)]
pub struct Loop {
    /// Number of turns.
    pub turns: Dim,
    /// Number of carries.
    pub carries: usize,
    /// Number of sequences.
    pub sequences: usize,
    /// The nodes of what a turn is given, as far as they are read.
    pub given: Vec<NodeId>,
    /// The nodes that are computed each turn, in order.
    pub body: Vec<NodeId>,
    /// The carries' next values, then what is emitted.
    pub outputs: Vec<NodeId>,
}

impl Loop {
    /// Whether a turn draws random numbers.
    pub fn draws(&self, nodes: &[Node]) -> bool {
        self.body.iter().any(|id| match &nodes[id.index()].kind {
            Kind::Random { .. } => true,
            Kind::Scan { body, .. } => body.draws(nodes),
            _ => false,
        })
    }
}

/// What the clock of a train tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// Steps done before this one.
    Step,
    /// Steps of the whole train.
    Steps,
    /// Epochs done before this one.
    Epoch,
    /// Epochs of the whole train.
    Epochs,
}

/// A slot that lives while the program runs.
#[derive(Clone, Debug)]
pub struct Slot {
    /// `Mlp.dense1.w`; optimiser states `Mlp.dense1.w/m`.
    pub path: String,
    /// Element type and shape in numbers.
    pub ty: Type,
    /// Who owns it, hence how long it lives.
    pub owner: Owner,
    /// Where it was declared.
    pub span: Span,
    /// Where its sizes were fixed.
    pub applied: Span,
}

impl Slot {
    /// Its name in a file of weights: its path without the number of the turn of a loop.
    pub fn name_in_file(&self) -> &str {
        self.path.split('~').next().unwrap_or_default()
    }
}

/// A known number that shapes nothing: of a `const`, of a `for` of the file, or computed from one.
#[derive(Clone, Debug)]
pub struct Known {
    /// `known:lr`; a second one of the name has a number.
    pub path: String,
    /// Its element type, f32 or i32.
    pub dtype: DType,
    /// Its value.
    pub word: u32,
}

/// A value to be shown: the tree of what `print` gets, leaves are outputs of the action's [`Eval`].
#[derive(Clone, Debug)]
pub enum Shown {
    /// Known text.
    Text(String),
    /// Output number, and the class names if it holds classes.
    Output(usize, Option<Arc<[String]>>),
    /// Output number of classes that make a text, and their names.
    Decoded(usize, Arc<[String]>),
    /// `[a, b]`
    List(Vec<Shown>),
    /// `(a, b)`
    Tuple(Vec<Shown>),
    /// Named figures, as of `evaluate`.
    Record(Vec<(String, Shown)>),
    /// Pieces of an interpolated text.
    Pieces(Vec<Shown>),
    /// The rows of a table so far.
    Table(TableId),
    /// A column of texts of all rows of a set, by its number.
    Texts(DataId, usize),
    /// Columns side by side, each with its name.
    Columns(Vec<(String, Shown)>),
}

/// Something computed once at its place in the file.
#[derive(Clone, Debug, Default)]
pub struct Eval {
    /// What is computed, in order.
    pub outputs: Vec<NodeId>,
    /// The part whose rows are at hand, and the open dim `B` for them.
    pub on: Option<(Part, AtomId)>,
    /// The seed in force.
    pub seed: i64,
}

/// A part of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// So many rows at a time, the values averaged; all at once without.
    pub by: Option<u64>,
    /// The set.
    pub data: DataId,
    /// `train`, `val`, `test`, `all`.
    pub name: String,
}

/// One thing that `run` does.
#[derive(Clone, Debug)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// The statement.
    pub span: Span,
}

/// What `run` does, in file order.
#[derive(Clone, Debug)]
pub enum ActionKind {
    /// Gives slots their first values: `outputs[i]` goes to `slots[i]`. Also file-level `next` and kept `let`s.
    Set { slots: Vec<SlotId>, eval: Eval },
    /// Shows values.
    Print { eval: Eval, values: Vec<Shown> },
    /// Stops the run with a fault if output 0 (bool, any shape) is not all true. Other outputs are the two sides
    /// of a comparison, shown on failure.
    Assert { eval: Eval, message: Option<Shown>, sides: Vec<(String, Shown)> },
    /// Trains.
    Train(Box<Train>),
    /// Writes slots and their names to a safetensors file.
    Save { slots: Vec<(String, SlotId)>, to: String },
    /// Reads slots from a safetensors file, and those fits that it has; names as in the file.
    Load { slots: Vec<(String, SlotId)>, fits: Vec<(String, SlotId)>, from: String },
    /// Appends a row to a table.
    Record { eval: Eval, row: Row },
    /// Copies the first rows of a table's column to a slot, as many as it has room for; where there are fewer (a train
    /// that stopped early) the last one stands for the rest.
    Take { table: TableId, column: usize, slot: SlotId },
    /// Makes a table of another.
    Group(Grouping),
    /// Draws.
    Plot { eval: Eval, plot: Box<Plot> },
}

/// A `train`.
#[derive(Clone, Debug)]
pub struct Train {
    /// The subject's name, or `train1`.
    pub name: String,
    /// The name of its file of weights: that of the subject, with the number of the turn from the second on.
    pub file: String,
    /// The set trained on.
    pub data: Option<DataId>,
    /// The phases of a step, in order.
    pub phases: Vec<Phase>,
    /// The rows at hand in all its nodes.
    pub rows: AtomId,
    /// `epochs n`
    pub epochs: Option<u64>,
    /// `steps n`
    pub steps: Option<u64>,
    /// `batch n`; default: the whole part.
    pub batch: Option<u64>,
    /// Figures in order: `loss` first, then the watches.
    pub figures: Vec<Figure>,
    /// `every` blocks in order.
    pub every: Vec<Every>,
    /// `stop when`: bool scalars, with the writes of the rules' states that happen when it is looked at.
    pub stop: Vec<StopRule>,
    /// `keep`.
    pub keep: Option<Keep>,
    /// `as log`: the table of its epochs.
    pub log: Option<TableId>,
    /// What is trained, for saving and keeping: parameters and layer states.
    pub subject: Vec<SlotId>,
    /// The seed in force.
    pub seed: i64,
}

/// How long a train is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Epochs to come.
    pub epochs: u64,
    /// Steps to come.
    pub steps: u64,
    /// Steps of an epoch.
    pub steps_an_epoch: u64,
    /// Batches of an epoch, if there is data.
    pub batches: Option<u64>,
}

impl Train {
    /// How long it is when an epoch has so many batches (none without data). Without data an epoch is all steps, or one
    /// step if only epochs are given.
    pub fn plan(&self, batches: Option<u64>) -> Plan {
        let steps_an_epoch = match batches {
            Some(batches) => batches.div_ceil(self.batches_a_step().max(1)).max(1),
            None if self.epochs.is_some() => 1,
            None => self.steps.unwrap_or(1).max(1),
        };
        let by_epochs = self.epochs.map(|epochs| epochs.saturating_mul(steps_an_epoch));
        let steps = match (by_epochs, self.steps) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) => a,
            (None, Some(b)) => b,
            (None, None) => steps_an_epoch,
        };
        Plan { epochs: steps.div_ceil(steps_an_epoch), steps, steps_an_epoch, batches }
    }

    /// Turns of a phase in all steps of a plan: an epoch ends when its batches are exhausted, also in the middle of a step.
    pub fn turns(&self, phase: usize, plan: &Plan) -> u64 {
        let (a_step, times) = (self.batches_a_step(), self.phases[phase].times.max(1));
        let batches = plan.batches.filter(|batches| self.phases[phase].columns && *batches >= a_step);
        let Some(batches) = batches else { return plan.steps.saturating_mul(times) };
        let before: u64 =
            self.phases[..phase].iter().filter(|phase| phase.columns).map(|phase| phase.times.max(1)).sum();
        let of_steps = |steps: u64| {
            let whole = steps.min(batches / a_step);
            let last = if steps > whole { (batches % a_step).saturating_sub(before).min(times) } else { 0 };
            whole * times + last
        };
        let epochs = plan.epochs.saturating_sub(1);
        of_steps(plan.steps_an_epoch) * epochs + of_steps(plan.steps - epochs * plan.steps_an_epoch)
    }

    /// Turns of a step that take a batch each.
    pub fn batches_a_step(&self) -> u64 {
        let takers = self.phases.iter().filter(|phase| phase.columns);
        takers.map(|phase| phase.times.max(1)).sum()
    }
}

/// One atomic step of a train.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its name, empty without `phase`.
    pub name: String,
    /// Turns a step.
    pub times: u64,
    /// Whether it takes a batch of the data.
    pub columns: bool,
    /// What is written at its end.
    pub writes: Vec<(SlotId, NodeId)>,
    /// The objective, a scalar.
    pub loss: Option<NodeId>,
    /// What its `record`s compute each turn.
    pub recorded: Vec<NodeId>,
    /// The rows they append each turn.
    pub rows: Vec<Row>,
}

/// A number followed over the epochs.
#[derive(Clone, Debug)]
pub struct Figure {
    /// `loss`, `accuracy`, `critic.loss`.
    pub name: String,
    /// Its phase (its nodes are computed with that phase's step).
    pub phase: usize,
    /// The value on the rows of a step, in training mode. For `loss` the mean over steps by rows is the figure.
    pub train: NodeId,
    /// The value on a whole part, in evaluation mode; absent where the phase names no column.
    pub val: Option<NodeId>,
    /// Whether it is the phase's objective.
    pub objective: bool,
}

/// `every n epochs { }`
#[derive(Clone, Debug)]
pub struct Every {
    /// How often.
    pub count: u64,
    /// Epochs, or steps.
    pub epochs: bool,
    /// States written, all at once, before the actions.
    pub writes: Vec<(SlotId, NodeId)>,
    /// Prints and saves.
    pub actions: Vec<Action>,
}

/// `stop when condition`
#[derive(Clone, Debug)]
pub struct StopRule {
    /// bool scalar.
    pub condition: NodeId,
    /// States of the rules in it.
    pub writes: Vec<(SlotId, NodeId)>,
    /// Where.
    pub span: Span,
}

/// `keep highest val.accuracy`
#[derive(Clone, Debug)]
pub struct Keep {
    /// The figure's name.
    pub figure: String,
    /// Or lowest.
    pub highest: bool,
}

/// The whole program.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// All slots.
    pub slots: Vec<Slot>,
    /// Numbers that are handed over when it runs.
    pub known: Vec<Known>,
    /// All data sets.
    pub data: Vec<Data>,
    /// All tables.
    pub tables: Vec<Table>,
    /// What to do.
    pub actions: Vec<Action>,
    /// The dims that node types are written in.
    pub atoms: Atoms,
}

impl Program {
    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The table with this id.
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.index()]
    }

    /// The slot with this id.
    pub fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[id.index()]
    }

    /// All nodes that `roots` need, in order.
    pub fn reachable(&self, roots: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let mut seen = vec![false; self.nodes.len()];
        let mut stack: Vec<NodeId> = roots.into_iter().collect();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut seen[id.index()], true) {
                stack.extend(self.node(id).operands.iter().copied().filter(|operand| !seen[operand.index()]));
            }
        }
        (0..self.nodes.len()).filter(|&at| seen[at]).map(|at| NodeId(at as u32)).collect()
    }
}
