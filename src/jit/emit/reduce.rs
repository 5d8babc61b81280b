//! Reductions: accumulators as flat lists of Cranelift values, in the order of
//! the loop's reduces. Invariant: the order of additions is the one that
//! [`Order`] states; it does not depend on strips or tails.
//!
//! A chain has one scalar, or one vector for each vector of the enclosing
//! strip. A tree of L lanes has L/4 vectors; the vector of elements starting at
//! `4·v` (counted from a multiple of L) goes to accumulator `v mod L/4`.
//!
//! A long maximum of f32 in vectors takes an instruction that forgets a NaN;
//! whether there was one is accumulated beside it, and brought in at the end:
//! marks follow the accumulators, as many for a chain, one for a tree.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};

use super::scalar::Shape;
use super::{Emitter, LANES, Operand, vector_type};
use crate::ir::DType;
use crate::jit::JitError;
use crate::loops::ir::{Combine, Loop, Order, Reduce, ValueId};

impl Emitter<'_, '_> {
    /// Identities of all chains of a `seq` loop; long ones with marks.
    pub(super) fn chain_start(&mut self, looped: &Loop, long: bool) -> Result<Vec<Value>, JitError> {
        let mut accumulators = Vec::new();
        for reduce in &looped.reduces {
            if reduce.order != Order::Chain {
                return Err(self.unsupported("a tree along a seq loop"));
            }
            let (shape, count) = self.chain_shape();
            for _ in 0..count {
                accumulators.push(self.identity(reduce, shape));
            }
            if long && self.is_marked(reduce, shape) {
                accumulators.extend((0..count).map(|_| self.vector_constant(DType::I32, 0)));
            }
        }
        Ok(accumulators)
    }

    /// What the accumulators of long chains along lanes are: one of each for every vector.
    pub(super) fn chain_types(&self, looped: &Loop) -> Vec<Type> {
        let mut found = Vec::new();
        for reduce in &looped.reduces {
            found.push(vector_type(self.dtype(reduce.result)));
            found.extend(self.is_marked(reduce, Shape::Vector).then_some(types::I32X4));
        }
        found
    }

    /// What the chains hold after the first turn, if that is just what they take in: maxima.
    pub(super) fn chain_first(&mut self, looped: &Loop) -> Option<Vec<Value>> {
        if !looped.reduces.iter().all(|reduce| matches!(reduce.combine, Combine::Max(_))) {
            return None;
        }
        let (shape, count) = self.chain_shape();
        let mut first = Vec::new();
        for reduce in &looped.reduces {
            for value in reduce.combine.operands() {
                match shape {
                    Shape::Scalar => first.push(self.scalar(value)),
                    Shape::Vector => first.extend((0..count).map(|number| self.vector(value, number))),
                }
            }
        }
        Some(first)
    }

    /// What the chains hold after one more turn.
    pub(super) fn chain_step(&mut self, looped: &Loop, long: bool, accumulators: &[Value]) -> Vec<Value> {
        let (shape, count) = self.chain_shape();
        let mut next = Vec::with_capacity(accumulators.len());
        for reduce in &looped.reduces {
            if long && self.is_marked(reduce, shape) {
                let before = &accumulators[next.len()..next.len() + 2 * count];
                let values: Vec<Value> = (0..count).map(|number| self.operand_vector(reduce, number)).collect();
                next.extend((0..count).map(|at| self.larger(before[at], values[at])));
                next.extend((0..count).map(|at| self.marked(before[count + at], values[at], values[at])));
                continue;
            }
            for number in 0..count {
                let before = accumulators[next.len()];
                next.push(match shape {
                    Shape::Scalar => self.combine(reduce, shape, before, |emitter, value| emitter.scalar(value)),
                    Shape::Vector => {
                        self.combine(reduce, shape, before, |emitter, value| emitter.vector(value, number))
                    }
                });
            }
        }
        next
    }

