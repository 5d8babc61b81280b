//! The zero-padded grid that a source is copied to, and what lies where in it.
//!
//! In: the sizes of a convolution. Out: distances of taps, and runs: stretches
//! of elements that are copied in or out. Invariant: a tap is one distance for
//! all results of a class, because the grid holds each residue of the steps as
//! a plane of its own and has room for all that windows reach outside.

use crate::kernels::abi::{ConvArgs, SPATIAL};

/// Chains of a weight face.
pub const LANES: usize = 16;

/// Elements of the sources that a block of images of a weight face should take.
const BLOCK: usize = 256 * 1024;

/// The sizes of a convolution.
pub(super) struct Shape {
    pub groups: usize,
    pub images: usize,
    pub group_in: usize,
    pub group_out: usize,
    pub windows: Vec<Axis>,
}

/// One spatial axis.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub n: i64,
    pub out: i64,
    pub k: i64,
    pub step: i64,
    pub dilation: i64,
    pub lo: i64,
}

/// Elements that are copied from one layout to another, by [`super::tile::Isa::copy`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub from: usize,
    pub to: usize,
    pub count: usize,
    pub from_step: usize,
    pub to_step: usize,
}

impl Axis {
    /// What the window reaches beyond its first element, in steps.
    fn reach(&self) -> i64 {
        (self.k - 1) * self.dilation / self.step
    }
}

impl Shape {
    pub fn of(args: &ConvArgs) -> Shape {
        let windows = args.windows[..(args.axes as usize).min(SPATIAL)].iter();
        let axis = |&[n, out, k, step, dilation, lo]: &[i64; 6]| Axis { n, out, k, step, dilation, lo };
        Shape {
            groups: args.groups as usize,
            images: args.images as usize,
            group_in: args.group_in as usize,
            group_out: args.group_out as usize,
            windows: windows.map(axis).collect(),
        }
    }

    pub fn n_len(&self) -> usize {
        self.windows.iter().map(|axis| axis.n as usize).product()
    }

    pub fn out_len(&self) -> usize {
        self.windows.iter().map(|axis| axis.out as usize).product()
    }

    pub fn k_len(&self) -> usize {
        self.windows.iter().map(|axis| axis.k as usize).product()
    }
}

/// The layout of one channel.
pub(super) struct Grid {
    /// Places of each axis.
    sizes: Vec<i64>,
    /// From place to place of each axis.
    pitch: Vec<i64>,
    /// The source index at place 0 of each axis (input face).
    start: Vec<i64>,
    /// Combinations of residues.
    pub phases: usize,
    /// Places of one combination.
    pub plane: usize,
    /// Places of a channel: all planes of x, the one of y.
    pub channel: usize,
    /// The farthest tap.
    pub reach: usize,
}

/// The index with number `at` of an array of these sizes.
fn digits(mut at: usize, sizes: impl DoubleEndedIterator<Item = i64> + ExactSizeIterator) -> Vec<i64> {
    let mut digits = vec![0; sizes.len()];
    for (axis, size) in sizes.enumerate().rev() {
        digits[axis] = (at % size as usize) as i64;
        at /= size as usize;
    }
    digits
}

fn rows(sizes: &[i64]) -> Vec<i64> {
    let mut pitch = vec![1; sizes.len()];
    for axis in (1..sizes.len()).rev() {
        pitch[axis - 1] = pitch[axis] * sizes[axis];
    }
    pitch
}

fn dot(a: &[i64], b: &[i64]) -> i64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Places of a line of elements with zeros before and behind it. Lines stand in a row, so the zeros before the next
/// line are zeros behind this one; results of one line still differ from those of the next.
fn line(elements: i64, before: i64, behind: i64, reach: i64) -> i64 {
    let shared = before.min(behind);
    elements + before + behind - if (0..=reach).contains(&shared) { shared } else { 0 }
}

/// ceil(a / b) for b > 0.
fn ceil(a: i64, b: i64) -> i64 {
    -(-a).div_euclid(b)
}

impl Grid {
    /// Of x for the out face and the weight face: place q of residue r is element q·step + r - lo.
    pub fn of_out(shape: &Shape) -> Grid {
        let size = |axis: &Axis| {
            let behind = axis.out + axis.reach() - axis.n - axis.lo;
            if axis.step == 1 { line(axis.n, axis.lo, behind, axis.reach()) } else { axis.out + axis.reach() }
        };
        let sizes: Vec<i64> = shape.windows.iter().map(size).collect();
        let start = vec![0; sizes.len()];
        let phases = shape.windows.iter().map(|axis| axis.step as usize).product();
        Grid::new(sizes, start, phases, phases, shape)
    }

