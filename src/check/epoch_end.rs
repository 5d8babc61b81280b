//! What happens between the steps of a train and at an epoch's end: `every`,
//! `stop when`, `keep`. They see models, states and figures, not columns.

use super::Checker;
use super::dims::AtomId;
use super::scope::Phase;
use super::train::Sorted;
use super::typed::{Action, DataId, Every, Keep, StopRule, Train};
use super::value::Value;
use crate::diag::Code;
use crate::syntax::ast::{EveryUnit, Stmt, StmtKind};

impl Checker<'_> {
    /// `every`, `stop`, `keep`.
    pub(super) fn train_rules(&mut self, train: &mut Train, sorted: &Sorted, place: (Option<DataId>, AtomId)) {
        let mut figures: Vec<String> = train.figures.iter().map(|figure| figure.name.clone()).collect();
        figures.extend(
            train.figures.iter().filter(|figure| figure.val.is_some()).map(|figure| format!("val.{}", figure.name)),
        );
        // Those in error have a name all the same, so that only wrong names are reported.
        for failed in std::mem::take(&mut self.failed_figures) {
            if self.validated != Some(false) {
                figures.push(format!("val.{failed}"));
            }
            figures.push(failed);
        }
        let fresh = |checker: &Self| Phase {
            data: None,
            rows: None,
            figures: figures.clone(),
            epoch_end: true,
            ..checker.phase_at(place.0, place.1, false, None)
        };
        for stmt in &sorted.every {
            self.phase = fresh(self);
            self.every(train, stmt);
        }
        for condition in &sorted.stop {
            self.phase = fresh(self);
            let value = self.eval(condition);
            let Some(truth) = self.truth(&value, condition.span) else { continue };
            if !truth.shape.is_empty() {
                self.error(Code::E0311, "`stop when` takes one truth value", condition.span);
                continue;
            }
            let writes = self.phase.writes.iter().map(|(slot, node, _)| (*slot, *node)).collect();
            train.stop.push(StopRule { condition: truth.node, writes, span: condition.span });
        }
        if let Some((highest, path)) = &sorted.keep {
            self.phase = fresh(self);
            let name = self.sources.text(path.span).split_whitespace().collect::<String>();
            if matches!(self.figure(&name, path.span), Value::Tensor(_)) {
                train.keep = Some(Keep { figure: name, highest: *highest });
            }
        }
    }

    fn every(&mut self, train: &mut Train, stmt: &Stmt) {
        let StmtKind::Every { count, unit, body } = &stmt.kind else { return };
        let Some(count) = self.count(count, "`every`") else { return };
        if *unit == EveryUnit::Steps {
            // Between steps there is the loss of the step just done, and nothing else.
            let figures = std::mem::take(&mut self.phase.figures);
            (self.phase.figures, self.phase.late) = figures.into_iter().partition(|figure| figure == "loss");
        }
        let mut actions = Vec::new();
        self.scoped(|checker| {
            for stmt in &body.stmts {
                match &stmt.kind {
                    StmtKind::Print { values, on } => {
                        let kind =
                            checker.with_rows_of(on.is_some(), |checker| checker.print_action(values, on.as_ref()));
                        actions.extend(kind.map(|kind| Action { kind, span: stmt.span }));
                    }
                    StmtKind::Plot { values, on, to } => {
                        let plot = |checker: &mut Self| checker.plot_action(values, on.as_ref(), to.as_ref());
                        let kind = checker.with_rows_of(on.is_some(), plot);
                        actions.extend(kind.map(|kind| Action { kind, span: stmt.span }));
                    }
                    StmtKind::Record { values, on, into } => {
                        let record = |checker: &mut Self| checker.record_action(values, on.as_ref(), into, stmt.span);
                        let kind = checker.with_rows_of(on.is_some(), record);
                        actions.extend(kind.map(|kind| Action { kind, span: stmt.span }));
                    }
                    StmtKind::Assert { condition, message, on } => {
                        let assert =
                            |checker: &mut Self| checker.assert_action(condition, message.as_ref(), on.as_ref());
                        let kind = checker.with_rows_of(on.is_some(), assert);
                        actions.extend(kind.map(|kind| Action { kind, span: stmt.span }));
                    }
                    StmtKind::Save { what, to } => {
                        if let Some(kind) = checker.save_action(what, to) {
                            actions.push(Action { kind, span: stmt.span });
                        }
                    }
                    _ => checker.body_stmt(stmt),
                }
            }
            if let Some(value) = &body.value {
                checker.error(Code::E0405, "this value is not used", value.span);
            }
        });
        let writes = self.phase.writes.iter().map(|(slot, node, _)| (*slot, *node)).collect();
        train.every.push(Every { count, epochs: *unit == EveryUnit::Epochs, writes, actions });
    }
}
