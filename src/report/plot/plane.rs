//! Marks of the plane: lines, points, contours, decision boundaries, in one pair
//! of axes.

use super::Values;
use super::axes::{Area, Axis, Entry, Frame, Key, SMALL, Sides, border, frame, short};
use super::contour;
use super::font::Font;
use super::scene::{Anchor, Colour, Scene, Shape};
use crate::check::typed::{Mark, Plot, Series};

/// Points to be drawn.
struct Curve {
    label: String,
    colour: usize,
    points: Vec<(f64, f64)>,
    key: Key,
}

/// Draws marks in an area.
pub fn draw(scene: &mut Scene, font: &Font, area: Area, plot: &Plot, marks: &[&Mark], values: Values<'_>) {
    let curves = curves(marks, values);
    let (x, y) = ranges(plot, marks, &curves, values);
    let labels = labels(marks);
    let several =
        curves.len() > 1 || curves.iter().any(|curve| matches!(curve.key, Key::Dot(_)) && !curve.label.is_empty());
    let legend = match several {
        true => curves.iter().filter(|curve| !curve.label.is_empty()).map(entry).collect(),
        false => Vec::new(),
    };
    let sides = Sides {
        x_label: plot.x_label.clone().unwrap_or(labels.0),
        y_label: plot.y_label.clone().unwrap_or(labels.1),
        legend,
        grid: [!marks.iter().any(|mark| covers(mark)); 2],
        ..Sides::default()
    };
    let frame = frame(scene, font, area, (x, y), &sides);
    for mark in marks {
        match mark {
            Mark::Boundary { grid, scores, side, .. } => regions(scene, &frame, values, (grid, scores, *side)),
            Mark::Contours { values: heights, x, y, side } => {
                heights_of(scene, font, &frame, &values.numbers(heights), (*x, *y, *side));
            }
            Mark::Line { .. } | Mark::Scatter { .. } | Mark::Confusion { .. } | Mark::Roc { .. } | Mark::Pr { .. } => {}
            Mark::ImageGrid { .. } | Mark::Bars { .. } | Mark::Histogram { .. } | Mark::Box { .. } => {}
        }
    }
    for curve in &curves {
        draw_curve(scene, &frame, curve, marks.iter().any(|mark| covers(mark)));
    }
    border(scene, &frame);
}

/// The name of a line and its points.
pub type NamedPoints = (String, Vec<(f64, f64)>);

/// Names and points of lines alone; none if anything else is drawn.
pub fn points_of(marks: &[&Mark], values: Values<'_>) -> Option<Vec<NamedPoints>> {
    if marks.iter().any(|mark| !matches!(mark, Mark::Line { .. })) {
        return None;
    }
    Some(curves(marks, values).into_iter().map(|curve| (curve.label, curve.points)).collect())
}

fn covers(mark: &Mark) -> bool {
    matches!(mark, Mark::Contours { .. } | Mark::Boundary { .. })
}

fn entry(curve: &Curve) -> Entry {
    Entry { text: curve.label.clone(), colour: Colour::Series(curve.colour), key: curve.key }
}

/// All lines and clouds of points, each with a colour.
fn curves(marks: &[&Mark], values: Values<'_>) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for mark in marks {
        match mark {
            Mark::Line { x, y, by } => lines(&mut curves, values, (x.as_ref(), y, by.as_ref())),
            Mark::Scatter { x, y, by } => {
                let points = points(values, x, y);
                clouds(&mut curves, values, &points, by.as_ref(), &y.name);
            }
            Mark::Boundary { points, label, .. } => {
                let points: Vec<(f64, f64)> = pairs(&values.numbers(points));
                // Points have the colours of their regions, whatever else is drawn.
                let mut own = Vec::new();
                clouds(&mut own, values, &points, label.as_ref(), "");
                curves.extend(own);
            }
            Mark::Contours { .. } | Mark::Confusion { .. } | Mark::Roc { .. } | Mark::Pr { .. } => {}
            Mark::ImageGrid { .. } | Mark::Bars { .. } | Mark::Histogram { .. } | Mark::Box { .. } => {}
        }
    }
    curves
}

