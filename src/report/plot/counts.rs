//! Confusion matrices, bars, histograms, box plots.

use super::Values;
use super::axes::{Area, Axis, Frame, SMALL, Sides, border, frame, short};
use super::font::Font;
use super::legend::{Entry, Key, Legend};
use super::scene::{Anchor, Colour, Scene, Shape};
use crate::check::typed::{Plot, Series};

/// Most classes whose counts are written into their cells.
const MOST_WRITTEN: usize = 24;

/// Names of the classes of a confusion matrix.
pub fn classes(values: Values<'_>, predicted: &Series, label: &Series) -> Vec<String> {
    let names = label.classes.as_ref().or(predicted.classes.as_ref());
    let highest = |series: &Series| values.numbers(series).into_iter().fold(0.0, f64::max) as usize;
    let count = (highest(predicted).max(highest(label)) + 1).clamp(2, 200).max(names.map_or(0, |names| names.len()));
    (0..count).map(|at| names.and_then(|names| names.get(at).cloned()).unwrap_or_else(|| at.to_string())).collect()
}

/// Names of the classes and how often each true class (a row) is taken for each.
pub fn table(values: Values<'_>, predicted: &Series, label: &Series) -> (Vec<String>, Vec<u64>) {
    let names = classes(values, predicted, label);
    let count = names.len();
    let mut counts = vec![0u64; count * count];
    for (guess, truth) in values.numbers(predicted).into_iter().zip(values.numbers(label)) {
        let (guess, truth) = (guess.max(0.0) as usize, truth.max(0.0) as usize);
        if guess < count && truth < count {
            counts[truth * count + guess] += 1;
        }
    }
    (names, counts)
}

/// How many are right.
pub fn share_right(count: usize, counts: &[u64]) -> String {
    let right: u64 = (0..count).map(|at| counts[at * count + at]).sum();
    let total: u64 = counts.iter().sum();
    format!("{right} of {total} right, {:.1} %", 100.0 * right as f64 / total.max(1) as f64)
}

/// How often each true class is taken for each.
pub fn confusion(
    scene: &mut Scene,
    font: &Font,
    area: Area,
    plot: &Plot,
    (predicted, label): (&Series, &Series),
    values: Values<'_>,
) {
    let (names, counts) = table(values, predicted, label);
    let count = names.len();
    let place = |at: usize| (at as f64 + 0.5) / count as f64;
    let x_names = names.iter().enumerate().map(|(at, name)| (place(at), name.clone())).collect();
    let y_names = names.iter().enumerate().map(|(at, name)| (1.0 - place(at), name.clone())).collect();
    let sides = Sides {
        x_label: plot.x_label.clone().unwrap_or_else(|| "predicted".to_string()),
        y_label: plot.y_label.clone().unwrap_or_else(|| "true".to_string()),
        title: share_right(count, &counts),
        x_names: Some(x_names),
        y_names: Some(y_names),
        square: true,
        ..Sides::default()
    };
    let unit = Axis::exact(0.0, 1.0);
    let frame = frame(scene, font, area, (unit, unit), &sides);
    let side = frame.area.width / count as f64;
    for truth in 0..count {
        let row: u64 = counts[truth * count..(truth + 1) * count].iter().sum();
        for guess in 0..count {
            let number = counts[truth * count + guess];
            let share = number as f64 / row.max(1) as f64;
            let (x, y) = (frame.area.x + guess as f64 * side, frame.area.y + truth as f64 * side);
            scene.rect((x, y), (side, side), Colour::Fixed(blues(share)), 1.0);
            if count <= MOST_WRITTEN && number > 0 {
                let ink = if share > 0.45 { [0xff; 3] } else { [0x1f, 0x23, 0x28] };
                let text = number.to_string();
                let size = (side * 0.36).min(13.0).min(0.84 * side / (0.62 * text.len() as f64)).max(5.0);
                let middle = (x + side / 2.0, y + side / 2.0 + size * 0.36);
                scene.text(middle, &text, size, Colour::Fixed(ink), Anchor::Middle);
            }
        }
    }
    border(scene, &frame);
}

/// From nearly white to deep blue.
fn blues(share: f64) -> [u8; 3] {
    let (low, high) = ([0xf3, 0xf6, 0xfa], [0x08, 0x45, 0x82]);
    let part = share.clamp(0.0, 1.0).powf(0.7);
    [0, 1, 2].map(|at| (f64::from(low[at]) + part * (f64::from(high[at]) - f64::from(low[at]))).round() as u8)
}

