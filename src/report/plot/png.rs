//! A scene as PNG, at twice its size in pixels.
//!
//! Only this file uses `tiny_skia`; it draws the outlines of the text itself. The
//! bytes depend on the scene alone.

use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform};

use super::font::{Font, Piece};
use super::scene::{Anchor, Colour, Scene, Shape, corners};

/// Pixels a unit of the scene.
const SCALE: f32 = 2.0;

/// The bytes of the file.
///
/// # Errors
/// The picture is empty or too large.
pub fn write(scene: &Scene, font: &Font, dark: bool) -> Result<Vec<u8>, String> {
    let size = |length: f64| (length as f32 * SCALE).ceil() as u32;
    let mut pixmap = Pixmap::new(size(scene.width), size(scene.height)).ok_or("a picture of no size")?;
    pixmap.fill(colour(Colour::Page, dark, 1.0));
    for shape in &scene.shapes {
        draw(&mut pixmap, shape, font, dark);
    }
    pixmap.encode_png().map_err(|error| error.to_string())
}

/// Pixels as a PNG of their own.
pub fn encode(columns: usize, pixels: &[[u8; 3]]) -> Result<Vec<u8>, String> {
    let rows = pixels.len() / columns.max(1);
    let mut pixmap = Pixmap::new(columns as u32, rows as u32).ok_or("an image of no size")?;
    for (target, [r, g, b]) in pixmap.pixels_mut().iter_mut().zip(pixels) {
        *target = tiny_skia::ColorU8::from_rgba(*r, *g, *b, 255).premultiply();
    }
    pixmap.encode_png().map_err(|error| error.to_string())
}

fn colour(colour: Colour, dark: bool, opacity: f64) -> Color {
    let [r, g, b] = colour.value(dark);
    Color::from_rgba8(r, g, b, (opacity * 255.0).round() as u8)
}

fn paint(of: Colour, dark: bool, opacity: f64) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour(of, dark, opacity));
    paint.anti_alias = true;
    paint
}

fn draw(pixmap: &mut Pixmap, shape: &Shape, font: &Font, dark: bool) {
    let scale = Transform::from_scale(SCALE, SCALE);
    match shape {
        Shape::Rect { x, y, width, height, fill, opacity } => {
            let Some(rect) = Rect::from_xywh(*x as f32, *y as f32, *width as f32, *height as f32) else { return };
            let mut paint = paint(*fill, dark, *opacity);
            // Cells side by side show no seams.
            paint.anti_alias = !(matches!(fill, Colour::Fixed(_)) || *opacity < 1.0);
            pixmap.fill_rect(rect, &paint, scale, None);
        }
        Shape::Frame { x, y, width, height, stroke, width_of_line } => {
            let Some(rect) = Rect::from_xywh(*x as f32, *y as f32, *width as f32, *height as f32) else { return };
            let pen = Stroke { width: *width_of_line as f32, ..Stroke::default() };
            pixmap.stroke_path(&PathBuilder::from_rect(rect), &paint(*stroke, dark, 1.0), &pen, scale, None);
        }
        Shape::Path { points, stroke, width, dash, opacity } => {
            let Some(path) = polyline(points, false) else { return };
            let pen = Stroke {
                width: *width as f32,
                line_cap: tiny_skia::LineCap::Round,
                line_join: tiny_skia::LineJoin::Round,
                dash: dash.and_then(|[a, b]| StrokeDash::new(vec![a as f32, b as f32], 0.0)),
                ..Stroke::default()
            };
            pixmap.stroke_path(&path, &paint(*stroke, dark, *opacity), &pen, scale, None);
        }
        Shape::Dot { x, y, radius, fill, mark } => {
            let points = corners(*mark, (*x, *y), *radius);
            let path = match points.is_empty() {
                true => PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32),
                false => polyline(&points, true),
            };
            let Some(path) = path else { return };
            pixmap.fill_path(&path, &paint(*fill, dark, 1.0), FillRule::Winding, scale, None);
            let pen = Stroke { width: 0.8, ..Stroke::default() };
            pixmap.stroke_path(&path, &paint(Colour::Page, dark, 1.0), &pen, scale, None);
        }
        Shape::Image { x, y, width, height, columns, pixels } => {
            let (wide, high) = (width / *columns as f64, height / (pixels.len() / columns) as f64);
            for (at, pixel) in pixels.iter().enumerate() {
                let (left, top) = (x + (at % columns) as f64 * wide, y + (at / columns) as f64 * high);
                let Some(rect) = Rect::from_xywh(left as f32, top as f32, wide as f32, high as f32) else { return };
                let mut paint = paint(Colour::Fixed(*pixel), dark, 1.0);
                paint.anti_alias = false;
                pixmap.fill_rect(rect, &paint, scale, None);
            }
        }
        Shape::Text { x, y, text, size, fill, anchor, turned } => {
            let width = font.width(text, *size);
            let back = match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => width / 2.0,
                Anchor::End => width,
            };
            let Some(path) = outline(font, text, *size) else { return };
            let place = scale.pre_translate(*x as f32, *y as f32);
            let place = if *turned { place.pre_rotate(-90.0) } else { place };
            let place = place.pre_translate(-back as f32, 0.0);
            pixmap.fill_path(&path, &paint(*fill, dark, 1.0), FillRule::Winding, place, None);
        }
    }
}

fn polyline(points: &[(f64, f64)], closed: bool) -> Option<tiny_skia::Path> {
    let mut builder = PathBuilder::new();
    for (at, (x, y)) in points.iter().enumerate() {
        match at {
            0 => builder.move_to(*x as f32, *y as f32),
            _ => builder.line_to(*x as f32, *y as f32),
        }
    }
    if closed {
        builder.close();
    }
    builder.finish()
}

fn outline(font: &Font, text: &str, size: f64) -> Option<tiny_skia::Path> {
    let mut builder = PathBuilder::new();
    for piece in font.outline(text, size) {
        match piece {
            Piece::Move(x, y) => builder.move_to(x, y),
            Piece::Line(x, y) => builder.line_to(x, y),
            Piece::Quad(a, b, x, y) => builder.quad_to(a, b, x, y),
            Piece::Cubic(a, b, c, d, x, y) => builder.cubic_to(a, b, c, d, x, y),
            Piece::Close => builder.close(),
        }
    }
    builder.finish()
}
