//! Uniform random numbers from the counter-based generator Philox4x32-7.
//!
//! In comes a [`FillArgs`], out go numbers k·2⁻²⁴. Element n = base + e is
//! word (n mod 64) / 16 of the block with counter (n / 64 · 16 + n mod 16, step,
//! turn, 0) under the key (place, seed), so any part can be computed alone.
//! The generator is defined by [`crate::ir::philox`].

use super::abi::FillArgs;
use crate::ir::philox::{ROUNDS, philox4x32};

/// Elements of a tile: 16 blocks of four words.
const TILE: u64 = 64;

/// Fills for any machine.
///
/// # Safety
/// `args` is valid, `out` is writable for `len` elements.
pub unsafe extern "C" fn portable(args: *const FillArgs) {
    // SAFETY: passed on.
    unsafe { tiles(&*args, tile) }
}

/// Fills with 256-bit vectors.
///
/// # Safety
/// AVX2 is there; otherwise as [`portable`].
#[cfg(target_arch = "x86_64")]
pub unsafe extern "C" fn avx2(args: *const FillArgs) {
    // SAFETY: passed on.
    unsafe { tiles(&*args, x86::tile) }
}

/// Walks over the tiles; the last, and a first one that `base` cuts, go through a buffer.
unsafe fn tiles(args: &FillArgs, tile: unsafe fn(&FillArgs, u32, *mut f32)) {
    let mut done = 0;
    while done < args.len {
        let number = args.base + done;
        let inside = number % TILE;
        let count = (TILE - inside).min(args.len - done);
        // The counter word is 32 bits wide: blocks repeat after 2³⁴ elements, far beyond any buffer.
        let first_block = (number / TILE * 16) as u32;
        // SAFETY: `done + count` is at most `len`; a tile writes 64 elements.
        unsafe {
            let to = args.out.add(done as usize);
            if count == TILE {
                tile(args, first_block, to);
            } else {
                let mut whole = [0.0f32; TILE as usize];
                tile(args, first_block, whole.as_mut_ptr());
                std::ptr::copy_nonoverlapping(whole.as_ptr().add(inside as usize), to, count as usize);
            }
        }
        done += count;
    }
}

/// One tile, block by block.
unsafe fn tile(args: &FillArgs, first_block: u32, out: *mut f32) {
    for lane in 0..16u32 {
        let counter = [first_block.wrapping_add(lane), args.step, args.turn, 0];
        for (word, bits) in philox4x32(counter, [args.place, args.seed], ROUNDS).into_iter().enumerate() {
            // SAFETY: word · 16 + lane < 64.
            unsafe { *out.add(word * 16 + lane as usize) = (bits >> 8) as f32 * (1.0 / 16_777_216.0) };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::FillArgs;
    use crate::ir::philox::{MULTIPLIERS, ROUNDS, WEYL};
    use std::arch::x86_64::*;

    /// One tile: twice eight blocks, one a lane.
    #[target_feature(enable = "avx2")]
    pub unsafe fn tile(args: &FillArgs, first_block: u32, out: *mut f32) {
        // Both halves are written out side by side: one alone is bound by the latency of its multiplications.
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let block = _mm256_add_epi32(_mm256_set1_epi32(first_block as i32), lanes);
        let step = _mm256_set1_epi32(args.step as i32);
        let turn = _mm256_set1_epi32(args.turn as i32);
        let start = [block, step, turn, _mm256_setzero_si256()];
        let mut low = start;
        let mut high = start;
        high[0] = _mm256_add_epi32(block, _mm256_set1_epi32(8));
        let mut key = [args.place, args.seed];
        for _ in 0..ROUNDS {
            let keys = [_mm256_set1_epi32(key[0] as i32), _mm256_set1_epi32(key[1] as i32)];
            low = round(low, keys);
            high = round(high, keys);
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        for word in 0..4 {
            // SAFETY: 64 elements are writable by the contract.
            unsafe {
                _mm256_storeu_ps(out.add(word * 16), uniform(low[word]));
                _mm256_storeu_ps(out.add(word * 16 + 8), uniform(high[word]));
            }
        }
    }

    /// One round on eight blocks.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn round(c: [__m256i; 4], key: [__m256i; 2]) -> [__m256i; 4] {
        let (first_high, first_low) = multiply(c[0], MULTIPLIERS[0]);
        let (second_high, second_low) = multiply(c[2], MULTIPLIERS[1]);
        let mix = |high, counter, key| _mm256_xor_si256(_mm256_xor_si256(high, counter), key);
        [mix(second_high, c[1], key[0]), second_low, mix(first_high, c[3], key[1]), first_low]
    }

    /// High and low words of the 64-bit products: even and odd lanes apart, then interleaved.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn multiply(a: __m256i, by: u32) -> (__m256i, __m256i) {
        let by = _mm256_set1_epi32(by as i32);
        let even = _mm256_mul_epu32(a, by);
        let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), by);
        let high = _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
        let low = _mm256_blend_epi32::<0b1010_1010>(even, _mm256_slli_epi64::<32>(odd));
        (high, low)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn uniform(bits: __m256i) -> __m256 {
        // 24 bits convert exactly, and a power of two scales exactly.
        _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32::<8>(bits)), _mm256_set1_ps(1.0 / 16_777_216.0))
    }
}
