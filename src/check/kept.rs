//! Values of the file that outlive what they were computed from, and the rows
//! of a part that a statement has at hand.

use super::Checker;
use super::dims::AtomId;
use super::scope::{AtHand, Binding, FrameKind};
use super::typed::{Action, ActionKind, Eval, Kind, NodeId, Part, SlotId};
use super::value::{Elem, Number, SlotValue, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Owner, Type};
use crate::source::Span;
use crate::syntax::ast::{Expr, On, Pattern};

/// What a statement stores of what it computes on a part.
struct Kept {
    /// The open size of the rows, and their number.
    rows: AtomId,
    count: i64,
    slots: Vec<SlotId>,
    outputs: Vec<NodeId>,
}

impl Checker<'_> {
    /// A file-level name: if what it was computed from has been written since, or if it is of draws that would be drawn
    /// anew here, its value is kept from then; where it also depends on parameters, by which it may have to be derived,
    /// only the draws are.
    pub(super) fn current_value(&mut self, binding: Binding, name: &str) -> Value {
        let Value::Tensor(tensor) = &binding.value else { return binding.value };
        if self.open {
            return binding.value;
        }
        let outdated = binding.writes != self.writes && self.is_outdated(tensor.node);
        // A step draws its own numbers, and so does another seed.
        let draws_anew = binding.seed != self.seed || self.frames.iter().any(|frame| frame.kind == FrameKind::Train);
        let draws = if draws_anew { self.draws_of(tensor.node) } else { None };
        if !outdated {
            match draws {
                None => return binding.value,
                Some((draws, true)) => {
                    self.draw_once(&draws, binding.seed);
                    return binding.value;
                }
                Some((_, false)) => {}
            }
        }
        let at = (binding.statement, binding.seed);
        let Some(kept) = self.keep_value(tensor, name, at, binding.span) else { return Value::Unknown };
        self.rebind(name, kept.clone());
        kept
    }

    /// Holds draws to the seed at their place in the file.
    fn draw_once(&mut self, draws: &[NodeId], at: i64) {
        for draw in draws {
            if let Kind::Random { seed, .. } = &mut self.program.nodes[draw.index()].kind {
                seed.get_or_insert(at);
            }
        }
    }

    /// Stores a value at the end of `statement` in a slot of its own.
    fn keep_value(&mut self, tensor: &Tensor, name: &str, at: (usize, i64), span: Span) -> Option<Value> {
        let (statement, seed) = at;
        let sizes = self.numbers_of(&tensor.shape)?;
        let path = self.unique_path(format!("let {name}"));
        let slot = self.new_slot(&path, Owner::TrainState, Type::new(tensor.elem.dtype(), sizes), span);
        let eval = Eval { outputs: vec![tensor.node], on: None, seed };
        let action = Action { kind: ActionKind::Set { slots: vec![slot], eval }, span };
        self.actions.push(((statement, 2), action));
        let value = SlotValue { slot, elem: tensor.elem.clone(), shape: tensor.shape.clone() };
        let read = self.read(&value, span);
        Some(Value::Tensor(read))
    }

    fn rebind(&mut self, name: &str, value: Value) {
        let writes = self.writes;
        for frame in &mut self.frames {
            for scope in frame.scopes.iter_mut().rev() {
                if let Some(binding) = scope.get_mut(name) {
                    binding.value = value;
                    binding.writes = writes;
                    return;
                }
            }
        }
    }

    /// `let p = e on part`: computed at once, over the whole part.
    pub(super) fn let_on(&mut self, pattern: &Pattern, value: &Expr, on: &On, span: Span) {
        let Some((part, rows)) = self.enter_part(on) else {
            self.columns_unknown = true;
            self.eval(value);
            self.columns_unknown = false;
            return self.bind_pattern(pattern, Value::Unknown);
        };
        let computed = self.eval(value);
        let computed = self.averaged(computed, value.span);
        let count = self.part_rows(&part);
        self.leave_part();
        let kept = self.keep_at_once(computed, (part, rows), count, value.span, span);
        self.bind_pattern(pattern, kept);
    }

    /// Stores what is computed on a part, at once: its rows are at hand here only.
    fn keep_at_once(&mut self, value: Value, on: (Part, AtomId), count: u64, at: Span, span: Span) -> Value {
        let mut kept = Kept { rows: on.1, count: count as i64, slots: Vec::new(), outputs: Vec::new() };
        let value = self.keep_leaves(value, &mut kept, at, span);
        if !kept.slots.is_empty() {
            let eval = Eval { outputs: kept.outputs, on: Some(on), seed: self.seed };
            self.act(ActionKind::Set { slots: kept.slots, eval }, span);
        }
        value
    }

    fn keep_leaves(&mut self, value: Value, kept: &mut Kept, at: Span, span: Span) -> Value {
        let mut all = |checker: &mut Self, items: &[Value]| -> Vec<Value> {
            items.iter().map(|item| checker.keep_leaves(item.clone(), kept, at, span)).collect()
        };
        match value {
            Value::Record(fields) => {
                let values: Vec<Value> = fields.iter().map(|(_, value)| value.clone()).collect();
                let names = fields.iter().map(|(name, _)| name.clone());
                Value::Record(names.zip(all(self, &values)).collect::<Vec<_>>().into())
            }
            Value::Tuple(items) => Value::Tuple(all(self, &items).into()),
            Value::List(items) => Value::List(all(self, &items).into()),
            Value::Unknown | Value::Bool(_) | Value::Text(_) => value,
            Value::Number(Number::Int(_) | Number::Float(_), _) => value,
            computed => self.keep_leaf(&computed, kept, at, span).map_or(Value::Unknown, Value::Tensor),
        }
    }

    fn keep_leaf(&mut self, value: &Value, kept: &mut Kept, at: Span, span: Span) -> Option<Tensor> {
        let tensor = self.tensor(value, at)?;
        self.keep_tensor(tensor, kept, span)
    }

    /// A value over so many rows of a part, computed here and kept.
    pub(super) fn keep_on(&mut self, tensor: Tensor, on: (Part, AtomId), count: u64, span: Span) -> Option<Tensor> {
        let mut kept = Kept { rows: on.1, count: count as i64, slots: Vec::new(), outputs: Vec::new() };
        let read = self.keep_tensor(tensor, &mut kept, span)?;
        let eval = Eval { outputs: kept.outputs, on: Some(on), seed: self.seed };
        self.act(ActionKind::Set { slots: kept.slots, eval }, span);
        Some(read)
    }

    fn keep_tensor(&mut self, tensor: Tensor, kept: &mut Kept, span: Span) -> Option<Tensor> {
        let open = |atom| (atom == kept.rows).then_some(kept.count);
        let sizes: Option<Vec<usize>> = tensor
            .shape
            .iter()
            .map(|dim| self.program.atoms.resolve_with(dim, &open).as_number().map(|size| size as usize))
            .collect();
        let path = self.unique_path(format!("let {}", self.statement));
        let slot = self.new_slot(&path, Owner::TrainState, Type::new(tensor.elem.dtype(), sizes?), span);
        kept.slots.push(slot);
        kept.outputs.push(tensor.node);
        let seen = SlotValue { elem: tensor.elem, ..self.slot_value(slot) };
        let read = self.read(&seen, span);
        Some(Tensor { classes: tensor.classes, ..read })
    }

    /// A `let` of what `evaluate` gave: computed at once, as its rows are at hand here only.
    pub(super) fn keep_evaluated(&mut self, pattern: &Pattern, span: Span) {
        let (Some(on), Pattern::Name(name)) = (self.phase.evaluated.take(), pattern) else { return };
        let value = self.lookup(&name.text, name.span);
        let count = self.part_rows(&on.0);
        let kept = self.keep_at_once(value, on, count, name.span, span);
        self.bind(&name.text, kept, name.span);
    }

    /// Brings the columns of a part into scope.
    pub(super) fn enter_part(&mut self, on: &On) -> Option<(Part, AtomId)> {
        let value = self.eval(&on.part);
        let mut part = match value {
            Value::Part(part) => part,
            Value::Data(data) => Part { data, name: "all".to_string(), by: None },
            Value::Unknown => return None,
            other => {
                let message = format!("`on` takes a part of a data set, this is {}", other.describe());
                self.error(Code::E0604, message, on.part.span);
                return None;
            }
        };
        part.by = match &on.by {
            Some(by) => Some(self.rows_at_a_time(by)?),
            None => None,
        };
        let rows = self.program.data[part.data.index()].at_hand;
        self.phase.data = Some(part.data);
        self.phase.at_hand = Some(match part.by {
            Some(by) => AtHand::Batch(by, Some(part.clone())),
            None => AtHand::Part(part.clone()),
        });
        self.phase.rows = Some(super::dims::Dim::atom(rows));
        self.frame_mut().dims.push(("B".to_string(), super::dims::Dim::atom(rows)));
        Some((part, rows))
    }

    /// The number behind `by`.
    fn rows_at_a_time(&mut self, by: &Expr) -> Option<u64> {
        match self.eval(by) {
            Value::Number(Number::Int(rows), _) if rows > 0 => Some(rows as u64),
            Value::Number(Number::Int(rows), _) => {
                self.error(Code::E0308, format!("chunks of {rows} rows"), by.span);
                None
            }
            Value::Unknown => None,
            other => {
                let shown = self.known_text(&other).unwrap_or_else(|| other.describe().to_string());
                let message = format!("`by` takes a known whole number of rows, this is {shown}");
                self.error(Code::E0401, message, by.span);
                None
            }
        }
    }

    /// With `by` the values of chunks are averaged: what can be averaged, as f32; anything else is reported.
    pub(super) fn averaged(&mut self, value: Value, span: Span) -> Value {
        let Some(by) = self.phase.by() else { return value };
        if self.known_text(&value).is_some() {
            return value;
        }
        let mut all =
            |items: &[Value]| -> Vec<Value> { items.iter().map(|item| self.averaged(item.clone(), span)).collect() };
        match &value {
            Value::Unknown => value,
            Value::Tuple(items) => Value::Tuple(all(items).into()),
            Value::List(items) => Value::List(all(items).into()),
            Value::Pieces(items) => Value::Pieces(all(items).into()),
            Value::Record(fields) => {
                let field = |(name, value): &(_, Value)| (Clone::clone(name), self.averaged(value.clone(), span));
                Value::Record(fields.iter().map(field).collect::<Vec<_>>().into())
            }
            Value::Tensor(_) | Value::Slot(_) | Value::Number(..) => match self.tensor(&value, span) {
                Some(tensor) => self.average_of(tensor, by, span),
                None => Value::Unknown,
            },
            other => {
                let message = format!("`by {by}` averages values of chunks, this is {}", other.describe());
                self.error(Code::E0311, message, span)
            }
        }
    }

    fn average_of(&mut self, tensor: Tensor, by: u64, span: Span) -> Value {
        if tensor.shape.iter().any(|dim| self.program.atoms.resolve(dim).as_number().is_none()) {
            let message = format!("`by {by}` averages values of chunks, this has one for each row");
            let help = "`mean(...)` of it; without `by` the whole part is at hand";
            let shown = self.show_type(&tensor);
            return self.report(Diagnostic::new(Code::E0311, message, span).here(shown).help(help));
        }
        if matches!(tensor.elem, Elem::Class(_)) {
            let message = format!("`by {by}` averages values of chunks, and classes have no average");
            return self.error(Code::E0305, message, span);
        }
        Value::Tensor(self.convert(tensor, Elem::F32, span))
    }

    /// `by` where nothing can be averaged: false, and it is reported.
    pub(super) fn without_chunks(&mut self, on: Option<&On>, statement: &str, help: &str) -> bool {
        let Some(by) = on.and_then(|on| on.by.as_ref()) else { return true };
        let message = format!("`{statement}` takes no averages of chunks");
        self.report(Diagnostic::new(Code::E0403, message, by.span).help(help));
        false
    }

    /// Ends the scope of a part's columns.
    pub(super) fn leave_part(&mut self) {
        self.frame_mut().dims.retain(|(name, _)| name != "B");
        self.phase.data = None;
        self.phase.at_hand = None;
        self.phase.rows = None;
    }
}
