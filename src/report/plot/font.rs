//! The widths and outlines of the text in pictures.
//!
//! The font is a part of DejaVu Sans (Latin, Greek, Cyrillic, signs of
//! mathematics; see LICENSE-sans): pictures are the same on a machine without
//! any fonts. Only this file uses `ttf_parser`.

use ttf_parser::{Face, GlyphId, OutlineBuilder};

static SANS: &[u8] = include_bytes!("sans.ttf");

/// The font, read.
pub struct Font {
    face: Option<Face<'static>>,
}

/// A piece of an outline, in pixels from the start of the text's base line, y downwards.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    /// Begins a contour.
    Move(f32, f32),
    /// A straight piece.
    Line(f32, f32),
    /// A quadratic piece: control point and end.
    Quad(f32, f32, f32, f32),
    /// A cubic piece.
    Cubic(f32, f32, f32, f32, f32, f32),
    /// Ends a contour.
    Close,
}

impl Font {
    /// The one in this program.
    pub fn new() -> Self {
        Font { face: Face::parse(SANS, 0).ok() }
    }

    /// How wide a text is.
    pub fn width(&self, text: &str, size: f64) -> f64 {
        let Some(face) = &self.face else { return 0.6 * size * text.chars().count() as f64 };
        let scale = size / f64::from(face.units_per_em());
        text.chars().map(|character| f64::from(advance(face, glyph(face, character))) * scale).sum()
    }

    /// The outlines of a text.
    pub fn outline(&self, text: &str, size: f64) -> Vec<Piece> {
        let Some(face) = &self.face else { return Vec::new() };
        let scale = size as f32 / f32::from(face.units_per_em());
        let mut builder = Builder { pieces: Vec::new(), scale, x: 0.0 };
        for character in text.chars() {
            let id = glyph(face, character);
            face.outline_glyph(id, &mut builder);
            builder.x += f32::from(advance(face, id)) * scale;
        }
        builder.pieces
    }

    /// A text cut to a width.
    pub fn fit(&self, text: &str, size: f64, width: f64) -> String {
        if self.width(text, size) <= width {
            return text.to_string();
        }
        let mut cut = String::new();
        for character in text.chars() {
            cut.push(character);
            if self.width(&cut, size) + self.width("…", size) > width {
                cut.pop();
                break;
            }
        }
        format!("{}…", cut.trim_end())
    }
}

fn glyph(face: &Face<'_>, character: char) -> GlyphId {
    face.glyph_index(character).unwrap_or(GlyphId(0))
}

fn advance(face: &Face<'_>, id: GlyphId) -> u16 {
    face.glyph_hor_advance(id).unwrap_or(0)
}

struct Builder {
    pieces: Vec<Piece>,
    scale: f32,
    x: f32,
}

impl Builder {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Builder {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.pieces.push(Piece::Move(x, y));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.pieces.push(Piece::Line(x, y));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((a, b), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.pieces.push(Piece::Quad(a, b, x, y));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((a, b), (c, d), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.pieces.push(Piece::Cubic(a, b, c, d, x, y));
    }

    fn close(&mut self) {
        self.pieces.push(Piece::Close);
    }
}
