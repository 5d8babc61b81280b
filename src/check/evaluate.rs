//! `evaluate(M, part)`: objective and watches of the last train of M, exactly,
//! on a whole part, and the report that its target's type asks for.

use super::Checker;
use super::dims::Dim;
use super::intrinsics::Args;
use super::scope::{AtHand, Frame, FrameKind};
use super::typed::{NodeId, Part};
use super::value::{Elem, InstanceId, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// Figures by name.
type Fields = Vec<(String, Value)>;

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
            let loss = result.loss.as_ref().map(|loss| loss.node);
            if let Some(loss) = result.loss {
                fields.push((full("loss"), Value::Tensor(loss)));
            }
            fields.extend(result.watches.into_iter().map(|(figure, tensor)| (full(&figure), Value::Tensor(tensor))));
            if let Some(output) = result.output {
                self.report_of(instance, &output, loss, &mut fields, span);
            }
        }
        self.frames.pop();
        self.phase = outer;
        self.phase.evaluated = Some((part, rows));
        Value::Record(fields.into())
    }

    /// The report that the type of the target asks for: the column named in the objective that is as the output is, or the
    /// class of whose scores the output consists, and is no input of the model.
    fn report_of(
        &mut self,
        instance: InstanceId,
        output: &Tensor,
        loss: Option<NodeId>,
        fields: &mut Fields,
        span: Span,
    ) {
        let inputs: Vec<NodeId> = self
            .phase
            .calls
            .keys()
            .filter(|(known, ..)| *known == instance)
            .flat_map(|(_, nodes, _)| nodes.clone())
            .collect();
        let named: Vec<usize> = self.phase.columns.iter().copied().collect();
        let Some(data) = self.phase.data else { return };
        let columns = named.into_iter().map(|at| self.column_value(data, at, span)).collect::<Vec<_>>();
        let tensors = columns.into_iter().filter_map(|column| match column {
            Value::Tensor(tensor) if !inputs.contains(&tensor.node) => Some(tensor),
            _ => None,
        });
        let tensors: Vec<Tensor> = tensors.collect();
        let size = |dim: &Dim| self.program.atoms.resolve(dim);
        let classes = tensors.iter().find(|tensor| match (&tensor.elem, output.shape.get(1)) {
            (Elem::Class(count), Some(scores)) => output.shape.len() == 2 && size(count) == size(scores),
            _ => false,
        });
        let alike = tensors.iter().find(|tensor| {
            let two = |count: &Dim| size(count) == Dim::number(2);
            (!matches!(&tensor.elem, Elem::Class(count) if !two(count)))
                && tensor.shape.len() == output.shape.len()
                && tensor.shape.iter().zip(&output.shape).all(|(a, b)| size(a) == size(b))
        });
        match (classes.cloned(), alike.cloned()) {
            (Some(target), _) => {
                let parts = self.report_by("class_report", &[output, &target], span);
                if let Value::Tuple(parts) = parts {
                    fields.extend(
                        ["precision", "recall", "f1"].map(str::to_string).into_iter().zip(parts.iter().cloned()),
                    );
                }
            }
            (None, Some(target)) => {
                let yes = target.elem != Elem::F32 || self.asks_yes_or_no(output.node, loss);
                let report = if yes { "binary_report" } else { "regression_report" };
                let names =
                    if yes { ["accuracy", "precision", "recall", "f1"].as_slice() } else { &["rmse", "mae", "r2"] };
                let target = self.convert(target, Elem::F32, span);
                if let Value::Tuple(parts) = self.report_by(report, &[output, &target], span) {
                    for (name, part) in names.iter().zip(parts.iter()) {
                        if fields.iter().all(|(known, _)| known != name) {
                            fields.push((name.to_string(), part.clone()));
                        }
                    }
                }
            }
            (None, None) => {}
        }
    }

    /// A definition of the library, applied.
    fn report_by(&mut self, name: &str, args: &[&Tensor], span: Span) -> Value {
        let Some(definition) = self.item(0, name, span) else { return Value::Unknown };
        let given = Self::plain(args.iter().map(|tensor| Value::Tensor((*tensor).clone())).collect(), span);
        self.call(definition, given, span, span, "")
    }
}
