//! Vectors at small steps and at -1: windows, channels, and what is reversed.
//!
//! In: an access whose index moves so along the strip. Out: plain vectors and
//! shuffles. Invariant: no element is touched that a lane does not stand for.
//!
//! Stores at steps of 2 to 7 wait for those between: together they become
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

/// Four lanes of two vectors, those of the second from 4 on.
type Lanes = [u8; LANES];

/// Every second and every third element: the second vector ends with the last of them.
const EVENS: Lanes = [0, 2, 5, 7];
const THIRDS: Lanes = [0, 3, 4, 7];
const REVERSED: Lanes = [3, 2, 1, 0];
const LOW: Lanes = [0, 4, 1, 5];
const HIGH: Lanes = [2, 6, 3, 7];

/// Stores that wait.
#[derive(Clone, Debug)]
pub(super) struct Comb {
    key: AddressKey,
    /// Elements from lane to lane, and so many parts there are when nothing is missing.
    step: i64,
    /// For each store its first lane's element from the address of the key, and its vectors; in order of elements.
    parts: Vec<(i64, Vec<Value>)>,
}

impl Comb {
    /// Whether a store fills one of the gaps.
    fn takes(&self, key: &AddressKey, step: i64, at: i64) -> bool {
        let beside = |(other, _): &(i64, Vec<Value>)| *other != at && (other - at).abs() < step;
        self.key == *key && self.step == step && self.parts.iter().all(beside)
    }
}

impl Emitter<'_, '_> {
    /// Whether vectors are loaded by shuffling others.
    pub(super) fn is_load_shuffled(&self, access: &Access) -> bool {
        self.is_direct(access) && matches!(self.step(access), -1 | 2 | 3)
    }

    /// Whether vectors are stored by shuffling others.
    pub(super) fn is_store_shuffled(&self, access: &Access) -> bool {
        self.is_direct(access) && matches!(self.step(access), -1 | 2..=7)
    }

    fn is_direct(&self, access: &Access) -> bool {
        let inside = access.guards.is_empty() || self.known_along(&access.guards) == Some(true);
        access.indirect.is_none() && inside
    }

    /// Elements from lane to lane.
    fn step(&self, access: &Access) -> i64 {
        self.strip.map_or(0, |strip| access.index.factor(strip.var))
    }

    pub(super) fn load_shuffled(&mut self, dtype: DType, access: &Access, vectors: usize) -> Vec<Value> {
        let (address, step) = (self.address(access), self.step(access));
        let mut loaded = Vec::with_capacity(vectors);
        for number in 0..vectors {
            let first = self.affine_constant(&access.index, number * LANES);
            let last = self.affine_constant(&access.index, number * LANES + LANES - 1);
            loaded.push(if step < 0 {
                let vector = self.load_at(dtype, address, last);
                self.shuffled(dtype, vector, vector, REVERSED)
            } else {
                // The second vector ends with the last lane's element.
                let low = self.load_at(dtype, address, first);
                let high = self.load_at(dtype, address, last + 1 - LANES as i64);
                self.shuffled(dtype, low, high, if step == 2 { EVENS } else { THIRDS })
            });
        }
        loaded
    }

    pub(super) fn store_shuffled(&mut self, access: &Access, value: ValueId, vectors: usize) {
        let (key, at, step) = (self.key(access), self.affine_constant(&access.index, 0), self.step(access));
        let dtype = self.dtype(value);
        let values: Vec<Value> = (0..vectors).map(|number| self.vector(value, number)).collect();
        if step < 0 {
            self.store_comb();
            let address = self.address(access);
            for (number, vector) in values.into_iter().enumerate() {
                let last = self.affine_constant(&access.index, number * LANES + LANES - 1);
                let vector = self.shuffled(dtype, vector, vector, REVERSED);
                self.store_at(address, last, vector);
            }
            return;
        }
        if !self.comb.as_ref().is_some_and(|comb| comb.takes(&key, step, at)) {
            self.store_comb();
        }
        let comb = self.comb.get_or_insert_with(|| Comb { key, step, parts: Vec::new() });
        comb.parts.push((at, values));
        if comb.parts.len() < step as usize {
            return;
        }
        let Some(mut comb) = self.comb.take() else { return };
        comb.parts.sort_by_key(|(at, _)| *at);
        let (address, first) = (self.dynamic_address(&comb.key), comb.parts[0].0);
        for number in 0..vectors {
            let teeth: Vec<Value> = comb.parts.iter().map(|(_, vectors)| vectors[number]).collect();
            let first = first + step * (number * LANES) as i64;
            for (at, vector) in self.side_by_side(dtype, &teeth) {
                self.store_at(address, first + at as i64, vector);
            }
        }
    }

