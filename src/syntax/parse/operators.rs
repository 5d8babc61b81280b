//! Flat operators to chains by how tightly they bind.
//!
//! In: the operands and operators of one expression in a row. Out: its tree.
//! Invariant: the recursion is as deep as there are levels, however long the row;
//! operators of one level become one flat chain.

use std::iter::Peekable;

use pest::iterators::Pairs;

use super::{MAX_TREE_DEPTH, Node, Reader, Rule};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, UnaryOp};

/// What is left to read of an expression.
pub(super) type Row<'t> = Peekable<Pairs<'t, Rule>>;

/// Levels, loosest first. Unary minus stands between [`CONTRACT`] and [`POWER`].
const OR: u8 = 0;
const AND: u8 = 1;
const NOT: u8 = 2;
const COMPARE: u8 = 3;
const RANGE: u8 = 4;
const ADD: u8 = 5;
const MULTIPLY: u8 = 6;
const CONTRACT: u8 = 7;
const POWER: u8 = 8;

/// The operator that a sign stands for, and its level.
fn operator(sign: &str) -> (BinaryOp, u8) {
    match sign {
        "or" => (BinaryOp::Or, OR),
        "and" => (BinaryOp::And, AND),
        "==" => (BinaryOp::Eq, COMPARE),
        "!=" => (BinaryOp::Ne, COMPARE),
        "<" => (BinaryOp::Lt, COMPARE),
        "<=" => (BinaryOp::Le, COMPARE),
        ">" => (BinaryOp::Gt, COMPARE),
        ">=" => (BinaryOp::Ge, COMPARE),
        ".." => (BinaryOp::Range, RANGE),
        "+" => (BinaryOp::Add, ADD),
        "-" => (BinaryOp::Sub, ADD),
        "*" => (BinaryOp::Mul, MULTIPLY),
        "/" => (BinaryOp::Div, MULTIPLY),
        "//" => (BinaryOp::FloorDiv, MULTIPLY),
        "%" => (BinaryOp::Rem, MULTIPLY),
        "@" => (BinaryOp::Contract, CONTRACT),
        _ => (BinaryOp::Pow, POWER),
    }
}

impl Reader<'_, '_> {
    /// Reads operators of at least `level` from the row.
    pub(super) fn operators(&mut self, row: &mut Row<'_>) -> Expr {
        self.level(row, OR)
    }

    fn level(&mut self, row: &mut Row<'_>, least: u8) -> Expr {
        let left = self.prefixed(row, least);
        self.continue_level(row, left, least)
    }

    /// Reads the operators of at least `level` after the operand `left`.
    fn continue_level(&mut self, row: &mut Row<'_>, mut left: Expr, least: u8) -> Expr {
        while let Some(level) = next_level(row).filter(|level| *level >= least) {
            let mut rest = Vec::new();
            while next_level(row) == Some(level) {
                let Some(sign) = row.next() else { break };
                let right = self.level(row, level + 1);
                rest.push((operator(sign.as_str()).0, self.span(&sign), right));
            }
            if rest.len() > 1 && (level == COMPARE || level == RANGE) {
                self.chained(level, rest[1].1, rest[0].1);
            }
            left = chain(left, rest);
        }
        left
    }

    fn chained(&mut self, level: u8, second: Span, first: Span) {
        let (message, help) = if level == COMPARE {
            ("comparisons do not chain", "write `a < b and b < c`")
        } else {
            ("`..` does not chain", "a range has two ends: `a..b`")
        };
        let diagnostic = Diagnostic::new(Code::E0108, message, second).also(first, "the first is here").help(help);
        self.fail(diagnostic);
    }

