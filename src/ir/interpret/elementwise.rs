//! Elementwise ops: arrays of one shape in, an array of that shape out.
//! Floats are computed in f64 and rounded once, except `rem`, whose quotient
//! is rounded before the floor as compiled code does.

use ndarray::{ArrayD, Zip};

use super::array::{Array, Real};
use super::math;
use crate::ir::op::{Binary, Comparison, Unary};
use crate::ir::types::DType;

pub(super) fn unary<F: Real>(function: Unary, a: &Array<F>) -> Array<F> {
    match a {
        Array::Float(a) => Array::Float(a.mapv(|x| F::of(float_unary(function, x.wide())))),
        Array::Int(a) => Array::Int(a.mapv(|x| int_unary(function, x))),
        Array::Bool(_) => unreachable!("the shape rule refuses bool"),
    }
}

fn float_unary(function: Unary, x: f64) -> f64 {
    match function {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Softplus => math::softplus(x),
        Unary::Tanh => x.tanh(),
        Unary::Logistic => math::logistic(x),
        Unary::Erf => math::erf(x),
        Unary::ErfInv => math::erfinv(x),
        Unary::Floor => x.floor(),
    }
}

fn int_unary(function: Unary, x: i32) -> i32 {
    match function {
        Unary::Neg => x.wrapping_neg(),
        Unary::Abs => x.wrapping_abs(),
        Unary::Exp
        | Unary::Log
        | Unary::Sqrt
        | Unary::Sin
        | Unary::Cos
        | Unary::Softplus
        | Unary::Tanh
        | Unary::Logistic
        | Unary::Erf
        | Unary::ErfInv
        | Unary::Floor => unreachable!("the shape rule refuses i32"),
    }
}

pub(super) fn binary<F: Real>(function: Binary, a: &Array<F>, b: &Array<F>) -> Array<F> {
    match (a, b) {
        (Array::Int(a), Array::Int(b)) => Array::Int(zip(a, b, |a, b| int_binary(function, a, b))),
        (Array::Float(_), _) | (Array::Int(_), _) | (Array::Bool(_), _) => {
            Array::Float(zip(a.float(), b.float(), |a, b| float_binary::<F>(function, a.wide(), b.wide())))
        }
    }
}

fn float_binary<F: Real>(function: Binary, a: f64, b: f64) -> F {
    let rounded = |value: f64| F::of(value).wide();
    F::of(match function {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Rem => a - rounded(rounded(a / b).floor() * b),
        Binary::Pow => a.powf(b),
        Binary::Max => math::max(a, b),
        Binary::Min => math::min(a, b),
    })
}

fn int_binary(function: Binary, a: i32, b: i32) -> i32 {
    match function {
        Binary::Add => a.wrapping_add(b),
        Binary::Sub => a.wrapping_sub(b),
        Binary::Mul => a.wrapping_mul(b),
        Binary::Div => math::floor_div(a, b),
        Binary::Rem => math::floor_rem(a, b),
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::Pow => unreachable!("the shape rule refuses i32"),
    }
}

pub(super) fn compare<F: Real>(comparison: Comparison, a: &Array<F>, b: &Array<F>) -> Array<F> {
    Array::Bool(match (a, b) {
        (Array::Int(a), Array::Int(b)) => zip(a, b, |a, b| holds(comparison, &a, &b)),
        (Array::Bool(a), Array::Bool(b)) => zip(a, b, |a, b| holds(comparison, &a, &b)),
        (Array::Float(_), _) | (Array::Int(_), _) | (Array::Bool(_), _) => {
            zip(a.float(), b.float(), |a, b| holds(comparison, &a.wide(), &b.wide()))
        }
    })
}

fn holds<T: PartialOrd>(comparison: Comparison, a: &T, b: &T) -> bool {
    match comparison {
        Comparison::Lt => a < b,
        Comparison::Le => a <= b,
        Comparison::Eq => a == b,
    }
}

pub(super) fn logic<F: Real>(a: &Array<F>, b: &Array<F>, f: impl Fn(bool, bool) -> bool) -> Array<F> {
    Array::Bool(zip(a.bool(), b.bool(), f))
}

pub(super) fn select<F: Real>(condition: &Array<F>, a: &Array<F>, b: &Array<F>) -> Array<F> {
    let condition = condition.bool();
    match a {
        Array::Float(a) => Array::Float(choose(condition, a, b.float())),
        Array::Int(a) => Array::Int(choose(condition, a, b.int())),
        Array::Bool(a) => Array::Bool(choose(condition, a, b.bool())),
    }
}

pub(super) fn convert<F: Real>(to: DType, a: &Array<F>) -> Array<F> {
    match to {
        DType::F32 => Array::Float(match a {
            Array::Float(a) => a.clone(),
            Array::Int(a) => a.mapv(|x| F::of(f64::from(x))),
            Array::Bool(a) => a.mapv(|x| F::of(f64::from(u8::from(x)))),
        }),
        DType::I32 => Array::Int(match a {
            // Rust's `as` truncates, saturates and sends NaN to 0.
            Array::Float(a) => a.mapv(|x| x.wide() as i32),
            Array::Int(a) => a.clone(),
            Array::Bool(a) => a.mapv(i32::from),
        }),
        DType::Bool => Array::Bool(match a {
            Array::Float(a) => a.mapv(|x| x.wide() != 0.0),
            Array::Int(a) => a.mapv(|x| x != 0),
            Array::Bool(a) => a.clone(),
        }),
    }
}

fn zip<A: Copy, B: Copy, T>(a: &ArrayD<A>, b: &ArrayD<B>, f: impl Fn(A, B) -> T) -> ArrayD<T> {
    Zip::from(a).and(b).map_collect(|a, b| f(*a, *b))
}

fn choose<T: Copy>(condition: &ArrayD<bool>, a: &ArrayD<T>, b: &ArrayD<T>) -> ArrayD<T> {
    Zip::from(condition).and(a).and(b).map_collect(|condition, a, b| if *condition { *a } else { *b })
}
