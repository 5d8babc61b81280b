//! Expressions to values.

use std::rc::Rc;

use super::dims::Dim;
use super::scope::FrameKind;
use super::typed::{Clock, Kind, SlotId};
use super::value::{Elem, Number, SlotValue, Tensor, Value};
use super::{Checker, NamedList, limits};
use crate::diag::{Code, Diagnostic};
use crate::ir::{DType, Op, Owner, Type};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Name, Path, PathStep, TextPart};

impl Checker<'_> {
    /// What an expression stands for; errors are reported, and give `Unknown`.
    pub(super) fn eval(&mut self, expr: &Expr) -> Value {
        if !self.deeper(expr.span) {
            return Value::Unknown;
        }
        let value = self.eval_kind(expr);
        self.spent.nesting -= 1;
        value
    }

    fn eval_kind(&mut self, expr: &Expr) -> Value {
        match &expr.kind {
            ExprKind::Number { value, int } => match int {
                Some(int) => Value::int(*int),
                None => Value::float(*value),
            },
            ExprKind::Text(parts) => self.text(parts, expr.span),
            ExprKind::Bool(known) => Value::Bool(*known),
            ExprKind::Name(name) => self.lookup(name, expr.span),
            ExprKind::Next(path) => self.next_value(path),
            ExprKind::List(items) if self.frame().kind == FrameKind::Data => self.side_by_side(items, expr.span),
            ExprKind::List(items) => {
                let items = self.eval_all(items);
                self.bounded(items, Value::List, expr.span)
            }
            ExprKind::Tuple(items) => {
                let items = self.eval_all(items);
                self.bounded(items, Value::Tuple, expr.span)
            }
            ExprKind::Unary(op, operand) => {
                let value = self.eval(operand);
                self.prefix(*op, value, expr.span)
            }
            ExprKind::Chain { first, rest } => self.chain(first, rest),
            ExprKind::Pipe { input, stages } => {
                let mut value = self.eval(input);
                for stage in stages {
                    value = self.stage(value, input.span, stage);
                }
                value
            }
            ExprKind::Repeat { .. } => self.error(Code::E0403, "`repeat` stands after `|>`", expr.span),
            ExprKind::Call { callee, args } => self.call_expr(callee, args, expr.span),
            ExprKind::Index { base, items } => self.index_expr(base, items, expr.span),
            ExprKind::Field { base, name } => {
                let value = self.eval(base);
                self.field(&value, name, expr.span)
            }
            ExprKind::If { branches, otherwise } => self.if_expr(branches, otherwise.as_ref(), expr.span),
            ExprKind::For { bindings, carries, body } => self.for_expr(bindings, carries, body, expr.span),
            ExprKind::Scan { pattern, input, along, carries, body } => {
                self.scan_expr(pattern, input, along.as_deref(), carries, body, expr.span)
            }
        }
    }

    pub(super) fn eval_all(&mut self, items: &[Expr]) -> Vec<Value> {
        items.iter().map(|item| self.eval(item)).collect()
    }

    fn chain(&mut self, first: &Expr, rest: &[(BinaryOp, Span, Expr)]) -> Value {
        let mut span = first.span;
        let mut value = self.eval(first);
        for (op, sign, operand) in rest {
            let right = self.eval(operand);
            let whole = span.to(operand.span);
            self.operator = Some(*sign);
            value = self.operate(*op, (value, span), (right, operand.span), whole);
            self.operator = None;
            span = whole;
        }
        value
    }

    fn text(&mut self, parts: &[TextPart], span: Span) -> Value {
        let mut known = String::new();
        let mut pieces = Vec::new();
        for part in parts {
            match part {
                TextPart::Text(text) => known.push_str(text),
                TextPart::Expr(expr) => {
                    let value = self.eval(expr);
                    match self.known_text(&value) {
                        Some(text) => {
                            self.spend(text.len() / 1024, span);
                            if self.exhausted {
                                return Value::Unknown;
                            }
                            known.push_str(&text);
                        }
                        None => {
                            pieces.push(Value::Text(std::mem::take(&mut known).into()));
                            pieces.push(value);
                        }
                    }
                }
            }
        }
        if pieces.is_empty() {
            return self.bounded_text(known, span);
        }
        pieces.push(Value::Text(known.into()));
        Value::Pieces(pieces.into())
    }

    /// `next path` as an expression: the new value.
    fn next_value(&mut self, path: &Path) -> Value {
        if path.rest.is_empty()
            && let Some(value) = self.carried(&path.head.text)
        {
            return value.unwrap_or_else(|| self.not_set(path));
        }
        if path.rest.is_empty() && path.head.text == "w" && !self.optimizing.is_empty() {
            return self.updated().map_or_else(|| self.not_set(path), Value::Tensor);
        }
        if let Some(list) = self.next_list(path) {
            return list;
        }
        let Some(target) = self.slot_at(path) else { return Value::Unknown };
        match self.last_write(target.slot) {
            None if self.phase.spoiled.contains(&target.slot) => Value::Unknown,
            Some(node) => Value::Tensor(Tensor { node, elem: target.elem, shape: target.shape, classes: None }),
            None => self.not_set(path),
        }
    }

    /// `next M`: the new values of all parameters of a model.
    fn next_list(&mut self, path: &Path) -> Option<Value> {
        let value = self.path_value(path);
        let (Value::Instance(_) | Value::Params(_)) = value else { return None };
        let slots = self.whole_list(&value)?;
        let mut values = Vec::new();
        for slot in slots {
            let seen = self.slot_value(slot);
            values.push(Value::Tensor(match self.last_write(slot) {
                Some(node) => Tensor { node, elem: seen.elem, shape: seen.shape, classes: None },
                None => self.read(&seen, path.span),
            }));
        }
        Some(Value::List(values.into()))
    }

    fn not_set(&mut self, path: &Path) -> Value {
        let text = self.path_text(path);
        self.report(
            Diagnostic::new(Code::E0403, format!("`next {text}` has not been set yet"), path.span)
                .help(format!("`next {text} = ...` must stand above")),
        )
    }

    /// The parameter or state that a path names; anything else is reported.
    pub(super) fn slot_at(&mut self, path: &Path) -> Option<SlotValue> {
        match self.path_value(path) {
            Value::Slot(slot) => Some(slot),
            Value::Unknown => None,
            other => {
                let text = self.path_text(path);
                let diagnostic = Diagnostic::new(Code::E0403, format!("`{text}` cannot be set by `next`"), path.span)
                    .here(format!("this is {}", other.describe()))
                    .help("`next` sets a `param`, a `state`, or a carry named after `with`");
                self.report(diagnostic);
                None
            }
        }
    }

    /// A path as written, without the word before it.
    fn path_text(&self, path: &Path) -> String {
        let text = self.sources.text(path.span);
        text.strip_prefix("next")
            .filter(|rest| rest.starts_with(char::is_whitespace))
            .unwrap_or(text)
            .trim()
            .to_string()
    }

    /// The value at a path.
    pub(super) fn path_value(&mut self, path: &Path) -> Value {
        let mut value = self.lookup(&path.head.text, path.head.span);
        for step in &path.rest {
            value = match step {
                PathStep::Field(name) => self.field(&value, name, path.span),
                PathStep::Index(expr) => {
                    let at = self.eval(expr);
                    self.index_known(&value, &at, expr.span)
                }
            };
        }
        value
    }

    /// `run.step` and its kin.
    pub(super) fn clock(&mut self, name: &Name, span: Span) -> Value {
        let clock = match name.text.as_str() {
            "step" => Clock::Step,
            "steps" => Clock::Steps,
            "epoch" => Clock::Epoch,
            "epochs" => Clock::Epochs,
            _ => {
                return self.report(
                    Diagnostic::new(Code::E0205, format!("the clock has no `{}`", name.text), name.span)
                        .help("it has step, steps, epoch, epochs"),
                );
            }
        };
        if self.open {
            return Value::Unknown;
        }
        if !self.phase.clock {
            return self.report(
                Diagnostic::new(Code::E0403, format!("`run.{}` is known inside a train only", name.text), span)
                    .help("outside a train give the argument: `at = ..., total = ...`"),
            );
        }
        let node = self.push(Kind::Clock(clock), Vec::new(), Type::scalar(DType::F32), span);
        Value::Tensor(Tensor { node, elem: Elem::F32, shape: Vec::new(), classes: None })
    }

    /// A figure of the train at hand by its full name.
    pub(super) fn figure(&mut self, name: &str, span: Span) -> Value {
        if !self.phase.figures.iter().any(|figure| figure == name) {
            return self.unknown_figure(name, span);
        }
        let node = self.push(Kind::Figure(name.to_string()), Vec::new(), Type::scalar(DType::F32), span);
        Value::Tensor(Tensor { node, elem: Elem::F32, shape: Vec::new(), classes: None })
    }

    fn unknown_figure(&mut self, name: &str, span: Span) -> Value {
        if self.phase.late.iter().any(|figure| figure == name) {
            let message = format!("`{name}` is known at an epoch's end, and this block runs between steps");
            let help = "`every 1 epochs`; or `record` it in the train, a row each step";
            return self.report(Diagnostic::new(Code::E0502, message, span).help(help));
        }
        let figures = self.phase.figures.clone();
        let mut diagnostic = Diagnostic::new(Code::E0502, format!("this train has no figure `{name}`"), span);
        diagnostic = match crate::diag::nearest(name, figures.iter().map(String::as_str)) {
            _ if name.starts_with("val.") && self.validated == Some(false) => diagnostic
                .here("there is no `val` part to compute it on")
                .help("keep rows back for it: `split train = 0.8, val = 0.2` in the data block"),
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(span, near),
            None => diagnostic.help(format!("it has {}; `watch` adds others", figures.join(", "))),
        };
        self.report(diagnostic)
    }

    /// A value as a tensor, or an error.
    pub(super) fn tensor(&mut self, value: &Value, span: Span) -> Option<Tensor> {
        match value {
            Value::Unknown => None,
            Value::Tensor(tensor) => Some(tensor.clone()),
            Value::Slot(slot) => Some(self.read(slot, span)),
            Value::Number(..) => self.number_tensor(value, &Elem::F32, span),
            Value::Bool(known) => Some(self.constant(f64::from(u8::from(*known)), &Elem::Bool, span)),
            Value::List(items) => self.named_list(items, span),
            Value::Range(from, to) => {
                if to - from > limits::RANGE_LIMIT {
                    let message = format!("a range of {} numbers is too long for a tensor", to - from);
                    self.error(Code::E0702, message, span);
                    return None;
                }
                let numbers: Vec<f64> = (*from..*to).map(|number| number as f64).collect();
                Some(self.table(&numbers, Elem::Int, vec![Dim::number(to - from)], span))
            }
            Value::Column(data, at) => {
                let name = &self.sets[data.index()].columns[*at].name;
                let message = format!("the column `{name}` is a value only where rows are at hand");
                let help = "in `train ... on`, or in a statement with `on`";
                self.report(Diagnostic::new(Code::E0603, message, span).help(help));
                None
            }
            other => {
                let message = format!("a number or tensor is wanted here, this is {}", other.describe());
                let text = self.sources.text(span).lines().next().unwrap_or_default().to_string();
                let mut diagnostic = Diagnostic::new(Code::E0304, message, span);
                diagnostic = match other {
                    Value::Instance(_) | Value::Frozen(_) | Value::Fresh(..) => {
                        diagnostic.help(format!("apply it to a value: `x |> {text}`"))
                    }
                    Value::Def(_) | Value::Intrinsic(_) => diagnostic.help(format!("call it: `{text}(...)`")),
                    Value::Text(_) | Value::Pieces(_) => {
                        diagnostic.help("values go into a text with braces: `\"loss {x}\"`")
                    }
                    Value::Data(_) | Value::Part(_) => {
                        diagnostic.help("name a column, and say on which rows: `print mean(x) on digits.test`")
                    }
                    _ => diagnostic,
                };
                self.report(diagnostic);
                None
            }
        }
    }

    /// A slot's value as this step sees it.
    pub(super) fn read(&mut self, slot: &SlotValue, span: Span) -> Tensor {
        let tensor = |node| Tensor { node, elem: slot.elem.clone(), shape: slot.shape.clone(), classes: None };
        // Only layer state is threaded, from one application to the next: everything else, and what an application sets
        // itself, is read as it was at the start.
        if self.program.slot(slot.slot).owner == Owner::State {
            let found = match self.phase.set_in.get(&slot.slot) {
                Some((_, found)) if self.is_set_here(slot.slot) => *found,
                _ => self.last_write(slot.slot),
            };
            if let Some(node) = found {
                return tensor(node);
            }
        }
        // Inside `frozen` parameters are constants.
        if self.phase.frozen > 0 && self.program.slot(slot.slot).owner == Owner::Parameter {
            let frozen = std::mem::take(&mut self.phase.frozen);
            let value = self.read(slot, span);
            self.phase.frozen = frozen;
            let shape = value.shape.clone();
            return self.op(Op::StopGradient, &[value.node], value.elem, shape, span);
        }
        let version = self.versions[slot.slot.index()];
        if let Some(node) = self.reads.get(&(slot.slot, version)) {
            return tensor(*node);
        }
        let ty = Type::new(slot.elem.dtype(), slot.shape.clone());
        let node = self.push(Kind::Read { slot: slot.slot, version }, Vec::new(), ty, span);
        let name = self.program.slot(slot.slot).path.clone();
        self.name_node(node, &name);
        self.reads.insert((slot.slot, version), node);
        tensor(node)
    }

    /// A list as a tensor; one with a name always has the same node, so that `grad` by the name means it.
    fn named_list(&mut self, items: &Rc<Vec<Value>>, span: Span) -> Option<Tensor> {
        let key = Rc::as_ptr(items);
        match self.lists.get(&key).map(|named| named.tensor.clone()) {
            Some(Some(tensor)) => Some(tensor),
            Some(None) => {
                let tensor = self.list_tensor(items, span)?;
                self.lists.insert(key, NamedList { _items: items.clone(), tensor: Some(tensor.clone()) });
                Some(tensor)
            }
            None => self.list_tensor(items, span),
        }
    }

    /// A list that gets a name. One of parameters stays what it is: their values change.
    pub(super) fn name_list(&mut self, items: &Rc<Vec<Value>>) {
        if !self.open && items.iter().all(|item| matches!(item, Value::Number(..) | Value::Tensor(_) | Value::List(_)))
        {
            self.lists.insert(Rc::as_ptr(items), NamedList { _items: items.clone(), tensor: None });
        }
    }

    /// A list of numbers or equal tensors, stacked in front.
    fn list_tensor(&mut self, items: &[Value], span: Span) -> Option<Tensor> {
        let mut numbers = Vec::new();
        let mut whole = true;
        if let Some(shape) = self.known_table(items, &mut numbers, &mut whole) {
            let shape = shape.into_iter().map(|size| Dim::number(size as i64)).collect();
            return Some(self.table(&numbers, Elem::F32, shape, span));
        }
        let mut parts = Vec::new();
        for item in items {
            parts.push(self.tensor(item, span)?);
        }
        self.stack(parts, span)
    }

    /// Equal tensors stacked along a new first axis.
    pub(super) fn stack(&mut self, parts: Vec<Tensor>, span: Span) -> Option<Tensor> {
        let Some(first) = parts.first().cloned() else {
            self.error(Code::E0304, "an empty list is no tensor", span);
            return None;
        };
        let any_float = parts.iter().any(|part| part.elem == Elem::F32);
        let mut rows = Vec::new();
        for part in parts {
            let part = if any_float { self.convert(part, Elem::F32, span) } else { part };
            let equal = part.shape.len() == first.shape.len()
                && part.shape.iter().zip(&first.shape).all(|(a, b)| self.program.atoms.same(a, b) != Some(false));
            if !equal {
                let atoms = &self.program.atoms;
                let (a, b) = (atoms.show_shape(&first.shape), atoms.show_shape(&part.shape));
                self.error(Code::E0301, format!("a list of different shapes is no tensor: {a} and {b}"), span);
                return None;
            }
            let mut shape = vec![Dim::number(1)];
            shape.extend(first.shape.iter().cloned());
            rows.push(self.reshape(part, shape, span));
        }
        let mut shape = vec![Dim::number(rows.len() as i64)];
        shape.extend(first.shape.iter().cloned());
        let nodes: Vec<_> = rows.iter().map(|row| row.node).collect();
        let elem = rows.first().map_or(Elem::F32, |row| row.elem.clone());
        Some(self.op(Op::Concat { axis: 0 }, &nodes, elem, shape, span))
    }

    /// The numbers of a nested list of known numbers, row by row, and its shape.
    pub(super) fn known_table(&self, items: &[Value], into: &mut Vec<f64>, whole: &mut bool) -> Option<Vec<usize>> {
        let mut inner: Option<Vec<usize>> = None;
        for item in items {
            let shape = match item {
                Value::Number(number, _) => {
                    into.push(match number {
                        Number::Int(value) => *value as f64,
                        Number::Float(value) => {
                            *whole = false;
                            *value
                        }
                        Number::Size(dim) => self.program.atoms.resolve(dim).as_number()? as f64,
                    });
                    Vec::new()
                }
                Value::List(items) => self.known_table(items, into, whole)?,
                Value::Range(from, to) if to - from <= limits::RANGE_LIMIT => {
                    into.extend((*from..*to).map(|number| number as f64));
                    vec![usize::try_from(to - from).ok()?]
                }
                _ => return None,
            };
            if *inner.get_or_insert_with(|| shape.clone()) != shape {
                return None;
            }
        }
        let mut shape = vec![items.len()];
        shape.extend(inner?);
        Some(shape)
    }

    /// A known whole number, or an error that says what it is instead.
    pub(super) fn whole(&mut self, value: &Value, what: &str, span: Span) -> Option<i64> {
        match value {
            Value::Unknown => None,
            Value::Number(Number::Int(number), _) => Some(*number),
            Value::Number(Number::Float(number), _) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Some(*number as i64)
            }
            Value::Number(Number::Size(dim), _) => match self.program.atoms.resolve(dim).as_number() {
                Some(number) => Some(number),
                None => {
                    self.open_size(what, span);
                    None
                }
            },
            other => {
                let message = format!("{what} is a known whole number");
                let have = match other {
                    Value::Number(Number::Float(number), _) => format!("{number} is not whole"),
                    other => format!("this is {}", other.describe()),
                };
                let mut diagnostic = Diagnostic::new(Code::E0401, message, span).here(have);
                if what.contains("` of `") && matches!(other, Value::Tensor(_) | Value::Slot(_)) {
                    diagnostic = diagnostic
                        .help("a layer has its settings first, then its input: `x |> dense(64)` or `dense(64)(x)`");
                }
                self.report(diagnostic);
                None
            }
        }
    }

    fn open_size(&mut self, what: &str, span: Span) {
        if !self.open {
            let message = format!("{what} is a known whole number; this depends on the rows at hand");
            self.error(Code::E0401, message, span);
        }
    }

    /// A known number as f64, or an error.
    pub(super) fn known_float(&mut self, value: &Value, what: &str, span: Span) -> Option<f64> {
        if let Value::Number(Number::Float(number), _) = value {
            return Some(*number);
        }
        self.whole(value, what, span).map(|number| number as f64)
    }

    /// `f32[B, 10]`, with class counts.
    pub(super) fn show_type(&self, tensor: &Tensor) -> String {
        let elem = match &tensor.elem {
            Elem::F32 => "f32".to_string(),
            Elem::Int => "int".to_string(),
            Elem::Bool => "bool".to_string(),
            Elem::Class(count) => format!("class({})", self.program.atoms.show(count)),
        };
        if tensor.shape.is_empty() {
            return elem;
        }
        format!("{elem}{}", self.program.atoms.show_shape(&tensor.shape))
    }

    /// A slot by id, seen with plain numbers.
    pub(super) fn slot_value(&self, slot: SlotId) -> SlotValue {
        let ty = &self.program.slot(slot).ty;
        let shape = ty.shape.iter().map(|&size| Dim::number(size as i64)).collect();
        SlotValue { slot, elem: Elem::of(ty.dtype), shape }
    }
}
