//! Bytes to scaled f32: how images become the columns of a batch.
//!
//! In: bytes and a scale. Out: the bits of `byte · scale`, one rounding, the
//! same on every machine. A batch is converted in every step, so this runs at
//! the width of the machine.

/// Rows that are fetched ahead of the one at hand: rows of a shuffled batch lie anywhere in memory, where no
/// hardware prefetcher follows.
const AHEAD: usize = 4;

/// Writes the bits of `byte as f32 * scale` for each byte of `rows` of `size` bytes, one after another.
///
/// # Panics
/// If `out` is not as long as the rows, or a row lies outside of `bytes`.
pub fn widen_rows(bytes: &[u8], size: usize, rows: &[u32], scale: f32, out: &mut [u32]) {
    assert_eq!(rows.len() * size, out.len(), "one word for each byte");
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the feature is there.
        unsafe { avx2(bytes, size, rows, scale, out) };
        return;
    }
    portable(bytes, size, rows, scale, out, |_| {});
}

#[inline(always)]
fn portable(bytes: &[u8], size: usize, rows: &[u32], scale: f32, out: &mut [u32], fetch: impl Fn(&[u8])) {
    let row = |number: u32| &bytes[number as usize * size..][..size];
    for (at, (words, &number)) in out.chunks_exact_mut(size.max(1)).zip(rows).enumerate() {
        if let Some(&later) = rows.get(at + AHEAD) {
            fetch(row(later));
        }
        for (word, &byte) in words.iter_mut().zip(row(number)) {
            *word = (f32::from(byte) * scale).to_bits();
        }
    }
}

/// The same loop compiled for 256-bit vectors, with rows fetched ahead.
///
/// # Safety
/// The machine must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(bytes: &[u8], size: usize, rows: &[u32], scale: f32, out: &mut [u32]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    portable(bytes, size, rows, scale, out, |row| {
        for line in row.chunks(64) {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_converted_with_one_rounding() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut out = vec![0; bytes.len()];
        let rows = [3, 0, 9, 1, 1, 7, 2, 8, 6, 4];
        widen_rows(&bytes, 100, &rows, 1.0 / 255.0, &mut out);
        for (at, &row) in rows.iter().enumerate() {
            for column in 0..100 {
                let byte = bytes[row as usize * 100 + column];
                assert_eq!(f32::from_bits(out[at * 100 + column]), f32::from(byte) * (1.0 / 255.0));
            }
        }
    }
}
