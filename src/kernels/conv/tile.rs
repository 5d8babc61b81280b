//! The innermost tiles of a convolution, for each instruction set.
//!
//! In: pointers into a padded grid. Out: a tile of chains. Invariant: each
//! element is one chain in order of taps, or of positions in its lane, so shapes
//! of tiles and widths of vectors do not show in the bits.

use super::grid::{LANES, Run};
use super::strip::{self, Strip};
#[cfg(target_arch = "x86_64")]
use crate::kernels::micro::{Avx2, Avx512};
use crate::kernels::micro::{Lanes, Portable};

/// Rows of results times vectors of neighbours: chains over taps.
pub(super) struct Taps<'a> {
    /// Distances from the source.
    pub taps: &'a [isize],
    /// The first neighbour.
    pub source: *const f32,
    /// For each tap a weight a row.
    pub weights: *const f32,
    /// The first result; written over whole vectors.
    pub results: *mut f32,
    /// The chains start from the results; otherwise from +0.
    pub continues: bool,
    /// From row to row of results.
    pub width: usize,
}

/// Rows of y times taps of x: chains over positions, in lanes.
pub(super) struct Pairs<'a> {
    pub x: *const f32,
    pub taps: &'a [isize],
    pub y: *const f32,
    /// From row to row of y.
    pub row: usize,
    /// Positions, a multiple of [`LANES`].
    pub length: usize,
    /// [`LANES`] for each row and tap.
    pub sums: *mut f32,
}

/// One instruction set. Methods may be called only where the machine has it.
pub(super) trait Isa: crate::kernels::micro::Isa {
    /// Rows of the largest tile of [`Taps`].
    const CHANNELS: usize;
    /// Its vectors.
    const VECTORS: usize;
    /// Rows of the largest tile of [`Pairs`].
    const RESULTS: usize;
    /// Its taps.
    const TAPS: usize;
    /// Channels of a tile of [`Strip`], 0 if there is none.
    const STRIP: usize;

