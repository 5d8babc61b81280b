//! Generators of points: truth tables, moons, circles, spirals, blobs, sine.
//!
//! In: resolved arguments. Out: columns `x` and `label` (or `y`). Noise is
//! normal with the given standard deviation on each coordinate; the clean point
//! does not change with it.

use super::super::random::{Stream, key, sin_cos_turns};
use super::super::table::{Column, Kind, Values};
use super::args::Arguments;
use super::label_column;
use std::f64::consts::TAU;

/// The columns of any generator but `digits`.
pub(super) fn columns(name: &str, arguments: &Arguments) -> Vec<Column> {
    match name {
        "sine" => sine(arguments),
        "xor" => truth_table(name, arguments, |a, b| a != b),
        "and" => truth_table(name, arguments, |a, b| a && b),
        "or" => truth_table(name, arguments, |a, b| a || b),
        _ => labelled_points(name, arguments),
    }
}

/// Number of classes of a generator with labels.
pub(super) fn class_count(name: &str, arguments: &Arguments) -> usize {
    match name {
        "spirals" | "blobs" => arguments.get("classes") as usize,
        _ => 2,
    }
}

fn labelled_points(name: &str, arguments: &Arguments) -> Vec<Column> {
    let (rows, classes) = (arguments.rows(), class_count(name, arguments));
    let points = noisy_points(name, arguments, |row, stream| {
        let class = row % classes;
        match name {
            "moons" => moon(class, stream),
            "circles" => circle(if class == 0 { 1.0 } else { arguments.get("factor") }, stream),
            "spirals" => spiral(class as f64 / classes as f64, arguments.get("turns"), stream),
            _ => blob_centre(class as f64 / classes as f64),
        }
    });
    vec![points, label_column(rows, classes)]
}

/// Upper half of a circle around (0, 0), lower half of one around (1, 0.5), as scikit-learn's `make_moons`.
fn moon(class: usize, stream: &mut Stream) -> (f64, f64) {
    let (sin, cos) = sin_cos_turns(stream.unit() / 2.0);
    if class == 0 { (cos, sin) } else { (1.0 - cos, 0.5 - sin) }
}

fn circle(radius: f64, stream: &mut Stream) -> (f64, f64) {
    let (sin, cos) = sin_cos_turns(stream.unit());
    (radius * cos, radius * sin)
}

/// An Archimedean spiral that begins at `start` turns and ends at radius 1.
fn spiral(start: f64, turns: f64, stream: &mut Stream) -> (f64, f64) {
    // The square root spreads the points evenly along the arm, not over the radius.
    let radius = stream.unit().sqrt();
    let (sin, cos) = sin_cos_turns(start + radius * turns);
    (radius * cos, radius * sin)
}

fn blob_centre(turn: f64) -> (f64, f64) {
    let (sin, cos) = sin_cos_turns(turn);
    (cos, sin)
}

fn truth_table(name: &str, arguments: &Arguments, truth: impl Fn(bool, bool) -> bool) -> Vec<Column> {
    let corner = |row: usize| (row & 2 != 0, row & 1 != 0);
    let points = noisy_points(name, arguments, |row, _| {
        let (first, second) = corner(row);
        (f64::from(u8::from(first)), f64::from(u8::from(second)))
    });
    let truth_of = |row| {
        let (first, second) = corner(row);
        f32::from(u8::from(truth(first, second)))
    };
    vec![points, Column::numbers("y", (0..arguments.rows()).map(truth_of).collect())]
}

/// Column `x: f32[N, 2]` of clean points plus noise.
fn noisy_points(name: &str, arguments: &Arguments, clean: impl Fn(usize, &mut Stream) -> (f64, f64)) -> Column {
    let (key, noise) = (key(arguments.seed(), name), arguments.get("noise"));
    let point = |row: usize| {
        let mut stream = Stream::new(key, row as u64);
        let (x, y) = clean(row, &mut stream);
        let (across, up) = stream.normal_pair();
        [(x + noise * across) as f32, (y + noise * up) as f32]
    };
    let values = (0..arguments.rows()).flat_map(point).collect();
    Column::new("x", Kind::Number, vec![2], Values::F32(values))
}

fn sine(arguments: &Arguments) -> Vec<Column> {
    let (key, noise) = (key(arguments.seed(), "sine"), arguments.get("noise"));
    let (x, y) = (0..arguments.rows())
        .map(|row| {
            let mut stream = Stream::new(key, row as u64);
            let turns = stream.unit() * arguments.get("periods");
            let clean = sin_cos_turns(turns).0;
            ((turns * TAU) as f32, (clean + noise * stream.normal_pair().0) as f32)
        })
        .unzip();
    vec![Column::numbers("x", x), Column::numbers("y", y)]
}