    /// Of y for the input face: place q is window q + start; element i of x, with i + lo = q·step + r, takes from
    /// window q - (j·dilation - r)/step where that is whole.
    pub fn of_input(shape: &Shape) -> Grid {
        let (mut sizes, mut start) = (Vec::new(), Vec::new());
        for axis in &shape.windows {
            let low = ceil(axis.lo - axis.step + 1, axis.step) - axis.reach();
            let high = (axis.n - 1 + axis.lo).div_euclid(axis.step).max(low);
            let (before, behind) = (-low, high + 1 - axis.out);
            sizes.push(if axis.step == 1 { line(axis.out, before, behind, axis.reach()) } else { high - low + 1 });
            start.push(low);
        }
        let phases = shape.windows.iter().map(|axis| axis.step as usize).product();
        Grid::new(sizes, start, phases, 1, shape)
    }

    fn new(sizes: Vec<i64>, start: Vec<i64>, phases: usize, planes: usize, shape: &Shape) -> Grid {
        let pitch = rows(&sizes);
        let plane = sizes.iter().product::<i64>() as usize;
        let reach: i64 = shape.windows.iter().zip(&pitch).map(|(axis, pitch)| axis.reach() * pitch).sum();
        Grid { sizes, pitch, start, phases, plane, channel: plane * planes, reach: reach as usize }
    }

    fn residues(shape: &Shape, number: usize) -> Vec<i64> {
        digits(number, shape.windows.iter().map(|axis| axis.step))
    }

    /// How one channel of the source is copied in.
    pub fn runs_in(&self, shape: &Shape, transposed: bool, runs: &mut Vec<Run>) {
        if transposed {
            let lines = shape.windows.iter().zip(&self.start).map(|(axis, start)| Line {
                places: axis.out,
                first: -start,
                source: axis.out,
                step: 1,
                shift: *start,
            });
            return self.copy_runs(&lines.collect::<Vec<_>>(), 0, runs);
        }
        for number in 0..self.phases {
            let residues = Grid::residues(shape, number);
            let lines = shape.windows.iter().zip(&residues).zip(&self.sizes).map(|((axis, residue), size)| Line {
                places: *size,
                first: 0,
                source: axis.n,
                step: axis.step,
                shift: residue - axis.lo,
            });
            self.copy_runs(&lines.collect::<Vec<_>>(), number * self.plane, runs);
        }
    }

    /// Runs along the last axis, where place q reads source element q·step + shift.
    fn copy_runs(&self, lines: &[Line], base: usize, runs: &mut Vec<Run>) {
        let ranges: Vec<(i64, i64)> = lines.iter().zip(&self.sizes).map(|(line, size)| line.range(*size)).collect();
        if ranges.iter().any(|(low, high)| low >= high) {
            return;
        }
        let source = rows(&lines.iter().map(|line| line.source).collect::<Vec<_>>());
        let last = lines.len() - 1;
        let counts = || ranges[..last].iter().map(|(low, high)| high - low);
        for number in 0..counts().product::<i64>() as usize {
            let mut place: Vec<i64> = digits(number, counts());
            place.iter_mut().zip(&ranges).for_each(|(place, (low, _))| *place += low);
            place.push(ranges[last].0);
            let from: Vec<i64> = place.iter().zip(lines).map(|(q, line)| q * line.step + line.shift).collect();
            runs.push(Run {
                from: dot(&from, &source) as usize,
                to: base + dot(&place, &self.pitch) as usize,
                count: (ranges[last].1 - ranges[last].0) as usize,
                from_step: lines[last].step as usize,
                to_step: 1,
            });
        }
    }

    /// The distance of an element of the window, out and weight face.
    pub fn tap(&self, shape: &Shape, element: usize) -> isize {
        let index = digits(element, shape.windows.iter().map(|axis| axis.k));
        let (mut phase, mut distance) = (0, 0);
        for ((axis, j), pitch) in shape.windows.iter().zip(&index).zip(&self.pitch) {
            let at = j * axis.dilation;
            phase = phase * axis.step + at % axis.step;
            distance += at / axis.step * pitch;
        }
        (phase * self.plane as i64 + distance) as isize
    }

