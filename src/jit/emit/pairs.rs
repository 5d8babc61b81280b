//! Vectors at steps of 2 and -1: windows of pooling, and what is reversed.
//!
//! In: an access whose index moves so along the strip. Out: plain vectors and
//! shuffles. Invariant: no element is touched that a lane does not stand for.
//!
//! Stores of every second element wait for those between: the two become
//! vectors without gaps. What waits is stored before anything could see that it
//! is missing: a load or another store of the same parameter, a new block, the
//! end of the strip.

use cranelift_codegen::ir::{ConstantData, InstBuilder, MemFlagsData, Value, types};

use super::{AddressKey, Emitter, LANES, vector_type};
use crate::ir::DType;
use crate::loops::ir::{Access, ParamId, ValueId};

/// Vectors start at any element.
const VECTOR: MemFlagsData = MemFlagsData::new().with_notrap();
/// Elements are aligned.
const SCALAR: MemFlagsData = MemFlagsData::trusted();

/// Lanes of two vectors, those of the second from 4 on.
const EVENS: [u8; LANES] = [0, 2, 5, 7];
const REVERSED: [u8; LANES] = [3, 2, 1, 0];
const LOW: [u8; LANES] = [0, 4, 1, 5];
const HIGH: [u8; LANES] = [2, 6, 3, 7];

/// Stores that wait.
#[derive(Clone, Debug)]
pub(super) struct Half {
    key: AddressKey,
    /// Elements of the first lane from the address of the key.
    at: i64,
    vectors: Vec<Value>,
}

impl Emitter<'_, '_> {
    /// Whether the vectors of an access are shuffled ones.
    pub(super) fn is_shuffled(&self, access: &Access) -> bool {
        let step = self.strip.map_or(0, |strip| access.index.factor(strip.var));
        access.indirect.is_none() && access.guards.is_empty() && (step == 2 || step == -1)
    }

    pub(super) fn load_shuffled(&mut self, dtype: DType, access: &Access, vectors: usize) -> Vec<Value> {
        let address = self.address(access);
        let mut loaded = Vec::with_capacity(vectors);
        for number in 0..vectors {
            let first = self.affine_constant(&access.index, number * LANES);
            let last = self.affine_constant(&access.index, number * LANES + LANES - 1);
            if last < first {
                let vector = self.load_at(dtype, address, last);
                loaded.push(self.shuffled(dtype, vector, vector, REVERSED));
            } else {
                // The second vector ends with the last lane's element.
                let low = self.load_at(dtype, address, first);
                let high = self.load_at(dtype, address, last + 1 - LANES as i64);
                loaded.push(self.shuffled(dtype, low, high, EVENS));
            }
        }
        loaded
    }

    pub(super) fn store_shuffled(&mut self, access: &Access, value: ValueId, vectors: usize) {
        let (key, at) = (self.key(access), self.affine_constant(&access.index, 0));
        let dtype = self.dtype(value);
        let values: Vec<Value> = (0..vectors).map(|number| self.vector(value, number)).collect();
        if self.affine_constant(&access.index, 1) < at {
            self.store_half();
            let address = self.address(access);
            for (number, vector) in values.into_iter().enumerate() {
                let last = self.affine_constant(&access.index, number * LANES + LANES - 1);
                let vector = self.shuffled(dtype, vector, vector, REVERSED);
                self.store_at(address, last, vector);
            }
            return;
        }
        match self.half.take() {
            Some(half) if half.key == key && (half.at - at).abs() == 1 => {
                let address = self.dynamic_address(&key);
                let (evens, odds) = if half.at < at { (half.vectors, values) } else { (values, half.vectors) };
                for (number, (even, odd)) in evens.into_iter().zip(odds).enumerate() {
                    let place = half.at.min(at) + (2 * number * LANES) as i64;
                    let low = self.shuffled(dtype, even, odd, LOW);
                    self.store_at(address, place, low);
                    let high = self.shuffled(dtype, even, odd, HIGH);
                    self.store_at(address, place + LANES as i64, high);
                }
            }
            before => {
                self.half = before;
                self.store_half();
                self.half = Some(Half { key, at, vectors: values });
            }
        }
    }

    /// Stores what waits, element by element.
    pub(super) fn store_half(&mut self) {
        let Some(half) = self.half.take() else { return };
        let address = self.dynamic_address(&half.key);
        for (number, vector) in half.vectors.into_iter().enumerate() {
            for lane in 0..LANES {
                let scalar = self.builder.ins().extractlane(vector, lane as u8);
                let place = self.with_bytes(address, 4 * (half.at + 2 * (number * LANES + lane) as i64));
                self.builder.ins().store(SCALAR, scalar, place.address, place.bytes);
            }
        }
    }

    /// Stores what waits if it belongs to `param`.
    pub(super) fn store_half_of(&mut self, param: ParamId) {
        if self.half.as_ref().is_some_and(|half| half.key.0 == param) {
            self.store_half();
        }
    }

    fn address(&mut self, access: &Access) -> Value {
        let key = self.key(access);
        self.dynamic_address(&key)
    }

    fn load_at(&mut self, dtype: DType, address: Value, element: i64) -> Value {
        let place = self.with_bytes(address, 4 * element);
        self.builder.ins().load(vector_type(dtype), VECTOR, place.address, place.bytes)
    }

    fn store_at(&mut self, address: Value, element: i64, vector: Value) {
        let place = self.with_bytes(address, 4 * element);
        self.builder.ins().store(VECTOR, vector, place.address, place.bytes);
    }

    /// Four lanes out of two vectors.
    fn shuffled(&mut self, dtype: DType, a: Value, b: Value, lanes: [u8; LANES]) -> Value {
        let bytes: Vec<u8> = lanes.iter().flat_map(|lane| (0..4).map(move |byte| 4 * lane + byte)).collect();
        let mask = self.builder.func.dfg.immediates.push(ConstantData::from(bytes));
        let (a, b) = (self.bits(types::I8X16, a), self.bits(types::I8X16, b));
        let vector = self.builder.ins().shuffle(a, b, mask);
        self.bits(vector_type(dtype), vector)
    }
}
