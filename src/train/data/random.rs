//! Counter-based random numbers for data: a draw is a function of its key.
//!
//! In: a seed, a name, a row or epoch. Out: a [`Stream`] of numbers that belongs
//! to that key alone, so rows may be drawn in any order and on any thread.
//! The mixing function is SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable
//! pseudorandom number generators"). Only exactly rounded operations are used,
//! so the numbers are the same on every machine.

use std::f64::consts::{LN_2, SQRT_2, TAU};

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64: a bijection that looks random.
#[inline]
pub fn mix(value: u64) -> u64 {
    let z = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A key from a seed and a name (FNV-1a of its bytes, then mixed).
pub fn key(seed: u64, name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    mix(mix(seed.wrapping_add(GOLDEN)) ^ hash)
}

/// The numbers of one key and index.
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The stream of `index` (a row, an epoch) under `key`.
    #[inline]
    pub fn new(key: u64, index: u64) -> Self {
        Stream { state: mix(key ^ mix(index.wrapping_mul(GOLDEN).wrapping_add(1))) }
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in `[0, 1)`, 53 bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in `[-1, 1)`.
    #[inline]
    pub fn signed(&mut self) -> f32 {
        (self.bits() as i64 >> 40) as f32 * (1.0 / 8_388_608.0)
    }

    /// Uniform in `0..bound`; the bias is below `bound / 2^64`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Two independent standard normal numbers (Box and Muller 1958).
    pub fn normal_pair(&mut self) -> (f64, f64) {
        let radius = (-2.0 * ln(1.0 - self.unit())).sqrt();
        let (sin, cos) = sin_cos_turns(self.unit());
        (radius * cos, radius * sin)
    }

    /// Puts `items` in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// Sine and cosine of an angle in turns, by Taylor series on an eighth of a turn.
pub fn sin_cos_turns(turns: f64) -> (f64, f64) {
    let quarters = (turns * 4.0).round();
    let angle = (turns - quarters / 4.0) * TAU;
    let square = angle * angle;
    // Horner's scheme up to angle^15 and angle^14: below 2e-17 on |angle| <= pi/4.
    let sin = (1..=7).rev().fold(1.0, |sum, k| 1.0 - square / f64::from(2 * k * (2 * k + 1)) * sum) * angle;
    let cos = (1..=8).rev().fold(1.0, |sum, k| 1.0 - square / f64::from(2 * k * (2 * k - 1)) * sum);
    match (quarters as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Natural logarithm of a positive normal number, by the series of the inverse hyperbolic tangent.
fn ln(value: f64) -> f64 {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i64 - 1023;
    let mantissa = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    let (mantissa, exponent) = if mantissa > SQRT_2 { (mantissa / 2.0, exponent + 1) } else { (mantissa, exponent) };
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let series = (0..12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent as f64 * LN_2 + 2.0 * ratio * series
}
