//! The pool under stress: every chunk exactly once, whatever the other threads do.

use nnc::runtime::Pool;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

#[test]
fn every_chunk_runs_exactly_once() {
    for threads in [1, 2, 3, 8] {
        let pool = Pool::new(threads);
        for turn in 0..2_000 {
            let chunks = turn % 17;
            let counts: [AtomicU32; 17] = Default::default();
            pool.run(chunks, &|chunk, thread| {
                assert!(thread < threads);
                counts[chunk].fetch_add(1, Ordering::Relaxed);
            });
            for (chunk, count) in counts.iter().enumerate() {
                assert_eq!(count.load(Ordering::Relaxed), u32::from(chunk < chunks), "chunk {chunk} of {chunks}");
            }
        }
    }
}

#[test]
fn helpers_wake_up_after_they_parked() {
    let pool = Pool::new(2);
    let helped = AtomicUsize::new(0);
    for _ in 0..200 {
        std::thread::sleep(std::time::Duration::from_micros(300));
        pool.run(2, &|_, thread| {
            helped.fetch_add(thread, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(1));
        });
    }
    assert!(helped.load(Ordering::Relaxed) > 0, "the helper never took a chunk");
}

#[test]
fn regions_beside_and_inside_others_are_run_by_their_callers() {
    let pool = Pool::new(2);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    pool.run(3, &|_, _| {
                        pool.run(2, &|_, _| {
                            done.fetch_add(1, Ordering::Relaxed);
                        });
                    });
                }
            });
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), 4 * 500 * 3 * 2);
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    let pool = Pool::new(2);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.run(4, &|chunk, _| assert_ne!(chunk, 2, "meant"));
    }));
    assert!(outcome.is_err());
    let sum = AtomicUsize::new(0);
    pool.run(5, &|chunk, _| {
        sum.fetch_add(chunk, Ordering::Relaxed);
    });
    assert_eq!(sum.load(Ordering::Relaxed), 10);
}