    /// The same for results with some residues of an input face, if the element meets them.
    pub fn tap_back(&self, shape: &Shape, residues: usize, element: usize) -> Option<isize> {
        let index = digits(element, shape.windows.iter().map(|axis| axis.k));
        let residues = Grid::residues(shape, residues);
        let mut distance = 0;
        for (((axis, j), residue), pitch) in shape.windows.iter().zip(&index).zip(&residues).zip(&self.pitch) {
            let at = j * axis.dilation - residue;
            if at % axis.step != 0 {
                return None;
            }
            distance -= at.div_euclid(axis.step) * pitch;
        }
        Some(distance as isize)
    }

    /// First place and number of places of the results of an out face, and how they are copied out.
    pub fn results(&self, shape: &Shape, runs: &mut Vec<Run>) -> (usize, usize) {
        let ranges: Vec<(i64, i64)> = shape.windows.iter().map(|axis| (0, axis.out)).collect();
        let targets: Vec<(i64, i64, i64)> = shape.windows.iter().map(|axis| (axis.out, 1, 0)).collect();
        self.result_runs(&ranges, &targets, runs)
    }

    /// The same for results with some residues of an input face.
    pub fn results_back(&self, shape: &Shape, residues: usize, runs: &mut Vec<Run>) -> (usize, usize) {
        let residues = Grid::residues(shape, residues);
        let (mut ranges, mut targets) = (Vec::new(), Vec::new());
        for ((axis, residue), start) in shape.windows.iter().zip(&residues).zip(&self.start) {
            let low = ceil(axis.lo - residue, axis.step);
            let high = (axis.n - 1 + axis.lo - residue).div_euclid(axis.step) + 1;
            ranges.push((low - start, high - start));
            targets.push((axis.n, axis.step, residue - axis.lo + start * axis.step));
        }
        self.result_runs(&ranges, &targets, runs)
    }

    /// Results at places of `ranges`, of which place q is element q·step + shift of an axis of size n.
    fn result_runs(&self, ranges: &[(i64, i64)], targets: &[(i64, i64, i64)], runs: &mut Vec<Run>) -> (usize, usize) {
        if ranges.iter().any(|(low, high)| low >= high) {
            return (0, 0);
        }
        let target = rows(&targets.iter().map(|target| target.0).collect::<Vec<_>>());
        let low: Vec<i64> = ranges.iter().map(|range| range.0).collect();
        let first = dot(&low, &self.pitch);
        let last = ranges.len() - 1;
        let counts = || ranges[..last].iter().map(|(low, high)| high - low);
        for number in 0..counts().product::<i64>() as usize {
            let mut place = digits(number, counts());
            place.push(0);
            place.iter_mut().zip(&low).for_each(|(place, low)| *place += low);
            let to: Vec<i64> = place.iter().zip(targets).map(|(q, (_, step, shift))| q * step + shift).collect();
            runs.push(Run {
                from: (dot(&place, &self.pitch) - first) as usize,
                to: dot(&to, &target) as usize,
                count: (ranges[last].1 - ranges[last].0) as usize,
                from_step: 1,
                to_step: targets[last].1 as usize,
            });
        }
        let high: Vec<i64> = ranges.iter().map(|range| range.1 - 1).collect();
        (first as usize, (dot(&high, &self.pitch) - first + 1) as usize)
    }
}

/// One axis of a copy into the grid.
struct Line {
    /// Places that may have a source, from `first` on.
    places: i64,
    first: i64,
    source: i64,
    step: i64,
    shift: i64,
}

impl Line {
    /// The places whose source exists.
    fn range(&self, size: i64) -> (i64, i64) {
        let low = ceil(-self.shift, self.step).max(self.first).max(0);
        let high = ceil(self.source - self.shift, self.step).min(self.first + self.places).min(size);
        (low, high)
    }
}

/// The number of places a step along each spatial axis moves in the grid of a weight face, and the places of an image.
pub fn pitches(args: &ConvArgs) -> (Vec<i64>, usize) {
    let grid = Grid::of_out(&Shape::of(args));
    (grid.pitch, grid.plane)
}

/// Images of a block of a weight face.
pub fn block(args: &ConvArgs) -> usize {
    let shape = Shape::of(args);
    let grid = Grid::of_out(&shape);
    (BLOCK / (grid.channel * shape.group_in).max(1)).clamp(1, shape.images.max(1))
}
