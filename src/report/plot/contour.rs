//! Lines of equal height on a square grid (marching squares).
//!
//! In: values row by row from the lower left. Out: lines in units of cells.
//! Invariant: a line passes each side of a cell where the two corners' values
//! enclose the level, in proportion; pieces are joined to lines as long as they go.

use std::collections::BTreeMap;

/// A side of a cell: its lower or left corner, and whether it goes up.
type Edge = (usize, usize, bool);

/// The lines at a level.
pub fn lines(values: &[f64], side: usize, level: f64) -> Vec<Vec<(f64, f64)>> {
    let value = |x: usize, y: usize| values.get(y * side + x).copied().unwrap_or(f64::NAN);
    let mut near: BTreeMap<Edge, Vec<Edge>> = BTreeMap::new();
    for y in 0..side.saturating_sub(1) {
        for x in 0..side - 1 {
            let corners = [value(x, y), value(x + 1, y), value(x + 1, y + 1), value(x, y + 1)];
            if corners.iter().any(|corner| !corner.is_finite()) {
                continue;
            }
            let middle = corners.iter().sum::<f64>() / 4.0 > level;
            for (a, b) in pieces(corners.map(|corner| corner > level), middle) {
                let (a, b) = (edge(x, y, a), edge(x, y, b));
                near.entry(a).or_default().push(b);
                near.entry(b).or_default().push(a);
            }
        }
    }
    let point = |(x, y, up): Edge| {
        let (from, to) = (value(x, y), if up { value(x, y + 1) } else { value(x + 1, y) });
        let part = (level - from) / (to - from);
        if up { (x as f64, y as f64 + part) } else { (x as f64 + part, y as f64) }
    };
    let mut lines = Vec::new();
    // Lines with ends first: what is left are rings.
    let ends: Vec<Edge> = near.iter().filter(|(_, others)| others.len() == 1).map(|(edge, _)| *edge).collect();
    let all: Vec<Edge> = near.keys().copied().collect();
    for start in ends.into_iter().chain(all) {
        let mut line = vec![start];
        let mut at = start;
        while let Some(next) = near.get_mut(&at).and_then(Vec::pop) {
            if let Some(back) = near.get_mut(&next)
                && let Some(place) = back.iter().position(|edge| *edge == at)
            {
                back.remove(place);
            }
            line.push(next);
            at = next;
        }
        if line.len() > 1 {
            lines.push(line.into_iter().map(point).collect());
        }
    }
    lines
}

/// Which sides of a cell (0 below, 1 right, 2 above, 3 left) are joined; in a saddle the middle decides.
fn pieces(above: [bool; 4], middle: bool) -> Vec<(usize, usize)> {
    let crossed: Vec<usize> = (0..4).filter(|&side| above[side] != above[(side + 1) % 4]).collect();
    match crossed.as_slice() {
        [a, b] => vec![(*a, *b)],
        [_, _, _, _] if above[0] == middle => vec![(0, 1), (2, 3)],
        [_, _, _, _] => vec![(3, 0), (1, 2)],
        _ => Vec::new(),
    }
}

fn edge(x: usize, y: usize, side: usize) -> Edge {
    match side {
        0 => (x, y, false),
        1 => (x + 1, y, true),
        2 => (x, y + 1, false),
        _ => (x, y, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_has_one_straight_line_and_a_hill_a_ring() {
        let slope: Vec<f64> = (0..9).map(|at| f64::from(at % 3)).collect();
        assert_eq!(lines(&slope, 3, 0.5), vec![vec![(0.5, 0.0), (0.5, 1.0), (0.5, 2.0)]]);
        let hill = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let rings = lines(&hill, 3, 0.5);
        assert_eq!(rings.len(), 1);
        assert_eq!((rings[0].len(), rings[0][0]), (5, rings[0][4]));
    }
}
