//! Files: their order-free names, and their statements in order.

use std::collections::HashMap;
use std::rc::Rc;

use super::call::Given;
use super::scope::{Frame, FrameKind, Phase};
use super::typed::{Action, ActionKind, Eval, SlotId};
use super::value::{Def, DefId, DefKind, InstanceId, Value};
use super::{Checker, FileScope, Item, ItemValue, limits};
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, Block, Expr, ExprKind, Name, Pattern, Stmt, StmtKind};

/// Slots that get their first values together: order and seed, slots, values.
type FirstValues = ((usize, i64), Vec<SlotId>, Vec<super::typed::NodeId>);

impl Checker<'_> {
    /// The prelude is file 0: all its texts share one set of names.
    pub(super) fn load_prelude(&mut self) {
        self.files.push(FileScope {
            id: FileId(u32::MAX),
            ast: Rc::default(),
            items: HashMap::new(),
            behind: None,
            missing: None,
            brought: true,
        });
        for (name, text) in crate::prelude::FILES {
            let id = self.sources.add(format!("<prelude>/{name}"), *text);
            self.prelude.push(id);
            let (file, diagnostics) = crate::syntax::parse(id, text);
            self.diagnostics.extend(diagnostics);
            self.add_items(0, &file);
        }
        self.frames.push(Frame::new(FrameKind::File, 0, InstanceId(0), "", Span::default()));
    }

    /// Adds a file's names and the files it imports; its index.
    pub(super) fn add_file(&mut self, id: FileId, file: ast::File, behind: Option<usize>) -> usize {
        let index = self.files.len();
        let file = Rc::new(file);
        self.files.push(FileScope {
            id,
            ast: file.clone(),
            items: HashMap::new(),
            behind,
            missing: None,
            brought: false,
        });
        self.add_items(index, &file);
        for stmt in &file.stmts {
            if let StmtKind::Import { path, alias } = &stmt.kind {
                self.import(index, path, alias.as_ref());
            }
        }
        index
    }

    fn add_items(&mut self, index: usize, file: &ast::File) {
        for stmt in &file.stmts {
            match &stmt.kind {
                StmtKind::Fn(definition) => self.add_item_def(index, DefKind::Fn, definition),
                StmtKind::Layer(definition) => self.add_item_def(index, DefKind::Layer, definition),
                StmtKind::Optimizer(definition) => self.add_item_def(index, DefKind::Optimizer, definition),
                StmtKind::Const(list) => {
                    for (name, expr) in list {
                        self.add_item(index, name, ItemValue::Const(Rc::new(expr.clone())));
                    }
                }
                _ => {}
            }
        }
    }

    fn add_item_def(&mut self, index: usize, kind: DefKind, definition: &ast::Definition) {
        let id = self.add_definition(kind, definition, index);
        self.add_item(index, &definition.name, ItemValue::Def(id));
    }

    /// A definition of a file.
    pub(super) fn add_definition(&mut self, kind: DefKind, definition: &ast::Definition, file: usize) -> DefId {
        let broken = self.unparsed.within(definition.body.span);
        let args: Vec<&ast::Arg> = definition.settings.iter().chain(&definition.inputs).collect();
        for (at, arg) in args.iter().enumerate() {
            if let Some(first) = args[..at].iter().find(|first| first.name.text == arg.name.text) {
                let message = format!("`{}` has two arguments `{}`", definition.name.text, arg.name.text);
                self.report(Diagnostic::new(Code::E0202, message, arg.name.span).also(first.name.span, "the first"));
            }
        }
        self.definitions.push(Def { kind, ast: Rc::new(definition.clone()), file, broken, around: None });
        DefId(self.definitions.len() as u32 - 1)
    }

    pub(super) fn add_item(&mut self, index: usize, name: &Name, value: ItemValue) {
        let item = Item { value, span: name.span };
        if let Some(first) = self.files[index].items.insert(name.text.clone(), item) {
            let message = format!("`{}` is defined twice", name.text);
            self.report(
                Diagnostic::new(Code::E0202, message, name.span)
                    .also(first.span, "first defined here")
                    .help("give one of them another name"),
            );
            // Which of the two a use means is not known.
            let unknown = Item { value: ItemValue::Value(Value::Unknown), span: name.span };
            self.files[index].items.insert(name.text.clone(), unknown);
        }
    }

    /// `--set NAME=VALUE`
    pub(super) fn apply_settings(&mut self, main: usize) {
        for (name, text) in &self.options.set {
            if !self.was_set.contains(name) && !self.set_const(main, name, name, text) {
                let file = &self.files[main];
                let consts: Vec<&str> = file
                    .items
                    .iter()
                    .filter(|(_, item)| matches!(item.value, ItemValue::Const(_)))
                    .map(|(name, _)| name.as_str())
                    .collect();
                let near = nearest(name, consts.iter().copied()).map(str::to_string);
                let mut listed: Vec<String> = consts.iter().map(|name| name.to_string()).collect();
                listed.sort();
                let span = Span::new(file.id, 0, 0);
                let mut diagnostic =
                    Diagnostic::new(Code::E0410, format!("--set: this file has no const `{name}`"), span);
                diagnostic = match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None if listed.is_empty() => diagnostic.help("it has no const at all"),
                    None => diagnostic.help(format!("it has {}", listed.join(", "))),
                };
                self.report(diagnostic);
            }
        }
    }

    /// Gives a const of a file another value; false if it has none of this name. `shown` is what the user calls it.
    pub(super) fn set_const(&mut self, file: usize, name: &str, shown: &str, text: &str) -> bool {
        let item = self.files[file].items.get(name).map(|item| (item.value.clone(), item.span));
        let Some((ItemValue::Const(expr), span)) = item else { return false };
        match setting(&expr, text) {
            Some(value) => {
                let value = self.link(value, name, true);
                self.files[file].items.insert(name.to_string(), Item { value: ItemValue::Value(value), span });
            }
            None => {
                let message = format!("--set: `{shown}` is a number, `{text}` is none");
                self.report(Diagnostic::new(Code::E0410, message, span).here("its value in the file"));
            }
        }
        true
    }

    /// A const, computed when first met, in its own file.
    pub(super) fn compute_const(&mut self, file: usize, name: &str, expr: &Expr) -> Value {
        self.set_item(file, name, ItemValue::Computing);
        self.compute_needed(file, expr);
        self.compute_one(file, name, expr)
    }

    /// Computes the consts that `expr` needs, innermost first and without recursion: chains of them may be long.
    fn compute_needed(&mut self, file: usize, expr: &Expr) {
        let unmet = |expr: &Expr| limits::names_in(expr).into_iter().map(|name| (name, None));
        // A name is met twice: before what it needs, and with its expression after that has been computed.
        let mut stack: Vec<(String, Option<Rc<Expr>>)> = unmet(expr).collect();
        while let Some((name, ready)) = stack.pop() {
            if let Some(expr) = ready {
                self.compute_one(file, &name, &expr);
                continue;
            }
            let Some(ItemValue::Const(expr)) = self.files[file].items.get(&name).map(|item| item.value.clone()) else {
                continue;
            };
            self.set_item(file, &name, ItemValue::Computing);
            stack.push((name, Some(expr.clone())));
            stack.extend(unmet(&expr));
        }
    }

    fn compute_one(&mut self, file: usize, name: &str, expr: &Expr) -> Value {
        let phase = std::mem::take(&mut self.phase);
        let frames = std::mem::take(&mut self.frames);
        self.frames.push(Frame::new(FrameKind::File, file, InstanceId(0), "", expr.span));
        let value = self.eval(expr);
        // The library's are of the library, nobody sweeps over them.
        let at_run = !self.prelude.contains(&expr.span.file);
        let value = self.link(value, name, at_run);
        self.frames = frames;
        self.phase = phase;
        self.set_item(file, name, ItemValue::Value(value.clone()));
        // What a definition's own check computes goes with it; known values hold nothing that could.
        if self.open && !matches!(value, Value::Number(..) | Value::Bool(_) | Value::Text(_) | Value::Unknown) {
            self.open_consts.push((file, name.to_string(), Rc::new(expr.clone())));
        }
        value
    }

    /// Forgets the consts that a definition's own check computed.
    pub(super) fn forget_open_consts(&mut self) {
        for (file, name, expr) in std::mem::take(&mut self.open_consts) {
            self.set_item(file, &name, ItemValue::Const(expr));
        }
    }

    fn set_item(&mut self, file: usize, name: &str, value: ItemValue) {
        if let Some(item) = self.files[file].items.get_mut(name) {
            item.value = value;
        }
    }

    /// The main file's statements in order.
    pub(super) fn run_file(&mut self, main: usize) {
        let file = self.files[main].ast.clone();
        self.frames = vec![Frame::new(FrameKind::File, main, InstanceId(0), "", Span::default())];
        // Every const is computed, also one that nothing uses: its errors are errors.
        for stmt in &file.stmts {
            if let StmtKind::Const(list) = &stmt.kind {
                for (name, _) in list {
                    self.item(main, &name.text, name.span);
                }
            }
        }
        for stmt in &file.stmts {
            self.file_stmt(stmt);
            if self.exhausted {
                break;
            }
        }
    }

    /// One statement of the file (or of a file-level `for`).
    pub(super) fn file_stmt(&mut self, stmt: &Stmt) {
        self.statement += 1;
        self.phase = Phase::default();
        let place = self.statement_place(stmt);
        if let Some(last) = self.frames.last_mut() {
            last.place = place;
            last.counters.clear();
        }
        match &stmt.kind {
            StmtKind::Const(_) => {}
            StmtKind::Import { path, alias } => self.bring(path.1, alias.as_ref()),
            // Those of the file itself are there before its first statement; a turn of a `for` has its own.
            StmtKind::Fn(definition) => self.turn_definition(DefKind::Fn, definition),
            StmtKind::Layer(definition) => self.turn_definition(DefKind::Layer, definition),
            StmtKind::Optimizer(definition) => self.turn_definition(DefKind::Optimizer, definition),
            StmtKind::Model(definition) => self.model(definition),
            StmtKind::Data { name, source, like, body } => {
                self.only_once(name);
                self.data_item(name, source, like.as_ref(), body.as_deref(), stmt.span);
            }
            StmtKind::Train { subject, on, log, body } => {
                self.train_item(subject.as_ref(), on.as_ref(), log.as_ref(), body, stmt.span);
            }
            StmtKind::Let { pattern, value, on: Some(on) } => self.let_on(pattern, value, on, stmt.span),
            StmtKind::Let { pattern, .. } => {
                self.beside_items(pattern);
                self.body_stmt(stmt);
                self.keep_evaluated(pattern, stmt.span);
            }
            StmtKind::Next { .. } => {
                self.body_stmt(stmt);
                self.file_writes(stmt.span);
            }
            StmtKind::Expr(expr) => self.file_expr(expr),
            StmtKind::Print { values, on } => self.print(values, on.as_ref(), stmt.span),
            StmtKind::Assert { condition, message, on } => {
                self.assert(condition, message.as_ref(), on.as_ref(), stmt.span)
            }
            StmtKind::Save { what, to } => self.save(what, to, stmt.span),
            StmtKind::Load { what, from, at } => self.load(what, from, at.as_ref(), stmt.span),
            StmtKind::Seed(value) => {
                let known = self.eval(value);
                if let Some(seed) = self.whole(&known, "a seed", value.span) {
                    self.seed = seed;
                }
            }
            StmtKind::Plot { values, on, to } => {
                if let Some(kind) = self.plot_action(values, on.as_ref(), to.as_ref()) {
                    self.act(kind, stmt.span);
                }
            }
            StmtKind::Record { values, on, into } => self.record(values, on.as_ref(), into, stmt.span),
            StmtKind::Param(list) | StmtKind::State(list) => {
                for declared in list {
                    self.only_once(&declared.name);
                }
                self.body_stmt(stmt);
            }
            _ => self.body_stmt(stmt),
        }
    }

    /// A file-level `for` or `if`: its body holds statements of the file.
    fn file_expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::For { bindings, carries, body } if carries.is_empty() => self.file_for(bindings, body),
            ExprKind::If { branches, otherwise } => {
                for (at, (condition, block)) in branches.iter().enumerate() {
                    match self.eval(condition) {
                        Value::Bool(true) => {
                            self.file_block(block);
                            return self.names_of_others(&branches[at + 1..], otherwise.as_ref());
                        }
                        Value::Bool(false) => self.names_only(block),
                        Value::Unknown => return,
                        other => {
                            let message = format!("a condition in the file is known, this is {}", other.describe());
                            self.error(Code::E0401, message, condition.span);
                            return;
                        }
                    }
                }
                if let Some(block) = otherwise {
                    self.file_block(block);
                }
            }
            _ => {
                self.eval(expr);
                self.report(
                    Diagnostic::new(Code::E0405, "this value is not used", expr.span).help(format!(
                        "print it: `print {}`",
                        self.sources.text(expr.span).lines().next().unwrap_or("")
                    )),
                );
            }
        }
    }

    fn file_for(&mut self, bindings: &[(Pattern, Expr)], body: &Block) {
        let mut lists = Vec::new();
        for (_, expr) in bindings {
            let value = self.eval(expr);
            match self.items_of(&value, expr.span) {
                Some(items) => lists.push(items),
                None => return,
            }
        }
        let span = bindings.first().map_or(body.span, |(_, list)| list.span);
        let total = self.turns_of(&lists.iter().map(Vec::len).collect::<Vec<_>>(), span);
        for turn in 0..total {
            self.spend(1, bindings.first().map_or(Span::default(), |(_, list)| list.span));
            if self.exhausted {
                break;
            }
            self.turns.push(turn as u32);
            self.scoped(|checker| {
                let mut rest = turn;
                for ((pattern, _), list) in bindings.iter().zip(&lists).rev() {
                    checker.bind_names(pattern, list[rest % list.len()].clone(), true);
                    rest /= list.len();
                }
                checker.file_block(body);
            });
            self.turns.pop();
        }
    }

    /// The place of what a statement draws: by what it binds, or by its number among those of its kind, so that another
    /// `print` between two `let`s changes no draw.
    fn statement_place(&mut self, stmt: &Stmt) -> String {
        let mut place = match &stmt.kind {
            StmtKind::Let { pattern, .. } => {
                let names: Vec<&str> = pattern.names().into_iter().map(|name| name.text.as_str()).collect();
                format!("let {}", names.join(","))
            }
            StmtKind::Print { .. } => "print".to_string(),
            StmtKind::Plot { .. } => "plot".to_string(),
            StmtKind::Assert { .. } => "assert".to_string(),
            StmtKind::Record { .. } => "record".to_string(),
            _ => "file".to_string(),
        };
        for turn in &self.turns {
            place += &format!("[{turn}]");
        }
        let number = self.statement_places.entry(place.clone()).or_insert(0);
        *number += 1;
        format!("{place}{number}")
    }

    fn file_block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            self.file_stmt(stmt);
        }
        if let Some(value) = &block.value {
            self.statement += 1;
            self.file_expr(value);
        }
    }

    /// A definition in a `for` of the file.
    fn turn_definition(&mut self, kind: DefKind, definition: &ast::Definition) {
        if !self.turns.is_empty() {
            self.bind_definition(kind, definition);
        }
    }

    /// A `param`, `model` or `data` of the file may not take a name that the file has already.
    fn only_once(&mut self, name: &Name) {
        if self.frames.len() > 1 || !self.turns.is_empty() {
            return;
        }
        let frame = self.frame();
        let bound = frame.scopes.iter().rev().find_map(|scope| scope.get(&name.text)).map(|binding| binding.span);
        let first = bound.or_else(|| self.files[frame.file].items.get(&name.text).map(|item| item.span));
        if let Some(first) = first.filter(|first| *first != name.span) {
            let message = format!("`{}` is defined twice", name.text);
            self.report(
                Diagnostic::new(Code::E0202, message, name.span)
                    .also(first, "first defined here")
                    .help("give one of them another name"),
            );
        }
    }

    /// A `let` of the file may not take the name of a definition of the file.
    fn beside_items(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Tuple(parts, _) => parts.iter().for_each(|part| self.beside_items(part)),
            Pattern::Name(name) => {
                let item = self.files[self.frame().file].items.get(&name.text);
                let first = item.map(|item| item.span).filter(|first| first.file == name.span.file);
                if let Some(first) = first.filter(|_| self.turns.is_empty()) {
                    let message = format!("`{}` is defined twice", name.text);
                    self.report(
                        Diagnostic::new(Code::E0202, message, name.span)
                            .also(first, "first defined here")
                            .help("give one of them another name"),
                    );
                }
            }
        }
    }

    pub(super) fn model(&mut self, definition: &ast::Definition) {
        let file = self.frame().file;
        self.only_once(&definition.name);
        let known = self.model_definitions.get(&definition.name.span).copied();
        let id = known.unwrap_or_else(|| self.add_definition(DefKind::Model, definition, file));
        let order = (self.statement, self.seed);
        let name = &definition.name;
        // What an import brings is called as the importing file calls it, also in files of weights.
        let path = format!("{}{}", self.frame().path, name.text);
        let instance = self.new_instance(Some(id), Vec::new(), path, name.span, order);
        self.bind(&name.text, Value::Instance(instance), name.span);
    }

    /// Writes of a file-level `next` happen at once.
    fn file_writes(&mut self, span: Span) {
        let writes = std::mem::take(&mut self.phase.writes);
        if writes.is_empty() {
            return;
        }
        let slots: Vec<SlotId> = writes.iter().map(|(slot, _, _)| *slot).collect();
        let outputs = writes.iter().map(|(_, node, _)| *node).collect();
        let eval = Eval { outputs, on: None, seed: self.seed };
        self.act(ActionKind::Set { slots: slots.clone(), eval }, span);
        self.written(&slots);
    }

    /// Slots got new values: what was computed from the old ones is of the past.
    pub(super) fn written(&mut self, slots: &[SlotId]) {
        for slot in slots {
            self.versions[slot.index()] += 1;
        }
        self.writes += 1;
    }

    /// Appends an action at the statement at hand.
    pub(super) fn act(&mut self, kind: ActionKind, span: Span) {
        self.actions.push(((self.statement, 1), Action { kind, span }));
    }

    /// First values that wait become one `Set` before the statement that declared them.
    pub(super) fn flush_inits(&mut self) {
        let mut groups: Vec<FirstValues> = Vec::new();
        let mut places: HashMap<(usize, i64), usize> = HashMap::new();
        for (order, slot, node) in std::mem::take(&mut self.inits) {
            let at = *places.entry(order).or_insert_with(|| {
                groups.push((order, Vec::new(), Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(slot);
            groups[at].2.push(node);
        }
        for ((statement, seed), slots, outputs) in groups {
            let span = self.program.slot(slots[0]).span;
            let eval = Eval { outputs, on: None, seed };
            self.actions.push(((statement, 0), Action { kind: ActionKind::Set { slots, eval }, span }));
        }
    }

    /// Arguments without names.
    pub(super) fn plain(values: Vec<Value>, span: Span) -> Vec<Given> {
        values.into_iter().map(|value| (None, value, span)).collect()
    }
}

/// The value of `--set`: a text where the const is one, true or false where it is that, else a number.
fn setting(expr: &Expr, text: &str) -> Option<Value> {
    match (&expr.kind, text) {
        (ExprKind::Text(_), _) => return Some(Value::Text(text.into())),
        (ExprKind::Bool(_), "true") => return Some(Value::Bool(true)),
        (ExprKind::Bool(_), "false") => return Some(Value::Bool(false)),
        _ => {}
    }
    let number: f64 = text.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
    Some(if number.fract() == 0.0 && number.abs() < 9e15 { Value::int(number as i64) } else { Value::float(number) })
}
