//! Calls: functions are inlined, templates make instances, instances are
//! applied, fillers get their shape.

use std::collections::HashMap;
use std::rc::Rc;

use super::Checker;
use super::dims::Dim;
use super::intrinsics::Intrinsic;
use super::scope::{Frame, FrameKind};
use super::typed::NodeId;
use super::value::{DefId, DefKind, Instance, InstanceId, Rule, SlotValue, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Arg, CallArg, Definition, Expr, ExprKind, Name, Stmt, StmtKind};

/// An evaluated argument: its name if given, its value, its place.
pub(super) type Given = (Option<Name>, Value, Span);

/// A layer inside of so many of its own kind makes itself.
const SELF_LIMIT: usize = 32;

/// Calls nested deeper than this are an error: definitions cannot recur, but templates can be passed around.
const CALL_LIMIT: usize = 256;
/// What a call costs, in expressions.
const CALL_WORK: usize = 3;
/// What the application of an instance costs besides.
const APPLY_WORK: usize = 20;

impl Checker<'_> {
    pub(super) fn call_expr(&mut self, callee: &Expr, args: &[CallArg], span: Span) -> Value {
        self.call_named(callee, args, span, "")
    }

    /// A call; an instance made by it gets the name `hint`, or its template's name and number.
    pub(super) fn call_named(&mut self, callee: &Expr, args: &[CallArg], span: Span, hint: &str) -> Value {
        self.callee = Some(callee.span);
        let target = self.eval(callee);
        if let Value::Intrinsic(Intrinsic::Total) = target {
            return self.total(args, span);
        }
        let given = self.eval_args(args);
        self.call(target, given, span, callee.span, hint)
    }

    fn eval_args(&mut self, args: &[CallArg]) -> Vec<Given> {
        args.iter()
            .map(|arg| {
                let value = self.eval(&arg.value);
                // `grad(e, x)` by a known name needs the name's own node, which only the link gives.
                (arg.name.clone(), value, arg.value.span)
            })
            .collect()
    }

    /// A stage of a pipe: the value becomes the first argument.
    pub(super) fn stage(&mut self, value: Value, from: Span, stage: &Expr) -> Value {
        if let Some(columns) = self.column_stage(&value, from, stage) {
            return columns;
        }
        match &stage.kind {
            ExprKind::Repeat { count, stages } => self.repeat(value, from, count, stages),
            ExprKind::Call { callee, args } => {
                self.callee = Some(callee.span);
                let target = self.eval(callee);
                let mut given = self.eval_args(args);
                let target = match target {
                    Value::Def(definition) if self.definitions[definition.0 as usize].kind == DefKind::Layer => {
                        let made = self.make(definition, given, stage.span, "");
                        given = Vec::new();
                        made
                    }
                    // `x |> frozen(m)`: what it gives is applied.
                    Value::Intrinsic(Intrinsic::Frozen | Intrinsic::Fresh | Intrinsic::Clone) => {
                        self.call(target, std::mem::take(&mut given), stage.span, callee.span, "")
                    }
                    other => other,
                };
                given.insert(0, (None, value, from));
                self.call(target, given, stage.span, callee.span, "")
            }
            _ => {
                self.callee = Some(stage.span);
                let target = self.eval(stage);
                let target = match target {
                    Value::Def(definition) if self.definitions[definition.0 as usize].kind == DefKind::Layer => {
                        self.make(definition, Vec::new(), stage.span, "")
                    }
                    other => other,
                };
                self.call(target, vec![(None, value, from)], stage.span, stage.span, "")
            }
        }
    }

    /// A call of a value.
    pub(super) fn call(&mut self, target: Value, given: Vec<Given>, span: Span, place: Span, hint: &str) -> Value {
        match target {
            Value::Unknown => Value::Unknown,
            Value::Intrinsic(intrinsic) => self.intrinsic(intrinsic, given, span),
            Value::Def(definition) => match self.definitions[definition.0 as usize].kind {
                DefKind::Fn => self.call_fn(definition, given, span),
                DefKind::Layer => self.make(definition, given, span, hint),
                DefKind::Optimizer => self.make_rule(definition, given, span),
                DefKind::Model => Value::Unknown,
            },
            Value::Instance(instance) => self.apply(instance, given, span),
            Value::Frozen(instance) => {
                self.phase.frozen += 1;
                let value = self.apply(instance, given, span);
                self.phase.frozen -= 1;
                value
            }
            Value::Fresh(instance, training) => self.apply_fresh(instance, training, given, span),
            Value::Rule(rule) => self.apply_rule(&rule, given, span),
            other => {
                let message = format!("{} cannot be called", other.describe());
                self.error(Code::E0206, message, place)
            }
        }
    }

    /// Whether the function's first argument is `shape`.
    pub(super) fn is_filler(&self, definition: DefId) -> bool {
        let ast = &self.definitions[definition.0 as usize].ast;
        self.definitions[definition.0 as usize].kind == DefKind::Fn
            && ast.inputs.first().is_some_and(|arg| arg.name.text == "shape")
    }

    /// Inlines a function.
    pub(super) fn call_fn(&mut self, definition: DefId, given: Vec<Given>, span: Span) -> Value {
        if self.is_filler(definition) && !self.gives_shape(&given) {
            // Whether what is not known is the shape is not known either.
            let open = given.first().is_some_and(|(name, value, _)| name.is_none() && matches!(value, Value::Unknown));
            return if open { Value::Unknown } else { Value::Partial(definition, given.into()) };
        }
        let def = self.definitions[definition.0 as usize].clone();
        if !self.enter(definition, span) {
            return Value::Unknown;
        }
        let name = &def.ast.name.text;
        let number = self.frame_mut().number(name);
        let path = self.frame().path.clone();
        let owner = self.frame().owner;
        let mut frame = Frame::new(FrameKind::Fn, def.file, owner, path, span);
        frame.place = format!("{}/{name}{number}{}", self.frame().place, self.frame().turns());
        frame.around = def.around.clone();
        self.frames.push(frame);
        let value = self.body_value(&def, given, span);
        self.leave(value)
    }

    fn gives_shape(&self, given: &[Given]) -> bool {
        given.iter().any(|(name, _, _)| name.as_ref().is_some_and(|name| name.text == "shape"))
            || given
                .first()
                .is_some_and(|(name, value, _)| name.is_none() && matches!(value, Value::List(_) | Value::Tuple(_)))
    }

    /// Calls a filler for a shape.
    pub(super) fn fill(&mut self, filler: &Value, shape: &[Dim], span: Span) -> Value {
        let sizes = Value::List(shape.iter().cloned().map(Value::size).collect::<Vec<_>>().into());
        let (definition, mut given) = match filler {
            Value::Def(definition) => (*definition, Vec::new()),
            Value::Partial(definition, given) => (*definition, given.to_vec()),
            _ => return Value::Unknown,
        };
        given.insert(0, (None, sizes, span));
        self.call_fn(definition, given, span)
    }

    fn enter(&mut self, definition: DefId, span: Span) -> bool {
        self.spend(CALL_WORK, span);
        if self.exhausted {
            return false;
        }
        let def = &self.definitions[definition.0 as usize];
        if def.broken {
            return false;
        }
        // A layer may be given another of its own kind as a setting, a few deep; a function never meets itself.
        let met = self.inlining.iter().filter(|inlined| **inlined == definition).count();
        let recurs = met > if def.kind == DefKind::Fn { 0 } else { SELF_LIMIT };
        if !recurs && self.frames.len() > CALL_LIMIT {
            return self.too_deep(span);
        }
        if recurs {
            let (name, defined) = (def.ast.name.text.clone(), def.ast.name.span);
            self.report(
                Diagnostic::new(Code::E0402, format!("`{name}` calls itself"), span)
                    .also(defined, "defined here")
                    .help("definitions are inlined, so they cannot recur: use `for`, or `repeat` in a pipe"),
            );
            return false;
        }
        self.inlining.push(definition);
        true
    }

    /// Too many calls inside of each other: none of the definitions at hand can be used, which is said once.
    fn too_deep(&mut self, span: Span) -> bool {
        self.report(
            Diagnostic::new(Code::E0117, format!("calls nested more than {CALL_LIMIT} deep"), span)
                .help("definitions are inlined, so they cannot recur: use `for`, or `repeat` in a pipe"),
        );
        for at in 0..self.inlining.len() {
            self.definitions[self.inlining[at].0 as usize].broken = true;
        }
        false
    }

    /// Binds the inputs and evaluates the body, in the frame just pushed.
    fn body_value(&mut self, def: &super::value::Def, given: Vec<Given>, span: Span) -> Value {
        if !self.bind_args(&def.ast.inputs, given, &def.ast.name.text, def.ast.name.span, span) {
            return Value::Unknown;
        }
        let value = self.block(&def.ast.body);
        if matches!(value, Value::None) && self.unparsed.within(def.ast.body.span) {
            return Value::Unknown;
        }
        match &def.ast.result {
            Some(ty) => self.match_result(value, ty, &def.ast),
            None => value,
        }
    }

    /// Leaves the innermost definition: its dims become the caller's.
    fn leave(&mut self, value: Value) -> Value {
        self.inlining.pop();
        let Some(frame) = self.frames.pop() else { return value };
        let outer = self.bindings(&frame);
        self.translate(value, &outer)
    }

    /// What the dims of a definition are to its caller.
    fn bindings(&self, frame: &Frame) -> HashMap<super::dims::AtomId, Dim> {
        let atoms = frame.dims.iter().filter_map(|(_, dim)| dim.as_atom());
        atoms.filter_map(|atom| self.program.atoms.binding(atom).map(|binding| (atom, binding.clone()))).collect()
    }

    fn translate(&mut self, value: Value, outer: &HashMap<super::dims::AtomId, Dim>) -> Value {
        let dims = |checker: &mut Self, shape: &[Dim]| -> Vec<Dim> {
            shape.iter().map(|dim| checker.program.atoms.leave(dim, &|atom| outer.get(&atom).cloned())).collect()
        };
        match value {
            Value::Tensor(tensor) => {
                let shape = dims(self, &tensor.shape);
                let elem = self.translate_elem(tensor.elem, outer);
                Value::Tensor(Tensor { shape, elem, ..tensor })
            }
            Value::Slot(slot) => Value::Slot(SlotValue { shape: dims(self, &slot.shape), ..slot }),
            Value::Number(super::value::Number::Size(dim), link) => {
                let dim = self.program.atoms.leave(&dim, &|atom| outer.get(&atom).cloned());
                Value::Number(super::value::Number::Size(dim), link)
            }
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.translate(item.clone(), outer)).collect::<Vec<_>>().into())
            }
            Value::Tuple(items) => {
                Value::Tuple(items.iter().map(|item| self.translate(item.clone(), outer)).collect::<Vec<_>>().into())
            }
            other => other,
        }
    }

    fn translate_elem(
        &mut self,
        elem: super::value::Elem,
        outer: &HashMap<super::dims::AtomId, Dim>,
    ) -> super::value::Elem {
        match elem {
            super::value::Elem::Class(count) => {
                super::value::Elem::Class(self.program.atoms.leave(&count, &|atom| outer.get(&atom).cloned()))
            }
            other => other,
        }
    }

    /// Makes an instance of a template: once per place.
    fn make(&mut self, definition: DefId, given: Vec<Given>, place: Span, hint: &str) -> Value {
        let def = self.definitions[definition.0 as usize].clone();
        if def.broken {
            return Value::Unknown;
        }
        let frame = self.frame();
        let (owner, unroll, kind) = (frame.owner, frame.unroll.clone(), frame.kind);
        if kind == FrameKind::Fn && !self.open {
            let message = format!("a `fn` owns nothing: it cannot make a `{}`", def.ast.name.text);
            return self.report(
                Diagnostic::new(Code::E0403, message, place)
                    .help("make it outside and pass it in, or make this a `layer`"),
            );
        }
        let settings = self.settings(definition, given, place);
        let Some(settings) = settings else { return Value::Unknown };
        let mut key = unroll;
        if owner.0 == 0 {
            key.extend(&self.turns);
        }
        if let Some(known) = self.instances[owner.0 as usize].places.get(&(place, key.clone())).copied() {
            // A dim among the settings is that of this application, a name of its own with the same size.
            self.instances[known.0 as usize].settings = settings;
            return Value::Instance(known);
        }
        let name = self.instance_name(owner, &def.ast.name.text, hint);
        let parent = &self.instances[owner.0 as usize];
        let path = if parent.path.is_empty() { name.clone() } else { format!("{}.{name}", parent.path) };
        let order = if owner.0 == 0 { (self.statement, self.seed) } else { parent.order };
        let id = self.new_instance(Some(definition), settings, path, place, order);
        let parent = &mut self.instances[owner.0 as usize];
        parent.places.insert((place, key), id);
        parent.names.insert(name.clone(), 0);
        parent.children.push((name, id));
        Value::Instance(id)
    }

    /// A new instance.
    pub(super) fn new_instance(
        &mut self,
        definition: Option<DefId>,
        settings: Vec<Value>,
        path: String,
        made: Span,
        order: (usize, i64),
    ) -> InstanceId {
        self.instances.push(Instance {
            definition,
            settings,
            path,
            slots: Vec::new(),
            children: Vec::new(),
            names: HashMap::new(),
            places: HashMap::new(),
            made,
            applied: None,
            context: None,
            order,
        });
        InstanceId(self.instances.len() as u32 - 1)
    }

    /// What the loops around put before a name: `repeat1[0].`.
    pub(super) fn loops_prefix(&self) -> String {
        let frame = self.frame();
        frame.loops.iter().zip(&frame.unroll).map(|(name, turn)| format!("{name}[{turn}].")).collect()
    }

    /// `let` name, or template name and number, after the loops around: `repeat1[0].attention1`.
    fn instance_name(&mut self, owner: InstanceId, template: &str, hint: &str) -> String {
        let prefix = self.loops_prefix();
        let taken = |name: &str| self.instances[owner.0 as usize].names.contains_key(name);
        if !hint.is_empty() && !taken(&format!("{prefix}{hint}")) {
            return format!("{prefix}{hint}");
        }
        // All numbers up to the last one given are taken. A stem is no name: it ends with a sign that names cannot have.
        let stem = format!("{prefix}{template}");
        let last = format!("{stem}#");
        let mut number = self.instances[owner.0 as usize].names.get(&last).map_or(1, |last| last + 1);
        while taken(&format!("{stem}{number}")) {
            number += 1;
        }
        self.instances[owner.0 as usize].names.insert(last, number);
        format!("{stem}{number}")
    }

    /// Values of all settings, in order of declaration.
    pub(super) fn settings(&mut self, definition: DefId, given: Vec<Given>, span: Span) -> Option<Vec<Value>> {
        let def = self.definitions[definition.0 as usize].clone();
        let owner = self.frame().owner;
        let path = self.frame().path.clone();
        self.frames.push(Frame::new(FrameKind::Layer, def.file, owner, path, span));
        let fine = self.bind_args(&def.ast.settings, given, &def.ast.name.text, def.ast.name.span, span);
        let frame = self.frames.pop()?;
        if !fine {
            return None;
        }
        let value = |arg: &Arg| frame.scopes[0].get(&arg.name.text).map(|binding| binding.value.clone());
        let values: Vec<Value> = def.ast.settings.iter().map(|arg| value(arg).unwrap_or(Value::Unknown)).collect();
        // A size is what it was given as: the axis of what `dense(D)` gives is D, not another one of D's size.
        let outer = self.bindings(&frame);
        Some(values.into_iter().map(|value| self.given_size(value, &outer)).collect())
    }

    fn given_size(&mut self, value: Value, outer: &HashMap<super::dims::AtomId, Dim>) -> Value {
        match self.translate(value, outer) {
            Value::Number(super::value::Number::Size(dim), link) => match dim.as_number() {
                Some(number) => Value::int(number),
                None => Value::Number(super::value::Number::Size(dim), link),
            },
            other => other,
        }
    }

    fn make_rule(&mut self, definition: DefId, given: Vec<Given>, span: Span) -> Value {
        match self.settings(definition, given, span) {
            Some(settings) => Value::Rule(Rc::new(Rule { definition, settings, span })),
            None => Value::Unknown,
        }
    }

    /// Applies an instance to inputs.
    pub(super) fn apply(&mut self, instance: InstanceId, given: Vec<Given>, span: Span) -> Value {
        let Some(definition) = self.instances[instance.0 as usize].definition else { return Value::Unknown };
        let key = self.call_key(instance, &given);
        if let Some(key) = &key
            && let Some(value) = self.phase.calls.get(key)
        {
            return value.clone();
        }
        let def = self.definitions[definition.0 as usize].clone();
        self.spend(APPLY_WORK, span);
        self.apply_original(instance, &given, span);
        if !self.enter(definition, span) {
            return Value::Unknown;
        }
        let first = self.instances[instance.0 as usize].applied.is_none();
        if first {
            self.instances[instance.0 as usize].applied = Some(span);
            let sequences = given.first().and_then(|(_, value, _)| match value {
                Value::Tensor(tensor) => tensor.shape.get(1).cloned(),
                _ => None,
            });
            self.instances[instance.0 as usize].context = sequences;
        }
        let applied = self.phase.applied.entry(instance).or_insert(0);
        *applied += 1;
        let suffix = if *applied > 1 { format!("@{applied}") } else { String::new() };
        let path = self.instances[instance.0 as usize].path.clone();
        let mut frame = Frame::new(FrameKind::Layer, def.file, instance, path.clone(), span);
        frame.place = match &self.phase.fresh {
            Some(place) => format!("{place}/{path}{suffix}"),
            None => format!("{path}{suffix}"),
        };
        self.frames.push(frame);
        let entry = &self.instances[instance.0 as usize];
        let settings: Vec<Given> = entry.settings.iter().map(|value| (None, value.clone(), entry.made)).collect();
        let bound = self.bind_args(&def.ast.settings, settings, &def.ast.name.text, def.ast.name.span, span);
        let value = if bound { self.body_value(&def, given, span) } else { Value::Unknown };
        let value = self.leave(value);
        if first {
            self.finish_clones(instance);
        }
        if let Some(key) = key {
            self.phase.calls.insert(key, value.clone());
        }
        value
    }

    /// An application that shares no draw with any other: its draws are of this place as well as of those inside.
    fn apply_fresh(&mut self, instance: InstanceId, training: bool, given: Vec<Given>, span: Span) -> Value {
        let number = self.frame_mut().number("fresh");
        let place = format!("{}/fresh{number}{}", self.frame().place, self.frame().turns());
        let place = self.phase.fresh.replace(place);
        let calls = std::mem::take(&mut self.phase.calls);
        let (outer, writes) = (self.phase.training, self.phase.writes.len());
        self.phase.training |= training;
        let value = self.apply(instance, given, span);
        // In evaluation nothing is set, whatever layers do in training.
        if training && !outer {
            self.phase.writes.truncate(writes);
        }
        (self.phase.training, self.phase.calls, self.phase.fresh) = (outer, calls, place);
        value
    }

    /// Two calls with the same arguments in one step are one value.
    fn call_key(&mut self, instance: InstanceId, given: &[Given]) -> Option<(InstanceId, Vec<NodeId>, bool)> {
        let mut nodes = Vec::new();
        for (name, value, span) in given {
            match value {
                Value::Tensor(tensor) if name.is_none() => nodes.push(tensor.node),
                Value::Slot(slot) if name.is_none() => {
                    let tensor = self.read(slot, *span);
                    nodes.push(tensor.node);
                }
                _ => return None,
            }
        }
        Some((instance, nodes, self.phase.training && self.phase.frozen == 0))
    }

    /// A `fn` inside a body: a local name for a definition.
    pub(super) fn local_fn(&mut self, stmt: &Stmt) {
        if let StmtKind::Fn(definition) = &stmt.kind {
            self.bind_definition(DefKind::Fn, definition);
        }
    }

    /// Binds a definition that stands in a body.
    pub(super) fn bind_definition(&mut self, kind: DefKind, definition: &Definition) {
        let file = self.frame().file;
        let id = self.add_definition(kind, definition, file);
        if self.frame().kind != FrameKind::File {
            self.definitions[id.0 as usize].around = Some(self.names_at_hand());
        }
        self.bind(&definition.name.text, Value::Def(id), definition.name.span);
    }
}
