//! Aligned memory for buffers of a program.
//!
//! In comes a size, out goes memory aligned to 64 bytes with [`PADDING`] readable
//! bytes behind: vector loops over a whole buffer may read (never need) them.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Alignment of the start, and of every buffer that is placed inside.
pub const ALIGNMENT: usize = 64;
/// Readable bytes behind the end.
pub const PADDING: usize = 64;

/// Owned memory, reached by raw pointers only: kernels write it behind Rust's back.
#[derive(Debug)]
pub struct Arena {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory is owned, and the arena itself never reads or writes it without `&mut`.
unsafe impl Send for Arena {}
// SAFETY: a shared arena gives out addresses; who uses them answers for it.
unsafe impl Sync for Arena {}

impl Arena {
    /// Memory of `bytes`, all zero.
    pub fn zeroed(bytes: usize) -> Self {
        let layout = Self::layout(bytes);
        // SAFETY: the layout has at least PADDING bytes.
        Self::from_raw(unsafe { alloc_zeroed(layout) }, bytes)
    }

    /// Memory of `bytes` with undefined contents; pages are taken only when touched.
    pub fn scratch(bytes: usize) -> Self {
        let layout = Self::layout(bytes);
        // SAFETY: as above.
        Self::from_raw(unsafe { alloc(layout) }, bytes)
    }

    /// Its first byte, aligned to [`ALIGNMENT`].
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Usable bytes, padding excluded.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Fills the padding with a pattern that is NaN in every word: a result that depends on it shows.
    pub fn poison_padding(&mut self) {
        // SAFETY: PADDING bytes behind the end belong to the allocation.
        unsafe { self.start().add(self.bytes).write_bytes(POISON, PADDING) }
    }

    /// Whether nothing wrote to the padding since [`Arena::poison_padding`].
    pub fn padding_is_poisoned(&self) -> bool {
        // SAFETY: as above; the padding was written before.
        (0..PADDING).all(|byte| unsafe { *self.start().add(self.bytes + byte) } == POISON)
    }

    fn from_raw(start: *mut u8, bytes: usize) -> Self {
        match NonNull::new(start) {
            Some(start) => Arena { start, bytes },
            None => handle_alloc_error(Self::layout(bytes)),
        }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes + PADDING, ALIGNMENT).expect("an arena is smaller than the address space")
    }
}

/// Four of them are a NaN as f32, -1 as i32 and true as bool.
const POISON: u8 = 0xff;

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start(), Self::layout(self.bytes)) }
    }
}
