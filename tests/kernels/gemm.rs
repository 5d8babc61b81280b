//! Products against the chain of fused multiply-adds that the loops IR defines.

use super::guarded::Guarded;
use nnc::kernels::abi::{Ctx, GemmArgs, PACK_BYTES};
use nnc::kernels::{Table, variants};

/// A product: sizes, and how the operands lie in memory.
#[derive(Clone, Copy, Debug)]
struct Case {
    m: usize,
    n: usize,
    k: usize,
    a: Layout,
    b: Layout,
    /// Elements between the end of a row of C and the next.
    c_gap: usize,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Columns have stride 1, rows lie `gap` apart.
    Rows { gap: usize },
    /// Rows have stride 1, columns lie `gap` apart.
    Columns { gap: usize },
    /// Neither stride is 1.
    Spread,
}

impl Layout {
    /// Strides of (row, column), and elements from the first to the last, inclusive.
    fn strides(self, rows: usize, columns: usize) -> (usize, usize, usize) {
        let (row, column) = match self {
            Layout::Rows { gap } => (columns + gap, 1),
            Layout::Columns { gap } => (1, rows + gap),
            Layout::Spread => (2 * columns + 1, 2),
        };
        let reached = if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row + (columns - 1) * column + 1 };
        (row, column, reached)
    }
}

const ROWS: Layout = Layout::Rows { gap: 0 };

/// Values of mixed sign and size, so that another order of sums gives other bits.
pub fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    (0..len).map(|_| (next() as i32 as f32 / 2e9) * [1.0, 1e-3, 1e3][next() as usize % 3]).collect()
}

fn reference(case: Case, a: &[f32], b: &[f32]) -> Vec<f32> {
    let (a_row, a_column, _) = case.a.strides(case.m, case.k);
    let (b_row, b_column, _) = case.b.strides(case.k, case.n);
    let mut c = Vec::new();
    for i in 0..case.m {
        for j in 0..case.n {
            let chain = |from: usize| {
                (from..case.k.min(from + 4096))
                    .fold(0.0f32, |sum, p| a[i * a_row + p * a_column].mul_add(b[p * b_row + j * b_column], sum))
            };
            let first = chain(0);
            c.push((4096..case.k).step_by(4096).fold(first, |sum, from| sum + chain(from)));
        }
    }
    c
}

/// Runs one variant on guarded memory and compares bits; gaps of C must keep what they held.
fn check(table: &Table, case: Case, at_end: bool) {
    let (a_row, a_column, a_len) = case.a.strides(case.m, case.k);
    let (b_row, b_column, b_len) = case.b.strides(case.k, case.n);
    let c_row = case.n + case.c_gap;
    let c_len = (case.m - 1) * c_row + case.n;
    let (a, b) = (noise(a_len, 1), noise(b_len, 2));
    let guarded = [&a, &b, &vec![7.0; c_len]].map(|values| Guarded::new(values, at_end));
    let mut pack = vec![[f32::NAN; 16]; PACK_BYTES / 64 + 1];
    let mut fault = 0;
    // SAFETY: one element more was allocated than alignment can skip.
    let pack = unsafe { pack.as_mut_ptr().cast::<u8>().add(pack.as_ptr().cast::<u8>().align_offset(64)) };
    let ctx = Ctx {
        gemm: table.gemm,
        conv: table.conv,
        fill: table.fill,
        sort: table.sort,
        transpose: table.transpose,
        scratch: std::ptr::null_mut(),
        pack,
        fault: &mut fault,
    };
    let args = GemmArgs {
        a: guarded[0].pointer(),
        b: guarded[1].pointer(),
        c: guarded[2].pointer(),
        m: case.m as u64,
        n: case.n as u64,
        k: case.k as u64,
        a_row: a_row as i64,
        a_column: a_column as i64,
        b_row: b_row as i64,
        b_column: b_column as i64,
        c_row: c_row as i64,
    };
    // SAFETY: the variant runs on this machine; all sizes are as the strides reach.
    unsafe { (table.gemm)(&args, &ctx) };
    let expected = reference(case, &a, &b);
    let c = guarded[2].values();
    for (index, &value) in c.iter().enumerate() {
        let (i, j) = (index / c_row, index % c_row);
        let right = if j < case.n { expected[i * case.n + j] } else { 7.0 };
        assert_eq!(value.to_bits(), right.to_bits(), "{} {case:?} at [{i}, {j}]: {value} for {right}", table.name);
    }
}

fn check_all(case: Case) {
    for table in variants() {
        check(&table, case, true);
        check(&table, case, false);
    }
}

#[test]
fn every_small_size() {
    for table in variants() {
        for m in 1..=40 {
            for n in 1..=40 {
                let k = 1 + (m * 7 + n * 3) % 9;
                check(&table, Case { m, n, k, a: ROWS, b: ROWS, c_gap: m % 2 }, n % 2 == 0);
            }
        }
        for k in 0..=40 {
            check(&table, Case { m: 13, n: 21, k, a: ROWS, b: ROWS, c_gap: 0 }, true);
        }
    }
}

#[test]
fn every_layout_of_both_operands() {
    let layouts =
        [ROWS, Layout::Rows { gap: 3 }, Layout::Columns { gap: 0 }, Layout::Columns { gap: 5 }, Layout::Spread];
    for a in layouts {
        for b in layouts {
            for (m, n, k) in [(1, 1, 1), (7, 19, 5), (12, 32, 16), (13, 47, 33), (25, 10, 17), (2, 65, 64)] {
                check_all(Case { m, n, k, a, b, c_gap: 2 });
            }
        }
    }
}

#[test]
fn blocks_of_k_do_not_show() {
    for k in [511, 512, 513, 784, 1025] {
        check_all(Case { m: 7, n: 35, k, a: ROWS, b: ROWS, c_gap: 0 });
        check_all(Case { m: 5, n: 18, k, a: Layout::Columns { gap: 0 }, b: Layout::Columns { gap: 1 }, c_gap: 0 });
    }
}

#[test]
fn wide_results_are_packed() {
    check_all(Case { m: 129, n: 265, k: 7, a: ROWS, b: ROWS, c_gap: 0 });
    check_all(Case { m: 128, n: 256, k: 5, a: Layout::Columns { gap: 0 }, b: Layout::Rows { gap: 1 }, c_gap: 1 });
    check_all(Case { m: 24, n: 1043, k: 6, a: ROWS, b: ROWS, c_gap: 0 });
}

#[test]
fn long_products_are_chains_added_in_order() {
    for k in [4095, 4096, 4097, 8192, 9000] {
        check_all(Case { m: 3, n: 11, k, a: ROWS, b: ROWS, c_gap: 1 });
        check_all(Case { m: 2, n: 33, k, a: Layout::Columns { gap: 0 }, b: Layout::Columns { gap: 0 }, c_gap: 0 });
    }
}

#[test]
fn partial_chains_that_exceed_their_space_are_cut() {
    // More rows than a block, and more columns than fit beside that many rows.
    let best = variants()[0];
    check(&best, Case { m: 520, n: 3, k: 4097, a: Layout::Columns { gap: 0 }, b: ROWS, c_gap: 0 }, true);
    check(&best, Case { m: 497, n: 33, k: 4097, a: ROWS, b: ROWS, c_gap: 0 }, true);
}
