//! Cases for scan: bodies with and without carries, sequences, captured
//! values and emits, forwards and reversed, of every element type, nested.

use std::sync::Arc;

use nnc::ir::{Binary, DType, Graph, Op, Origin, Owner, Scan, Type, Unary, ValueId};

use super::cases::{Case, Maker};

/// A body under construction: slots first, outputs last.
pub struct Body {
    pub graph: Graph,
    pub turn: ValueId,
}

impl Body {
    pub fn new() -> Body {
        let mut graph = Graph::default();
        let turn = graph.slot_input("turn", Type::scalar(DType::I32), Owner::Scalar, Origin::default());
        Body { graph, turn }
    }

    /// The next carry, element or captured value.
    pub fn given(&mut self, dtype: DType, shape: &[usize]) -> ValueId {
        let path = format!("in{}", self.graph.slots.len());
        self.graph.slot_input(path, Type::new(dtype, shape), Owner::Column, Origin::default())
    }

    pub fn float(&mut self, shape: &[usize]) -> ValueId {
        self.given(DType::F32, shape)
    }

    /// The scan with these outputs.
    pub fn scan(mut self, turns: usize, carries: usize, sequences: usize, outputs: &[ValueId]) -> Scan {
        for (at, &output) in outputs.iter().enumerate() {
            self.graph.figure(at.to_string(), output);
        }
        let scan = Scan { turns, reverse: false, carries, sequences, body: self.graph };
        scan.verify().unwrap_or_else(|reason| panic!("{reason}"));
        scan
    }
}

/// The least scan.
pub fn nothing() -> Scan {
    let body = Body::new();
    let turn = body.turn;
    body.scan(1, 0, 0, &[turn])
}

/// How `cases` makes an operand.
enum Given {
    /// To be differentiated by.
    Smooth(Vec<usize>),
    Int(Vec<usize>),
    Bool(Vec<usize>),
}
use Given::{Bool, Int, Smooth};

/// All scans at a size, a case for each of their results.
pub fn cases(n: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for (scan, given) in [sums(n), rows(n), recurrent(n), counted(n), circles(n), nested(n), gathered(n)] {
        for reverse in [false, true] {
            let scan = Arc::new(Scan { reverse, ..scan.clone() });
            cases.extend((0..scan.results()).map(|result| case(&scan, result, &given)));
        }
    }
    cases
}

fn case(scan: &Arc<Scan>, result: usize, given: &[Given]) -> Case {
    let mut maker = Maker::new(31);
    let mut operands = Vec::new();
    for given in given {
        operands.push(match given {
            Smooth(shape) => maker.smooth(shape, |k| k.uniform(-1.0, 1.0)),
            Int(shape) => maker.int(shape, |k| k.below(5) as i32),
            Bool(shape) => maker.bool(shape),
        });
    }
    // Of each result: those that reach it.
    let op = Op::Scan { scan: scan.clone(), result };
    let mut probe = maker.graph.clone();
    let y = probe.push(op, operands.clone(), Origin::default());
    maker.wrt.retain(|&x| nnc::grad::reaches(&probe, x, y));
    maker.finish(Op::Scan { scan: scan.clone(), result }, &operands)
}

/// cumsum: a carry that is also emitted.
fn sums(n: usize) -> (Scan, Vec<Given>) {
    let mut body = Body::new();
    let (sum, x) = (body.float(&[3]), body.float(&[3]));
    let next = body.graph.add(sum, x, Origin::default());
    (body.scan(n, 1, 1, &[next, next]), vec![Smooth(vec![3]), Smooth(vec![n, 3])])
}

/// No carry: rows times a captured one, and the turn.
fn rows(n: usize) -> (Scan, Vec<Given>) {
    let mut body = Body::new();
    let (x, w) = (body.float(&[n]), body.float(&[n]));
    let o = Origin::default();
    let product = body.graph.mul(x, w, o);
    let turn = body.turn;
    let twice = body.graph.add(turn, turn, o);
    (body.scan(3, 0, 1, &[product, twice]), vec![Smooth(vec![3, n]), Smooth(vec![n])])
}

