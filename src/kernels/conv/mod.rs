//! Convolution: the three faces of one trilinear form, any number of axes.
//!
//! In comes a [`ConvArgs`], out goes the result of its part. The order of every
//! sum is part of the meaning:
//!
//! - out and input face: one fma chain from +0 for each element, over the channels of the group, then the elements of
//!   the window in row-major order; padding is read as 0; what falls between the steps of an input face is skipped;
//! - weight face: [`LANES`] chains for each element, over positions of a grid that puts images and windows in a row (see
//!   [`grid::Grid`]), joined as a tree of halves; images in blocks of [`grid::block`], whose sums are added in order.
//!
//! All faces copy their source to a zero-padded grid, split by the residues of
//! the steps, so that each tap of the window is one constant distance in
//! memory. The work is then the same for every geometry: a chain over taps, of a
//! weight times a vector of neighbours.

mod grid;
mod plan;
mod strip;
mod tile;
mod weight;

use std::cell::RefCell;

use super::abi::ConvArgs;
pub use grid::{LANES, block, pitches};
use plan::{Plan, Strips};
use strip::Strip;
use tile::{Isa, Taps};

/// Convolution with 512-bit vectors.
///
/// # Safety
/// AVX-512F is there; `args` and what it describes are valid; the result overlaps no operand.
#[cfg(target_arch = "x86_64")]
pub unsafe extern "C" fn avx512(args: *const ConvArgs) {
    // SAFETY: passed on.
    unsafe { face::<super::micro::Avx512>(&*args) }
}

/// Convolution with 256-bit vectors.
///
/// # Safety
/// AVX2 and FMA are there; otherwise as [`avx512`].
#[cfg(target_arch = "x86_64")]
pub unsafe extern "C" fn avx2(args: *const ConvArgs) {
    // SAFETY: passed on.
    unsafe { face::<super::micro::Avx2>(&*args) }
}

/// Convolution for any machine.
///
/// # Safety
/// As [`avx512`] without its first condition.
pub unsafe extern "C" fn portable(args: *const ConvArgs) {
    // SAFETY: passed on.
    unsafe { face::<super::micro::Portable>(&*args) }
}

/// Taps of a block of channels: a tile reads some lines of each, and a weight a row.
const BLOCK_TAPS: usize = 288;

/// A thread's memory between calls: it grows to the largest layer and is then only used again.
#[derive(Default)]
struct Space {
    /// The padded source.
    grid: Vec<f32>,
    /// The other source of a weight face.
    other: Vec<f32>,
    /// Weights in the order of use.
    weights: Vec<f32>,
    /// Results before they are laid out.
    results: Vec<f32>,
}

thread_local! {
    static SPACE: RefCell<Space> = RefCell::new(Space::default());
}

unsafe fn face<I: Isa>(args: &ConvArgs) {
    let plan = plan::of(args);
    SPACE.with_borrow_mut(|space| {
        // SAFETY: the caller's.
        unsafe {
            match args.face {
                2 => weight::weight::<I>(args, &plan, space),
                _ => spread::<I>(args, &plan, space),
            }
            <I as super::micro::Isa>::finish();
        }
    });
}

/// The out face and the input face: from channels of a source, through taps, to channels of a result.
unsafe fn spread<I: Isa>(args: &ConvArgs, plan: &Plan, space: &mut Space) {
    let transposed = args.face == 1;
    let Plan { shape, grid, .. } = plan;
    let (sources, results) =
        if transposed { (shape.group_out, shape.group_in) } else { (shape.group_in, shape.group_out) };
    let strips = plan.strips.as_ref().filter(|_| I::STRIP > 0 && results.is_multiple_of(I::STRIP));
    let channels = if strips.is_some() { I::STRIP } else { I::CHANNELS };
    let grouped = pack(args, plan, (sources, results), channels, &mut space.weights);
    let (from, to) = if transposed { (shape.out_len(), shape.n_len()) } else { (shape.n_len(), shape.out_len()) };
    // Behind the last place a whole tile may be read and computed that nobody wants.
    let overrun = 3 * LANES + grid.reach;
    space.grid.clear();
    space.grid.resize(sources * grid.channel + overrun, 0.0);
    let width = plan.classes.iter().map(|class| class.places).max().unwrap_or(0) + 3 * LANES;
    let room = strips.map_or(I::CHANNELS * width, |strips| 2 * strips.run * strips.starts.len() * I::STRIP);
    if space.results.len() < room {
        space.results.resize(room, 0.0);
    }
    for image in args.lo as usize..args.hi as usize {
        for group in 0..shape.groups {
            for channel in 0..sources {
                let place = (image * shape.groups + group) * sources + channel;
                // SAFETY: the channel lies in the operand, and the grid has room for it.
                unsafe {
                    let target = space.grid.as_mut_ptr().add(channel * grid.channel);
                    I::copy(&plan.runs_in, args.a.add(place * from), target);
                }
            }
            let mut weights = group * grouped;
            if let (Some(strips), [class]) = (strips, &plan.classes[..]) {
                for first in (0..results).step_by(I::STRIP) {
                    let place = (image * shape.groups + group) * results + first;
                    // SAFETY: taps stay inside the grid; the channels lie in the result, and only this call writes them.
                    unsafe {
                        let source = space.grid.as_ptr().add(class.first);
                        let packed = space.weights.as_ptr().add(weights);
                        let results = space.results.as_mut_ptr();
                        by_strips::<I>(strips, &plan.taps, (source, packed, results), class.taps.len() / sources);
                        I::turn(to, results, args.c.add(place * to));
                    }
                    weights += I::STRIP * plan.taps.len();
                }
                continue;
            }
            for class in &plan.classes {
                let taps = &plan.taps[class.taps.clone()];
                let runs = &plan.runs_out[class.runs_out.clone()];
                for first in (0..results).step_by(I::CHANNELS) {
                    let rows = I::CHANNELS.min(results - first);
                    // SAFETY: taps stay inside the grid and its overrun; a row of results has room for whole tiles.
                    unsafe {
                        let source = space.grid.as_ptr().add(class.first);
                        let packed = space.weights.as_ptr().add(weights);
                        let results = space.results.as_mut_ptr();
                        let row = Taps { taps, source, weights: packed, results, continues: false, width };
                        tile_row::<I>(row, rows, class.places, class.taps.len() / sources);
                    }
                    weights += rows * taps.len();
                    for row in 0..rows {
                        let place = (image * shape.groups + group) * results + first + row;
                        // SAFETY: the channel lies in the result, and only this call writes this image.
                        unsafe { I::copy(runs, space.results.as_ptr().add(row * width), args.c.add(place * to)) };
                    }
                }
            }
        }
    }
}

