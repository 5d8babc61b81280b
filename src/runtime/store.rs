//! The persistent memory of a run: parameters, states, columns, scalars.
//!
//! In comes a list of (path, type), out goes one region in which the slots lie
//! in that order, each aligned to 64 bytes, so that neighbours of one update
//! group are one contiguous segment. Gaps and padding are zero at the start.
//! Kernels reach slots by address, the host by path.

use std::collections::HashMap;
use std::fmt;

use ndarray::{ArrayD, IxDyn};

use super::arena::{ALIGNMENT, Arena};
use crate::ir::{DType, Type};

/// Slots in one region.
#[derive(Debug)]
pub struct Store {
    arena: Arena,
    slots: Vec<Slot>,
    by_path: HashMap<String, usize>,
}

/// A named place.
#[derive(Clone, Debug)]
pub struct Slot {
    /// `Mlp.dense1.w`.
    pub path: String,
    /// Its type.
    pub ty: Type,
    /// Bytes from the start of the region, a multiple of 64.
    pub offset: usize,
}

/// Why a slot could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No slot has this path.
    Unknown { path: String },
    /// The slot's type, and the type that was asked for or given.
    Differs { path: String, has: Type, given: Type },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unknown { path } => write!(f, "no slot is named `{path}`"),
            StoreError::Differs { path, has, given } => write!(f, "`{path}` is {has}, not {given}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl Store {
    /// Lays out the slots in the given order. Paths must differ.
    ///
    /// # Panics
    /// If two slots have one path: names are unique after checking.
    pub fn new(slots: &[(String, Type)]) -> Self {
        let mut offset = 0usize;
        let mut placed = Vec::with_capacity(slots.len());
        let mut by_path = HashMap::with_capacity(slots.len());
        for (index, (path, ty)) in slots.iter().enumerate() {
            placed.push(Slot { path: path.clone(), ty: ty.clone(), offset });
            assert!(by_path.insert(path.clone(), index).is_none(), "two slots are named `{path}`");
            offset += (ty.len() * 4).next_multiple_of(ALIGNMENT);
        }
        Store { arena: Arena::zeroed(offset), slots: placed, by_path }
    }

    /// All slots, in order of layout.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The number of a slot in [`Store::slots`].
    pub fn find(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// The address of a slot by its number; valid as long as the store lives. Whoever writes through it answers
    /// for not doing so while the host reads.
    pub fn pointer(&self, slot: usize) -> *mut u8 {
        // SAFETY: offsets lie inside the region.
        unsafe { self.arena.start().add(self.slots[slot].offset) }
    }

    /// The addresses of all slots, in order.
    pub fn pointers(&self) -> Vec<*mut u8> {
        (0..self.slots.len()).map(|slot| self.pointer(slot)).collect()
    }

    /// The words of a slot by its number.
    pub fn words(&self, slot: usize) -> &[u32] {
        // SAFETY: the slot's words lie inside the region and are initialised; kernels run only while the host does
        // not read (see `pointer`).
        unsafe { std::slice::from_raw_parts(self.pointer(slot).cast(), self.slots[slot].ty.len()) }
    }

    /// The words of a slot by its number, to be written.
    pub fn words_mut(&mut self, slot: usize) -> &mut [u32] {
        // SAFETY: as `words`, and the store is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(slot).cast(), self.slots[slot].ty.len()) }
    }

    /// A copy of an f32 slot.
    pub fn floats(&self, path: &str) -> Result<ArrayD<f32>, StoreError> {
        self.read(path, DType::F32, f32::from_bits)
    }

    /// A copy of an i32 slot.
    pub fn integers(&self, path: &str) -> Result<ArrayD<i32>, StoreError> {
        self.read(path, DType::I32, |word| word as i32)
    }

    /// Writes an f32 slot.
    pub fn set_floats(&mut self, path: &str, values: &ArrayD<f32>) -> Result<(), StoreError> {
        self.write(path, DType::F32, values, |value| value.to_bits())
    }

    /// Writes an i32 slot.
    pub fn set_integers(&mut self, path: &str, values: &ArrayD<i32>) -> Result<(), StoreError> {
        self.write(path, DType::I32, values, |value| value as u32)
    }

    /// A copy of the whole region, for [`Store::restore`].
    pub fn save(&self) -> Vec<u32> {
        // SAFETY: the region is a multiple of 64 bytes and initialised.
        unsafe { std::slice::from_raw_parts(self.arena.start().cast::<u32>(), self.arena.len() / 4) }.to_vec()
    }

    /// Copies the whole region into an earlier copy, without allocating if the sizes agree.
    pub fn save_into(&self, saved: &mut Vec<u32>) {
        saved.clear();
        // SAFETY: as `save`.
        saved.extend_from_slice(unsafe {
            std::slice::from_raw_parts(self.arena.start().cast::<u32>(), self.arena.len() / 4)
        });
    }

    /// Brings back a copy of this store's region.
    ///
    /// # Panics
    /// If the copy is of a store of another size.
    pub fn restore(&mut self, saved: &[u32]) {
        assert_eq!(saved.len(), self.arena.len() / 4, "the copy is of this store");
        // SAFETY: sizes agree, and the store is borrowed exclusively.
        unsafe { std::ptr::copy_nonoverlapping(saved.as_ptr(), self.arena.start().cast(), saved.len()) }
    }

    fn read<T>(&self, path: &str, dtype: DType, convert: fn(u32) -> T) -> Result<ArrayD<T>, StoreError> {
        let slot = self.slot_of(path)?;
        let ty = &self.slots[slot].ty;
        if ty.dtype != dtype {
            let given = Type::new(dtype, ty.shape.clone());
            return Err(StoreError::Differs { path: path.to_owned(), has: ty.clone(), given });
        }
        let values = self.words(slot).iter().map(|&word| convert(word)).collect();
        Ok(ArrayD::from_shape_vec(IxDyn(&ty.shape), values).expect("a slot has as many words as its shape"))
    }

    fn write<T: Copy>(
        &mut self,
        path: &str,
        dtype: DType,
        values: &ArrayD<T>,
        convert: fn(T) -> u32,
    ) -> Result<(), StoreError> {
        let slot = self.slot_of(path)?;
        let given = Type::new(dtype, values.shape());
        let has = &self.slots[slot].ty;
        if *has != given {
            return Err(StoreError::Differs { path: path.to_owned(), has: has.clone(), given });
        }
        for (word, &value) in self.words_mut(slot).iter_mut().zip(values) {
            *word = convert(value);
        }
        Ok(())
    }

    fn slot_of(&self, path: &str) -> Result<usize, StoreError> {
        self.find(path).ok_or_else(|| StoreError::Unknown { path: path.to_owned() })
    }
}