fn lines(curves: &mut Vec<Curve>, values: Values<'_>, (x, ys, by): (Option<&Series>, &[Series], Option<&Series>)) {
    for series in ys {
        let numbers = values.numbers(series);
        let shape = values.shape(series);
        let columns = if shape.len() == 2 { shape[1].max(1) } else { 1 };
        let rows = numbers.len() / columns;
        let along: Vec<f64> = match x {
            Some(x) => values.numbers(x),
            None => (0..rows).map(|row| row as f64).collect(),
        };
        for column in 0..columns {
            let points: Vec<(f64, f64)> =
                (0..rows.min(along.len())).map(|row| (along[row], numbers[row * columns + column])).collect();
            let label = if columns > 1 { format!("{} {column}", series.name) } else { series.name.clone() };
            match by {
                Some(by) => {
                    let (group, names) = values.groups(by);
                    for (at, name) in names.iter().enumerate() {
                        let own = points.iter().zip(&group).filter(|(_, group)| **group == at).map(|(point, _)| *point);
                        // Without `x` each line begins at 0.
                        let own =
                            own.enumerate().map(|(row, point)| if x.is_some() { point } else { (row as f64, point.1) });
                        let label = if ys.len() > 1 { format!("{name}, {label}") } else { name.clone() };
                        curves.push(Curve { label, colour: curves.len(), points: own.collect(), key: Key::Line });
                    }
                }
                None => curves.push(Curve { label, colour: curves.len(), points, key: Key::Line }),
            }
        }
    }
}

fn clouds(curves: &mut Vec<Curve>, values: Values<'_>, points: &[(f64, f64)], by: Option<&Series>, label: &str) {
    match by {
        Some(by) => {
            let (group, names) = values.groups(by);
            for (at, name) in names.iter().enumerate() {
                let own =
                    points.iter().zip(&group).filter(|(_, group)| **group == at).map(|(point, _)| *point).collect();
                let colour = curves.len();
                curves.push(Curve { label: name.clone(), colour, points: own, key: Key::Dot(colour) });
            }
        }
        None => {
            let colour = curves.len();
            let (label, points) = (label.to_string(), points.to_vec());
            curves.push(Curve { label, colour, points, key: Key::Dot(colour) });
        }
    }
}

fn points(values: Values<'_>, x: &Series, y: &Series) -> Vec<(f64, f64)> {
    // Points of one matrix [N, 2] are both series.
    match x.output == y.output || values.shape(x).len() == 2 {
        true => pairs(&values.numbers(x)),
        false => values.numbers(x).into_iter().zip(values.numbers(y)).collect(),
    }
}

