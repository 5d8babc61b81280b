//! A pair of axes in characters: Braille dots over a ground of shades, with signs.

use super::super::axes::{Axis, short};
use super::super::fields;
use super::super::scene::SERIES;
use super::WIDTH;

/// Lines of text.
const ROWS: usize = 16;
/// Signs of clouds, by the number of their colour.
const SIGNS: [char; 8] = ['o', 'x', '+', '*', '#', '@', '%', '&'];
/// Grounds of classes and of heights, the lowest first.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// What is drawn so far.
pub struct Canvas {
    x: Axis,
    y: Axis,
    dots: Vec<u8>,
    ground: Vec<char>,
    signs: Vec<Option<char>>,
    ink: Vec<Option<usize>>,
}

impl Canvas {
    /// Nothing yet.
    pub fn new(x: Axis, y: Axis) -> Self {
        let cells = WIDTH * ROWS;
        Canvas {
            x,
            y,
            dots: vec![0; cells],
            ground: vec![' '; cells],
            signs: vec![None; cells],
            ink: vec![None; cells],
        }
    }

    /// Points joined in their order.
    pub fn line(&mut self, points: &[(f64, f64)], colour: usize) {
        for pair in points.windows(2) {
            let (from, to) = (self.place(pair[0]), self.place(pair[1]));
            let length = ((to.0 - from.0).abs() * (WIDTH * 2) as f64).max((to.1 - from.1).abs() * (ROWS * 4) as f64);
            if !length.is_finite() {
                continue;
            }
            let steps = length.ceil().clamp(1.0, 4096.0) as usize;
            for step in 0..=steps {
                let part = step as f64 / steps as f64;
                self.dot((from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1)), Some(colour));
            }
        }
        if let [only] = points {
            let place = self.place(*only);
            self.dot(place, Some(colour));
        }
    }

    /// Points by themselves.
    pub fn dots(&mut self, points: &[(f64, f64)], colour: usize) {
        for point in points {
            let place = self.place(*point);
            self.dot(place, Some(colour));
        }
    }

    /// Points of one of several clouds.
    pub fn signs(&mut self, points: &[(f64, f64)], colour: usize) {
        for point in points {
            let place = self.place(*point);
            if let Some(cell) = cell(place) {
                self.signs[cell] = Some(SIGNS[colour % SIGNS.len()]);
                self.ink[cell] = Some(colour);
            }
        }
    }

    /// Dashed lines from side to side.
    pub fn rule(&mut self, numbers: &[f64], upright: bool) {
        for &number in numbers {
            let count = if upright { ROWS * 4 } else { WIDTH * 2 };
            for at in (0..count).filter(|at| at % 4 < 2) {
                let along = (at as f64 + 0.5) / count as f64;
                let place = if upright { (self.x.place(number), along) } else { (along, self.y.place(number)) };
                self.dot(place, None);
            }
        }
    }

    /// A shade for each class on a square grid.
    pub fn regions(&mut self, scores: &[f64], classes: usize, side: usize) {
        let middle = fields::middle(scores, classes);
        self.fill(side, |at| SHADES[fields::class_at(scores, classes, middle, at) % 4]);
    }

    /// Darker where a function is higher: five shades of as many points each.
    pub fn shades(&mut self, heights: &[f64], side: usize) {
        let mut sorted: Vec<f64> = heights.iter().copied().filter(|height| height.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        self.fill(side, |at| {
            let below = sorted.partition_point(|height| heights.get(at).is_some_and(|own| height < own));
            SHADES[below * 4 / sorted.len().max(1)]
        });
    }

    fn fill(&mut self, side: usize, shade: impl Fn(usize) -> char) {
        let grid = |at: usize, count: usize| ((at as f64 + 0.5) / count as f64 * side as f64) as usize;
        for row in 0..ROWS {
            for column in 0..WIDTH {
                self.ground[row * WIDTH + column] = shade(grid(ROWS - 1 - row, ROWS) * side + grid(column, WIDTH));
            }
        }
    }

    fn place(&self, point: (f64, f64)) -> (f64, f64) {
        (self.x.place(point.0), self.y.place(point.1))
    }

    /// Sets a dot; places are from 0 to 1, from the lower left.
    fn dot(&mut self, place: (f64, f64), colour: Option<usize>) {
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let Some(cell) = cell(place) else { return };
        let column = ((place.0 * (WIDTH * 2) as f64) as usize).min(WIDTH * 2 - 1);
        let row = (((1.0 - place.1) * (ROWS * 4) as f64) as usize).min(ROWS * 4 - 1);
        self.dots[cell] |= BITS[column % 2][row % 4];
        self.ink[cell] = colour.or(self.ink[cell]);
    }

    /// The lines with the ends of the axes, and the legend: text, colour, whether it is a cloud's.
    pub fn text(&self, legend: &[(String, Option<usize>, bool)], colour: bool) -> String {
        let ((left, right), (bottom, top)) = (self.x.ends(), self.y.ends());
        let [top, bottom, left, right] = [top, bottom, left, right].map(short);
        let margin = top.chars().count().max(bottom.chars().count());
        let mut out = String::new();
        for row in 0..ROWS {
            let label = match row {
                0 => top.as_str(),
                row if row + 1 == ROWS => bottom.as_str(),
                _ => "",
            };
            out += &format!("{label:>margin$} ┤");
            for cell in row * WIDTH..(row + 1) * WIDTH {
                let character = match (self.signs[cell], self.dots[cell]) {
                    (Some(sign), _) => sign,
                    (None, 0) => self.ground[cell],
                    (None, bits) => char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' '),
                };
                out += &painted(&character.to_string(), self.ink[cell].filter(|_| colour));
            }
            out = out.trim_end().to_string();
            out.push('\n');
        }
        let gap = WIDTH.saturating_sub(left.chars().count() + right.chars().count());
        out += &format!("{}  {left}{}{right}", " ".repeat(margin), " ".repeat(gap));
        let entry = |(text, series, cloud): &(String, Option<usize>, bool)| {
            let sign = series.filter(|_| *cloud).map(|series| format!("{} ", SIGNS[series % SIGNS.len()]));
            let line = series.filter(|_| !cloud && colour).map(|_| "━ ".to_string());
            painted(&format!("{}{text}", sign.or(line).unwrap_or_default()), series.filter(|_| colour))
        };
        let legend: Vec<String> = legend.iter().map(entry).collect();
        if !legend.is_empty() {
            out += &format!("\n{}  {}", " ".repeat(margin), legend.join("   "));
        }
        out
    }
}

/// The character of a place.
fn cell((x, y): (f64, f64)) -> Option<usize> {
    let inside = |part: f64| (-1e-9..=1.0 + 1e-9).contains(&part);
    if !inside(x) || !inside(y) {
        return None;
    }
    let column = ((x.max(0.0) * WIDTH as f64) as usize).min(WIDTH - 1);
    let row = (((1.0 - y).max(0.0) * ROWS as f64) as usize).min(ROWS - 1);
    Some(row * WIDTH + column)
}

/// Text in the colour of a series: its value on a dark page, which light terminals can show as well.
fn painted(text: &str, series: Option<usize>) -> String {
    match series {
        Some(series) if text != " " => {
            let [r, g, b] = SERIES[series % SERIES.len()].2;
            format!("\u{1b}[38;2;{r};{g};{b}m{text}\u{1b}[0m")
        }
        Some(_) | None => text.to_string(),
    }
}
