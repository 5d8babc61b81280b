//! Branches that are not taken: their names, and nothing else.
//!
//! In: a block that a known condition leaves out. Out: what is wrong with its
//! names for certain, by the same diagnostics as elsewhere. Invariant: nothing
//! is elaborated, read or computed; where a name may come from what only
//! elaboration knows (columns, figures), nothing is reported.

use std::collections::HashSet;

use super::Checker;
use super::limits::names_in;
use super::picture::MarkKind;
use crate::source::Span;
use crate::syntax::ast::{
    Arg, Block, Declared, Definition, ElemExpr, Expr, ExprKind, IndexItem, Name, On, Path, PathStep, Pattern,
    ShapeItem, Stmt, StmtKind, TextPart, TypeExpr, TypeKind,
};

/// What an optimiser's body is given.
const OPTIMIZER_INPUTS: [&str; 4] = ["w", "g", "t", "loss"];

/// A block on its way through.
struct Names<'c, 'a> {
    checker: &'c mut Checker<'a>,
    /// Names that the block itself binds, by blocks, innermost last.
    bound: Vec<HashSet<String>>,
    /// How many places around see columns of a set that is not looked up.
    columns: u32,
    /// How many places around see names that only elaboration knows.
    open: u32,
}

impl Checker<'_> {
    /// Checks the names of a block that is not taken, once for each place in the text.
    pub(super) fn names_only(&mut self, block: &Block) {
        // What is called by a definition with open dims may be given something unknown, and then lacks dims.
        let called = self.open && self.frames.len() > 2;
        if self.exhausted || called || !self.named.insert(block.span) {
            return;
        }
        let mut names = Names { checker: self, bound: Vec::new(), columns: 0, open: 0 };
        names.block(block);
    }

    /// Whether rows of some set could give this name a meaning.
    fn may_be_column(&self, name: &str) -> bool {
        let unknown = self.columns_unknown || !self.blind.is_empty();
        unknown || name == "B" || self.sets.iter().any(|set| set.find(name).is_some())
    }
}

impl Names<'_, '_> {
    fn bind(&mut self, name: &str) {
        if let Some(innermost) = self.bound.last_mut() {
            innermost.insert(name.to_string());
        }
    }

    fn scoped(&mut self, inside: impl FnOnce(&mut Self)) {
        self.bound.push(HashSet::new());
        inside(self);
        self.bound.pop();
    }

    fn name(&mut self, name: &str, span: Span) {
        let known = self.open > 0
            || self.bound.iter().any(|block| block.contains(name))
            || self.columns > 0 && self.checker.may_be_column(name)
            || self.checker.meaning(name).is_some()
            // It may be bound by the time the branch is taken.
            || self.checker.bound_later(name).is_some();
        if !known {
            self.checker.unknown_name(name, span);
        }
    }

    fn block(&mut self, block: &Block) {
        self.scoped(|names| names.inside(block));
    }

