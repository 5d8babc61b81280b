//! Where an operation has no value: an index outside of its axis, a whole number
//! divided by zero.
//!
//! Machine code takes the nearest element, or 0, and sets a flag. Whether that
//! matters is judged here: both branches of an `if` are computed, so what one of
//! them misses may be left out by the other. Where it would change an output if
//! the missing value were another, it is a [`Misstep`].

use ndarray::{ArrayD, Dimension, IxDyn};

use super::{Array, Real, elementwise, interpret, interpret_all, interpret_in};
use crate::ir::graph::{Graph, Node};
use crate::ir::op::{Binary, Op};
use crate::source::Span;

/// What stands for a value that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// What machine code takes: the nearest element, 0.
    Nearest,
    /// NaN, or the least whole number: whatever depends on it differs.
    Poison,
}

/// An operation without a value on which an output depends.
#[derive(Clone, Debug, PartialEq)]
pub struct Misstep {
    /// The expression.
    pub span: Span,
    /// What is wrong, in a line.
    pub what: String,
}

/// The first operation without a value, if an output depends on it.
///
/// # Errors
/// As [`interpret`].
pub fn find(graph: &Graph, inputs: &[Array<f32>]) -> Result<Option<Misstep>, String> {
    let taken = interpret(graph, inputs)?;
    let poisoned = interpret_in(graph, inputs, Missing::Poison)?;
    if taken.iter().zip(&poisoned).all(|(a, b)| alike(a, b)) { Ok(None) } else { first(graph, inputs) }
}

fn alike(a: &Array<f32>, b: &Array<f32>) -> bool {
    let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
    a.to_f64().iter().zip(&b.to_f64()).all(same)
}

/// The first, in the order of the graph; those of scans in the turn that meets it.
fn first(graph: &Graph, inputs: &[Array<f32>]) -> Result<Option<Misstep>, String> {
    let values = interpret_all(graph, inputs)?;
    for node in &graph.nodes {
        let operands: Vec<&Array<f32>> = node.operands.iter().map(|operand| &values[operand.index()]).collect();
        let what = match &node.op {
            Op::Gather { axis } => {
                let size = operands[0].shape()[*axis];
                let outside = operands[1].int().iter().find(|index| **index < 0 || **index as usize >= size);
                outside.map(|index| format!("index {index} is outside of an axis of {size}"))
            }
            Op::Binary(Binary::Div | Binary::Rem) => match operands[1] {
                Array::Int(divisor) if divisor.iter().any(|divisor| *divisor == 0) => {
                    Some("a whole number is divided by zero".to_string())
                }
                _ => None,
            },
            Op::Scan { scan, .. } => {
                let mut found = None;
                super::scan::turns(scan, &operands, |inputs| {
                    if found.is_none() {
                        found = first(&scan.body, inputs).ok().flatten();
                    }
                });
                if found.is_some() {
                    return Ok(found);
                }
                None
            }
            _ => None,
        };
        if let Some(what) = what {
            return Ok(Some(Misstep { span: node.origin.span, what }));
        }
    }
    Ok(None)
}

/// A node's value with poison for what is not there.
pub(super) fn poisoned<F: Real>(node: &Node, operands: &[&Array<F>], value: Array<F>) -> Array<F> {
    let there: ArrayD<bool> = match (&node.op, operands) {
        (Op::Gather { axis }, [x, index]) => {
            let (index, size) = (index.int(), x.shape()[*axis]);
            let inside = |at: IxDyn| {
                let place = index[&at.as_array_view().as_slice().unwrap_or_default()[*axis..*axis + index.ndim()]];
                place >= 0 && (place as usize) < size
            };
            ArrayD::from_shape_fn(IxDyn(value.shape()), inside)
        }
        (Op::Binary(Binary::Div | Binary::Rem), [_, Array::Int(divisor)]) => divisor.mapv(|divisor| divisor != 0),
        _ => return value,
    };
    if there.iter().all(|there| *there) {
        return value;
    }
    let poison = match &value {
        Array::Float(array) => Array::Float(array.mapv(|_| F::of(f64::NAN))),
        Array::Int(array) => Array::Int(array.mapv(|_| i32::MIN)),
        Array::Bool(array) => Array::Bool(array.mapv(|bit| !bit)),
    };
    elementwise::select(&Array::Bool(there), &value, &poison)
}
