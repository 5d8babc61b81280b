//! Reductions, products and indexed reads: sums run in f64 in element order
//! and are rounded once; integers wrap.

use std::cmp::Ordering;

use ndarray::{Array3, ArrayD, Axis, IxDyn};

use super::array::{Array, Real, SliceShape};
use super::math;
use super::movement::{each, pick};
use crate::ir::infer::{MAX_RANK, other_axes};

pub(super) fn sum<F: Real>(a: &Array<F>, axes: &[usize]) -> Array<F> {
    reduced(a, axes, (0.0, |sum, x| sum + x), (0, i32::wrapping_add))
}

pub(super) fn max_of<F: Real>(a: &Array<F>, axes: &[usize]) -> Array<F> {
    reduced(a, axes, (f64::NEG_INFINITY, math::max), (i32::MIN, i32::max))
}

type Combine<T> = (T, fn(T, T) -> T);

fn reduced<F: Real>(a: &Array<F>, axes: &[usize], float: Combine<f64>, int: Combine<i32>) -> Array<F> {
    match a {
        Array::Float(a) => Array::Float(folded(a.mapv(F::wide), axes, float).mapv(F::of)),
        Array::Int(a) => Array::Int(folded(a.clone(), axes, int)),
        Array::Bool(_) => unreachable!("the shape rule refuses bool"),
    }
}

fn folded<T: Copy>(array: ArrayD<T>, axes: &[usize], (start, combine): Combine<T>) -> ArrayD<T> {
    axes.iter().rev().fold(array, |array, &axis| array.fold_axis(Axis(axis), start, |sum, x| combine(*sum, *x)))
}

pub(super) fn contract<F: Real>(
    a: &Array<F>,
    b: &Array<F>,
    batch: &[(usize, usize)],
    over: &[(usize, usize)],
) -> Array<F> {
    let (batch_a, batch_b): (Vec<usize>, Vec<usize>) = batch.iter().copied().unzip();
    let (over_a, over_b): (Vec<usize>, Vec<usize>) = over.iter().copied().unzip();
    let free_a = other_axes(a.shape().len(), &[&batch_a[..], &over_a].concat());
    let free_b = other_axes(b.shape().len(), &[&batch_b[..], &over_b].concat());
    let left = matrices(a.float(), &batch_a, &free_a, &over_a);
    let right = matrices(b.float(), &batch_b, &over_b, &free_b);
    let (rows, columns) = (left.dim().1, right.dim().2);
    let mut product = Array3::<f64>::zeros((left.dim().0, rows, columns));
    for ((left, right), mut product) in left.outer_iter().zip(right.outer_iter()).zip(product.outer_iter_mut()) {
        product.assign(&left.dot(&right));
    }
    let sizes_a = batch_a.iter().chain(&free_a).map(|&axis| a.shape()[axis]);
    let shape: Vec<usize> = sizes_a.chain(free_b.iter().map(|&axis| b.shape()[axis])).collect();
    let product = product.to_shape(IxDyn(&shape)).expect("batch, rows, columns").mapv(F::of);
    Array::Float(product)
}

/// The array as [batch, rows, columns] in f64.
fn matrices<F: Real>(x: &ArrayD<F>, batch: &[usize], rows: &[usize], columns: &[usize]) -> Array3<f64> {
    let size = |axes: &[usize]| axes.iter().map(|&axis| x.shape()[axis]).product::<usize>();
    let sizes = (size(batch), size(rows), size(columns));
    let moved = x.view().permuted_axes([batch, rows, columns].concat()).mapv(F::wide);
    moved.as_standard_layout().to_shape(sizes).expect("every axis once").into_owned()
}