/// The numbers of bars in their groups, and what stands below each.
pub fn groups(series: &[Series], names: &[String], values: Values<'_>) -> (Vec<Vec<f64>>, Vec<String>) {
    // Numbers by themselves are bars of one colour, each with its name.
    if series.iter().all(|series| values.shape(series).is_empty()) {
        let numbers = series.iter().flat_map(|series| values.numbers(series)).collect();
        let own = series.iter().map(|series| series.name.clone());
        return (vec![numbers], names.iter().cloned().chain(own.skip(names.len())).collect());
    }
    let groups: Vec<Vec<f64>> = series.iter().map(|series| values.numbers(series)).collect();
    let count = groups.iter().map(Vec::len).max().unwrap_or(0);
    (groups, (0..count).map(|at| names.get(at).cloned().unwrap_or_else(|| at.to_string())).collect())
}

/// A bar for each number; several vectors side by side.
pub fn bars(
    scene: &mut Scene,
    font: &Font,
    area: Area,
    plot: &Plot,
    (series, names): (&[Series], &[String]),
    values: Values<'_>,
) {
    let scalars = series.iter().all(|series| values.shape(series).is_empty());
    let (groups, texts) = groups(series, names, values);
    let count = texts.len().max(1);
    let y = Axis::around(groups.iter().flatten().copied(), plot.log_y, 0.06);
    let y = if plot.log_y { y } else { around_zero(&groups, y) };
    let place = |at: usize| (at as f64 + 0.5) / count as f64;
    let legend =
        |at: usize, series: &Series| Entry { text: series.name.clone(), colour: Colour::Series(at), key: Key::Patch };
    let sides = Sides {
        x_label: plot.x_label.clone().unwrap_or_default(),
        y_label: plot.y_label.clone().unwrap_or_else(|| {
            if groups.len() == 1 && !scalars && !series[0].name.starts_with('[') {
                series[0].name.clone()
            } else {
                String::new()
            }
        }),
        x_names: Some(texts.iter().enumerate().map(|(at, text)| (place(at), text.clone())).collect()),
        legend: Legend::free(if groups.len() > 1 {
            series.iter().enumerate().map(|(at, series)| legend(at, series)).collect()
        } else {
            Vec::new()
        }),
        grid: [false, true],
        ..Sides::default()
    };
    let frame = frame(scene, font, area, (Axis::exact(0.0, count as f64), y), &sides);
    let wide = 0.76 / groups.len().max(1) as f64;
    for (number, group) in groups.iter().enumerate() {
        for (at, value) in group.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let from = at as f64 + 0.12 + number as f64 * wide;
            bar(scene, &frame, (from, from + wide * 0.94), *value, Colour::Series(number));
            let (x, top) = frame.at(from + wide * 0.47, *value);
            if groups.len() * count <= 14 {
                let above = if *value >= 0.0 { -4.0 } else { 12.0 };
                scene.text((x, top + above), &short(*value), SMALL - 1.0, Colour::Muted, Anchor::Middle);
            }
        }
    }
    zero_line(scene, &frame);
}

/// The range with zero in it, and room for the numbers above.
fn around_zero(groups: &[Vec<f64>], axis: Axis) -> Axis {
    let finite = || groups.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    if low == high {
        return axis;
    }
    let room = 0.08 * (high - low);
    Axis::exact(if low < 0.0 { low - room } else { 0.0 }, if high > 0.0 { high + room } else { 0.0 })
}

fn bar(scene: &mut Scene, frame: &Frame, (from, to): (f64, f64), value: f64, fill: Colour) {
    let (left, at) = frame.at(from, value);
    let (right, zero) = frame.at(to, 0.0);
    let floor = frame.area.y + frame.area.height;
    // On a logarithmic axis bars stand on the floor.
    let zero = if zero.is_finite() { zero.clamp(frame.area.y, floor) } else { floor };
    if at.is_finite() {
        scene.rect((left, at.min(zero)), ((right - left).max(0.5), (zero - at).abs().max(0.5)), fill, 1.0);
    }
}

fn zero_line(scene: &mut Scene, frame: &Frame) {
    let (_, zero) = frame.at(0.0, 0.0);
    let floor = frame.area.y + frame.area.height;
    let at = if zero.is_finite() { zero.clamp(frame.area.y, floor) } else { floor };
    scene.path(vec![(frame.area.x, at), (frame.area.x + frame.area.width, at)], Colour::Muted, 1.0);
}

