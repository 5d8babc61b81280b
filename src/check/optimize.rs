//! `minimize`: gradients of the objective, and the optimiser inlined once a parameter.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::Checker;
use super::call::Given;
use super::scope::{Frame, FrameKind};
use super::typed::{Clock, Kind, NodeId, SlotId};
use super::value::{DefKind, Elem, Rule, SlotValue, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Binary, DType, Op, Owner, Type};
use crate::source::Span;
use crate::syntax::ast::{CallArg, Definition, Expr, ExprKind, Group, StmtKind};

/// What an optimiser's body sees of the parameter at hand.
#[derive(Clone, Debug)]
pub(super) struct Optimizing {
    /// The parameter (or what an outer rule gives as such).
    pub w: Tensor,
    /// Whose update this is.
    slot: SlotId,
    /// The new value, once `next w` has set it.
    updated: Option<Tensor>,
    /// All parameters of the minimize with their gradients.
    all: Rc<Vec<(SlotId, Tensor, Tensor)>>,
    /// The objective.
    loss: Tensor,
    /// The rule whose body this is.
    rule: Rc<Rule>,
    /// Rules around it, for the paths of states: `adamw.`.
    prefix: String,
    /// Sums over all parameters that were computed already, by the place of the call.
    totals: Rc<std::cell::RefCell<HashMap<(Span, String), Value>>>,
}

