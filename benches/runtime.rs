//! Cost of the run time itself: `cargo bench --bench runtime`.
//!
//! Prints the overhead of a two-thread region above ideal, and of an item of a
//! step whose kernel does nothing.

use std::time::Instant;

use nnc::kernels::abi::{Ctx, KernelFn};
use nnc::loops::ir::{Kernel, KernelId, Program, Run};
use nnc::runtime::{Machine, Pool};

fn main() {
    let pool = Pool::new(2);
    for microseconds in [0.0, 5.0, 20.0] {
        let alone = quantiles(|| (0..2).for_each(|_| busy(microseconds)));
        let spread = quantiles(|| pool.run(2, &|_, _| busy(microseconds)));
        for (name, alone, spread) in [("best 5 %", alone[0], spread[0]), ("median", alone[1], spread[1])] {
            println!(
                "two chunks of {microseconds:>4.1} us, {name:>8}: one thread {:.2} us, two {:.2} us, overhead {:.2} us",
                alone / 1e3,
                spread / 1e3,
                (spread - alone / 2.0) / 1e3
            );
        }
    }
    println!("an item of a step: {:.2} ns", item());
}

/// Works for a time on registers only.
fn busy(microseconds: f64) {
    let mut value = 1.0f64;
    for _ in 0..(microseconds * 250.0) as usize {
        value = std::hint::black_box(value * 1.000_000_1);
    }
}

/// Nanoseconds of a call: the 5th and the 50th of 100. On a busy machine the first is the one without neighbours.
fn quantiles(mut call: impl FnMut()) -> [f64; 2] {
    let mut times: Vec<u128> = (0..20_001)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_nanos()
        })
        .collect();
    times.sort_unstable();
    [times.len() / 20, times.len() / 2].map(|index| times[index] as f64)
}

unsafe extern "C" fn nothing(_: *const *mut u8, _: *const Ctx, _: u64, _: u64) {}

fn item() -> f64 {
    const RUNS: usize = 1000;
    let kernel = Kernel {
        name: "nothing".to_owned(),
        params: Vec::new(),
        par: None,
        body: Vec::new(),
        values: Vec::new(),
        vars: 0,
        cost: Default::default(),
    };
    let runs = (0..RUNS).map(|_| Run { kernel: KernelId(0), args: Vec::new() }).collect();
    let program = Program { kernels: vec![kernel], runs, ..Program::default() };
    // SAFETY: the function touches nothing.
    let machine = unsafe { Machine::new(&program, &[nothing as KernelFn], &[], &Pool::new(1), 0) };
    let mut machine = machine.expect("the program fits");
    quantiles(|| machine.step())[1] / RUNS as f64
}
