//! Random numbers by counting: Philox4x32 of Salmon, Moraes, Dror and Shaw,
//! "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), constants of
//! Random123's `philox.h`.
//!
//! In: a key and an element's number. Out: its uniform. Invariant: an
//! element depends on (place, seed, step, turn, number) and nothing else, so
//! every engine gives the same bits at any width and in any order. This file
//! is the definition that the precompiled kernel follows.

/// The rounds the language uses; seven pass all of BigCrush.
pub const ROUNDS: u32 = 7;

/// Of a round, for counter words 0 and 2.
pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Added to the key from round to round: golden ratio and √3 - 1.
pub(crate) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// What one `random` op is keyed by in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Hash of the place in the model.
    pub place: u32,
    /// The run's seed.
    pub seed: u32,
    /// The step.
    pub step: u32,
    /// The file-level turn.
    pub turn: u32,
}

impl Stream {
    /// Element `number`, k·2⁻²⁴ in [0, 1).
    ///
    /// Elements stand in tiles of 64: 16 blocks side by side, word by word, so
    /// that a vector of up to 16 lanes writes each word with one store.
    pub fn uniform(self, number: u64) -> f32 {
        (self.word(number) >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// The 32 random bits of element `number`.
    pub fn word(self, number: u64) -> u32 {
        let (tile, word, lane) = (number / 64, number % 64 / 16, number % 16);
        let block = (tile * 16 + lane) as u32;
        philox4x32([block, self.step, self.turn, 0], [self.place, self.seed], ROUNDS)[word as usize]
    }
}

/// The block function: four words from a counter and a key.
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2], rounds: u32) -> [u32; 4] {
    for _ in 0..rounds {
        let even = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let odd = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (odd >> 32) as u32 ^ counter[1] ^ key[0],
            odd as u32,
            (even >> 32) as u32 ^ counter[3] ^ key[1],
            even as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    const PI: ([u32; 4], [u32; 2]) = ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);

    /// Random123's `kat_vectors`.
    #[test]
    fn known_answers() {
        let ones = ([u32::MAX; 4], [u32::MAX; 2]);
        for (rounds, (counter, key), answer) in [
            (7, ([0; 4], [0; 2]), [0x5f6f_b709, 0x0d89_3f64, 0x4f12_1f81, 0x4f73_0a48]),
            (7, ones, [0x5207_ddc2, 0x4516_5e59, 0x4d8e_e751, 0x8c52_f662]),
            (7, PI, [0x4dfc_caba, 0x190a_87f0, 0xc473_62ba, 0xb6b5_242a]),
            (10, ([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (10, ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (10, PI, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ] {
            assert_eq!(philox4x32(counter, key, rounds), answer, "{rounds} rounds");
        }
    }

    #[test]
    fn uniforms_fill_the_interval() {
        let stream = Stream { place: 1, seed: 2, step: 3, turn: 4 };
        let mean = (0..4096).map(|number| f64::from(stream.uniform(number))).sum::<f64>() / 4096.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert!((0..4096).all(|number| (0.0..1.0).contains(&stream.uniform(number))));
    }
}
