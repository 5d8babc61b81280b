//! What a teacher would say of a program that runs.
//!
//! In: the typed nodes of a train, the text of the user's file. Out: warnings.
//! Mistakes are known by the structure of what is computed, not by names: a
//! softmax is an exponential divided by its own sum, whoever wrote it, so the
//! user's own definitions get the same advice as the library's.
//! Invariant: nothing is said about a program in error.

use std::collections::{HashMap, HashSet};

use super::Checker;
use super::intrinsics::Args;
use super::typed::{ActionKind, Kind, NodeId, SlotId, Train};
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Binary, Const, DType, Op, Owner, Unary};
use crate::source::Span;
use crate::syntax::ast::{Block, Name, Pattern, Stmt, StmtKind};

impl Checker<'_> {
    /// All advice about the main file.
    pub(super) fn teach(&mut self, main: usize) {
        if self.errors() > 0 || self.unparsed.any() {
            return;
        }
        self.unused_names(main);
        let trains: Vec<Train> = self
            .actions
            .iter()
            .filter_map(|(_, action)| match &action.kind {
                ActionKind::Train(train) => Some((**train).clone()),
                _ => None,
            })
            .collect();
        let zeros = self.zero_parameters();
        for train in trains {
            let losses: Vec<NodeId> = train.phases.iter().filter_map(|phase| phase.loss).collect();
            let nodes = self.program.reachable(losses);
            self.doubled_nonlinearity(&nodes);
            self.squares_of_probabilities(&nodes);
            self.hidden_zeros(&nodes, &zeros);
            self.faint_signals(&nodes);
        }
    }

    /// W0801: a loss that takes logits is given probabilities.
    fn doubled_nonlinearity(&mut self, nodes: &[NodeId]) {
        for &node in nodes {
            if self.is_unary(node, Unary::Softplus)
                && let Some(found) =
                    self.behind(self.operand(node, 0), |checker, node| checker.is_unary(node, Unary::Logistic))
            {
                let message = "a sigmoid before a loss that takes logits";
                self.advise_logits(
                    message,
                    found,
                    node,
                    "this loss applies the sigmoid itself: give it what the sigmoid was given",
                );
            }
            if self.is_unary(node, Unary::Exp)
                && let Some(Op::Binary(Binary::Sub)) = self.primitive(self.operand(node, 0))
                && let Some(found) =
                    self.behind(self.operand(self.operand(node, 0), 0), |checker, node| checker.is_softmax(node))
            {
                let message = "a softmax before a loss that takes logits";
                self.advise_logits(
                    message,
                    found,
                    node,
                    "this loss applies the softmax itself: give it what the softmax was given",
                );
            }
        }
    }

    fn advise_logits(&mut self, message: &str, squashed: NodeId, loss: NodeId, help: &str) {
        let (place, user) = (self.written[squashed.index()], self.written[loss.index()]);
        // The sum of the softmax itself is an exponential too: only another place is a loss.
        if place == user {
            return;
        }
        self.report(Diagnostic::new(Code::W0801, message, place).also(user, "the loss").help(help));
    }

    /// W0803: the squared error of probabilities against classes.
    fn squares_of_probabilities(&mut self, nodes: &[NodeId]) {
        for &node in nodes {
            let square = matches!(self.primitive(node), Some(Op::Binary(Binary::Mul)))
                && self.operand(node, 0) == self.operand(node, 1);
            let difference = self.operand(node, 0);
            if !square || !matches!(self.primitive(difference), Some(Op::Binary(Binary::Sub))) {
                continue;
            }
            for (prediction, target) in [(0, 1), (1, 0)] {
                let (prediction, target) = (self.operand(difference, prediction), self.operand(difference, target));
                let squashed = self.behind(prediction, |checker, node| checker.is_squashed(node));
                let Some(found) = squashed.filter(|_| self.is_class(target)) else { continue };
                let place = self.written[found.index()];
                let square = self.written[node.index()];
                self.report(
                    Diagnostic::new(Code::W0803, "the squared error of probabilities of classes learns slowly", square)
                        .also(place, "probabilities come from here")
                        .help("cross-entropy of the logits has a gradient that does not vanish where the model is sure and wrong"),
                );
            }
        }
    }

    /// W0804: weights of a hidden layer that all start at zero.
    fn hidden_zeros(&mut self, nodes: &[NodeId], zeros: &HashSet<SlotId>) {
        // What each node depends on: the zero weights whose product it was computed from.
        let mut from: HashMap<NodeId, HashSet<SlotId>> = HashMap::new();
        let mut hidden: Vec<SlotId> = Vec::new();
        for &node in nodes {
            let operands = self.program.node(node).operands.clone();
            let mut all: HashSet<SlotId> = HashSet::new();
            for operand in &operands {
                all.extend(from.get(operand).into_iter().flatten().copied());
            }
            if let Some(Op::Contract { .. }) = self.primitive(node) {
                let weights: Vec<SlotId> = operands.iter().filter_map(|operand| self.weights_of(*operand)).collect();
                hidden.extend(all.iter().filter(|slot| !weights.is_empty() && !weights.contains(slot)));
                all.extend(weights.into_iter().filter(|slot| zeros.contains(slot)));
            }
            if !all.is_empty() {
                from.insert(node, all);
            }
        }
        hidden.sort();
        hidden.dedup();
        for slot in hidden {
            let slot = self.program.slot(slot).clone();
            let place = if self.prelude.contains(&slot.span.file) { slot.applied } else { slot.span };
            self.report(
                Diagnostic::new(
                    Code::W0804,
                    format!("the weights `{}` of a hidden layer start at zero", slot.path),
                    place,
                )
                .help("all units of the layer get the same gradient and stay equal: draw them, `~ glorot_uniform`"),
            );
        }
    }

    /// W0805: a `let` or `param` that is named nowhere else in the file.
    fn unused_names(&mut self, main: usize) {
        let file = self.files[main].ast.clone();
        let text = without_comments(&self.sources.file(self.files[main].id).text);
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for word in names_in(&text) {
            *counts.entry(word).or_insert(0) += 1;
        }
        let mut bound = Vec::new();
        for stmt in &file.stmts {
            bound_names(stmt, &mut bound);
        }
        let hidden = self.hidden_names(&file.stmts, main);
        for (name, span, word) in bound {
            let nowhere = counts.get(name.as_str()) == Some(&1) || hidden.contains(&span);
            if !name.starts_with('_') && nowhere {
                self.unused.insert(span);
                self.report(
                    Diagnostic::new(Code::W0805, format!("nothing uses the {word} `{name}`"), span)
                        .help(format!("take it out, or call it `_{name}` to keep it")),
                );
            }
        }
    }

    /// Places of `let`s that another `let` of the same block and name hides before anything has named them.
    fn hidden_names(&self, stmts: &[Stmt], main: usize) -> HashSet<Span> {
        let text = &self.sources.file(self.files[main].id).text;
        let mut blocks: Vec<&[Stmt]> = vec![stmts];
        // A definition may read what the file bound before its use, wherever the definition stands.
        let mut read_by_definitions: HashSet<&str> = HashSet::new();
        let mut found = HashSet::new();
        for stmt in stmts {
            if let Some(body) = body_of(stmt) {
                blocks.push(&body.stmts);
                let text = text.get(stmt.span.start as usize..stmt.span.end as usize).unwrap_or_default();
                read_by_definitions.extend(names_in(text));
            }
        }
        for (at, block) in blocks.into_iter().enumerate() {
            for (stmt, name) in lets(block) {
                let next =
                    lets(block).find(|(next, later)| next.span.start > stmt.span.start && later.text == name.text);
                let Some((next, later)) = next else { continue };
                let part =
                    |from: u32, to: u32| without_comments(text.get(from as usize..to as usize).unwrap_or_default());
                let between = [part(stmt.span.end, later.span.start), part(later.span.end, next.span.end)];
                let read = at == 0 && read_by_definitions.contains(name.text.as_str());
                if !read && !between.iter().any(|text| names_in(text).any(|word| word == name.text)) {
                    found.insert(name.span);
                }
            }
        }
        found
    }

    /// Parameters of rank 2 and more whose first values are all zero.
    fn zero_parameters(&self) -> HashSet<SlotId> {
        let zero = |node: NodeId| {
            let mut node = node;
            loop {
                match self.primitive(node) {
                    Some(Op::Broadcast { .. } | Op::Reshape { .. } | Op::Convert(_)) => node = self.operand(node, 0),
                    Some(Op::Const { value: Const::F32(value), .. }) => return *value == 0.0,
                    _ => return self.is_known_zero(node),
                }
            }
        };
        let started = self.inits.iter().filter(|(_, _, node)| zero(*node)).map(|(_, slot, _)| *slot);
        started
            .filter(|slot| {
                let slot = self.program.slot(*slot);
                slot.owner == Owner::Parameter && slot.ty.shape.len() > 1
            })
            .collect()
    }

    /// A number of the run whose value is zero.
    fn is_known_zero(&self, node: NodeId) -> bool {
        match self.program.node(node).kind {
            Kind::Known(known) => {
                let known = &self.program.known[known.index()];
                known.dtype == DType::F32 && f32::from_bits(known.word) == 0.0
            }
            _ => false,
        }
    }

    pub(super) fn weights_of(&self, node: NodeId) -> Option<SlotId> {
        match (&self.program.node(node).kind, self.primitive(node)) {
            (Kind::Read { slot, .. }, _) if self.program.slot(*slot).owner == Owner::Parameter => Some(*slot),
            (_, Some(Op::Transpose { .. } | Op::Reshape { .. })) => self.weights_of(self.operand(node, 0)),
            _ => None,
        }
    }

    /// `core.is_probability(x)`: whether it comes out of a sigmoid or a softmax, known.
    pub(super) fn is_probability_call(&mut self, args: &Args) -> Value {
        let Some((tensor, _)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        Value::Bool(self.behind(tensor.node, |checker, node| checker.is_squashed(node)).is_some())
    }

    /// Whether an output answers yes or no: it comes out of a sigmoid, or the loss puts it through one.
    pub(super) fn asks_yes_or_no(&self, output: NodeId, loss: Option<NodeId>) -> bool {
        let squashes = |node: NodeId| {
            let squashed = [Unary::Logistic, Unary::Softplus].iter().any(|function| self.is_unary(node, *function));
            squashed && self.behind(self.operand(node, 0), |_, found| found == output).is_some()
        };
        self.behind(output, |checker, node| checker.is_squashed(node)).is_some()
            || loss.is_some_and(|loss| self.program.reachable([loss]).into_iter().any(squashes))
    }

    /// The first node for which `is` holds, going back through what only moves elements.
    fn behind(&self, mut node: NodeId, is: impl Fn(&Self, NodeId) -> bool) -> Option<NodeId> {
        loop {
            if is(self, node) {
                return Some(node);
            }
            match self.primitive(node) {
                Some(Op::Broadcast { .. } | Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. }) => {
                    node = self.operand(node, 0);
                }
                _ => return None,
            }
        }
    }

    /// What a sigmoid or a softmax gives.
    fn is_squashed(&self, node: NodeId) -> bool {
        self.is_unary(node, Unary::Logistic) || self.is_softmax(node)
    }

    /// An exponential divided by its own sum.
    fn is_softmax(&self, node: NodeId) -> bool {
        let Some(Op::Binary(Binary::Div)) = self.primitive(node) else { return false };
        let top = self.operand(node, 0);
        let sum =
            self.behind(self.operand(node, 1), |checker, node| matches!(checker.primitive(node), Some(Op::Sum { .. })));
        self.is_unary(top, Unary::Exp) && sum.is_some_and(|sum| self.operand(sum, 0) == top)
    }

    /// Whether a value tells a class: a column of classes, as a number or one-hot.
    fn is_class(&self, node: NodeId) -> bool {
        match (&self.program.node(node).kind, self.primitive(node)) {
            (Kind::Column { data, column }, _) => self
                .program
                .data
                .get(data.index())
                .and_then(|data| data.columns.get(*column))
                .is_some_and(|column| column.classes().is_some()),
            (_, Some(Op::Broadcast { .. } | Op::Reshape { .. } | Op::Convert(_))) => {
                self.is_class(self.operand(node, 0))
            }
            (_, Some(Op::Compare(_))) => self.program.node(node).operands.iter().any(|operand| self.is_class(*operand)),
            _ => false,
        }
    }

    fn is_unary(&self, node: NodeId, function: Unary) -> bool {
        matches!(self.primitive(node), Some(Op::Unary(found)) if *found == function)
    }

    fn primitive(&self, node: NodeId) -> Option<&Op<super::dims::Dim>> {
        match &self.program.node(node).kind {
            Kind::Op(op) => Some(op),
            _ => None,
        }
    }

    /// An operand; the node itself where there is none.
    fn operand(&self, node: NodeId, at: usize) -> NodeId {
        self.program.node(node).operands.get(at).copied().unwrap_or(node)
    }
}

