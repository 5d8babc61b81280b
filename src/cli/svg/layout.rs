//! Places for boxes and edges, see the room's head.
//!
//! In: sizes of boxes and which ones stand above each. Out: centres and the
//! points that edges go through. Invariant: no two boxes of a layer overlap, and
//! every operand is above its user.

/// Between neighbours of a layer.
const GAP: f64 = 22.0;
/// Between layers.
const LAYER_GAP: f64 = 44.0;
/// Sweeps of ordering and of placing.
const SWEEPS: usize = 12;

/// A point, or a size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// Where everything stands.
pub struct Layout {
    /// Centres of the boxes.
    pub places: Vec<Point>,
    /// Points of each edge, from the bottom of the operand to the top of the user.
    pub edges: Vec<Vec<Point>>,
    /// Of the whole.
    pub width: f64,
    /// Of the whole.
    pub height: f64,
}

/// A box, or the empty place of a long edge.
struct Cell {
    size: Point,
    rank: usize,
    above: Vec<usize>,
    below: Vec<usize>,
    x: f64,
}

impl Layout {
    /// Lays out boxes; operands precede their users.
    pub fn new(sizes: &[Point], operands: &[Vec<usize>]) -> Self {
        let ranks = ranks(operands);
        let mut cells: Vec<Cell> = sizes
            .iter()
            .zip(&ranks)
            .map(|(size, rank)| Cell { size: *size, rank: *rank, above: Vec::new(), below: Vec::new(), x: 0.0 })
            .collect();
        let chains = connect(&mut cells, operands);
        let mut layers = layers(&cells);
        order(&cells, &mut layers);
        place(&mut cells, &layers);
        finish(&cells, &layers, sizes.len(), &chains)
    }
}

/// One below the lowest operand; boxes without operands just above their first user.
fn ranks(operands: &[Vec<usize>]) -> Vec<usize> {
    let mut ranks = vec![0; operands.len()];
    for (at, above) in operands.iter().enumerate() {
        ranks[at] = above.iter().map(|operand| ranks[*operand] + 1).max().unwrap_or(0);
    }
    let mut first_user = vec![usize::MAX; operands.len()];
    for (at, above) in operands.iter().enumerate() {
        for operand in above {
            first_user[*operand] = first_user[*operand].min(ranks[at]);
        }
    }
    for at in 0..operands.len() {
        if operands[at].is_empty() && first_user[at] != usize::MAX {
            ranks[at] = first_user[at] - 1;
        }
    }
    ranks
}

/// Joins cells of neighbouring ranks; a long edge gets an empty cell in every rank between. Returns the cells of each edge.
fn connect(cells: &mut Vec<Cell>, operands: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut chains = Vec::new();
    for (user, above) in operands.iter().enumerate() {
        let mut distinct = above.clone();
        distinct.sort_unstable();
        distinct.dedup();
        for operand in distinct {
            let mut chain = vec![operand];
            for rank in cells[operand].rank + 1..cells[user].rank {
                chain.push(cells.len());
                let size = Point { x: 4.0, y: 0.0 };
                cells.push(Cell { size, rank, above: Vec::new(), below: Vec::new(), x: 0.0 });
            }
            chain.push(user);
            for pair in chain.windows(2) {
                cells[pair[0]].below.push(pair[1]);
                cells[pair[1]].above.push(pair[0]);
            }
            chains.push(chain);
        }
    }
    chains
}

fn layers(cells: &[Cell]) -> Vec<Vec<usize>> {
    let count = cells.iter().map(|cell| cell.rank + 1).max().unwrap_or(0);
    let mut layers = vec![Vec::new(); count];
    for (at, cell) in cells.iter().enumerate() {
        layers[cell.rank].push(at);
    }
    layers
}

/// Sorts each layer by the mean position of the neighbours above, then below, again and again; keeps the order with
/// the fewest crossings.
fn order(cells: &[Cell], layers: &mut Vec<Vec<usize>>) {
    let mut best = layers.clone();
    let mut fewest = crossings(cells, layers);
    for sweep in 0..SWEEPS {
        let downwards = sweep % 2 == 0;
        let count = layers.len();
        for step in 1..count {
            let at = if downwards { step } else { count - 1 - step };
            let next_to = if downwards { at - 1 } else { at + 1 };
            let positions = positions(cells.len(), &layers[next_to]);
            let key = |cell: &usize| {
                let neighbours = if downwards { &cells[*cell].above } else { &cells[*cell].below };
                mean(neighbours.iter().map(|neighbour| positions[*neighbour]))
            };
            let own = self::positions(cells.len(), &layers[at]);
            layers[at].sort_by(|a, b| {
                key(a).unwrap_or(own[*a]).total_cmp(&key(b).unwrap_or(own[*b])).then(own[*a].total_cmp(&own[*b]))
            });
        }
        let found = crossings(cells, layers);
        if found < fewest {
            (fewest, best) = (found, layers.clone());
        }
    }
    *layers = best;
}

fn positions(count: usize, layer: &[usize]) -> Vec<f64> {
    let mut positions = vec![0.0; count];
    for (position, cell) in layer.iter().enumerate() {
        positions[*cell] = position as f64;
    }
    positions
}