/// Names of what is counted, the range, and how often each falls into each of equal intervals of it.
pub fn counted(
    values: Values<'_>,
    series: &[Series],
    by: Option<&Series>,
    bins: usize,
) -> (Vec<String>, Axis, Vec<Vec<f64>>) {
    let mut clouds: Vec<(String, Vec<f64>)> = Vec::new();
    for one in series {
        let numbers = values.numbers(one);
        match by {
            Some(by) => {
                let (group, names) = values.groups(by);
                for (at, name) in names.into_iter().enumerate() {
                    let own = numbers.iter().zip(&group).filter(|(_, group)| **group == at).map(|(number, _)| *number);
                    clouds.push((name, own.collect()));
                }
            }
            None => clouds.push((one.name.clone(), numbers)),
        }
    }
    let finite = || clouds.iter().flat_map(|(_, numbers)| numbers).copied().filter(|number| number.is_finite());
    let x = Axis::around(finite(), false, 0.0);
    let most = clouds.iter().map(|(_, numbers)| numbers.len()).max().unwrap_or(0);
    // Twice the cube root of the count (Rice's rule).
    let bins = if bins > 0 { bins } else { ((2.0 * (most as f64).cbrt()).round() as usize).clamp(5, 60) };
    let count = |numbers: &[f64]| {
        let mut counts = vec![0.0; bins];
        for number in numbers.iter().filter(|number| number.is_finite()) {
            let at = ((x.place(*number) * bins as f64) as usize).min(bins - 1);
            counts[at] += 1.0;
        }
        counts
    };
    let counted: Vec<Vec<f64>> = clouds.iter().map(|(_, numbers)| count(numbers)).collect();
    (clouds.into_iter().map(|(name, _)| name).collect(), x, counted)
}

/// How often values fall into equal intervals.
pub fn histogram(
    scene: &mut Scene,
    font: &Font,
    area: Area,
    plot: &Plot,
    (series, by, bins): (&[Series], Option<&Series>, usize),
    values: Values<'_>,
) {
    let (clouds, x, counted) = counted(values, series, by, bins);
    let y = Axis::around(counted.iter().flatten().copied(), plot.log_y, 0.06);
    let y = if plot.log_y { y } else { around_zero(&counted, y) };
    let bins = counted.first().map_or(1, Vec::len);
    let legend =
        |(at, name): (usize, &String)| Entry { text: name.clone(), colour: Colour::Series(at), key: Key::Patch };
    let sides = Sides {
        x_label: plot
            .x_label
            .clone()
            .unwrap_or_else(|| if series.len() == 1 { series[0].name.clone() } else { String::new() }),
        y_label: plot.y_label.clone().unwrap_or_else(|| "count".to_string()),
        legend: Legend::free(if clouds.len() > 1 {
            clouds.iter().enumerate().map(legend).collect()
        } else {
            Vec::new()
        }),
        grid: [false, true],
        ..Sides::default()
    };
    let frame = frame(scene, font, area, (x, y), &sides);
    let opacity = if clouds.len() > 1 { 0.5 } else { 1.0 };
    let floor = frame.area.y + frame.area.height;
    for (number, counts) in counted.iter().enumerate() {
        let wide = frame.area.width / bins as f64;
        let mut outline = vec![(frame.area.x, floor)];
        for (at, count) in counts.iter().enumerate() {
            let (_, top) = frame.at(0.0, *count);
            let top = if top.is_finite() { top.min(floor) } else { floor };
            let left = frame.area.x + at as f64 * wide;
            outline.extend([(left, top), (left + wide, top)]);
            if top < floor {
                let gap = if clouds.len() > 1 { 0.0 } else { (wide * 0.06).min(1.5) };
                scene.rect((left + gap / 2.0, top), (wide - gap, floor - top), Colour::Series(number), opacity);
            }
        }
        outline.push((frame.area.x + frame.area.width, floor));
        if clouds.len() > 1 {
            scene.path(outline, Colour::Series(number), 1.6);
        }
    }
    zero_line(scene, &frame);
}

/// Values in their groups.
pub struct Boxes {
    /// Names of the groups along the axis.
    pub groups: Vec<String>,
    /// Names of the kinds in each group; one without a name if there are none.
    pub kinds: Vec<String>,
    /// Of each group and kind the finite values, in order.
    pub of: Vec<Vec<Vec<f64>>>,
}

/// Sorts values into groups and kinds.
pub fn sorted_groups(values: Values<'_>, (group, value, by): (Option<&Series>, &Series, Option<&Series>)) -> Boxes {
    let numbers = values.numbers(value);
    let all = |count: usize| (vec![0; count], vec![value.name.clone()]);
    let (group_of, groups) = group.map_or_else(|| all(numbers.len()), |group| values.groups(group));
    let (by_of, kinds) = by.map_or_else(|| (vec![0; numbers.len()], vec![String::new()]), |by| values.groups(by));
    let mut of = vec![vec![Vec::new(); kinds.len()]; groups.len()];
    for ((number, group), kind) in
        numbers.iter().zip(&group_of).zip(&by_of).filter(|((number, _), _)| number.is_finite())
    {
        of[*group][*kind].push(*number);
    }
    for own in of.iter_mut().flatten() {
        own.sort_by(f64::total_cmp);
    }
    Boxes { groups, kinds, of }
}