impl Checker<'_> {
    /// `minimize objective over ... with ...`: the writes of the phase at hand.
    pub(super) fn minimize(
        &mut self,
        loss: &Tensor,
        groups: &[Group],
        subject: Option<&Value>,
        span: Span,
    ) -> Vec<SlotId> {
        let reached = self.differentiable(loss.node);
        let mut taken: Vec<(SlotId, Span)> = Vec::new();
        let mut planned = Vec::new();
        // `rest` is what no group names, wherever it stands.
        let (rest, named): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.over.iter().any(is_rest));
        for group in named.into_iter().chain(rest) {
            let Some(mut slots) = self.targets(group, subject, &reached, &taken) else { continue };
            let earlier: Vec<SlotId> = taken.iter().map(|(slot, _)| *slot).collect();
            for &slot in &slots {
                if let Some((_, first)) = taken.iter().find(|(known, _)| *known == slot) {
                    let (path, first) = (self.program.slot(slot).path.clone(), *first);
                    self.report(
                        Diagnostic::new(Code::E0503, format!("`{path}` is in two groups"), group.span)
                            .also(first, "it is here already"),
                    );
                    continue;
                }
                taken.push((slot, group.span));
            }
            slots.retain(|slot| !earlier.contains(slot));
            planned.push((group, slots));
        }
        if taken.is_empty() {
            self.report(
                Diagnostic::new(Code::E0501, "the objective depends on no parameter: there is nothing to train", span)
                    .help("declare a `param`, or train a `model`"),
            );
            return Vec::new();
        }
        self.update_groups(loss, planned, &reached)
    }

    fn update_groups(
        &mut self,
        loss: &Tensor,
        planned: Vec<(&Group, Vec<SlotId>)>,
        reached: &HashSet<NodeId>,
    ) -> Vec<SlotId> {
        let mut all = Vec::new();
        for (group, slots) in &planned {
            for &slot in slots {
                let seen = self.slot_value(slot);
                let w = self.read(&seen, group.span);
                if !reached.contains(&w.node) {
                    let path = self.program.slot(slot).path.clone();
                    let declared = self.program.slot(slot).span;
                    // What nothing names is said at the end, at its own place.
                    if self.unused.contains(&declared) {
                        continue;
                    }
                    let mut diagnostic = Diagnostic::new(
                        Code::W0802,
                        format!("`{path}` receives no gradient: it will not change"),
                        group.span,
                    );
                    if !self.prelude.contains(&declared.file) {
                        diagnostic = diagnostic.also(declared, "declared here");
                    }
                    self.report(diagnostic);
                    continue;
                }
                let g = self.grad_node(loss, &w, group.span);
                self.name_node(g.node, &format!("{}_adj", self.program.slot(slot).path));
                all.push((slot, w, g));
            }
        }
        let all = Rc::new(all);
        let totals = Rc::default();
        let mut trained = Vec::new();
        for (group, slots) in planned {
            let rule = match self.eval(&group.with) {
                Value::Rule(rule) => rule,
                Value::Def(id) if self.definitions[id.0 as usize].kind == DefKind::Optimizer => {
                    match self.settings(id, Vec::new(), group.with.span) {
                        Some(settings) => Rc::new(Rule { definition: id, settings, span: group.with.span }),
                        None => continue,
                    }
                }
                Value::Unknown => continue,
                other => {
                    let message = format!("`with` takes an optimiser, this is {}", other.describe());
                    self.report(
                        Diagnostic::new(Code::E0304, message, group.with.span).help("for example `adam(1e-3)`"),
                    );
                    continue;
                }
            };
            for (slot, w, g) in all.iter().filter(|(slot, _, _)| slots.contains(slot)) {
                let current = Optimizing {
                    w: w.clone(),
                    slot: *slot,
                    updated: None,
                    all: all.clone(),
                    loss: loss.clone(),
                    rule: rule.clone(),
                    prefix: String::new(),
                    totals: Rc::clone(&totals),
                };
                if let Some(new) = self.run_rule(current, g.clone(), group.with.span) {
                    let target = self.slot_value(*slot);
                    self.write(&target, &Value::Tensor(new), group.span, group.span);
                    trained.push(*slot);
                }
            }
        }
        trained
    }

    /// The parameters of a group.
    fn targets(
        &mut self,
        group: &Group,
        subject: Option<&Value>,
        reached: &HashSet<NodeId>,
        taken: &[(SlotId, Span)],
    ) -> Option<Vec<SlotId>> {
        let whole = |checker: &Self| match subject {
            Some(value) => checker.whole_list(value).unwrap_or_default(),
            None => checker.reached_parameters(reached),
        };
        if group.over.is_empty() {
            return Some(whole(self));
        }
        let mut slots = Vec::new();
        for target in &group.over {
            if is_rest(target) {
                let rest = match subject {
                    Some(_) => whole(self),
                    None => self.reached_parameters(reached),
                };
                slots.extend(rest.into_iter().filter(|slot| !taken.iter().any(|(known, _)| known == slot)));
                continue;
            }
            let value = self.eval(target);
            match self.whole_list(&value) {
                Some(list) => slots.extend(list),
                None if matches!(value, Value::Unknown) => return None,
                None => {
                    let message = format!("`over` takes models, layers or parameters, this is {}", value.describe());
                    self.error(Code::E0304, message, target.span);
                    return None;
                }
            }
        }
        Some(slots)
    }

    /// Parameters that the objective depends on, in order of making.
    fn reached_parameters(&self, reached: &HashSet<NodeId>) -> Vec<SlotId> {
        let mut slots: Vec<SlotId> = reached
            .iter()
            .filter_map(|node| match self.program.node(*node).kind {
                Kind::Read { slot, .. } if self.program.slot(slot).owner == Owner::Parameter => Some(slot),
                _ => None,
            })
            .collect();
        slots.sort();
        slots.dedup();
        slots
    }

    /// Nodes that a derivative can flow back to.
    pub(super) fn differentiable(&self, from: NodeId) -> HashSet<NodeId> {
        let mut seen = HashSet::new();
        let mut stack = vec![from];
        while let Some(id) = stack.pop() {
            let node = self.program.node(id);
            if node.ty.dtype != DType::F32 || !seen.insert(id) {
                continue;
            }
            if !matches!(node.kind, Kind::Op(Op::StopGradient)) {
                stack.extend(&node.operands);
            }
        }
        seen
    }

    /// Runs an optimiser's body for one parameter; its new value.
    fn run_rule(&mut self, current: Optimizing, g: Tensor, span: Span) -> Option<Tensor> {
        let rule = current.rule.clone();
        let def = self.definitions[rule.definition.0 as usize].clone();
        if def.broken || self.frames.len() > 100 {
            return None;
        }
        self.push_optimizer(&def.ast, def.file, &rule, &current, g, span);
        self.optimizing.push(current);
        let block = &def.ast.body;
        for stmt in &block.stmts {
            self.body_stmt(stmt);
        }
        let done = self.optimizing.pop();
        self.frames.pop();
        match done.and_then(|done| done.updated) {
            Some(new) => Some(new),
            None => {
                if self.errors() == 0 {
                    let message = format!("`{}` never sets `next w`", def.ast.name.text);
                    self.report(Diagnostic::new(Code::E0403, message, span).also(def.ast.name.span, "defined here"));
                }
                None
            }
        }
    }

    fn push_optimizer(
        &mut self,
        ast: &Definition,
        file: usize,
        rule: &Rule,
        current: &Optimizing,
        g: Tensor,
        span: Span,
    ) {
        let path = format!("{}/{}", self.program.slot(current.slot).path, ast.name.text);
        let owner = self.frame().owner;
        self.frames.push(Frame::new(FrameKind::Optimizer, file, owner, path, span));
        for (arg, value) in ast.settings.iter().zip(&rule.settings) {
            self.bind(&arg.name.text, value.clone(), arg.name.span);
        }
        let t = self.turn(span);
        for (name, value) in [("w", current.w.clone()), ("g", g), ("t", t), ("loss", current.loss.clone())] {
            self.bind(name, Value::Tensor(value), span);
        }
    }

    /// The number of this update, from 1.
    fn turn(&mut self, span: Span) -> Tensor {
        if let Some(node) = self.phase.turn {
            return Tensor { node, elem: Elem::F32, shape: Vec::new(), classes: None };
        }
        let step = self.push(Kind::Clock(Clock::Step), Vec::new(), Type::scalar(DType::F32), span);
        let step = Tensor { node: step, elem: Elem::F32, shape: Vec::new(), classes: None };
        let one = self.constant(1.0, &Elem::F32, span);
        let turn = self.binary(Binary::Add, step, one, span);
        self.name_node(turn.node, "t");
        self.phase.turn = Some(turn.node);
        turn
    }

    /// `rule(w, g)` inside an optimiser: the new value that the other rule would give.
    pub(super) fn apply_rule(&mut self, rule: &Rc<Rule>, given: Vec<Given>, span: Span) -> Value {
        let Some(outer) = self.optimizing.last().cloned() else {
            return self.report(
                Diagnostic::new(Code::E0403, "an optimiser is applied inside an optimiser only", span)
                    .help("`minimize ... with` takes it as it is"),
            );
        };
        let [(_, w, w_span), (_, g, g_span)] = given.as_slice() else {
            return self.error(Code::E0204, "an optimiser is applied to `w` and `g`", span);
        };
        let (Some(w), Some(g)) = (self.tensor(w, *w_span), self.tensor(g, *g_span)) else { return Value::Unknown };
        let name = self.definitions[rule.definition.0 as usize].ast.name.text.clone();
        let prefix = format!("{}{name}.", outer.prefix);
        let current = Optimizing { w, rule: rule.clone(), prefix, updated: None, ..outer };
        self.run_rule(current, g, span).map_or(Value::Unknown, Value::Tensor)
    }

    /// `next w = ...`
    pub(super) fn set_updated(&mut self, new: Value, value_span: Span, span: Span) {
        let Some(shape) = self.optimizing.last().map(|current| current.w.shape.clone()) else { return };
        let tensor = match (&new, self.optimizing.last()) {
            (Value::Unknown, Some(current)) => current.w.clone(),
            _ => {
                let Some(tensor) = self.tensor_like(&new, &Elem::F32, value_span) else { return };
                let Some(tensor) = self.fit(tensor, &shape, value_span, "the new `w`") else { return };
                tensor
            }
        };
        if let Some(current) = self.optimizing.last_mut()
            && current.updated.replace(tensor).is_some()
        {
            self.error(Code::E0406, "`next w` is set twice", span);
        }
    }

    /// `next w` as an expression.
    pub(super) fn updated(&self) -> Option<Tensor> {
        self.optimizing.last().and_then(|current| current.updated.clone())
    }

    /// The slot of a state of the parameter at hand.
    pub(super) fn optimizer_slot(
        &mut self,
        name: &str,
        elem: Elem,
        shape: Vec<super::dims::Dim>,
        init: Option<Tensor>,
        span: Span,
    ) -> Value {
        let Some(current) = self.optimizing.last().cloned() else { return Value::Unknown };
        let Some(sizes) = self.numbers_of(&shape) else { return Value::Unknown };
        let path = format!("{}/{}{name}", self.program.slot(current.slot).path, current.prefix);
        let path = self.unique_path(path);
        let slot = self.new_slot(&path, Owner::OptimizerState, Type::new(elem.dtype(), sizes), span);
        if let Some(init) = init {
            self.inits.push(((self.statement, self.seed), slot, init.node));
        }
        Value::Slot(SlotValue { slot, elem, shape })
    }

    /// `total(e)`: the sum of a scalar over all parameters of the minimize.
    pub(super) fn total(&mut self, args: &[CallArg], span: Span) -> Value {
        let Some(current) = self.optimizing.last().cloned() else {
            return self.error(
                Code::E0403,
                "`total` sums over the parameters of a `minimize`: it stands in an optimiser",
                span,
            );
        };
        let [CallArg { name: None, value }] = args else {
            return self.error(Code::E0204, "`total` takes one scalar", span);
        };
        if self.open {
            self.eval(value);
            return Value::Tensor(self.open_tensor(Elem::F32, Vec::new(), span));
        }
        let key = (span, current.prefix.clone());
        if let Some(known) = current.totals.borrow().get(&key) {
            return known.clone();
        }
        let mut sum: Option<Tensor> = None;
        for (slot, w, g) in current.all.iter() {
            let one = Optimizing { w: w.clone(), slot: *slot, updated: None, ..current.clone() };
            let term = self.term(one, g.clone(), value);
            let Some(term) = self.tensor(&term, value.span) else { return Value::Unknown };
            if !term.shape.is_empty() {
                let message = format!("`total` sums scalars, this is {}", self.show_type(&term));
                return self.report(Diagnostic::new(Code::E0311, message, value.span).help("take `sum(...)` of it"));
            }
            let term = self.convert(term, Elem::F32, span);
            sum = Some(match sum {
                None => term,
                Some(sum) => self.binary(Binary::Add, sum, term, span),
            });
        }
        let result = sum.map_or(Value::Unknown, Value::Tensor);
        current.totals.borrow_mut().insert(key, result.clone());
        result
    }

    /// The summand of one parameter: the `let`s above it are computed for that parameter.
    fn term(&mut self, current: Optimizing, g: Tensor, value: &Expr) -> Value {
        let rule = current.rule.clone();
        let def = self.definitions[rule.definition.0 as usize].clone();
        self.push_optimizer(&def.ast, def.file, &rule, &current, g, value.span);
        self.optimizing.push(current);
        for stmt in &def.ast.body.stmts {
            if matches!(stmt.kind, StmtKind::Let { .. }) && stmt.span.end <= value.span.start {
                self.body_stmt(stmt);
            }
        }
        let result = self.eval(value);
        self.optimizing.pop();
        self.frames.pop();
        result
    }

    /// An optimiser's own check: one parameter of open length.
    pub(super) fn open_optimizer(&mut self, ast: &Definition) {
        let span = ast.name.span;
        let length = super::dims::Dim::atom(self.program.atoms.name("n", None, span));
        let w = self.open_tensor(Elem::F32, vec![length.clone()], span);
        let g = self.open_tensor(Elem::F32, vec![length], span);
        let scalar = self.open_tensor(Elem::F32, Vec::new(), span);
        for (name, value) in [("w", &w), ("g", &g), ("t", &scalar), ("loss", &scalar)] {
            self.bind(name, Value::Tensor(value.clone()), span);
        }
        let slot = self.new_slot("w", Owner::Parameter, Type::new(DType::F32, Vec::new()), span);
        let definition = self.inlining.last().copied().unwrap_or(super::value::DefId(0));
        let rule = Rc::new(Rule { definition, settings: Vec::new(), span });
        self.optimizing.push(Optimizing {
            w,
            slot,
            updated: None,
            all: Rc::default(),
            loss: scalar,
            rule,
            prefix: String::new(),
            totals: Rc::default(),
        });
        for stmt in &ast.body.stmts {
            self.body_stmt(stmt);
        }
        self.optimizing.pop();
    }
}

/// `rest` among the targets of a group.
fn is_rest(target: &Expr) -> bool {
    matches!(&target.kind, ExprKind::Name(name) if name == "rest")
}
