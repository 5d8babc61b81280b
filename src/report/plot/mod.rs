//! Pictures: what `plot` draws, as SVG, PNG or in the terminal.
//!
//! In: a plot of the typed tree and the values of its outputs. Out: a [`Scene`],
//! and bytes of a file. Marks of the plane share one pair of axes; each other
//! mark has a panel of its own beside them. Invariant: the same values give the
//! same bytes.

mod axes;
mod contour;
mod counts;
mod curves;
mod fields;
mod font;
mod images;
mod legend;
mod plane;
mod png;
mod scene;
mod svg;
mod terminal;

use crate::check::typed::{Mark, Plot, Series, Theme};
use crate::ir::DType;
use crate::train::Value;

use axes::{Area, TITLE};
use font::Font;
use scene::{Anchor, Colour, Scene};

/// A picture's bytes in the format that its name's ending says.
///
/// # Errors
/// The picture cannot be made: one line.
pub fn bytes(plot: &Plot, outputs: &[Value], png_wanted: bool) -> Result<Vec<u8>, String> {
    let font = Font::new();
    let scene = draw(plot, outputs, &font);
    match png_wanted {
        true => png::write(&scene, &font, plot.theme == Theme::Dark),
        false => Ok(svg::write(&scene, plot.theme).into_bytes()),
    }
}

pub use terminal::text;

/// Values of a picture.
#[derive(Clone, Copy)]
struct Values<'a> {
    outputs: &'a [Value],
}

impl Values<'_> {
    /// The numbers of a series.
    fn numbers(&self, series: &Series) -> Vec<f64> {
        let Some(value) = self.outputs.get(series.output) else { return Vec::new() };
        let number = |word: &u32| match value.ty.dtype {
            DType::F32 => f64::from(f32::from_bits(*word)),
            DType::I32 => f64::from(*word as i32),
            DType::Bool => f64::from(u8::from(*word != 0)),
        };
        value.words.iter().map(number).collect()
    }

    fn shape(&self, series: &Series) -> &[usize] {
        self.outputs.get(series.output).map_or(&[], |value| &value.ty.shape)
    }

    /// The group of each row and the groups' names, in the order of class numbers or of values.
    fn groups(&self, series: &Series) -> (Vec<usize>, Vec<String>) {
        let numbers = self.numbers(series);
        let mut distinct: Vec<f64> = Vec::new();
        for &number in &numbers {
            if !distinct.contains(&number) && distinct.len() < 200 {
                distinct.push(number);
            }
        }
        distinct.sort_by(f64::total_cmp);
        let place = |number: &f64| distinct.iter().position(|known| known == number).unwrap_or(0);
        let name = |number: &f64| match &series.classes {
            Some(names) => names.get(*number as usize).cloned().unwrap_or_else(|| axes::short(*number)),
            None => axes::short(*number),
        };
        (numbers.iter().map(place).collect(), distinct.iter().map(name).collect())
    }
}

