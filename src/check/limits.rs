//! What a program may cost while it is checked, whatever its text is.
//!
//! In: the work at hand. Out: whether it may go on; what goes beyond a limit is
//! one diagnostic. Invariants: texts of the size that is read are linear work
//! and are not limited here; what is done again and again (calls, turns) is
//! counted; recursion stays within the stack that [`on_deep_stack`] gives.

use std::collections::HashSet;
use std::rc::Rc;

use super::Checker;
use super::scope::Binding;
use super::typed::{Kind, NodeId};
use super::value::Value;
use crate::diag::{Code, Diagnostic, nearest};
use crate::ir::Owner;
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, IndexItem, StmtKind, TextPart};

/// Nodes that one program may have: `for i in 0..1000000000` is an error, not a hang.
pub(super) const NODE_LIMIT: usize = 1_000_000;
/// Expressions inside of calls and turns, and turns, that may be elaborated.
const WORK_LIMIT: usize = 2_000_000;
/// Expressions that may be elaborated inside of each other, through calls and consts.
const NESTING_LIMIT: u32 = 8_000;
/// Stack for that, also without optimisation; only what is used is ever touched.
const STACK: usize = 512 << 20;
/// How deep lists may be nested.
const LIST_DEPTH: usize = 256;
/// How many elements a known list may have, and bytes a known text.
const VALUE_SIZE: usize = 4_000_000;
/// How many numbers of a range become a list or a table.
pub(super) const RANGE_LIMIT: i64 = 4_000_000;
/// How many files may import each other in a row.
pub(super) const IMPORT_LIMIT: usize = 100;
/// After so many diagnostics the check ends.
pub(super) const DIAGNOSTIC_LIMIT: usize = 100_000;
/// Names that are compared for "did you mean", in all.
const COMPARISON_LIMIT: usize = 200_000;

/// What a file's statements bind: where, and whether it is a model.
pub(super) type BoundNames = std::collections::HashMap<String, (Span, bool)>;

/// What has been used up of the limits.
#[derive(Debug, Default)]
pub(super) struct Spent {
    work: usize,
    /// Expressions that are being elaborated inside of each other.
    pub nesting: u32,
    compared: usize,
}

/// Runs `work` with a stack that is deep enough for what the limits allow.
pub(super) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("check".to_string()).stack_size(STACK);
        let handle = thread.spawn_scoped(scope, work).expect("a thread can be started");
        match handle.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The names without which `expr` cannot be computed; those in blocks may not be needed.
pub(super) fn names_in(expr: &Expr) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = vec![expr];
    while let Some(expr) = rest.pop() {
        match &expr.kind {
            ExprKind::Name(name) => names.push(name.clone()),
            ExprKind::Text(parts) => rest.extend(parts.iter().filter_map(|part| match part {
                TextPart::Expr(expr) => Some(expr),
                TextPart::Text(_) => None,
            })),
            ExprKind::List(items) | ExprKind::Tuple(items) => rest.extend(items),
            ExprKind::Unary(_, operand) => rest.push(operand),
            ExprKind::Chain { first, rest: others } => {
                rest.push(first);
                rest.extend(others.iter().map(|(_, _, operand)| operand));
            }
            ExprKind::Pipe { input, stages } => {
                rest.push(input);
                rest.extend(stages);
            }
            ExprKind::Call { callee, args } => {
                rest.push(callee);
                rest.extend(args.iter().map(|arg| &arg.value));
            }
            ExprKind::Index { base, items } => {
                rest.push(base);
                for item in items {
                    match item {
                        IndexItem::At(at) => rest.push(at),
                        IndexItem::Slice(from, to, _) => rest.extend(from.iter().chain(to)),
                        IndexItem::Ellipsis(_) => {}
                    }
                }
            }
            ExprKind::Field { base, .. } => rest.push(base),
            ExprKind::If { branches, .. } => rest.extend(branches.first().map(|(condition, _)| condition)),
            ExprKind::Scan { input, .. } => rest.push(input),
            ExprKind::For { bindings, .. } => rest.extend(bindings.iter().map(|(_, list)| list)),
            ExprKind::Number { .. } | ExprKind::Bool(_) | ExprKind::Next(_) | ExprKind::Repeat { .. } => {}
        }
    }
    names
}

