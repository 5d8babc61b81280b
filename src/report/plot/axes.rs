//! Axes: ranges, round ticks, and the frame that marks are drawn in.
//!
//! In: the numbers to be shown. Out: where they are on the page. Invariant: tick
//! labels never overlap; what is not finite is not shown.

use super::font::Font;
use super::legend::Legend;
use super::scene::{Anchor, Colour, Scene, Shape};

/// Size of tick labels and legends.
pub const SMALL: f64 = 11.0;
/// Size of axis labels.
pub const LABEL: f64 = 12.5;
/// Size of titles.
pub const TITLE: f64 = 14.5;

/// A range of numbers along one side.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// From `low` to `high`.
    pub fn exact(low: f64, high: f64) -> Self {
        Axis { low, high, log: false }
    }

    /// Around all finite values, with some room beside them.
    pub fn around(values: impl Iterator<Item = f64>, log: bool, room: f64) -> Self {
        let map = |value: f64| if log { value.log10() } else { value };
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && (!log || *value > 0.0)).map(map) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-12 * high.abs().max(1e-300) || high == low {
            let half = if log { 0.5 } else { (0.1 * high.abs()).max(0.5) };
            (low, high) = (low - half, high + half);
        }
        let room = room * (high - low);
        Axis { low: low - room, high: high + room, log }
    }

    /// The least and the largest value.
    pub fn ends(&self) -> (f64, f64) {
        let back = |value: f64| if self.log { 10f64.powf(value) } else { value };
        (back(self.low), back(self.high))
    }

    /// Where a value lies, from 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        (value - self.low) / (self.high - self.low)
    }

    /// About `count` round values with their texts.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.log && self.high - self.low >= 1.0 {
            // Powers of ten alone are too few over a short way.
            if self.high - self.low < 2.2 {
                let values = (self.low.floor() as i32..=self.high as i32 + 1)
                    .flat_map(|power| [1.0_f64, 2.0, 5.0].map(|digit| (power, digit)));
                return values
                    .filter(|(power, digit)| (self.low..=self.high).contains(&(f64::from(*power) + digit.log10())))
                    .map(|(power, digit)| digit * 10f64.powi(power))
                    .map(|value| (value, short(value)))
                    .collect();
            }
            let step = ((self.high - self.low) / count as f64).ceil().max(1.0);
            let first = (self.low / step).ceil() as i64;
            let last = (self.high / step).floor() as i64;
            // All as numbers if they are short, all as powers if not.
            let plain = first as f64 * step >= -3.0 && last as f64 * step <= 4.0;
            return (first..=last)
                .map(|at| at as f64 * step)
                .map(|power| (10f64.powf(power), if plain { plain_text(power) } else { power_text(power) }))
                .collect();
        }
        let (low, high) = if self.log { (10f64.powf(self.low), 10f64.powf(self.high)) } else { (self.low, self.high) };
        let step = round_step((high - low) / count.max(1) as f64);
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        (first..=last.min(first + 50)).map(|at| at as f64 * step).map(|value| (value, tick_text(value, step))).collect()
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, at least `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    // Steps of 2.5 make odd ticks where numbers count something.
    let fits = |factor: &f64| factor * power >= raw * 0.999 && !(*factor == 2.5 && power == 1.0);
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(fits).unwrap_or(10.0) * power
}

fn tick_text(value: f64, step: f64) -> String {
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) {
        let text = format!("{value:.1e}").replace(".0e", "e");
        return text.replace('-', "−");
    }
    let decimals = (0..8).find(|&decimals| {
        let scaled = step * 10f64.powi(decimals);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    format!("{value:.0$}", decimals.unwrap_or(8) as usize).replace('-', "−")
}

fn power_text(power: f64) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        other => other.to_digit(10).and_then(|digit| char::from_u32(0x2070 + digit)).unwrap_or(other),
    };
    match power as i64 {
        0 => "1".to_string(),
        power => format!("10{}", power.to_string().chars().map(digit).collect::<String>()),
    }
}

/// A power of ten written out.
fn plain_text(power: f64) -> String {
    let decimals = (-power).max(0.0) as usize;
    format!("{:.decimals$}", 10f64.powf(power))
}

/// A number as short as a picture needs it.
pub fn short(value: f64) -> String {
    let text = match value.abs() {
        0.0 => "0".to_string(),
        size if (0.001..1e5).contains(&size) => {
            let decimals = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
            let text = format!("{value:.decimals$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
                false => text,
            }
        }
        _ => format!("{value:.1e}").replace(".0e", "e"),
    };
    text.replace('-', "−")
}

/// A rectangle of the page.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Left side.
    pub x: f64,
    /// Upper side.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// What stands along the sides of a frame.
#[derive(Clone, Debug, Default)]
pub struct Sides {
    /// Below.
    pub x_label: String,
    /// At the left.
    pub y_label: String,
    /// Ticks below: place from 0 to 1 and text; in place of the axis' own.
    pub x_names: Option<Vec<(f64, String)>>,
    /// The same at the left, from below.
    pub y_names: Option<Vec<(f64, String)>>,
    /// Above the frame.
    pub title: String,
    /// What the colours mean.
    pub legend: Legend,
    /// Whether both sides have the same length.
    pub square: bool,
    /// Whether lines of a grid lead from the ticks.
    pub grid: [bool; 2],
}

/// A frame with its axes.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Inside of the axes.
    pub area: Area,
    /// Below.
    pub x: Axis,
    /// At the left.
    pub y: Axis,
}

impl Frame {
    /// Where a point is on the page.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let Area { x: left, y: top, width, height } = self.area;
        (left + self.x.place(x) * width, top + (1.0 - self.y.place(y)) * height)
    }

    /// A line through points, cut at the frame and where a point is not finite.
    pub fn line(&self, scene: &mut Scene, points: &[(f64, f64)], stroke: Colour, width: f64, dash: Option<[f64; 2]>) {
        let mut piece: Vec<(f64, f64)> = Vec::new();
        let mut emit = |piece: &mut Vec<(f64, f64)>| {
            let points = std::mem::take(piece);
            if points.len() > 1 {
                scene.shapes.push(Shape::Path { points, stroke, width, dash, opacity: 1.0 });
            }
        };
        for pair in points.windows(2) {
            let (from, to) = (self.at(pair[0].0, pair[0].1), self.at(pair[1].0, pair[1].1));
            let finite = [from.0, from.1, to.0, to.1].iter().all(|value| value.is_finite());
            let Some((start, end)) = finite.then(|| cut(self.area, from, to)).flatten() else {
                emit(&mut piece);
                continue;
            };
            if piece.last() != Some(&start) {
                emit(&mut piece);
                piece.push(start);
            }
            piece.push(end);
        }
        emit(&mut piece);
    }

    /// Whether a place is inside.
    pub fn holds(&self, (x, y): (f64, f64)) -> bool {
        let area = self.area;
        x >= area.x - 0.5 && x <= area.x + area.width + 0.5 && y >= area.y - 0.5 && y <= area.y + area.height + 0.5
    }
}

/// The part of a straight line inside an area (Liang and Barsky).
fn cut(area: Area, from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut start, mut end) = (0.0_f64, 1.0_f64);
    let sides = [
        (-dx, from.0 - area.x),
        (dx, area.x + area.width - from.0),
        (-dy, from.1 - area.y),
        (dy, area.y + area.height - from.1),
    ];
    for (speed, room) in sides {
        if speed == 0.0 {
            if room < -1e-9 {
                return None;
            }
            continue;
        }
        let at = room / speed;
        if speed < 0.0 { start = start.max(at) } else { end = end.min(at) }
    }
    let point = |at: f64| (from.0 + at * dx, from.1 + at * dy);
    (start <= end).then(|| (if start == 0.0 { from } else { point(start) }, if end == 1.0 { to } else { point(end) }))
}

/// Draws axes, labels and the legend; the frame inside.
pub fn frame(scene: &mut Scene, font: &Font, outer: Area, (x, y): (Axis, Axis), sides: &Sides) -> Frame {
    let y_ticks = sides.y_names.clone().unwrap_or_else(|| {
        y.ticks(((outer.height - 60.0) / 48.0).max(2.0) as usize).into_iter().map(|(v, t)| (y.place(v), t)).collect()
    });
    let tick_width = y_ticks.iter().map(|(_, text)| font.width(text, SMALL)).fold(0.0, f64::max).min(150.0);
    let left = tick_width + 12.0 + if sides.y_label.is_empty() { 4.0 } else { 22.0 };
    let top = 10.0 + if sides.title.is_empty() { 0.0 } else { 22.0 };
    let legend = sides.legend.layout(font, outer.width - left - 16.0);
    let (top, right) = (top + legend.above, legend.beside.max(16.0));
    let wide = outer.width - left - right;
    let x_ticks = match &sides.x_names {
        Some(names) => names.clone(),
        None => {
            let count = (wide / 70.0).max(2.0) as usize;
            x.ticks(count).into_iter().map(|(v, t)| (x.place(v), t)).collect()
        }
    };
    let room = wide / x_ticks.len().max(1) as f64;
    let turned = sides.x_names.is_some() && x_ticks.iter().any(|(_, text)| font.width(text, SMALL) > room - 6.0);
    let longest = x_ticks.iter().map(|(_, text)| font.width(text, SMALL)).fold(0.0, f64::max).min(110.0);
    let below = if turned { longest + 14.0 } else { 22.0 };
    let bottom = below + if sides.x_label.is_empty() { 4.0 } else { 20.0 };
    let mut area = Area { x: outer.x + left, y: outer.y + top, width: wide, height: outer.height - top - bottom };
    if sides.square {
        let side = area.width.min(area.height);
        area = Area { x: area.x + (area.width - side) / 2.0, width: side, height: side, ..area };
    }
    let frame = Frame { area, x, y };
    for (place, text) in x_ticks.iter().filter(|(place, _)| (-1e-9..=1.0 + 1e-9).contains(place)) {
        let at = area.x + place * area.width;
        if sides.grid[0] {
            scene.path(vec![(at, area.y), (at, area.y + area.height)], Colour::Grid, 1.0);
        }
        let under = area.y + area.height;
        match turned {
            true => scene.shapes.push(Shape::Text {
                x: at + SMALL * 0.35,
                y: under + 8.0,
                text: font.fit(text, SMALL, 110.0),
                size: SMALL,
                fill: Colour::Muted,
                anchor: Anchor::End,
                turned: true,
            }),
            false => scene.text((at, under + 16.0), text, SMALL, Colour::Muted, Anchor::Middle),
        }
    }
    for (place, text) in y_ticks.iter().filter(|(place, _)| (-1e-9..=1.0 + 1e-9).contains(place)) {
        let at = area.y + (1.0 - place) * area.height;
        if sides.grid[1] {
            scene.path(vec![(area.x, at), (area.x + area.width, at)], Colour::Grid, 1.0);
        }
        let text = font.fit(text, SMALL, 150.0);
        scene.text((area.x - 7.0, at + SMALL * 0.36), &text, SMALL, Colour::Muted, Anchor::End);
    }
    if !sides.x_label.is_empty() {
        let at = (area.x + area.width / 2.0, area.y + area.height + below + 13.0);
        let text = font.fit(&sides.x_label, LABEL, area.width + left);
        scene.text(at, &text, LABEL, Colour::Ink, Anchor::Middle);
    }
    if !sides.y_label.is_empty() {
        scene.shapes.push(Shape::Text {
            x: area.x - tick_width - 18.0,
            y: area.y + area.height / 2.0,
            text: font.fit(&sides.y_label, LABEL, area.height + 20.0),
            size: LABEL,
            fill: Colour::Ink,
            anchor: Anchor::Middle,
            turned: true,
        });
    }
    if !sides.title.is_empty() {
        let text = font.fit(&sides.title, TITLE, outer.width - 20.0);
        scene.text((area.x + area.width / 2.0, outer.y + 20.0), &text, TITLE, Colour::Ink, Anchor::Middle);
    }
    let at = (area.x, area.y - legend.above);
    legend.draw(scene, font, at, area);
    frame
}

/// The line around a frame.
pub fn border(scene: &mut Scene, frame: &Frame) {
    let Area { x, y, width, height } = frame.area;
    scene.shapes.push(Shape::Frame { x, y, width, height, stroke: Colour::Muted, width_of_line: 1.0 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let texts = |axis: Axis| axis.ticks(5).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(Axis::exact(0.0, 1.0)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(Axis::exact(-4.0, 4.0)), ["−4", "−2", "0", "2", "4"]);
        assert_eq!(
            texts(Axis::around([0.001, 100.0].into_iter(), true, 0.0)),
            ["0.001", "0.01", "0.1", "1", "10", "100"]
        );
        assert_eq!(texts(Axis::around([1e-6, 1.0].into_iter(), true, 0.0)), ["10⁻⁶", "10⁻⁴", "10⁻²", "1"]);
        assert_eq!(texts(Axis::around([1.0, 30.0].into_iter(), true, 0.0)), ["1", "2", "5", "10", "20"]);
        assert_eq!(texts(Axis::exact(0.0, 12.0)), ["0", "5", "10"]);
    }

    #[test]
    fn lines_are_cut_at_the_frame() {
        let area = Area { x: 0.0, y: 0.0, width: 10.0, height: 10.0 };
        assert_eq!(cut(area, (-5.0, 5.0), (5.0, 5.0)), Some(((0.0, 5.0), (5.0, 5.0))));
        assert_eq!(cut(area, (-5.0, 5.0), (-1.0, 5.0)), None);
    }
}