/// Some rows of results, tile by tile; `each` taps are of one channel. The channels come in blocks, so that what
/// neighbouring tiles read stays in the first cache; chains go on from block to block.
unsafe fn tile_row<I: Isa>(row: Taps<'_>, rows: usize, places: usize, each: usize) {
    let whole = I::VECTORS * I::WIDTH;
    let block = (BLOCK_TAPS / each.max(1)).max(1) * each.max(1);
    for first in (0..row.taps.len().max(1)).step_by(block) {
        let taps = &row.taps[first..row.taps.len().min(first + block)];
        for place in (0..places).step_by(whole) {
            let vectors = (places - place).div_ceil(I::WIDTH).min(I::VECTORS);
            // SAFETY: the caller's.
            unsafe {
                let tile = Taps {
                    taps,
                    source: row.source.add(place),
                    weights: row.weights.add(first * rows),
                    results: row.results.add(place),
                    continues: first > 0,
                    width: row.width,
                };
                I::taps(rows, vectors, &tile);
            }
        }
    }
}

/// Taps of a block of channels when vectors go along channels: a block's weights and sources are near together.
const STRIP_TAPS: usize = 144;

/// All places of a tile's channels, in blocks of source channels as in [`tile_row`].
unsafe fn by_strips<I: Isa>(
    strips: &Strips,
    taps: &[isize],
    (source, weights, results): (*const f32, *const f32, *mut f32),
    each: usize,
) {
    let block = (STRIP_TAPS / each.max(1)).max(1) * each.max(1);
    for first in (0..taps.len().max(1)).step_by(block) {
        let taps = &taps[first..taps.len().min(first + block)];
        for (at, starts) in strips.starts.iter().enumerate() {
            // SAFETY: the caller's.
            unsafe {
                let tile = Strip {
                    taps,
                    source: starts.map(|start| source.add(start)),
                    weights: weights.add(first * I::STRIP),
                    results: results.add(at * 2 * strips.run * I::STRIP),
                    continues: first > 0,
                };
                I::strip(strips.run, &tile);
            }
        }
    }
}

/// Weights in the order in which tiles of so many `channels` read them: by group, class, tile, tap, row. Gives the number of a group's.
#[allow(clippy::needless_range_loop)]
fn pack(
    args: &ConvArgs,
    plan: &Plan,
    (sources, results): (usize, usize),
    channels: usize,
    weights: &mut Vec<f32>,
) -> usize {
    let shape = &plan.shape;
    // From one result to the next, and from one group to the next.
    let row = if args.face == 1 { shape.k_len() } else { shape.group_in * shape.k_len() };
    let group_len = sources * results * shape.k_len();
    let grouped = plan.classes.iter().map(|class| class.taps.len() * results).sum();
    weights.resize(shape.groups * grouped, 0.0);
    let mut packed = 0;
    for group in 0..shape.groups {
        for class in &plan.classes {
            let places = &plan.places[class.taps.clone()];
            for first in (0..results).step_by(channels) {
                let rows = channels.min(results - first);
                let target = &mut weights[packed..packed + rows * places.len()];
                packed += target.len();
                for (tap, place) in places.iter().enumerate() {
                    let place = group * group_len + first * row + place;
                    let target = &mut target[tap * rows..][..rows];
                    for at in 0..rows {
                        // SAFETY: a row, a channel and an element of the weights.
                        target[at] = unsafe { *args.b.add(place + at * row) };
                    }
                }
            }
        }
    }
    grouped
}
