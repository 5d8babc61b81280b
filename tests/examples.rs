//! Every program of `examples/` and `tests/course/` runs to its end, and so its
//! assertions hold; small ones also in the interpreter. Programs on real data
//! run where the environment variable `NNC_DATA` names the folder of data sets.

use super::programs::{INTERPRETER, JIT, Ran, Way, files_in, numbers, run_text};
use std::path::Path;

/// Programs that the interpreter runs in a few seconds.
const SMALL: [&str; 6] = ["neuron", "backprop", "perceptron", "activations", "crossentropy", "adam"];

fn run_file(path: &Path, way: Way) -> Ran {
    let text = std::fs::read_to_string(path).expect("an example can be read");
    let name = path.to_string_lossy();
    run_text(&name, &text, way).unwrap_or_else(|fault| panic!("{name}\n{fault}"))
}

fn example(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(format!("{name}.nn"))
}

fn each_runs(folder: &str, way: Way) {
    let files = files_in(folder, "nn");
    assert!(!files.is_empty(), "no program in {folder}");
    for path in files {
        let started = std::time::Instant::now();
        let ran = run_file(&path, way);
        let steps: u64 = ran.outcome.trains.iter().map(|train| train.steps).sum();
        println!("{:<40} {steps:>7} steps {:>7.2} s", path.display(), started.elapsed().as_secs_f64());
        assert!(ran.warnings.is_empty(), "{}: {:?}", path.display(), ran.warnings);
        let text = std::fs::read_to_string(&path).expect("it was read before");
        assert!(text.starts_with("# "), "{} begins with what it shows", path.display());
        assert!(text.contains("\nassert ") || text.contains(" assert "), "{} asserts its result", path.display());
        assert!(text.contains("# Expected: "), "{} says what is expected", path.display());
    }
}

#[test]
fn every_example_runs() {
    each_runs("examples", JIT);
}

#[test]
fn every_program_of_the_course_runs() {
    each_runs("tests/course", JIT);
}

#[test]
fn the_interpreter_agrees_on_small_examples() {
    for name in SMALL {
        let (compiled, interpreted) = (run_file(&example(name), JIT), run_file(&example(name), INTERPRETER));
        assert_eq!(compiled.prints.len(), interpreted.prints.len(), "{name}");
        for (ours, oracle) in compiled.prints.iter().zip(&interpreted.prints) {
            let (ours_numbers, oracles) = (numbers(ours), numbers(oracle));
            assert_eq!(ours_numbers.len(), oracles.len(), "{name}: {ours} and {oracle}");
            for (a, b) in ours_numbers.iter().zip(&oracles) {
                assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "{name}: {ours} and {oracle}");
            }
        }
    }
}

#[test]
fn runs_repeat_bit_for_bit_on_any_number_of_threads() {
    for name in ["adam", "regression", "digits"] {
        let once = run_file(&example(name), JIT);
        let again = run_file(&example(name), JIT);
        let two = run_file(&example(name), Way { threads: 2, ..JIT });
        assert!(!once.files.is_empty(), "{name} saves its weights");
        for other in [&again, &two] {
            assert_eq!(once.prints, other.prints, "{name}");
            // Bytes of the weights, not the weights: a difference of one bit is one.
            assert!(once.files == other.files, "{name}: other weights");
        }
    }
}

#[test]
fn every_program_on_real_data_runs() {
    match std::env::var_os("NNC_DATA").filter(|folder| !folder.is_empty()) {
        // Results do not depend on threads; time does.
        Some(_) => each_runs("tests/real", Way { threads: 2, verify: false, ..JIT }),
        None => println!("skipped: tests/real/*.nn need the data sets; NNC_DATA names their folder"),
    }
}
