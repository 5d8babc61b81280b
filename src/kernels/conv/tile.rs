//! The innermost tiles of a convolution, for each instruction set.
//!
//! In: pointers into a padded grid. Out: a tile of chains. Invariant: each
//! element is one chain in order of taps, or of positions in its lane, so shapes
//! of tiles and widths of vectors do not show in the bits.

use super::grid::LANES;
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

    /// # Safety
    /// The machine has the instructions, and the operands are in bounds.
    unsafe fn taps(rows: usize, vectors: usize, tile: &Taps<'_>);

    /// # Safety
    /// As [`Isa::taps`].
    unsafe fn pairs(rows: usize, taps: usize, tile: &Pairs<'_>);
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

#[cfg(target_arch = "x86_64")]
impl Isa for Avx512 {
    const CHANNELS: usize = 8;
    const VECTORS: usize = 3;
    const RESULTS: usize = 4;
    const TAPS: usize = 6;

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
}

#[cfg(target_arch = "x86_64")]
impl Isa for Avx2 {
    const CHANNELS: usize = 4;
    const VECTORS: usize = 3;
    const RESULTS: usize = 3;
    const TAPS: usize = 4;

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
}

impl Isa for Portable {
    const CHANNELS: usize = 2;
    const VECTORS: usize = 2;
    const RESULTS: usize = 2;
    const TAPS: usize = 2;

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
}
