//! Element types and tensor types.

use std::fmt;

/// An element type; each takes 4 bytes, a bool is all ones or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// 32-bit integer: `int` and `class(K)` alike.
    I32,
    /// Truth value.
    Bool,
}

/// Element type and shape, row-major; `D` is the type of a size: a number in
/// the graph, a dim in the typed tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type<D = usize> {
    /// Of each element.
    pub dtype: DType,
    /// Sizes, outermost first; empty for a scalar.
    pub shape: Vec<D>,
}

impl<D> Type<D> {
    /// A type.
    pub fn new(dtype: DType, shape: impl Into<Vec<D>>) -> Self {
        Type { dtype, shape: shape.into() }
    }

    /// A scalar.
    pub fn scalar(dtype: DType) -> Self {
        Type { dtype, shape: Vec::new() }
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
}

impl Type {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::I32 => "i32",
            DType::Bool => "bool",
        })
    }
}

impl<D: fmt::Display> fmt::Display for Type<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (axis, size) in self.shape.iter().enumerate() {
            if axis > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{size}")?;
        }
        f.write_str("]")
    }
}
