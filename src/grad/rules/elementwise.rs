//! Rules of elementwise ops: g times the derivative at each element.
//! Conventions at kinks: abs and relu-like selects 0, max and min half each at a tie.

use std::f32::consts::{FRAC_2_SQRT_PI, PI};

use super::Context;
use crate::ir::{Binary, Unary, ValueId};

pub(super) fn unary(cx: &mut Context<'_>, function: Unary) -> Option<ValueId> {
    let (x, y, g) = (cx.operands[0], cx.y, cx.g);
    let factor = match function {
        Unary::Floor => return None,
        Unary::Neg => return Some(cx.neg(g)),
        Unary::Log => return Some(cx.div(g, x)),
        Unary::Abs => return Some(abs(cx)),
        Unary::Sqrt => {
            let half = scaled(cx, g, 0.5);
            return Some(cx.div(half, y));
        }
        Unary::Exp => y,
        Unary::Sin => cx.unary(Unary::Cos, x),
        Unary::Cos => {
            let sine = cx.unary(Unary::Sin, x);
            cx.neg(sine)
        }
        Unary::Softplus => cx.unary(Unary::Logistic, x),
        Unary::Tanh => {
            let (one, square) = (cx.constant(1.0), cx.mul(y, y));
            cx.sub(one, square)
        }
        Unary::Logistic => {
            let one = cx.constant(1.0);
            let rest = cx.sub(one, y);
            cx.mul(y, rest)
        }
        Unary::Erf => {
            let square = cx.mul(x, x);
            let negative = cx.neg(square);
            let bell = cx.unary(Unary::Exp, negative);
            scaled(cx, bell, FRAC_2_SQRT_PI)
        }
        Unary::ErfInv => {
            let square = cx.mul(y, y);
            let bell = cx.unary(Unary::Exp, square);
            scaled(cx, bell, PI.sqrt() / 2.0)
        }
    };
    Some(cx.mul(g, factor))
}

/// g · sign x, 0 at 0.
fn abs(cx: &mut Context<'_>) -> ValueId {
    let (x, g, zero) = (cx.operands[0], cx.g, cx.constant(0.0));
    let (positive, negative) = (cx.lt(zero, x), cx.lt(x, zero));
    let down = cx.neg(g);
    let below = cx.select(negative, down, zero);
    cx.select(positive, g, below)
}

pub(super) fn binary(cx: &mut Context<'_>, function: Binary, k: usize) -> ValueId {
    let (a, b, y, g) = (cx.operands[0], cx.operands[1], cx.y, cx.g);
    match (function, k) {
        (Binary::Add, _) | (Binary::Sub | Binary::Rem, 0) => g,
        (Binary::Sub, _) => cx.neg(g),
        (Binary::Mul, 0) => cx.mul(g, b),
        (Binary::Mul, _) => cx.mul(g, a),
        (Binary::Div, 0) => cx.div(g, b),
        (Binary::Div, _) => {
            let share = cx.div(g, b);
            let slope = cx.mul(share, y);
            cx.neg(slope)
        }
        (Binary::Rem, _) => {
            let quotient = cx.div(a, b);
            let whole = cx.unary(Unary::Floor, quotient);
            let slope = cx.mul(g, whole);
            cx.neg(slope)
        }
        (Binary::Pow, 0) => pow_base(cx),
        (Binary::Pow, _) => pow_exponent(cx),
        (Binary::Max, 0) => winner(cx, (b, a)),
        (Binary::Max, _) => winner(cx, (a, b)),
        (Binary::Min, 0) => winner(cx, (a, b)),
        (Binary::Min, _) => winner(cx, (b, a)),
    }
}

/// g where less.0 < less.1, g/2 at a tie, else 0.
fn winner(cx: &mut Context<'_>, less: (ValueId, ValueId)) -> ValueId {
    let (g, zero) = (cx.g, cx.constant(0.0));
    let (wins, tie) = (cx.lt(less.0, less.1), cx.eq(less.0, less.1));
    let half = scaled(cx, g, 0.5);
    let otherwise = cx.select(tie, half, zero);
    cx.select(wins, g, otherwise)
}

/// g · b · pow(a, b-1), and 0 where b = 0: there the product would be 0 · infinity at a = 0.
fn pow_base(cx: &mut Context<'_>) -> ValueId {
    let (a, b, g) = (cx.operands[0], cx.operands[1], cx.g);
    let (zero, one) = (cx.constant(0.0), cx.constant(1.0));
    let (less, constant) = (cx.sub(b, one), cx.eq(b, zero));
    let lower = cx.push(crate::ir::Op::Binary(Binary::Pow), &[a, less]);
    let slope = cx.mul(b, lower);
    let product = cx.mul(g, slope);
    cx.select(constant, zero, product)
}

/// g · y · log a where a > 0, else 0. The log of an unselected element is
/// taken at 1, so that its own derivative stays finite.
fn pow_exponent(cx: &mut Context<'_>) -> ValueId {
    let (a, y, g) = (cx.operands[0], cx.y, cx.g);
    let (zero, one) = (cx.constant(0.0), cx.constant(1.0));
    let positive = cx.lt(zero, a);
    let safe = cx.select(positive, a, one);
    let log = cx.unary(Unary::Log, safe);
    let slope = cx.mul(y, log);
    let product = cx.mul(g, slope);
    cx.select(positive, product, zero)
}

pub(super) fn select(cx: &mut Context<'_>, k: usize) -> ValueId {
    let (condition, g, zero) = (cx.operands[0], cx.g, cx.constant(0.0));
    if k == 1 { cx.select(condition, g, zero) } else { cx.select(condition, zero, g) }
}

fn scaled(cx: &mut Context<'_>, a: ValueId, factor: f32) -> ValueId {
    let factor = cx.constant(factor);
    cx.mul(a, factor)
}