impl Checker<'_> {
    /// Counts work that is done again and again; beyond the limit the check ends.
    pub(super) fn spend(&mut self, work: usize, span: Span) {
        self.spent.work = self.spent.work.saturating_add(work);
        if self.spent.work > WORK_LIMIT {
            self.exhaust(format!("the program unrolls to more than {WORK_LIMIT} expressions"), span);
        }
    }

    /// Ends the check: nothing is elaborated from here on.
    pub(super) fn exhaust(&mut self, message: String, span: Span) {
        if !self.exhausted {
            self.exhausted = true;
            let place = self.loop_span.unwrap_or(span);
            self.report(Diagnostic::new(Code::E0703, message, place).help(
                "`for` and `repeat` make a copy of their body each turn: fewer turns, or tensors instead of numbers",
            ));
        }
    }

    /// Enters one expression more; false if that is beyond a limit.
    pub(super) fn deeper(&mut self, span: Span) -> bool {
        let again = self.frames.len() > 1
            || !self.turns.is_empty()
            || self.frames.last().is_some_and(|frame| !frame.unroll.is_empty());
        if again {
            self.spend(1, span);
        }
        if self.spent.nesting >= NESTING_LIMIT && !self.exhausted {
            self.exhausted = true;
            self.error(Code::E0117, "definitions and consts nested too deep", span);
        }
        self.spent.nesting += u32::from(!self.exhausted);
        !self.exhausted
    }

    /// A list or tuple, if its depth and size are within the limits.
    pub(super) fn bounded(&mut self, items: Vec<Value>, make: fn(Rc<Vec<Value>>) -> Value, span: Span) -> Value {
        let mut left = VALUE_SIZE;
        let fits = measure(&items, LIST_DEPTH, &mut left);
        self.spend((VALUE_SIZE - left) / 64, span);
        if !fits {
            self.exhaust(format!("a list of more than {VALUE_SIZE} elements or {LIST_DEPTH} levels"), span);
        }
        if self.exhausted { Value::Unknown } else { make(items.into()) }
    }

    /// A known text, if its length is within the limits.
    pub(super) fn bounded_text(&mut self, text: String, span: Span) -> Value {
        self.spend(text.len() / (16 << 10), span);
        if text.len() > VALUE_SIZE.max(crate::syntax::MAX_BYTES) {
            self.exhaust("a text of more than 16 MB".to_string(), span);
        }
        if self.exhausted { Value::Unknown } else { Value::Text(text.into()) }
    }

    /// Whether a value was computed from slots that have been written since.
    pub(super) fn is_outdated(&mut self, node: NodeId) -> bool {
        let reached = self.reached(node);
        self.spend(reached.len() / 16, self.program.node(node).span);
        reached.into_iter().any(|node| {
            matches!(self.program.node(node).kind,
                Kind::Read { slot, version } if self.versions[slot.index()] != version)
        })
    }

    /// The draws that a value is made of and that may still change, if there are any, and whether it is computed from
    /// parameters too.
    pub(super) fn draws_of(&mut self, node: NodeId) -> Option<(Vec<NodeId>, bool)> {
        let reached = self.reached(node);
        self.spend(reached.len() / 16, self.program.node(node).span);
        let kind = |node: &NodeId| &self.program.node(*node).kind;
        let parameter = |node: &NodeId| matches!(kind(node), Kind::Read { slot, .. } if self.program.slot(*slot).owner == Owner::Parameter);
        let derivable = reached.iter().any(parameter);
        let open = |node: &NodeId| matches!(kind(node), Kind::Random { seed: None, .. });
        let draws: Vec<NodeId> = reached.into_iter().filter(open).collect();
        (!draws.is_empty()).then_some((draws, derivable))
    }

    /// The nodes that `root` needs, in no order: the cost is theirs alone, however large the program.
    pub(super) fn reached(&mut self, root: NodeId) -> Vec<NodeId> {
        self.walk += 1;
        self.walked.resize(self.program.nodes.len().max(self.walked.len()), 0);
        let mut found = vec![root];
        self.walked[root.index()] = self.walk;
        let mut next = 0;
        while let Some(&node) = found.get(next) {
            next += 1;
            let node = &self.program.nodes[node.index()];
            // A loop draws in its body.
            let inside = match &node.kind {
                Kind::Scan { body, .. } => body.body.as_slice(),
                _ => &[],
            };
            for &operand in node.operands.iter().chain(inside) {
                if std::mem::replace(&mut self.walked[operand.index()], self.walk) != self.walk {
                    found.push(operand);
                }
            }
        }
        found
    }

    /// The name in scope that is nearest to an unknown one.
    pub(super) fn near_name(&mut self, name: &str) -> Option<String> {
        if self.spent.compared > COMPARISON_LIMIT {
            return None;
        }
        let mut names: HashSet<&str> = super::intrinsics::Intrinsic::words().collect();
        for frame in &self.frames {
            names.extend(
                frame
                    .scopes
                    .iter()
                    .flat_map(|scope: &std::collections::HashMap<String, Binding>| scope.keys().map(String::as_str)),
            );
            names.extend(frame.dims.iter().map(|(name, _)| name.as_str()));
        }
        let mut file = Some(self.frame().file);
        while let Some(at) = file {
            names.extend(self.files[at].items.keys().map(String::as_str));
            file = self.files[at].behind;
        }
        if let Some(data) = self.phase.data {
            names.extend(self.sets[data.index()].columns.iter().map(|column| column.name.as_str()));
        }
        self.spent.compared += names.len();
        nearest(name, names).map(str::to_string)
    }

    /// A statement of the file at hand, or of those whose names it imports, that binds `name`, further down if it is
    /// not bound yet; whether it defines a model.
    pub(super) fn bound_later(&mut self, name: &str) -> Option<(Span, bool)> {
        let file = self.frame().file;
        self.bound_in(file, name).or_else(|| self.brought_later(file, name))
    }

    fn bound_in(&mut self, file: usize, name: &str) -> Option<(Span, bool)> {
        if !self.bound.contains_key(&file) {
            let mut bound = std::collections::HashMap::new();
            for (name, span) in bound_names(&self.files[file].ast.stmts) {
                bound.entry(name.to_string()).or_insert(span);
            }
            self.bound.insert(file, Rc::new(bound));
        }
        self.bound.get(&file)?.get(name).copied()
    }
}

