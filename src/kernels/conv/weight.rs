//! The weight face: chains along positions, joined at the end of a block.
//!
//! In: x and y, a range of output channels. Out: their weights. Invariant: lane
//! l of an element adds the positions l, l + 16, ... of the grid in order,
//! whatever the width of a vector.

use super::Space;
use super::grid::LANES;
use super::plan::Plan;
use super::tile::{Isa, Pairs};
use crate::kernels::abi::ConvArgs;

/// Most sums of a tile.
const SUMS: usize = 32;

pub(super) unsafe fn weight<I: Isa>(args: &ConvArgs, plan: &Plan, space: &mut Space) {
    let Plan { shape, grid, images, .. } = plan;
    let images = *images;
    let length = (images * grid.plane).next_multiple_of(LANES);
    let places = plan.classes.first().map_or(0, |class| class.places);
    space.grid.clear();
    // In the grid of a weight face the images of a plane stand in a row, so a step to the next image is a step like others.
    space.grid.resize(shape.group_in * grid.phases * images * grid.plane + length + grid.reach + LANES, 0.0);
    space.other.clear();
    space.other.resize(I::RESULTS * length, 0.0);
    let (mut sums, mut joined) = ([[0.0f32; LANES]; SUMS], [0.0f32; SUMS]);
    let (lo, hi) = (args.lo as usize, args.hi as usize);
    for first_image in (0..shape.images).step_by(images) {
        let some = images.min(shape.images - first_image);
        let positions = ((some - 1) * grid.plane + places).next_multiple_of(LANES);
        if some < images {
            // The last block is shorter: what the block before left behind its images must not count.
            space.grid.fill(0.0);
            space.other.fill(0.0);
        }
        for group in lo / shape.group_out..hi.div_ceil(shape.group_out) {
            let whole = (args, plan);
            // SAFETY: images and channels of x.
            unsafe { copy_x::<I>(whole, (first_image, some), group, space) };
            let from = lo.max(group * shape.group_out);
            let to = hi.min((group + 1) * shape.group_out);
            for first in (from..to).step_by(I::RESULTS) {
                let rows = I::RESULTS.min(to - first);
                // SAFETY: images and channels of y.
                unsafe { copy_y::<I>(whole, length, (first_image, some), first..first + rows, space) };
                for tap in (0..plan.taps.len()).step_by(I::TAPS) {
                    let taps = I::TAPS.min(plan.taps.len() - tap);
                    // SAFETY: taps stay in the grid, rows in `other`, and the sums have room for the largest tile.
                    unsafe {
                        let pairs = Pairs {
                            x: space.grid.as_ptr(),
                            taps: &plan.taps[tap..tap + taps],
                            y: space.other.as_ptr(),
                            row: length,
                            length: positions,
                            sums: sums.as_mut_ptr().cast(),
                        };
                        I::pairs(rows, taps, &pairs);
                        I::join(&sums, &mut joined[..rows * taps]);
                    }
                    for (row, tap_at) in (0..rows).flat_map(|row| (0..taps).map(move |tap| (row, tap))) {
                        let sum = joined[row * taps + tap_at];
                        // SAFETY: an element of the weights of this call's channels.
                        unsafe {
                            let target = args.c.add((first + row) * plan.taps.len() + tap + tap_at);
                            *target = if first_image == 0 { sum } else { *target + sum };
                        }
                    }
                }
            }
        }
    }
}

unsafe fn copy_x<I: Isa>(
    (args, plan): (&ConvArgs, &Plan),
    (first, some): (usize, usize),
    group: usize,
    space: &mut Space,
) {
    let Plan { shape, grid, images, .. } = plan;
    let len = shape.n_len();
    for channel in 0..shape.group_in {
        for image in 0..some {
            let place = ((first + image) * shape.groups + group) * shape.group_in + channel;
            // SAFETY: the channel lies in x, and the grid has room for it.
            unsafe {
                let target = space.grid.as_mut_ptr().add((channel * grid.phases * images + image) * grid.plane);
                I::copy(&plan.runs_in, args.a.add(place * len), target);
            }
        }
    }
}

unsafe fn copy_y<I: Isa>(
    (args, plan): (&ConvArgs, &Plan),
    length: usize,
    (first, some): (usize, usize),
    channels: std::ops::Range<usize>,
    space: &mut Space,
) {
    let Plan { shape, grid, .. } = plan;
    let len = shape.out_len();
    let all = shape.groups * shape.group_out;
    for (row, channel) in channels.enumerate() {
        for image in 0..some {
            let place = (first + image) * all + channel;
            // SAFETY: the channel lies in y, and its row has room for it.
            unsafe {
                let target = space.other.as_mut_ptr().add(row * length + image * grid.plane);
                I::copy(&plan.runs_out, args.b.add(place * len), target);
            }
        }
    }
}
