//! A picture in the terminal, for a `plot` without a file's name.
//!
//! In: the same marks and values as those of a file. Out: lines of text: lines and
//! points in Braille dots, counts and bars in blocks, images in shades. Invariant:
//! every kind of mark has such a picture, at most [`WIDTH`] characters and a
//! margin wide.

mod canvas;
mod tables;

use super::{Panel, Values, curves, panels, plane};
use crate::check::typed::{Mark, Plot};
use crate::train::Value;

use canvas::Canvas;

/// Characters of a line, without the labels at its left.
const WIDTH: usize = 64;

/// The picture as text; with `colour` in those of the series.
pub fn text(plot: &Plot, outputs: &[Value], colour: bool) -> String {
    let values = Values { outputs };
    let mut parts: Vec<String> = plot.title.iter().map(|title| format!("  {title}")).collect();
    parts.extend(panels(&plot.marks).iter().map(|panel| match panel {
        Panel::Plane(marks) => on_plane(plot, marks, values, colour),
        Panel::Rates(marks) => rates(plot, marks, values, colour),
        Panel::Own(mark) => own(mark, values),
    }));
    parts.join("\n")
}

fn own(mark: &Mark, values: Values<'_>) -> String {
    match mark {
        Mark::Confusion { predicted, label } => tables::confusion(values, predicted, label),
        Mark::ImageGrid { images, .. } => tables::images(values, images),
        Mark::Bars { values: series, names } => tables::bars(values, series, names),
        Mark::Histogram { values: series, by, bins } => tables::histogram(values, series, by.as_ref(), *bins),
        Mark::Box { group, value, by } => tables::boxes(values, (group.as_ref(), value, by.as_ref())),
        // These share axes and never stand alone.
        Mark::Line { .. } | Mark::Scatter { .. } | Mark::Rules { .. } => String::new(),
        Mark::Contours { .. } | Mark::Boundary { .. } => String::new(),
        Mark::Roc { .. } | Mark::Pr { .. } => String::new(),
    }
}

/// Lines, points, regions and shades of heights.
fn on_plane(plot: &Plot, marks: &[&Mark], values: Values<'_>, colour: bool) -> String {
    let drawn = plane::curves(marks, values);
    let (x, y) = plane::ranges(plot, marks, &drawn, values);
    let mut canvas = Canvas::new(x, y);
    for mark in marks {
        match mark {
            Mark::Boundary { scores, side, .. } => {
                let shape = values.shape(scores);
                let classes = if shape.len() == 2 { shape[1].max(1) } else { 1 };
                canvas.regions(&values.numbers(scores), classes, *side);
            }
            Mark::Contours { values: heights, side, .. } => canvas.shades(&values.numbers(heights), *side),
            Mark::Line { .. } | Mark::Scatter { .. } | Mark::Rules { .. } => {}
            Mark::Confusion { .. } | Mark::Roc { .. } | Mark::Pr { .. } | Mark::ImageGrid { .. } => {}
            Mark::Bars { .. } | Mark::Histogram { .. } | Mark::Box { .. } => {}
        }
    }
    let rules = plane::rules(marks, values, drawn.len());
    for rule in &rules {
        canvas.rule(&rule.at, rule.upright);
    }
    let clouds = drawn.iter().filter(|curve| curve.is_cloud()).count();
    for curve in &drawn {
        match curve.is_cloud() {
            // Of several clouds each has a sign of its own.
            true if clouds > 1 || drawn.len() > 1 => canvas.signs(&curve.points, curve.colour),
            true => canvas.dots(&curve.points, curve.colour),
            false => canvas.line(&curve.points, curve.colour),
        }
    }
    let legend: Vec<(String, Option<usize>, bool)> = drawn
        .iter()
        .filter(|_| drawn.len() > 1 || !rules.is_empty())
        .map(|curve| (curve.label.clone(), Some(curve.colour), curve.is_cloud()))
        .chain(rules.iter().map(|rule| (format!("┄ {}", rule.label), None, false)))
        .filter(|entry| !entry.0.is_empty())
        .collect();
    canvas.text(&legend, colour)
}

fn rates(plot: &Plot, marks: &[&Mark], values: Values<'_>, colour: bool) -> String {
    let (is_roc, all) = curves::all(marks, values);
    let unit = super::axes::Axis::exact(0.0, 1.0);
    let mut canvas = Canvas::new(unit, unit);
    for (at, rates) in all.iter().enumerate() {
        canvas.line(&rates.points, at);
    }
    let name = curves::area_name(is_roc);
    let legend: Vec<(String, Option<usize>, bool)> = all
        .iter()
        .enumerate()
        .map(|(at, rates)| (format!("{}, {name} {:.3}", rates.label, rates.area), Some(at), false))
        .collect();
    let (x, y) = if is_roc { ("false positive rate", "true positive rate") } else { ("recall", "precision") };
    let (x, y) = (plot.x_label.as_deref().unwrap_or(x), plot.y_label.as_deref().unwrap_or(y));
    format!("  {y} over {x}\n{}", canvas.text(&legend, colour))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::typed::{Series, Theme};
    use crate::ir::{DType, Type};

    fn vector(numbers: &[f32]) -> Value {
        let ty = Type { dtype: DType::F32, shape: vec![numbers.len()] };
        Value { ty, words: numbers.iter().map(|number| number.to_bits()).collect() }
    }

    fn series(output: usize, name: &str) -> Series {
        Series { output, name: name.to_string(), classes: None }
    }

    fn shown(mark: Mark, outputs: &[Value]) -> String {
        let (title, to) = (Some("Title".to_string()), None);
        let plot = Plot {
            marks: vec![mark],
            title,
            x_label: None,
            y_label: None,
            log_x: false,
            log_y: false,
            theme: Theme::Auto,
            to,
        };
        text(&plot, outputs, false)
    }

    #[test]
    fn every_kind_has_text() {
        let numbers = vector(&[1.0, 2.0, 4.0, 3.0]);
        let classes = vector(&[0.0, 1.0, 1.0, 0.0]);
        let outputs = [numbers, classes];
        let line = Mark::Line { x: None, y: vec![series(0, "y")], by: None, names: vec!["up".to_string()] };
        let dotted = shown(line, &outputs).chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
        assert!(dotted, "a line is made of dots");
        let scatter = Mark::Scatter { x: series(0, "x"), y: series(0, "y"), by: Some(series(1, "c")), names: vec![] };
        assert!(shown(scatter, &outputs).contains("o 0"), "clouds have signs");
        let bars = Mark::Bars { values: vec![series(0, "v")], names: ["a", "b", "c", "d"].map(String::from).to_vec() };
        assert!(shown(bars, &outputs).contains("c ████"), "bars are blocks");
        let histogram = Mark::Histogram { values: vec![series(0, "v")], by: None, bins: 2 };
        assert!(shown(histogram, &outputs).contains("█"), "counts are blocks");
        let boxes = Mark::Box { group: Some(series(1, "c")), value: series(0, "v"), by: None };
        assert!(shown(boxes, &outputs).contains('┃'), "a box has a median");
        let confusion = Mark::Confusion { predicted: series(1, "p"), label: series(1, "l") };
        assert!(shown(confusion, &outputs).contains("4 of 4 right"), "a matrix has its share");
        let roc = Mark::Roc { scores: series(0, "s"), label: series(1, "l") };
        assert!(shown(roc, &outputs).contains("AUC 0.750"), "a curve has its area");
    }
}
