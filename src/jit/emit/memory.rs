//! Addresses, loads and stores. In: an access of the loops IR in the current
//! strip; out: vectors or scalars. Invariant: a guarded load outside its guards
//! and a clamped index never touch memory outside their parameter.
//!
//! An address is `dynamic + constant bytes`. The dynamic part (parameter and
//! the variables that are not constants) is computed once at the head of the
//! loop that binds its last variable; Cranelift folds the final addition into
//! the addressing mode.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, Value, types};

use super::{AddressKey, Emitter, LANES, Operand, scalar_type, vector_type, walk};
use crate::ir::DType;
use crate::jit::JitError;
use crate::kernels::abi::Ctx;
use crate::loops::ir::{Access, Affine, Guard, Mode, Stmt, ValueId, VarId};

/// Our elements are always 4-byte aligned, and verified accesses never trap.
const SCALAR: MemFlagsData = MemFlagsData::trusted();
/// Vectors start at any element.
const VECTOR: MemFlagsData = MemFlagsData::new().with_notrap();

/// Where an element is: an address and bytes to add.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) address: Value,
    pub(super) bytes: i32,
}

/// What is known of a condition while emitting.
enum Condition {
    Known(bool),
    Dynamic(Value),
}

impl Emitter<'_, '_> {
    /// `value = load access`
    pub(super) fn load(&mut self, value: ValueId, access: &Access) -> Result<(), JitError> {
        if let Some(scalar) = self.handed.get(&value) {
            self.define_uniform(value, *scalar);
            return Ok(());
        }
        let dtype = self.dtype(value);
        self.store_comb_of(access.param);
        let Some(strip) = self.strip else {
            let scalar = self.load_lane(dtype, access, 0);
            self.define_uniform(value, scalar);
            return Ok(());
        };
        let guards_vary = access.guards.iter().any(|guard| guard.at.factor(strip.var) != 0);
        let indirect_varies = access.indirect.is_some_and(|indirect| !self.is_uniform(indirect.value));
        let factor = access.index.factor(strip.var);
        if factor == 0 && !guards_vary && !indirect_varies {
            let scalar = self.load_lane(dtype, access, 0);
            self.define_uniform(value, scalar);
            return Ok(());
        }
        let vectors = if self.is_load_shuffled(access) {
            self.load_shuffled(dtype, access, strip.vectors)
        } else if factor != 1 || indirect_varies {
            self.load_lanes(dtype, access, strip.vectors)
        } else if let Some(holds) = self.known_along(&access.guards) {
            self.load_vectors(dtype, access, strip.vectors, Condition::Known(holds))
        } else if guards_vary {
            self.load_border(dtype, access, strip.vectors)
        } else {
            let condition = self.inside(&access.guards, 0);
            self.load_vectors(dtype, access, strip.vectors, condition)
        };
        self.define(value, Operand::Lanes(vectors));
        Ok(())
    }

    /// `access = value`
    pub(super) fn store(&mut self, access: &Access, value: ValueId) -> Result<(), JitError> {
        let Some(strip) = self.strip else {
            let place = self.place(access, 0, Condition::Known(true));
            let scalar = self.scalar(value);
            self.builder.ins().store(SCALAR, scalar, place.address, place.bytes);
            return Ok(());
        };
        if self.is_store_shuffled(access) {
            self.store_shuffled(access, value, strip.vectors);
            return Ok(());
        }
        self.store_comb_of(access.param);
        let indirect_varies = access.indirect.is_some_and(|indirect| !self.is_uniform(indirect.value));
        if access.index.factor(strip.var) == 1 && !indirect_varies {
            let place = self.place(access, 0, Condition::Known(true));
            for number in 0..strip.vectors {
                let vector = self.vector(value, number);
                self.builder.ins().store(VECTOR, vector, place.address, place.bytes + 16 * number as i32);
            }
            return Ok(());
        }
        for lane in 0..strip.vectors * LANES {
            let place = self.place(access, lane, Condition::Known(true));
            let scalar = self.lane(value, lane);
            self.builder.ins().store(SCALAR, scalar, place.address, place.bytes);
        }
        Ok(())
    }

