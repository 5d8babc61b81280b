//! The weight face: chains along positions, joined at the end of a block.
//!
//! In: x and y, a range of output channels. Out: their weights. Invariant: lane
//! l of an element adds the positions l, l + 16, ... of the grid in order,
//! whatever the width of a vector.

use super::Space;
use super::grid::{Grid, LANES, Run, Shape, block};
use super::tile::{Isa, Pairs};
use crate::kernels::abi::ConvArgs;

pub(super) unsafe fn weight<I: Isa>(args: &ConvArgs, shape: &Shape, space: &mut Space) {
    let grid = Grid::of_out(shape);
    let images = block(args);
    let length = (images * grid.plane).next_multiple_of(LANES);
    plan(shape, &grid, images, space);
    space.grid.clear();
    // In the grid of a weight face the images of a plane stand in a row, so a step to the next image is a step like others.
    space.grid.resize(shape.group_in * grid.phases * images * grid.plane + length + grid.reach + LANES, 0.0);
    space.other.clear();
    space.other.resize(I::RESULTS * length, 0.0);
    let mut sums = [0.0f32; 8 * 8 * LANES];
    let (lo, hi) = (args.lo as usize, args.hi as usize);
    for first_image in (0..shape.images).step_by(images) {
        let some = images.min(shape.images - first_image);
        if some < images {
            // The last block is shorter: what the block before left behind its images must not count.
            space.grid.fill(0.0);
            space.other.fill(0.0);
        }
        for group in lo / shape.group_out..hi.div_ceil(shape.group_out) {
            let whole = (args, shape);
            // SAFETY: images and channels of x.
            unsafe { copy_x(whole, &grid, images, (first_image, some), group, space) };
            let from = lo.max(group * shape.group_out);
            let to = hi.min((group + 1) * shape.group_out);
            for first in (from..to).step_by(I::RESULTS) {
                let rows = I::RESULTS.min(to - first);
                // SAFETY: images and channels of y.
                unsafe { copy_y(whole, &grid, length, (first_image, some), first..first + rows, space) };
                for tap in (0..space.taps.len()).step_by(I::TAPS) {
                    let taps = I::TAPS.min(space.taps.len() - tap);
                    // SAFETY: taps stay in the grid, rows in `other`, and the sums have room for the largest tile.
                    unsafe {
                        let pairs = Pairs {
                            x: space.grid.as_ptr(),
                            taps: &space.taps[tap..tap + taps],
                            y: space.other.as_ptr(),
                            row: length,
                            length,
                            sums: sums.as_mut_ptr(),
                        };
                        I::pairs(rows, taps, &pairs);
                    }
                    for (row, tap_at) in (0..rows).flat_map(|row| (0..taps).map(move |tap| (row, tap))) {
                        let sum = joined(&sums[(row * taps + tap_at) * LANES..][..LANES]);
                        // SAFETY: an element of the weights of this call's channels.
                        unsafe {
                            let target = args.c.add((first + row) * space.taps.len() + tap + tap_at);
                            *target = if first_image == 0 { sum } else { *target + sum };
                        }
                    }
                }
            }
        }
    }
}

/// Lanes j and j + half, the half getting smaller; by index, as it is done for each weight and block.
#[allow(clippy::needless_range_loop)]
fn joined(lanes: &[f32]) -> f32 {
    const HALF: usize = LANES / 2;
    let mut sums = [0.0f32; HALF];
    for lane in 0..HALF {
        sums[lane] = lanes[lane] + lanes[lane + HALF];
    }
    for lane in 0..HALF / 2 {
        sums[lane] += sums[lane + HALF / 2];
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}

/// Taps in the order of the weights' elements; runs of a channel of x, and of y.
fn plan(shape: &Shape, grid: &Grid, images: usize, space: &mut Space) {
    space.taps.clear();
    space.runs_in.clear();
    space.runs_out.clear();
    grid.runs_in(shape, false, &mut space.runs_in);
    grid.results(shape, &mut space.runs_out);
    for channel in 0..shape.group_in {
        for element in 0..shape.k_len() {
            let tap = grid.tap(shape, element) as usize;
            let (phase, distance) = (tap / grid.plane, tap % grid.plane);
            space.taps.push((((channel * grid.phases + phase) * images) * grid.plane + distance) as isize);
        }
    }
}

unsafe fn copy_x(
    (args, shape): (&ConvArgs, &Shape),
    grid: &Grid,
    images: usize,
    (first, some): (usize, usize),
    group: usize,
    space: &mut Space,
) {
    let len = shape.n_len();
    for channel in 0..shape.group_in {
        for image in 0..some {
            let place = ((first + image) * shape.groups + group) * shape.group_in + channel;
            // SAFETY: the caller's.
            let source = unsafe { std::slice::from_raw_parts(args.a.add(place * len), len) };
            for run in &space.runs_in {
                let (phase, rest) = (run.to / grid.plane, run.to % grid.plane);
                let to = ((channel * grid.phases + phase) * images + image) * grid.plane + rest;
                Run { to, ..*run }.copy(source, &mut space.grid);
            }
        }
    }
}

unsafe fn copy_y(
    (args, shape): (&ConvArgs, &Shape),
    grid: &Grid,
    length: usize,
    (first, some): (usize, usize),
    channels: std::ops::Range<usize>,
    space: &mut Space,
) {
    let len = shape.out_len();
    let all = shape.groups * shape.group_out;
    for (row, channel) in channels.enumerate() {
        for image in 0..some {
            let place = (first + image) * all + channel;
            // SAFETY: the caller's.
            let source = unsafe { std::slice::from_raw_parts(args.b.add(place * len), len) };
            for run in &space.runs_out {
                // Copied in, a run of results goes the other way.
                let to = row * length + image * grid.plane + run.from;
                Run { from: run.to, to, from_step: run.to_step, ..*run }.copy(source, &mut space.other);
            }
        }
    }
}
