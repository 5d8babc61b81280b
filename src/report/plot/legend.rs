//! Legends: what colours and signs mean.
//!
//! In: entries. Out: how much room they take, and the drawing. Invariant: texts
//! never lie on each other nor on the axes' labels.

use super::axes::{Area, SMALL};
use super::font::Font;
use super::scene::{Anchor, Colour, Scene, Shape};

/// Widest text beside a frame.
const WIDEST_BESIDE: f64 = 190.0;
/// Texts beside a frame that are wider than this squeeze it: such legends go above.
const SQUEEZES: f64 = 96.0;
/// Most rows above a frame.
const MOST_ROWS: usize = 2;
/// From row to row.
const STEP: f64 = 19.0;
/// Sign and gaps of an entry.
const SIGN: f64 = 24.0;

/// What an entry of a legend shows before its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key {
    /// A piece of a line.
    Line,
    /// A dashed piece.
    Dashed,
    /// A mark, by number.
    Dot(usize),
    /// A patch.
    Patch,
}

/// An entry of a legend.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its text.
    pub text: String,
    /// Its colour.
    pub colour: Colour,
    /// Its sign.
    pub key: Key,
}

/// Where a legend goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Beside the frame, or above it where it would squeeze it.
    #[default]
    Free,
    /// In the frame's lower left corner.
    LowerLeft,
    /// In the frame's lower right corner.
    LowerRight,
}

/// A legend.
#[derive(Clone, Debug, Default)]
pub struct Legend {
    /// Its entries, from above.
    pub entries: Vec<Entry>,
    /// Where it goes.
    pub place: Place,
}

/// A legend with its room.
pub struct Layout<'a> {
    legend: &'a Legend,
    /// Places of the entries in rows, if it goes above.
    rows: Vec<Vec<(f64, &'a Entry)>>,
    /// Room above the frame.
    pub above: f64,
    /// Room beside the frame.
    pub beside: f64,
}

impl Legend {
    /// One that finds its place.
    pub fn free(entries: Vec<Entry>) -> Self {
        Legend { entries, place: Place::Free }
    }

    /// How it is placed at a frame of this width.
    pub fn layout(&self, font: &Font, width: f64) -> Layout<'_> {
        let nothing = Layout { legend: self, rows: Vec::new(), above: 0.0, beside: 0.0 };
        if self.entries.is_empty() || self.place != Place::Free {
            return nothing;
        }
        let widest = self.entries.iter().map(|entry| font.width(&entry.text, SMALL)).fold(0.0, f64::max);
        let beside = Layout { beside: widest.min(WIDEST_BESIDE) + 46.0, ..nothing };
        if widest <= SQUEEZES {
            return beside;
        }
        let mut rows: Vec<Vec<(f64, &Entry)>> = vec![Vec::new()];
        let mut x = 0.0;
        for entry in &self.entries {
            let wide = SIGN + font.width(&entry.text, SMALL).min(width - SIGN) + 18.0;
            if x > 0.0 && x + wide - 18.0 > width {
                rows.push(Vec::new());
                x = 0.0;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, entry));
            }
            x += wide;
        }
        match rows.len() <= MOST_ROWS {
            true => Layout { above: rows.len() as f64 * STEP + 5.0, rows, legend: self, beside: 0.0 },
            false => beside,
        }
    }
}

impl Layout<'_> {
    /// Draws it: `at` is the upper left corner of the room above the frame.
    pub fn draw(&self, scene: &mut Scene, font: &Font, at: (f64, f64), frame: Area) {
        match self.legend.place {
            Place::Free if self.rows.is_empty() => {
                let corner = (frame.x + frame.width + 16.0, frame.y + 4.0);
                column(scene, font, corner, frame.height, &self.legend.entries);
            }
            Place::Free => {
                for (number, row) in self.rows.iter().enumerate() {
                    for (x, entry) in row {
                        let middle = at.1 + number as f64 * STEP + 8.0;
                        entry.draw(scene, font, (at.0 + x, middle), frame.width);
                    }
                }
            }
            Place::LowerLeft | Place::LowerRight => self.inside(scene, font, frame),
        }
    }

    /// In a corner of the frame, on a ground that lets lines of the grid not disturb it.
    fn inside(&self, scene: &mut Scene, font: &Font, frame: Area) {
        let entries = &self.legend.entries;
        let widest = entries.iter().map(|entry| font.width(&entry.text, SMALL)).fold(0.0, f64::max);
        let wide = (widest + SIGN + 14.0).min(frame.width - 16.0);
        let high = entries.len() as f64 * STEP + 6.0;
        let x = match self.legend.place {
            Place::LowerLeft => frame.x + 8.0,
            Place::LowerRight | Place::Free => frame.x + frame.width - wide - 8.0,
        };
        let y = frame.y + frame.height - high - 8.0;
        scene.rect((x, y), (wide, high), Colour::Page, 0.85);
        column(scene, font, (x + 7.0, y + 3.0), high + STEP, entries);
    }
}

/// Entries below each other.
fn column(scene: &mut Scene, font: &Font, (x, y): (f64, f64), height: f64, entries: &[Entry]) {
    let most = ((height / STEP) as usize).max(2);
    for (at, entry) in entries.iter().enumerate().take(most) {
        let middle = y + at as f64 * STEP + 8.0;
        if at + 1 == most && entries.len() > most {
            let text = format!("… and {} more", entries.len() - at);
            scene.text((x, middle + 4.0), &text, SMALL, Colour::Muted, Anchor::Start);
            return;
        }
        entry.draw(scene, font, (x, middle), WIDEST_BESIDE + SIGN);
    }
}

impl Entry {
    fn draw(&self, scene: &mut Scene, font: &Font, (x, middle): (f64, f64), width: f64) {
        match self.key {
            Key::Line => scene.path(vec![(x, middle), (x + 18.0, middle)], self.colour, 2.4),
            Key::Dashed => scene.shapes.push(Shape::Path {
                points: vec![(x, middle), (x + 18.0, middle)],
                stroke: self.colour,
                width: 1.6,
                dash: Some([4.0, 3.0]),
                opacity: 1.0,
            }),
            Key::Dot(mark) => {
                scene.shapes.push(Shape::Dot { x: x + 9.0, y: middle, radius: 4.5, fill: self.colour, mark });
            }
            Key::Patch => scene.rect((x + 3.0, middle - 6.0), (12.0, 12.0), self.colour, 1.0),
        }
        let text = font.fit(&self.text, SMALL, width - SIGN);
        scene.text((x + SIGN, middle + SMALL * 0.36), &text, SMALL, Colour::Ink, Anchor::Start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legend(texts: &[&str]) -> Legend {
        let entry = |text: &&str| Entry { text: (*text).to_string(), colour: Colour::Ink, key: Key::Line };
        Legend::free(texts.iter().map(entry).collect())
    }

    #[test]
    fn short_names_stand_beside_and_long_ones_above() {
        let font = Font::new();
        let short = legend(&["sgd", "adam"]);
        let layout = short.layout(&font, 600.0);
        assert!(layout.beside > 0.0 && layout.above == 0.0);
        let long = legend(&["batches of sixteen rows, rate 0.05", "the full batch, rate 0.05"]);
        let layout = long.layout(&font, 600.0);
        assert!(layout.beside == 0.0 && layout.above > 0.0);
        // What would take too many rows stands beside all the same.
        let many = legend(&["batches of sixteen rows, rate 0.05"; 9]);
        assert!(many.layout(&font, 600.0).beside > 0.0);
    }
}
