//! A picture in the terminal: lines and points in Braille dots.
//!
//! Only marks of the plane made of points have such a picture; of others the
//! caller writes a file.

use super::axes::{Axis, short};
use super::{Panel, Values, panels, plane};
use crate::check::typed::Plot;
use crate::train::Value;

/// Characters of a line.
const COLUMNS: usize = 64;
/// Lines.
const ROWS: usize = 16;

/// The picture as text, if there is one.
pub fn text(plot: &Plot, outputs: &[Value]) -> Option<String> {
    let values = Values { outputs };
    let panels = panels(&plot.marks);
    let [Panel::Plane(marks)] = panels.as_slice() else { return None };
    let lines = plane::points_of(marks, values)?;
    let all = || lines.iter().flat_map(|(_, points)| points);
    let x = Axis::around(all().map(|point| point.0), plot.log_x, 0.0);
    let y = Axis::around(all().map(|point| point.1), plot.log_y, 0.0);
    let mut dots = vec![0u8; COLUMNS * ROWS];
    for (_, points) in &lines {
        for pair in points.windows(2) {
            let place = |point: &(f64, f64)| (x.place(point.0), y.place(point.1));
            let (from, to) = (place(&pair[0]), place(&pair[1]));
            let length = ((to.0 - from.0).abs() * (COLUMNS * 2) as f64).max((to.1 - from.1).abs() * (ROWS * 4) as f64);
            if !length.is_finite() {
                continue;
            }
            let steps = length.ceil().clamp(1.0, 4096.0) as usize;
            for step in 0..=steps {
                let part = step as f64 / steps as f64;
                dot(&mut dots, from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1));
            }
        }
        if let [only] = points.as_slice() {
            dot(&mut dots, x.place(only.0), y.place(only.1));
        }
    }
    let (top, bottom) = (y.ends().1, y.ends().0);
    let labels = [short(top), short(bottom)];
    let margin = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    if let Some(title) = &plot.title {
        out += &format!("{}  {title}\n", " ".repeat(margin));
    }
    for row in 0..ROWS {
        let label = match row {
            0 => labels[0].as_str(),
            row if row + 1 == ROWS => labels[1].as_str(),
            _ => "",
        };
        let blank = " ".repeat(margin - label.chars().count());
        let cells: String = dots[row * COLUMNS..(row + 1) * COLUMNS]
            .iter()
            .filter_map(|bits| char::from_u32(0x2800 + u32::from(*bits)))
            .collect();
        out += &format!("{blank}{label} ┤{cells}\n");
    }
    let (left, right) = (short(x.ends().0), short(x.ends().1));
    let gap = COLUMNS.saturating_sub(left.chars().count() + right.chars().count());
    out += &format!("{}  {left}{}{right}", " ".repeat(margin), " ".repeat(gap));
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()).collect();
    if !names.is_empty() {
        out += &format!("\n{}  {}", " ".repeat(margin), names.join(", "));
    }
    Some(out)
}

/// Sets a dot; places are from 0 to 1, from the lower left.
fn dot(dots: &mut [u8], x: f64, y: f64) {
    const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    if !x.is_finite() || !y.is_finite() {
        return;
    }
    let column = ((x * (COLUMNS * 2) as f64) as usize).min(COLUMNS * 2 - 1);
    let row = (((1.0 - y) * (ROWS * 4) as f64).max(0.0) as usize).min(ROWS * 4 - 1);
    dots[(row / 4) * COLUMNS + column / 2] |= BITS[column % 2][row % 4];
}
