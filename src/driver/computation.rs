//! What a program computes, one after another: the steps of its trains and its
//! evaluations, each with a name to ask for it by.
//!
//! In: a typed program. Out: [`Computation`]s in file order, and the requests
//! that lower them. Invariant: numbers and names are those of the file's text,
//! so they stay the same from run to run.

use crate::check::typed::{Action, ActionKind, Eval, Kind, NodeId, Part, Program, Train};
use crate::lower::{self, Request};
use crate::source::{SourceMap, Span};

/// One thing that is computed.
pub struct Computation<'a> {
    /// `Mlp`, `Gan.critic`, `print:12`.
    pub name: String,
    /// Which action of the program.
    pub action: usize,
    /// The statement.
    pub span: Span,
    /// Rows at hand.
    pub rows: u64,
    what: What<'a>,
}

enum What<'a> {
    Step { train: &'a Train, phase: usize },
    Once(&'a Eval),
}

/// All of them, in file order. First values of parameters are not among them.
pub fn computations<'a>(program: &'a Program, sources: &SourceMap) -> Vec<Computation<'a>> {
    let mut found = Vec::new();
    for (at, action) in program.actions.iter().enumerate() {
        let line = sources.line_column(action.span).0;
        let once = |word: &str, eval: &'a Eval| Computation {
            name: format!("{word}:{line}"),
            action: at,
            span: action.span,
            rows: rows_of(program, eval),
            what: What::Once(eval),
        };
        match &action.kind {
            ActionKind::Print { eval, .. } if !eval.outputs.is_empty() => found.push(once("print", eval)),
            ActionKind::Assert { eval, .. } => found.push(once("assert", eval)),
            ActionKind::Train(train) => found.extend(steps(program, train, at, action)),
            ActionKind::Record { eval, .. } if !eval.outputs.is_empty() => found.push(once("record", eval)),
            ActionKind::Plot { eval, .. } if !eval.outputs.is_empty() => found.push(once("plot", eval)),
            ActionKind::Print { .. } | ActionKind::Set { .. } | ActionKind::Save { .. } | ActionKind::Load { .. } => {}
            ActionKind::Record { .. } | ActionKind::Plot { .. } => {}
            ActionKind::Take { .. } | ActionKind::Group(_) => {}
        }
    }
    found
}

fn steps<'a>(program: &Program, train: &'a Train, at: usize, action: &Action) -> Vec<Computation<'a>> {
    let phases = train.phases.iter().enumerate();
    let step = |(phase, described): (usize, &crate::check::typed::Phase)| Computation {
        name: match described.name.as_str() {
            "" => train.name.clone(),
            phase => format!("{}.{phase}", train.name),
        },
        action: at,
        span: action.span,
        rows: step_rows(program, train, phase),
        what: What::Step { train, phase },
    };
    phases.map(step).collect()
}

/// Rows that a step of a phase has.
pub(super) fn step_rows(program: &Program, train: &Train, phase: usize) -> u64 {
    let parts = train.data.map(|data| &program.data[data.index()].parts);
    let all = parts.and_then(|parts| parts.iter().find(|(name, _)| name == "train")).map_or(1, |(_, rows)| *rows);
    train.batch.unwrap_or(all).min(if train.phases[phase].columns { all } else { u64::MAX })
}

/// Rows that an evaluation has at hand at once.
fn rows_of(program: &Program, eval: &Eval) -> u64 {
    eval.on.as_ref().map_or(1, |(part, _)| rows_at_hand(program, part))
}

/// Rows of a part, or as many of them as are at hand at once.
pub(super) fn rows_at_hand(program: &Program, part: &Part) -> u64 {
    let data = &program.data[part.data.index()];
    let found = data.parts.iter().find(|(name, _)| *name == part.name);
    let rows = found.map_or(data.rows, |(_, rows)| *rows);
    part.by.map_or(rows, |by| by.min(rows))
}

impl<'a> Computation<'a> {
    /// Whether it is the step of a train.
    pub fn train(&self) -> Option<&'a Train> {
        match self.what {
            What::Step { train, .. } => Some(train),
            What::Once(_) => None,
        }
    }

    /// What it computes.
    pub fn request(&self, program: &Program) -> Request {
        match self.what {
            What::Step { train, phase } => lower::step_request(program, train, phase, self.rows),
            What::Once(eval) => super::request_of(eval, self.rows),
        }
    }

    /// [`Computation::request`] with the objective as the figure `loss`, also where it is no result.
    pub fn with_objective(&self, program: &Program) -> Request {
        let mut request = self.request(program);
        if let Some(node) = self.objective(program).filter(|_| !request.figures.iter().any(|(name, _)| name == "loss"))
        {
            request.figures.push(("loss".to_string(), node));
        }
        request
    }

    /// The part whose rows are at hand.
    pub fn part(&self) -> Option<Part> {
        match self.what {
            What::Step { train, .. } => train.data.map(|data| Part { data, name: "train".to_string(), by: None }),
            What::Once(eval) => eval.on.as_ref().map(|(part, _)| part.clone()),
        }
    }

    /// The seed in force.
    pub fn seed(&self) -> i64 {
        match self.what {
            What::Step { train, .. } => train.seed,
            What::Once(eval) => eval.seed,
        }
    }

    /// Without what needs a gradient, but with what the gradients are taken of.
    pub fn forward(&self, program: &Program) -> Request {
        let full = self.request(program);
        let objective = self.objective(program);
        let mut figures: Vec<(String, NodeId)> = objective.map(|node| ("loss".to_string(), node)).into_iter().collect();
        let plain = |node: &NodeId| !program.reachable([*node]).iter().any(|id| is_grad(program, *id));
        let others = full.figures.into_iter().filter(|(_, node)| plain(node) && Some(*node) != objective);
        figures.extend(others);
        Request { figures, writes: Vec::new(), ..full }
    }

    /// What is minimised, or what the first gradient is taken of; failing both the first scalar that is computed.
    pub fn objective(&self, program: &Program) -> Option<NodeId> {
        let outputs: Vec<NodeId> = match self.what {
            What::Step { train, phase } => {
                let phase = &train.phases[phase];
                if phase.loss.is_some() {
                    return phase.loss;
                }
                phase.writes.iter().map(|(_, node)| *node).collect()
            }
            What::Once(eval) => eval.outputs.clone(),
        };
        let reached = program.reachable(outputs.iter().copied());
        let grad = reached.into_iter().find(|id| is_grad(program, *id));
        let of = grad.and_then(|id| program.node(id).operands.first().copied());
        let scalar = |id: &&NodeId| {
            let ty = &program.node(**id).ty;
            ty.shape.is_empty() && ty.dtype == crate::ir::DType::F32
        };
        of.or_else(|| outputs.iter().find(scalar).copied())
    }
}

fn is_grad(program: &Program, id: NodeId) -> bool {
    matches!(program.node(id).kind, Kind::Grad)
}
