//! Drawn digits: 28 x 28 bytes, varied as handwriting is.
//!
//! In: resolved arguments. Out: columns `image` and `label`. Row `i` shows digit
//! `i % 10`: its skeleton ([`super::strokes`]) is bent, jittered and mapped to
//! pixels by a random affine map, then drawn as the distance field of its
//! segments, so that a pixel's ink falls off smoothly over the stroke's edge.
//! Rows are drawn in fixed chunks by however many threads there are; each row
//! depends on its own random stream only.

use super::super::random::{Stream, key, sin_cos_turns};
use super::super::table::{Column, Kind, Values};
use super::args::Arguments;
use super::label_column;
use super::strokes::{GLYPHS, Glyph, Stroke};
use std::sync::{Mutex, PoisonError};

/// Pixels per side.
pub(super) const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
/// Rows per unit of work.
const CHUNK: usize = 512;
/// Straight pieces per spline span.
const PIECES: usize = 3;
/// Pixels per step of the distance loop; divides `SIDE`.
const LANES: usize = 4;

/// `image` and `label`.
pub(super) fn columns(arguments: &Arguments) -> Vec<Column> {
    let (rows, noise) = (arguments.rows(), arguments.get("noise") as f32);
    let key = key(arguments.seed(), "digits");
    let mut bytes = vec![0_u8; rows * PIXELS];
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(rows.div_ceil(CHUNK));
    let work = Mutex::new(bytes.chunks_mut(CHUNK * PIXELS).enumerate());
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| draw_chunks(&work, key, noise));
        }
        draw_chunks(&work, key, noise);
    });
    let values = Values::U8 { bytes, scale: 1.0 / 255.0 };
    vec![Column::new("image", Kind::Number, vec![SIDE, SIDE], values), label_column(rows, 10)]
}

/// Draws chunks until none is left.
fn draw_chunks<'a>(work: &Mutex<impl Iterator<Item = (usize, &'a mut [u8])>>, key: u64, noise: f32) {
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((chunk, bytes)) = next else { return };
        for (row, image) in bytes.as_chunks_mut::<PIXELS>().0.iter_mut().enumerate() {
            draw(chunk * CHUNK + row, key, noise, image);
        }
    }
}

fn draw(row: usize, key: u64, noise: f32, image: &mut [u8; PIXELS]) {
    let mut stream = Stream::new(key, row as u64);
    let glyphs = GLYPHS[row % 10];
    let glyph: Glyph = glyphs[stream.below(glyphs.len() as u64) as usize];
    let hand = Hand::new(&mut stream);
    let pen = Pen::new(&mut stream);
    let mut field = Field::new(pen.reach());
    for stroke in glyph {
        draw_stroke(stroke, &hand, &mut stream, &mut field);
    }
    pen.ink(&field, &mut stream, noise, image);
}

/// Adds a stroke's spline to the field, piece by piece.
fn draw_stroke(stroke: Stroke, hand: &Hand, stream: &mut Stream, field: &mut Field) {
    const MOST: usize = 16;
    let mut points = [(0.0, 0.0); MOST];
    let count = stroke.len().min(MOST);
    for (point, &skeleton) in points.iter_mut().zip(stroke) {
        *point = hand.place(skeleton, stream);
    }
    for span in 0..count - 1 {
        let before = points[span.saturating_sub(1)];
        let (from, to) = (points[span], points[span + 1]);
        let after = points[(span + 2).min(count - 1)];
        let mut last = from;
        for piece in 1..=PIECES {
            let next = spline(before, from, to, after, piece as f32 / PIECES as f32);
            field.segment(last, next);
            last = next;
        }
    }
}

/// Catmull-Rom spline between `b` and `c` (Catmull and Rom 1974).
fn spline(a: (f32, f32), b: (f32, f32), c: (f32, f32), d: (f32, f32), t: f32) -> (f32, f32) {
    let axis = |a: f32, b: f32, c: f32, d: f32| {
        let cubic = (3.0 * (b - c) + d - a) * t;
        0.5 * (((cubic + 2.0 * a - 5.0 * b + 4.0 * c - d) * t + c - a) * t) + b
    };
    (axis(a.0, b.0, c.0, d.0), axis(a.1, b.1, c.1, d.1))
}

/// How one writer bends and places a skeleton.
struct Hand {
    /// Row-major 2 x 2, glyph units to pixels.
    map: [f32; 4],
    /// Where the middle of the glyph lies, in pixels.
    middle: (f32, f32),
    /// Coefficients of the quadratic bend of x and of y: u^2, u v, v^2.
    bend: [[f32; 3]; 2],
    /// Greatest displacement of a single point, in glyph units.
    jitter: f32,
}