    /// # Safety
    /// The machine has the instructions, and the operands are in bounds.
    unsafe fn taps(rows: usize, vectors: usize, tile: &Taps<'_>);

    /// # Safety
    /// As [`Isa::taps`].
    unsafe fn pairs(rows: usize, taps: usize, tile: &Pairs<'_>);

    /// # Safety
    /// As [`Isa::taps`].
    unsafe fn strip(run: usize, tile: &Strip<'_>);

    /// Lays out results of strips, [`Isa::STRIP`] of each place, as one row of places for each channel.
    ///
    /// # Safety
    /// The machine has the instructions, and both arrays have room for all places.
    unsafe fn turn(places: usize, from: *const f32, to: *mut f32);

    /// Copies one channel.
    ///
    /// # Safety
    /// The machine has the instructions, and all runs lie in both arrays.
    unsafe fn copy(runs: &[Run], source: *const f32, target: *mut f32);

    /// Joins the lanes of each of the sums: j and j + half, the half getting smaller.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn join(sums: &[[f32; LANES]], joined: &mut [f32]);
}

/// Rows of pictures are short, so a call of the library's copy would cost more than the copy: whole vectors, and the
/// last one again over what was copied.
///
/// # Safety
/// As [`Isa::copy`]; inlined into a function that enables the instructions.
#[inline(always)]
unsafe fn copy_body<L: Lanes>(runs: &[Run], source: *const f32, target: *mut f32) {
    for run in runs {
        let &Run { from, to, count, from_step, to_step } = run;
        // SAFETY: the run lies in both arrays by the contract.
        unsafe {
            let (from, to) = (source.add(from), target.add(to));
            if from_step != 1 || to_step != 1 {
                for at in 0..count {
                    *to.add(at * to_step) = *from.add(at * from_step);
                }
            } else if count < L::WIDTH {
                L::store_some(to, L::load_some(from, count), count);
            } else {
                let mut at = 0;
                while at + L::WIDTH < count {
                    L::store(to.add(at), L::load(from.add(at)));
                    at += L::WIDTH;
                }
                L::store(to.add(count - L::WIDTH), L::load(from.add(count - L::WIDTH)));
            }
        }
    }
}

/// By index, as it is done for each weight and block.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
fn join_body(sums: &[[f32; LANES]], joined: &mut [f32]) {
    const HALF: usize = LANES / 2;
    for at in 0..joined.len() {
        let lanes = &sums[at];
        let mut half = [0.0f32; HALF];
        for lane in 0..HALF {
            half[lane] = lanes[lane] + lanes[lane + HALF];
        }
        for lane in 0..HALF / 2 {
            half[lane] += half[lane + HALF / 2];
        }
        joined[at] = (half[0] + half[2]) + (half[1] + half[3]);
    }
}

/// # Safety
/// As [`Isa::taps`]; inlined into a function that enables the instructions. Loops go by index, see [`super::super::micro`].
#[inline(always)]
#[allow(clippy::needless_range_loop)]
unsafe fn taps_body<L: Lanes, const R: usize, const V: usize>(t: &Taps<'_>) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[L::zero(); V]; R];
        if t.continues {
            for r in 0..R {
                for v in 0..V {
                    sums[r][v] = L::load(t.results.add(r * t.width + v * L::WIDTH));
                }
            }
        }
        let mut weights = t.weights;
        for at in 0..t.taps.len() {
            let source = t.source.offset(t.taps[at]);
            let mut neighbours = [L::zero(); V];
            for v in 0..V {
                neighbours[v] = L::load(source.add(v * L::WIDTH));
            }
            for r in 0..R {
                let weight = L::splat(*weights.add(r));
                for v in 0..V {
                    sums[r][v] = L::fma(weight, neighbours[v], sums[r][v]);
                }
            }
            weights = weights.add(R);
        }
        for r in 0..R {
            for v in 0..V {
                L::store(t.results.add(r * t.width + v * L::WIDTH), sums[r][v]);
            }
        }
    }
}

/// # Safety
/// As [`Isa::pairs`]; inlined into a function that enables the instructions. Loops go by index, as above.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
unsafe fn pairs_body<L: Lanes, const R: usize, const T: usize>(t: &Pairs<'_>) {
    // SAFETY: the caller's.
    unsafe {
        let mut part = 0;
        while part < LANES {
            let mut sums = [[L::zero(); T]; R];
            let mut taps = [t.x; T];
            for tap in 0..T {
                taps[tap] = t.x.offset(t.taps[tap]).add(part);
            }
            let y = t.y.add(part);
            let mut at = 0;
            while at < t.length {
                let mut rows = [L::zero(); R];
                for r in 0..R {
                    rows[r] = L::load(y.add(r * t.row + at));
                }
                for tap in 0..T {
                    let x = L::load(taps[tap].add(at));
                    for r in 0..R {
                        sums[r][tap] = L::fma(x, rows[r], sums[r][tap]);
                    }
                }
                at += LANES;
            }
            for r in 0..R {
                for tap in 0..T {
                    L::store(t.sums.add((r * T + tap) * LANES + part), sums[r][tap]);
                }
            }
            part += L::WIDTH;
        }
    }
}

/// Turns two run-time sizes into constants.
macro_rules! constants {
    ($function:ident, $a:expr, $b:expr, $tile:expr, $all:tt, $($count:literal)+) => {
        match $a {
            $($count => constants!(@ $function, $count, $b, $tile, $all),)+
            other => unreachable!("no tile of {other} rows"),
        }
    };
    (@ $function:ident, $a:literal, $b:expr, $tile:expr, [$($count:literal)+]) => {
        match $b {
            $($count => $function::<$a, $count>($tile),)+
            other => unreachable!("no tile of {other} columns"),
        }
    };
}

/// Sixteen sums at once: each halving joins the lanes of two vectors of sums into one.
///
/// # Safety
/// The machine has AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[allow(clippy::needless_range_loop)]
unsafe fn join_512(sums: &[[f32; LANES]], joined: &mut [f32]) {
    use std::arch::x86_64::*;
    let mut first = 0;
    while first < joined.len() {
        let some = (joined.len() - first).min(LANES);
        // SAFETY: each load is of one sum that is there, and the store of `some` results.
        unsafe {
            let mut level = [_mm512_setzero_ps(); LANES];
            for at in 0..LANES {
                // The halvings deal results out by fours, so what they get is dealt the other way.
                let from = 4 * (at % 4) + at / 4;
                if from < some {
                    level[at] = _mm512_loadu_ps(sums[first + from].as_ptr());
                }
            }
            for at in 0..8 {
                let (a, b) = (level[2 * at], level[2 * at + 1]);
                level[at] = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b));
            }
            for at in 0..4 {
                let (a, b) = (level[2 * at], level[2 * at + 1]);
                level[at] = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
            }
            for at in 0..2 {
                let (a, b) = (_mm512_castps_pd(level[2 * at]), _mm512_castps_pd(level[2 * at + 1]));
                let (low, high) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
                level[at] = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
            }
            let (even, odd) =
                (_mm512_shuffle_ps::<0x88>(level[0], level[1]), _mm512_shuffle_ps::<0xdd>(level[0], level[1]));
            let mask = (0xffff_u32 >> (LANES - some)) as __mmask16;
            _mm512_mask_storeu_ps(joined.as_mut_ptr().add(first), mask, _mm512_add_ps(even, odd));
        }
        first += some;
    }
}

#[cfg(target_arch = "x86_64")]
impl Isa for Avx512 {
    const CHANNELS: usize = 8;
    const VECTORS: usize = 3;
    const RESULTS: usize = 4;
    const TAPS: usize = 6;
    const STRIP: usize = strip::CHANNELS;

    unsafe fn strip(run: usize, tile: &Strip<'_>) {
        // SAFETY: the caller's.
        unsafe { strip::tile_512(run, tile) }
    }

    unsafe fn turn(places: usize, from: *const f32, to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { strip::turn_512(places, from, to) }
    }

