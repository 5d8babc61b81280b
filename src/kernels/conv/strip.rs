//! Tiles whose vectors go along channels: for results of short lines.
//!
//! In: two runs of places in a padded grid. Out: their results, the channels of
//! a place side by side, which are then laid out by channel. Invariant: as in
//! [`super::tile`], each element is one chain in order of taps.

#[cfg(target_arch = "x86_64")]
use crate::kernels::micro::{Avx512, Lanes};

/// Channels of a tile.
pub(super) const CHANNELS: usize = 32;

/// Two runs of places, for [`CHANNELS`] channels.
pub(super) struct Strip<'a> {
    /// Distances from the source.
    pub taps: &'a [isize],
    /// The first place of each run.
    pub source: [*const f32; 2],
    /// For each tap a weight a channel.
    pub weights: *const f32,
    /// The results of the first place, then those of the next.
    pub results: *mut f32,
    /// The chains start from the results; otherwise from +0.
    pub continues: bool,
}

/// # Safety
/// The machine has AVX-512F, and the operands are in bounds.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn tile_512(run: usize, tile: &Strip<'_>) {
    // SAFETY: the caller's.
    unsafe {
        match run {
            4 => body_512::<4>(tile),
            5 => body_512::<5>(tile),
            6 => body_512::<6>(tile),
            7 => body_512::<7>(tile),
            other => unreachable!("no tile of runs of {other}"),
        }
    }
}

/// Loops go by index, see [`super::super::micro`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[allow(clippy::needless_range_loop)]
unsafe fn body_512<const R: usize>(t: &Strip<'_>) {
    const VECTORS: usize = CHANNELS / Avx512::WIDTH;
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[[Avx512::zero(); VECTORS]; R]; 2];
        if t.continues {
            for half in 0..2 {
                for r in 0..R {
                    for v in 0..VECTORS {
                        let at = (half * R + r) * CHANNELS + v * Avx512::WIDTH;
                        sums[half][r][v] = Avx512::load(t.results.add(at));
                    }
                }
            }
        }
        let mut from = t.weights;
        for at in 0..t.taps.len() {
            let mut weights = [Avx512::zero(); VECTORS];
            for v in 0..VECTORS {
                weights[v] = Avx512::load(from.add(v * Avx512::WIDTH));
            }
            for half in 0..2 {
                let source = t.source[half].offset(t.taps[at]);
                for r in 0..R {
                    let place = Avx512::splat(*source.add(r));
                    for v in 0..VECTORS {
                        sums[half][r][v] = Avx512::fma(weights[v], place, sums[half][r][v]);
                    }
                }
            }
            from = from.add(CHANNELS);
        }
        for half in 0..2 {
            for r in 0..R {
                for v in 0..VECTORS {
                    let at = (half * R + r) * CHANNELS + v * Avx512::WIDTH;
                    Avx512::store(t.results.add(at), sums[half][r][v]);
                }
            }
        }
    }
}

/// Sixteen places and channels at a time: four rounds of exchanges, each between vectors twice as far apart.
///
/// # Safety
/// As [`super::tile::Isa::turn`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[allow(clippy::needless_range_loop)]
pub(super) unsafe fn turn_512(places: usize, from: *const f32, to: *mut f32) {
    use std::arch::x86_64::*;
    const SIDE: usize = Avx512::WIDTH;
    for first in (0..places).step_by(SIDE) {
        let some = SIDE.min(places - first);
        for channel in (0..CHANNELS).step_by(SIDE) {
            // SAFETY: loads and stores of places that are there.
            unsafe {
                let mut rows = [_mm512_setzero_ps(); SIDE];
                for at in 0..some {
                    rows[at] = _mm512_loadu_ps(from.add((first + at) * CHANNELS + channel));
                }
                let mut pairs = rows;
                for at in 0..SIDE / 2 {
                    pairs[2 * at] = _mm512_unpacklo_ps(rows[2 * at], rows[2 * at + 1]);
                    pairs[2 * at + 1] = _mm512_unpackhi_ps(rows[2 * at], rows[2 * at + 1]);
                }
                // After this, vector 4·g + j has channels j, j + 4, ... of places 4·g to 4·g + 3.
                let mut fours = rows;
                for group in (0..SIDE).step_by(4) {
                    for half in 0..2 {
                        let (a, b) = (_mm512_castps_pd(pairs[group + half]), _mm512_castps_pd(pairs[group + 2 + half]));
                        fours[group + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                        fours[group + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                    }
                }
                let mask = (0xffff_u32 >> (SIDE - some)) as __mmask16;
                for j in 0..4 {
                    let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
                    let (ab, cd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d));
                    let (xy, zw) = (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d));
                    let turned = [
                        _mm512_shuffle_f32x4::<0x88>(ab, cd),
                        _mm512_shuffle_f32x4::<0x88>(xy, zw),
                        _mm512_shuffle_f32x4::<0xdd>(ab, cd),
                        _mm512_shuffle_f32x4::<0xdd>(xy, zw),
                    ];
                    for (block, row) in turned.into_iter().enumerate() {
                        let target = to.add((channel + 4 * block + j) * places + first);
                        _mm512_mask_storeu_ps(target, mask, row);
                    }
                }
            }
        }
    }
}
