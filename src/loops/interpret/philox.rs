//! Philox4x32-7, the counter-based generator of `random`.
//!
//! In: place, seed, step, turn and an element's number. Out: its uniform number
//! k·2⁻²⁴. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
//! easy as 1, 2, 3" (2011), with 7 rounds.

/// Seed, step and turn of a fill, with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) place: u32,
    pub(super) seed: u32,
    pub(super) step: u32,
    pub(super) turn: u32,
}

impl Stream {
    /// The number of element `number`: tile number/64 has 16 counters, of four words each.
    pub(super) fn uniform(&self, number: u64) -> f32 {
        let (tile, word, lane) = (number / 64, (number % 64) / 16, number % 16);
        let counter = [(tile * 16 + lane) as u32, self.step, self.turn, 0];
        let output = philox(counter, [self.place, self.seed]);
        (output[word as usize] >> 8) as f32 * (1.0 / 16_777_216.0)
    }
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..7 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        let first = u64::from(counter[0]) * 0xD251_1F53;
        let second = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::philox;

    /// Known answers of Random123 (`kat_vectors`, philox4x32 with 7 rounds).
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x5f6f_b709, 0x0d89_3f64, 0x4f12_1f81, 0x4f73_0a48]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x5207_ddc2, 0x4516_5e59, 0x4d8e_e751, 0x8c52_f662]);
    }
}