    /// `value = affine`, as i32 (wrapping).
    pub(super) fn index(&mut self, value: ValueId, affine: &Affine) {
        let wide = self.affine(affine, 0);
        let scalar = self.builder.ins().ireduce(types::I32, wide);
        let step = self.strip.map_or(0, |strip| affine.factor(strip.var));
        let Some(strip) = self.strip.filter(|_| step != 0) else {
            self.define_uniform(value, scalar);
            return;
        };
        let first = self.builder.ins().splat(types::I32X4, scalar);
        let mut vectors = Vec::with_capacity(strip.vectors);
        for number in 0..strip.vectors {
            let lanes = (0..LANES).map(|lane| (((number * LANES + lane) as i64 * step) as i32).to_le_bytes());
            let bytes: Vec<u8> = lanes.flatten().collect();
            let constant = self.builder.func.dfg.constants.insert(bytes.into());
            let offsets = self.builder.ins().vconst(types::I32X4, constant);
            vectors.push(self.builder.ins().iadd(first, offsets));
        }
        self.define(value, Operand::Lanes(vectors));
    }

    /// The value of an affine function (i64) for a lane of the strip.
    pub(super) fn affine(&mut self, affine: &Affine, lane: usize) -> Value {
        let constant = self.affine_constant(affine, lane);
        let mut sum = None;
        for &(var, factor) in &affine.terms {
            let Some(value) = self.bound(var).value else { continue };
            let term = self.scaled(value, factor);
            sum = Some(sum.map_or(term, |sum| self.builder.ins().iadd(sum, term)));
        }
        match sum {
            None => self.builder.ins().iconst(types::I64, constant),
            Some(sum) if constant == 0 => sum,
            Some(sum) => self.builder.ins().iadd_imm_s(sum, constant),
        }
    }

    /// At the head of a loop body: the addresses that depend on its variable.
    pub(super) fn bind_addresses(&mut self, var: VarId, body: &[Stmt]) {
        let Some(value) = self.bound(var).value else { return };
        let mut keys: Vec<AddressKey> = Vec::new();
        walk::accesses(body, &mut |access| {
            let key = self.key(access);
            if key.1.iter().any(|(seen, _)| *seen == var) && !keys.contains(&key) {
                keys.push(key);
            }
        });
        for key in keys {
            let factor = key.1.iter().find(|(seen, _)| *seen == var).map_or(0, |(_, factor)| *factor);
            let outer = (key.0, key.1.iter().filter(|(seen, _)| *seen != var).copied().collect());
            let start = self.dynamic_address(&outer);
            let bytes = self.scaled(value, factor * 4);
            let address = self.builder.ins().iadd(start, bytes);
            self.addresses.insert(key, address);
        }
    }

    /// Stores 1 to the fault flag if the condition (i8) holds.
    pub(super) fn fault_if(&mut self, condition: Value) {
        self.store_comb();
        let (fault, next) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(fault);
        self.builder.ins().brif(condition, fault, &[], next, &[]);
        self.enter_block(fault);
        self.set_fault();
        self.builder.ins().jump(next, &[]);
        self.enter_block(next);
    }

    /// Stores 1 to the fault flag.
    pub(super) fn set_fault(&mut self) {
        let at = std::mem::offset_of!(Ctx, fault) as i32;
        let flag = self.builder.ins().load(types::I64, SCALAR, self.ctx, at);
        let one = self.builder.ins().iconst(types::I32, 1);
        self.builder.ins().store(SCALAR, one, flag, 0);
    }

