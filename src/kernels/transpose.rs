//! A matrix by columns laid by rows, word by word.
//!
//! In comes a [`TransposeArgs`], out goes the same matrix with its rows side by
//! side. Rows and columns that are no multiple of a block end with a block that
//! overlaps the last one: the same words are written twice.
//!
//! Note [Whole lines]. Where rows lie a power of two apart, all lines of a block
//! fall into one set of the cache, which holds fewer of them than a block has. So
//! a block reads each line once and writes each line once, through a buffer.

use super::abi::TransposeArgs;

/// Rows and columns of a block: the words of a line of memory.
const BLOCK: usize = 16;

/// Transposes on any machine.
///
/// # Safety
/// `args` is valid: all elements of `from` are readable, all of `to` writable, and they do not overlap.
pub unsafe extern "C" fn portable(args: *const TransposeArgs) {
    // SAFETY: by the contract.
    let args = unsafe { &*args };
    let (rows, columns) = (args.rows as usize, args.columns as usize);
    for first in (0..rows).step_by(BLOCK) {
        for column in (0..columns).step_by(BLOCK) {
            // SAFETY: passed on.
            unsafe { words(args, first..rows.min(first + BLOCK), column..columns.min(column + BLOCK)) };
        }
    }
}

/// Transposes with 256-bit vectors.
///
/// # Safety
/// AVX2 is there; otherwise as [`portable`].
#[cfg(target_arch = "x86_64")]
pub unsafe extern "C" fn avx2(args: *const TransposeArgs) {
    // SAFETY: passed on.
    unsafe { x86::transpose(&*args) }
}

/// One word after the other.
unsafe fn words(args: &TransposeArgs, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) {
    for row in rows {
        for column in columns.clone() {
            // SAFETY: by the contract of `portable`.
            unsafe { *to(args, row, column) = *from(args, row, column) };
        }
    }
}

fn from(args: &TransposeArgs, row: usize, column: usize) -> *const u32 {
    args.from.wrapping_offset(row as isize + column as isize * args.from_column as isize)
}

fn to(args: &TransposeArgs, row: usize, column: usize) -> *mut u32 {
    args.to.wrapping_offset(row as isize * args.to_row as isize + column as isize)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, TransposeArgs, from, to, words};
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    #[repr(align(64))]
    struct Lines([MaybeUninit<f32>; BLOCK * BLOCK]);

    #[target_feature(enable = "avx2")]
    pub unsafe fn transpose(args: &TransposeArgs) {
        let (rows, columns) = (args.rows as usize, args.columns as usize);
        // SAFETY: blocks lie in the matrix, as the contract of the callers says.
        unsafe {
            match rows.min(columns) {
                0..4 => words(args, 0..rows, 0..columns),
                4..8 => blocks(args, 4, |from, from_column, to, to_row| block_4(from, from_column, to, to_row)),
                8..BLOCK => blocks(args, 8, |from, from_column, to, to_row| block_8(from, from_column, to, to_row)),
                BLOCK.. => {
                    let mut lines = Lines([MaybeUninit::uninit(); BLOCK * BLOCK]);
                    let lines = lines.0.as_mut_ptr().cast::<f32>();
                    blocks(args, BLOCK, |from, from_column, to, to_row| block_16(from, from_column, to, to_row, lines));
                }
            }
        }
    }

    /// Calls `block` for all blocks of `size` rows and columns, of which the matrix has at least one.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn blocks(args: &TransposeArgs, size: usize, block: impl Fn(*const f32, isize, *mut f32, isize)) {
        let (rows, columns) = (args.rows as usize, args.columns as usize);
        for row in (0..rows).step_by(size).map(|row| row.min(rows - size)) {
            for column in (0..columns).step_by(size).map(|column| column.min(columns - size)) {
                let (source, target) = (from(args, row, column).cast(), to(args, row, column).cast());
                block(source, args.from_column as isize, target, args.to_row as isize);
            }
        }
    }

    /// See Note [Whole lines].
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn block_16(from: *const f32, from_column: isize, to: *mut f32, to_row: isize, lines: *mut f32) {
        // SAFETY: passed on; `lines` has a block's words, 64-byte aligned.
        unsafe {
            for column in [0, 8] {
                for row in [0, 8] {
                    let source = from.offset(row as isize + column as isize * from_column);
                    block_8(source, from_column, lines.add(row * BLOCK + column), BLOCK as isize);
                }
            }
            for row in 0..BLOCK {
                let (line, target) = (lines.add(row * BLOCK), to.offset(row as isize * to_row));
                let (low, high) = (_mm256_load_ps(line), _mm256_load_ps(line.add(8)));
                _mm256_storeu_ps(target, low);
                _mm256_storeu_ps(target.add(8), high);
            }
        }
    }

    /// Two halves of four rows each.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn block_8(from: *const f32, from_column: isize, to: *mut f32, to_row: isize) {
        // SAFETY: passed on.
        unsafe {
            for half in [0, 4] {
                let pair = |column: isize| {
                    let source = from.offset(half + column * from_column);
                    let low = _mm256_castps128_ps256(_mm_loadu_ps(source));
                    _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(source.offset(4 * from_column)))
                };
                let (a, b, c, d) = (pair(0), pair(1), pair(2), pair(3));
                let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (other_low, other_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                let target = to.offset(half * to_row);
                _mm256_storeu_ps(target, _mm256_shuffle_ps::<0x44>(low, other_low));
                _mm256_storeu_ps(target.offset(to_row), _mm256_shuffle_ps::<0xee>(low, other_low));
                _mm256_storeu_ps(target.offset(2 * to_row), _mm256_shuffle_ps::<0x44>(high, other_high));
                _mm256_storeu_ps(target.offset(3 * to_row), _mm256_shuffle_ps::<0xee>(high, other_high));
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn block_4(from: *const f32, from_column: isize, to: *mut f32, to_row: isize) {
        // SAFETY: passed on.
        unsafe {
            let column = |column: isize| _mm_loadu_ps(from.offset(column * from_column));
            let (a, b, c, d) = (column(0), column(1), column(2), column(3));
            let (low, high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let (other_low, other_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
            _mm_storeu_ps(to, _mm_movelh_ps(low, other_low));
            _mm_storeu_ps(to.offset(to_row), _mm_movehl_ps(other_low, low));
            _mm_storeu_ps(to.offset(2 * to_row), _mm_movelh_ps(high, other_high));
            _mm_storeu_ps(to.offset(3 * to_row), _mm_movehl_ps(other_high, high));
        }
    }
}
