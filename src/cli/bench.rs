//! `nnc bench`: where the time of a step goes.
//!
//! In: arguments. Out: for every train's step the median time, and each kernel's
//! share of it beside what the machine could do. Invariant: what is timed is the
//! step that a run would do, on the first rows of its data.

use std::time::{Duration, Instant};

use super::Exit;
use super::args;
use super::shared::{self, print};
use crate::check::typed::Program;
use crate::driver::{self, Computation, Front, Preview};
use crate::kernels::{measure_bandwidth, measure_peak};
use crate::loops::ir::{Cost, Program as Loops};
use crate::train::RunOptions;
use crate::train::engine::{Executable, Jit};

/// Steps before the clock counts.
const WARM_UP: usize = 3;
/// What is timed at once takes at least about this long.
const BUNDLE: Duration = Duration::from_micros(20);
/// At most so many steps.
const MOST_STEPS: usize = 200_000;
/// The same kernel by kernel: all their times are kept.
const MOST_TIMED: usize = 2_000;

/// What the machine can do, in units a nanosecond, all threads together.
struct Limits {
    flops: f64,
    bytes: f64,
}

/// Times of a step, in nanoseconds: medians, so that what else the machine does shows little.
struct Measured {
    step: f64,
    /// Of the fastest step.
    least: f64,
    /// Of each run.
    runs: Vec<f64>,
    steps: usize,
}

/// Times all steps of a program.
pub fn bench(arguments: &args::Bench) -> Exit {
    let front = match shared::front(&arguments.program, true) {
        Ok(front) => front,
        Err(exit) => return exit,
    };
    let found = driver::computations(&front.program, &front.sources);
    let steps: Vec<&Computation> = found.iter().filter(|computation| computation.train().is_some()).collect();
    if steps.is_empty() {
        eprintln!("nnc: the program has no train, there is no step to time");
        return Exit::Usage;
    }
    let threads = f64::from(arguments.threads);
    let limits = Limits { flops: measure_peak() * threads, bytes: measure_bandwidth() };
    print(&format!("limits: {:.1} GFLOP/s, {:.1} GB/s, {} threads\n", limits.flops, limits.bytes, arguments.threads));
    for step in steps {
        match one(arguments, &front, step, &limits) {
            Ok(text) => print(&text),
            Err(reason) => return shared::internal(&reason),
        }
    }
    Exit::Ok
}

fn one(arguments: &args::Bench, front: &Front, computation: &Computation, limits: &Limits) -> Result<String, String> {
    let program: &Program = &front.program;
    let graph = driver::differentiated(program, computation)?;
    let (loops, _) = driver::loops(&computation.name, &driver::optimised(graph.clone(), None)?)?;
    let options = RunOptions { threads: usize::from(arguments.threads), ..RunOptions::default() };
    let mut preview = Preview::new(program, Box::new(Jit::new(&options)));
    preview.advance(computation.action)?;
    preview.set_scalars(computation.seed(), 1);
    preview.set_clock(1_000, 1);
    let mut executable = preview.compile(&computation.name, graph)?;
    if let Some(part) = computation.part() {
        preview.fill(executable.as_ref(), &part)?;
    }
    let time = Duration::from_millis(u64::from(arguments.millis));
    let measured = measure(executable.as_mut(), &mut preview, loops.runs.len(), time)?;
    Ok(listing(computation, &loops, &measured, limits))
}

/// Half of the time for whole steps, half for kernels, so that the clocks of the latter do not count as the step's.
fn measure(
    executable: &mut dyn Executable,
    preview: &mut Preview<'_>,
    runs: usize,
    time: Duration,
) -> Result<Measured, String> {
    for _ in 0..WARM_UP {
        executable.step(&mut preview.memory)?;
    }
    let before = Instant::now();
    executable.step(&mut preview.memory)?;
    // Steps of nanoseconds are timed in bundles, or the clock would be most of what is measured.
    let bundle = (BUNDLE.as_nanos() / before.elapsed().as_nanos().max(20)).max(1) as u32;
    let mut steps: Vec<f64> = Vec::new();
    let started = Instant::now();
    while steps.is_empty() || (started.elapsed() < time / 2 && steps.len() < MOST_STEPS) {
        let before = Instant::now();
        for _ in 0..bundle {
            executable.step(&mut preview.memory)?;
        }
        steps.push(before.elapsed().as_nanos() as f64 / f64::from(bundle));
    }
    steps.sort_unstable_by(f64::total_cmp);
    let mut times: Vec<Vec<u64>> = vec![Vec::new(); runs];
    let mut one = vec![0_u64; runs];
    let mut count = 0;
    let started = Instant::now();
    while count == 0 || (started.elapsed() < time / 2 && count < MOST_TIMED) {
        one.fill(0);
        executable.step_timed(&mut preview.memory, &mut one)?;
        times.iter_mut().zip(&one).for_each(|(times, time)| times.push(*time));
        count += 1;
    }
    let median = |times: &mut Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2] as f64
    };
    let runs = times.iter_mut().map(median).collect();
    Ok(Measured { step: steps[steps.len() / 2], least: steps[0], runs, steps: steps.len() * bundle as usize })
}

fn listing(computation: &Computation, loops: &Loops, measured: &Measured, limits: &Limits) -> String {
    // A kernel in a loop counts once for each turn.
    let cost = |at: usize| {
        let (cost, times) = (loops.kernels[loops.runs[at].kernel.index()].cost, loops.times(at));
        Cost { flops: cost.flops * times, bytes: cost.bytes * times }
    };
    let costs = (0..loops.runs.len()).map(cost);
    let total =
        costs.fold(Cost::default(), |sum, cost| Cost { flops: sum.flops + cost.flops, bytes: sum.bytes + cost.bytes });
    let mut text = format!(
        "\nstep of {}, {} rows: {:.2} µs (median of {}; fastest {:.2})\n",
        computation.name,
        computation.rows,
        measured.step / 1e3,
        measured.steps,
        measured.least / 1e3
    );
    text += "        µs   share  GFLOP/s  of peak    GB/s  of limit  kernel\n";
    let mut order: Vec<usize> = (0..measured.runs.len()).collect();
    order.sort_by(|a, b| measured.runs[*b].total_cmp(&measured.runs[*a]));
    let sum: f64 = measured.runs.iter().sum();
    for at in order {
        let name = &loops.kernels[loops.runs[at].kernel.index()].name;
        text += &line(measured.runs[at], sum, cost(at), limits, name);
    }
    text + &line(measured.step, measured.step, total, limits, "total")
}

/// One row. `of limit` is the time that the slower of arithmetic and memory would need alone, as a share of the time
/// taken; above 100 % the numbers were in a cache.
fn line(nanoseconds: f64, of: f64, cost: Cost, limits: &Limits, name: &str) -> String {
    let time = nanoseconds.max(1e-3);
    let (flops, bytes) = (cost.flops as f64 / time, cost.bytes as f64 / time);
    let least = (cost.flops as f64 / limits.flops).max(cost.bytes as f64 / limits.bytes);
    format!(
        "{:>10.3} {:>6.1}% {flops:>8.2} {:>7.1}% {bytes:>7.2} {:>8.1}%  {name}\n",
        time / 1e3,
        100.0 * time / of.max(1e-3),
        100.0 * flops / limits.flops,
        100.0 * least / time,
    )
}
