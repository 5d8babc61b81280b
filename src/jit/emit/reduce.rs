//! Reductions: accumulators as flat lists of Cranelift values, in the order of
//! the loop's reduces. Invariant: the order of additions is the one that
//! [`Order`] states; it does not depend on strips or tails.
//!
//! A chain has one scalar, or one vector for each vector of the enclosing
//! strip. A tree of L lanes has L/4 vectors; the vector of elements starting at
//! `4·v` (counted from a multiple of L) goes to accumulator `v mod L/4`.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Value};

use super::scalar::Shape;
use super::{Emitter, LANES, Operand};
use crate::ir::DType;
use crate::jit::JitError;
use crate::loops::ir::{Combine, Loop, Order, Reduce, ValueId};

impl Emitter<'_, '_> {
    /// Identities of all chains of a `seq` loop.
    pub(super) fn chain_start(&mut self, looped: &Loop) -> Result<Vec<Value>, JitError> {
        let mut accumulators = Vec::new();
        for reduce in &looped.reduces {
            if reduce.order != Order::Chain {
                return Err(self.unsupported("a tree along a seq loop"));
            }
            let (shape, count) = self.chain_shape();
            for _ in 0..count {
                accumulators.push(self.identity(reduce, shape));
            }
        }
        Ok(accumulators)
    }

    /// What the chains hold after one more turn.
    pub(super) fn chain_step(&mut self, looped: &Loop, accumulators: &[Value]) -> Vec<Value> {
        let (shape, count) = self.chain_shape();
        let mut next = Vec::with_capacity(accumulators.len());
        for (number, accumulator) in accumulators.iter().enumerate() {
            let reduce = &looped.reduces[number / count];
            let step = match shape {
                Shape::Scalar => self.combine(reduce, shape, *accumulator, |emitter, value| emitter.scalar(value)),
                Shape::Vector => {
                    self.combine(reduce, shape, *accumulator, |emitter, value| emitter.vector(value, number % count))
                }
            };
            next.push(step);
        }
        next
    }

    /// Defines the results of the chains.
    pub(super) fn chain_finish(&mut self, looped: &Loop, accumulators: &[Value]) {
        let (shape, count) = self.chain_shape();
        for (reduce, vectors) in looped.reduces.iter().zip(accumulators.chunks(count)) {
            match shape {
                Shape::Scalar => self.define_uniform(reduce.result, vectors[0]),
                Shape::Vector => self.define(reduce.result, Operand::Lanes(vectors.to_vec())),
            }
        }
    }

    /// Identities of all trees of a `vec` loop.
    pub(super) fn tree_start(&mut self, looped: &Loop) -> Result<Vec<Value>, JitError> {
        let mut accumulators = Vec::new();
        for reduce in &looped.reduces {
            if reduce.order == Order::Chain {
                return Err(self.unsupported("a chain along a vec loop"));
            }
            for _ in 0..tree_vectors(reduce) {
                accumulators.push(self.identity(reduce, Shape::Vector));
            }
        }
        Ok(accumulators)
    }

    /// How many strips of `vectors` fill all accumulators of the widest tree.
    pub(super) fn tree_groups(&self, looped: &Loop, vectors: usize) -> usize {
        looped.reduces.iter().map(|reduce| tree_vectors(reduce) / vectors).max().unwrap_or(1)
    }

    /// Adds the strip just emitted; `first` is the number of its first vector since a multiple of L elements.
    pub(super) fn tree_step(&mut self, looped: &Loop, accumulators: &mut [Value], first: usize, vectors: usize) {
        let mut start = 0;
        for reduce in &looped.reduces {
            let width = tree_vectors(reduce);
            for number in 0..vectors {
                let at = start + (first + number) % width;
                accumulators[at] = self
                    .combine(reduce, Shape::Vector, accumulators[at], |emitter, value| emitter.vector(value, number));
            }
            start += width;
        }
    }

