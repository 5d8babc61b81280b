//! Aligned memory for buffers of a program.
//!
//! In comes a size, out goes memory aligned to 64 bytes with [`PADDING`] readable
//! bytes behind: vector loops over a whole buffer may read (never need) them.
//! Large memory asks for large pages: a step walks through all of it, and each
//! small page would be looked up anew.

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
        if bytes < LARGE {
            // SAFETY: the layout has at least PADDING bytes.
            return Self::from_raw(unsafe { alloc_zeroed(layout) }, bytes);
        }
        let arena = Self::scratch(bytes);
        // SAFETY: all of it is there, and nobody has it yet.
        unsafe { arena.start().write_bytes(0, layout.size()) };
        arena
    }

    /// Memory of `bytes` with undefined contents; pages are taken only when touched.
    pub fn scratch(bytes: usize) -> Self {
        let layout = Self::layout(bytes);
        // SAFETY: as above.
        let arena = Self::from_raw(unsafe { alloc(layout) }, bytes);
        if bytes >= LARGE {
            large_pages(arena.start(), layout.size());
        }
        arena
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
        let alignment = if bytes < LARGE { ALIGNMENT } else { LARGE_PAGE };
        Layout::from_size_align(bytes + PADDING, alignment).expect("an arena is smaller than the address space")
    }
}

/// Bytes of a large page.
const LARGE_PAGE: usize = 2 << 20;
/// From this size on memory is in large pages.
const LARGE: usize = 2 * LARGE_PAGE;

/// Asks the system for large pages; if it has none, the memory is as good as any.
#[cfg(target_os = "linux")]
fn large_pages(start: *mut u8, bytes: usize) {
    use std::ffi::{c_int, c_void};
    const MADV_HUGEPAGE: c_int = 14;
    // SAFETY: the C library that std itself uses has this function of this type.
    unsafe extern "C" {
        fn madvise(start: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }
    // SAFETY: advice about memory that is ours changes nothing in it; whole pages only, since what follows is not ours.
    unsafe { madvise(start.cast(), bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE) };
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
fn large_pages(_: *mut u8, _: usize) {}

/// Four of them are a NaN as f32, -1 as i32 and true as bool.
const POISON: u8 = 0xff;

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start(), Self::layout(self.bytes)) }
    }
}
