//! The order of a row.
//!
//! In comes a [`SortArgs`], out go the places of the keys in rising order. A key
//! becomes a number without sign that rises with it (NaN is behind all numbers,
//! both zeros are one), and with its place in the low half each number is there
//! once: so there is one right answer, and any way of sorting gives it.
//!
//! Short rows are sorted by comparing, longer ones byte by byte, both in the
//! thread's packing space. Rows that do not fit it are first split by their keys.

use super::abi::{Ctx, PACK_BYTES, SortArgs};
use std::ops::Range;

/// Most numbers that are sorted at once: the packing space holds them twice.
const MOST: usize = PACK_BYTES / 16;
/// From so many on, sorting byte by byte is faster.
const MANY: usize = 400;
/// Parts of a row that does not fit.
const PARTS: usize = 2048;

/// Sorts on any machine.
///
/// # Safety
/// `args` is valid; `len` keys are readable and `len` places writable at their steps, and they do not overlap. The
/// context's packing space is this thread's.
pub unsafe extern "C" fn portable(args: *const SortArgs, ctx: *const Ctx) {
    // SAFETY: by the contract.
    let (args, space) = unsafe { (&*args, std::slice::from_raw_parts_mut((*ctx).pack.cast::<u64>(), 2 * MOST)) };
    if args.float == 1 {
        Row { args, number: float_number }.sort(space);
    } else {
        Row { args, number: |bits| bits ^ 0x8000_0000 }.sort(space);
    }
}

/// A number without sign that rises with the f32.
fn float_number(bits: u32) -> u32 {
    let number = f32::from_bits(bits);
    let bits = if number == 0.0 { 0 } else { bits };
    let rising = if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 };
    if number.is_nan() { u32::MAX } else { rising }
}

/// A row whose addresses are those of the caller's contract.
struct Row<'a, N> {
    args: &'a SortArgs,
    number: N,
}

impl<N: Fn(u32) -> u32> Row<'_, N> {
    fn sort(&self, space: &mut [u64]) {
        let len = self.args.len as usize;
        if len <= MOST {
            return self.sort_part(0..len, |at| at as i32, space);
        }
        let ends = self.split(len);
        let mut first = 0;
        for end in ends.map(|end| end as usize) {
            if end - first <= MOST {
                self.sort_part(first..end, |at| self.place(at), space);
            } else {
                self.sort_where_it_stands(first..end);
            }
            first = end;
        }
    }

    /// Sorts some places, which rise.
    fn sort_part(&self, part: Range<usize>, place: impl Fn(usize) -> i32, space: &mut [u64]) {
        let (numbers, other) = space.split_at_mut(MOST);
        let (numbers, other) = (&mut numbers[..part.len()], &mut other[..part.len()]);
        for (number, at) in numbers.iter_mut().zip(part.clone()) {
            *number = self.rank(place(at));
        }
        if numbers.len() < MANY {
            numbers.sort_unstable();
        } else {
            sort_by_bytes(numbers, other);
        }
        part.zip(numbers).for_each(|(at, number)| self.set_place(at, *number as i32));
    }

    /// Lays the places in parts that rise, each in its order; their ends.
    fn split(&self, len: usize) -> [u32; PARTS] {
        let number = |at: usize| (self.rank(at as i32) >> 32) as u32;
        let (least, greatest) = (0..len).fold((u32::MAX, 0), |(least, greatest), at| {
            let number = number(at);
            (least.min(number), greatest.max(number))
        });
        let shift = (u32::BITS - (greatest - least).leading_zeros()).saturating_sub(PARTS.trailing_zeros());
        let part = |at: usize| ((number(at) - least) >> shift) as usize;
        let mut starts = [0_u32; PARTS];
        (0..len).for_each(|at| starts[part(at)] += 1);
        add_up(&mut starts);
        for at in 0..len {
            let start = &mut starts[part(at)];
            self.set_place(*start as usize, at as i32);
            *start += 1;
        }
        starts
    }

    /// A heap whose greatest stands in front, then one by one to the back; unless all keys are equal.
    fn sort_where_it_stands(&self, part: Range<usize>) {
        let number = |at: usize| self.rank(self.place(at)) >> 32;
        if part.clone().all(|at| number(at) == number(part.start)) {
            return;
        }
        let len = part.len();
        (0..len / 2).rev().for_each(|from| self.sift(part.start, from, len));
        for end in (1..len).rev() {
            self.swap(part.start, part.start + end);
            self.sift(part.start, 0, end);
        }
    }

    /// Lets the place at `from` sink until none below it is greater.
    fn sift(&self, first: usize, mut from: usize, end: usize) {
        let rank = |at: usize| self.rank(self.place(first + at));
        loop {
            let mut child = 2 * from + 1;
            if child >= end {
                return;
            }
            if child + 1 < end && rank(child) < rank(child + 1) {
                child += 1;
            }
            if rank(child) <= rank(from) {
                return;
            }
            self.swap(first + child, first + from);
            from = child;
        }
    }

    /// A key's number, and its place.
    fn rank(&self, place: i32) -> u64 {
        // SAFETY: places are below `len`.
        let bits = unsafe { *self.args.keys.offset(place as isize * self.args.keys_step as isize) };
        u64::from((self.number)(bits)) << 32 | u64::from(place.cast_unsigned())
    }

    fn place(&self, at: usize) -> i32 {
        // SAFETY: `at` is below `len`, and was written before.
        unsafe { *self.args.order.offset(at as isize * self.args.order_step as isize) }
    }

    fn set_place(&self, at: usize, place: i32) {
        // SAFETY: `at` is below `len`.
        unsafe { *self.args.order.offset(at as isize * self.args.order_step as isize) = place }
    }

    fn swap(&self, a: usize, b: usize) {
        let (left, right) = (self.place(a), self.place(b));
        self.set_place(a, right);
        self.set_place(b, left);
    }
}

/// Sorts numbers by their high halves, byte by byte from the lowest; equal ones stay in their order.
fn sort_by_bytes(numbers: &mut [u64], other: &mut [u64]) {
    const BYTES: usize = 4;
    let byte = |number: u64, at: usize| (number >> (32 + 8 * at)) as usize & 0xff;
    let mut counts = [[0_u32; 256]; BYTES];
    for number in numbers.iter() {
        (0..BYTES).for_each(|at| counts[at][byte(*number, at)] += 1);
    }
    let (mut from, mut to) = (numbers, other);
    let mut moved = false;
    for (at, starts) in counts.iter_mut().enumerate() {
        if starts[byte(from[0], at)] as usize == from.len() {
            continue;
        }
        add_up(starts);
        for number in from.iter() {
            let start = &mut starts[byte(*number, at)];
            to[*start as usize] = *number;
            *start += 1;
        }
        std::mem::swap(&mut from, &mut to);
        moved = !moved;
    }
    if moved {
        to.copy_from_slice(from);
    }
}

/// Each count becomes the sum of those before it.
fn add_up(counts: &mut [u32]) {
    let mut sum = 0;
    for count in counts {
        sum += std::mem::replace(count, sum);
    }
}
