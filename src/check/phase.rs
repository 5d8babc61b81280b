//! A phase of a train, elaborated in one mode: what it writes, minimises and
//! watches.

use super::Checker;
use super::scope::Phase;
use super::typed::{NodeId, SlotId};
use super::value::{Elem, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Named, Stmt, StmtKind};

/// A phase elaborated in one mode.
pub(super) struct Elaborated {
    /// What is written.
    pub writes: Vec<(SlotId, NodeId)>,
    /// The objective.
    pub loss: Option<Tensor>,
    /// Watched values by name.
    pub watches: Vec<(String, Tensor)>,
    /// Parameters that are trained.
    pub trained: Vec<SlotId>,
    /// Whether columns were named.
    pub columns: bool,
    /// Names of figures whose values are in error.
    pub failed: Vec<String>,
    /// The first value that an application of the subject gave.
    pub output: Option<Tensor>,
    /// What `record`s compute.
    pub recorded: Vec<NodeId>,
    /// The rows they append.
    pub rows: Vec<super::typed::Row>,
}

impl Checker<'_> {
    /// A train's step: elaborated once more where it asked for the parameters of a model above its first application,
    /// as in `minimize l2(weights(M), r) + loss(M(x))`.
    pub(super) fn elaborate_step(&mut self, stmts: &[Stmt], subject: Option<&Value>) -> Elaborated {
        let start = Phase { early: None, ..self.phase.clone() };
        let (said, count, errors) = (self.said.clone(), self.diagnostics.len(), self.errors);
        self.phase.early = Some(false);
        let step = self.elaborate(stmts, subject, true);
        if self.phase.early.take() != Some(true) {
            return step;
        }
        self.phase = start;
        self.diagnostics.truncate(count);
        (self.said, self.errors) = (said, errors);
        self.elaborate(stmts, subject, true)
    }

    /// A phase's statements in the mode of `self.phase`.
    pub(super) fn elaborate(&mut self, stmts: &[Stmt], subject: Option<&Value>, training: bool) -> Elaborated {
        let mut result = Elaborated {
            writes: Vec::new(),
            loss: None,
            watches: Vec::new(),
            trained: Vec::new(),
            columns: false,
            failed: Vec::new(),
            output: None,
            recorded: Vec::new(),
            rows: Vec::new(),
        };
        let frame = self.frame_mut();
        frame.counters.clear();
        self.scoped(|checker| {
            for stmt in stmts {
                checker.phase_stmt(stmt, subject, training, &mut result);
            }
        });
        result.writes = self.phase.writes.iter().map(|(slot, node, _)| (*slot, *node)).collect();
        // Threaded layer state: the last value set is the one that stays.
        let writes = std::mem::take(&mut result.writes);
        for (slot, node) in writes {
            match result.writes.iter_mut().find(|(known, _)| *known == slot) {
                Some(entry) => entry.1 = node,
                None => result.writes.push((slot, node)),
            }
        }
        result.columns = !self.phase.columns.is_empty();
        if let Some(Value::Instance(instance)) = subject {
            let applied = self.phase.calls.iter().find(|((known, _, _), _)| known == instance);
            if let Some((_, Value::Tensor(tensor))) = applied {
                result.output = Some(tensor.clone());
            }
        }
        result
    }

    fn phase_stmt(&mut self, stmt: &Stmt, subject: Option<&Value>, training: bool, result: &mut Elaborated) {
        match &stmt.kind {
            StmtKind::State(_) => {}
            StmtKind::Minimize { objective, groups } => {
                let value = self.eval(objective);
                let Some(loss) = self.objective(&value, objective.span) else {
                    result.failed.push("loss".to_string());
                    // What else is wrong in the statement is said as well.
                    for group in groups {
                        self.eval(&group.with);
                    }
                    return;
                };
                if training && self.phase.early != Some(true) {
                    result.trained.extend(self.minimize(&loss, groups, subject, stmt.span));
                }
                if result.loss.replace(loss).is_some() {
                    self.report(
                        Diagnostic::new(Code::E0406, "a phase has one objective", stmt.span)
                            .help("add the objectives, or make a phase of each"),
                    );
                }
            }
            StmtKind::Watch(list) => {
                for named in list {
                    self.watch(named, result);
                }
            }
            // Writes happen in training only; what they compute is not looked at otherwise.
            StmtKind::Next { .. } if !training => {}
            StmtKind::Record { values, on, into } => {
                if let Some(on) = on {
                    self.report(
                        Diagnostic::new(Code::E0403, "a `record` in a train has the rows of its step", on.span)
                            .help("`watch` follows a figure on whole parts"),
                    );
                } else if training {
                    self.record_step(values, into, stmt.span, result);
                }
            }
            StmtKind::Plot { .. } => {
                self.report(
                    Diagnostic::new(Code::E0403, "`plot` in every step would never end", stmt.span)
                        .help("`every 1 epochs { plot ... }`"),
                );
            }
            StmtKind::Print { .. } => {
                self.report(
                    Diagnostic::new(Code::E0403, "`print` in every step would drown the figures", stmt.span)
                        .help("`every 1 epochs { print ... }`"),
                );
            }
            _ => self.body_stmt(stmt),
        }
    }

    fn objective(&mut self, value: &Value, span: Span) -> Option<Tensor> {
        let tensor = self.number_of(value, span)?;
        if !tensor.shape.is_empty() {
            let message = format!("an objective is a scalar, this is {}", self.show_type(&tensor));
            self.report(Diagnostic::new(Code::E0311, message, span).help("take `mean(...)` or `sum(...)` of it"));
            return None;
        }
        Some(self.convert(tensor, Elem::F32, span))
    }

    fn watch(&mut self, named: &Named, result: &mut Elaborated) {
        let value = self.eval(&named.value);
        let name = match &named.name {
            Some(name) => name.text.clone(),
            None => watch_name(&named.value).unwrap_or_else(|| self.sources.text(named.value.span).to_string()),
        };
        let Some(tensor) = self.number_of(&value, named.value.span) else {
            result.failed.push(name);
            return;
        };
        if !tensor.shape.is_empty() {
            result.failed.push(name);
            let message = format!("a watched figure is a scalar, this is {}", self.show_type(&tensor));
            self.report(Diagnostic::new(Code::E0311, message, named.value.span).help("take `mean(...)` of it"));
            return;
        }
        let tensor = self.convert(tensor, Elem::F32, named.value.span);
        if name == "loss" || result.watches.iter().any(|(known, _)| *known == name) {
            self.report(
                Diagnostic::new(Code::E0202, format!("there is a figure `{name}` already"), named.value.span)
                    .help("give this one a name: `watch name = ...`"),
            );
            return;
        }
        result.watches.push((name, tensor));
    }
}

/// The figure's name: the function that gives it, or the name itself.
pub(super) fn watch_name(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Call { callee, .. } => watch_name(callee),
        ExprKind::Field { name, .. } => Some(name.text.clone()),
        ExprKind::Pipe { stages, .. } => stages.last().and_then(watch_name),
        _ => None,
    }
}
