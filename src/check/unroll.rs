//! `for`, `repeat` and `if`: unrolled, or chosen, while the program is elaborated.

use super::Checker;
use super::dims::Dim;
use super::typed::Kind;
use super::value::{Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::Op;
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Block, Declared, Expr, ExprKind, Pattern, UnaryOp};

/// Turns that one loop may have.
const TURN_LIMIT: usize = 100_000;

impl Checker<'_> {
    /// `for a in x, b in y with c = start { }`: every combination of the bindings, the last running fastest.
    pub(super) fn for_expr(
        &mut self,
        bindings: &[(Pattern, Expr)],
        carries: &[Declared],
        body: &Block,
        span: Span,
    ) -> Value {
        let mut lists = Vec::new();
        for (_, expr) in bindings {
            let value = self.eval(expr);
            match self.items_of(&value, expr.span) {
                Some(items) => lists.push(items),
                None => return Value::Unknown,
            }
        }
        let first: Vec<Value> = carries.iter().map(|carry| self.first_value(carry)).collect();
        self.in_loop("for", |checker| checker.unrolled(bindings, &lists, carries, first, body, span))
    }

    /// A loop body's place in paths: `for1[turn]`.
    pub(super) fn in_loop<T>(&mut self, word: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let number = self.frame_mut().number(word);
        let frame = self.frame_mut();
        frame.loops.push(format!("{word}{number}"));
        frame.unroll.push(0);
        let result = inside(self);
        let frame = self.frame_mut();
        frame.loops.pop();
        frame.unroll.pop();
        result
    }

    fn unrolled(
        &mut self,
        bindings: &[(Pattern, Expr)],
        lists: &[Vec<Value>],
        carries: &[Declared],
        mut current: Vec<Value>,
        body: &Block,
        span: Span,
    ) -> Value {
        let total = self.turns_of(&lists.iter().map(Vec::len).collect::<Vec<_>>(), span);
        let outermost = self.loop_span.is_none();
        self.loop_span.get_or_insert(span);
        let counters = self.frame().counters.clone();
        self.frame_mut().emits.push((Vec::new(), Vec::new()));
        let mut finals = Vec::new();
        for turn in 0..total {
            self.spend(1, span);
            if self.exhausted {
                break;
            }
            if let Some(last) = self.frame_mut().unroll.last_mut() {
                *last = turn as u32;
            }
            self.frame_mut().counters = counters.clone();
            let slots = carries.iter().map(|carry| (carry.name.text.clone(), None, carry.name.span)).collect();
            self.frame_mut().carries.push(slots);
            let last = self.scoped(|checker| {
                let mut rest = turn;
                for ((pattern, _), list) in bindings.iter().zip(lists).rev() {
                    checker.bind_pattern(pattern, list[rest % list.len()].clone());
                    rest /= list.len();
                }
                for (carry, value) in carries.iter().zip(&current) {
                    let value = checker.link(value.clone(), &carry.name.text, false);
                    checker.bind(&carry.name.text, value, carry.name.span);
                }
                checker.block(body)
            });
            self.unused_value(&last, body);
            let set = self.frame_mut().carries.pop().unwrap_or_default();
            for (value, (_, new, _)) in current.iter_mut().zip(set) {
                if let Some(new) = new {
                    *value = new;
                }
            }
            finals = self.frame_mut().emits.last_mut().map(|(_, finals)| std::mem::take(finals)).unwrap_or_default();
        }
        if outermost {
            self.loop_span = None;
        }
        self.frame_mut().counters = counters;
        let (emitted, _) = self.frame_mut().emits.pop().unwrap_or_default();
        self.loop_value(emitted, finals, current, total, body, span)
    }

    /// The turns of a loop over several lists; too many are an error, and none is run.
    pub(super) fn turns_of(&mut self, lengths: &[usize], span: Span) -> usize {
        let total = lengths.iter().try_fold(1usize, |total, length| total.checked_mul(*length));
        match total {
            Some(total) if total <= TURN_LIMIT => total,
            _ => {
                let message =
                    format!("this loop has more than {TURN_LIMIT} turns, each of which becomes a copy of its body");
                self.exhaust(message, span);
                0
            }
        }
    }

    /// Emits (a list an `emit`), then finals; without either the carries.
    fn loop_value(
        &mut self,
        emitted: Vec<Value>,
        finals: Vec<Value>,
        carried: Vec<Value>,
        turns: usize,
        body: &Block,
        span: Span,
    ) -> Value {
        let mut values = Vec::new();
        if !emitted.is_empty() {
            let each = emitted.len() / turns.max(1);
            for which in 0..each {
                let items = emitted.iter().skip(which).step_by(each).cloned().collect();
                values.push(self.bounded(items, Value::List, span));
            }
        } else if turns == 0 && body.stmts.iter().any(|stmt| matches!(stmt.kind, crate::syntax::ast::StmtKind::Emit(_)))
        {
            values.push(Value::List(Vec::new().into()));
        }
        values.extend(finals);
        if values.is_empty() {
            values = carried;
        }
        match values.len() {
            0 => Value::None,
            1 => values.swap_remove(0),
            _ => Value::Tuple(values.into()),
        }
    }

    /// What a carry starts from.
    pub(super) fn first_value(&mut self, carry: &Declared) -> Value {
        match (&carry.value, &carry.ty) {
            (_, Some(_)) => match self.declared_type(carry) {
                Some((_, _, Some(tensor))) => Value::Tensor(tensor),
                _ => Value::Unknown,
            },
            (Some(value), None) => self.eval(value),
            (None, None) => self.error(Code::E0204, "a carry has a first value: `with h = ...`", carry.name.span),
        }
    }

    /// What a loop walks: a list, a range, parameters.
    pub(super) fn items_of(&mut self, value: &Value, span: Span) -> Option<Vec<Value>> {
        match value {
            Value::Unknown => None,
            Value::List(items) | Value::Tuple(items) => Some(items.to_vec()),
            Value::Range(from, to) => {
                let turns = to.saturating_sub(*from);
                if turns > TURN_LIMIT as i64 {
                    let message = format!("{turns} turns are unrolled into as many copies of the body");
                    self.report(
                        Diagnostic::new(Code::E0703, message, span)
                            .help(format!("at most {TURN_LIMIT} turns: work on a whole tensor instead of its numbers")),
                    );
                    return None;
                }
                Some((*from..*to).map(Value::int).collect())
            }
            Value::Params(slots) => Some(slots.iter().map(|&slot| Value::Slot(self.slot_value(slot))).collect()),
            Value::Instance(_) | Value::Frozen(_) | Value::Fresh(..) => {
                let slots = self.whole_list(value).unwrap_or_default();
                Some(slots.iter().map(|&slot| Value::Slot(self.slot_value(slot))).collect())
            }
            other => {
                let diagnostic = Diagnostic::new(Code::E0401, "`for` walks a known list or range", span)
                    .here(format!("this is {}", other.describe()))
                    .help("to walk an axis of a tensor use `scan`");
                self.report(diagnostic);
                None
            }
        }
    }

    /// `x |> repeat n { stage |> stage }`
    pub(super) fn repeat(&mut self, mut value: Value, from: Span, count: &Expr, stages: &[Expr]) -> Value {
        let times = self.eval(count);
        let Some(times) = self.whole(&times, "the count of `repeat`", count.span) else { return Value::Unknown };
        if times < 0 {
            return self.error(Code::E0401, format!("`repeat` cannot run {times} times"), count.span);
        }
        if times > TURN_LIMIT as i64 {
            let message = format!("{times} turns are unrolled into as many copies of the stages");
            return self
                .report(Diagnostic::new(Code::E0703, message, count.span).help(format!("at most {TURN_LIMIT} turns")));
        }
        self.in_loop("repeat", |checker| {
            let counters = checker.frame().counters.clone();
            for turn in 0..times {
                if let Some(last) = checker.frame_mut().unroll.last_mut() {
                    *last = turn as u32;
                }
                checker.frame_mut().counters = counters.clone();
                checker.spend(1, count.span);
                if checker.exhausted {
                    return Value::Unknown;
                }
                for stage in stages {
                    value = checker.stage(value, from, stage);
                }
            }
            checker.frame_mut().counters = counters;
            value
        })
    }

    /// `emit` and `final`.
    pub(super) fn emit_stmt(&mut self, value: &Expr, span: Span, emit: bool) {
        let value = self.eval(value);
        match self.frame_mut().emits.last_mut() {
            Some((emits, finals)) => {
                if emit {
                    emits.push(value);
                } else {
                    finals.push(value);
                }
            }
            None => {
                let word = if emit { "emit" } else { "final" };
                self.error(Code::E0403, format!("`{word}` stands in a `for` or `scan`"), span);
            }
        }
    }

    /// `next carry = value` for a carry of a loop around; false if there is none of that name.
    pub(super) fn set_carry(&mut self, name: &str, value: &Value, span: Span) -> bool {
        let frame = self.frame_mut();
        let Some(place) = frame.carries.iter_mut().rev().flatten().find(|(carry, _, _)| carry == name) else {
            return false;
        };
        let earlier = place.1.replace(value.clone()).map(|_| place.2);
        place.2 = span;
        if let Some(earlier) = earlier {
            self.report(
                Diagnostic::new(Code::E0406, "this is set twice in one turn", span).also(earlier, "set here before"),
            );
        }
        true
    }

    /// The new value of a carry: `Some(None)` if it is a carry that has not been set.
    pub(super) fn carried(&self, name: &str) -> Option<Option<Value>> {
        let place = self.frame().carries.iter().rev().flatten().find(|(carry, _, _)| carry == name)?;
        Some(place.1.clone())
    }

    /// `if` as an expression.
    pub(super) fn if_expr(&mut self, branches: &[(Expr, Block)], otherwise: Option<&Block>, span: Span) -> Value {
        // Computed conditions wait for the branches after them.
        let mut waiting: Vec<(Tensor, Value, Span)> = Vec::new();
        let mut last = None;
        let last_place = otherwise.map_or(span, |block| block.span);
        for (at, (condition, block)) in branches.iter().enumerate() {
            let known = self.eval(condition);
            match known {
                Value::Bool(true) => {
                    self.assume(condition, true);
                    last = Some(self.scoped(|checker| checker.block(block)));
                    self.names_of_others(&branches[at + 1..], otherwise);
                    break;
                }
                Value::Bool(false) => {
                    self.assume(condition, false);
                    self.names_only(block);
                }
                Value::Unknown => {
                    // In a definition's own check what depends on its settings is open: any branch may be taken.
                    if self.open {
                        self.names_of_others(&branches[at..], otherwise);
                    }
                    return Value::Unknown;
                }
                computed => {
                    let Some(truth) = self.truth(&computed, condition.span) else { return Value::Unknown };
                    let value = self.pure_branch(block);
                    waiting.push((truth, value, block.span));
                }
            }
        }
        let last = match (last, otherwise) {
            (Some(value), _) => value,
            (None, Some(block)) if waiting.is_empty() => self.scoped(|checker| checker.block(block)),
            (None, Some(block)) => self.pure_branch(block),
            (None, None) => Value::None,
        };
        waiting.into_iter().rev().fold(last, |otherwise, (truth, value, place)| {
            if matches!(value, Value::None) && matches!(otherwise, Value::None) {
                return Value::None;
            }
            if !self.are_branches(&value, &otherwise, span) {
                return Value::Unknown;
            }
            self.choose(truth, (value, place), (otherwise, last_place), span)
        })
    }

    /// Whether two branches under a computed condition have one type; a number stands for a whole tensor of it.
    fn are_branches(&mut self, a: &Value, b: &Value, span: Span) -> bool {
        if let (Value::Tuple(left), Value::Tuple(right)) = (a, b) {
            return left.len() != right.len()
                || left.iter().zip(right.iter()).all(|(a, b)| self.are_branches(a, b, span));
        }
        let mut tensor = |value: &Value| match value {
            Value::Tensor(_) | Value::Slot(_) => self.tensor(value, span),
            Value::List(items) if self.known_table(items, &mut Vec::new(), &mut true).is_some() => {
                self.tensor(value, span)
            }
            _ => None,
        };
        let (Some(a), Some(b)) = (tensor(a), tensor(b)) else { return true };
        let kinds = (a.elem == Elem::Bool) == (b.elem == Elem::Bool);
        let ranks = a.shape.is_empty() || b.shape.is_empty() || a.shape.len() == b.shape.len();
        let sizes = a.shape.iter().zip(&b.shape).all(|(a, b)| !self.differ(a, b));
        if kinds && ranks && sizes {
            return true;
        }
        let (a, b) = (self.show_type(&a), self.show_type(&b));
        let message = format!("the branches have different types: {a} and {b}");
        self.report(
            Diagnostic::new(Code::E0310, message, span).help(
                "both branches are computed, and one is selected: `where(condition, a, b)` aligns what it is given",
            ),
        );
        false
    }

    /// Checks the names of branches behind the one that is taken.
    pub(super) fn names_of_others(&mut self, branches: &[(Expr, Block)], otherwise: Option<&Block>) {
        branches.iter().map(|(_, block)| block).chain(otherwise).for_each(|block| self.names_only(block));
    }

    /// What a condition that is known to be `truth` says of dims holds in the rest of this use of the definition: where
    /// `if C == K { x } else { ... }` took `x`, its axis C meets an axis K.
    fn assume(&mut self, condition: &Expr, truth: bool) {
        match &condition.kind {
            ExprKind::Unary(UnaryOp::Not, operand) => self.assume(operand, !truth),
            ExprKind::Chain { first, rest } => match rest.as_slice() {
                [(BinaryOp::Eq, _, second)] if truth => self.assume_equal(first, second),
                [(BinaryOp::Ne, _, second)] if !truth => self.assume_equal(first, second),
                // All sides of a true `and` are true, all of a false `or` are false.
                [(BinaryOp::And, ..), ..] if truth => self.assume_all(first, rest, truth),
                [(BinaryOp::Or, ..), ..] if !truth => self.assume_all(first, rest, truth),
                _ => {}
            },
            _ => {}
        }
    }

    fn assume_all(&mut self, first: &Expr, rest: &[(BinaryOp, Span, Expr)], truth: bool) {
        for side in std::iter::once(first).chain(rest.iter().map(|(_, _, side)| side)) {
            self.assume(side, truth);
        }
    }

    fn assume_equal(&mut self, a: &Expr, b: &Expr) {
        if !is_of_sizes(a) || !is_of_sizes(b) {
            return;
        }
        let dim = |value: Value| match value {
            Value::Number(Number::Size(dim), _) => Some(dim),
            Value::Number(Number::Int(number), _) => Some(Dim::number(number)),
            _ => None,
        };
        let (a, b) = (self.eval(a), self.eval(b));
        if let (Some(a), Some(b)) = (dim(a), dim(b)) {
            self.program.atoms.assume(&a, &b);
        }
    }

    /// A branch under a computed condition: no `next` inside.
    fn pure_branch(&mut self, block: &Block) -> Value {
        let before = self.phase.writes.len();
        let value = self.scoped(|checker| checker.block(block));
        if self.phase.writes.len() > before {
            let span = self.phase.writes[before].2;
            self.phase.writes.truncate(before);
            self.report(
                Diagnostic::new(Code::E0403, "`next` under a condition that is computed", span)
                    .help("set it always, with `where(condition, new, old)`"),
            );
        }
        value
    }

    pub(super) fn if_stmt(&mut self, branches: &[(Expr, Block)], otherwise: Option<&Block>, span: Span) {
        self.if_expr(branches, otherwise, span);
    }

    /// `where(condition, a, b)`, also of tuples part by part.
    pub(super) fn choose(&mut self, truth: Tensor, a: (Value, Span), b: (Value, Span), span: Span) -> Value {
        if let (Value::Tuple(left), Value::Tuple(right)) = (&a.0, &b.0)
            && left.len() == right.len()
        {
            let parts: Vec<Value> = left
                .iter()
                .zip(right.iter())
                .map(|(x, y)| self.choose(truth.clone(), (x.clone(), a.1), (y.clone(), b.1), span))
                .collect();
            return Value::Tuple(parts.into());
        }
        let Some((x, y)) = self.pair(&a, &b) else { return Value::Unknown };
        let elem = match (&x.elem, &y.elem) {
            (p, q) if p == q => p.clone(),
            (Elem::Class(p), Elem::Class(q)) if self.other_count(p, q) => {
                let (left, right) = (self.show_type(&x), self.show_type(&y));
                let message = format!("the two values have different types: {left} and {right}");
                return self.error(Code::E0310, message, span);
            }
            (Elem::Class(p), Elem::Class(_) | Elem::Int) | (Elem::Int, Elem::Class(p)) => Elem::Class(p.clone()),
            (Elem::Class(_), _) | (_, Elem::Class(_)) => {
                let (left, right) = (self.show_type(&x), self.show_type(&y));
                let message = format!("the two values have different types: {left} and {right}");
                return self.error(Code::E0310, message, span);
            }
            (Elem::F32, _) | (_, Elem::F32) => Elem::F32,
            _ => Elem::Int,
        };
        let (x, y) = (self.convert(x, elem.clone(), a.1), self.convert(y, elem.clone(), b.1));
        let Some((x, y)) = self.align(x, y, [span, a.1, b.1]) else { return Value::Unknown };
        let Some((x, truth)) = self.align(x, truth, [span, a.1, span]) else { return Value::Unknown };
        let shape = truth.shape.clone();
        let axes: Vec<usize> = (0..shape.len()).collect();
        let y =
            if y.shape.len() == shape.len() { self.broadcast(y, &shape, axes, b.1) } else { self.fit_to(y, &x, b.1) };
        let node = self.push(Kind::Op(Op::Select), vec![truth.node, x.node, y.node], x.ty(), span);
        Value::Tensor(Tensor { node, elem, shape, classes: x.classes })
    }

    /// Whether two numbers of classes are known, and are not the same.
    fn other_count(&self, p: &Dim, q: &Dim) -> bool {
        let number = |dim: &Dim| self.program.atoms.resolve(dim).as_number();
        matches!((number(p), number(q)), (Some(p), Some(q)) if p != q)
    }

    /// A tensor of lower rank laid like another of known alignment.
    fn fit_to(&mut self, tensor: Tensor, like: &Tensor, span: Span) -> Tensor {
        let fallback = tensor.clone();
        self.align(tensor, like.clone(), [span, span, span]).map_or(fallback, |(left, _)| left)
    }
}

/// Whether an expression is made of names and numbers alone, so that it may be worked out once more.
fn is_of_sizes(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Name(_) | ExprKind::Number { .. } => true,
        ExprKind::Chain { first, rest } => is_of_sizes(first) && rest.iter().all(|(_, _, side)| is_of_sizes(side)),
        _ => false,
    }
}