/// h' = tanh(x·u + h·w).
fn recurrent(n: usize) -> (Scan, Vec<Given>) {
    let mut body = Body::new();
    let (h, x) = (body.float(&[2, n]), body.float(&[2, 3]));
    let (u, w) = (body.float(&[3, n]), body.float(&[n, n]));
    let o = Origin::default();
    let (from_x, from_h) = (body.graph.matmul(x, u, o), body.graph.matmul(h, w, o));
    let sum = body.graph.add(from_x, from_h, o);
    let next = body.graph.unary(Unary::Tanh, sum, o);
    let given = vec![Smooth(vec![2, n]), Smooth(vec![4, 2, 3]), Smooth(vec![3, n]), Smooth(vec![n, n])];
    (body.scan(4, 1, 1, &[next, next]), given)
}

/// Where a mask holds, a mean moves and a count rises; the mask alternates.
fn counted(n: usize) -> (Scan, Vec<Given>) {
    let mut body = Body::new();
    let (mean, count, mask) = (body.float(&[n]), body.given(DType::I32, &[n]), body.given(DType::Bool, &[n]));
    let (x, step) = (body.float(&[n]), body.given(DType::I32, &[n]));
    let o = Origin::default();
    let half = body.graph.full_like(mean, 0.5, o);
    let decayed = body.graph.mul(mean, half, o);
    let sum = body.graph.add(decayed, x, o);
    let next_mean = body.graph.select(mask, sum, mean, o);
    let next_count = body.graph.add(count, step, o);
    let next_mask = body.graph.not(mask, o);
    let given = vec![Smooth(vec![n]), Int(vec![n]), Bool(vec![n]), Smooth(vec![5, n]), Int(vec![n])];
    (body.scan(5, 3, 1, &[next_mean, next_count, next_mask, sum, count, mask]), given)
}

/// Only a carry and captured values: c' = sin(c·w) + turn·w.
fn circles(n: usize) -> (Scan, Vec<Given>) {
    let mut body = Body::new();
    let (c, w) = (body.float(&[n]), body.float(&[]));
    let o = Origin::default();
    let w = body.graph.broadcast_to(w, &[n], o);
    let product = body.graph.mul(c, w, o);
    let sine = body.graph.unary(Unary::Sin, product, o);
    let turn = body.graph.convert(DType::F32, body.turn, o);
    let turn = body.graph.broadcast_to(turn, &[n], o);
    let moved = body.graph.mul(turn, w, o);
    let next = body.graph.add(sine, moved, o);
    (body.scan(6, 1, 0, &[next]), vec![Smooth(vec![n]), Smooth(vec![])])
}

/// A scan in the body of a scan, over the elements of the outer row.
fn nested(n: usize) -> (Scan, Vec<Given>) {
    let mut inner = Body::new();
    let (product, x, w) = (inner.float(&[]), inner.float(&[]), inner.float(&[]));
    let o = Origin::default();
    let factor = inner.graph.binary(Binary::Mul, x, w, o);
    let term = inner.graph.mul(product, factor, o);
    let next = inner.graph.add(term, x, o);
    let inner = Arc::new(inner.scan(n, 1, 1, &[next, term]));
    let mut body = Body::new();
    let (sum, x, w) = (body.float(&[n]), body.float(&[n]), body.float(&[]));
    let start = body.graph.full_like(w, 0.5, o);
    let operands = vec![start, x, w];
    let last = body.graph.push(Op::Scan { scan: inner.clone(), result: 0 }, operands.clone(), o);
    let terms = body.graph.push(Op::Scan { scan: inner, result: 1 }, operands, o);
    let next = body.graph.add(sum, terms, o);
    (body.scan(3, 1, 1, &[next, last]), vec![Smooth(vec![n]), Smooth(vec![3, n]), Smooth(vec![])])
}

/// Rows of a captured table, chosen by a sequence of numbers.
fn gathered(n: usize) -> (Scan, Vec<Given>) {
    let mut body = Body::new();
    let (h, index, table) = (body.float(&[2]), body.given(DType::I32, &[]), body.float(&[5, 2]));
    let o = Origin::default();
    let row = body.graph.gather(table, index, 0, o);
    let product = body.graph.mul(h, row, o);
    let next = body.graph.add(product, row, o);
    (body.scan(n, 1, 1, &[next, product]), vec![Smooth(vec![2]), Int(vec![n]), Smooth(vec![5, 2])])
}
