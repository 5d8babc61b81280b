//! A matrix by columns laid by rows, word by word.
//!
//! In comes a [`TransposeArgs`], out goes the same matrix with its rows side by
//! side. Blocks are squares of 16, 8 and 4 rows; what is left ends with a block
//! that overlaps the last one: the same words are written twice.
//!
//! Note [Whole lines]. Where rows lie a power of two apart, all lines of a block
//! fall into one set of the cache, which holds fewer of them than a block has. So
//! a block reads each line once and writes each line once, through a buffer.

use super::abi::TransposeArgs;

/// Rows and columns of a block: the words of a line of memory.
const BLOCK: usize = 16;

/// Rows and columns of the smallest block: a vector of 128 bits.
#[cfg(target_arch = "x86_64")]
const LEAST: usize = 4;

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
    use super::{BLOCK, LEAST, TransposeArgs, from, to, words};
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    #[repr(align(64))]
    struct Lines([MaybeUninit<f32>; BLOCK * BLOCK]);

    #[target_feature(enable = "avx2")]
    pub unsafe fn transpose(args: &TransposeArgs) {
        let (rows, columns) = (args.rows as usize, args.columns as usize);
        if rows.min(columns) < LEAST {
            // SAFETY: passed on.
            return unsafe { words(args, 0..rows, 0..columns) };
        }
        let mut lines = Lines([MaybeUninit::uninit(); BLOCK * BLOCK]);
        let lines = lines.0.as_mut_ptr().cast::<f32>();
        let by_rows = rows <= columns;
        let (short, long) = if by_rows { (rows, columns) } else { (columns, rows) };
        let run = |at: usize, from: usize, length: usize, size: usize| Run {
            start: if by_rows { (at, from) } else { (from, at) },
            by_rows,
            blocks: length / size,
            size,
        };
        let mut at = 0;
        while at < short {
            let size = strip(short - at);
            let first = at.min(short - size);
            let mut done = long / size * size;
            // SAFETY: strips lie in the matrix, as the contract of the callers says.
            unsafe { blocks(args, &run(first, 0, done, size), lines) };
            while done < long {
                let rest = strip(long - done);
                let small = size.min(rest);
                for part in (first..first + size).step_by(small) {
                    // SAFETY: as above.
                    unsafe { blocks(args, &run(part, done.min(long - rest), rest, small), lines) };
                }
                done += rest;
            }
            at += size;
        }
    }

    /// Squares side by side along a band of rows, or below each other along one of columns.
    struct Run {
        start: (usize, usize),
        by_rows: bool,
        blocks: usize,
        size: usize,
    }

    /// The height (or width) of the next strip when so much is left; the last one may begin in the one before.
    fn strip(left: usize) -> usize {
        if left >= BLOCK { BLOCK } else { LEAST.max(left / 8 * 8) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn blocks(args: &TransposeArgs, run: &Run, lines: *mut f32) {
        let (from_column, to_row, size) = (args.from_column as isize, args.to_row as isize, run.size as isize);
        let (row, column) = run.start;
        let mut source: *const f32 = from(args, row, column).cast();
        let mut target: *mut f32 = to(args, row, column).cast();
        let (source_step, target_step) = if run.by_rows { (size * from_column, size) } else { (size, size * to_row) };
        for _ in 0..run.blocks {
            // SAFETY: passed on.
            unsafe {
                match run.size {
                    BLOCK => block_16(source, from_column, target, to_row, lines),
                    8 => block_8(source, from_column, target, to_row),
                    _ => block_4(source, from_column, target, to_row),
                }
            }
            source = source.wrapping_offset(source_step);
            target = target.wrapping_offset(target_step);
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
