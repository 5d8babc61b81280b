//! Memory between two pages that may not be touched: a read or write one element outside ends the test.

use std::ffi::c_void;

// The standard library links the C library anyway; these three calls are all the tests need of it.
unsafe extern "C" {
    fn mmap(at: *mut c_void, length: usize, protection: i32, flags: i32, file: i32, offset: i64) -> *mut c_void;
    fn mprotect(at: *mut c_void, length: usize, protection: i32) -> i32;
    fn munmap(at: *mut c_void, length: usize) -> i32;
}

const PAGE: usize = 4096;
const READ_WRITE: i32 = 3;
#[cfg(target_os = "linux")]
const PRIVATE_ANONYMOUS: i32 = 0x22;
#[cfg(not(target_os = "linux"))]
const PRIVATE_ANONYMOUS: i32 = 0x1002;

/// Floats whose end (or beginning) touches a forbidden page.
pub struct Guarded {
    map: *mut c_void,
    bytes: usize,
    first: *mut f32,
    len: usize,
}

impl Guarded {
    pub fn new(values: &[f32], at_end: bool) -> Self {
        let inside = (values.len() * 4).next_multiple_of(PAGE);
        let bytes = inside + 2 * PAGE;
        // SAFETY: a fresh mapping, of which the first and last page are closed.
        unsafe {
            let map = mmap(std::ptr::null_mut(), bytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0);
            assert!(map as isize != -1, "no memory for a guarded buffer");
            assert_eq!(mprotect(map, PAGE, 0), 0);
            assert_eq!(mprotect(map.byte_add(PAGE + inside), PAGE, 0), 0);
            let skip = if at_end { inside - values.len() * 4 } else { 0 };
            let first = map.byte_add(PAGE + skip).cast::<f32>();
            std::ptr::copy_nonoverlapping(values.as_ptr(), first, values.len());
            Guarded { map, bytes, first, len: values.len() }
        }
    }

    pub fn pointer(&self) -> *mut f32 {
        self.first
    }

    pub fn values(&self) -> &[f32] {
        // SAFETY: `len` floats were written at the creation.
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody else points into it any more.
        unsafe { munmap(self.map, self.bytes) };
    }
}
