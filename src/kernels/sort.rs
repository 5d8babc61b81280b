//! The order of a row, without memory of its own: places are sorted where they
//! are to stand.
//!
//! In comes a [`SortArgs`], out go the places of the keys in rising order. Places
//! that compare equal are compared themselves, so that there is one right answer
//! and an unstable sort gives it. NaN is behind all numbers; both zeros are equal.

use super::abi::SortArgs;
use std::cmp::Ordering;

/// Sorts on any machine.
///
/// # Safety
/// `args` is valid; `len` keys are readable and `len` places writable at their steps, and they do not overlap.
pub unsafe extern "C" fn portable(args: *const SortArgs) {
    // SAFETY: by the contract.
    let args = unsafe { &*args };
    if args.float == 1 {
        // SAFETY: passed on.
        unsafe { rows(args, |bits| Float(f32::from_bits(bits))) }
    } else {
        // SAFETY: passed on.
        unsafe { rows(args, |bits| bits as i32) }
    }
}

/// An f32 in the order of sorting.
#[derive(Clone, Copy)]
struct Float(f32);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Float {}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.0, other.0);
        a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(Ordering::Equal))
    }
}

unsafe fn rows<K: Ord>(args: &SortArgs, key: impl Fn(u32) -> K) {
    let len = args.len as usize;
    // SAFETY: places are below `len`.
    let rank = |place: i32| (key(unsafe { *args.keys.offset(place as isize * args.keys_step as isize) }), place);
    if args.order_step == 1 {
        // SAFETY: `len` places are writable side by side.
        let order = unsafe { std::slice::from_raw_parts_mut(args.order, len) };
        order.iter_mut().enumerate().for_each(|(at, place)| *place = at as i32);
        order.sort_unstable_by_key(|&place| rank(place));
        return;
    }
    let at = |place: usize| args.order.wrapping_offset(place as isize * args.order_step as isize);
    // SAFETY: places are below `len`.
    unsafe {
        (0..len).for_each(|place| *at(place) = place as i32);
        // A heap whose greatest stands in front, then one by one to the back.
        (0..len / 2).rev().for_each(|from| sift(&at, &rank, from, len));
        for end in (1..len).rev() {
            std::ptr::swap(at(0), at(end));
            sift(&at, &rank, 0, end);
        }
    }
}

/// Lets the place at `from` sink until none below it is greater.
unsafe fn sift<K: Ord>(at: &impl Fn(usize) -> *mut i32, rank: &impl Fn(i32) -> (K, i32), mut from: usize, end: usize) {
    loop {
        let mut child = 2 * from + 1;
        if child >= end {
            return;
        }
        // SAFETY: both are below `end`.
        unsafe {
            if child + 1 < end && rank(*at(child)) < rank(*at(child + 1)) {
                child += 1;
            }
            if rank(*at(child)) <= rank(*at(from)) {
                return;
            }
            std::ptr::swap(at(child), at(from));
        }
        from = child;
    }
}
