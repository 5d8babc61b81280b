//! Known numbers with a name.
//!
//! In: known numbers, linked to the name or the arithmetic they come from. Out:
//! nodes. A number from a `const`, a `for` of the file or `--set` is a scalar
//! that the compiled program is handed when it runs, and so is what is computed
//! from it: the turns of a sweep differ in numbers alone and are compiled once.
//! Literals, wherever they stand, stay constants and fold. What shapes a program
//! (sizes, counts, conditions, exponents) reads the number itself.
//! Invariant: a link means one number for ever, and sources come before what is
//! computed from them, so that `grad` can follow arithmetic that was done here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem::{Discriminant, discriminant};
use std::rc::Rc;

use super::Checker;
use super::typed::{Kind, Known, KnownId, NodeId};
use super::value::{Elem, LinkId, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Binary, DType, Type, Unary};
use crate::source::Span;
use crate::syntax::ast::BinaryOp;

/// All links of a check.
#[derive(Debug, Default)]
pub(super) struct Links {
    origins: Vec<Origin>,
    /// Equal arithmetic of equal numbers is one number.
    computed: HashMap<ComputedKey, LinkId>,
    /// The node of a number as a scalar of an element type.
    pub nodes: HashMap<(LinkId, DType), NodeId>,
}

/// Where a linked number comes from.
#[derive(Clone, Debug)]
struct Origin {
    source: Source,
    /// Whether the compiled program gets it when it runs.
    at_run: bool,
    name: Option<Rc<str>>,
}

#[derive(Clone, Debug)]
enum Source {
    /// A name for a literal.
    Name,
    /// A name for a number with a link.
    Alias(Operand),
    Unary(Unary, Operand),
    Binary(BinaryOp, Operand, Operand),
}

/// A known number with its link.
pub(super) type Operand = (Number, Option<LinkId>);