/// Median, quartiles, whiskers to the last values within 1.5 times the quartiles' distance, others as points.
pub fn boxes(
    scene: &mut Scene,
    font: &Font,
    area: Area,
    plot: &Plot,
    (group, value, by): (Option<&Series>, &Series, Option<&Series>),
    values: Values<'_>,
) {
    let numbers = values.numbers(value);
    let Boxes { groups, kinds, of } = sorted_groups(values, (group, value, by));
    let y = Axis::around(numbers.iter().copied(), plot.log_y, 0.06);
    let count = groups.len().max(1);
    let place = |at: usize| (at as f64 + 0.5) / count as f64;
    let legend =
        |(at, kind): (usize, &String)| Entry { text: kind.clone(), colour: Colour::Series(at), key: Key::Patch };
    let sides = Sides {
        x_label: plot.x_label.clone().unwrap_or_else(|| group.map_or(String::new(), |group| group.name.clone())),
        y_label: plot.y_label.clone().unwrap_or_else(|| value.name.clone()),
        x_names: Some(groups.iter().enumerate().map(|(at, name)| (place(at), name.clone())).collect()),
        legend: Legend::free(if by.is_some() { kinds.iter().enumerate().map(legend).collect() } else { Vec::new() }),
        grid: [false, true],
        ..Sides::default()
    };
    let frame = frame(scene, font, area, (Axis::exact(0.0, count as f64), y), &sides);
    for (at, kinds) in of.iter().enumerate() {
        // Only what a group has takes room in it.
        let present: Vec<(usize, &Vec<f64>)> = kinds.iter().enumerate().filter(|(_, own)| !own.is_empty()).collect();
        let wide = (0.76 / present.len().max(1) as f64).min(0.4);
        let start = at as f64 + 0.5 - wide * present.len() as f64 / 2.0;
        for (place, (kind, own)) in present.iter().enumerate() {
            let from = start + place as f64 * wide;
            one_box(scene, &frame, (from + wide * 0.12, from + wide * 0.88), own, Colour::Series(*kind));
        }
    }
    border(scene, &frame);
}

/// A quantile between the two nearest values.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (at - low as f64) * (sorted[high] - sorted[low])
}

/// Lower whisker, first quartile, median, third quartile, upper whisker of at least one value.
pub fn five(sorted: &[f64]) -> [f64; 5] {
    let [first, median, third] = [0.25, 0.5, 0.75].map(|part| quantile(sorted, part));
    let reach = 1.5 * (third - first);
    let within = || sorted.iter().copied().filter(|value| *value >= first - reach && *value <= third + reach);
    let (low, high) = (within().fold(f64::INFINITY, f64::min), within().fold(f64::NEG_INFINITY, f64::max));
    [low, first, median, third, high]
}

fn one_box(scene: &mut Scene, frame: &Frame, (from, to): (f64, f64), sorted: &[f64], colour: Colour) {
    if sorted.is_empty() {
        return;
    }
    let [low, first, median, third, high] = five(sorted);
    let (left, _) = frame.at(from, median);
    let (right, _) = frame.at(to, median);
    let middle = (left + right) / 2.0;
    let height = |value: f64| frame.at(from, value).1;
    for (a, b) in [(high, third), (first, low)] {
        scene.path(vec![(middle, height(a)), (middle, height(b))], Colour::Muted, 1.2);
    }
    let cap = (right - left) * 0.25;
    for value in [low, high] {
        scene.path(vec![(middle - cap, height(value)), (middle + cap, height(value))], Colour::Muted, 1.2);
    }
    let (top, bottom) = (height(third), height(first));
    scene.rect((left, top), (right - left, (bottom - top).max(1.0)), colour, 0.55);
    scene.shapes.push(Shape::Frame {
        x: left,
        y: top,
        width: right - left,
        height: (bottom - top).max(1.0),
        stroke: colour,
        width_of_line: 1.4,
    });
    scene.path(vec![(left, height(median)), (right, height(median))], Colour::Ink, 2.2);
    for value in sorted.iter().filter(|value| **value < low || **value > high) {
        scene.shapes.push(Shape::Dot { x: middle, y: height(*value), radius: 3.0, fill: colour, mark: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|part| quantile(&values, part)), [1.0, 1.75, 2.5, 4.0]);
    }
}
