//! Random numbers: Random123's known answers, then every variant against the scalar reference.

use super::guarded::Guarded;
use nnc::ir::philox::philox4x32;
use nnc::kernels::abi::FillArgs;
use nnc::kernels::variants;

#[test]
fn philox_gives_the_known_answers_of_random123() {
    // Random123, tests/kat_vectors, lines of philox4x32 with 10 rounds.
    let all = u32::MAX;
    assert_eq!(philox4x32([0; 4], [0; 2], 10), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(philox4x32([all; 4], [all; 2], 10), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    assert_eq!(
        philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0], 10),
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
    );
}

#[test]
fn every_variant_gives_the_numbers_of_the_reference() {
    let (place, seed, step, turn) = (0x9abc_def0, 17, 5, 3);
    for table in variants() {
        for base in [0u64, 64, 1 << 20, 100, (1 << 32) + 64] {
            for len in [0usize, 1, 7, 16, 63, 64, 65, 127, 128, 200] {
                let out = Guarded::new(&vec![9.0; len], true);
                let args = FillArgs { out: out.pointer(), len: len as u64, base, place, seed, step, turn };
                // SAFETY: the variant runs here, `len` elements are writable.
                unsafe { (table.fill)(&args) };
                for (e, &value) in out.values().iter().enumerate() {
                    let n = base + e as u64;
                    let block = (n / 64 * 16 + n % 16) as u32;
                    let bits = philox4x32([block, step, turn, 0], [place, seed], 7)[(n % 64 / 16) as usize];
                    let expected = (bits >> 8) as f32 / 16_777_216.0;
                    assert_eq!(value.to_bits(), expected.to_bits(), "{} base {base} len {len} at {e}", table.name);
                }
            }
        }
    }
}

#[test]
fn numbers_are_uniform() {
    let mut out = vec![0.0f32; 1 << 16];
    let args = FillArgs { out: out.as_mut_ptr(), len: 1 << 16, base: 0, place: 1, seed: 1, step: 0, turn: 0 };
    // SAFETY: as above.
    unsafe { (nnc::kernels::table().fill)(&args) };
    let mean = out.iter().map(|&u| f64::from(u)).sum::<f64>() / out.len() as f64;
    let square = out.iter().map(|&u| f64::from(u).powi(2)).sum::<f64>() / out.len() as f64;
    // Standard errors are 0.0011 and 0.0012.
    assert!((mean - 0.5).abs() < 0.006, "mean {mean}");
    assert!((square - 1.0 / 3.0).abs() < 0.006, "second moment {square}");
    assert!(out.iter().all(|&u| (0.0..1.0).contains(&u)));
}