type ComputedKey = (Function, OperandKey, Option<OperandKey>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Unary(Discriminant<Unary>),
    Binary(Discriminant<BinaryOp>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum OperandKey {
    Link(LinkId),
    Int(i64),
    Float(u64),
}

impl Links {
    fn add(&mut self, source: Source, at_run: bool, name: Option<Rc<str>>) -> LinkId {
        self.origins.push(Origin { source, at_run, name });
        LinkId(self.origins.len() as u32 - 1)
    }

    fn origin(&self, link: LinkId) -> &Origin {
        &self.origins[link.0 as usize]
    }

    fn is_at_run(&self, link: Option<LinkId>) -> bool {
        link.is_some_and(|link| self.origin(link).at_run)
    }

    /// Whether it is a name rather than the result of arithmetic.
    pub fn is_name(&self, link: LinkId) -> bool {
        matches!(self.origin(link).source, Source::Name | Source::Alias(_))
    }
}

impl Source {
    fn operands(&self) -> Vec<&Operand> {
        match self {
            Source::Name => Vec::new(),
            Source::Alias(operand) | Source::Unary(_, operand) => vec![operand],
            Source::Binary(_, left, right) => vec![left, right],
        }
    }
}

impl Checker<'_> {
    /// A known number under a name; with `at_run` a literal under it is handed over when the program runs.
    pub(super) fn link(&mut self, value: Value, name: &str, at_run: bool) -> Value {
        match value {
            Value::Number(number @ (Number::Int(_) | Number::Float(_)), link) => {
                let at_run = if link.is_some() { self.links.is_at_run(link) } else { at_run };
                let source = if link.is_some() { Source::Alias((number.clone(), link)) } else { Source::Name };
                Value::Number(number, Some(self.links.add(source, at_run, Some(name.into()))))
            }
            other => other,
        }
    }

    /// The result of arithmetic on known numbers, linked to them if one of them is linked.
    pub(super) fn computed(&mut self, op: BinaryOp, left: Operand, right: Operand, result: Value) -> Value {
        let keys = operand_key(&left).zip(operand_key(&right));
        match (result, keys) {
            (Value::Number(number @ (Number::Int(_) | Number::Float(_)), None), Some((a, b)))
                if left.1.is_some() || right.1.is_some() =>
            {
                let key = (Function::Binary(discriminant(&op)), a, Some(b));
                Value::Number(number, Some(self.computed_link(key, Source::Binary(op, left, right))))
            }
            (result, _) => result,
        }
    }

    /// The same for a function of one known number.
    pub(super) fn computed_unary(&mut self, function: Unary, operand: Operand, result: Value) -> Value {
        match (result, operand_key(&operand)) {
            (Value::Number(number @ (Number::Int(_) | Number::Float(_)), None), Some(key)) if operand.1.is_some() => {
                let key = (Function::Unary(discriminant(&function)), key, None);
                Value::Number(number, Some(self.computed_link(key, Source::Unary(function, operand))))
            }
            (result, _) => result,
        }
    }

    fn computed_link(&mut self, key: ComputedKey, source: Source) -> LinkId {
        if let Some(&link) = self.links.computed.get(&key) {
            return link;
        }
        let at_run = source.operands().iter().any(|(_, link)| self.links.is_at_run(*link));
        let link = self.links.add(source, at_run, None);
        self.links.computed.insert(key, link);
        link
    }

    /// A known number as a scalar of the element type, if it is one; a named number always has the same node.
    pub(super) fn number_tensor(&mut self, value: &Value, elem: &Elem, span: Span) -> Option<Tensor> {
        let Value::Number(number, link) = value else { return None };
        if let (Number::Int(whole), Elem::Int) = (number, elem)
            && i32::try_from(*whole).is_err()
        {
            let message = format!("{whole} is beyond the whole numbers of 32 bits that are computed with");
            self.report(
                Diagnostic::new(Code::E0305, message, span).help("`f32(...)` of the other side holds it, rounded"),
            );
            return None;
        }
        let at_run = self.links.is_at_run(*link) && *elem != Elem::Bool;
        let key = link.filter(|_| at_run || *elem == Elem::F32).map(|link| (link, elem.dtype()));
        if let Some(&node) = key.and_then(|key| self.links.nodes.get(&key)) {
            return Some(Tensor { node, elem: elem.clone(), shape: Vec::new(), classes: None });
        }
        let tensor = match (number, link) {
            (Number::Int(_) | Number::Float(_), Some(link)) if at_run => self.handed_over(number, *link, elem, span)?,
            (Number::Int(value), _) => self.constant(*value as f64, elem, span),
            (Number::Float(value), _) => self.constant(*value, elem, span),
            (Number::Size(dim), _) => {
                let size = self.size_tensor(&dim.clone(), span);
                self.convert(size, elem.clone(), span)
            }
        };
        if let Some(key) = key {
            self.links.nodes.insert(key, tensor.node);
        }
        Some(tensor)
    }

    /// A scalar of the run; a name for another one is a value of its own, so that `grad` by it means this name.
    fn handed_over(&mut self, number: &Number, link: LinkId, elem: &Elem, span: Span) -> Option<Tensor> {
        let origin = self.links.origin(link).clone();
        if let Source::Alias((number, source)) = origin.source {
            let tensor = self.number_tensor(&Value::Number(number, source), elem, span)?;
            return Some(self.alias(tensor, span));
        }
        let number = match number {
            Number::Int(value) => *value as f64,
            Number::Float(value) => *value,
            Number::Size(_) => return None,
        };
        let word = match elem {
            Elem::F32 => (number as f32).to_bits(),
            Elem::Int | Elem::Class(_) => (number as i32) as u32,
            Elem::Bool => return None,
        };
        let path = self.unique_path(format!("known:{}", origin.name.as_deref().unwrap_or("value")));
        self.program.known.push(Known { path, dtype: elem.dtype(), word });
        let id = KnownId(self.program.known.len() as u32 - 1);
        let node = self.push(Kind::Known(id), Vec::new(), Type::scalar(elem.dtype()), span);
        if let Some(name) = &origin.name {
            self.name_node(node, name);
        }
        Some(Tensor { node, elem: elem.clone(), shape: Vec::new(), classes: None })
    }

    /// Whether arithmetic leads from one known number to another.
    pub(super) fn is_computed_from(&self, link: LinkId, from: LinkId) -> bool {
        link == from || self.on_the_way(&[link], from).contains(&link)
    }

    /// Links between `from` and these, these included, that are computed from it.
    fn on_the_way(&self, links: &[LinkId], from: LinkId) -> BTreeSet<LinkId> {
        let mut met: BTreeSet<LinkId> = BTreeSet::new();
        let mut stack: Vec<LinkId> = links.to_vec();
        while let Some(link) = stack.pop() {
            // Sources are older than what is computed from them.
            if link > from && met.insert(link) {
                stack.extend(self.links.origin(link).source.operands().iter().filter_map(|(_, link)| *link));
            }
        }
        let mut found: BTreeSet<LinkId> = BTreeSet::new();
        for link in met {
            let operands = self.links.origin(link).source.operands();
            let links = operands.iter().filter_map(|(_, link)| *link);
            if links.into_iter().any(|link| link == from || found.contains(&link)) {
                found.insert(link);
            }
        }
        found
    }

    /// The derivative of `of` by a known number with a name, through all numbers computed from it; `None` if `of` does
    /// not depend on it. By the chain rule: numbers that were computed here are inputs of the graph, so each adds its
    /// own derivative times that of the arithmetic which led to it.
    pub(super) fn grad_by_known(
        &mut self,
        of: &Tensor,
        reached: &HashSet<NodeId>,
        link: LinkId,
        wrt: &Tensor,
        span: Span,
    ) -> Option<Tensor> {
        let mut users: Vec<(LinkId, NodeId)> = self
            .links
            .nodes
            .iter()
            .filter(|((user, dtype), node)| *user != link && *dtype == DType::F32 && reached.contains(node))
            .map(|((user, _), node)| (*user, *node))
            .collect();
        // A scalar's other name is computed in the graph.
        users.retain(|(user, _)| {
            let origin = self.links.origin(*user);
            !(origin.at_run && matches!(origin.source, Source::Alias(_)))
        });
        users.sort();
        let links: Vec<LinkId> = users.iter().map(|(user, _)| *user).collect();
        let arithmetic = self.arithmetic_from(link, &links, wrt, span);
        let mut total = reached.contains(&wrt.node).then(|| self.grad_node(of, wrt, span));
        for (user, node) in users {
            let Some(inner) = arithmetic.get(&user) else { continue };
            let user = Tensor { node, elem: Elem::F32, shape: Vec::new(), classes: None };
            let (outer, inner) = (self.grad_node(of, &user, span), self.grad_node(inner, wrt, span));
            let term = self.binary(Binary::Mul, outer, inner, span);
            total = Some(match total {
                Some(total) => self.binary(Binary::Add, total, term, span),
                None => term,
            });
        }
        total
    }

    /// The arithmetic that led from `from` to each of the links, done again on tensors.
    fn arithmetic_from(
        &mut self,
        from: LinkId,
        links: &[LinkId],
        tensor: &Tensor,
        span: Span,
    ) -> HashMap<LinkId, Tensor> {
        let way = self.on_the_way(links, from);
        self.spend(way.len(), span);
        let mut done: HashMap<LinkId, Tensor> = HashMap::from([(from, tensor.clone())]);
        for link in way {
            let value = |(number, link): &Operand| match link.and_then(|link| done.get(&link)) {
                Some(tensor) => Value::Tensor(tensor.clone()),
                None => Value::Number(number.clone(), *link),
            };
            let result = match &self.links.origin(link).source {
                Source::Name => continue,
                Source::Alias(operand) => value(operand),
                Source::Unary(function, operand) => {
                    let (function, Value::Tensor(operand)) = (*function, value(operand)) else { continue };
                    Value::Tensor(self.unary(function, operand, span))
                }
                Source::Binary(op, left, right) => {
                    let (op, left, right) = (*op, value(left), value(right));
                    self.operate(op, (left, span), (right, span), span)
                }
            };
            if let Value::Tensor(tensor) = result {
                done.insert(link, tensor);
            }
        }
        done.remove(&from);
        done
    }
}

fn operand_key((number, link): &Operand) -> Option<OperandKey> {
    match (number, link) {
        (Number::Size(_), _) => None,
        (_, Some(link)) => Some(OperandKey::Link(*link)),
        (Number::Int(value), None) => Some(OperandKey::Int(*value)),
        (Number::Float(value), None) => Some(OperandKey::Float(value.to_bits())),
    }
}
