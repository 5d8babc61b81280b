#![allow(clippy::needless_range_loop)] // A plain loop goes by number.

//! Plain loops in Rust: one that only moves bytes, and for primitives with work of their own one that does that work,
//! as a reader of the definition would write it.

use std::hint::black_box;

/// Reads and writes so many elements, in the plainest way.
pub struct Moves {
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Moves {
    pub fn new(read: usize, written: usize) -> Moves {
        Moves { from: vec![0.5; read], to: vec![0.25; written] }
    }

    #[allow(clippy::needless_range_loop)]
    pub fn run(&mut self) {
        const LANES: usize = 32;
        // By index: calls of adapters of iterators may stay calls, depending on the units that the compiler makes.
        let both = self.from.len().min(self.to.len());
        let (copied, read) = self.from.split_at(both);
        let (target, filled) = self.to.split_at_mut(both);
        for at in 0..both {
            target[at] = copied[at] + 1.0;
        }
        filled.fill(black_box(0.5));
        let mut sums = [0.0f32; LANES];
        let mut at = 0;
        while at + LANES <= read.len() {
            let block = &read[at..at + LANES];
            for lane in 0..LANES {
                sums[lane] += block[lane];
            }
            at += LANES;
        }
        black_box(sums);
        black_box(&mut self.to);
    }
}

/// Operands of a loop, each as both types (only one of which means something), and its result.
pub struct Work {
    pub floats: Vec<Vec<f32>>,
    pub ints: Vec<Vec<i32>>,
    pub to: Vec<f32>,
    pub order: Vec<i32>,
    pub rows: usize,
    pub columns: usize,
}

pub type Loop = fn(&mut Work);

/// The loop that does what the case of this name does; `None` where [`Moves`] is all there is to do.
pub fn same(name: &str) -> Option<Loop> {
    Some(match name {
        "sqrt" => |w| map(w, f32::sqrt),
        "exp" => |w| map(w, f32::exp),
        "log" => |w| map(w, f32::ln),
        "sin" => |w| map(w, f32::sin),
        "cos" => |w| map(w, f32::cos),
        "softplus" => |w| map(w, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        "tanh" => |w| map(w, f32::tanh),
        "logistic" => |w| map(w, |x| 1.0 / (1.0 + (-x).exp())),
        "div" => |w| pairs(w, |a, b| a / b),
        "rem" => |w| pairs(w, |a, b| a - (a / b).floor() * b),
        "pow" => |w| pairs(w, f32::powf),
        "div i32" => |w| {
            for at in 0..w.order.len() {
                let b = w.ints[1][at];
                w.order[at] = if b == 0 { 0 } else { w.ints[0][at].wrapping_div(b) };
            }
        },
        "transpose" => |w| {
            let (x, rows, columns) = (&w.floats[0], w.rows, w.columns);
            for i in 0..columns {
                for j in 0..rows {
                    w.to[i * rows + j] = x[j * columns + i];
                }
            }
        },
        "transpose heads" => |w| heads(w, false),
        "transpose keys" => |w| heads(w, true),
        "unslice: dilate" => |w| {
            w.to.fill(0.0);
            for at in 0..w.floats[0].len() {
                w.to[2 * at] = w.floats[0][at];
            }
        },
        "unfold 3 by 1" => |w| {
            let half = w.columns / 2;
            for row in 0..w.rows {
                let x = &w.floats[0][row * half..][..half];
                for out in 0..half {
                    for tap in 0..3 {
                        let at = (out + tap).wrapping_sub(1);
                        w.to[(row * half + out) * 3 + tap] = if at < half { x[at] } else { 0.0 };
                    }
                }
            }
        },
        "fold 3 by 1" => |w| {
            let half = w.columns / 2;
            w.to.fill(0.0);
            for row in 0..w.rows {
                for out in 0..half {
                    for tap in 0..3 {
                        let at = (out + tap).wrapping_sub(1);
                        if at < half {
                            w.to[row * half + at] += w.floats[0][(row * half + out) * 3 + tap];
                        }
                    }
                }
            }
        },
        "sum rows" | "contract dots" | "contract vector" | "max_of rows" => reduce_rows(name),
        "sum all" => |w| w.to[0] = w.floats[0].iter().sum(),
        "sum columns" => |w| columns(w, 0.0, |sum, x| sum + x),
        "max_of columns" => |w| columns(w, f32::NEG_INFINITY, f32::max),
        "sum of channels 49" => |w| {
            let channels = w.columns / 32;
            w.to.fill(0.0);
            for (at, x) in w.floats[0].chunks_exact(49).enumerate() {
                w.to[at % channels] += x.iter().sum::<f32>();
            }
        },
        "max_of pool" => |w| {
            let (rows, columns) = (w.rows / 4, w.columns);
            for row in 0..rows {
                for at in 0..columns {
                    let x = |i: usize, j: usize| w.floats[0][((row * 2 + i) * columns + at) * 2 + j];
                    w.to[row * columns + at] = x(0, 0).max(x(0, 1)).max(x(1, 0)).max(x(1, 1));
                }
            }
        },
        "contract vector left" => |w| {
            w.to.fill(0.0);
            for row in 0..w.rows {
                let (a, x) = (w.floats[0][row], &w.floats[1][row * w.columns..][..w.columns]);
                w.to.iter_mut().zip(x).for_each(|(to, x)| *to += a * x);
            }
        },
        "contract 64" => |w| {
            w.to.fill(0.0);
            product(&w.floats[0], &w.floats[1], &mut w.to, w.columns, 64);
        },
        "contract heads" => |w| {
            w.to.fill(0.0);
            for head in 0..16 {
                let (a, b) = (&w.floats[0][head * 2048..][..2048], &w.floats[1][head * 2048..][..2048]);
                product(a, b, &mut w.to[head * 4096..][..4096], 32, 64);
            }
        },
        "gather rows" => |w| {
            for row in 0..w.rows {
                let from = w.ints[1][row] as usize * w.columns;
                w.to[row * w.columns..][..w.columns].copy_from_slice(&w.floats[0][from..][..w.columns]);
            }
        },
        "gather elements" => |w| {
            for (to, at) in w.to.iter_mut().zip(&w.ints[1]) {
                *to = w.floats[0][*at as usize];
            }
        },
        "scatter_add rows" => |w| {
            w.to.fill(0.0);
            for row in 0..w.rows {
                let to = &mut w.to[w.ints[1][row] as usize * w.columns..][..w.columns];
                let x = &w.floats[0][row * w.columns..][..w.columns];
                to.iter_mut().zip(x).for_each(|(to, x)| *to += x);
            }
        },
        "scatter_add elements" => |w| {
            w.to.fill(0.0);
            for (x, at) in w.floats[0].iter().zip(&w.ints[1]) {
                w.to[*at as usize] += x;
            }
        },
        "argsort" => |w| {
            for row in 0..w.rows {
                let keys = &w.floats[0][row * w.columns..][..w.columns];
                let order = &mut w.order[row * w.columns..][..w.columns];
                order.iter_mut().enumerate().for_each(|(at, place)| *place = at as i32);
                order.sort_by(|a, b| keys[*a as usize].total_cmp(&keys[*b as usize]));
            }
        },
        "scan: cumsum of rows" => |w| {
            let mut sums = w.floats[0].clone();
            for row in 0..w.rows {
                let x = &w.floats[1][row * w.columns..][..w.columns];
                let to = &mut w.to[row * w.columns..][..w.columns];
                for (to, (sum, x)) in to.iter_mut().zip(sums.iter_mut().zip(x)) {
                    *sum += x;
                    *to = *sum;
                }
            }
        },
        "scan: cumsum" => |w| {
            let mut sum = w.floats[0][0];
            for (to, x) in w.to.iter_mut().zip(&w.floats[1]) {
                sum += x;
                *to = sum;
            }
        },
        _ => return None,
    })
}

fn map(w: &mut Work, of: impl Fn(f32) -> f32) {
    for (to, x) in w.to.iter_mut().zip(&w.floats[0]) {
        *to = of(*x);
    }
}

fn pairs(w: &mut Work, of: impl Fn(f32, f32) -> f32) {
    for (to, (a, b)) in w.to.iter_mut().zip(w.floats[0].iter().zip(&w.floats[1])) {
        *to = of(*a, *b);
    }
}

fn heads(w: &mut Work, keys: bool) {
    let (times, size) = (w.rows / 4, w.columns / 8);
    for batch in 0..4 {
        for head in 0..8 {
            for time in 0..times {
                for at in 0..size {
                    let to = if keys { at * times + time } else { time * size + at };
                    w.to[(batch * 8 + head) * times * size + to] =
                        w.floats[0][((batch * times + time) * 8 + head) * size + at];
                }
            }
        }
    }
}

fn reduce_rows(name: &str) -> Loop {
    match name {
        "sum rows" => |w| rows(w, |_, x| x.iter().sum()),
        "max_of rows" => |w| rows(w, |_, x| x.iter().copied().fold(f32::NEG_INFINITY, f32::max)),
        "contract dots" => |w| {
            let b = std::mem::take(&mut w.floats[1]);
            let columns = w.columns;
            rows(w, |row, x| x.iter().zip(&b[row * columns..]).map(|(a, b)| a * b).sum());
            w.floats[1] = b;
        },
        _ => |w| {
            let b = std::mem::take(&mut w.floats[1]);
            rows(w, |_, x| x.iter().zip(&b).map(|(a, b)| a * b).sum());
            w.floats[1] = b;
        },
    }
}

fn rows(w: &mut Work, of: impl Fn(usize, &[f32]) -> f32) {
    for row in 0..w.rows {
        w.to[row] = of(row, &w.floats[0][row * w.columns..][..w.columns]);
    }
}

fn columns(w: &mut Work, start: f32, of: impl Fn(f32, f32) -> f32) {
    w.to.fill(start);
    for row in 0..w.rows {
        let x = &w.floats[0][row * w.columns..][..w.columns];
        for (to, x) in w.to.iter_mut().zip(x) {
            *to = of(*to, *x);
        }
    }
}

/// C += A · B, row by row; `k` columns of A, `n` of B.
fn product(a: &[f32], b: &[f32], c: &mut [f32], k: usize, n: usize) {
    for (row, to) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
        for (factor, from) in row.iter().zip(b.chunks_exact(n)) {
            for (to, from) in to.iter_mut().zip(from) {
                *to += factor * from;
            }
        }
    }
}