pub(super) fn gather<F: Real>(x: &Array<F>, index: &Array<F>, axis: usize) -> Array<F> {
    let (index, size) = (index.int(), x.shape()[axis]);
    let mut shape = x.shape().to_vec();
    shape.splice(axis..=axis, index.shape().iter().copied());
    let rank = index.ndim();
    let from = |at: &[usize], source: usize| match source {
        before if before < axis => at[before],
        here if here == axis => clamped(index[&at[axis..axis + rank]], size),
        after => at[after + rank - 1],
    };
    each!(x, x => pick(x, &shape, from))
}

pub(super) fn scatter_add<F: Real>(update: &Array<F>, index: &Array<F>, axis: usize, size: usize) -> Array<F> {
    let index = index.int();
    match update {
        Array::Float(update) => {
            Array::Float(scattered(&update.mapv(F::wide), index, axis, size, |sum, x| sum + x).mapv(F::of))
        }
        Array::Int(update) => Array::Int(scattered(update, index, axis, size, i32::wrapping_add)),
        Array::Bool(_) => unreachable!("the shape rule refuses bool"),
    }
}

fn scattered<T: Copy + Default>(
    update: &ArrayD<T>,
    index: &ArrayD<i32>,
    axis: usize,
    size: usize,
    add: fn(T, T) -> T,
) -> ArrayD<T> {
    let mut shape = update.shape().to_vec();
    let end = axis + index.ndim();
    shape.splice(axis..end, [size]);
    let mut result = ArrayD::from_elem(IxDyn(&shape), T::default());
    for (at, value) in update.indexed_iter() {
        let at = at.slice_shape();
        let mut target = [0; MAX_RANK];
        target[..axis].copy_from_slice(&at[..axis]);
        target[axis] = clamped(index[&at[axis..end]], size);
        target[axis + 1..shape.len()].copy_from_slice(&at[end..]);
        let sum = &mut result[&target[..shape.len()]];
        *sum = add(*sum, *value);
    }
    result
}

pub(super) fn put<F: Real>(x: &Array<F>, value: &Array<F>, index: &Array<F>, axis: usize) -> Array<F> {
    fn put<T: Clone>(x: &ArrayD<T>, value: &ArrayD<T>, axis: usize, at: usize) -> ArrayD<T> {
        let mut result = x.clone();
        result.index_axis_mut(Axis(axis), at).assign(value);
        result
    }
    let at = clamped(index.int().iter().next().copied().unwrap_or_default(), x.shape()[axis]);
    match (x, value) {
        (Array::Float(x), Array::Float(value)) => Array::Float(put(x, value, axis, at)),
        (Array::Int(x), Array::Int(value)) => Array::Int(put(x, value, axis, at)),
        (Array::Bool(x), Array::Bool(value)) => Array::Bool(put(x, value, axis, at)),
        (Array::Float(_) | Array::Int(_) | Array::Bool(_), _) => unreachable!("the shape rule wants one type"),
    }
}

pub(super) fn argsort<F: Real>(x: &Array<F>, axis: usize) -> Array<F> {
    match x {
        Array::Float(x) => Array::Int(order(x, axis, |a, b| {
            let (a, b) = (a.wide(), b.wide());
            a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(Ordering::Equal))
        })),
        Array::Int(x) => Array::Int(order(x, axis, |a, b| a.cmp(&b))),
        Array::Bool(_) => unreachable!("the shape rule refuses bool"),
    }
}

/// For each lane the places of its elements in rising order; equal ones keep their order.
fn order<T: Copy>(x: &ArrayD<T>, axis: usize, compare: impl Fn(T, T) -> Ordering) -> ArrayD<i32> {
    let mut result = ArrayD::from_elem(x.raw_dim(), 0);
    for (from, mut to) in x.lanes(Axis(axis)).into_iter().zip(result.lanes_mut(Axis(axis))) {
        let mut places: Vec<usize> = (0..from.len()).collect();
        places.sort_by(|&a, &b| compare(from[a], from[b]));
        to.iter_mut().zip(places).for_each(|(to, place)| *to = place as i32);
    }
    result
}

fn clamped(index: i32, size: usize) -> usize {
    (index.max(0) as usize).min(size - 1)
}
