//! Statements of bodies: `let`, `param`, `state`, `next`, values.

use super::Checker;
use super::scope::FrameKind;
use super::typed::{NodeId, Slot, SlotId};
use super::value::{Elem, InstanceId, SlotValue, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Owner, Type};
use crate::source::Span;
use crate::syntax::ast::{Block, Declared, Expr, ExprKind, On, Path, Pattern, Stmt, StmtKind};

impl Checker<'_> {
    /// A block's statements, then its value.
    pub(super) fn block(&mut self, block: &Block) -> Value {
        for stmt in &block.stmts {
            self.body_stmt(stmt);
            if self.frame().refused {
                return Value::Unknown;
            }
        }
        match &block.value {
            Some(expr) => self.eval(expr),
            None => Value::None,
        }
    }

    /// A statement that may stand in any body.
    pub(super) fn body_stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { pattern, value, on } => self.let_stmt(pattern, value, on.as_ref()),
            StmtKind::Param(list) => {
                for declared in list {
                    self.declare(declared, Owner::Parameter);
                }
            }
            StmtKind::State(list) => {
                let owner = if self.frame().kind == FrameKind::Layer { Owner::State } else { Owner::TrainState };
                for declared in list {
                    self.declare(declared, owner);
                }
            }
            StmtKind::Next { target, value } => self.next_stmt(target, value),
            StmtKind::Emit(value) => self.emit_stmt(value, stmt.span, true),
            StmtKind::Final(value) => self.emit_stmt(value, stmt.span, false),
            StmtKind::Expr(expr) => self.expr_stmt(expr),
            StmtKind::Fn(_) => self.local_fn(stmt),
            StmtKind::Fit { name, value } => self.fit_stmt(name, value, stmt.span),
            StmtKind::Assert { condition, message, on: None } => self.require(condition, message.as_ref()),
            _ => {
                self.error(Code::E0403, "this statement has no place here", stmt.span);
            }
        }
    }

    /// An expression before the last line: only `if` and `for` do something there.
    fn expr_stmt(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::If { branches, otherwise } => {
                self.if_stmt(branches, otherwise.as_ref(), expr.span);
            }
            ExprKind::For { bindings, carries, body } if carries.is_empty() => {
                self.for_expr(bindings, carries, body, expr.span);
            }
            _ => {
                self.eval(expr);
                self.report(
                    Diagnostic::new(Code::E0405, "this value is not used", expr.span)
                        .help("only the last line of a body is its value: give this one a name with `let`"),
                );
            }
        }
    }

    /// `let pattern = value`
    pub(super) fn let_stmt(&mut self, pattern: &Pattern, value: &Expr, on: Option<&On>) {
        if let Some(on) = on {
            self.report(
                Diagnostic::new(Code::E0403, "a `let` with `on` stands at file level only", on.span)
                    .help("`watch` follows a figure on `val`; in `every` blocks `print` and `plot` take `on`"),
            );
            return self.bind_pattern(pattern, Value::Unknown);
        }
        let hint = match pattern {
            Pattern::Name(name) => Some(name.text.as_str()),
            Pattern::Tuple(..) => None,
        };
        let value = self.eval_named(value, hint);
        self.bind_pattern(pattern, value);
    }

    /// Evaluates what a `let` binds: an instance made there takes the `let`'s name.
    pub(super) fn eval_named(&mut self, expr: &Expr, hint: Option<&str>) -> Value {
        let value = match (&expr.kind, hint) {
            (ExprKind::Call { callee, args }, Some(hint)) => self.call_named(callee, args, expr.span, hint),
            _ => self.eval(expr),
        };
        // A name for an already named value is a value of its own: `grad` by it means this name.
        match value {
            Value::Tensor(tensor) if matches!(expr.kind, ExprKind::Name(_)) => {
                Value::Tensor(self.alias(tensor, expr.span))
            }
            other => other,
        }
    }

    /// Binds a pattern's names.
    pub(super) fn bind_pattern(&mut self, pattern: &Pattern, value: Value) {
        self.bind_names(pattern, value, false);
    }

    /// Binds a pattern's names; with `at_run` known numbers under them are handed over when the program runs.
    pub(super) fn bind_names(&mut self, pattern: &Pattern, value: Value, at_run: bool) {
        match pattern {
            Pattern::Name(name) => {
                let value = self.link(value, &name.text, at_run);
                match &value {
                    Value::Tensor(tensor) => self.name_node(tensor.node, &name.text),
                    Value::List(items) => self.name_list(items),
                    _ => {}
                }
                self.bind(&name.text, value, name.span);
            }
            Pattern::Tuple(parts, span) => {
                let values = match value {
                    Value::Tuple(values) | Value::List(values) if values.len() == parts.len() => values.to_vec(),
                    Value::Unknown => vec![Value::Unknown; parts.len()],
                    other => {
                        let count = match &other {
                            Value::Tuple(values) | Value::List(values) => format!(" of {}", values.len()),
                            _ => String::new(),
                        };
                        let message = format!("{} names for {}{count}", parts.len(), other.describe());
                        self.error(Code::E0304, message, *span);
                        vec![Value::Unknown; parts.len()]
                    }
                };
                for (part, value) in parts.iter().zip(values) {
                    self.bind_names(part, value, at_run);
                }
            }
        }
    }

    /// `param` or `state`: the slot is made at the first elaboration and found again at later ones.
    pub(super) fn declare(&mut self, declared: &Declared, owner: Owner) {
        let name = &declared.name;
        match self.frame().kind {
            FrameKind::Fn => {
                self.report(
                    Diagnostic::new(Code::E0403, "a `fn` owns nothing: no `param` or `state` in it", name.span)
                        .help("make it a `layer`"),
                );
                self.bind(&name.text, Value::Unknown, name.span);
                return;
            }
            FrameKind::Optimizer | FrameKind::Train if owner == Owner::Parameter => {
                self.error(Code::E0403, "`param` stands in a layer, a model, or the file", name.span);
                self.bind(&name.text, Value::Unknown, name.span);
                return;
            }
            _ => {}
        }
        if self.frame().scans > 0 && owner != Owner::Parameter {
            self.report(
                Diagnostic::new(Code::E0403, "`state` has no place in a `scan`", name.span)
                    .help("what goes from turn to turn is a carry: `with h = start`, then `next h = ...`"),
            );
            self.bind(&name.text, Value::Unknown, name.span);
            return;
        }
        if self.block.is_some() && !self.open {
            self.report(
                Diagnostic::new(Code::E0403, "a data block has no `param` or `state`", name.span)
                    .help("what a transform learns from the training part is a `fit`: `fit mu = mean(x, along = 0)`"),
            );
            self.bind(&name.text, Value::Unknown, name.span);
            return;
        }
        let value = match self.declared_type(declared) {
            Some((elem, ..)) if owner == Owner::Parameter && elem != Elem::F32 => {
                let place = declared.ty.as_ref().map_or(name.span, |ty| ty.span);
                self.report(
                    Diagnostic::new(Code::E0305, format!("a `param` is of f32, `{}` is not", name.text), place)
                        .help("what is not trained is a `let`, a `const` or a `state`"),
                )
            }
            Some((elem, shape, init)) => self.slot_for(declared, owner, elem, shape, init),
            None => Value::Unknown,
        };
        self.bind(&name.text, value, name.span);
    }

    fn slot_for(
        &mut self,
        declared: &Declared,
        owner: Owner,
        elem: Elem,
        shape: Vec<super::dims::Dim>,
        init: Option<Tensor>,
    ) -> Value {
        let name = &declared.name;
        if self.frame().kind == FrameKind::Optimizer && !self.open {
            return self.optimizer_slot(&name.text, elem, shape, init, name.span);
        }
        let sizes = self.numbers_of(&shape);
        let Some(sizes) = sizes else {
            if !self.open {
                let shown = self.program.atoms.show_shape(&shape);
                self.report(
                    Diagnostic::new(
                        Code::E0401,
                        format!("`{}` has a size that is not known: {shown}", name.text),
                        name.span,
                    )
                    .help("the size of a parameter may not depend on the number of rows"),
                );
                return Value::Unknown;
            }
            // Inside a definition's own check any slot will do.
            let slot = self.new_slot(&name.text, owner, Type::new(elem.dtype(), Vec::new()), name.span);
            return Value::Slot(SlotValue { slot, elem, shape });
        };
        let instance = self.frame().owner;
        let applied_before = self.frame().kind == FrameKind::Layer;
        // In a body each turn of a loop has its own: `for1[0].w`.
        let key = if applied_before { format!("{}{}", self.loops_prefix(), name.text) } else { name.text.clone() };
        let mut known = self.instances[instance.0 as usize].slots.iter().filter(|_| applied_before);
        if let Some((_, slot)) = known.find(|(known, _)| *known == key).cloned() {
            return self.same_slot(declared, slot, elem, shape, &sizes);
        }
        let path = self.slot_path(instance, &key);
        let slot = self.new_slot(&path, owner, Type::new(elem.dtype(), sizes), name.span);
        let value = SlotValue { slot, elem, shape };
        let seen = self.slot_value(slot);
        let seen = SlotValue { elem: value.elem.clone(), ..seen };
        let order =
            if instance.0 == 0 { (self.statement, self.seed) } else { self.instances[instance.0 as usize].order };
        self.instances[instance.0 as usize].slots.push((key, seen));
        if let Some(init) = init {
            self.inits.push((order, slot, init.node));
        }
        Value::Slot(value)
    }

    /// A later application of an instance must agree with the first.
    fn same_slot(
        &mut self,
        declared: &Declared,
        slot: SlotValue,
        elem: Elem,
        shape: Vec<super::dims::Dim>,
        sizes: &[usize],
    ) -> Value {
        let known = self.program.slot(slot.slot).clone();
        if known.ty.shape != sizes {
            let path = known.path.clone();
            let message = format!("`{path}` has shape {:?}, and this use needs {sizes:?}", known.ty.shape);
            return self.report(
                Diagnostic::new(Code::E0408, message, declared.name.span)
                    .also(known.applied, "its sizes were fixed by this application")
                    .also(self.instances[self.frame().owner.0 as usize].made, "the instance was made here")
                    .help("an instance has one set of parameters: make a second one for other sizes"),
            );
        }
        Value::Slot(SlotValue { slot: slot.slot, elem, shape })
    }

    /// Sizes as numbers, if all are known.
    pub(super) fn numbers_of(&self, shape: &[super::dims::Dim]) -> Option<Vec<usize>> {
        shape
            .iter()
            .map(|dim| self.program.atoms.resolve(dim).as_number().and_then(|size| usize::try_from(size).ok()))
            .collect()
    }

    /// The path of a slot of an instance, unique in the program.
    fn slot_path(&mut self, instance: InstanceId, name: &str) -> String {
        let owner = &self.instances[instance.0 as usize].path;
        let path = if owner.is_empty() { name.to_string() } else { format!("{owner}.{name}") };
        self.unique_path(path)
    }

    /// A second slot of the same path (turns of a file-level `for`) gets a number.
    pub(super) fn unique_path(&mut self, path: String) -> String {
        let count = self.paths.entry(path.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { path } else { format!("{path}~{count}") }
    }

    /// A new slot.
    pub(super) fn new_slot(&mut self, path: &str, owner: Owner, ty: Type, span: Span) -> SlotId {
        let applied = self.user_call().unwrap_or(span);
        self.program.slots.push(Slot { path: path.to_string(), ty, owner, span, applied });
        self.versions.push(0);
        SlotId(self.program.slots.len() as u32 - 1)
    }

    /// `next path = value`
    fn next_stmt(&mut self, target: &Path, value: &Expr) {
        let new = self.eval(value);
        if self.frame().kind == FrameKind::Fn && self.frame().carries.is_empty() {
            self.report(
                Diagnostic::new(Code::E0403, "a `fn` is pure: `next` has no place in it", target.span)
                    .help("give the new value back, or make this a `layer`"),
            );
            return;
        }
        if target.rest.is_empty() && self.set_carry(&target.head.text, &new, target.span) {
            return;
        }
        if self.frame().kind == FrameKind::Optimizer && target.rest.is_empty() && target.head.text == "w" {
            self.set_updated(new, value.span, target.span);
            return;
        }
        if self.frame().kind == FrameKind::Fn {
            self.error(Code::E0403, "a `fn` is pure: `next` sets nothing outside of it", target.span);
            return;
        }
        let destination = self.path_value(target);
        if self.frame().kind == FrameKind::Optimizer && !self.open && !self.is_own_state(&destination) {
            self.report(
                Diagnostic::new(Code::E0403, "an optimiser sets `w` and its own states", target.span)
                    .help("what a train keeps beside is set in the train: `next name = ...`"),
            );
            return;
        }
        if let Value::Instance(_) | Value::Params(_) = destination
            && let Some(slots) = self.whole_list(&destination)
        {
            self.set_all(&slots, &new, value.span, target.span);
            return;
        }
        if let Some(slot) = self.slot_at(target) {
            self.write(&slot, &new, value.span, target.span);
        }
    }

    /// Whether a value is a state of an optimiser, or in error.
    fn is_own_state(&self, value: &Value) -> bool {
        match value {
            Value::Slot(slot) => self.program.slot(slot.slot).owner == Owner::OptimizerState,
            Value::Unknown => true,
            _ => false,
        }
    }

    /// `next M = list`: all parameters at once.
    fn set_all(&mut self, slots: &[SlotId], new: &Value, value_span: Span, span: Span) {
        let values = match new {
            Value::List(values) if values.len() == slots.len() => values.to_vec(),
            Value::Params(from) if from.len() == slots.len() => {
                from.iter().map(|&slot| Value::Slot(self.slot_value(slot))).collect()
            }
            Value::Unknown => return,
            other => {
                let message =
                    format!("{} parameters are set by a list of as many; this is {}", slots.len(), other.describe());
                self.error(Code::E0304, message, value_span);
                return;
            }
        };
        for (&slot, value) in slots.iter().zip(&values) {
            let slot = self.slot_value(slot);
            self.write(&slot, value, value_span, span);
        }
    }

    /// Whether the application at hand has set a state itself.
    pub(super) fn is_set_here(&self, slot: SlotId) -> bool {
        self.phase.set_in.get(&slot).is_some_and(|(place, _)| *place == self.frame().place)
    }

    /// What a slot was last set to in this step.
    pub(super) fn last_write(&self, slot: SlotId) -> Option<NodeId> {
        self.phase.writes.iter().rev().find(|(written, _, _)| *written == slot).map(|write| write.1)
    }

    /// Sets a slot for the next step.
    pub(super) fn write(&mut self, slot: &SlotValue, value: &Value, value_span: Span, span: Span) {
        let tensor = self.tensor_like(value, &slot.elem, value_span);
        let Some(tensor) = tensor.and_then(|tensor| self.fit(tensor, &slot.shape, value_span, "the new value")) else {
            self.phase.spoiled.insert(slot.slot);
            return;
        };
        let earlier = self.phase.writes.iter().find(|(written, _, _)| *written == slot.slot).map(|write| write.2);
        // Layer state is threaded: each application sets it once.
        let threaded = self.program.slot(slot.slot).owner == Owner::State;
        let elsewhere = threaded && !self.is_set_here(slot.slot);
        if elsewhere {
            let found = self.last_write(slot.slot);
            self.phase.set_in.insert(slot.slot, (self.frame().place.clone(), found));
        }
        match earlier {
            Some(earlier) if !elsewhere => {
                self.report(
                    Diagnostic::new(Code::E0406, "this is set twice in one step", span)
                        .also(earlier, "set here before"),
                );
            }
            _ => self.phase.writes.push((slot.slot, tensor.node, span)),
        }
    }

    /// A value as a tensor of an element type (known numbers and ints fit).
    pub(super) fn tensor_like(&mut self, value: &Value, elem: &Elem, span: Span) -> Option<Tensor> {
        if let Some(tensor) = self.number_tensor(value, elem, span) {
            return Some(tensor);
        }
        let tensor = self.tensor(value, span)?;
        match (&tensor.elem, elem) {
            (Elem::Int | Elem::Bool, Elem::F32) | (Elem::Bool, Elem::Int) => {
                Some(self.convert(tensor, elem.clone(), span))
            }
            (a, b) if a.dtype() == b.dtype() => Some(Tensor { elem: elem.clone(), ..tensor }),
            _ => {
                let wanted = self.show_type(&Tensor { elem: elem.clone(), shape: Vec::new(), ..tensor.clone() });
                let message = format!("{wanted} is wanted here, this is {}", self.show_type(&tensor));
                self.error(Code::E0305, message, span);
                None
            }
        }
    }

    /// A tensor brought to a shape: equal, or a scalar spread out.
    pub(super) fn fit(&mut self, tensor: Tensor, shape: &[super::dims::Dim], span: Span, what: &str) -> Option<Tensor> {
        if tensor.shape.is_empty() {
            return Some(self.splat(tensor, shape, span));
        }
        let differs = |checker: &Self, a: &super::dims::Dim, b: &super::dims::Dim| {
            checker.program.atoms.same(a, b) == Some(false)
                && checker.program.atoms.resolve(a) != checker.program.atoms.resolve(b)
        };
        if tensor.shape.len() != shape.len() || tensor.shape.iter().zip(shape).any(|(a, b)| differs(self, a, b)) {
            let (have, want) = (self.program.atoms.show_shape(&tensor.shape), self.program.atoms.show_shape(shape));
            let message = if shape.is_empty() {
                format!("{what} has shape {have}, and a scalar is wanted")
            } else {
                format!("{what} has shape {have}, and {want} is wanted")
            };
            self.error(Code::E0301, message, span);
            return None;
        }
        Some(Tensor { shape: shape.to_vec(), ..tensor })
    }
}
