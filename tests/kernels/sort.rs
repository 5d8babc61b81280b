//! The order of a row: NaN behind, equal keys as they stand, whatever the steps.

use nnc::kernels::abi::SortArgs;
use nnc::kernels::sort::portable;

fn order(keys: &[f32], step: usize) -> Vec<i32> {
    let mut spread = vec![0; keys.len() * step];
    keys.iter().enumerate().for_each(|(at, key)| spread[at * step] = key.to_bits());
    let mut order = vec![-1; keys.len() * step];
    let args = SortArgs {
        keys: spread.as_ptr(),
        order: order.as_mut_ptr(),
        len: keys.len() as u64,
        keys_step: step as i64,
        order_step: step as i64,
        float: 1,
    };
    // SAFETY: both rows have `len` elements at their steps.
    unsafe { portable(&args) };
    order.into_iter().step_by(step).collect()
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