    /// Adds the single element just emitted; `element` is counted from a multiple of L.
    pub(super) fn tree_step_lane(&mut self, looped: &Loop, accumulators: &mut [Value], element: usize) {
        let mut start = 0;
        for reduce in &looped.reduces {
            let width = tree_vectors(reduce);
            let at = start + (element / LANES) % width;
            let lane = (element % LANES) as u8;
            let before = self.builder.ins().extractlane(accumulators[at], lane);
            let after = self.combine(reduce, Shape::Scalar, before, |emitter, value| emitter.scalar(value));
            accumulators[at] = self.builder.ins().insertlane(accumulators[at], after, lane);
            start += width;
        }
    }

    /// Halves the trees down to their results.
    pub(super) fn tree_finish(&mut self, looped: &Loop, accumulators: &[Value]) {
        let mut start = 0;
        for reduce in &looped.reduces {
            let mut width = tree_vectors(reduce);
            let mut lanes = accumulators[start..start + width].to_vec();
            start += width;
            while width > 1 {
                width /= 2;
                for number in 0..width {
                    lanes[number] = self.merge(reduce, Shape::Vector, lanes[number], lanes[number + width]);
                }
            }
            let scalars: Vec<Value> =
                (0..LANES as u8).map(|lane| self.builder.ins().extractlane(lanes[0], lane)).collect();
            let even = self.merge(reduce, Shape::Scalar, scalars[0], scalars[2]);
            let odd = self.merge(reduce, Shape::Scalar, scalars[1], scalars[3]);
            let result = self.merge(reduce, Shape::Scalar, even, odd);
            self.define_uniform(reduce.result, result);
        }
    }

    fn chain_shape(&self) -> (Shape, usize) {
        self.strip.map_or((Shape::Scalar, 1), |strip| (Shape::Vector, strip.vectors))
    }

    fn identity(&mut self, reduce: &Reduce, shape: Shape) -> Value {
        let dtype = self.dtype(reduce.result);
        let bits = match (reduce.combine, dtype) {
            (Combine::Sum(_) | Combine::Product(..), _) => 0,
            (Combine::Max(_), DType::F32) => f32::NEG_INFINITY.to_bits(),
            (Combine::Max(_), DType::I32 | DType::Bool) => i32::MIN.cast_unsigned(),
        };
        self.constant_of(shape, dtype, bits)
    }

    fn combine(
        &mut self,
        reduce: &Reduce,
        shape: Shape,
        accumulator: Value,
        read: impl Fn(&mut Self, ValueId) -> Value,
    ) -> Value {
        match reduce.combine {
            Combine::Sum(value) | Combine::Max(value) => {
                let value = read(self, value);
                self.merge(reduce, shape, accumulator, value)
            }
            Combine::Product(a, b) => {
                let (a, b) = (read(self, a), read(self, b));
                self.builder.ins().fma(a, b, accumulator)
            }
        }
    }

    /// Two accumulated values become one.
    fn merge(&mut self, reduce: &Reduce, shape: Shape, a: Value, b: Value) -> Value {
        match (reduce.combine, self.dtype(reduce.result)) {
            (Combine::Sum(_) | Combine::Product(..), DType::F32) => self.builder.ins().fadd(a, b),
            (Combine::Sum(_) | Combine::Product(..), DType::I32 | DType::Bool) => self.builder.ins().iadd(a, b),
            (Combine::Max(_), DType::F32) => self.float_extreme(FloatCC::LessThan, shape, a, b),
            (Combine::Max(_), DType::I32 | DType::Bool) => self.builder.ins().smax(a, b),
        }
    }
}

/// Accumulators of a tree.
fn tree_vectors(reduce: &Reduce) -> usize {
    match reduce.order {
        Order::Chain => 1,
        Order::Tree8 => 8 / LANES,
        Order::Tree32 => 32 / LANES,
    }
}
