//! Sliding windows and convolutions, straight from their definitions.
//!
//! In: values whose types the shape rule accepted. Out: each element as the
//! sum in f64 of what the definition names, rounded once.

use ndarray::{ArrayD, IxDyn};

use super::array::{Array, Real, SliceShape};
use crate::ir::op::{Face, Fill, Window};

pub(super) fn unfold<F: Real>(a: &Array<F>, axis: usize, window: &Window, fill: Fill) -> Array<F> {
    let x = a.float();
    let mut shape = a.shape().to_vec();
    shape.splice(axis..=axis, [window.out, window.k]);
    Array::from_fn_float(&shape, |index| {
        let Some(place) = window.place(index[axis], index[axis + 1]) else { return f64::from(fill.value()) };
        let mut from = index.to_vec();
        from.splice(axis..axis + 2, [place]);
        x[&from[..]].wide()
    })
}

pub(super) fn fold<F: Real>(a: &Array<F>, axis: usize, window: &Window) -> Array<F> {
    let mut shape = a.shape().to_vec();
    shape.splice(axis..axis + 2, [window.n]);
    let mut sum = ArrayD::<f64>::zeros(IxDyn(&shape));
    for (index, value) in a.float().indexed_iter() {
        let mut to = index.slice_shape().to_vec();
        if let Some(place) = window.place(to[axis], to[axis + 1]) {
            to.splice(axis..axis + 2, [place]);
            sum[&to[..]] += value.wide();
        }
    }
    Array::Float(sum.mapv(F::of))
}

/// The form's every term is visited once; each belongs to one element of the face.
pub(super) fn conv<F: Real>(
    face: Face,
    a: &Array<F>,
    b: &Array<F>,
    windows: &[Window],
    groups: usize,
    shape: &[usize],
) -> Array<F> {
    // The sizes of x, w and y, whichever of them is computed.
    let (x_shape, w_shape, y_shape) = match face {
        Face::Out => (a.shape(), b.shape(), shape),
        Face::Input => (shape, b.shape(), a.shape()),
        Face::Weight => (a.shape(), shape, b.shape()),
    };
    let (images, group_in, group_out) = (x_shape[0], w_shape[1], w_shape[0] / groups);
    let (a, b) = (a.float(), b.float());
    let mut sum = ArrayD::<f64>::zeros(IxDyn(shape));
    for window in ndarray::indices(IxDyn(&w_shape[2..])) {
        for out in ndarray::indices(IxDyn(&y_shape[2..])) {
            let places = windows.iter().enumerate().map(|(axis, one)| one.place(out[axis], window[axis]));
            let Some(place) = places.collect::<Option<Vec<usize>>>() else { continue };
            for (image, group) in (0..images).flat_map(|image| (0..groups).map(move |group| (image, group))) {
                for (c, f) in (0..group_in).flat_map(|c| (0..group_out).map(move |f| (c, f))) {
                    let x = [&[image, group * group_in + c], &place[..]].concat();
                    let w = [&[group * group_out + f, c], window.slice_shape()].concat();
                    let y = [&[image, group * group_out + f], out.slice_shape()].concat();
                    let (result, first, second) = match face {
                        Face::Out => (y, x, w),
                        Face::Input => (x, y, w),
                        Face::Weight => (w, x, y),
                    };
                    sum[&result[..]] += a[&first[..]].wide() * b[&second[..]].wide();
                }
            }
        }
    }
    Array::Float(sum.mapv(F::of))
}