fn pairs(numbers: &[f64]) -> Vec<(f64, f64)> {
    numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

fn ranges(plot: &Plot, marks: &[&Mark], curves: &[Curve], values: Values<'_>) -> (Axis, Axis) {
    for mark in marks {
        match mark {
            Mark::Contours { x, y, .. } => return (Axis::exact(x.0, x.1), Axis::exact(y.0, y.1)),
            Mark::Boundary { grid, .. } => {
                let points = pairs(&values.numbers(grid));
                let x = Axis::around(points.iter().map(|point| point.0), false, 0.0);
                return (x, Axis::around(points.iter().map(|point| point.1), false, 0.0));
            }
            Mark::Line { .. } | Mark::Scatter { .. } | Mark::Confusion { .. } | Mark::Roc { .. } | Mark::Pr { .. } => {}
            Mark::ImageGrid { .. } | Mark::Bars { .. } | Mark::Histogram { .. } | Mark::Box { .. } => {}
        }
    }
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let room = if curves.iter().any(|curve| matches!(curve.key, Key::Dot(_))) { 0.06 } else { 0.0 };
    let x = Axis::around(all().map(|point| point.0), plot.log_x, room);
    (x, Axis::around(all().map(|point| point.1), plot.log_y, 0.05))
}

/// What the axes are called when nobody says: the names of the first mark that has them.
fn labels(marks: &[&Mark]) -> (String, String) {
    let one = |ys: &[Series]| if let [only] = ys { only.name.clone() } else { String::new() };
    let (mut x_label, mut y_label) = (String::new(), String::new());
    for mark in marks {
        let (x, y) = match mark {
            Mark::Line { x, y, .. } => (x.as_ref().map_or(String::new(), |x| x.name.clone()), one(y)),
            Mark::Scatter { x, y, .. } if x.output == y.output => (String::new(), String::new()),
            Mark::Scatter { x, y, .. } => (x.name.clone(), y.name.clone()),
            Mark::Contours { .. } => ("x".to_string(), "y".to_string()),
            Mark::Boundary { points, .. } => (format!("{}[0]", points.name), format!("{}[1]", points.name)),
            Mark::Confusion { .. } | Mark::Roc { .. } | Mark::Pr { .. } | Mark::ImageGrid { .. } => continue,
            Mark::Bars { .. } | Mark::Histogram { .. } | Mark::Box { .. } => continue,
        };
        if x_label.is_empty() {
            x_label = x;
        }
        if y_label.is_empty()
            && !(marks.len() > 1 && matches!(mark, Mark::Line { .. }) && y_label.is_empty() && !covers(marks[0]))
        {
            y_label = y;
        }
    }
    (x_label, y_label)
}

fn draw_curve(scene: &mut Scene, frame: &Frame, curve: &Curve, stepwise: bool) {
    let colour = Colour::Series(curve.colour);
    match curve.key {
        Key::Line | Key::Dashed | Key::Patch => {
            // Beyond the colours there are, lines are dashed.
            let dash = (curve.colour >= 8).then_some([6.0, 3.0]);
            frame.line(scene, &curve.points, colour, 2.0, dash);
            // A short way over a landscape is shown step by step.
            let few = stepwise && curve.points.len() <= 60;
            let places: Vec<(f64, f64)> = curve.points.iter().map(|point| frame.at(point.0, point.1)).collect();
            let single = curve.points.len() == 1;
            for place in places.iter().filter(|place| (few || single) && frame.holds(**place)) {
                scene.shapes.push(Shape::Dot { x: place.0, y: place.1, radius: 2.6, fill: colour, mark: 0 });
            }
        }
        Key::Dot(mark) => {
            let radius = if curve.points.len() > 400 { 2.4 } else { 3.8 };
            for point in &curve.points {
                let (x, y) = frame.at(point.0, point.1);
                if x.is_finite() && y.is_finite() && frame.holds((x, y)) {
                    scene.shapes.push(Shape::Dot { x, y, radius, fill: colour, mark });
                }
            }
        }
    }
}

/// Where a grid's point lies, in cells.
fn on_page(frame: &Frame, side: usize, (x, y): (f64, f64)) -> (f64, f64) {
    let area = frame.area;
    let last = (side - 1).max(1) as f64;
    (area.x + x / last * area.width, area.y + (1.0 - y / last) * area.height)
}

type Ends = (f64, f64);

/// Lines of equal height, some with their heights.
fn heights_of(scene: &mut Scene, font: &Font, frame: &Frame, heights: &[f64], (_, _, side): (Ends, Ends, usize)) {
    let levels = levels(heights);
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
                    number % 2 == 0 && !labelled && places.len() > 20 && apart(&places[at]) && inside(&places[at])
                })
                .min_by(|&a, &b| flat(a).total_cmp(&flat(b)));
            scene.shapes.push(Shape::Path {
                points: places.clone(),
                stroke: Colour::Muted,
                width: 1.0,
                dash: None,
                opacity: 0.75,
            });
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
fn regions(scene: &mut Scene, frame: &Frame, values: Values<'_>, (_, scores, side): (&Series, &Series, usize)) {
    let numbers = values.numbers(scores);
    let shape = values.shape(scores);
    let classes = if shape.len() == 2 { shape[1].max(1) } else { 1 };
    // Scores of one class are logits, or probabilities if none is outside of 0..1.
    let probabilities = classes == 1 && numbers.iter().all(|number| (0.0..=1.0).contains(number));
    let middle = if probabilities { 0.5 } else { 0.0 };
    let margin = |class: usize| -> Vec<f64> {
        let of = |row: &[f64]| {
            let others = row.iter().enumerate().filter(|(at, _)| *at != class).map(|(_, score)| *score);
            row[class] - others.fold(f64::NEG_INFINITY, f64::max)
        };
        numbers.chunks_exact(classes).map(of).collect()
    };
    let class_of = |at: usize| match classes {
        1 => usize::from(numbers.get(at).is_some_and(|score| *score > middle)),
        _ => {
            let row = &numbers[at * classes..(at + 1) * classes];
            row.iter().enumerate().fold(0, |best, (at, score)| if *score > row[best] { at } else { best })
        }
    };
    let area = frame.area;
    let edge = |at: usize, length: f64| ((at as f64 - 0.5) / (side - 1) as f64).clamp(0.0, 1.0) * length;
    for y in 0..side {
        let mut from = 0;
        for x in 1..=side {
            if x < side && class_of(y * side + x) == class_of(y * side + from) {
                continue;
            }
            let (left, right) = (edge(from, area.width), edge(x, area.width));
            let (low, high) = (edge(y, area.height), edge(y + 1, area.height));
            let place = (area.x + left, area.y + area.height - high);
            let colour = Colour::Series(class_of(y * side + from));
            scene.rect(place, (right - left, high - low), colour, 0.16);
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
}
