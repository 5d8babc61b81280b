//! `print` and `assert`: values as trees of texts and outputs.

use super::Checker;
use super::typed::{ActionKind, Eval, Shown};
use super::value::{Elem, Number, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, On};

impl Checker<'_> {
    /// `print a, b on part`
    pub(super) fn print(&mut self, values: &[Expr], on: Option<&On>, span: Span) {
        if let Some(action) = self.print_action(values, on) {
            self.act(action, span);
        }
    }

    /// The action of a `print`, if all its values are right.
    pub(super) fn print_action(&mut self, values: &[Expr], on: Option<&On>) -> Option<ActionKind> {
        let part = on.and_then(|on| self.enter_part(on));
        self.columns_unknown = on.is_some() && part.is_none();
        let errors = self.errors();
        let mut eval = Eval { outputs: Vec::new(), on: part, seed: self.seed };
        let mut shown = Vec::new();
        for expr in values {
            let value = self.eval(expr);
            let value = self.averaged(value, expr.span);
            shown.push(self.shown(&value, &mut eval, expr.span));
        }
        if on.is_some() {
            self.leave_part();
        }
        if std::mem::take(&mut self.columns_unknown) {
            return None;
        }
        if let Some(part) = self.phase.evaluated.take() {
            eval.on = Some(part);
        }
        (self.errors() == errors).then_some(ActionKind::Print { eval, values: shown })
    }

    /// A value as it will be shown; computed ones become outputs.
    pub(super) fn shown(&mut self, value: &Value, eval: &mut Eval, span: Span) -> Shown {
        if let Some(text) = self.known_text(value) {
            return Shown::Text(text);
        }
        match value {
            // A number that is not known here is the rows at hand.
            Value::Tensor(_) | Value::Slot(_) | Value::Number(..) => match self.tensor(value, span) {
                Some(tensor) => {
                    eval.outputs.push(tensor.node);
                    let classes = tensor.classes.filter(|_| matches!(tensor.elem, Elem::Class(_)));
                    Shown::Output(eval.outputs.len() - 1, classes)
                }
                None => Shown::Text(String::new()),
            },
            Value::Decoded(tensor) => {
                eval.outputs.push(tensor.node);
                Shown::Decoded(eval.outputs.len() - 1, tensor.classes.clone().unwrap_or_default())
            }
            Value::List(items) => Shown::List(items.iter().map(|item| self.shown(item, eval, span)).collect()),
            Value::Tuple(items) => Shown::Tuple(items.iter().map(|item| self.shown(item, eval, span)).collect()),
            Value::Pieces(items) => Shown::Pieces(items.iter().map(|item| self.shown(item, eval, span)).collect()),
            Value::Record(fields) => Shown::Record(
                fields.iter().map(|(name, value)| (name.clone(), self.shown(value, eval, span))).collect(),
            ),
            Value::Instance(instance) if self.instances[instance.0 as usize].applied.is_none() => {
                let definition = self.instances[instance.0 as usize].definition;
                let name = definition.map_or("", |id| self.definitions[id.0 as usize].ast.name.text.as_str());
                let message = format!("`{name}` is made and applied to nothing, so it has no parameters to show");
                self.report(
                    Diagnostic::new(Code::E0304, message, span).help(
                        "a layer has its settings first, then its input: `layer_norm()(x)`, or `x |> layer_norm`",
                    ),
                );
                Shown::Text(String::new())
            }
            Value::Params(_) | Value::Instance(_) => {
                let slots = self.whole_list(value).unwrap_or_default();
                let fields = slots
                    .iter()
                    .map(|&slot| {
                        let path = self.program.slot(slot).path.clone();
                        let slot = Value::Slot(self.slot_value(slot));
                        (path, self.shown(&slot, eval, span))
                    })
                    .collect();
                Shown::Record(fields)
            }
            Value::Table(table) => Shown::Table(*table),
            Value::Texts(data, column) => Shown::Texts(*data, *column),
            Value::Columns(columns) => Shown::Columns(
                columns.iter().map(|(name, value)| (name.clone(), self.shown(value, eval, span))).collect(),
            ),
            Value::Unknown => Shown::Text(String::new()),
            other => {
                let message = format!("{} cannot be printed", other.describe());
                self.error(Code::E0304, message, span);
                Shown::Text(String::new())
            }
        }
    }

    /// The text of a known value.
    pub(super) fn known_text(&self, value: &Value) -> Option<String> {
        match value {
            Value::Text(text) => Some(text.to_string()),
            Value::Bool(known) => Some(known.to_string()),
            Value::None => Some("none".into()),
            Value::Number(Number::Int(number), _) => Some(number.to_string()),
            Value::Number(Number::Float(number), _) => Some(float_text(*number)),
            Value::Number(Number::Size(dim), _) => {
                self.program.atoms.resolve(dim).as_number().map(|number| number.to_string())
            }
            Value::Range(from, to) => Some(format!("{from}..{to}")),
            Value::Def(id) => Some(self.definitions[id.0 as usize].ast.name.text.clone()),
            Value::Rule(rule) => Some(self.definitions[rule.definition.0 as usize].ast.name.text.clone()),
            Value::List(items) => {
                let texts: Option<Vec<String>> = items.iter().map(|item| self.known_text(item)).collect();
                Some(format!("[{}]", texts?.join(", ")))
            }
            _ => None,
        }
    }

    /// `assert condition, "message" on part`
    pub(super) fn assert(&mut self, condition: &Expr, message: Option<&Expr>, on: Option<&On>, span: Span) {
        if let Some(kind) = self.assert_action(condition, message, on) {
            self.act(kind, span);
        }
    }

    /// The action of an `assert`, if all in it is right.
    pub(super) fn assert_action(
        &mut self,
        condition: &Expr,
        message: Option<&Expr>,
        on: Option<&On>,
    ) -> Option<ActionKind> {
        let help = "give the average a name, and assert that: `let l = ... on part by 256`, `assert l < 0.5`";
        if !self.without_chunks(on, "assert", help) {
            return None;
        }
        let part = on.and_then(|on| self.enter_part(on));
        self.columns_unknown = on.is_some() && part.is_none();
        let errors = self.errors();
        let mut eval = Eval { outputs: Vec::new(), on: part, seed: self.seed };
        let (value, sides) = self.condition(condition);
        if let Some(tensor) = self.truth(&value, condition.span) {
            eval.outputs.push(tensor.node);
        }
        let sides: Vec<(String, Shown)> =
            sides.into_iter().map(|(text, value)| (text, self.shown(&value, &mut eval, condition.span))).collect();
        let message = message.map(|message| {
            let value = self.eval(message);
            self.shown(&value, &mut eval, message.span)
        });
        if on.is_some() {
            self.leave_part();
        }
        if let Some(part) = self.phase.evaluated.take() {
            eval.on = Some(part);
        }
        let right = !std::mem::take(&mut self.columns_unknown) && self.errors() == errors && !eval.outputs.is_empty();
        right.then_some(ActionKind::Assert { eval, message, sides })
    }

    /// A condition; of a comparison also both sides with their texts.
    fn condition(&mut self, condition: &Expr) -> (Value, Vec<(String, Value)>) {
        let ExprKind::Chain { first, rest } = &condition.kind else { return (self.eval(condition), Vec::new()) };
        let [(op, _, second)] = rest.as_slice() else { return (self.eval(condition), Vec::new()) };
        let (left, right) = (self.eval(first), self.eval(second));
        let value = self.operate(*op, (left.clone(), first.span), (right.clone(), second.span), condition.span);
        let text = |span: Span| self.sources.text(span).to_string();
        let mut sides = Vec::new();
        for (expr, value) in [(first.as_ref(), left), (second, right)] {
            if matches!(value, Value::Tensor(_) | Value::Slot(_)) {
                sides.push((text(expr.span), value));
            }
        }
        (value, sides)
    }
}

/// The shortest text of a number as f32, whole numbers without a fraction.
fn float_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 { format!("{number:.0}") } else { format!("{}", number as f32) }
}
