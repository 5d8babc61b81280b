//! `evaluate(M, part)`: objective and watches of the last train of M, exactly,
//! on a whole part, and the report that its target's type asks for.

use super::Checker;
use super::dims::Dim;
use super::intrinsics::Args;
use super::scope::{AtHand, Frame, FrameKind};
use super::typed::Part;
use super::value::{Elem, InstanceId, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

impl Checker<'_> {
    pub(super) fn evaluate(&mut self, args: &Args, span: Span) -> Value {
        let (Some((model, model_span)), Some((part, part_span))) = (args[0].clone(), args[1].clone()) else {
            return Value::Unknown;
        };
        let Value::Instance(instance) = model else {
            return self.error(
                Code::E0304,
                format!("`evaluate` takes a model, this is {}", model.describe()),
                model_span,
            );
        };
        let part = match part {
            Value::Part(part) => part,
            Value::Data(data) => Part { data, name: "all".into(), by: None },
            other => {
                let message = format!("`evaluate` takes a part of a data set, this is {}", other.describe());
                return self.error(Code::E0604, message, part_span);
            }
        };
        let Some(trained) = self.trained.get(&instance).cloned() else {
            return self.report(
                Diagnostic::new(Code::E0501, "this model has not been trained above", model_span)
                    .help("`evaluate` uses the objective and the watches of its last train"),
            );
        };
        if self.phase.train || self.frame().kind != FrameKind::File {
            return self.error(Code::E0403, "`evaluate` stands in the file, not in a train or definition", span);
        }
        let rows = self.program.data[part.data.index()].at_hand;
        let fresh = self.phase_at(Some(part.data), rows, false, Some(AtHand::Part(part.clone())));
        let outer = std::mem::replace(&mut self.phase, fresh);
        let mut frame = Frame::new(FrameKind::Train, self.frame().file, InstanceId(0), "", Span::default());
        frame.place = "evaluate".into();
        frame.dims.push(("B".to_string(), Dim::atom(rows)));
        self.frames.push(frame);
        let mut fields = Vec::new();
        for (name, stmts) in &trained.phases {
            let full = |figure: &str| if name.is_empty() { figure.to_string() } else { format!("{name}.{figure}") };
            let result = self.elaborate(stmts, Some(&Value::Instance(instance)), false);
            if let Some(loss) = result.loss {
                fields.push((full("loss"), Value::Tensor(loss)));
            }
            fields.extend(result.watches.into_iter().map(|(figure, tensor)| (full(&figure), Value::Tensor(tensor))));
            if let Some(output) = result.output {
                self.class_report(&output, &mut fields, span);
            }
        }
        self.frames.pop();
        self.phase = outer;
        self.phase.evaluated = Some((part, rows));
        Value::Record(fields.into())
    }

    /// Precision, recall and F1 of each class, where the output scores the classes of a column.
    fn class_report(&mut self, output: &Tensor, fields: &mut Vec<(String, Value)>, span: Span) {
        let Some(classes) = output.shape.get(1).filter(|_| output.shape.len() == 2).cloned() else { return };
        let named: Vec<usize> = self.phase.columns.iter().copied().collect();
        let columns: Vec<Value> = named
            .into_iter()
            .map(|at| {
                let data = self.phase.data;
                data.map_or(Value::Unknown, |data| self.column_value(data, at, span))
            })
            .collect();
        let target = columns.into_iter().find(|value| {
            matches!(value, Value::Tensor(Tensor { elem: Elem::Class(count), .. })
                if self.program.atoms.resolve(count) == self.program.atoms.resolve(&classes))
        });
        let (Some(target), Some(report)) = (target, self.item(0, "class_report", span)) else { return };
        let given = Self::plain(vec![Value::Tensor(output.clone()), target], span);
        if let Value::Tuple(parts) = self.call(report, given, span, span, "") {
            let names = ["precision", "recall", "f1"];
            fields.extend(names.iter().map(|name| name.to_string()).zip(parts.iter().cloned()));
        }
    }
}