    /// The first lanes of all vectors, then the second ones, and so on: vectors and where they lie.
    fn side_by_side(&mut self, dtype: DType, teeth: &[Value]) -> Vec<(usize, Value)> {
        let mut mixed = |a, b, lanes| self.shuffled(dtype, a, b, lanes);
        match *teeth {
            [a, b] => vec![(0, mixed(a, b, LOW)), (LANES, mixed(a, b, HIGH))],
            [a, b, c] => {
                let (ab, ca) = (mixed(a, b, LOW), mixed(c, a, [0, 0, 5, 5]));
                let first = mixed(ab, ca, [0, 1, 4, 6]);
                let (bc, ab) = (mixed(b, c, LOW), mixed(a, b, HIGH));
                let second = mixed(bc, ab, [2, 3, 4, 5]);
                let (ca, bc) = (mixed(c, a, [2, 2, 7, 7]), mixed(b, c, [3, 3, 7, 7]));
                vec![(0, first), (LANES, second), (2 * LANES, mixed(ca, bc, [0, 2, 4, 6]))]
            }
            _ => {
                // Four at a time; the last four may hold some of the ones before, which are then stored twice.
                let mut all = Vec::new();
                for tooth in (0..teeth.len()).step_by(LANES).map(|tooth| tooth.min(teeth.len() - LANES)) {
                    let (a, b, c, d) = (teeth[tooth], teeth[tooth + 1], teeth[tooth + 2], teeth[tooth + 3]);
                    for (lane, half) in [(0, LOW), (2, HIGH)] {
                        let (ab, cd) = (mixed(a, b, half), mixed(c, d, half));
                        all.push((lane * teeth.len() + tooth, mixed(ab, cd, [0, 1, 4, 5])));
                        all.push(((lane + 1) * teeth.len() + tooth, mixed(ab, cd, [2, 3, 6, 7])));
                    }
                }
                all
            }
        }
    }

    /// Stores what waits, element by element.
    pub(super) fn store_comb(&mut self) {
        let Some(comb) = self.comb.take() else { return };
        let address = self.dynamic_address(&comb.key);
        for (at, vectors) in comb.parts {
            for (number, vector) in vectors.into_iter().enumerate() {
                for lane in 0..LANES {
                    let scalar = self.builder.ins().extractlane(vector, lane as u8);
                    let element = at + comb.step * (number * LANES + lane) as i64;
                    let place = self.with_bytes(address, 4 * element);
                    self.builder.ins().store(SCALAR, scalar, place.address, place.bytes);
                }
            }
        }
    }

    /// Stores what waits if it belongs to `param`.
    pub(super) fn store_comb_of(&mut self, param: ParamId) {
        if self.comb.as_ref().is_some_and(|comb| comb.key.0 == param) {
            self.store_comb();
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
    pub(super) fn shuffled(&mut self, dtype: DType, a: Value, b: Value, lanes: Lanes) -> Value {
        let bytes: Vec<u8> = lanes.iter().flat_map(|lane| (0..4).map(move |byte| 4 * lane + byte)).collect();
        let mask = self.builder.func.dfg.immediates.push(ConstantData::from(bytes));
        let (a, b) = (self.bits(types::I8X16, a), self.bits(types::I8X16, b));
        let vector = self.builder.ins().shuffle(a, b, mask);
        self.bits(vector_type(dtype), vector)
    }
}
