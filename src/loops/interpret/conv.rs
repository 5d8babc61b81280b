//! Convolutions in the order that `kernels::conv` states, element by element.
//!
//! In: a statement, its rows and the words of its operands. Out: the elements
//! of the result with their places. Nothing is shared with the wide kernels but
//! the sizes that the order of the weight face depends on.

use crate::ir::{Face, Window};
use crate::kernels::conv::{LANES, block, pitches};
use crate::loops::ir::Conv;

/// The elements of the rows `lo..hi`.
pub(super) fn results(conv: &Conv, (lo, hi): (u64, u64), a: &[u32], b: &[u32]) -> Vec<(usize, f32)> {
    let rows = lo as usize..hi as usize;
    match conv.face {
        Face::Out | Face::Input => rows.flat_map(|image| image_results(conv, image, a, b)).collect(),
        Face::Weight => rows.flat_map(|channel| channel_results(conv, channel, a, b)).collect(),
    }
}

/// All indices below these sizes, in row-major order.
fn indices(windows: &[Window], size: fn(&Window) -> usize) -> Vec<Vec<usize>> {
    windows.iter().fold(vec![Vec::new()], |all, window| {
        let next = |index: &Vec<usize>| (0..size(window)).map(|at| [&index[..], &[at]].concat()).collect::<Vec<_>>();
        all.iter().flat_map(next).collect()
    })
}

fn flat(windows: &[Window], index: &[usize], size: fn(&Window) -> usize) -> usize {
    windows.iter().zip(index).fold(0, |sum, (window, at)| sum * size(window) + at)
}

fn float(words: &[u32], at: usize) -> f32 {
    f32::from_bits(words[at])
}

/// Where in x element `j` of window `o` lies, if it is no padding.
fn place(windows: &[Window], o: &[usize], j: &[usize]) -> Option<Vec<usize>> {
    windows.iter().enumerate().map(|(axis, window)| window.place(o[axis], j[axis])).collect()
}

/// Which window has element `x` as its element `j`: `None` if it falls between steps, `Some(None)` if there is none.
fn source(windows: &[Window], x: &[usize], j: &[usize]) -> Option<Option<Vec<usize>>> {
    let mut found = Some(Vec::new());
    for (axis, window) in windows.iter().enumerate() {
        let at = x[axis] as i64 + window.lo - (j[axis] * window.dilation) as i64;
        if at % window.step as i64 != 0 {
            return None;
        }
        let o = usize::try_from(at.div_euclid(window.step as i64)).ok().filter(|&o| o < window.out);
        found = found.zip(o).map(|(mut index, o)| {
            index.push(o);
            index
        });
    }
    Some(found)
}

/// One chain for each element of one image of x or y.
fn image_results(conv: &Conv, image: usize, a: &[u32], b: &[u32]) -> Vec<(usize, f32)> {
    let (windows, out) = (&conv.windows[..], conv.face == Face::Out);
    let (groups, group_in, group_out) = (conv.groups as usize, conv.group_in as usize, conv.group_out as usize);
    let (from, to) = if out { (group_in, group_out) } else { (group_out, group_in) };
    let sizes: [fn(&Window) -> usize; 2] = if out { [|w| w.n, |w| w.out] } else { [|w| w.out, |w| w.n] };
    let (taps, places) = (indices(windows, |w| w.k), indices(windows, sizes[1]));
    let source_len: usize = windows.iter().map(sizes[0]).product();
    let mut found = Vec::new();
    for (group, channel) in (0..groups).flat_map(|group| (0..to).map(move |channel| (group, channel))) {
        for (at, index) in places.iter().enumerate() {
            let mut chain = 0.0f32;
            for (other, (j, tap)) in (0..from).flat_map(|other| taps.iter().enumerate().map(move |tap| (other, tap))) {
                let read = if out { Some(place(windows, index, tap)) } else { source(windows, index, tap) };
                let Some(read) = read else { continue };
                let (f, c) = if out { (channel, other) } else { (other, channel) };
                let weight = float(b, ((group * group_out + f) * group_in + c) * taps.len() + j);
                let start = ((image * groups + group) * from + other) * source_len;
                let value = read.map_or(0.0, |read| float(a, start + flat(windows, &read, sizes[0])));
                chain = weight.mul_add(value, chain);
            }
            found.push((((image * groups + group) * to + channel) * places.len() + at, chain));
        }
    }
    found
}

/// The weights of one output channel: lanes, trees and blocks.
fn channel_results(conv: &Conv, channel: usize, a: &[u32], b: &[u32]) -> Vec<(usize, f32)> {
    let windows = &conv.windows[..];
    let args = conv.args();
    let (block, (pitch, plane)) = (block(&args), pitches(&args));
    let (groups, group_in, group_out) = (conv.groups as usize, conv.group_in as usize, conv.group_out as usize);
    let (taps, outs) = (indices(windows, |w| w.k), indices(windows, |w| w.out));
    let x_len: usize = windows.iter().map(|w| w.n).product();
    let mut found = Vec::new();
    for (c, (j, tap)) in (0..group_in).flat_map(|c| taps.iter().enumerate().map(move |tap| (c, tap))) {
        let mut sum: Option<f32> = None;
        for first in (0..conv.images as usize).step_by(block) {
            let mut lanes = [0.0f32; LANES];
            for image in first..(first + block).min(conv.images as usize) {
                for (at, out) in outs.iter().enumerate() {
                    let position: usize = out.iter().zip(&pitch).map(|(o, pitch)| o * *pitch as usize).sum();
                    let lane = &mut lanes[((image - first) * plane + position) % LANES];
                    let start = ((image * groups + channel / group_out) * group_in + c) * x_len;
                    let x =
                        place(windows, out, tap).map_or(0.0, |read| float(a, start + flat(windows, &read, |w| w.n)));
                    let y = float(b, (image * groups * group_out + channel) * outs.len() + at);
                    *lane = x.mul_add(y, *lane);
                }
            }
            let mut half = LANES / 2;
            while half > 0 {
                (0..half).for_each(|lane| lanes[lane] += lanes[lane + half]);
                half /= 2;
            }
            sum = Some(sum.map_or(lanes[0], |sum| sum + lanes[0]));
        }
        found.push(((channel * group_in + c) * taps.len() + j, sum.unwrap_or(0.0)));
    }
    found
}
