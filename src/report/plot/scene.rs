//! A drawing: shapes on a page of a fixed size, in colours by their role.
//!
//! Both writers ([`super::svg`], [`super::png`]) draw the same scene, so that a
//! picture looks alike in both. Invariant: coordinates are pixels from the upper
//! left corner; what a role looks like is decided by [`Colours`] alone.

/// A colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Colour {
    /// The page.
    Page,
    /// Text and axes.
    Ink,
    /// Smaller text.
    Muted,
    /// Lines of the grid.
    Grid,
    /// Of a series, in order.
    Series(usize),
    /// The same whatever the page.
    Fixed([u8; 3]),
}

/// Names, light and dark values of the series: Okabe and Ito's colours, which people with any colour vision can tell
/// apart, a little lighter or darker where a page needs it.
pub const SERIES: [(&str, [u8; 3], [u8; 3]); 8] = [
    ("blue", [0x00, 0x72, 0xb2], [0x56, 0xb4, 0xe9]),
    ("vermilion", [0xd5, 0x5e, 0x00], [0xf0, 0x7c, 0x2e]),
    ("green", [0x00, 0x9e, 0x73], [0x1f, 0xc4, 0x96]),
    ("purple", [0xcc, 0x79, 0xa7], [0xe0, 0x94, 0xc0]),
    ("orange", [0xe6, 0x9f, 0x00], [0xf5, 0xb9, 0x35]),
    ("sky", [0x56, 0xb4, 0xe9], [0x3d, 0x8f, 0xd6]),
    ("black", [0x33, 0x33, 0x33], [0xdd, 0xdd, 0xdd]),
    ("yellow", [0xb8, 0xab, 0x18], [0xf0, 0xe4, 0x42]),
];

/// Roles by number: how the writers name them.
pub const ROLES: usize = 4 + SERIES.len();

impl Colour {
    /// The number of its role, if it has one.
    pub fn role(self) -> Option<usize> {
        match self {
            Colour::Page => Some(0),
            Colour::Ink => Some(1),
            Colour::Muted => Some(2),
            Colour::Grid => Some(3),
            Colour::Series(at) => Some(4 + at % SERIES.len()),
            Colour::Fixed(_) => None,
        }
    }

    /// Its value on a page.
    pub fn value(self, dark: bool) -> [u8; 3] {
        match self {
            Colour::Fixed(value) => value,
            Colour::Page | Colour::Ink | Colour::Muted | Colour::Grid | Colour::Series(_) => {
                role_value(self.role().unwrap_or(1), dark)
            }
        }
    }
}

/// What a role looks like.
pub fn role_value(role: usize, dark: bool) -> [u8; 3] {
    match (role, dark) {
        (0, false) => [0xff, 0xff, 0xff],
        (0, true) => [0x16, 0x18, 0x1d],
        (1, false) => [0x1f, 0x23, 0x28],
        (1, true) => [0xe8, 0xea, 0xed],
        (2, false) => [0x57, 0x5e, 0x67],
        (2, true) => [0xa7, 0xae, 0xb8],
        (3, false) => [0xe1, 0xe4, 0xe8],
        (3, true) => [0x33, 0x38, 0x40],
        (series, false) => SERIES[(series - 4) % SERIES.len()].1,
        (series, true) => SERIES[(series - 4) % SERIES.len()].2,
    }
}

/// Where a text stands with respect to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// It is centred there.
    Middle,
    /// It ends there.
    End,
}

/// A shape.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A filled rectangle.
    Rect { x: f64, y: f64, width: f64, height: f64, fill: Colour, opacity: f64 },
    /// The outline of a rectangle.
    Frame { x: f64, y: f64, width: f64, height: f64, stroke: Colour, width_of_line: f64 },
    /// A line through points; dashes are lengths of line and gap.
    Path { points: Vec<(f64, f64)>, stroke: Colour, width: f64, dash: Option<[f64; 2]>, opacity: f64 },
    /// A filled point with a rim in the colour of the page.
    Dot { x: f64, y: f64, radius: f64, fill: Colour, mark: usize },
    /// An image, row by row.
    Image { x: f64, y: f64, width: f64, height: f64, columns: usize, pixels: Vec<[u8; 3]> },
    /// Text; turned ones read upwards.
    Text { x: f64, y: f64, text: String, size: f64, fill: Colour, anchor: Anchor, turned: bool },
}

/// A page with its shapes, the first below the others.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// What is on it.
    pub shapes: Vec<Shape>,
}

impl Scene {
    /// An empty page.
    pub fn new(width: f64, height: f64) -> Self {
        Scene { width, height, shapes: Vec::new() }
    }

    /// A filled rectangle.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: Colour, opacity: f64) {
        self.shapes.push(Shape::Rect { x, y, width, height, fill, opacity });
    }

    /// A line.
    pub fn path(&mut self, points: Vec<(f64, f64)>, stroke: Colour, width: f64) {
        self.shapes.push(Shape::Path { points, stroke, width, dash: None, opacity: 1.0 });
    }

    /// Upright text.
    pub fn text(&mut self, (x, y): (f64, f64), text: &str, size: f64, fill: Colour, anchor: Anchor) {
        self.shapes.push(Shape::Text { x, y, text: text.to_string(), size, fill, anchor, turned: false });
    }
}

/// Corners of a mark around a point, by number: a disc has none.
pub fn corners(mark: usize, (x, y): (f64, f64), radius: f64) -> Vec<(f64, f64)> {
    let r = radius * 1.15;
    match mark % 4 {
        0 => Vec::new(),
        1 => vec![
            (x - r * 0.9, y - r * 0.9),
            (x + r * 0.9, y - r * 0.9),
            (x + r * 0.9, y + r * 0.9),
            (x - r * 0.9, y + r * 0.9),
        ],
        2 => vec![(x, y - r * 1.2), (x + r * 1.1, y + r * 0.8), (x - r * 1.1, y + r * 0.8)],
        _ => vec![(x, y - r * 1.25), (x + r * 1.25, y), (x, y + r * 1.25), (x - r * 1.25, y)],
    }
}