/// Whether nested lists are at most `depth` deep and have at most `left` elements, which are counted down.
fn measure(items: &[Value], depth: usize, left: &mut usize) -> bool {
    if items.len() > *left {
        return false;
    }
    *left -= items.len();
    items.iter().all(|item| match item {
        Value::List(inner) | Value::Tuple(inner) => depth > 0 && measure(inner, depth - 1, left),
        _ => true,
    })
}

/// What the statements of a file bind in its order.
fn bound_names(stmts: &[crate::syntax::ast::Stmt]) -> Vec<(&str, (Span, bool))> {
    let mut bound = Vec::new();
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::Let { pattern, .. } => {
                bound.extend(pattern.names().into_iter().map(|name| (name.text.as_str(), (name.span, false))));
            }
            StmtKind::Model(definition) => bound.push((definition.name.text.as_str(), (definition.name.span, true))),
            StmtKind::Param(list) | StmtKind::State(list) => {
                bound.extend(list.iter().map(|declared| (declared.name.text.as_str(), (declared.name.span, false))));
            }
            StmtKind::Data { name, .. } => bound.push((name.text.as_str(), (name.span, false))),
            StmtKind::Record { into, .. } => bound.push((into.text.as_str(), (into.span, false))),
            StmtKind::Train { log: Some(log), .. } => bound.push((log.text.as_str(), (log.span, false))),
            _ => {}
        }
    }
    bound
}
