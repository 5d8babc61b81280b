//! Cases of sliding windows and convolutions: odd sizes, steps beyond the
//! window, no padding and uneven padding, cut edges, dilation, groups.

use super::{Case, Maker};
use nnc::ir::{Face, Fill, Op, Window};

/// One window of one element.
pub const ONE: Window = Window { n: 1, out: 1, k: 1, step: 1, dilation: 1, lo: 0 };

/// The windows of an axis of `n` elements, if there is one at all.
pub fn window(n: usize, k: usize, step: usize, dilation: usize, (lo, hi): (i64, i64)) -> Option<Window> {
    let room = n as i64 + lo + hi - (dilation * (k - 1)) as i64 - 1;
    (room >= 0).then(|| Window { n, out: room as usize / step + 1, k, step, dilation, lo })
}

/// Those that fit.
fn geometries(n: usize) -> Vec<Window> {
    let all = [
        window(n, 3, 1, 1, (1, 1)),
        window(n, 2, 2, 1, (0, 0)),
        window(n, 2, 3, 1, (0, 0)),
        window(n, 3, 2, 2, (2, 1)),
        window(n, 1, 1, 1, (0, 0)),
        window(n, 3, 1, 1, (-1, 0)),
        window(n, 4, 3, 1, (0, 3)),
        // Windows that see nothing but padding.
        window(n, 1, 4, 1, (5, 0)),
    ];
    all.into_iter().flatten().collect()
}

pub fn unfold(n: usize) -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, window: Window, fill: Fill| {
        let mut maker = Maker::new(31);
        let x = maker.smooth(shape, |k| k.uniform(-2.0, 2.0));
        let mut case = maker.finish(Op::Unfold { axis, window, fill }, &[x]);
        if fill == Fill::Lowest && !window.is_inside() {
            // Differences of infinities say nothing.
            case.wrt.clear();
        }
        case
    };
    let both = |window: Window| {
        [
            case(&[2, n, 3], 1, window, Fill::Zero),
            case(&[3, n], 1, window, Fill::Lowest),
            case(&[n], 0, window, Fill::Zero),
        ]
    };
    geometries(n).into_iter().flat_map(both).collect()
}

pub fn fold(n: usize) -> Vec<Case> {
    let case = |before: &[usize], after: &[usize], window: Window| {
        let mut maker = Maker::new(32);
        let shape = [before, &[window.out, window.k], after].concat();
        let x = maker.smooth(&shape, |k| k.uniform(-2.0, 2.0));
        maker.finish(Op::Fold { axis: before.len(), window }, &[x])
    };
    geometries(n).into_iter().flat_map(|window| [case(&[2], &[3], window), case(&[], &[], window)]).collect()
}

pub fn conv(n: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let channels = [(1, 2, 3), (2, 1, 1), (2, 2, 1), (1, 1, 5)];
    for (at, along) in geometries(n).into_iter().enumerate() {
        let sizes = channels[at % channels.len()];
        cases.extend(Face::ALL.map(|face| faced(face, 3, sizes, vec![along])));
    }
    let across = [window(5, 3, 2, 1, (1, 0)), window(4, 2, 1, 2, (0, 1))].into_iter().flatten();
    for (at, (along, across)) in geometries(n).into_iter().step_by(2).zip(across.cycle()).enumerate() {
        let sizes = channels[(at + 1) % channels.len()];
        cases.extend(Face::ALL.map(|face| faced(face, 2, sizes, vec![across, along])));
    }
    cases
}

fn faced(
    face: Face,
    images: usize,
    (groups, group_in, group_out): (usize, usize, usize),
    windows: Vec<Window>,
) -> Case {
    let mut maker = Maker::new(33);
    let sizes = |size: fn(&Window) -> usize| windows.iter().map(size).collect::<Vec<_>>();
    let x = [vec![images, groups * group_in], sizes(|w| w.n)].concat();
    let w = [vec![groups * group_out, group_in], sizes(|w| w.k)].concat();
    let y = [vec![images, groups * group_out], sizes(|w| w.out)].concat();
    let (a, b) = match face {
        Face::Out => (x, w),
        Face::Input => (y, w),
        Face::Weight => (x, y),
    };
    let a = maker.smooth(&a, |k| k.uniform(-1.0, 1.0));
    let b = maker.smooth(&b, |k| k.uniform(-1.0, 1.0));
    maker.finish(Op::Conv { face, windows, groups }, &[a, b])
}
