//! A step allocates nothing, on any thread.
//!
//! Other tests allocate at the same time, so this one runs alone in a process
//! of its own: the test starts the test binary again with itself as its only test.

use super::programs::{MNIST, checked, step};
use crate::counting::{allocations, allocations_of_all};
use nnc::train::engine::{Engine, EngineKind, Jit, Memory};
use nnc::train::{EpochRecord, Report, RunOptions, run};

const ALONE: &str = "NNC_TEST_ALONE";

fn alone(test: &str, work: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return work();
    }
    let program = std::env::current_exe().unwrap();
    let child =
        std::process::Command::new(program).args(["--exact", test, "--test-threads=1"]).env(ALONE, "1").output();
    let child = child.unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
fn an_executables_step_allocates_nothing() {
    alone("steps::allocations::an_executables_step_allocates_nothing", || {
        for threads in [1, 2] {
            let options = RunOptions { threads, engine: EngineKind::Jit, verify: true, ..RunOptions::default() };
            let mut memory = Memory::new(&[]);
            let mut executable = Jit::new(&options).compile("step", step("count", MNIST).graph, &mut memory).unwrap();
            for _ in 0..3 {
                executable.step(&mut memory).unwrap();
            }
            let before = (allocations(), allocations_of_all());
            for _ in 0..20 {
                executable.step(&mut memory).unwrap();
            }
            assert_eq!((allocations(), allocations_of_all()), before, "{threads} threads");
        }
    });
}

/// Allocations at the end of each epoch.
struct Counts(Vec<u64>);

impl Report for Counts {
    fn on_print(&mut self, _text: &str) {}

    fn on_epoch(&mut self, _epoch: &EpochRecord<'_>) {
        let count = allocations_of_all();
        self.0.push(count);
    }
}

/// The training loop, batches included: epochs of 4 and of 16 steps allocate equally often.
#[test]
fn a_trains_step_allocates_nothing() {
    alone("steps::allocations::a_trains_step_allocates_nothing", || {
        for threads in [1, 2] {
            let an_epoch = [16, 64].map(|batch| {
                let text = MNIST
                    .replace("n = 640", "n = 320")
                    .replace("split train = 0.9, val = 0.1", "split train = 0.8, val = 0.2");
                let text = text.replace("batch 64", &format!("batch {batch}")).replace("epochs 2", "epochs 6");
                let out = std::env::temp_dir().join(format!("nnc-count-{}-{threads}-{batch}", std::process::id()));
                let options = RunOptions { threads, verify: true, out: out.clone(), ..RunOptions::default() };
                let mut counts = Counts(Vec::with_capacity(16));
                let outcome = run(&checked("count", &text), &options, &mut counts).unwrap();
                std::fs::remove_dir_all(out).unwrap();
                assert_eq!(outcome.trains[0].steps, 6 * (256 / batch));
                counts.0[5] - counts.0[4]
            });
            println!("{threads} threads: {an_epoch:?} allocations an epoch");
            assert_eq!(an_epoch[0], an_epoch[1], "epochs of 16 and of 4 steps on {threads} threads");
        }
    });
}
