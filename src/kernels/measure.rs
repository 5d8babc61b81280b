//! What this machine can do: the limits that `nnc bench` divides by.
//!
//! In comes nothing, out go GFLOP/s of one core without memory and GB/s of
//! plain streaming. Results of a program never depend on them.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Floating-point operations per nanosecond (GFLOP/s) of one core: fused multiply-adds on registers only.
/// The best of several short intervals; takes about 20 ms.
pub fn measure_peak() -> f64 {
    const STEPS: usize = 20_000;
    best_rate(|| {
        #[cfg(target_arch = "x86_64")]
        match super::table().name {
            // SAFETY: the table is chosen by what the machine has.
            "avx512" => return unsafe { x86::fma_512(STEPS) },
            // SAFETY: likewise.
            "avx2" => return unsafe { x86::fma_256(STEPS) },
            _ => {}
        }
        fma_portable(STEPS)
    })
}

/// Gigabytes per second (reads plus writes) of one core that scales a buffer far larger than the caches.
/// Takes about 40 ms.
pub fn measure_bandwidth() -> f64 {
    const ELEMENTS: usize = 8 << 20;
    let mut buffer = vec![1.0f32; ELEMENTS];
    best_rate(|| {
        for value in black_box(&mut buffer).iter_mut() {
            *value *= 1.000_001;
        }
        black_box(&mut buffer);
        8.0 * ELEMENTS as f64
    })
}

/// Runs `work`, which returns its units, for 20 ms (at least three times); the best units per nanosecond.
fn best_rate(mut work: impl FnMut() -> f64) -> f64 {
    let begin = Instant::now();
    let mut best = 0.0f64;
    let mut runs = 0;
    while runs < 3 || begin.elapsed() < Duration::from_millis(20) {
        let start = Instant::now();
        let units = work();
        best = best.max(units / start.elapsed().as_nanos().max(1) as f64);
        runs += 1;
    }
    best
}

/// Sixteen chains: more than latency times throughput of any current core.
fn fma_portable(steps: usize) -> f64 {
    let mut sums = black_box([0.0f32; 16]);
    let factor = black_box(0.999f32);
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = sum.mul_add(factor, factor);
        }
    }
    black_box(sums);
    (2 * 16 * steps) as f64
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    macro_rules! fma_loop {
        ($(#[$attribute:meta])* $name:ident, $width:literal, $chains:literal, $splat:ident, $fma:ident) => {
            $(#[$attribute])*
            pub unsafe fn $name(steps: usize) -> f64 {
                let factor = $splat(black_box(0.999f32));
                let mut sums = [$splat(black_box(0.0f32)); $chains];
                for _ in 0..steps {
                    for sum in &mut sums {
                        *sum = $fma(*sum, factor, factor);
                    }
                }
                black_box(sums);
                (2 * $width * $chains * steps) as f64
            }
        };
    }

    fma_loop!(
        #[target_feature(enable = "avx2,fma")]
        fma_256,
        8,
        12,
        _mm256_set1_ps,
        _mm256_fmadd_ps
    );
    fma_loop!(
        #[target_feature(enable = "avx512f")]
        fma_512,
        16,
        16,
        _mm512_set1_ps,
        _mm512_fmadd_ps
    );
}
