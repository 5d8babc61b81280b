//! Images side by side.

use super::Values;
use super::axes::Area;
use super::scene::{Colour, Scene, Shape};
use crate::check::typed::Series;

/// Distance between images.
const GAP: f64 = 6.0;

struct Layout {
    count: usize,
    channels: usize,
    height: usize,
    width: usize,
    columns: usize,
    /// Pixels of the page for one of the image.
    scale: f64,
}

fn layout(values: Values<'_>, images: &Series, columns: Option<usize>) -> Layout {
    let (count, channels, height, width) = match *values.shape(images) {
        [height, width] => (1, 1, height, width),
        [count, height, width] => (count, 1, height, width),
        [count, channels, height, width] => (count, channels, height, width),
        _ => (0, 1, 1, 1),
    };
    let columns = columns.unwrap_or_else(|| (count as f64).sqrt().ceil() as usize).clamp(1, count.max(1));
    let room = 560.0 / columns as f64 - GAP;
    let scale =
        (room / width.max(1) as f64).clamp(0.5, 24.0).min(90.0 / (width.min(height).max(1) as f64).min(90.0)).max(1.0);
    Layout { count, channels, height, width, columns, scale }
}

/// The size that a grid of images likes.
pub fn size(values: Values<'_>, images: &Series, columns: Option<usize>) -> (f64, f64) {
    let layout = layout(values, images, columns);
    let rows = layout.count.div_ceil(layout.columns);
    let length = |count: usize, pixels: usize| count as f64 * (pixels as f64 * layout.scale + GAP) + GAP + 12.0;
    (length(layout.columns, layout.width), length(rows, layout.height))
}

/// Draws them: what is in 0..1 as it is, all else from its least to its largest value.
pub fn draw(scene: &mut Scene, area: Area, values: Values<'_>, images: &Series, columns: Option<usize>) {
    let layout = layout(values, images, columns);
    let numbers = values.numbers(images);
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if low >= 0.0 && high <= 1.0 && high > 0.05 { (0.0, 1.0) } else { (low, high) };
    let grey = |number: f64| ((number - low) / (high - low).max(1e-12) * 255.0).round().clamp(0.0, 255.0) as u8;
    let plane = layout.height * layout.width;
    for at in 0..layout.count {
        let image = &numbers[at * layout.channels * plane..(at + 1) * layout.channels * plane];
        let pixel = |place: usize| match layout.channels {
            3 => [grey(image[place]), grey(image[plane + place]), grey(image[2 * plane + place])],
            _ => [grey(image[place]); 3],
        };
        let (wide, high) = (layout.width as f64 * layout.scale, layout.height as f64 * layout.scale);
        let x = area.x + GAP + (at % layout.columns) as f64 * (wide + GAP);
        let y = area.y + GAP + (at / layout.columns) as f64 * (high + GAP);
        let pixels = (0..plane).map(pixel).collect();
        scene.shapes.push(Shape::Image { x, y, width: wide, height: high, columns: layout.width, pixels });
        scene.shapes.push(Shape::Frame { x, y, width: wide, height: high, stroke: Colour::Grid, width_of_line: 1.0 });
    }
}
