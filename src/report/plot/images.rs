//! Images side by side.

use super::Values;
use super::axes::{Area, LABEL, SMALL};
use super::font::Font;
use super::scene::{Anchor, Colour, Scene, Shape};
use crate::check::typed::{Plot, Series};

/// Distance between images.
const GAP: f64 = 6.0;
/// Room for a caption.
const CAPTION: f64 = 16.0;

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
    // A few small images are shown large.
    let side = match columns {
        1 => 300.0,
        2..=4 => 140.0,
        _ => 90.0,
    };
    let scale =
        (room / width.max(1) as f64).clamp(0.5, 40.0).min(side / (width.min(height).max(1) as f64).min(side)).max(1.0);
    Layout { count, channels, height, width, columns, scale }
}

/// Room for labels at the left and below.
fn sides(plot: &Plot) -> (f64, f64) {
    let room = |label: &Option<String>| if label.is_some() { 22.0 } else { 0.0 };
    (room(&plot.y_label), room(&plot.x_label))
}

/// The size that a grid of images likes.
pub fn size(
    plot: &Plot,
    values: Values<'_>,
    (images, columns): (&Series, Option<usize>),
    captions: bool,
) -> (f64, f64) {
    let layout = layout(values, images, columns);
    let rows = layout.count.div_ceil(layout.columns);
    let length = |count: usize, pixels: usize| count as f64 * (pixels as f64 * layout.scale + GAP) + GAP + 12.0;
    let captions = if captions { rows as f64 * CAPTION } else { 0.0 };
    let (left, below) = sides(plot);
    (length(layout.columns, layout.width) + left, length(rows, layout.height) + captions + below)
}

/// The class of each image.
pub fn captions(values: Values<'_>, by: &Series) -> Vec<String> {
    let (group, names) = values.groups(by);
    group.into_iter().filter_map(|at| names.get(at).cloned()).collect()
}

/// Draws them: what is in 0..1 as it is, all else from its least to its largest value.
pub fn draw(
    scene: &mut Scene,
    font: &Font,
    area: Area,
    plot: &Plot,
    values: Values<'_>,
    (images, columns): (&Series, Option<usize>),
    captions: &[String],
) {
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
        let x = area.x + sides(plot).0 + 6.0 + GAP + (at % layout.columns) as f64 * (wide + GAP);
        let caption = if captions.is_empty() { 0.0 } else { CAPTION };
        let y = area.y + GAP + (at / layout.columns) as f64 * (high + GAP + caption);
        let pixels = (0..plane).map(pixel).collect();
        scene.shapes.push(Shape::Image { x, y, width: wide, height: high, columns: layout.width, pixels });
        scene.shapes.push(Shape::Frame { x, y, width: wide, height: high, stroke: Colour::Grid, width_of_line: 1.0 });
        if let Some(caption) = captions.get(at) {
            let text = font.fit(caption, SMALL, wide + GAP);
            scene.text((x + wide / 2.0, y + high + 12.0), &text, SMALL, Colour::Muted, Anchor::Middle);
        }
    }
    labels(scene, font, area, plot);
}

/// What the rows and columns of the grid (or of a single image) are.
fn labels(scene: &mut Scene, font: &Font, area: Area, plot: &Plot) {
    let (left, below) = sides(plot);
    if let Some(label) = &plot.x_label {
        let text = font.fit(label, LABEL, area.width);
        let at = (area.x + left + (area.width - left) / 2.0, area.y + area.height - 8.0);
        scene.text(at, &text, LABEL, Colour::Ink, Anchor::Middle);
    }
    if let Some(label) = &plot.y_label {
        scene.shapes.push(Shape::Text {
            x: area.x + 16.0,
            y: area.y + (area.height - below) / 2.0,
            text: font.fit(label, LABEL, area.height),
            size: LABEL,
            fill: Colour::Ink,
            anchor: Anchor::Middle,
            turned: true,
        });
    }
}
