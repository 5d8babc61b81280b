//! Lists of parameters, and derivatives by names.

use std::collections::HashSet;

use super::Checker;
use super::call::Given;
use super::intrinsics::Args;
use super::typed::{Kind, NodeId, SlotId};
use super::value::{Elem, InstanceId, LinkId, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Op, Owner};
use crate::source::Span;

impl Checker<'_> {
    /// All parameters that a value stands for, in path order; `None` if it is no such thing.
    pub(super) fn whole_list(&self, value: &Value) -> Option<Vec<SlotId>> {
        match value {
            Value::Params(slots) => Some(slots.to_vec()),
            Value::Slot(slot) => Some(vec![slot.slot]),
            Value::Instance(instance) | Value::Frozen(instance) | Value::Fresh(instance, _) => {
                Some(self.parameters_of(*instance))
            }
            Value::List(items) => {
                let lists: Option<Vec<_>> = items.iter().map(|item| self.whole_list(item)).collect();
                Some(lists?.concat())
            }
            // What one turn of a loop made.
            Value::Record(fields) => {
                let lists: Option<Vec<_>> = fields.iter().map(|(_, value)| self.whole_list(value)).collect();
                Some(lists?.concat())
            }
            _ => None,
        }
    }

    /// Parameters of an instance and of all that it made, depth first in order of making.
    pub(super) fn parameters_of(&self, instance: InstanceId) -> Vec<SlotId> {
        self.slots_of(instance).into_iter().filter(|slot| self.program.slot(*slot).owner == Owner::Parameter).collect()
    }

    /// Parameters and states.
    pub(super) fn slots_of(&self, instance: InstanceId) -> Vec<SlotId> {
        let entry = &self.instances[instance.0 as usize];
        let mut slots: Vec<SlotId> = entry.slots.iter().map(|(_, slot)| slot.slot).collect();
        for (_, child) in &entry.children {
            slots.extend(self.slots_of(*child));
        }
        // What an instance was given as a setting is reached by its call as well.
        for setting in &entry.settings {
            if let Value::Instance(inner) = setting {
                slots.extend(self.slots_of(*inner));
            }
        }
        let mut seen = HashSet::new();
        slots.retain(|slot| seen.insert(*slot));
        slots
    }

    /// A list that must not be empty: an instance has parameters only once it was applied.
    pub(super) fn list_arg(&mut self, args: &Args, span: Span) -> Option<Vec<SlotId>> {
        let (value, place) = args[0].clone()?;
        let Some(slots) = self.whole_list(&value) else {
            let message = format!("a model, a layer or parameters are wanted here, this is {}", value.describe());
            self.error(Code::E0304, message, place);
            return None;
        };
        if slots.is_empty()
            && let Value::Instance(instance) = value
            && self.instances[instance.0 as usize].applied.is_none()
            && !self.open
        {
            if self.phase.early.is_some() {
                self.phase.early = Some(true);
                return None;
            }
            let path = self.instances[instance.0 as usize].path.clone();
            self.report(
                Diagnostic::new(Code::E0401, format!("the parameters of `{path}` are not known yet"), place)
                    .help("their sizes come from its first application: write that first"),
            );
            return None;
        }
        let _ = span;
        Some(slots)
    }

    /// `weights(m)`: rank 2 and more; `biases(m)`: the rest.
    pub(super) fn weights(&mut self, args: &Args, weights: bool, span: Span) -> Value {
        let Some(slots) = self.list_arg(args, span) else { return Value::Unknown };
        let chosen: Vec<SlotId> =
            slots.into_iter().filter(|slot| (self.program.slot(*slot).ty.rank() >= 2) == weights).collect();
        Value::Params(chosen.into())
    }

    /// `pick(m, "*.w")`
    pub(super) fn pick(&mut self, args: &Args, span: Span) -> Value {
        let Some(slots) = self.list_arg(args, span) else { return Value::Unknown };
        let Some((Value::Text(pattern), place)) = args[1].clone() else {
            return self.error(Code::E0304, "`pick` needs a text such as \"*.w\"", span);
        };
        let chosen: Vec<SlotId> =
            slots.into_iter().filter(|slot| matches(&pattern, &self.program.slot(*slot).path)).collect();
        if chosen.is_empty() {
            return self.error(Code::E0502, format!("no parameter has a path like \"{pattern}\""), place);
        }
        Value::Params(chosen.into())
    }

    /// `clone(m)`: a copy with slots of its own, starting from the values at hand.
    pub(super) fn clone_call(&mut self, args: &Args, span: Span) -> Value {
        let Some((Value::Instance(from), _)) = args[0].clone() else {
            return self.error(Code::E0304, "`clone` copies a model or a layer", span);
        };
        let entry = &self.instances[from.0 as usize];
        let (definition, settings, path) = (entry.definition, entry.settings.clone(), format!("{}'", entry.path));
        let applied = entry.applied.is_some();
        let order = (self.statement, self.seed);
        let copy = self.new_instance(definition, settings, path, span, order);
        if applied || self.open {
            self.copy_instance(from, copy, span);
        } else {
            self.clones.push((from, copy, span));
        }
        Value::Instance(copy)
    }

    /// Fills a copy that has nothing yet.
    fn copy_instance(&mut self, from: InstanceId, to: InstanceId, span: Span) {
        let source = self.instances[from.0 as usize].clone();
        let (path, order) = (self.instances[to.0 as usize].path.clone(), self.instances[to.0 as usize].order);
        self.instances[to.0 as usize].applied = source.applied;
        for (name, slot) in source.slots {
            let kept = self.program.slot(slot.slot).clone();
            let unique = self.unique_path(format!("{path}.{name}"));
            let copy = self.new_slot(&unique, kept.owner, kept.ty, span);
            let value = self.read(&slot, span);
            self.inits.push((order, copy, value.node));
            let copied = super::value::SlotValue { slot: copy, ..slot };
            self.instances[to.0 as usize].slots.push((name, copied));
        }
        for (name, child) in source.children {
            let entry = &self.instances[child.0 as usize];
            let (definition, settings) = (entry.definition, entry.settings.clone());
            let copy = self.new_instance(definition, settings, format!("{path}.{name}"), span, order);
            self.copy_instance(child, copy, span);
            let places: Vec<_> =
                source.places.iter().filter(|(_, made)| **made == child).map(|(key, _)| key.clone()).collect();
            let entry = &mut self.instances[to.0 as usize];
            entry.names.insert(name.clone(), 0);
            entry.children.push((name, copy));
            entry.places.extend(places.into_iter().map(|key| (key, copy)));
        }
    }

    /// The sizes of an instance are known now: copies that were made of it before get theirs.
    pub(super) fn finish_clones(&mut self, from: InstanceId) {
        let waiting: Vec<(InstanceId, Span)> =
            self.clones.iter().filter(|(source, ..)| *source == from).map(|(_, copy, span)| (*copy, *span)).collect();
        self.clones.retain(|(source, ..)| *source != from);
        // The copy's first values are those before this step, whatever it has set so far or holds still.
        let (frozen, writes) = (std::mem::take(&mut self.phase.frozen), std::mem::take(&mut self.phase.writes));
        for (copy, span) in waiting {
            self.copy_instance(from, copy, span);
            self.finish_clones(copy);
        }
        (self.phase.frozen, self.phase.writes) = (frozen, writes);
    }

    /// A copy that is applied before what it was copied from: the same arguments fix the sizes of that.
    pub(super) fn apply_original(&mut self, copy: InstanceId, given: &[Given], span: Span) {
        let Some(&(from, ..)) = self.clones.iter().find(|(_, waiting, _)| *waiting == copy) else { return };
        let (writes, calls, applied) = (self.phase.writes.len(), self.phase.calls.clone(), self.phase.applied.clone());
        self.apply(from, given.to_vec(), span);
        self.phase.writes.truncate(writes);
        self.phase.calls = calls;
        self.phase.applied = applied;
    }

    /// `fresh(m)`, `fresh(m, training = true)`
    pub(super) fn fresh(&mut self, args: &Args, span: Span) -> Value {
        let Some((Value::Instance(instance), _)) = args[0] else {
            return self.error(Code::E0304, "`fresh` draws anew in a model or a layer", span);
        };
        match &args[1] {
            None => Value::Fresh(instance, false),
            Some((Value::Bool(training), _)) => Value::Fresh(instance, *training),
            Some((other, place)) => {
                let message = format!("`training` is `true` or `false`, this is {}", other.describe());
                self.error(Code::E0401, message, *place)
            }
        }
    }

    /// `core.context(m)`: how long the sequences were that m was applied to first, `none` if it was not.
    pub(super) fn context(&mut self, args: &Args, span: Span) -> Value {
        match args[0] {
            Some((Value::Instance(instance) | Value::Frozen(instance) | Value::Fresh(instance, _), _)) => {
                let length = self.instances[instance.0 as usize].context.clone();
                length.map_or(Value::None, |length| Value::size(self.program.atoms.resolve(&length)))
            }
            _ => self.error(Code::E0304, "a model or a layer has a context", span),
        }
    }

    /// `frozen(m)`
    pub(super) fn frozen(&mut self, args: &Args, span: Span) -> Value {
        match args[0].clone() {
            Some((Value::Instance(instance), _)) => Value::Frozen(instance),
            _ => self.error(Code::E0304, "`frozen` holds a model or a layer", span),
        }
    }

    /// `grad(e, a, ...)`: derivatives of a scalar by names.
    pub(super) fn grad(&mut self, given: Vec<Given>, span: Span) -> Value {
        let mut given = given.into_iter();
        let Some((_, of, of_span)) = given.next() else {
            return self.error(Code::E0204, "`grad` needs what is derived, then by what: `grad(L, w)`", span);
        };
        let by: Vec<Given> = given.collect();
        if by.is_empty() {
            return self.error(Code::E0204, "`grad` needs by what: `grad(L, w)`", span);
        }
        let follows = |of: Option<LinkId>, by: &Value| match (of, by) {
            (Some(of), Value::Number(_, Some(by))) => self.is_computed_from(of, *by),
            _ => false,
        };
        if let Value::Number(_, link) = of
            && !by.iter().all(|(_, by, _)| follows(link, by))
        {
            return self.report(
                Diagnostic::new(Code::E0404, "this is a known number, which depends on nothing", of_span)
                    .help("make what it is derived by a `param`"),
            );
        }
        let Some(of) = self.tensor(&of, of_span) else { return Value::Unknown };
        if !of.shape.is_empty() {
            let message = format!("`grad` derives a scalar, this is {}", self.show_type(&of));
            return self
                .report(Diagnostic::new(Code::E0311, message, of_span).help("take `sum(...)` or `mean(...)` of it"));
        }
        let reached: HashSet<NodeId> = self.reached(of.node).into_iter().collect();
        self.spend(reached.len() / 4, span);
        let mut results: Vec<Value> = by.iter().map(|by| self.grad_by(&of, &reached, by, [span, of_span])).collect();
        if results.len() == 1 { results.swap_remove(0) } else { Value::Tuple(results.into()) }
    }

    fn grad_by(&mut self, of: &Tensor, reached: &HashSet<NodeId>, by: &Given, [span, of_span]: [Span; 2]) -> Value {
        let (_, value, place) = by;
        match value {
            Value::Unknown => return Value::Unknown,
            Value::Params(_) | Value::Instance(_) | Value::List(_) | Value::Record(_)
                if let Some(slots) = self.whole_list(value) =>
            {
                let each: Vec<Value> = slots
                    .iter()
                    .map(|&slot| {
                        let slot = Value::Slot(self.slot_value(slot));
                        self.grad_by(of, reached, &(None, slot, *place), [span, of_span])
                    })
                    .collect();
                return Value::List(each.into());
            }
            _ => {}
        }
        let Some(wrt) = self.tensor(value, *place) else { return Value::Unknown };
        if wrt.elem != Elem::F32 {
            let message = format!("only f32 values have derivatives, this is {}", self.show_type(&wrt));
            return self.error(Code::E0404, message, *place);
        }
        if let Value::Number(_, Some(link)) = value
            && let Some(total) = self.grad_by_known(of, reached, *link, &wrt, span)
        {
            return Value::Tensor(total);
        }
        if !reached.contains(&wrt.node) && !self.open {
            let text = self.sources.text(*place).to_string();
            let what = self.sources.text(of_span).lines().next().unwrap_or_default().to_string();
            let mut diagnostic = Diagnostic::new(Code::E0404, format!("`{what}` does not depend on `{text}`"), *place)
                .also(of_span, "what is derived");
            diagnostic = if self.written_since(value) {
                diagnostic.help(format!("`{text}` has changed since: compute it again below"))
            } else if matches!(value, Value::Number(..)) {
                diagnostic.help("`grad` derives by names: a `param`, a `let`, a column")
            } else if matches!(value, Value::Tensor(_)) {
                diagnostic.help("`grad` derives by a name: give it one with `let` and use the name")
            } else {
                diagnostic.help("only what is computed from it has a derivative by it")
            };
            return self.report(diagnostic);
        }
        Value::Tensor(self.grad_node(of, &wrt, span))
    }

    /// The derivative node.
    pub(super) fn grad_node(&mut self, of: &Tensor, wrt: &Tensor, span: Span) -> Tensor {
        let node = self.push(Kind::Grad, vec![of.node, wrt.node], wrt.ty(), span);
        Tensor { node, elem: Elem::F32, shape: wrt.shape.clone(), classes: None }
    }

    /// Whether a slot has been written at file level.
    fn written_since(&self, value: &Value) -> bool {
        matches!(value, Value::Slot(slot) if self.versions[slot.slot.index()] > 0)
    }

    /// `stop_gradient(x)`
    pub(super) fn stop_gradient(&mut self, args: &Args, span: Span) -> Value {
        if let Some((Value::Tuple(items) | Value::List(items), place)) = args[0].clone() {
            let parts: Vec<Value> =
                items.iter().map(|item| self.stop_gradient(&vec![Some((item.clone(), place))], span)).collect();
            return Value::Tuple(parts.into());
        }
        let Some((tensor, _)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let shape = tensor.shape.clone();
        Value::Tensor(self.op(Op::StopGradient, &[tensor.node], tensor.elem, shape, span))
    }
}

/// `*` stands for any text.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return pattern == path };
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
