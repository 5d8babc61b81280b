//! A scene as SVG.
//!
//! Colours are classes, so that a picture follows the reader's light or dark
//! mode where no theme was asked for. Text stays text, in the reader's own sans
//! serif. The bytes depend on the scene alone.

use std::fmt::Write as _;

use super::scene::{Anchor, Colour, ROLES, Scene, Shape, corners, role_value};
use crate::check::typed::Theme;

/// The text of the file.
pub fn write(scene: &Scene, theme: Theme) -> String {
    let (width, height) = (scene.width, scene.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" \
         font-family=\"'DejaVu Sans', Verdana, sans-serif\">\n<style>\n",
        number(width),
        number(height)
    );
    out += &style(theme == Theme::Dark);
    if theme == Theme::Auto {
        let _ = write!(out, "@media (prefers-color-scheme: dark) {{\n{}}}\n", style(true));
    }
    out += "</style>\n";
    let _ = writeln!(out, "<rect class=\"f0\" width=\"{}\" height=\"{}\"/>", number(width), number(height));
    for shape in &scene.shapes {
        write_shape(&mut out, shape);
    }
    out += "</svg>\n";
    out
}

fn style(dark: bool) -> String {
    let line = |role: usize| {
        let [r, g, b] = role_value(role, dark);
        format!(".f{role}{{fill:#{r:02x}{g:02x}{b:02x}}}.s{role}{{stroke:#{r:02x}{g:02x}{b:02x}}}\n")
    };
    (0..ROLES).map(line).collect()
}

fn write_shape(out: &mut String, shape: &Shape) {
    let _ = match shape {
        Shape::Rect { x, y, width, height, fill, opacity } => writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}{}{}/>",
            number(*x),
            number(*y),
            number(*width),
            number(*height),
            filled(*fill),
            see_through(*opacity),
            // Cells side by side show no seams.
            if matches!(fill, Colour::Fixed(_)) || *opacity < 1.0 { " shape-rendering=\"crispEdges\"" } else { "" }
        ),
        Shape::Frame { x, y, width, height, stroke, width_of_line } => writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\"{} stroke-width=\"{}\"/>",
            number(*x),
            number(*y),
            number(*width),
            number(*height),
            stroked(*stroke),
            number(*width_of_line)
        ),
        Shape::Path { points, stroke, width, dash, opacity } => {
            let places: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect();
            let dash =
                dash.map_or(String::new(), |[a, b]| format!(" stroke-dasharray=\"{} {}\"", number(a), number(b)));
            writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\"{} stroke-width=\"{}\" stroke-linejoin=\"round\" \
                 stroke-linecap=\"round\"{dash}{}/>",
                places.join(" "),
                stroked(*stroke),
                number(*width),
                see_through(*opacity)
            )
        }
        Shape::Dot { x, y, radius, fill, mark } => {
            let rim = "stroke-width=\"0.8\"";
            match corners(*mark, (*x, *y), *radius) {
                points if points.is_empty() => writeln!(
                    out,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}{} {rim}/>",
                    number(*x),
                    number(*y),
                    number(*radius),
                    classes(&[fill_class(*fill).as_deref(), Some("s0")]),
                    fixed_fill(*fill)
                ),
                points => {
                    let places: Vec<String> =
                        points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect();
                    writeln!(
                        out,
                        "<polygon points=\"{}\"{}{} {rim}/>",
                        places.join(" "),
                        classes(&[fill_class(*fill).as_deref(), Some("s0")]),
                        fixed_fill(*fill)
                    )
                }
            }
        }
        Shape::Image { x, y, width, height, columns, pixels } => {
            let (columns, pixels) = enlarged(*columns, pixels, (*width / *columns as f64) as usize);
            let data = super::png::encode(columns, &pixels).map(|bytes| base64(&bytes)).unwrap_or_default();
            writeln!(
                out,
                "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
                 style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>",
                number(*x),
                number(*y),
                number(*width),
                number(*height)
            )
        }
        Shape::Text { x, y, text, size, fill, anchor, turned } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let turn = match turned {
                true => format!(" transform=\"rotate(-90 {} {})\"", number(*x), number(*y)),
                false => String::new(),
            };
            writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{}{anchor}{turn}>{}</text>",
                number(*x),
                number(*y),
                number(*size),
                filled(*fill),
                escaped(text)
            )
        }
    };
}

/// An image with each pixel repeated: some viewers blur small ones, whatever they are asked.
fn enlarged(columns: usize, pixels: &[[u8; 3]], times: usize) -> (usize, Vec<[u8; 3]>) {
    let times = times.clamp(1, 512 / columns.clamp(1, 512));
    let rows = pixels.chunks(columns.max(1));
    let wide =
        |row: &[[u8; 3]]| -> Vec<[u8; 3]> { row.iter().flat_map(|pixel| std::iter::repeat_n(*pixel, times)).collect() };
    (columns * times, rows.flat_map(|row| wide(row).repeat(times)).collect())
}

fn fill_class(colour: Colour) -> Option<String> {
    colour.role().map(|role| format!("f{role}"))
}

fn fixed_fill(colour: Colour) -> String {
    match colour {
        Colour::Fixed([r, g, b]) => format!(" fill=\"#{r:02x}{g:02x}{b:02x}\""),
        Colour::Page | Colour::Ink | Colour::Muted | Colour::Grid | Colour::Series(_) => String::new(),
    }
}

fn classes(names: &[Option<&str>]) -> String {
    let names: Vec<&str> = names.iter().flatten().copied().collect();
    format!(" class=\"{}\"", names.join(" "))
}

fn filled(colour: Colour) -> String {
    match fill_class(colour) {
        Some(class) => format!(" class=\"{class}\""),
        None => fixed_fill(colour),
    }
}

fn stroked(colour: Colour) -> String {
    match (colour, colour.role()) {
        (Colour::Fixed([r, g, b]), _) => format!(" stroke=\"#{r:02x}{g:02x}{b:02x}\""),
        (_, Some(role)) => format!(" class=\"s{role}\""),
        (_, None) => String::new(),
    }
}

fn see_through(opacity: f64) -> String {
    if opacity < 1.0 { format!(" opacity=\"{}\"", number(opacity)) } else { String::new() }
}

/// Hundredths of a pixel are enough.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            match at <= group.len() {
                true => out.push(char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63])),
                false => out.push('='),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_others_write_it() {
        assert_eq!(["", "f", "fo", "foo"].map(|text| base64(text.as_bytes())), ["", "Zg==", "Zm8=", "Zm9v"]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 0.5, -0.001, 12.345].map(number), ["1", "0.5", "0", "12.35"].map(str::to_string));
    }
}
