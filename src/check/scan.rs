//! `scan`: a loop whose body is elaborated once and runs every turn.
//!
//! In: what is walked, the carries, the body. Out: nodes of one scan, one for
//! each result. The body's nodes stand in the same table as all others; those
//! that depend on what a turn is given (its number, the carries, the elements)
//! belong to it, everything else is computed once, outside. Invariant: no value
//! of a turn is known after the body but through the scan's results.

use std::collections::HashSet;
use std::sync::Arc;

use super::Checker;
use super::dims::Dim;
use super::intrinsics::Intrinsic;
use super::typed::{Kind, Loop, NodeId};
use super::value::{Elem, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Binary, DType, Op, Type};
use crate::source::Span;
use crate::syntax::ast::{Block, Declared, Expr, ExprKind, Pattern};

/// What a scan walks.
enum Walked {
    /// An axis of a tensor, brought to the front, with the axis it was.
    Rows(Tensor, usize),
    /// Numbers from this one on.
    Range(i64, i64),
    /// Several of one length.
    Zip(Vec<Walked>),
}

/// A carry at its start of a turn, and how it began.
struct Carried {
    first: Tensor,
    now: Tensor,
}

impl Checker<'_> {
    /// `scan x_t in x along T with h = start { }`
    pub(super) fn scan_expr(
        &mut self,
        pattern: &Pattern,
        input: &Expr,
        along: Option<&Expr>,
        declared: &[Declared],
        body: &Block,
        span: Span,
    ) -> Value {
        let Some(walked) = self.walked(input, along) else { return Value::Unknown };
        let Some(turns) = self.turns(&walked, input.span) else { return Value::Unknown };
        let first: Option<Vec<Tensor>> = declared.iter().map(|carry| self.first_tensor(carry)).collect();
        let Some(first) = first else { return Value::Unknown };

        let start = self.program.nodes.len();
        let turn = self.given(0, DType::I32, Vec::new(), span);
        let carries: Vec<Carried> = first
            .into_iter()
            .zip(declared)
            .enumerate()
            .map(|(at, (first, carry))| {
                let node = self.given(1 + at, first.elem.dtype(), first.shape.clone(), carry.name.span);
                Carried { now: Tensor { node, ..first.clone() }, first }
            })
            .collect();
        let mut sequences = Vec::new();
        let element = self.element(&walked, turn, 1 + carries.len(), &mut sequences, input.span);
        let Some(Turn { next, emits, finals }) = self.turn_of(pattern, element, declared, &carries, body) else {
            return Value::Unknown;
        };
        let along = match &walked {
            Walked::Rows(_, axis) => *axis,
            Walked::Zip(parts) => parts.iter().find_map(rows_axis).unwrap_or(0),
            Walked::Range(..) => 0,
        };
        let mut made = Made { turns, start, carries, next, emits, sequences };
        let kept: Vec<usize> = finals.into_iter().map(|value| self.kept(&mut made, value, span)).collect();
        let carried = declared.len();
        let (carries, emitted) = self.results(made, carried, along, span);
        let mut values: Vec<Value> = emitted.into_iter().map(Value::Tensor).collect();
        values.extend(kept.into_iter().filter_map(|at| carries.get(at).cloned()).map(Value::Tensor));
        if values.is_empty() {
            values = carries.into_iter().take(carried).map(Value::Tensor).collect();
        }
        match values.len() {
            0 => self.report(
                Diagnostic::new(Code::E0405, "nothing comes out of this `scan`", span)
                    .help("`emit` gives a value each turn, `final` that of the last turn, `with` names carries"),
            ),
            1 => values.swap_remove(0),
            _ => Value::Tuple(values.into()),
        }
    }

    /// What a turn is given at a slot of its body.
    fn given(&mut self, slot: usize, dtype: DType, shape: Vec<Dim>, span: Span) -> NodeId {
        self.push(Kind::Given(slot), Vec::new(), Type::new(dtype, shape), span)
    }

    fn walked(&mut self, input: &Expr, along: Option<&Expr>) -> Option<Walked> {
        if let ExprKind::Call { callee, args } = &input.kind
            && let ExprKind::Name(_) = callee.kind
            && args.iter().all(|arg| arg.name.is_none())
            && let Value::Intrinsic(Intrinsic::Zip) = self.eval(callee)
        {
            let parts: Option<Vec<Walked>> = args.iter().map(|arg| self.walked(&arg.value, along)).collect();
            return Some(Walked::Zip(parts?));
        }
        let value = self.eval(input);
        let whole = |value: &Value| matches!(value, Value::Number(super::value::Number::Int(_), _));
        if let (ExprKind::Call { .. }, Value::List(items)) = (&input.kind, &value)
            && items.iter().all(whole)
        {
            // The turns of `reverse(0..n)` are whole numbers, as those of the range are.
            let mut numbers = Vec::new();
            self.known_table(items, &mut numbers, &mut true)?;
            let shape = vec![Dim::number(numbers.len() as i64)];
            let table = self.table(&numbers, Elem::Int, shape, input.span);
            return Some(Walked::Rows(table, 0));
        }
        self.walked_value(&value, along, input.span)
    }

    fn walked_value(&mut self, value: &Value, along: Option<&Expr>, span: Span) -> Option<Walked> {
        match value {
            Value::Range(from, to) => Some(Walked::Range(*from, (*to).max(*from))),
            Value::Tuple(parts) => {
                let parts: Option<Vec<Walked>> =
                    parts.iter().map(|part| self.walked_value(part, along, span)).collect();
                Some(Walked::Zip(parts?))
            }
            other => {
                let tensor = self.tensor(other, span)?;
                let axis = match along {
                    Some(along) => {
                        let value = self.eval(along);
                        self.axis(&value, &tensor, along.span)?
                    }
                    None if tensor.shape.is_empty() => {
                        let diagnostic =
                            Diagnostic::new(Code::E0306, "`scan` walks an axis, and a scalar has none", span)
                                .help("walk a range: `scan i in 0..n { }`");
                        self.report(diagnostic);
                        return None;
                    }
                    None => 0,
                };
                Some(Walked::Rows(self.with_axis_in_front(tensor, axis, span), axis))
            }
        }
    }

    fn with_axis_in_front(&mut self, tensor: Tensor, axis: usize, span: Span) -> Tensor {
        let mut perm: Vec<usize> = (0..tensor.shape.len()).collect();
        perm.remove(axis);
        perm.insert(0, axis);
        self.permuted(tensor, perm, span)
    }

    fn permuted(&mut self, tensor: Tensor, perm: Vec<usize>, span: Span) -> Tensor {
        if perm.iter().enumerate().all(|(at, &axis)| at == axis) {
            return tensor;
        }
        let shape = perm.iter().map(|&axis| tensor.shape[axis].clone()).collect();
        let moved = self.op(Op::Transpose { perm }, &[tensor.node], tensor.elem, shape, span);
        Tensor { classes: tensor.classes, ..moved }
    }

    /// The number of turns; all that is walked together has one length.
    fn turns(&mut self, walked: &Walked, span: Span) -> Option<Dim> {
        match walked {
            Walked::Rows(tensor, _) => tensor.shape.first().cloned(),
            Walked::Range(from, to) => Some(Dim::number(to - from)),
            Walked::Zip(parts) => {
                let turns: Option<Vec<Dim>> = parts.iter().map(|part| self.turns(part, span)).collect();
                let turns = turns?;
                let first = turns.first()?.clone();
                let other = turns.iter().find(|other| self.differ(&first, other)).cloned();
                if let Some(other) = other {
                    let (a, b) = (self.program.atoms.show(&first), self.program.atoms.show(&other));
                    let message = format!("`scan` walks these together, and they have {a} and {b} turns");
                    self.error(Code::E0301, message, span);
                    return None;
                }
                Some(first)
            }
        }
    }

    /// Whether two sizes are not the same, seen from here and as numbers.
    pub(super) fn differ(&self, a: &Dim, b: &Dim) -> bool {
        let atoms = &self.program.atoms;
        atoms.same(a, b) == Some(false) && atoms.resolve(a) != atoms.resolve(b)
    }

    fn first_tensor(&mut self, carry: &Declared) -> Option<Tensor> {
        match self.first_value(carry) {
            Value::Unknown => None,
            value => {
                let place = carry.value.as_ref().map_or(carry.name.span, |value| value.span);
                self.tensor(&value, place)
            }
        }
    }

    /// What the pattern is bound to, with the sequences it takes from.
    fn element(
        &mut self,
        walked: &Walked,
        turn: NodeId,
        first: usize,
        sequences: &mut Vec<NodeId>,
        span: Span,
    ) -> Value {
        match walked {
            Walked::Rows(tensor, _) => {
                let shape = tensor.shape[1..].to_vec();
                let node = self.given(first + sequences.len(), tensor.elem.dtype(), shape.clone(), span);
                sequences.push(tensor.node);
                let (elem, classes) = (tensor.elem.clone(), tensor.classes.clone());
                Value::Tensor(Tensor { node, elem, shape, classes })
            }
            Walked::Range(from, _) => {
                let number = Tensor { node: turn, elem: Elem::Int, shape: Vec::new(), classes: None };
                if *from == 0 {
                    return Value::Tensor(number);
                }
                let from = self.constant(*from as f64, &Elem::Int, span);
                Value::Tensor(self.binary(Binary::Add, number, from, span))
            }
            Walked::Zip(parts) => {
                let parts: Vec<Value> =
                    parts.iter().map(|part| self.element(part, turn, first, sequences, span)).collect();
                Value::Tuple(parts.into())
            }
        }
    }

    /// Elaborates the body, in which neither loops around nor slots are set.
    fn turn_of(
        &mut self,
        pattern: &Pattern,
        element: Value,
        declared: &[Declared],
        carries: &[Carried],
        body: &Block,
    ) -> Option<Turn> {
        let calls = self.phase.calls.clone();
        let (errors, writes) = (self.errors(), self.phase.writes.len());
        let around = std::mem::take(&mut self.frame_mut().carries);
        let slots = declared.iter().map(|carry| (carry.name.text.clone(), None, carry.name.span)).collect();
        self.frame_mut().carries.push(slots);
        self.frame_mut().scans += 1;
        self.frame_mut().emits.push((Vec::new(), Vec::new()));
        let last = self.scoped(|checker| {
            checker.bind_pattern(pattern, element);
            for (carry, value) in declared.iter().zip(carries) {
                checker.bind_pattern(&Pattern::Name(carry.name.clone()), Value::Tensor(value.now.clone()));
            }
            checker.block(body)
        });
        self.unused_value(&last, body);
        let (emits, finals) = self.frame_mut().emits.pop().unwrap_or_default();
        let set = self.frame_mut().carries.pop().unwrap_or_default();
        self.frame_mut().carries = around;
        self.frame_mut().scans -= 1;
        self.phase.calls = calls;
        if let Some(&(_, _, place)) = self.phase.writes.get(writes) {
            self.phase.writes.truncate(writes);
            self.report(
                Diagnostic::new(Code::E0403, "`state` is not set inside a `scan`", place)
                    .help("what goes from turn to turn is a carry: `with h = start`, then `next h = ...`"),
            );
        }
        let mut next = Vec::new();
        for ((carry, value), (_, new, place)) in declared.iter().zip(carries).zip(set) {
            let new = match new {
                None => Some(value.now.clone()),
                Some(new) => self.next_carry(carry, &value.now, &new, place),
            };
            next.push(new);
        }
        let next: Option<Vec<Tensor>> = next.into_iter().collect();
        let tensors = |checker: &mut Self, values: Vec<Value>| -> Option<Vec<Tensor>> {
            values.into_iter().map(|value| checker.tensor(&value, body.span)).collect()
        };
        let emits = tensors(self, emits);
        let finals = tensors(self, finals);
        let turn = Turn { next: next?, emits: emits?, finals: finals? };
        (self.errors() == errors).then_some(turn)
    }

    /// The last line of a loop's body is no value.
    pub(super) fn unused_value(&mut self, last: &Value, body: &Block) {
        if !matches!(last, Value::None | Value::Unknown)
            && let Some(value) = &body.value
            && !matches!(value.kind, ExprKind::For { .. } | ExprKind::Scan { .. } | ExprKind::If { .. })
        {
            self.report(
                Diagnostic::new(Code::E0405, "this value is not used", value.span)
                    .help("`emit` collects a value each turn, `next` carries one to the next turn"),
            );
        }
    }

    /// The carry's next value; its type is that of the first.
    fn next_carry(&mut self, carry: &Declared, now: &Tensor, new: &Value, place: Span) -> Option<Tensor> {
        if let Some(number) = self.number_tensor(new, &now.elem, place) {
            return Some(self.splat(number, &now.shape.clone(), place));
        }
        let new = self.tensor(new, place)?;
        let same =
            new.shape.len() == now.shape.len() && new.shape.iter().zip(&now.shape).all(|(a, b)| !self.differ(a, b));
        let widens = matches!((&new.elem, &now.elem), (Elem::Int | Elem::Bool, Elem::F32) | (Elem::Bool, Elem::Int));
        if same && (widens || new.elem.dtype() == now.elem.dtype()) {
            let fitted = self.convert(new, now.elem.clone(), place);
            return Some(Tensor { shape: now.shape.clone(), ..fitted });
        }
        let name = &carry.name.text;
        let (was, is) = (self.show_type(now), self.show_type(&new));
        let code = if same { Code::E0305 } else { Code::E0301 };
        let message = format!("`{name}` is {was} when a turn starts, and its next value is {is}");
        let mut diagnostic = Diagnostic::new(code, message, place)
            .here(format!("this is {is}"))
            .also(carry.name.span, format!("it starts as {was}"));
        if now.shape.is_empty() && !same {
            diagnostic = diagnostic.help(format!("give it its type: `with {name}: {is} = zeros`"));
        } else {
            diagnostic = diagnostic.help("a carry keeps its type from turn to turn");
        }
        self.report(diagnostic);
        None
    }

    /// A value of the last turn: a carry's, or one carried for that.
    fn kept(&mut self, made: &mut Made, value: Tensor, span: Span) -> usize {
        if let Some(at) = made.next.iter().position(|next| next.node == value.node) {
            return at;
        }
        let zero = self.constant(0.0, &value.elem, span);
        let first = self.splat(zero, &value.shape, span);
        made.carries.push(Carried { now: first.clone(), first });
        made.next.push(value);
        made.next.len() - 1
    }

    /// The nodes of the results: carries after the last turn, and what was emitted, stacked.
    fn results(&mut self, made: Made, declared: usize, along: usize, span: Span) -> (Vec<Tensor>, Vec<Tensor>) {
        let Made { turns, start, carries, next, emits, sequences } = made;
        let outputs: Vec<NodeId> = next.iter().chain(&emits).map(|tensor| tensor.node).collect();
        let Members { body, captured, given } = self.members(start, &outputs);
        // What is carried for a `final` stands behind the carries that have a name, and before the elements.
        for id in &given {
            if let Kind::Given(slot) = &mut self.program.nodes[id.index()].kind
                && *slot > declared
            {
                *slot += carries.len() - declared;
            }
        }
        let mut operands: Vec<NodeId> = carries.iter().map(|carry| carry.first.node).collect();
        operands.extend(&sequences);
        operands.extend(&captured);
        let (count, walked) = (carries.len(), sequences.len());
        let turns_of = turns.clone();
        let body = Arc::new(Loop { turns: turns_of, given, carries: count, sequences: walked, body, outputs });
        let result = |checker: &mut Self, number: usize, like: &Tensor, shape: Vec<Dim>| {
            let kind = Kind::Scan { body: body.clone(), result: number };
            let node = checker.push(kind, operands.clone(), Type::new(like.elem.dtype(), shape.clone()), span);
            Tensor { node, shape, ..like.clone() }
        };
        let mut finals = Vec::new();
        for (at, (carry, next)) in carries.iter().zip(&next).enumerate() {
            let classes = next.classes.clone();
            let like = Tensor { classes, ..carry.first.clone() };
            finals.push(result(self, at, &like, carry.first.shape.clone()));
        }
        let mut stacked = Vec::new();
        for (at, emitted) in emits.iter().enumerate() {
            let shape: Vec<Dim> = std::iter::once(&turns).chain(&emitted.shape).cloned().collect();
            let stack = result(self, carries.len() + at, emitted, shape);
            // The axis walked stands where it stood.
            let mut perm: Vec<usize> = (1..stack.shape.len()).collect();
            perm.insert(along.min(perm.len()), 0);
            stacked.push(self.permuted(stack, perm, span));
        }
        (finals, stacked)
    }

    /// The nodes made since `start` that belong to the turn and that the outputs need, and what they read from outside.
    fn members(&self, start: usize, outputs: &[NodeId]) -> Members {
        let nodes = &self.program.nodes;
        // What a turn is given, and draws, are the turn's own; so is all that depends on them.
        let mut own: HashSet<NodeId> = HashSet::new();
        let mut inner: HashSet<NodeId> = HashSet::new();
        for node in nodes.iter().skip(start) {
            if let Kind::Scan { body, .. } = &node.kind {
                inner.extend(body.body.iter().chain(&body.given).copied());
            }
        }
        for (at, node) in nodes.iter().enumerate().skip(start) {
            let id = NodeId(at as u32);
            let first = matches!(node.kind, Kind::Given(_) | Kind::Random { .. }) && !inner.contains(&id);
            let draws = matches!(&node.kind, Kind::Scan { body, .. } if body.draws(nodes));
            if first || draws || node.operands.iter().any(|operand| own.contains(operand)) {
                own.insert(id);
            }
        }
        let constant = |id: &NodeId| matches!(nodes[id.index()].kind, Kind::Op(Op::Const { .. } | Op::Iota { .. }));
        let mut needed: HashSet<NodeId> = HashSet::new();
        let mut captured: Vec<NodeId> = Vec::new();
        let mut stack: Vec<NodeId> = outputs.to_vec();
        while let Some(id) = stack.pop() {
            if own.contains(&id) || constant(&id) {
                if needed.insert(id) {
                    stack.extend(&nodes[id.index()].operands);
                }
            } else {
                captured.push(id);
            }
        }
        captured.sort();
        captured.dedup();
        let mut body: Vec<NodeId> = needed.into_iter().collect();
        body.sort();
        let is_given = |id: &NodeId| matches!(nodes[id.index()].kind, Kind::Given(_));
        let given = body.iter().copied().filter(is_given).collect();
        body.retain(|id| !is_given(id));
        Members { body, captured, given }
    }
}

fn rows_axis(walked: &Walked) -> Option<usize> {
    match walked {
        Walked::Rows(_, axis) => Some(*axis),
        Walked::Zip(parts) => parts.iter().find_map(rows_axis),
        Walked::Range(..) => None,
    }
}

/// What the body made of one turn.
struct Turn {
    next: Vec<Tensor>,
    emits: Vec<Tensor>,
    finals: Vec<Tensor>,
}

/// A scan whose body is elaborated.
struct Made {
    turns: Dim,
    /// The first node of the body.
    start: usize,
    carries: Vec<Carried>,
    next: Vec<Tensor>,
    emits: Vec<Tensor>,
    sequences: Vec<NodeId>,
}

struct Members {
    body: Vec<NodeId>,
    captured: Vec<NodeId>,
    given: Vec<NodeId>,
}
