//! Bars, histograms, boxes, confusion matrices and images in characters.

use super::super::axes::short;
use super::super::{Values, counts};
use super::WIDTH;
use crate::check::typed::Series;

/// Characters of the longest bar.
const LONGEST: usize = 44;
/// Most classes of a matrix that is written out.
const MOST_CLASSES: usize = 20;
/// From dark to light.
const GREYS: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// A bar for each number.
pub fn bars(values: Values<'_>, series: &[Series], names: &[String]) -> String {
    let (groups, texts) = counts::groups(series, names, values);
    let mut rows: Vec<(String, f64)> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        for (group, numbers) in groups.iter().enumerate() {
            let Some(number) = numbers.get(at) else { continue };
            let name = match groups.len() {
                1 => text.clone(),
                _ => format!("{text}, {}", series.get(group).map_or("", |series| series.name.as_str())),
            };
            rows.push((name, *number));
        }
    }
    rows_of_bars(&rows)
}

/// How often values fall into equal intervals; of several one after the other.
pub fn histogram(values: Values<'_>, series: &[Series], by: Option<&Series>, bins: usize) -> String {
    let (names, range, counted) = counts::counted(values, series, by, bins);
    let (low, high) = range.ends();
    let mut parts = Vec::new();
    for (name, counts) in names.iter().zip(&counted) {
        // Short enough for a terminal: intervals that are next to each other are put together.
        let together = counts.len().div_ceil(20).max(1);
        let step = (high - low) / counts.len().max(1) as f64;
        let row = |(at, counts): (usize, &[f64])| {
            let from = low + (at * together) as f64 * step;
            (format!("{} … {}", short(from), short(from + step * counts.len() as f64)), counts.iter().sum())
        };
        let rows: Vec<(String, f64)> = counts.chunks(together).enumerate().map(row).collect();
        parts.push(format!("  {name}\n{}", rows_of_bars(&rows)));
    }
    parts.join("\n")
}

fn rows_of_bars(rows: &[(String, f64)]) -> String {
    let margin = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0).min(30);
    let finite = || rows.iter().map(|row| row.1).filter(|number| number.is_finite());
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    let place = |number: f64| ((number - low) / (high - low).max(1e-300) * LONGEST as f64).round() as usize;
    let zero = place(0.0);
    let line = |(name, number): &(String, f64)| {
        let name: String = name.chars().take(margin).collect();
        let at = if number.is_finite() { place(*number) } else { zero };
        let (from, to) = (at.min(zero), at.max(zero));
        let bar = "█".repeat(to - from);
        let blank = " ".repeat(from);
        let value = if number.is_finite() { short(*number) } else { number.to_string() };
        let rest = " ".repeat(if low < 0.0 { LONGEST - to } else { 0 });
        format!("{name:>margin$} {blank}{bar}{rest} {value}")
    };
    rows.iter().map(line).collect::<Vec<String>>().join("\n")
}

/// Whiskers, quartiles and median of each group along one range.
pub fn boxes(values: Values<'_>, series: (Option<&Series>, &Series, Option<&Series>)) -> String {
    let boxes = counts::sorted_groups(values, series);
    let all = || boxes.of.iter().flatten().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let place =
        |value: f64| (((value - low) / (high - low).max(1e-300)) * (WIDTH - 1) as f64).round().max(0.0) as usize;
    let mut rows = Vec::new();
    for (group, kinds) in boxes.groups.iter().zip(&boxes.of) {
        for (kind, sorted) in boxes.kinds.iter().zip(kinds).filter(|(_, sorted)| !sorted.is_empty()) {
            let five = counts::five(sorted);
            let [least, first, median, third, most] = five.map(place);
            let mut row = vec![' '; WIDTH];
            row[least..=most].fill('─');
            row[first..=third].fill('▒');
            for value in sorted.iter().filter(|value| **value < five[0] || **value > five[4]) {
                row[place(*value)] = '∙';
            }
            (row[least], row[most]) = ('├', '┤');
            row[median] = '┃';
            let name = if kind.is_empty() { group.clone() } else { format!("{group}, {kind}") };
            rows.push((name, row.into_iter().collect::<String>()));
        }
    }
    let margin = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = rows.iter().map(|(name, row)| format!("{name:>margin$} {}", row.trim_end())).collect();
    let (left, right) = (short(low), short(high));
    let gap = WIDTH.saturating_sub(left.chars().count() + right.chars().count());
    lines.push(format!("{:margin$} {left}{}{right}", "", " ".repeat(gap)));
    lines.join("\n")
}

/// Counts with the true classes down and the predicted ones across.
pub fn confusion(values: Values<'_>, predicted: &Series, label: &Series) -> String {
    let (names, table) = counts::table(values, predicted, label);
    let count = names.len();
    let share = format!("  {}", counts::share_right(count, &table));
    if count > MOST_CLASSES {
        return share;
    }
    let most = table.iter().map(|count| count.to_string().len()).max().unwrap_or(1);
    // Long names are cut above the columns and whole at the left.
    let wide = names.iter().map(|name| name.chars().count()).max().unwrap_or(1).min(6).max(most) + 1;
    let margin = names.iter().map(|name| name.chars().count()).max().unwrap_or(1).max(4);
    let head: String =
        names.iter().map(|name| format!("{:>wide$}", name.chars().take(wide - 1).collect::<String>())).collect();
    let mut lines = vec![share, format!("{:>margin$} {head}   predicted", "true")];
    for (truth, name) in names.iter().enumerate() {
        let cell = |count: &u64| format!("{:>wide$}", if *count == 0 { "·".to_string() } else { count.to_string() });
        let row: String = table[truth * count..(truth + 1) * count].iter().map(cell).collect();
        lines.push(format!("{name:>margin$} {row}"));
    }
    lines.join("\n")
}

/// The first images side by side, two rows of pixels to a line.
pub fn images(values: Values<'_>, images: &Series) -> String {
    let (count, plane, height, width) = match *values.shape(images) {
        [height, width] => (1, height * width, height, width),
        [count, height, width] => (count, height * width, height, width),
        [count, channels, height, width] => (count, channels * height * width, height, width),
        _ => return String::new(),
    };
    let numbers = values.numbers(images);
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    // Small images have two characters a pixel, wide ones fewer than one.
    let across = if width <= 16 { width * 2 } else { width.min(WIDTH) };
    let down = (height * across / width.max(1) / 2).max(1);
    let shown = count.min(WIDTH.div_ceil(across + 2).max(1));
    let grey = |image: usize, row: usize, column: usize| {
        let place = row * height / down * width + column * width / across;
        let number = numbers.get(image * plane + place).copied().unwrap_or(low);
        let part = (number - low) / (high - low).max(1e-300);
        GREYS[((part * 9.0).round().max(0.0) as usize).min(9)]
    };
    let row = |row: usize| {
        let one = |image: usize| (0..across).map(|column| grey(image, row, column)).collect::<String>();
        (0..shown).map(one).collect::<Vec<String>>().join("  ").trim_end().to_string()
    };
    let mut lines: Vec<String> = (0..down).map(row).collect();
    if shown < count {
        lines.push(format!("  … and {} more: a file shows all of them", count - shown));
    }
    lines.join("\n")
}
