//! The innermost tile of a matrix product, for each instruction set.
//!
//! In comes a [`Tile`]: `R` rows of A, `V` vectors of columns of B. Out goes the
//! tile of C. Every element is one fma chain in order of k; a tile that
//! `continues` takes up the chain from C, so cutting k cannot change a bit.
//! Nothing outside the tile's matrices is touched: partial vectors are masked.
//!
//! The loops of a tile go by index. Adapters of iterators (`zip`, `step_by`) are
//! generic functions that the compiler may put into another unit of the crate;
//! one call in the innermost loop sends every accumulator to memory (a factor of 30).

/// Operands of one tile; strides in elements.
pub(super) struct Tile {
    /// Steps of the chain.
    pub k: usize,
    /// First element of the tile's rows of A.
    pub a: *const f32,
    /// A from row to row.
    pub a_row: isize,
    /// A from column to column.
    pub a_column: isize,
    /// First element of the tile's columns of B; its columns have stride 1.
    pub b: *const f32,
    /// B from row to row.
    pub b_row: isize,
    /// Whether B may be read over the full vectors (packed with zeros, or no tail).
    pub b_full: bool,
    /// First element of the tile of C.
    pub c: *mut f32,
    /// C from row to row.
    pub c_row: isize,
    /// Columns that exist, from (V-1)·width + 1 to V·width.
    pub columns: usize,
    /// The chain starts from C; otherwise from +0.
    pub continues: bool,
}

/// One instruction set. Methods may be called only where the machine has it.
pub(super) trait Isa {
    /// Elements of a vector.
    const WIDTH: usize;
    /// Rows of the largest tile.
    const ROWS: usize;

    /// Computes a tile of `rows` (1 to `ROWS`) by `vectors` (1 or 2).
    ///
    /// # Safety
    /// The machine has the instructions, and the tile's operands are in bounds.
    unsafe fn tile(rows: usize, vectors: usize, tile: &Tile);

    /// Leaves the registers as code without wide vectors expects them.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn finish();
}

/// Vectors of one instruction set; `count` elements of the masked forms are touched, the others read as 0.
pub(super) trait Lanes {
    type Vector: Copy;
    const WIDTH: usize;
    unsafe fn zero() -> Self::Vector;
    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(from: *const f32) -> Self::Vector;
    unsafe fn load_some(from: *const f32, count: usize) -> Self::Vector;
    unsafe fn store(to: *mut f32, vector: Self::Vector);
    unsafe fn store_some(to: *mut f32, vector: Self::Vector, count: usize);
    unsafe fn fma(a: Self::Vector, b: Self::Vector, sum: Self::Vector) -> Self::Vector;
}

/// The tile itself. Always inlined into a function that enables the instructions, which is what makes the
/// methods of `L` single instructions; with `R` and `V` constant all accumulators stay in registers.
///
/// # Safety
/// As [`Isa::tile`].
#[inline(always)]
#[allow(clippy::needless_range_loop)]
unsafe fn tile_body<L: Lanes, const R: usize, const V: usize>(t: &Tile) {
    // SAFETY: the caller vouches for the operands; masked forms touch `tail` elements only.
    unsafe {
        let tail = t.columns - (V - 1) * L::WIDTH;
        let whole = tail == L::WIDTH;
        let mut sums = [[L::zero(); V]; R];
        if t.continues {
            for r in 0..R {
                for v in 0..V {
                    let from = t.c.offset(r as isize * t.c_row).add(v * L::WIDTH);
                    sums[r][v] = if whole || v + 1 < V { L::load(from) } else { L::load_some(from, tail) };
                }
            }
        }
        if t.b_full {
            accumulate::<L, R, V, true>(t, &mut sums, tail);
        } else {
            accumulate::<L, R, V, false>(t, &mut sums, tail);
        }
        for r in 0..R {
            for v in 0..V {
                let to = t.c.offset(r as isize * t.c_row).add(v * L::WIDTH);
                if whole || v + 1 < V {
                    L::store(to, sums[r][v]);
                } else {
                    L::store_some(to, sums[r][v], tail);
                }
            }
        }
    }
}

