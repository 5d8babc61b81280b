//! What a convolution needs to know besides its operands: taps, and how channels are copied.
//!
//! In: a [`ConvArgs`]. Out: its [`Plan`], made when a thread first meets the
//! sizes and then kept. Invariant: a plan depends on the face and the sizes only,
//! not on operands or the part that is asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::grid::{Grid, Run, Shape, block};
use crate::kernels::abi::{ConvArgs, SPATIAL};

/// See the module.
pub(super) struct Plan {
    pub shape: Shape,
    pub grid: Grid,
    /// Images of a block (weight face).
    pub images: usize,
    /// Distances of taps.
    pub taps: Vec<isize>,
    /// Where the weight of each tap lies, from that of the first (out and input face).
    pub places: Vec<usize>,
    /// How a channel of the source is copied into the grid.
    pub runs_in: Vec<Run>,
    /// How results are copied out; for the weight face, how y is copied in.
    pub runs_out: Vec<Run>,
    /// Classes of results; one for the weight face.
    pub classes: Vec<Class>,
    /// For results of short lines.
    pub strips: Option<Strips>,
}

/// The results in order, cut into runs of neighbours; a vector along short lines would hold much that is none.
pub(super) struct Strips {
    /// Results of a run.
    pub run: usize,
    /// Where the two runs of each strip begin, from the first result; the last strip may be twice the same.
    pub starts: Vec<[usize; 2]>,
}

impl Strips {
    /// Longest line.
    const LINE: usize = 16;
    /// Results of a run.
    const RUN: std::ops::RangeInclusive<usize> = 4..=7;

    /// Of all results, if they are one row of lines.
    fn of(runs: &[Run]) -> Option<Strips> {
        let line = runs.first()?.count;
        let mut numbered = runs.iter().enumerate();
        let plain = |(at, run): (usize, &Run)| (run.count, run.to, run.to_step) == (line, at * line, 1);
        let run = Strips::RUN.rev().find(|run| line.is_multiple_of(*run))?;
        if line > Strips::LINE || !numbered.all(plain) {
            return None;
        }
        let starts: Vec<usize> =
            runs.iter().flat_map(|found| (0..line).step_by(run).map(|at| found.from + at)).collect();
        let pair = |pair: &[usize]| [pair[0], pair[pair.len() - 1]];
        Some(Strips { run, starts: starts.chunks(2).map(pair).collect() })
    }
}

/// Results with the same residues, hence the same taps.
pub(super) struct Class {
    pub taps: std::ops::Range<usize>,
    /// Of the first result in the grid.
    pub first: usize,
    /// Places in the grid from the first result to the last, both counted.
    pub places: usize,
    pub runs_out: std::ops::Range<usize>,
}

/// Face and sizes.
type Key = ([u64; 6], [[i64; 6]; SPATIAL]);

/// Most plans that a thread keeps: more than the convolutions of a large net.
const KEPT: usize = 512;

thread_local! {
    static PLANS: RefCell<HashMap<Key, Rc<Plan>>> = RefCell::default();
}

/// The plan of a call.
pub(super) fn of(args: &ConvArgs) -> Rc<Plan> {
    let sizes = [args.face, args.images, args.groups, args.group_in, args.group_out, args.axes];
    let mut windows = [[0; 6]; SPATIAL];
    // Axes that are not there hold anything.
    let axes = (args.axes as usize).min(SPATIAL);
    windows[..axes].copy_from_slice(&args.windows[..axes]);
    PLANS.with_borrow_mut(|plans| {
        if plans.len() >= KEPT {
            plans.clear();
        }
        let plan = plans.entry((sizes, windows)).or_insert_with(|| Rc::new(Plan::new(args)));
        Rc::clone(plan)
    })
}

impl Plan {
    fn new(args: &ConvArgs) -> Plan {
        let shape = Shape::of(args);
        let grid = if args.face == 1 { Grid::of_input(&shape) } else { Grid::of_out(&shape) };
        let mut plan = Plan {
            shape,
            grid,
            images: block(args),
            taps: Vec::new(),
            places: Vec::new(),
            runs_in: Vec::new(),
            runs_out: Vec::new(),
            classes: Vec::new(),
            strips: None,
        };
        match args.face {
            2 => plan.weight(),
            face => plan.spread(face == 1),
        }
        plan
    }

    /// Taps and runs of every class of results.
    fn spread(&mut self, transposed: bool) {
        let Plan { shape, grid, .. } = self;
        let sources = if transposed { shape.group_out } else { shape.group_in };
        grid.runs_in(shape, transposed, &mut self.runs_in);
        for residues in 0..if transposed { grid.phases } else { 1 } {
            let (first_tap, first_run) = (self.taps.len(), self.runs_out.len());
            for element in 0..shape.k_len() {
                let distance =
                    if transposed { grid.tap_back(shape, residues, element) } else { Some(grid.tap(shape, element)) };
                if let Some(distance) = distance {
                    self.taps.push(distance);
                    self.places.push(element);
                }
            }
            // The taps of the first channel again for each of the others.
            let one = first_tap..self.taps.len();
            for (channel, tap) in (1..sources).flat_map(|channel| one.clone().map(move |tap| (channel, tap))) {
                let (distance, element) = (self.taps[tap], self.places[tap]);
                self.taps.push((channel * grid.channel) as isize + distance);
                let weights = if transposed { shape.group_in * shape.k_len() } else { shape.k_len() };
                self.places.push(channel * weights + element);
            }
            let (first, places) = if transposed {
                grid.results_back(shape, residues, &mut self.runs_out)
            } else {
                grid.results(shape, &mut self.runs_out)
            };
            if places > 0 {
                let (taps, runs_out) = (first_tap..self.taps.len(), first_run..self.runs_out.len());
                self.classes.push(Class { taps, first, places, runs_out });
            }
        }
        if let [_] = self.classes[..] {
            self.strips = Strips::of(&self.runs_out);
        }
    }

    /// Taps in the order of the weights' elements; runs of a channel of x, and of y.
    fn weight(&mut self) {
        let Plan { shape, grid, images, .. } = self;
        grid.runs_in(shape, false, &mut self.runs_in);
        for run in &mut self.runs_in {
            // Between the planes of two residues lie those of all images.
            run.to += run.to / grid.plane * (*images - 1) * grid.plane;
        }
        let (first, places) = grid.results(shape, &mut self.runs_out);
        for run in &mut self.runs_out {
            // Copied in, a run of results goes the other way.
            *run = Run { from: run.to, to: run.from, count: run.count, from_step: run.to_step, to_step: run.from_step };
        }
        for channel in 0..shape.group_in {
            for element in 0..shape.k_len() {
                let tap = grid.tap(shape, element) as usize;
                let (phase, distance) = (tap / grid.plane, tap % grid.plane);
                self.taps.push((((channel * grid.phases + phase) * *images) * grid.plane + distance) as isize);
            }
        }
        let (taps, runs_out) = (0..self.taps.len(), 0..self.runs_out.len());
        self.classes.push(Class { taps, first, places, runs_out });
    }
}
