//! A value of the interpreter: an array of one of three element types.
//! Invariant: standard (row-major) layout, so iteration is in element order.

use ndarray::{ArrayD, IxDyn};

use crate::ir::op::Const;
use crate::ir::types::{DType, Type};

/// The float the interpreter stores: every op is computed in f64 and rounded to it.
pub trait Real: Copy + PartialEq + std::fmt::Debug + Default + Send + Sync + 'static {
    /// Rounded to this type.
    fn of(value: f64) -> Self;
    /// Exactly.
    fn wide(self) -> f64;
}

impl Real for f32 {
    fn of(value: f64) -> f32 {
        value as f32
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> f64 {
        value
    }

    fn wide(self) -> f64 {
        self
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Array<F> {
    /// f32 in the graph.
    Float(ArrayD<F>),
    /// i32.
    Int(ArrayD<i32>),
    /// bool.
    Bool(ArrayD<bool>),
}

impl<F: Real> Array<F> {
    /// A float array from row-major data.
    ///
    /// # Panics
    /// If `data` has not the shape's number of elements.
    pub fn floats(shape: &[usize], data: Vec<F>) -> Array<F> {
        Array::Float(ArrayD::from_shape_vec(IxDyn(shape), data).expect("one value an element"))
    }

    /// An i32 array from row-major data.
    ///
    /// # Panics
    /// If `data` has not the shape's number of elements.
    pub fn ints(shape: &[usize], data: Vec<i32>) -> Array<F> {
        Array::Int(ArrayD::from_shape_vec(IxDyn(shape), data).expect("one value an element"))
    }

    /// A bool array from row-major data.
    ///
    /// # Panics
    /// If `data` has not the shape's number of elements.
    pub fn bools(shape: &[usize], data: Vec<bool>) -> Array<F> {
        Array::Bool(ArrayD::from_shape_vec(IxDyn(shape), data).expect("one value an element"))
    }

    /// Element type and shape.
    pub fn ty(&self) -> Type {
        match self {
            Array::Float(array) => Type::new(DType::F32, array.shape()),
            Array::Int(array) => Type::new(DType::I32, array.shape()),
            Array::Bool(array) => Type::new(DType::Bool, array.shape()),
        }
    }

    /// The sizes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Array::Float(array) => array.shape(),
            Array::Int(array) => array.shape(),
            Array::Bool(array) => array.shape(),
        }
    }

    /// The elements as f64, in order: ints exactly, bools as 0 or 1.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Array::Float(array) => array.iter().map(|value| value.wide()).collect(),
            Array::Int(array) => array.iter().map(|value| f64::from(*value)).collect(),
            Array::Bool(array) => array.iter().map(|value| f64::from(u8::from(*value))).collect(),
        }
    }

    /// The same value at another precision.
    pub fn cast<G: Real>(&self) -> Array<G> {
        match self {
            Array::Float(array) => Array::Float(array.mapv(|value| G::of(value.wide()))),
            Array::Int(array) => Array::Int(array.clone()),
            Array::Bool(array) => Array::Bool(array.clone()),
        }
    }

    pub(super) fn constant(value: &Const, shape: &[usize]) -> Array<F> {
        let shape = IxDyn(shape);
        match value {
            Const::F32(value) => Array::Float(ArrayD::from_elem(shape, F::of(f64::from(*value)))),
            Const::I32(value) => Array::Int(ArrayD::from_elem(shape, *value)),
            Const::Bool(value) => Array::Bool(ArrayD::from_elem(shape, *value)),
            Const::Table { dtype, words } => {
                let words = words.iter().copied();
                match dtype {
                    DType::F32 => {
                        Array::floats(shape.slice_shape(), words.map(|w| F::of(f64::from(f32::from_bits(w)))).collect())
                    }
                    DType::I32 => Array::ints(shape.slice_shape(), words.map(|w| w as i32).collect()),
                    DType::Bool => Array::bools(shape.slice_shape(), words.map(|w| w != 0).collect()),
                }
            }
        }
    }

    pub(super) fn from_fn_float(shape: &[usize], mut value: impl FnMut(&[usize]) -> f64) -> Array<F> {
        Array::Float(ArrayD::from_shape_fn(IxDyn(shape), |index| F::of(value(index.slice_shape()))))
    }

    pub(super) fn from_fn_i32(shape: &[usize], mut value: impl FnMut(&[usize]) -> i32) -> Array<F> {
        Array::Int(ArrayD::from_shape_fn(IxDyn(shape), |index| value(index.slice_shape())))
    }

    pub(super) fn float(&self) -> &ArrayD<F> {
        match self {
            Array::Float(array) => array,
            Array::Int(_) | Array::Bool(_) => unreachable!("the shape rule asks for f32"),
        }
    }

    pub(super) fn int(&self) -> &ArrayD<i32> {
        match self {
            Array::Int(array) => array,
            Array::Float(_) | Array::Bool(_) => unreachable!("the shape rule asks for i32"),
        }
    }

    pub(super) fn bool(&self) -> &ArrayD<bool> {
        match self {
            Array::Bool(array) => array,
            Array::Float(_) | Array::Int(_) => unreachable!("the shape rule asks for bool"),
        }
    }
}

/// An index or a shape as a slice.
pub(super) trait SliceShape {
    fn slice_shape(&self) -> &[usize];
}

impl SliceShape for IxDyn {
    fn slice_shape(&self) -> &[usize] {
        use ndarray::Dimension;
        self.slice()
    }
}
