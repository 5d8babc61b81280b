//! Bytes to scaled f32: how images become the columns of a batch.
//!
//! In: bytes and a scale. Out: the bits of `byte · scale`, one rounding, the
//! same on every machine. A batch is converted in every step, so this runs at
//! the width of the machine.

/// Writes the bits of `byte as f32 * scale` for each byte.
///
/// # Panics
/// If the two lengths differ.
pub fn widen(bytes: &[u8], scale: f32, out: &mut [u32]) {
    assert_eq!(bytes.len(), out.len(), "one word for each byte");
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the feature is there.
        unsafe { avx2(bytes, scale, out) };
        return;
    }
    portable(bytes, scale, out);
}

#[inline(always)]
fn portable(bytes: &[u8], scale: f32, out: &mut [u32]) {
    for (word, &byte) in out.iter_mut().zip(bytes) {
        *word = (f32::from(byte) * scale).to_bits();
    }
}

/// The same loop compiled for 256-bit vectors.
///
/// # Safety
/// The machine must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(bytes: &[u8], scale: f32, out: &mut [u32]) {
    portable(bytes, scale, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_converted_with_one_rounding() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut out = vec![0; bytes.len()];
        widen(&bytes, 1.0 / 255.0, &mut out);
        for (byte, word) in bytes.iter().zip(out) {
            assert_eq!(f32::from_bits(word), f32::from(*byte) * (1.0 / 255.0));
        }
    }
}