/// The chains. Row pointers are kept for every third row, the two between are reached by scaled index:
/// twelve pointers would not fit in the general registers.
///
/// # Safety
/// As [`Isa::tile`].
#[inline(always)]
#[allow(clippy::needless_range_loop)]
unsafe fn accumulate<L: Lanes, const R: usize, const V: usize, const FULL: bool>(
    t: &Tile,
    sums: &mut [[L::Vector; V]; R],
    tail: usize,
) {
    // SAFETY: pointers stay inside A and B for `k` steps; the last, unused advance is a wrapping one.
    unsafe {
        let mut thirds: [*const f32; R] = [t.a; R];
        for group in 0..R {
            thirds[group] = t.a.wrapping_offset(3 * group as isize * t.a_row);
        }
        let mut b = t.b;
        let mut step = 0;
        while step < t.k {
            let mut columns = [L::zero(); V];
            for v in 0..V {
                let from = b.add(v * L::WIDTH);
                columns[v] = if FULL || v + 1 < V { L::load(from) } else { L::load_some(from, tail) };
            }
            for r in 0..R {
                let value = L::splat(*thirds[r / 3].wrapping_offset((r % 3) as isize * t.a_row));
                for v in 0..V {
                    sums[r][v] = L::fma(value, columns[v], sums[r][v]);
                }
            }
            for pointer in 0..R.div_ceil(3) {
                thirds[pointer] = thirds[pointer].wrapping_offset(t.a_column);
            }
            step += 1;
            b = b.wrapping_offset(t.b_row);
        }
    }
}

/// Turns run-time `rows` and `vectors` into constants.
macro_rules! dispatch {
    ($function:ident, $rows:expr, $vectors:expr, $tile:expr, $($count:literal)+) => {
        match ($rows, $vectors) {
            $(($count, 1) => $function::<$count, 1>($tile), ($count, 2) => $function::<$count, 2>($tile),)+
            (rows, vectors) => unreachable!("no tile of {rows} rows by {vectors} vectors"),
        }
    };
}

