//! Training steps against PyTorch eager, one thread, on this machine: `cargo bench --bench peer [-- CASE ...]`.
//!
//! Each case is a program beside this file and the same network in `steps.py`; forward, backward and Adam. Both are
//! measured in turns, so that a busy machine disturbs both. Printed are the fastest step of each in milliseconds, and
//! the ratios of the fastest and of the medians: below 1 nnc is faster. The Python that `NNC_PYTHON` names (`python3`
//! if it is unset) needs `torch`; without it the bench says so and ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const CASES: &[&str] = &["mlp", "lenet", "convnet", "normed", "unet", "rnn", "gru", "lstm", "gpt"];
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer");
const ROUNDS: usize = 3;
const MILLIS: &str = "1000";

/// Milliseconds.
#[derive(Clone, Copy)]
struct Step {
    fastest: f64,
    median: f64,
}

fn main() -> Result<(), String> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let Some(mut peer) = Peer::start() else {
        println!("skipped: no Python with torch; name one in NNC_PYTHON");
        return Ok(());
    };
    println!("{}, one thread; milliseconds a step", peer.name);
    println!("{:<10} {:>9} {:>9} {:>7} {:>11}", "", "nnc", "PyTorch", "ratio", "of medians");
    for case in CASES.iter().filter(|case| wanted.is_empty() || wanted.iter().any(|name| name == *case)) {
        let none = Step { fastest: f64::INFINITY, median: f64::INFINITY };
        let (mut ours, mut theirs) = (none, none);
        for _ in 0..ROUNDS {
            ours = ours.least(nnc(case)?);
            theirs = theirs.least(peer.step(case)?);
        }
        let (ratio, medians) = (ours.fastest / theirs.fastest, ours.median / theirs.median);
        println!("{case:<10} {:>9.3} {:>9.3} {ratio:>7.2} {medians:>11.2}", ours.fastest, theirs.fastest);
    }
    Ok(())
}

impl Step {
    fn least(self, other: Step) -> Step {
        Step { fastest: self.fastest.min(other.fastest), median: self.median.min(other.median) }
    }
}

/// The step as `nnc bench` tells it: `step of NAME, ROWS rows: 12.34 µs (median of 56; fastest 7.89)`.
fn nnc(case: &str) -> Result<Step, String> {
    let program = format!("{FOLDER}/{case}.nn");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
    let output = command.args(["bench", &program, "--threads", "1", "--millis", MILLIS]).output();
    let output = output.map_err(|why| format!("nnc bench: {why}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let fail = || format!("{case}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find(|line| line.starts_with("step of")).ok_or_else(fail)?;
    let number = |behind: &str, before: &str| -> Option<f64> {
        line.split_once(behind)?.1.split_once(before)?.0.trim().parse().ok()
    };
    let (median, fastest) = number(": ", " µs").zip(number("fastest ", ")")).ok_or_else(fail)?;
    Ok(Step { fastest: fastest / 1e3, median: median / 1e3 })
}

/// The Python process.
struct Peer {
    name: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Option<Peer> {
        let python = std::env::var("NNC_PYTHON").unwrap_or_else(|_| "python3".into());
        let mut command = Command::new(python);
        command.arg(format!("{FOLDER}/steps.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let (to, mut from) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut name = String::new();
        from.read_line(&mut name).ok().filter(|read| *read > 0)?;
        Some(Peer { name: name.trim().into(), child, to, from })
    }

    fn step(&mut self, case: &str) -> Result<Step, String> {
        let fail = |why: std::io::Error| format!("{case} in Python: {why}");
        writeln!(self.to, "{case} {MILLIS}").map_err(fail)?;
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(fail)?;
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [fastest, median] => Ok(Step { fastest, median }),
            _ => Err(format!("{case} in Python: {line:?}")),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
