//! Speed of the wide kernels: `cargo bench --bench gemm [-- FILTER]`.
//!
//! Prints GFLOP/s and the share of the measured one-core peak for shapes of
//! training steps and for every variant this machine runs; then random numbers.

use std::time::Instant;

use nnc::kernels::abi::{Ctx, FillArgs, GemmArgs, PACK_BYTES};
use nnc::kernels::{Table, measure_bandwidth, measure_peak, variants};

/// m, n, k, whether A (B) is stored transposed, what it is.
const SHAPES: &[(usize, usize, usize, bool, bool, &str)] = &[
    (64, 128, 784, false, false, "x W1, batch 64"),
    (36, 128, 784, false, false, "one panel of it"),
    (128, 128, 784, false, false, "batch 128"),
    (64, 784, 128, false, false, "wide result"),
    (64, 512, 784, false, false, "x W1 of 784-512-512-10"),
    (36, 512, 784, false, false, "one panel of it"),
    (64, 512, 512, false, false, "h W2"),
    (64, 10, 128, false, false, "h W2 of 784-128-10"),
    (64, 10, 512, false, false, "h W3"),
    (64, 128, 10, false, true, "dh = d W2'"),
    (64, 512, 512, false, true, "dh = d W2'"),
    (784, 128, 64, true, false, "dW1 = x' dh"),
    (96, 128, 64, true, false, "one panel of it"),
    (784, 512, 64, true, false, "dW1 = x' dh"),
    (96, 512, 64, true, false, "one panel of it"),
    (128, 10, 64, true, false, "dW2 = h' d"),
    (256, 1024, 1024, false, false, "large"),
    (96, 1024, 1024, false, false, "one panel of it"),
    (36, 1024, 1024, false, false, "a smaller one"),
    (96, 2048, 512, false, false, "one panel, wider"),
    (64, 256, 8192, true, false, "two chains"),
];

fn main() {
    let filter: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let peak = measure_peak();
    println!("one core: {peak:.1} GFLOP/s, {:.1} GB/s", measure_bandwidth());
    for table in variants() {
        if filter.is_empty() || filter.iter().any(|name| name == table.name) {
            if table.name != "portable" || !filter.is_empty() {
                products(&table, peak);
            }
            fills(&table);
        }
    }
}

fn products(table: &Table, peak: f64) {
    println!("{:>9} {:>5} {:>5} {:>5}  GFLOP/s  share", table.name, "m", "n", "k");
    let mut pack = vec![0u8; PACK_BYTES + 64];
    let mut fault = 0u32;
    // SAFETY: 64 bytes more than needed were allocated.
    let pack = unsafe { pack.as_mut_ptr().add(pack.as_ptr().align_offset(64)) };
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
    for &(m, n, k, a_transposed, b_transposed, what) in SHAPES {
        let a = vec![0.5f32; m * k];
        let b = vec![0.25f32; k * n];
        let mut c = vec![0.0f32; m * n];
        let args = GemmArgs {
            a: a.as_ptr(),
            b: b.as_ptr(),
            c: c.as_mut_ptr(),
            m: m as u64,
            n: n as u64,
            k: k as u64,
            a_row: if a_transposed { 1 } else { k as i64 },
            a_column: if a_transposed { m as i64 } else { 1 },
            b_row: if b_transposed { 1 } else { n as i64 },
            b_column: if b_transposed { k as i64 } else { 1 },
            c_row: n as i64,
        };
        // SAFETY: the variant runs here, and the matrices have the sizes that the strides reach.
        let nanoseconds = best(|| unsafe { (table.gemm)(&args, &ctx) });
        let rate = 2.0 * (m * n * k) as f64 / nanoseconds;
        println!("{:>9} {m:>5} {n:>5} {k:>5} {rate:>8.1} {:>5.0}%  {what}", "", 100.0 * rate / peak);
    }
}

fn fills(table: &Table) {
    let mut out = vec![0.0f32; 8192];
    let args = FillArgs { out: out.as_mut_ptr(), len: out.len() as u64, base: 0, place: 1, seed: 2, step: 3, turn: 4 };
    // SAFETY: the variant runs here.
    let nanoseconds = best(|| unsafe { (table.fill)(&args) });
    println!("{:>9} fill {:.2} ns an element", table.name, nanoseconds / out.len() as f64);
}

/// Nanoseconds of one call: the least over several groups of calls, so that a busy machine shows less.
fn best(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    call();
    let calls = (2_000_000.0 / start.elapsed().as_nanos().max(100) as f64).ceil().max(1.0) as usize;
    let group = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed().as_nanos() as f64 / calls as f64
    };
    (0..12).map(|_| group(&mut call)).fold(f64::INFINITY, f64::min)
}
