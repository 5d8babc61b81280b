//! Fields over the plane: lines of equal height, and the regions of a classifier.

use super::Values;
use super::axes::{Frame, SMALL, short};
use super::contour;
use super::font::Font;
use super::scene::{Anchor, Colour, Scene, Shape};
use crate::check::typed::Series;

/// Where a grid's point lies, in cells.
fn on_page(frame: &Frame, side: usize, (x, y): (f64, f64)) -> (f64, f64) {
    let area = frame.area;
    let last = (side - 1).max(1) as f64;
    (area.x + x / last * area.width, area.y + (1.0 - y / last) * area.height)
}

/// Lines of equal height, some with their heights.
pub fn heights(scene: &mut Scene, font: &Font, frame: &Frame, heights: &[f64], (side, asked): (usize, &[f64])) {
    // Levels that were asked for are few and each is named; of others every second one.
    let levels = if asked.is_empty() { levels(heights) } else { asked.to_vec() };
    let (named_every, stroke, width) = if asked.is_empty() { (2, Colour::Muted, 1.0) } else { (1, Colour::Ink, 1.4) };
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (number, level) in levels.iter().enumerate() {
        let mut labelled = false;
        let mut lines = contour::lines(heights, side, *level);
        lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
        for line in lines {
            let places: Vec<(f64, f64)> = line.iter().map(|&point| on_page(frame, side, point)).collect();
            let text = short(*level);
            let half = font.width(&text, SMALL - 1.0) / 2.0 + 3.0;
            // A label stands where the line is flat, away from other labels.
            let apart =
                |place: &(f64, f64)| taken.iter().all(|t| (t.0 - place.0).abs() > 54.0 || (t.1 - place.1).abs() > 22.0);
            let inside = |place: &(f64, f64)| {
                place.0 > frame.area.x + half + 4.0
                    && place.0 < frame.area.x + frame.area.width - half - 4.0
                    && place.1 > frame.area.y + 10.0
                    && place.1 < frame.area.y + frame.area.height - 10.0
            };
            let flat = |at: usize| {
                (places[at + 1].1 - places[at - 1].1).abs() / ((places[at + 1].0 - places[at - 1].0).abs() + 1e-9)
            };
            let spot = (1..places.len().saturating_sub(1))
                .filter(|&at| {
                    number % named_every == 0
                        && !labelled
                        && places.len() > 20
                        && apart(&places[at])
                        && inside(&places[at])
                })
                .min_by(|&a, &b| flat(a).total_cmp(&flat(b)));
            scene.shapes.push(Shape::Path { points: places.clone(), stroke, width, dash: None, opacity: 0.75 });
            if let Some(at) = spot {
                let (x, y) = places[at];
                taken.push((x, y));
                labelled = true;
                scene.rect((x - half, y - 6.5), (half * 2.0, 13.0), Colour::Page, 1.0);
                scene.text((x, y + 3.6), &text, SMALL - 1.0, Colour::Muted, Anchor::Middle);
            }
        }
    }
}

/// Heights so that the lines are spread evenly over the picture, with two digits.
fn levels(heights: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = heights.iter().copied().filter(|height| height.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return Vec::new();
    }
    let count = 12;
    let round = |value: f64| {
        if value == 0.0 {
            return 0.0;
        }
        let unit = 10f64.powf(value.abs().log10().floor() - 1.0);
        (value / unit).round() * unit
    };
    let mut levels: Vec<f64> = (0..count)
        .map(|at| (at as f64 + 0.35) / count as f64)
        .map(|part| round(sorted[(part * (sorted.len() - 1) as f64) as usize]))
        .collect();
    levels.dedup();
    levels
}

/// The class of each grid point as a tint, and the lines between classes.
///
/// At `levels` of a single score there are dashed lines.
pub fn regions(scene: &mut Scene, frame: &Frame, values: Values<'_>, (scores, side, levels): (&Series, usize, &[f64])) {
    let numbers = values.numbers(scores);
    let shape = values.shape(scores);
    let classes = if shape.len() == 2 { shape[1].max(1) } else { 1 };
    let middle = middle(&numbers, classes);
    let margin = |class: usize| -> Vec<f64> {
        let of = |row: &[f64]| {
            let others = row.iter().enumerate().filter(|(at, _)| *at != class).map(|(_, score)| *score);
            row[class] - others.fold(f64::NEG_INFINITY, f64::max)
        };
        numbers.chunks_exact(classes).map(of).collect()
    };
    let class_of = |at: usize| class_at(&numbers, classes, middle, at);
    let area = frame.area;
    // Whole pixels: cells that are seen through neither overlap nor leave seams.
    let edge = |at: usize, length: f64| ((at as f64 - 0.5) / (side - 1) as f64).clamp(0.0, 1.0) * length;
    let column = |at: usize| (area.x + edge(at, area.width)).round();
    let row = |at: usize| (area.y + area.height - edge(at, area.height)).round();
    for y in 0..side {
        let mut from = 0;
        for x in 1..=side {
            if x < side && class_of(y * side + x) == class_of(y * side + from) {
                continue;
            }
            let (left, right, low, high) = (column(from), column(x), row(y), row(y + 1));
            let colour = Colour::Series(class_of(y * side + from));
            if right > left && low > high {
                scene.rect((left, high), (right - left, low - high), colour, 0.16);
            }
            from = x;
        }
    }
    let fields: Vec<Vec<f64>> = match classes {
        1 => vec![numbers.iter().map(|score| score - middle).collect()],
        2 => vec![margin(1)],
        _ => (0..classes).map(margin).collect(),
    };
    for field in fields {
        for line in contour::lines(&field, side, 0.0) {
            let places = line.iter().map(|&point| on_page(frame, side, point)).collect();
            scene.path(places, Colour::Ink, 1.6);
        }
    }
    for level in levels {
        let field: Vec<f64> = numbers.iter().map(|score| score - level).collect();
        for line in contour::lines(&field, side, 0.0) {
            scene.shapes.push(Shape::Path {
                points: line.iter().map(|&point| on_page(frame, side, point)).collect(),
                stroke: Colour::Ink,
                width: 1.3,
                dash: Some([6.0, 4.0]),
                opacity: 1.0,
            });
        }
    }
}

/// Where a single score changes its mind: scores of one class are logits, or probabilities if none is outside of 0..1.
pub fn middle(numbers: &[f64], classes: usize) -> f64 {
    let probabilities = classes == 1 && numbers.iter().all(|number| (0.0..=1.0).contains(number));
    if probabilities { 0.5 } else { 0.0 }
}

/// The class of a grid point: the largest of its scores, or on which side of the middle its only one is.
pub fn class_at(numbers: &[f64], classes: usize, middle: f64, at: usize) -> usize {
    match classes {
        1 => usize::from(numbers.get(at).is_some_and(|score| *score > middle)),
        _ => {
            let row = numbers.get(at * classes..(at + 1) * classes).unwrap_or_default();
            row.iter().enumerate().fold(0, |best, (at, score)| if *score > row[best] { at } else { best })
        }
    }
}