    /// `not` and `-` before an operand, and the powers after it.
    fn prefixed(&mut self, row: &mut Row<'_>, least: u8) -> Expr {
        let mut prefixes = Vec::new();
        while let Some(node) = row.next_if(|node| matches!(node.as_rule(), Rule::minus | Rule::negation)) {
            let negation = node.as_rule() == Rule::negation;
            let after_minus = prefixes.last().is_some_and(|(op, _)| *op == UnaryOp::Neg);
            let span = self.span(&node);
            if negation && (least > NOT || after_minus) {
                let diagnostic = Diagnostic::new(Code::E0119, "`not` cannot stand here without brackets", span)
                    .help("bracket it: `(not x)`");
                self.fail(diagnostic);
            }
            prefixes.push((if negation { UnaryOp::Not } else { UnaryOp::Neg }, span));
        }
        if !self.enter(prefixes.len(), prefixes.first().map(|(_, span)| *span)) {
            prefixes.clear();
        }
        let minuses = prefixes.iter().rev().take_while(|(op, _)| *op == UnaryOp::Neg).count();
        let nots = prefixes.len() - minuses;
        let mut operand = self.powers(row);
        for (op, span) in prefixes.drain(nots..).rev() {
            operand = unary(op, span, operand);
        }
        if nots > 0 {
            operand = self.continue_level(row, operand, COMPARE);
        }
        self.depth -= minuses + nots;
        prefixes.into_iter().rev().fold(operand, |operand, (op, span)| unary(op, span, operand))
    }

    /// `a ^ -b ^ c`, from the right.
    fn powers(&mut self, row: &mut Row<'_>) -> Expr {
        let first = self.operand(row);
        if next_level(row) != Some(POWER) {
            return first;
        }
        let mut signs = Vec::new();
        let mut operands = vec![(Vec::new(), first)];
        while next_level(row) == Some(POWER) {
            let Some(sign) = row.next() else { break };
            signs.push(self.span(&sign));
            let mut minuses = Vec::new();
            while let Some(minus) = row.next_if(|node| node.as_rule() == Rule::minus) {
                minuses.push(self.span(&minus));
            }
            if let Some(not) = row.next_if(|node| node.as_rule() == Rule::negation) {
                let span = self.span(&not);
                self.fail(
                    Diagnostic::new(Code::E0119, "`not` cannot be an exponent", span).help("bracket it: `(not x)`"),
                );
            }
            let operand = self.operand(row);
            operands.push((minuses, operand));
        }
        let levels = signs.len() + operands.iter().map(|(minuses, _)| minuses.len()).sum::<usize>();
        let fits = self.enter(levels, signs.first().copied());
        self.depth -= if fits { levels } else { 0 };
        let (minuses, last) = operands.pop().expect("the first operand was pushed");
        if !fits {
            return last;
        }
        let mut value = negated(minuses, last);
        while let (Some((minuses, base)), Some(sign)) = (operands.pop(), signs.pop()) {
            value = negated(minuses, chain(base, vec![(BinaryOp::Pow, sign, value)]));
        }
        value
    }

    /// Goes `levels` deeper; false if that is too deep, which it reports.
    pub(super) fn enter(&mut self, levels: usize, span: Option<Span>) -> bool {
        if levels == 0 || self.depth + levels <= MAX_TREE_DEPTH {
            self.depth += levels;
            return true;
        }
        if let Some(span) = span {
            self.too_deep(span);
        }
        false
    }
}

fn next_level(row: &mut Row<'_>) -> Option<u8> {
    row.peek().filter(|node: &&Node<'_>| node.as_rule() == Rule::infix).map(|node| operator(node.as_str()).1)
}

fn negated(minuses: Vec<Span>, operand: Expr) -> Expr {
    minuses.into_iter().rev().fold(operand, |operand, span| unary(UnaryOp::Neg, span, operand))
}

fn unary(op: UnaryOp, span: Span, operand: Expr) -> Expr {
    let span = span.to(operand.span);
    Expr { kind: ExprKind::Unary(op, Box::new(operand)), span }
}

fn chain(first: Expr, rest: Vec<(BinaryOp, Span, Expr)>) -> Expr {
    let span = rest.last().map_or(first.span, |last| first.span.to(last.2.span));
    Expr { kind: ExprKind::Chain { first: Box::new(first), rest }, span }
}