/// Names that `let` and `param` bind, with their places.
fn bound_names(stmt: &Stmt, into: &mut Vec<(String, Span, &'static str)>) {
    match &stmt.kind {
        StmtKind::Let { pattern: Pattern::Name(name), .. } => into.push((name.text.clone(), name.span, "`let`")),
        StmtKind::Param(list) => {
            into.extend(list.iter().map(|declared| (declared.name.text.clone(), declared.name.span, "parameter")))
        }
        StmtKind::Fn(definition)
        | StmtKind::Layer(definition)
        | StmtKind::Model(definition)
        | StmtKind::Optimizer(definition) => {
            bound_in(&definition.body, into);
        }
        StmtKind::Train { body, .. } | StmtKind::Phase { body, .. } | StmtKind::Every { body, .. } => {
            bound_in(body, into)
        }
        _ => {}
    }
}

/// The body of a definition or train.
fn body_of(stmt: &Stmt) -> Option<&Block> {
    match &stmt.kind {
        StmtKind::Fn(definition)
        | StmtKind::Layer(definition)
        | StmtKind::Model(definition)
        | StmtKind::Optimizer(definition) => Some(&definition.body),
        StmtKind::Train { body, .. } => Some(body),
        _ => None,
    }
}

/// The `let`s of one name in a block.
fn lets(block: &[Stmt]) -> impl Iterator<Item = (&Stmt, &Name)> {
    block.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Let { pattern: Pattern::Name(name), .. } => Some((stmt, name)),
        _ => None,
    })
}

/// All words that may be names, those in comments included.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\''))
}

fn bound_in(block: &Block, into: &mut Vec<(String, Span, &'static str)>) {
    for stmt in &block.stmts {
        bound_names(stmt, into);
    }
}

/// The text with its comments left out (a `#` inside a text is kept with the rest of its line).
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.split_once('#') {
        Some((before, _)) if !before.contains('"') => before.to_string(),
        _ => line.to_string(),
    };
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}
