//! Indices from memory, clamped to their bounds.
//!
//! In: an i32 value that accesses use as an index. Out: what they add to their
//! addresses. Invariant: an index out of bounds is a fault and is moved to the
//! nearest one inside, wherever the element is then used or not.
//!
//! An index is clamped where it is defined, once for all its accesses and outside
//! the loops that only use it. That it is inside is the rule: the code for the
//! other case stands apart.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};

use super::loops::block_arguments;
use super::scalar::Shape;
use super::{Emitter, LANES, Operand};
use crate::ir::DType;
use crate::loops::ir::{Indirect, ValueId};

impl Emitter<'_, '_> {
    /// Clamps a value that was just defined for each bound that it has somewhere.
    pub(super) fn clamp(&mut self, value: ValueId) {
        for at in 0..self.indirects[value.index()].len() {
            let indirect = self.indirects[value.index()][at];
            let last = i32::try_from(indirect.bound - 1).unwrap_or(i32::MAX);
            let clamped = match self.operand(value).clone() {
                Operand::Uniform { scalar, .. } => {
                    let index = self.clamped(&[scalar], last)[0];
                    let wide = self.builder.ins().uextend(types::I64, index);
                    Operand::Uniform { scalar: self.scaled(wide, 4 * indirect.stride), splat: None }
                }
                Operand::Lanes(vectors) => Operand::Lanes(self.clamped(&vectors, last)),
            };
            self.clamped.insert((value, indirect.stride, indirect.bound), clamped);
        }
    }

    /// Bytes to add to the address for a lane of the current strip.
    pub(super) fn indirect_bytes(&mut self, indirect: &Indirect, lane: usize) -> Value {
        let key = (indirect.value, indirect.stride, indirect.bound);
        match self.clamped.get(&key).expect("the verifier checked: defined before use") {
            Operand::Uniform { scalar, .. } => *scalar,
            Operand::Lanes(vectors) => {
                let wide = self.index_of(vectors[lane / LANES], lane % LANES);
                self.scaled(wide, 4 * indirect.stride)
            }
        }
    }

    /// A lane of clamped indices. Two leave the vector at once: that way out is the narrow one.
    fn index_of(&mut self, vector: Value, lane: usize) -> Value {
        let pair = match self.pairs.get(&(vector, lane / 2)) {
            Some(pair) => *pair,
            None => {
                let wide = self.bits(types::I64X2, vector);
                let pair = self.builder.ins().extractlane(wide, (lane / 2) as u8);
                self.pairs.insert((vector, lane / 2), pair);
                pair
            }
        };
        if lane % 2 == 1 {
            return self.builder.ins().ushr_imm_u(pair, 32);
        }
        let low = self.builder.ins().ireduce(types::I32, pair);
        self.builder.ins().uextend(types::I64, low)
    }

    /// Scalars or vectors with all elements in `0..=last`.
    fn clamped(&mut self, indices: &[Value], last: i32) -> Vec<Value> {
        let ty = self.builder.func.dfg.value_type(indices[0]);
        let shape = if ty == types::I32 { Shape::Scalar } else { Shape::Vector };
        let greatest = self.constant_of(shape, DType::I32, last.cast_unsigned());
        // Taken without sign a negative index is above every bound.
        let most = indices[1..].iter().fold(indices[0], |most, index| self.builder.ins().umax(most, *index));
        let above = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, most, greatest);
        let outside = if ty == types::I32 { above } else { self.builder.ins().vany_true(above) };
        self.store_comb();
        let (fault, next) = (self.builder.create_block(), self.builder.create_block());
        let inside: Vec<Value> = indices.iter().map(|_| self.builder.append_block_param(next, ty)).collect();
        self.builder.set_cold_block(fault);
        let arguments = block_arguments(indices);
        self.builder.ins().brif(outside, fault, &[], next, &arguments);
        self.enter_block(fault);
        let zero = self.constant_of(shape, DType::I32, 0);
        let greatest = self.constant_of(shape, DType::I32, last.cast_unsigned());
        let mut moved = Vec::with_capacity(indices.len());
        for index in indices {
            let below = self.builder.ins().smin(*index, greatest);
            moved.push(self.builder.ins().smax(below, zero));
        }
        self.set_fault();
        self.jump(next, &moved);
        self.enter_block(next);
        inside
    }
}
