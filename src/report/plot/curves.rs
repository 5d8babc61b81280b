//! ROC and precision-recall curves.
//!
//! In: scores and labels. Out: a point for each distinct score used as threshold.
//! Of several classes each is drawn against the rest.

use super::Values;
use super::axes::{Area, Axis, Sides, border, frame};
use super::font::Font;
use super::legend::{Entry, Key, Legend, Place};
use super::scene::{Colour, Scene};
use crate::check::typed::{Mark, Plot, Series};

/// A curve with its area.
pub struct Rates {
    /// Of which scores or class.
    pub label: String,
    /// From the highest threshold to the lowest.
    pub points: Vec<(f64, f64)>,
    /// Under the curve, or its average precision.
    pub area: f64,
    /// The share of positives.
    share: f64,
}

/// What the area of a curve is called.
pub fn area_name(is_roc: bool) -> &'static str {
    if is_roc { "AUC" } else { "AP" }
}

/// Whether marks of one kind are ROC curves, and the curves.
pub fn all(marks: &[&Mark], values: Values<'_>) -> (bool, Vec<Rates>) {
    let mut all: Vec<Rates> = Vec::new();
    let mut is_roc = true;
    for mark in marks {
        match mark {
            Mark::Roc { scores, label } => all.extend(rates(values, scores, label, roc)),
            Mark::Pr { scores, label } => {
                is_roc = false;
                all.extend(rates(values, scores, label, pr));
            }
            Mark::Line { .. } | Mark::Scatter { .. } | Mark::Rules { .. } => {}
            Mark::Contours { .. } | Mark::Boundary { .. } => {}
            Mark::Confusion { .. } | Mark::ImageGrid { .. } | Mark::Bars { .. } => {}
            Mark::Histogram { .. } | Mark::Box { .. } => {}
        }
    }
    (is_roc, all)
}

/// Draws the curves of marks of one kind.
pub fn draw(scene: &mut Scene, font: &Font, area: Area, plot: &Plot, marks: &[&Mark], values: Values<'_>) {
    let (is_roc, all) = all(marks, values);
    let name = area_name(is_roc);
    let mut legend: Vec<Entry> = all
        .iter()
        .enumerate()
        .map(|(at, rates)| Entry {
            text: format!(
                "{}{name} {:.3}",
                if rates.label.is_empty() { String::new() } else { format!("{}, ", rates.label) },
                rates.area
            ),
            colour: Colour::Series(at),
            key: Key::Line,
        })
        .collect();
    legend.push(Entry { text: "chance".to_string(), colour: Colour::Muted, key: Key::Dashed });
    let (x_label, y_label, title) = match is_roc {
        true => ("false positive rate", "true positive rate", "ROC"),
        false => ("recall", "precision", "precision and recall"),
    };
    let sides = Sides {
        x_label: plot.x_label.clone().unwrap_or_else(|| x_label.to_string()),
        y_label: plot.y_label.clone().unwrap_or_else(|| y_label.to_string()),
        title: title.to_string(),
        // Where good curves are not.
        legend: Legend { entries: legend, place: if is_roc { Place::LowerRight } else { Place::LowerLeft } },
        square: true,
        grid: [true, true],
        ..Sides::default()
    };
    let frame = frame(scene, font, area, (Axis::exact(0.0, 1.0), Axis::exact(0.0, 1.0)), &sides);
    let chance = match (is_roc, all.as_slice()) {
        (true, _) => vec![(0.0, 0.0), (1.0, 1.0)],
        (false, [only]) => vec![(0.0, only.share), (1.0, only.share)],
        (false, _) => {
            let share = all.iter().map(|rates| rates.share).sum::<f64>() / all.len().max(1) as f64;
            vec![(0.0, share), (1.0, share)]
        }
    };
    frame.line(scene, &chance, Colour::Muted, 1.4, Some([4.0, 3.0]));
    for (at, rates) in all.iter().enumerate() {
        frame.line(scene, &rates.points, Colour::Series(at), 2.2, (at >= 8).then_some([6.0, 3.0]));
    }
    border(scene, &frame);
}

type Curve = fn(&[(f64, bool)]) -> (Vec<(f64, f64)>, f64);

fn rates(values: Values<'_>, scores: &Series, label: &Series, curve: Curve) -> Vec<Rates> {
    let (numbers, labels) = (values.numbers(scores), values.numbers(label));
    let shape = values.shape(scores);
    let classes = if shape.len() == 2 { shape[1].max(1) } else { 1 };
    let of = |class: usize| {
        let positive = |label: f64| if classes == 1 { label > 0.5 } else { label == class as f64 };
        let mut rows: Vec<(f64, bool)> =
            labels.iter().enumerate().map(|(row, &label)| (numbers[row * classes + class], positive(label))).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (points, area) = curve(&rows);
        let share = rows.iter().filter(|row| row.1).count() as f64 / rows.len().max(1) as f64;
        let label = match (classes, &label.classes) {
            // The one curve of two classes is that of the scores.
            (1 | 2, _) => scores.name.clone(),
            (_, Some(names)) => names.get(class).cloned().unwrap_or_else(|| class.to_string()),
            (_, None) => format!("class {class}"),
        };
        Rates { label, points, area, share }
    };
    // Of two classes one curve says it all.
    let shown = if classes == 2 { 1..2 } else { 0..classes };
    shown.map(of).collect()
}

/// True positives and false positives after each distinct score, from the highest.
fn steps(rows: &[(f64, bool)]) -> Vec<(f64, f64)> {
    let (mut hits, mut misses) = (0.0, 0.0);
    let mut steps = Vec::new();
    for (at, (score, positive)) in rows.iter().enumerate() {
        if *positive {
            hits += 1.0
        } else {
            misses += 1.0
        }
        if rows.get(at + 1).is_none_or(|next| next.0 != *score) {
            steps.push((hits, misses));
        }
    }
    steps
}

/// The curve and the area under it.
fn roc(rows: &[(f64, bool)]) -> (Vec<(f64, f64)>, f64) {
    let steps = steps(rows);
    let (hits, misses) = steps.last().copied().unwrap_or((0.0, 0.0));
    let mut points = vec![(0.0, 0.0)];
    points.extend(steps.iter().map(|step| (step.1 / misses.max(1.0), step.0 / hits.max(1.0))));
    let area = points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[1].1 + pair[0].1) / 2.0).sum();
    (points, area)
}

/// The curve and its average precision: the sum of precision times the gain of recall.
fn pr(rows: &[(f64, bool)]) -> (Vec<(f64, f64)>, f64) {
    let steps = steps(rows);
    let hits = steps.last().map_or(1.0, |step| step.0).max(1.0);
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut area = 0.0;
    for step in &steps {
        let (recall, precision) = (step.0 / hits, step.0 / (step.0 + step.1));
        area += precision * (recall - points.last().map_or(0.0, |point| point.0));
        if points.is_empty() {
            points.push((0.0, precision));
        }
        points.push((recall, precision));
    }
    (points, area)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of scikit-learn's `roc_auc_score` and `average_precision_score`.
    #[test]
    fn areas_are_those_of_others() {
        let rows = [(0.8, true), (0.4, false), (0.35, true), (0.1, false)];
        assert!((roc(&rows).1 - 0.75).abs() < 1e-9);
        assert!((pr(&rows).1 - 0.833_333).abs() < 1e-5);
    }
}