impl Hand {
    fn new(stream: &mut Stream) -> Self {
        // Two draws added make small deviations commoner than large ones.
        let mut soft = |most: f32| (stream.signed() + stream.signed()) * 0.5 * most;
        let (sin, cos) = sin_cos_turns(f64::from(soft(0.07)));
        let (sin, cos) = (sin as f32, cos as f32);
        let height = 18.5 * (1.0 + soft(0.2));
        let width = height * (1.0 + soft(0.45));
        // Handwriting leans to the right more often than to the left.
        let lean = 0.12 + soft(0.55);
        let map = [width * cos, -lean * height * cos - height * sin, width * sin, height * (cos - lean * sin)];
        let middle = (13.5 + soft(3.0), 13.5 + soft(2.5));
        let bend = [[soft(0.5), soft(0.7), soft(0.4)], [soft(0.5), soft(0.6), soft(0.3)]];
        Hand { map, middle, bend, jitter: 0.02 + soft(0.02) }
    }

    /// A skeleton point in pixels.
    fn place(&self, (x, y): (f32, f32), stream: &mut Stream) -> (f32, f32) {
        let (u, v) = (x - 0.35 + self.jitter * stream.signed(), y - 0.5 + self.jitter * stream.signed());
        let bent = |bend: [f32; 3]| bend[0] * u * u + bend[1] * u * v + bend[2] * v * v;
        let (u, v) = (u + bent(self.bend[0]), v + bent(self.bend[1]));
        let [a, b, c, d] = self.map;
        (self.middle.0 + a * u + b * v, self.middle.1 + c * u + d * v)
    }
}

/// Stroke width, softness and strength.
struct Pen {
    radius: f32,
    softness: f32,
    strength: f32,
}

impl Pen {
    fn new(stream: &mut Stream) -> Self {
        let radius = 1.15 + 0.3 * (stream.signed() + stream.signed());
        let softness = 1.3 + 0.4 * stream.signed();
        Pen { radius, softness, strength: 235.0 + 45.0 * stream.signed() }
    }

    /// The distance beyond which there is no ink.
    fn reach(&self) -> f32 {
        self.radius + 0.5 * self.softness
    }

    /// Turns squared distances into bytes, with normal-like noise of about `6 * noise` steps where there is ink
    /// and specks of the same size elsewhere.
    fn ink(&self, field: &Field, stream: &mut Stream, noise: f32, image: &mut [u8; PIXELS]) {
        let slope = self.strength / self.softness;
        let full = self.reach() * slope;
        let grain = noise * (24.0 / 255.0);
        for (out, squares) in image.as_chunks_mut::<8>().0.iter_mut().zip(field.squares.as_chunks::<8>().0) {
            let dust = stream.bits().to_le_bytes();
            for lane in 0..8 {
                let ink = (full - squares[lane].sqrt() * slope).min(self.strength).max(0.0);
                let dust = (f32::from(dust[lane]) - 127.5) * grain;
                let value = ink + if ink > 0.0 { dust } else { 0.0 };
                out[lane] = value.clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// For every pixel the squared distance to the nearest segment, exact within `reach`.
struct Field {
    squares: [f32; PIXELS],
    reach: f32,
}

impl Field {
    fn new(reach: f32) -> Self {
        Field { squares: [1e6; PIXELS], reach }
    }

    fn segment(&mut self, from: (f32, f32), to: (f32, f32)) {
        let (along_x, along_y) = (to.0 - from.0, to.1 - from.1);
        let scale = 1.0 / (along_x * along_x + along_y * along_y).max(1e-6);
        let Some((left, right)) = self.pixels(from.0, to.0) else { return };
        let Some((top, bottom)) = self.pixels(from.1, to.1) else { return };
        for y in top..=bottom {
            let dy = y as f32 - from.1;
            let row = &mut self.squares[y * SIDE..(y + 1) * SIDE];
            for (group, squares) in row.as_chunks_mut::<LANES>().0.iter_mut().enumerate().skip(left / LANES) {
                let start = group * LANES;
                if start > right {
                    break;
                }
                for (lane, square) in squares.iter_mut().enumerate() {
                    let dx = (start + lane) as f32 - from.0;
                    let t = ((dx * along_x + dy * along_y) * scale).clamp(0.0, 1.0);
                    let (off_x, off_y) = (dx - t * along_x, dy - t * along_y);
                    *square = square.min(off_x * off_x + off_y * off_y);
                }
            }
        }
    }

    /// The first and last pixel within reach of an interval; `None` if the image has none.
    fn pixels(&self, a: f32, b: f32) -> Option<(usize, usize)> {
        let first = (a.min(b) - self.reach).ceil().max(0.0);
        let last = (a.max(b) + self.reach).floor().min((SIDE - 1) as f32);
        if first <= last { Some((first as usize, last as usize)) } else { None }
    }
}
