//! Marks of the plane: lines, points, contours, decision boundaries, in one pair
//! of axes.

use super::Values;
use super::axes::{Area, Axis, Frame, Sides, border, frame};
use super::fields;
use super::font::Font;
use super::legend::{Entry, Key, Legend};
use super::scene::{Colour, Scene, Shape};
use crate::check::typed::{Mark, Plot, Series};

/// Points to be drawn.
pub struct Curve {
    /// What it is called.
    pub label: String,
    /// The number of its colour.
    pub colour: usize,
    /// Where it goes.
    pub points: Vec<(f64, f64)>,
    /// A line or a cloud.
    pub key: Key,
}

impl Curve {
    /// Whether its points are not joined.
    pub fn is_cloud(&self) -> bool {
        matches!(self.key, Key::Dot(_))
    }
}

/// Straight lines at numbers of an axis.
pub struct Rule {
    /// What they are called.
    pub label: String,
    colour: Colour,
    /// The numbers.
    pub at: Vec<f64>,
    /// Whether they are numbers of the axis below.
    pub upright: bool,
}

/// All of them: a single one is grey, several have colours behind those of the curves.
pub fn rules(marks: &[&Mark], values: Values<'_>, curves: usize) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for mark in marks {
        let Mark::Rules { at, upright } = mark else { continue };
        for series in at {
            let colour = Colour::Series(curves + rules.len());
            rules.push(Rule { label: series.name.clone(), colour, at: values.numbers(series), upright: *upright });
        }
    }
    if let [only] = rules.as_mut_slice() {
        only.colour = Colour::Muted;
    }
    rules
}

/// Draws marks in an area.
pub fn draw(scene: &mut Scene, font: &Font, area: Area, plot: &Plot, marks: &[&Mark], values: Values<'_>) {
    let curves = curves(marks, values);
    let (x, y) = ranges(plot, marks, &curves, values);
    let labels = labels(marks);
    let several =
        curves.len() > 1 || curves.iter().any(|curve| matches!(curve.key, Key::Dot(_)) && !curve.label.is_empty());
    let rules = rules(marks, values, curves.len());
    let mut legend: Vec<Entry> = match several || !rules.is_empty() {
        true => curves.iter().filter(|curve| !curve.label.is_empty()).map(entry).collect(),
        false => Vec::new(),
    };
    legend.extend(rules.iter().filter(|rule| !rule.label.is_empty()).map(|rule| Entry {
        text: rule.label.clone(),
        colour: rule.colour,
        key: Key::Dashed,
    }));
    let sides = Sides {
        x_label: plot.x_label.clone().unwrap_or(labels.0),
        y_label: plot.y_label.clone().unwrap_or(labels.1),
        legend: Legend::free(legend),
        grid: [!marks.iter().any(|mark| covers(mark)); 2],
        ..Sides::default()
    };
    let frame = frame(scene, font, area, (x, y), &sides);
    for mark in marks {
        match mark {
            Mark::Boundary { scores, side, levels, .. } => {
                fields::regions(scene, &frame, values, (scores, *side, levels));
            }
            Mark::Contours { values: heights, side, levels, .. } => {
                fields::heights(scene, font, &frame, &values.numbers(heights), (*side, levels));
            }
            Mark::Line { .. } | Mark::Scatter { .. } | Mark::Rules { .. } => {}
            Mark::Confusion { .. } | Mark::Roc { .. } | Mark::Pr { .. } => {}
            Mark::ImageGrid { .. } | Mark::Bars { .. } | Mark::Histogram { .. } | Mark::Box { .. } => {}
        }
    }
    for rule in &rules {
        let ((left, right), (low, high)) = (x.ends(), y.ends());
        for &at in &rule.at {
            let points = if rule.upright { [(at, low), (at, high)] } else { [(left, at), (right, at)] };
            frame.line(scene, &points, rule.colour, 1.6, Some([5.0, 4.0]));
        }
    }
    for curve in &curves {
        draw_curve(scene, &frame, curve, marks.iter().any(|mark| covers(mark)));
    }
    border(scene, &frame);
}

fn covers(mark: &Mark) -> bool {
    matches!(mark, Mark::Contours { .. } | Mark::Boundary { .. })
}

fn entry(curve: &Curve) -> Entry {
    Entry { text: curve.label.clone(), colour: Colour::Series(curve.colour), key: curve.key }
}

/// All lines and clouds of points, each with a colour.
pub fn curves(marks: &[&Mark], values: Values<'_>) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for mark in marks {
        match mark {
            Mark::Line { x, y, by, names } => lines(&mut curves, values, (x.as_ref(), y, by.as_ref()), names),
            Mark::Scatter { x, y, by, names } => {
                let points = points(values, x, y);
                clouds(&mut curves, values, &points, by.as_ref(), names.first().unwrap_or(&y.name));
            }
            Mark::Rules { .. } => {}
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

type Lines<'a> = (Option<&'a Series>, &'a [Series], Option<&'a Series>);

fn lines(curves: &mut Vec<Curve>, values: Values<'_>, (x, ys, by): Lines<'_>, names: &[String]) {
    let mut names = names.iter();
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
            let own = if columns > 1 { format!("{} {column}", series.name) } else { series.name.clone() };
            let label = names.next().cloned().unwrap_or(own);
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

/// Both axes: those of a field, or around all that is drawn.
pub fn ranges(plot: &Plot, marks: &[&Mark], curves: &[Curve], values: Values<'_>) -> (Axis, Axis) {
    for mark in marks {
        match mark {
            Mark::Contours { x, y, .. } => return (Axis::exact(x.0, x.1), Axis::exact(y.0, y.1)),
            Mark::Boundary { grid, .. } => {
                let points = pairs(&values.numbers(grid));
                let x = Axis::around(points.iter().map(|point| point.0), false, 0.0);
                return (x, Axis::around(points.iter().map(|point| point.1), false, 0.0));
            }
            Mark::Line { .. } | Mark::Scatter { .. } | Mark::Rules { .. } => {}
            Mark::Confusion { .. } | Mark::Roc { .. } | Mark::Pr { .. } => {}
            Mark::ImageGrid { .. } | Mark::Bars { .. } | Mark::Histogram { .. } | Mark::Box { .. } => {}
        }
    }
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let rules = rules(marks, values, 0);
    let at = |upright: bool| {
        rules.iter().filter(move |rule| rule.upright == upright).flat_map(|rule| rule.at.iter().copied())
    };
    let room = if curves.iter().any(|curve| matches!(curve.key, Key::Dot(_))) { 0.06 } else { 0.0 };
    let x = Axis::around(all().map(|point| point.0).chain(at(true)), plot.log_x, room);
    (x, Axis::around(all().map(|point| point.1).chain(at(false)), plot.log_y, 0.05))
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
            Mark::Rules { .. } | Mark::ImageGrid { .. } => continue,
            Mark::Confusion { .. } | Mark::Roc { .. } | Mark::Pr { .. } => continue,
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
            let radius = match curve.points.len() {
                0..=12 => 5.5,
                13..=400 => 3.8,
                _ => 2.4,
            };
            for point in &curve.points {
                let (x, y) = frame.at(point.0, point.1);
                if x.is_finite() && y.is_finite() && frame.holds((x, y)) {
                    scene.shapes.push(Shape::Dot { x, y, radius, fill: colour, mark });
                }
            }
        }
    }
}
