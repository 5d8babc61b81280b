//! A value in the host's hands: type and raw words, row-major.

use crate::ir::{DType, Type};

/// A tensor read from the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Element type and shape.
    pub ty: Type,
    /// One 4-byte word an element; a bool is all ones or zero.
    pub words: Vec<u32>,
}

impl Value {
    /// An f32 scalar.
    pub fn scalar(value: f32) -> Self {
        Value { ty: Type::scalar(DType::F32), words: vec![value.to_bits()] }
    }

    /// The elements as f64: bools are 0 and 1.
    pub fn to_f64(&self) -> Vec<f64> {
        self.words.iter().map(|&word| number(self.ty.dtype, word)).collect()
    }
}

/// An element as f64, exactly.
pub fn number(dtype: DType, word: u32) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::from_bits(word)),
        DType::I32 => f64::from(word as i32),
        DType::Bool => f64::from(u8::from(word != 0)),
    }
}
