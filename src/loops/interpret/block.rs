//! Straight-line code over many elements at a time, operation by operation.
//!
//! In: the `Let`s of a body and words for the values they read from outside.
//! Out: the words of every value. Invariant: the same functions of words as the
//! element-wise interpreter, so a test of millions of elements tests it too.

use super::scalar::{Function, function};
use crate::loops::ir::{Kernel, ScalarOp, Stmt, ValueId};

/// Words of each value of a kernel, one per element.
#[derive(Debug)]
pub struct Block {
    words: Vec<Vec<u32>>,
    size: usize,
}

impl Block {
    /// Room for `size` elements of every value of `kernel`.
    pub fn new(kernel: &Kernel, size: usize) -> Self {
        Block { words: vec![vec![0; size]; kernel.values.len()], size }
    }

    /// The words of a value.
    pub fn words(&self, value: ValueId) -> &[u32] {
        &self.words[value.index()]
    }

    /// The words of a value, to be set from outside.
    pub fn words_mut(&mut self, value: ValueId) -> &mut [u32] {
        &mut self.words[value.index()]
    }

    /// Runs the `Let`s of the kernel's body that compute (loads and indices keep the words they were given).
    ///
    /// # Panics
    /// If the body has loops or stores, or operations that `math::expand` replaces.
    pub fn run(&mut self, kernel: &Kernel) {
        for stmt in &kernel.body {
            let Stmt::Let { value, op } = stmt else { panic!("straight-line code has only lets") };
            if matches!(op, ScalarOp::Load(_) | ScalarOp::Index(_)) {
                continue;
            }
            let operands = op.operands();
            let dtype = kernel.values[operands.first().unwrap_or(value).index()].dtype;
            let function = function(op, dtype).expect("composite operations are expanded");
            let mut out = std::mem::take(&mut self.words[value.index()]);
            self.apply(function, &operands, &mut out);
            self.words[value.index()] = out;
        }
    }

    fn apply(&self, function: Function, operands: &[ValueId], out: &mut [u32]) {
        let operand = |at: usize| &self.words[operands[at].index()][..self.size];
        match function {
            Function::Constant(word) => out.fill(word),
            Function::One(f) => {
                for (out, &a) in out.iter_mut().zip(operand(0)) {
                    *out = f(a);
                }
            }
            Function::Shift(f, by) => {
                for (out, &a) in out.iter_mut().zip(operand(0)) {
                    *out = f(a, by);
                }
            }
            Function::Two(f) => {
                for ((out, &a), &b) in out.iter_mut().zip(operand(0)).zip(operand(1)) {
                    *out = f(a, b);
                }
            }
            Function::Three(f) => {
                for (((out, &a), &b), &c) in out.iter_mut().zip(operand(0)).zip(operand(1)).zip(operand(2)) {
                    *out = f(a, b, c);
                }
            }
        }
    }
}
