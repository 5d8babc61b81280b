//! Random graphs of 5 to 30 ops: gradients against differences. Finds what
//! single ops cannot: second uses, sums over broadcasts, order of accumulation.

use nnc::ir::op::Const;
use nnc::ir::{Binary, Comparison, DType, Op, Origin, Unary, ValueId};

use super::Problem;
use crate::ir::cases::{Maker, Numbers};

#[test]
fn a_thousand_graphs() {
    for seed in 0..1000 {
        let problem = random_problem(seed);
        problem.check(1);
    }
}

#[test]
fn a_hundred_graphs_twice() {
    for seed in 5000..5100 {
        random_problem(seed).derivative().check(1);
    }
}

/// A graph over three parameters whose last few values are the loss.
pub fn random_problem(seed: u64) -> Problem {
    let mut maker = Maker::new(seed);
    let mut pool: Vec<ValueId> =
        [vec![3], vec![2, 3], vec![]].iter().map(|shape| maker.smooth(shape, |k| k.uniform(-1.0, 1.0))).collect();
    let ops = 5 + maker.numbers.below(26);
    while maker.graph.nodes.len() < ops + 3 {
        let value = step(&mut maker, &pool);
        pool.push(value);
    }
    let last = &pool[pool.len() - 3..];
    let last = last.to_vec();
    Problem::of(format!("seed {seed}"), maker.graph, maker.inputs, &last, maker.wrt)
}

/// One random op on random values of the pool, kept within a few units of 0.
pub fn step(maker: &mut Maker, pool: &[ValueId]) -> ValueId {
    let o = Origin::default();
    let choice = maker.numbers.below(16);
    let a = pool[maker.numbers.below(pool.len())];
    let b = like(maker, pool, a);
    let shape = maker.graph.ty(a).shape.clone();
    let rank = shape.len();
    let graph = &mut maker.graph;
    let value = match choice {
        0 => graph.add(a, b, o),
        1 => graph.sub(a, b, o),
        2 => graph.mul(a, b, o),
        3 => quotient(maker, a, b),
        4 => smooth(maker, a),
        5 => {
            let function = if maker.numbers.below(2) == 0 { Binary::Max } else { Binary::Min };
            maker.graph.binary(function, a, b, o)
        }
        6 => {
            let condition = graph.compare(Comparison::Lt, a, b, o);
            let other = graph.unary(Unary::Sin, b, o);
            graph.select(condition, a, other, o)
        }
        7 => {
            let wider = [vec![2], shape.clone()].concat();
            if rank < 3 { graph.broadcast_to(a, &wider, o) } else { graph.unary(Unary::Sin, a, o) }
        }
        8 if rank > 0 => {
            let axis = maker.numbers.below(rank);
            maker.graph.sum(a, &[axis], o)
        }
        9 if rank > 0 => {
            let axis = maker.numbers.below(rank);
            maker.graph.max_of(a, &[axis], o)
        }
        10 if rank > 1 => {
            let perm: Vec<usize> = (0..rank).rev().collect();
            graph.transpose(a, &perm, o)
        }
        11 if rank > 0 => sliced(maker, a, &shape),
        12 if rank > 0 && shape[0] < 6 => graph.push(Op::Concat { axis: 0 }, vec![a, b], o),
        13 if rank > 0 => {
            let index = graph.table_i32(&[1, 0, 1], &[3], o);
            graph.gather(a, index, rank - 1, o)
        }
        14 if rank > 0 => graph.contract(a, b, &[], &(0..rank).map(|axis| (axis, axis)).collect::<Vec<_>>(), o),
        15 => {
            let count = graph.ty(a).len();
            graph.reshape(a, &[count], o)
        }
        _ => graph.unary(Unary::Tanh, a, o),
    };
    bounded(maker, value)
}

/// A value of the same shape: another of the pool, or this one squeezed.
fn like(maker: &mut Maker, pool: &[ValueId], a: ValueId) -> ValueId {
    let same: Vec<ValueId> = pool.iter().copied().filter(|b| maker.graph.ty(*b) == maker.graph.ty(a)).collect();
    same[maker.numbers.below(same.len())]
}

/// a / (1 + b²).
fn quotient(maker: &mut Maker, a: ValueId, b: ValueId) -> ValueId {
    let denominator = one_and_square(maker, b);
    maker.graph.div(a, denominator, Origin::default())
}

fn one_and_square(maker: &mut Maker, b: ValueId) -> ValueId {
    let o = Origin::default();
    let (square, one) = (maker.graph.mul(b, b, o), maker.graph.full_like(b, 1.0, o));
    maker.graph.add(square, one, o)
}

fn smooth(maker: &mut Maker, a: ValueId) -> ValueId {
    let function = Unary::ALL[maker.numbers.below(Unary::ALL.len())];
    let o = Origin::default();
    let operand = match function {
        Unary::Log | Unary::Sqrt => one_and_square(maker, a),
        Unary::ErfInv => {
            let (bounded, half) = (maker.graph.unary(Unary::Tanh, a, o), maker.graph.full_like(a, 0.5, o));
            maker.graph.mul(bounded, half, o)
        }
        Unary::Exp => maker.graph.unary(Unary::Sin, a, o),
        Unary::Floor => return maker.graph.unary(Unary::Cos, a, o),
        Unary::Neg
        | Unary::Abs
        | Unary::Sin
        | Unary::Cos
        | Unary::Softplus
        | Unary::Tanh
        | Unary::Logistic
        | Unary::Erf => a,
    };
    maker.graph.unary(function, operand, o)
}

/// Reversed along the last axis, then laid into zeros again or not.
fn sliced(maker: &mut Maker, a: ValueId, shape: &[usize]) -> ValueId {
    let o = Origin::default();
    let last = shape.len() - 1;
    let (mut start, mut step) = (vec![0; shape.len()], vec![1; shape.len()]);
    start[last] = shape[last] - 1;
    step[last] = -1;
    let reversed = maker.graph.push(Op::Slice { start, size: shape.to_vec(), step: step.clone() }, vec![a], o);
    if shape[last] > 4 || maker.numbers.below(2) == 0 {
        return reversed;
    }
    let mut wide = shape.to_vec();
    wide[last] = 2 * shape[last];
    let mut start = vec![0; shape.len()];
    start[last] = wide[last] - 1;
    step[last] = -2;
    maker.graph.push(Op::Unslice { start, step, shape: wide }, vec![reversed], o)
}

/// Keeps sizes and values small, so that differences stay accurate.
fn bounded(maker: &mut Maker, value: ValueId) -> ValueId {
    let o = Origin::default();
    let ty = maker.graph.ty(value).clone();
    assert_eq!(ty.dtype, DType::F32);
    let value = if ty.len() > 64 { maker.graph.sum(value, &[0], o) } else { value };
    if matches!(maker.graph.node(value).op, Op::Unary(Unary::Tanh | Unary::Sin | Unary::Cos) | Op::Input(_)) {
        return value;
    }
    let scale = maker.graph.splat(Const::F32(0.75), &maker.graph.ty(value).shape.clone(), o);
    let scaled = maker.graph.mul(value, scale, o);
    maker.graph.unary(Unary::Sin, scaled, o)
}

/// The generator itself: graphs differ, and use most ops.
#[test]
fn graphs_are_varied() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        seen.extend(random_problem(seed).graph.nodes.iter().map(|node| node.op.name()));
    }
    assert!(seen.len() > 28, "{seen:?}");
    assert!(Numbers(1).next() != Numbers(2).next());
}
