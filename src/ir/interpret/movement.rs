//! Movement: the same elements at other places, whatever their type.

use ndarray::{ArrayD, Axis, IxDyn};

use super::array::{Array, Real, SliceShape};
use crate::ir::infer::MAX_RANK;

/// The same expression for each element type.
macro_rules! each {
    ($array:expr, $x:ident => $body:expr) => {
        match $array {
            Array::Float($x) => Array::Float($body),
            Array::Int($x) => Array::Int($body),
            Array::Bool($x) => Array::Bool($body),
        }
    };
}
pub(super) use each;

pub(super) fn broadcast<F: Real>(a: &Array<F>, shape: &[usize], axes: &[usize]) -> Array<F> {
    let mut aligned = vec![1; shape.len()];
    for (&size, &axis) in a.shape().iter().zip(axes) {
        aligned[axis] = size;
    }
    each!(a, x => {
        let x = reshaped(x, &aligned);
        x.broadcast(IxDyn(shape)).expect("sizes are equal or 1").as_standard_layout().into_owned()
    })
}

pub(super) fn reshape<F: Real>(a: &Array<F>, shape: &[usize]) -> Array<F> {
    each!(a, x => reshaped(x, shape))
}

pub(super) fn transpose<F: Real>(a: &Array<F>, perm: &[usize]) -> Array<F> {
    each!(a, x => x.view().permuted_axes(perm).as_standard_layout().into_owned())
}

pub(super) fn slice<F: Real>(a: &Array<F>, start: &[usize], size: &[usize], step: &[i64]) -> Array<F> {
    each!(a, x => pick(x, size, |index, axis| place(start, step, index, axis)))
}

pub(super) fn unslice<F: Real>(a: &Array<F>, start: &[usize], step: &[i64], shape: &[usize]) -> Array<F> {
    each!(a, x => {
        let mut result = ArrayD::from_elem(IxDyn(shape), Default::default());
        for (index, value) in x.indexed_iter() {
            let index = index.slice_shape();
            let mut target = [0; MAX_RANK];
            for (axis, target) in target[..index.len()].iter_mut().enumerate() {
                *target = place(start, step, index, axis);
            }
            result[&target[..index.len()]] = *value;
        }
        result
    })
}

pub(super) fn concat<F: Real>(parts: &[&Array<F>], axis: usize) -> Array<F> {
    match parts[0] {
        Array::Float(_) => Array::Float(joined(parts.iter().map(|part| part.float()), axis)),
        Array::Int(_) => Array::Int(joined(parts.iter().map(|part| part.int()), axis)),
        Array::Bool(_) => Array::Bool(joined(parts.iter().map(|part| part.bool()), axis)),
    }
}

fn joined<'a, T: Copy + 'a>(parts: impl Iterator<Item = &'a ArrayD<T>>, axis: usize) -> ArrayD<T> {
    let views: Vec<_> = parts.map(|part| part.view()).collect();
    let whole = ndarray::concatenate(Axis(axis), &views).expect("parts agree off the axis");
    whole.as_standard_layout().into_owned()
}

fn place(start: &[usize], step: &[i64], index: &[usize], axis: usize) -> usize {
    (start[axis] as i64 + index[axis] as i64 * step[axis]) as usize
}

fn reshaped<T: Copy>(x: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
    x.to_shape(IxDyn(shape)).expect("as many elements").into_owned()
}

/// The array of `shape` whose element at `index` is x's at `from(index, axis)` for each axis of x.
pub(super) fn pick<T: Copy>(x: &ArrayD<T>, shape: &[usize], from: impl Fn(&[usize], usize) -> usize) -> ArrayD<T> {
    ArrayD::from_shape_fn(IxDyn(shape), |index| {
        let mut source = [0; MAX_RANK];
        for (axis, place) in source[..x.ndim()].iter_mut().enumerate() {
            *place = from(index.slice_shape(), axis);
        }
        x[&source[..x.ndim()]]
    })
}
