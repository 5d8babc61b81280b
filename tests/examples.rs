//! Every program of `examples/`, `tests/course/` and `tests/programs/` runs to its end, and so its
//! assertions hold; small ones also in the interpreter. An example that takes long
//! names in its header (`# Quick: epochs = 2, rows = 500`) the constants under which
//! it runs here, and one that shows a
//! mistake the warning it gets (`# Warns: W0804`); the ignored test runs all of them in full and prints a table.
//! Programs on real data run where the environment variable `NNC_DATA` names the
//! folder of data sets: shortened in the same way, and in full, with what each is to
//! reach (`# Target: `), by another ignored test.

use super::programs::{INTERPRETER, JIT, Ran, Way, files_below, files_in, numbers, run_set};
use std::path::{Path, PathBuf};
use std::process::Command;
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

/// Runs programs, two at a time.
fn each_runs(files: Vec<PathBuf>, way: Way, full: bool) {
    assert!(!files.is_empty(), "no programs");
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
    if shown.starts_with("examples") {
        draws_what_it_says(shown, &text, &ran.files);
    }
}

/// An example draws at least one picture, and all that its header names after `# Draws: `.
fn draws_what_it_says(shown: &Path, text: &str, files: &[(String, Vec<u8>)]) {
    let header = text.lines().take_while(|line| line.starts_with('#'));
    let draws: Vec<&str> = header
        .skip_while(|line| !line.starts_with("# Draws: "))
        .take_while(|line| !line.starts_with("# Run time: "))
        .collect();
    let is_picture = |name: &str| name.ends_with(".svg") || name.ends_with(".png");
    let named: Vec<&str> = draws
        .iter()
        .flat_map(|line| line.split_whitespace())
        .map(|word| word.trim_end_matches([',', ';', '.', ':']))
        .filter(|word| is_picture(word))
        .collect();
    assert!(!named.is_empty(), "{} says in `# Draws: ` what it draws", shown.display());
    for picture in named {
        let written = files.iter().any(|(name, bytes)| name.ends_with(picture) && !bytes.is_empty());
        let names: Vec<&String> = files.iter().map(|(name, _)| name).collect();
        assert!(written, "{} draws no {picture}, only {names:?}", shown.display());
    }
}

#[test]
fn every_example_runs() {
    each_runs(files_below("examples", "nn"), JIT, false);
}

#[test]
#[ignore = "takes long: the table of full run times"]
fn every_example_runs_in_full() {
    each_runs(files_below("examples", "nn"), Way { threads: 2, ..JIT }, true);
}

#[test]
fn every_program_of_the_course_runs() {
    each_runs(files_below("tests/course", "nn"), JIT, false);
}

#[test]
fn every_program_of_the_language_runs() {
    each_runs(files_in("tests/programs", "nn"), JIT, false);
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

/// Whether the data sets are there; says so where they are not.
fn has_data() -> bool {
    let has = std::env::var_os("NNC_DATA").is_some_and(|folder| !folder.is_empty());
    if !has {
        println!("skipped: tests/real/*.nn need the data sets; NNC_DATA names their folder");
    }
    has
}

#[test]
fn every_program_on_real_data_runs() {
    if has_data() {
        // Results do not depend on threads; time does.
        each_runs(files_in("tests/real", "nn"), Way { threads: 2, ..JIT }, false);
    }
}

/// Each program whose header names a target (`# Target: `), as a user runs it, one after the other, with a table: what
/// it is to reach, the last line that it printed, wall time and processor time of the whole process. Files that the
/// programs write are left in `target/tmp/real`.
#[test]
#[ignore = "takes most of an hour: the table of targets"]
fn every_real_program_runs_in_full() {
    if !has_data() {
        return;
    }
    let mut failed = Vec::new();
    let files = files_below("examples", "nn").into_iter().chain(files_in("tests/real", "nn"));
    println!("| program | target | got | wall | CPU |\n| --- | --- | --- | --- | --- |");
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a program can be read");
        let Some(target) = text.lines().find_map(|line| line.strip_prefix("# Target: ")) else { continue };
        let name = path.file_stem().unwrap_or_default();
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real").join(name);
        let (started, before) = (Instant::now(), children_seconds());
        let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
        command.arg("run").arg(&path).args(["--threads", "2", "--out"]).arg(&out);
        // An example is switched to real data by the constants of `# Real: name = value, ...`.
        let real = text.lines().find_map(|line| line.strip_prefix("# Real: ")).unwrap_or_default();
        let set = real.split(',').filter(|part| !part.is_empty()).map(|part| part.replace(' ', ""));
        command.args(set.flat_map(|set| ["--set".to_string(), set]));
        let ran = command.output().expect("the program starts");
        let (wall, taken) = (started.elapsed().as_secs_f64(), children_seconds() - before);
        let printed = String::from_utf8_lossy(&ran.stdout);
        let got = printed.lines().next_back().unwrap_or_default();
        println!("| {} | {target} | {got} | {wall:.0} s | {taken:.0} s |", name.display());
        if !ran.status.success() {
            failed.push(format!("{}\n{printed}{}", path.display(), String::from_utf8_lossy(&ran.stderr)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Processor seconds of all child processes that have ended; 0 where the system does not tell.
fn children_seconds() -> f64 {
    const TICKS_A_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the process, in brackets, may hold blanks; behind it `cutime` and `cstime` are fields 14 and 15.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(13) + ticks(14)) / TICKS_A_SECOND
}
