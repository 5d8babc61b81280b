//! The order of a row: NaN behind, equal keys as they stand, whatever the steps and the length.

use nnc::kernels::abi::{Ctx, PACK_BYTES, SortArgs};
use nnc::kernels::table;

fn sorted(keys: &[u32], step: usize, float: u64) -> Vec<i32> {
    let mut spread = vec![0; keys.len() * step];
    keys.iter().enumerate().for_each(|(at, key)| spread[at * step] = *key);
    let mut order = vec![-1; keys.len() * step];
    let args = SortArgs {
        keys: spread.as_ptr(),
        order: order.as_mut_ptr(),
        len: keys.len() as u64,
        keys_step: step as i64,
        order_step: step as i64,
        float,
    };
    let (table, mut pack, mut fault) = (table(), vec![0_u64; PACK_BYTES / 8], 0);
    let ctx = Ctx {
        gemm: table.gemm,
        conv: table.conv,
        fill: table.fill,
        sort: table.sort,
        transpose: table.transpose,
        scratch: std::ptr::null_mut(),
        pack: pack.as_mut_ptr().cast(),
        fault: &mut fault,
    };
    // SAFETY: both rows have `len` elements at their steps, and the packing space is ours.
    unsafe { (table.sort)(&args, &ctx) };
    order.into_iter().step_by(step).collect()
}

fn order(keys: &[f32], step: usize) -> Vec<i32> {
    sorted(&keys.iter().map(|key| key.to_bits()).collect::<Vec<_>>(), step, 1)
}

#[test]
fn nan_is_last_and_equal_keys_keep_their_order() {
    let keys = [1.0, f32::NAN, 0.0, -0.0, f32::INFINITY, 1.0, -f32::NAN, f32::NEG_INFINITY];
    for step in [1, 2, 5] {
        assert_eq!(order(&keys, step), [7, 2, 3, 0, 5, 4, 1, 6], "step {step}");
    }
}

#[test]
fn rows_of_any_length_are_sorted_at_any_step() {
    for len in 0..70_usize {
        let keys: Vec<f32> = (0..len).map(|at| (at * 37 % 11) as f32 - 5.0).collect();
        let mut expected: Vec<i32> = (0..len as i32).collect();
        expected.sort_by(|&a, &b| keys[a as usize].total_cmp(&keys[b as usize]));
        for step in [1, 3] {
            assert_eq!(order(&keys, step), expected, "{len} keys, step {step}");
        }
    }
}

/// What the loops interpreter does.
fn expected(keys: &[f32]) -> Vec<i32> {
    let mut order: Vec<i32> = (0..keys.len() as i32).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (keys[a as usize], keys[b as usize]);
        a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal))
    });
    order
}

/// Lengths at which another way begins, of keys that are all over, few, almost all alike, and mostly no numbers.
#[test]
fn long_rows_are_sorted_in_all_ways() {
    const MOST: usize = PACK_BYTES / 16;
    let noise = |at: usize| (at as u32).wrapping_mul(2_654_435_761) ^ (at as u32 >> 3).wrapping_mul(0x9e37_79b9);
    let kinds: [fn(u32) -> f32; 5] = [
        f32::from_bits,
        |noise| (noise % 2) as f32,
        |noise| 0.25 + (noise >> 8) as f32 / (1 << 25) as f32,
        |noise| if noise % 1000 == 0 { f32::INFINITY } else { 1.0 + (noise % 64) as f32 * f32::EPSILON },
        |noise| {
            if noise % 8 == 0 {
                -0.0
            } else if noise % 8 == 1 {
                0.0
            } else {
                f32::from_bits(0x7fc0_0000 | (noise % 4))
            }
        },
    ];
    for len in [399, 400, 401, 1000, 5000, MOST, MOST + 1, 3 * MOST] {
        for (number, kind) in kinds.iter().enumerate() {
            let keys: Vec<f32> = (0..len).map(|at| kind(noise(at))).collect();
            for step in [1, 2] {
                assert!(order(&keys, step) == expected(&keys), "{len} keys of kind {number}, step {step}");
            }
        }
    }
}

#[test]
fn whole_numbers_are_sorted_with_their_signs() {
    for len in [7, 1000, 100_000] {
        let keys: Vec<i32> = (0..len).map(|at: i32| at.wrapping_mul(-1_640_531_527) >> (at % 30)).collect();
        let mut expected: Vec<i32> = (0..len).collect();
        expected.sort_by_key(|&at| keys[at as usize]);
        let bits: Vec<u32> = keys.iter().map(|key| key.cast_unsigned()).collect();
        assert!(sorted(&bits, 1, 0) == expected, "{len} keys");
    }
}