    /// Four words that a guarded load reads instead of memory outside.
    pub(super) fn lay_out_fill(&mut self, fill: u32) {
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 16, 4);
        let slot = self.builder.create_sized_stack_slot(data);
        let words = self.vector_constant(DType::I32, fill);
        let address = self.builder.ins().stack_addr(types::I64, slot, 0);
        self.builder.ins().store(VECTOR, words, address, 0);
        self.fills.insert(fill, slot);
    }

    /// One element. What is only read, and was already loaded in this block, is not loaded again: the elements
    /// of a scalar tail share their uniform operands.
    pub(super) fn load_lane(&mut self, dtype: DType, access: &Access, lane: usize) -> Value {
        let condition = self.inside(&access.guards, lane);
        let read_only = self.kernel.params[access.param.index()].mode == Mode::In;
        if !read_only || access.indirect.is_some() || !matches!(condition, Condition::Known(true)) {
            let place = self.place(access, lane, condition);
            return self.builder.ins().load(scalar_type(dtype), SCALAR, place.address, place.bytes);
        }
        let known = (self.key(access), self.affine_constant(&access.index, lane));
        if let Some(value) = self.loaded.get(&known) {
            return *value;
        }
        let place = self.place(access, lane, condition);
        let value = self.builder.ins().load(scalar_type(dtype), SCALAR, place.address, place.bytes);
        self.loaded.insert(known, value);
        value
    }

    fn load_lanes(&mut self, dtype: DType, access: &Access, vectors: usize) -> Vec<Value> {
        let mut loaded = Vec::with_capacity(vectors);
        for number in 0..vectors {
            let lanes: Vec<Value> =
                (0..LANES).map(|lane| self.load_lane(dtype, access, number * LANES + lane)).collect();
            loaded.push(self.gather_lanes(dtype, &lanes));
        }
        loaded
    }

    /// Contiguous vectors whose guards hold for all lanes or for none.
    fn load_vectors(&mut self, dtype: DType, access: &Access, vectors: usize, condition: Condition) -> Vec<Value> {
        let (real, bytes) = self.unguarded(access, 0);
        let place = |emitter: &mut Self, number: usize| match condition {
            Condition::Known(true) => emitter.with_bytes(real, bytes + 16 * number as i64),
            Condition::Known(false) => Place { address: emitter.fill_address(access.fill), bytes: 0 },
            Condition::Dynamic(condition) => {
                let inside = emitter.builder.ins().iadd_imm_s(real, bytes + 16 * number as i64);
                let outside = emitter.fill_address(access.fill);
                Place { address: emitter.builder.ins().select(condition, inside, outside), bytes: 0 }
            }
        };
        let mut loaded = Vec::with_capacity(vectors);
        for number in 0..vectors {
            let Place { address, bytes } = place(self, number);
            loaded.push(self.builder.ins().load(vector_type(dtype), VECTOR, address, bytes));
        }
        loaded
    }

    /// Contiguous vectors with guards along the strip: whole if the first and the last lane are inside
    /// (the lanes between then are), else lane by lane.
    fn load_border(&mut self, dtype: DType, access: &Access, vectors: usize) -> Vec<Value> {
        if access.guards.iter().any(|guard| guard.step > 1) {
            return self.load_lanes(dtype, access, vectors);
        }
        let first = self.inside(&access.guards, 0);
        let last = self.inside(&access.guards, vectors * LANES - 1);
        let whole = match (first, last) {
            (Condition::Known(true), Condition::Known(true)) => {
                return self.load_vectors(dtype, access, vectors, Condition::Known(true));
            }
            (Condition::Known(false), _) | (_, Condition::Known(false)) => {
                return self.load_lanes(dtype, access, vectors);
            }
            (Condition::Known(true), Condition::Dynamic(one)) | (Condition::Dynamic(one), Condition::Known(true)) => {
                one
            }
            (Condition::Dynamic(first), Condition::Dynamic(last)) => self.builder.ins().band(first, last),
        };
        self.store_comb();
        let (fast, slow, next) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let merged: Vec<Value> =
            (0..vectors).map(|_| self.builder.append_block_param(next, vector_type(dtype))).collect();
        self.builder.ins().brif(whole, fast, &[], slow, &[]);
        self.enter_block(fast);
        let loaded = self.load_vectors(dtype, access, vectors, Condition::Known(true));
        self.jump(next, &loaded);
        self.enter_block(slow);
        let loaded = self.load_lanes(dtype, access, vectors);
        self.jump(next, &loaded);
        self.enter_block(next);
        merged
    }

    /// Where a lane's element is; outside the condition, where the fill is.
    fn place(&mut self, access: &Access, lane: usize, condition: Condition) -> Place {
        let (address, bytes) = self.unguarded(access, lane);
        match condition {
            Condition::Known(true) => self.with_bytes(address, bytes),
            Condition::Known(false) => Place { address: self.fill_address(access.fill), bytes: 0 },
            Condition::Dynamic(condition) => {
                let inside = self.builder.ins().iadd_imm_s(address, bytes);
                let outside = self.fill_address(access.fill);
                Place { address: self.builder.ins().select(condition, inside, outside), bytes: 0 }
            }
        }
    }

    /// Address and constant bytes of a lane's element, guards not looked at.
    pub(super) fn unguarded(&mut self, access: &Access, lane: usize) -> (Value, i64) {
        let key = self.key(access);
        let address = self.dynamic_address(&key);
        let bytes = self.affine_constant(&access.index, lane) * 4;
        let Some(indirect) = access.indirect else { return (address, bytes) };
        let offset = self.indirect_bytes(&indirect, lane);
        (self.builder.ins().iadd(address, offset), bytes)
    }

    /// Whether a lane is inside all guards.
    fn inside(&mut self, guards: &[Guard], lane: usize) -> Condition {
        let mut all: Option<Value> = None;
        for guard in guards {
            match self.known(guard) {
                Some(true) => continue,
                Some(false) => return Condition::Known(false),
                None => {}
            }
            if guard.at.terms.iter().all(|(var, _)| self.bound(*var).value.is_none()) {
                let at = self.affine_constant(&guard.at, lane);
                if at < 0 || at >= guard.bound || (guard.step > 1 && at % guard.step != 0) {
                    return Condition::Known(false);
                }
                continue;
            }
            let at = self.affine(&guard.at, lane);
            // Taken without sign a negative number is above every bound.
            let mut holds = self.builder.ins().icmp_imm_s(IntCC::UnsignedLessThan, at, guard.bound);
            if guard.step > 1 {
                let step = self.builder.ins().iconst(types::I64, guard.step);
                let rest = self.builder.ins().urem(at, step);
                let fits = self.builder.ins().icmp_imm_s(IntCC::Equal, rest, 0);
                holds = self.builder.ins().band(holds, fits);
            }
            all = Some(all.map_or(holds, |all| self.builder.ins().band(all, holds)));
        }
        all.map_or(Condition::Known(true), Condition::Dynamic)
    }

    /// Whether all guards hold for all iterations of the segment, or one for none, as far as that is known.
    pub(super) fn known_along(&self, guards: &[Guard]) -> Option<bool> {
        let known: Vec<Option<bool>> = guards.iter().map(|guard| self.known(guard)).collect();
        if known.contains(&Some(false)) {
            Some(false)
        } else {
            known.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
        }
    }

    /// The same for one.
    fn known(&self, guard: &Guard) -> Option<bool> {
        let segment = self.segment.filter(|_| guard.step <= 1)?;
        let (mut low, mut high) = (guard.at.offset, guard.at.offset);
        for &(var, factor) in &guard.at.terms {
            let (first, last) = match self.vars[var.index()] {
                _ if var == segment.var => (segment.first, segment.last),
                Some(bound) if bound.value.is_none() => (bound.plus, bound.plus),
                _ => return None,
            };
            low += (factor * first).min(factor * last);
            high += (factor * first).max(factor * last);
        }
        match () {
            () if low >= 0 && high < guard.bound => Some(true),
            () if high < 0 || low >= guard.bound => Some(false),
            () => None,
        }
    }

    pub(super) fn affine_constant(&self, affine: &Affine, lane: usize) -> i64 {
        let strip = self.strip.map_or(0, |strip| affine.factor(strip.var) * lane as i64);
        affine.offset + strip + affine.terms.iter().map(|&(var, factor)| factor * self.bound(var).plus).sum::<i64>()
    }

    /// The terms of an access whose variables are bound to dynamic values now.
    pub(super) fn key(&self, access: &Access) -> AddressKey {
        let dynamic = |var: VarId| self.vars[var.index()].is_some_and(|bound| bound.value.is_some());
        (access.param, access.index.terms.iter().filter(|(var, _)| dynamic(*var)).copied().collect())
    }

    pub(super) fn dynamic_address(&mut self, key: &AddressKey) -> Value {
        if key.1.is_empty() {
            return self.params[key.0.index()];
        }
        *self.addresses.get(key).expect("addresses are bound at the head of each loop")
    }

    pub(super) fn with_bytes(&mut self, address: Value, bytes: i64) -> Place {
        // The last vector of a strip lies up to 64 bytes further on.
        match i32::try_from(bytes) {
            Ok(bytes) if bytes < i32::MAX - 4096 => Place { address, bytes },
            _ => Place { address: self.builder.ins().iadd_imm_s(address, bytes), bytes: 0 },
        }
    }

    fn fill_address(&mut self, fill: u32) -> Value {
        let slot = self.fills[&fill];
        self.builder.ins().stack_addr(types::I64, slot, 0)
    }

    /// `value · factor`, by a shift where it is one.
    pub(super) fn scaled(&mut self, value: Value, factor: i64) -> Value {
        match factor {
            1 => value,
            factor if factor > 0 && factor.count_ones() == 1 => {
                self.builder.ins().ishl_imm_u(value, i64::from(factor.trailing_zeros()))
            }
            factor => self.builder.ins().imul_imm_s(value, factor),
        }
    }
}