/// 256-bit vectors; 6x16 tiles: 12 accumulators, two vectors of B and one of A are 15 of 16 registers.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Avx2, Isa, Lanes, Tile, tile_body};
    use std::arch::x86_64::*;

    /// Eight ones and eight zeros; a window of eight is the mask of the first `count` lanes.
    static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[inline(always)]
    unsafe fn mask(count: usize) -> __m256i {
        // SAFETY: `count` is at most 8, so the window lies inside the table.
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - count).cast()) }
    }

    // SAFETY (all methods): called only from functions that enable AVX2 and FMA, on pointers the caller vouches for.
    impl Lanes for Avx2 {
        type Vector = __m256;
        const WIDTH: usize = 8;

        #[inline(always)]
        unsafe fn zero() -> __m256 {
            unsafe { _mm256_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m256 {
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn load_some(from: *const f32, count: usize) -> __m256 {
            unsafe { _mm256_maskload_ps(from, mask(count)) }
        }

        #[inline(always)]
        unsafe fn store(to: *mut f32, vector: __m256) {
            unsafe { _mm256_storeu_ps(to, vector) }
        }

        #[inline(always)]
        unsafe fn store_some(to: *mut f32, vector: __m256, count: usize) {
            unsafe { _mm256_maskstore_ps(to, mask(count), vector) }
        }

        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, sum: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, sum) }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile<const R: usize, const V: usize>(t: &Tile) {
        // SAFETY: the instructions are enabled here; operands are the caller's.
        unsafe { tile_body::<Avx2, R, V>(t) }
    }

    impl Isa for Avx2 {
        const WIDTH: usize = 8;
        const ROWS: usize = 6;

        unsafe fn tile(rows: usize, vectors: usize, t: &Tile) {
            // SAFETY: the caller has made sure of the machine and the operands.
            unsafe { dispatch!(tile, rows, vectors, t, 1 2 3 4 5 6) }
        }

        unsafe fn finish() {
            // SAFETY: AVX is there by the contract.
            unsafe { _mm256_zeroupper() }
        }
    }
}

/// 512-bit vectors; 12x32 tiles: 24 accumulators of 32 registers.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx512;

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Avx512, Isa, Lanes, Tile, tile_body};
    use std::arch::x86_64::*;

    #[inline(always)]
    fn mask(count: usize) -> __mmask16 {
        (0xffff_u32 >> (16 - count)) as __mmask16
    }

    // SAFETY (all methods): called only from functions that enable AVX-512F, on pointers the caller vouches for.
    impl Lanes for Avx512 {
        type Vector = __m512;
        const WIDTH: usize = 16;

        #[inline(always)]
        unsafe fn zero() -> __m512 {
            unsafe { _mm512_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn load_some(from: *const f32, count: usize) -> __m512 {
            unsafe { _mm512_maskz_loadu_ps(mask(count), from) }
        }

        #[inline(always)]
        unsafe fn store(to: *mut f32, vector: __m512) {
            unsafe { _mm512_storeu_ps(to, vector) }
        }

        #[inline(always)]
        unsafe fn store_some(to: *mut f32, vector: __m512, count: usize) {
            unsafe { _mm512_mask_storeu_ps(to, mask(count), vector) }
        }

        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, sum: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, sum) }
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn tile<const R: usize, const V: usize>(t: &Tile) {
        // SAFETY: the instructions are enabled here; operands are the caller's.
        unsafe { tile_body::<Avx512, R, V>(t) }
    }

    impl Isa for Avx512 {
        const WIDTH: usize = 16;
        const ROWS: usize = 12;

        unsafe fn tile(rows: usize, vectors: usize, t: &Tile) {
            // SAFETY: the caller has made sure of the machine and the operands.
            unsafe { dispatch!(tile, rows, vectors, t, 1 2 3 4 5 6 7 8 9 10 11 12) }
        }

        unsafe fn finish() {
            // SAFETY: AVX-512 includes AVX.
            unsafe { _mm256_zeroupper() }
        }
    }
}

/// Plain Rust; `f32::mul_add` rounds once on every machine, so the bits are those of the others.
pub(super) struct Portable;

impl Lanes for Portable {
    type Vector = [f32; 4];
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> [f32; 4] {
        [0.0; 4]
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 4] {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 4] {
        // SAFETY: four elements are readable by the contract.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_some(from: *const f32, count: usize) -> [f32; 4] {
        // SAFETY: `count` elements are readable by the contract.
        std::array::from_fn(|lane| if lane < count { unsafe { *from.add(lane) } } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: [f32; 4]) {
        // SAFETY: four elements are writable by the contract.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn store_some(to: *mut f32, vector: [f32; 4], count: usize) {
        for (lane, value) in vector.into_iter().enumerate().take(count) {
            // SAFETY: `count` elements are writable by the contract.
            unsafe { *to.add(lane) = value }
        }
    }

    #[inline(always)]
    unsafe fn fma(a: [f32; 4], b: [f32; 4], sum: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], sum[lane]))
    }
}

unsafe fn portable_tile<const R: usize, const V: usize>(t: &Tile) {
    // SAFETY: operands are the caller's.
    unsafe { tile_body::<Portable, R, V>(t) }
}

impl Isa for Portable {
    const WIDTH: usize = 4;
    const ROWS: usize = 4;

    unsafe fn tile(rows: usize, vectors: usize, t: &Tile) {
        // SAFETY: operands are the caller's.
        unsafe { dispatch!(portable_tile, rows, vectors, t, 1 2 3 4) }
    }

    unsafe fn finish() {}
}
