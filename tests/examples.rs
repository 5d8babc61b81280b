//! Every program of `examples/` and `tests/course/` runs to its end, and so its
//! assertions hold; small ones also in the interpreter. An example that takes long
//! names in its header (`# Quick: epochs = 2, rows = 500`) the constants under which
//! it runs here, and one that shows a
//! mistake the warning it gets (`# Warns: W0804`); the ignored test runs all of them in full and prints a table.
//! Programs on real data run where the environment variable `NNC_DATA` names the
//! folder of data sets.

use super::programs::{INTERPRETER, JIT, Ran, Way, files_below, numbers, run_set};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// Programs that the interpreter runs in a few seconds.
const SMALL: [&str; 6] = [
    "1-networks/neuron",
    "3-gradients/backprop",
    "1-networks/perceptron",
    "4-activations/activations",
    "2-classification/crossentropy",
    "6-optimisers/adam",
];

/// The constants of the line `# Quick: name = value, ...` of a header.
fn quick(text: &str) -> Vec<(String, String)> {
    let Some(line) = text.lines().find_map(|line| line.strip_prefix("# Quick: ")) else { return Vec::new() };
    let setting = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim().to_string(), value.trim().trim_end_matches('.').to_string()))
    };
    line.split(',').map(|part| setting(part).unwrap_or_else(|| panic!("{line:?} is not a list of constants"))).collect()
}

fn run_file(path: &Path, way: Way, full: bool) -> Ran {
    let text = std::fs::read_to_string(path).expect("an example can be read");
    let name = path.to_string_lossy();
    let set = if full { Vec::new() } else { quick(&text) };
    run_set(&name, &text, &set, way).unwrap_or_else(|fault| panic!("{name}\n{fault}"))
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(format!("{name}.nn"))
}

/// Runs the programs below a folder, two at a time.
fn each_runs(folder: &str, way: Way, full: bool) {
    let files = files_below(folder, "nn");
    assert!(!files.is_empty(), "no program in {folder}");
    let queue = Mutex::new(files.into_iter());
    let next = || queue.lock().map(|mut files| files.next()).unwrap_or_default();
    std::thread::scope(|scope| {
        for _ in 0..if full { 1 } else { 2 } {
            scope.spawn(|| {
                while let Some(path) = next() {
                    runs(&path, way, full);
                }
            });
        }
    });
}

fn runs(path: &Path, way: Way, full: bool) {
    let started = Instant::now();
    let ran = run_file(path, way, full);
    let steps: u64 = ran.outcome.trains.iter().map(|train| train.steps).sum();
    let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path);
    println!("{:<48} {steps:>8} steps {:>7.2} s", shown.display(), started.elapsed().as_secs_f64());
    let text = std::fs::read_to_string(path).expect("it was read before");
    // A program that shows a mistake says in its header what it is warned of.
    let warned: Vec<&str> = ran.warnings.iter().map(|warning| warning.code.name()).collect();
    let expected = text.lines().find_map(|line| line.strip_prefix("# Warns: ")).unwrap_or_default();
    assert_eq!(warned.join(", "), expected, "{}: {:?}", path.display(), ran.warnings);
    assert!(text.starts_with("# "), "{} begins with what it shows", path.display());
    assert!(text.contains("\nassert ") || text.contains(" assert "), "{} asserts its result", path.display());
    assert!(text.contains("# Expected: "), "{} says what is expected", path.display());
}

#[test]
fn every_example_runs() {
    each_runs("examples", JIT, false);
}

#[test]
#[ignore = "takes long: the table of full run times"]
fn every_example_runs_in_full() {
    each_runs("examples", Way { threads: 2, ..JIT }, true);
}

#[test]
fn every_program_of_the_course_runs() {
    each_runs("tests/course", JIT, false);
}

#[test]
fn the_interpreter_agrees_on_small_examples() {
    for name in SMALL {
        let path = example(name);
        let (compiled, interpreted) = (run_file(&path, JIT, false), run_file(&path, INTERPRETER, false));
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
    for name in ["6-optimisers/adam", "1-networks/regression", "digits"] {
        let path = example(name);
        let once = run_file(&path, JIT, false);
        let again = run_file(&path, JIT, false);
        let two = run_file(&path, Way { threads: 2, ..JIT }, false);
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
        Some(_) => each_runs("tests/real", Way { threads: 2, ..JIT }, false),
        None => println!("skipped: tests/real/*.nn need the data sets; NNC_DATA names their folder"),
    }
}