/// Marks that share axes.
enum Panel<'a> {
    Plane(Vec<&'a Mark>),
    Rates(Vec<&'a Mark>),
    Own(&'a Mark),
}

fn panels(marks: &[Mark]) -> Vec<Panel<'_>> {
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for mark in marks {
        match mark {
            Mark::Line { .. }
            | Mark::Scatter { .. }
            | Mark::Rules { .. }
            | Mark::Contours { .. }
            | Mark::Boundary { .. } => {
                match panels
                    .iter_mut()
                    .find_map(|panel| if let Panel::Plane(marks) = panel { Some(marks) } else { None })
                {
                    Some(marks) => marks.push(mark),
                    None => panels.push(Panel::Plane(vec![mark])),
                }
            }
            Mark::Roc { .. } | Mark::Pr { .. } => {
                let kind = std::mem::discriminant(mark);
                let alike = |panel| match panel {
                    &mut Panel::Rates(ref mut marks) if std::mem::discriminant(marks[0]) == kind => Some(marks),
                    Panel::Plane(_) | Panel::Rates(_) | Panel::Own(_) => None,
                };
                match panels.iter_mut().find_map(alike) {
                    Some(marks) => marks.push(mark),
                    None => panels.push(Panel::Rates(vec![mark])),
                }
            }
            Mark::Confusion { .. } | Mark::ImageGrid { .. } | Mark::Bars { .. } | Mark::Histogram { .. } => {
                panels.push(Panel::Own(mark));
            }
            Mark::Box { .. } => panels.push(Panel::Own(mark)),
        }
    }
    panels
}

/// Width and height that a panel likes.
fn size(plot: &Plot, panel: &Panel<'_>, values: Values<'_>) -> (f64, f64) {
    match panel {
        Panel::Plane(_) => (680.0, 430.0),
        Panel::Rates(_) => (430.0, 430.0),
        Panel::Own(Mark::Confusion { predicted, label }) => {
            let count = counts::classes(values, predicted, label).len() as f64;
            let side = (count * 46.0).clamp(220.0, 900.0);
            (side + 160.0, side + 110.0)
        }
        Panel::Own(Mark::ImageGrid { images, columns, by, names }) => {
            images::size(plot, values, (images, *columns), by.is_some() || !names.is_empty())
        }
        Panel::Own(Mark::Bars { .. } | Mark::Histogram { .. } | Mark::Box { .. }) => (640.0, 410.0),
        Panel::Own(_) => (640.0, 410.0),
    }
}

fn draw(plot: &Plot, outputs: &[Value], font: &Font) -> Scene {
    let values = Values { outputs };
    let panels = panels(&plot.marks);
    let sizes: Vec<(f64, f64)> = panels.iter().map(|panel| size(plot, panel, values)).collect();
    let columns = if panels.len() == 3 { 3 } else { panels.len().min(2) }.max(1);
    let rows: Vec<&[(f64, f64)]> = sizes.chunks(columns).collect();
    let width = rows.iter().map(|row| row.iter().map(|size| size.0).sum()).fold(300.0, f64::max);
    let heights: Vec<f64> = rows.iter().map(|row| row.iter().map(|size| size.1).fold(0.0, f64::max)).collect();
    let top = if plot.title.is_some() { 34.0 } else { 8.0 };
    let mut scene = Scene::new(width + 12.0, heights.iter().sum::<f64>() + top + 8.0);
    if let Some(title) = &plot.title {
        let text = font.fit(title, TITLE + 1.0, width - 20.0);
        scene.text(((width + 12.0) / 2.0, 25.0), &text, TITLE + 1.0, Colour::Ink, Anchor::Middle);
    }
    // A row that is narrower than the page stands in its middle.
    let start = |row: usize| {
        let wide: f64 = rows.get(row).map_or(0.0, |row| row.iter().map(|size| size.0).sum());
        6.0 + (width - wide) / 2.0
    };
    let (mut x, mut y) = (start(0), top);
    for (at, (panel, size)) in panels.iter().zip(&sizes).enumerate() {
        if at > 0 && at % columns == 0 {
            y += heights[at / columns - 1];
            x = start(at / columns);
        }
        let area = Area { x, y, width: size.0, height: size.1 };
        match panel {
            Panel::Plane(marks) => plane::draw(&mut scene, font, area, plot, marks, values),
            Panel::Rates(marks) => curves::draw(&mut scene, font, area, plot, marks, values),
            Panel::Own(mark) => own(&mut scene, font, area, plot, mark, values),
        }
        x += size.0;
    }
    scene
}

fn own(scene: &mut Scene, font: &Font, area: Area, plot: &Plot, mark: &Mark, values: Values<'_>) {
    match mark {
        Mark::Confusion { predicted, label } => {
            counts::confusion(scene, font, area, plot, (predicted, label), values);
        }
        Mark::ImageGrid { images, columns, by, names } => {
            let captions = match by {
                Some(by) => images::captions(values, by),
                None => names.clone(),
            };
            images::draw(scene, font, area, plot, values, (images, *columns), &captions);
        }
        Mark::Bars { values: series, names } => counts::bars(scene, font, area, plot, (series, names), values),
        Mark::Histogram { values: series, by, bins } => {
            counts::histogram(scene, font, area, plot, (series, by.as_ref(), *bins), values);
        }
        Mark::Box { group, value, by } => {
            counts::boxes(scene, font, area, plot, (group.as_ref(), value, by.as_ref()), values);
        }
        // These share axes and never stand alone.
        Mark::Line { .. } | Mark::Scatter { .. } | Mark::Rules { .. } => {}
        Mark::Contours { .. } | Mark::Boundary { .. } => {}
        Mark::Roc { .. } | Mark::Pr { .. } => {}
    }
}