    /// Defines the results of the chains.
    pub(super) fn chain_finish(&mut self, looped: &Loop, long: bool, accumulators: &[Value]) {
        let (shape, count) = self.chain_shape();
        let mut rest = accumulators;
        for reduce in &looped.reduces {
            let mut vectors = rest[..count].to_vec();
            rest = &rest[count..];
            if long && self.is_marked(reduce, shape) {
                for (vector, mark) in vectors.iter_mut().zip(rest) {
                    *vector = self.unless_marked(*mark, *vector);
                }
                rest = &rest[count..];
            }
            match shape {
                Shape::Scalar => self.define_uniform(reduce.result, vectors[0]),
                Shape::Vector => self.define(reduce.result, Operand::Lanes(vectors)),
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
            if self.is_marked(reduce, Shape::Vector) {
                accumulators.push(self.vector_constant(DType::I32, 0));
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
            if self.is_marked(reduce, Shape::Vector) {
                let values: Vec<Value> = (0..vectors).map(|number| self.operand_vector(reduce, number)).collect();
                for (number, value) in values.iter().enumerate() {
                    let at = start + (first + number) % width;
                    accumulators[at] = self.larger(accumulators[at], *value);
                }
                for pair in values.chunks(2) {
                    accumulators[start + width] =
                        self.marked(accumulators[start + width], pair[0], pair[pair.len() - 1]);
                }
                start += width + 1;
                continue;
            }
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
            if self.is_marked(reduce, Shape::Vector) {
                self.marked_lane(reduce, &mut accumulators[start..=start + width], at - start, lane);
                start += width + 1;
                continue;
            }
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
            if self.is_marked(reduce, Shape::Vector) {
                let result = self.largest(&lanes, accumulators[start]);
                self.define_uniform(reduce.result, result);
                start += 1;
                continue;
            }
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

    /// Whether accumulators have marks.
    fn is_marked(&self, reduce: &Reduce, shape: Shape) -> bool {
        let maximum = matches!(reduce.combine, Combine::Max(_));
        maximum && matches!(shape, Shape::Vector) && self.dtype(reduce.result) == DType::F32
    }

    /// What a sum or a maximum takes in, for a vector of the strip.
    fn operand_vector(&mut self, reduce: &Reduce, number: usize) -> Value {
        match reduce.combine {
            Combine::Sum(value) | Combine::Max(value) => self.vector(value, number),
            Combine::Product(..) => unreachable!("products have two operands"),
        }
    }

    /// The accumulator where it is larger, else the value, also where one is NaN.
    fn larger(&mut self, accumulator: Value, value: Value) -> Value {
        let wins = self.builder.ins().fcmp(FloatCC::LessThan, value, accumulator);
        let wins = self.bits(types::F32X4, wins);
        self.builder.ins().bitselect(wins, accumulator, value)
    }

    /// The mark, set where one of two values is NaN.
    fn marked(&mut self, mark: Value, a: Value, b: Value) -> Value {
        let nan = self.builder.ins().fcmp(FloatCC::Unordered, a, b);
        let nan = self.bits(types::I32X4, nan);
        self.builder.ins().bor(mark, nan)
    }

    /// One lane of accumulators with a mark takes in a single element.
    fn marked_lane(&mut self, reduce: &Reduce, accumulators: &mut [Value], at: usize, lane: u8) {
        let value = match reduce.combine {
            Combine::Sum(value) | Combine::Max(value) => self.scalar(value),
            Combine::Product(..) => unreachable!("products have two operands"),
        };
        // The other lanes take in what changes nothing.
        let none = self.vector_constant(DType::F32, f32::NEG_INFINITY.to_bits());
        let vector = self.builder.ins().insertlane(none, value, lane);
        let mark = accumulators.len() - 1;
        accumulators[at] = self.larger(accumulators[at], vector);
        accumulators[mark] = self.marked(accumulators[mark], vector, vector);
    }

    /// The largest of all lanes.
    fn largest(&mut self, lanes: &[Value], mut mark: Value) -> Value {
        let mut lanes = lanes.to_vec();
        while lanes.len() > 1 {
            let half = lanes.split_off(lanes.len() / 2);
            lanes = lanes.iter().zip(&half).map(|(a, b)| self.larger(*a, *b)).collect();
        }
        let mut largest = lanes[0];
        for order in [[2, 3, 0, 1], [1, 0, 3, 2]] {
            let other = self.shuffled(DType::F32, largest, largest, order);
            largest = self.larger(largest, other);
            let other = self.shuffled(DType::I32, mark, mark, order);
            mark = self.builder.ins().bor(mark, other);
        }
        let largest = self.unless_marked(mark, largest);
        self.builder.ins().extractlane(largest, 0)
    }

    fn unless_marked(&mut self, mark: Value, vector: Value) -> Value {
        let nan = self.vector_constant(DType::F32, f32::NAN.to_bits());
        let mark = self.bits(types::F32X4, mark);
        self.builder.ins().bitselect(mark, nan, vector)
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