    unsafe fn taps(rows: usize, vectors: usize, tile: &Taps<'_>) {
        #[target_feature(enable = "avx512f")]
        unsafe fn body<const R: usize, const V: usize>(tile: &Taps<'_>) {
            // SAFETY: the instructions are enabled here; operands are the caller's.
            unsafe { taps_body::<Avx512, R, V>(tile) }
        }
        // SAFETY: the caller's.
        unsafe { constants!(body, rows, vectors, tile, [1 2 3], 1 2 3 4 5 6 7 8) }
    }

    unsafe fn pairs(rows: usize, taps: usize, tile: &Pairs<'_>) {
        #[target_feature(enable = "avx512f")]
        unsafe fn body<const R: usize, const T: usize>(tile: &Pairs<'_>) {
            // SAFETY: as above.
            unsafe { pairs_body::<Avx512, R, T>(tile) }
        }
        // SAFETY: the caller's.
        unsafe { constants!(body, rows, taps, tile, [1 2 3 4 5 6], 1 2 3 4) }
    }

    unsafe fn copy(runs: &[Run], source: *const f32, target: *mut f32) {
        #[target_feature(enable = "avx512f")]
        unsafe fn body(runs: &[Run], source: *const f32, target: *mut f32) {
            // SAFETY: the instructions are enabled here; operands are the caller's.
            unsafe { copy_body::<Avx512>(runs, source, target) }
        }
        // SAFETY: the caller's.
        unsafe { body(runs, source, target) }
    }

    unsafe fn join(sums: &[[f32; LANES]], joined: &mut [f32]) {
        // SAFETY: the caller's.
        unsafe { join_512(sums, joined) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Isa for Avx2 {
    const CHANNELS: usize = 4;
    const VECTORS: usize = 3;
    const RESULTS: usize = 3;
    const TAPS: usize = 4;
    const STRIP: usize = 0;

    unsafe fn strip(run: usize, _: &Strip<'_>) {
        unreachable!("no strips of {run}")
    }

    unsafe fn turn(places: usize, _: *const f32, _: *mut f32) {
        unreachable!("no strips of {places}")
    }

    unsafe fn taps(rows: usize, vectors: usize, tile: &Taps<'_>) {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn body<const R: usize, const V: usize>(tile: &Taps<'_>) {
            // SAFETY: the instructions are enabled here; operands are the caller's.
            unsafe { taps_body::<Avx2, R, V>(tile) }
        }
        // SAFETY: the caller's.
        unsafe { constants!(body, rows, vectors, tile, [1 2 3], 1 2 3 4) }
    }

    unsafe fn pairs(rows: usize, taps: usize, tile: &Pairs<'_>) {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn body<const R: usize, const T: usize>(tile: &Pairs<'_>) {
            // SAFETY: as above.
            unsafe { pairs_body::<Avx2, R, T>(tile) }
        }
        // SAFETY: the caller's.
        unsafe { constants!(body, rows, taps, tile, [1 2 3 4], 1 2 3) }
    }

    unsafe fn copy(runs: &[Run], source: *const f32, target: *mut f32) {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn body(runs: &[Run], source: *const f32, target: *mut f32) {
            // SAFETY: the instructions are enabled here; operands are the caller's.
            unsafe { copy_body::<Avx2>(runs, source, target) }
        }
        // SAFETY: the caller's.
        unsafe { body(runs, source, target) }
    }

    unsafe fn join(sums: &[[f32; LANES]], joined: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn body(sums: &[[f32; LANES]], joined: &mut [f32]) {
            join_body(sums, joined)
        }
        // SAFETY: the caller's.
        unsafe { body(sums, joined) }
    }
}

impl Isa for Portable {
    const CHANNELS: usize = 2;
    const VECTORS: usize = 2;
    const RESULTS: usize = 2;
    const TAPS: usize = 2;
    const STRIP: usize = 0;

    unsafe fn strip(run: usize, _: &Strip<'_>) {
        unreachable!("no strips of {run}")
    }

    unsafe fn turn(places: usize, _: *const f32, _: *mut f32) {
        unreachable!("no strips of {places}")
    }

    unsafe fn taps(rows: usize, vectors: usize, tile: &Taps<'_>) {
        unsafe fn body<const R: usize, const V: usize>(tile: &Taps<'_>) {
            // SAFETY: the caller's.
            unsafe { taps_body::<Portable, R, V>(tile) }
        }
        // SAFETY: the caller's.
        unsafe { constants!(body, rows, vectors, tile, [1 2], 1 2) }
    }

    unsafe fn pairs(rows: usize, taps: usize, tile: &Pairs<'_>) {
        unsafe fn body<const R: usize, const T: usize>(tile: &Pairs<'_>) {
            // SAFETY: the caller's.
            unsafe { pairs_body::<Portable, R, T>(tile) }
        }
        // SAFETY: the caller's.
        unsafe { constants!(body, rows, taps, tile, [1 2], 1 2) }
    }

    unsafe fn copy(runs: &[Run], source: *const f32, target: *mut f32) {
        // SAFETY: the caller's.
        unsafe { copy_body::<Portable>(runs, source, target) }
    }

    unsafe fn join(sums: &[[f32; LANES]], joined: &mut [f32]) {
        join_body(sums, joined)
    }
}