    /// A block whose names the caller's scope takes.
    fn inside(&mut self, block: &Block) {
        // Definitions are free of order.
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Const(list) => list.iter().for_each(|(name, _)| self.bind(&name.text)),
                StmtKind::Fn(definition)
                | StmtKind::Layer(definition)
                | StmtKind::Model(definition)
                | StmtKind::Optimizer(definition) => self.bind(&definition.name.text),
                _ => {}
            }
        }
        block.stmts.iter().for_each(|stmt| self.stmt(stmt));
        self.optional(block.value.as_deref());
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Const(list) => list.iter().for_each(|(_, value)| self.expr(value)),
            StmtKind::Import { alias: Some(alias), .. } => self.bind(&alias.text),
            // What it brings is not known.
            StmtKind::Import { alias: None, .. } => self.open += 1,
            StmtKind::Fn(definition) | StmtKind::Layer(definition) | StmtKind::Model(definition) => {
                self.definition(definition, &[]);
            }
            StmtKind::Optimizer(definition) => self.definition(definition, &OPTIMIZER_INPUTS),
            // The source's columns are the block's names.
            StmtKind::Data { name, .. } => self.bind(&name.text),
            StmtKind::Train { subject, on, log, body } => {
                subject.iter().for_each(|path| self.path(path));
                self.on(on.as_ref(), |names| names.block(body));
                log.iter().for_each(|log| self.bind(&log.text));
            }
            StmtKind::Let { pattern, value, on } => {
                self.on(on.as_ref(), |names| names.expr(value));
                self.pattern(pattern);
            }
            StmtKind::Fit { name, value } => {
                self.expr(value);
                self.bind(&name.text);
            }
            StmtKind::Param(list) | StmtKind::State(list) => self.declared(list),
            StmtKind::Next { target, value } => {
                self.path(target);
                self.expr(value);
            }
            StmtKind::Emit(value)
            | StmtKind::Final(value)
            | StmtKind::Expr(value)
            | StmtKind::Seed(value)
            | StmtKind::Epochs(value)
            | StmtKind::Steps(value)
            | StmtKind::Batch(value)
            | StmtKind::Stop(value) => self.expr(value),
            StmtKind::Print { values, on } => self.on(on.as_ref(), |names| names.all(values)),
            StmtKind::Plot { values, on, to } => {
                self.on(on.as_ref(), |names| values.iter().for_each(|mark| names.mark(mark)));
                self.optional(to.as_ref());
            }
            StmtKind::Assert { condition, message, on } => {
                self.on(on.as_ref(), |names| {
                    names.expr(condition);
                    names.optional(message.as_ref());
                });
            }
            StmtKind::Save { what, to } => {
                self.path(what);
                self.expr(to);
            }
            StmtKind::Load { what, from, at } => {
                self.path(what);
                self.expr(from);
                self.optional(at.as_ref());
            }
            StmtKind::Record { values, on, into } => {
                self.on(on.as_ref(), |names| values.iter().for_each(|named| names.expr(&named.value)));
                self.bind(&into.text);
            }
            StmtKind::Minimize { objective, groups } => {
                self.expr(objective);
                for group in groups {
                    let rest = |target: &Expr| matches!(&target.kind, ExprKind::Name(name) if name == "rest");
                    group.over.iter().filter(|target| !rest(target)).for_each(|target| self.expr(target));
                    self.expr(&group.with);
                }
            }
            StmtKind::Watch(list) => list.iter().for_each(|named| self.expr(&named.value)),
            StmtKind::Phase { times, body, .. } => {
                self.optional(times.as_ref());
                self.block(body);
            }
            // A figure, which is no name.
            StmtKind::Keep { .. } => {}
            StmtKind::Every { count, body, .. } => {
                self.expr(count);
                // Figures are at hand.
                self.open += 1;
                self.block(body);
                self.open -= 1;
            }
        }
    }

    /// What is said of rows, if it is: their columns are names.
    fn on(&mut self, on: Option<&On>, inside: impl FnOnce(&mut Self)) {
        if let Some(On { part, by, .. }) = on {
            self.expr(part);
            self.optional(by.as_ref());
        }
        self.columns += u32::from(on.is_some());
        inside(self);
        self.columns -= u32::from(on.is_some());
    }

    fn definition(&mut self, definition: &Definition, given: &[&str]) {
        self.scoped(|names| {
            given.iter().for_each(|name| names.bind(name));
            for Arg { name, ty, default } in definition.settings.iter().chain(&definition.inputs) {
                ty.iter().for_each(|ty| names.dims(ty));
                names.optional(default.as_ref());
                names.bind(&name.text);
            }
            names.inside(&definition.body);
        });
    }

    fn declared(&mut self, list: &[Declared]) {
        for Declared { name, ty, value, filler } in list {
            ty.iter().for_each(|ty| self.dims(ty));
            self.optional(value.as_ref());
            self.optional(filler.as_ref());
            self.bind(&name.text);
        }
    }

    /// A type: names in it are dims, bound where they are first met.
    fn dims(&mut self, ty: &TypeExpr) {
        let mut bind_all = |expr: &Expr| names_in(expr).iter().for_each(|name| self.bind(name));
        match &ty.kind {
            TypeKind::Dim(Name { text, .. }) => self.bind(text),
            TypeKind::Word(_) => {}
            TypeKind::Tuple(types) => types.iter().for_each(|ty| self.dims(ty)),
            TypeKind::Tensor { elem, shape } => {
                if let ElemExpr::Class(count) = elem {
                    bind_all(count);
                }
                for item in shape {
                    match item {
                        ShapeItem::Dim(expr) => bind_all(expr),
                        ShapeItem::Ellipsis(_) => {}
                    }
                }
            }
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        pattern.names().into_iter().for_each(|name| self.bind(&name.text));
    }

    fn path(&mut self, path: &Path) {
        self.name(&path.head.text, path.head.span);
        for step in &path.rest {
            match step {
                PathStep::Field(_) => {}
                PathStep::Index(at) => self.expr(at),
            }
        }
    }

    /// A mark of a plot: what kind it is, is no name.
    fn mark(&mut self, mark: &Expr) {
        match &mark.kind {
            ExprKind::Call { callee, args } if matches!(&callee.kind, ExprKind::Name(name) if MarkKind::of(name).is_some()) =>
            {
                args.iter().for_each(|arg| self.expr(&arg.value));
            }
            _ => self.expr(mark),
        }
    }

    fn all(&mut self, exprs: &[Expr]) {
        exprs.iter().for_each(|expr| self.expr(expr));
    }

    fn optional(&mut self, expr: Option<&Expr>) {
        expr.into_iter().for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Bool(_) => {}
            ExprKind::Text(parts) => {
                for part in parts {
                    match part {
                        TextPart::Text(_) => {}
                        TextPart::Expr(expr) => self.expr(expr),
                    }
                }
            }
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Next(path) => self.path(path),
            ExprKind::List(items) | ExprKind::Tuple(items) => self.all(items),
            ExprKind::Unary(_, operand) => self.expr(operand),
            ExprKind::Chain { first, rest } => {
                self.expr(first);
                rest.iter().for_each(|(_, _, operand)| self.expr(operand));
            }
            ExprKind::Pipe { input, stages } => {
                self.expr(input);
                self.all(stages);
            }
            ExprKind::Repeat { count, stages } => {
                self.expr(count);
                self.all(stages);
            }
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                args.iter().for_each(|arg| self.expr(&arg.value));
            }
            ExprKind::Index { base, items } => {
                self.expr(base);
                for item in items {
                    match item {
                        IndexItem::At(at) => self.expr(at),
                        IndexItem::Slice(from, to, _) => {
                            self.optional(from.as_ref());
                            self.optional(to.as_ref());
                        }
                        IndexItem::Ellipsis(_) => {}
                    }
                }
            }
            ExprKind::Field { base, .. } => self.expr(base),
            ExprKind::If { branches, otherwise } => {
                for (condition, block) in branches {
                    self.expr(condition);
                    self.block(block);
                }
                otherwise.iter().for_each(|block| self.block(block));
            }
            ExprKind::For { bindings, carries, body } => self.scoped(|names| {
                for (pattern, list) in bindings {
                    names.expr(list);
                    names.pattern(pattern);
                }
                names.declared(carries);
                names.inside(body);
            }),
            ExprKind::Scan { pattern, input, along, carries, body } => self.scoped(|names| {
                names.expr(input);
                names.optional(along.as_deref());
                names.pattern(pattern);
                names.declared(carries);
                names.inside(body);
            }),
        }
    }
}