fn crossings(cells: &[Cell], layers: &[Vec<usize>]) -> usize {
    let mut total = 0;
    for pair in layers.windows(2) {
        let below = positions(cells.len(), &pair[1]);
        let ends: Vec<f64> = pair[0]
            .iter()
            .flat_map(|cell| {
                let mut ends: Vec<f64> = cells[*cell].below.iter().map(|other| below[*other]).collect();
                ends.sort_by(f64::total_cmp);
                ends
            })
            .collect();
        for (at, end) in ends.iter().enumerate() {
            total += ends[..at].iter().filter(|earlier| *earlier > end).count();
        }
    }
    total
}

/// Moves cells towards the mean of their neighbours, boxes kept apart.
fn place(cells: &mut [Cell], layers: &[Vec<usize>]) {
    for layer in layers {
        let wishes = vec![0.0; layer.len()];
        set(cells, layer, &wishes);
    }
    for sweep in 0..SWEEPS * 2 {
        let downwards = sweep % 2 == 0;
        for step in 0..layers.len() {
            let layer = &layers[if downwards { step } else { layers.len() - 1 - step }];
            let wish = |cell: &usize| {
                let own = &cells[*cell];
                let neighbours = if downwards { &own.above } else { &own.below };
                mean(neighbours.iter().map(|other| cells[*other].x)).unwrap_or(own.x)
            };
            let wishes: Vec<f64> = layer.iter().map(wish).collect();
            set(cells, layer, &wishes);
        }
    }
}

/// The places nearest to the wishes (least squares) in the given order without overlap: neighbours that would overlap
/// are joined into blocks that stand at the mean of their wishes.
fn set(cells: &mut [Cell], layer: &[usize], wishes: &[f64]) {
    let mut offsets = Vec::with_capacity(layer.len());
    let mut offset = 0.0;
    for (at, cell) in layer.iter().enumerate() {
        if at > 0 {
            offset += (cells[layer[at - 1]].size.x + cells[*cell].size.x) / 2.0 + GAP;
        }
        offsets.push(offset);
    }
    // Blocks of (sum of wishes less offsets, members); their means must not decrease.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (wish, offset) in wishes.iter().zip(&offsets) {
        blocks.push((wish - offset, 1));
        while let [.., a, b] = blocks[..]
            && a.0 / a.1 as f64 > b.0 / b.1 as f64
        {
            blocks.truncate(blocks.len() - 2);
            blocks.push((a.0 + b.0, a.1 + b.1));
        }
    }
    let starts = blocks.iter().flat_map(|(sum, members)| std::iter::repeat_n(sum / *members as f64, *members));
    for ((cell, offset), start) in layer.iter().zip(&offsets).zip(starts) {
        cells[*cell].x = start + offset;
    }
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0), |(sum, count), number| (sum + number, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn finish(cells: &[Cell], layers: &[Vec<usize>], boxes: usize, chains: &[Vec<usize>]) -> Layout {
    let left = cells.iter().map(|cell| cell.x - cell.size.x / 2.0).fold(f64::INFINITY, f64::min);
    let right = cells.iter().map(|cell| cell.x + cell.size.x / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let mut middles = Vec::with_capacity(layers.len());
    let mut top = 0.0;
    for layer in layers {
        let height = layer.iter().map(|cell| cells[*cell].size.y).fold(0.0, f64::max);
        middles.push(top + height / 2.0);
        top += height + LAYER_GAP;
    }
    let centre = |at: usize| Point { x: cells[at].x - left, y: middles[cells[at].rank] };
    let path = |chain: &Vec<usize>| -> Vec<Point> {
        let last = chain.len() - 1;
        let point = |(position, at): (usize, &usize)| {
            let (middle, half) = (centre(*at), cells[*at].size.y / 2.0);
            let y = match position {
                0 => middle.y + half,
                _ if position == last => middle.y - half,
                _ => middle.y,
            };
            Point { x: middle.x, y }
        };
        chain.iter().enumerate().map(point).collect()
    };
    Layout {
        places: (0..boxes).map(centre).collect(),
        edges: chains.iter().map(path).collect(),
        width: if cells.is_empty() { 0.0 } else { right - left },
        height: (top - LAYER_GAP).max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_a_layer_do_not_overlap_and_operands_are_above() {
        let sizes = vec![Point { x: 80.0, y: 30.0 }; 7];
        let operands = vec![vec![], vec![], vec![0, 1], vec![2, 0], vec![2, 2], vec![3, 4, 1], vec![5, 0]];
        let layout = Layout::new(&sizes, &operands);
        for (a, one) in layout.places.iter().enumerate() {
            for other in &layout.places[..a] {
                let apart = (one.y - other.y).abs() > 30.0 || (one.x - other.x).abs() > 80.0;
                assert!(apart, "{one:?} {other:?}");
            }
            operands[a].iter().for_each(|operand| assert!(layout.places[*operand].y < one.y));
        }
        assert_eq!(layout.edges.len(), 11 - 1, "an operand used twice has one edge");
    }
}
