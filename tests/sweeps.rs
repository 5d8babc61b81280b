//! Programs whose turns differ in numbers alone: compiled once, with the results
//! of programs that have the numbers written out.

use crate::programs::{JIT, Ran, run_text};

const NET: &str = "\
data gate = table(x = [[0, 0], [0, 1], [1, 0], [1, 1]], y = [0, 1, 1, 0])
";

/// The body of a turn, indented as in a loop.
const TURN: &str = "\
    model Net(x: f32[B, 2]) -> f32[B] { x |> dense(4) |> tanh |> dropout(0.1) |> dense(1) |> squeeze }
    train Net on gate {
        minimize bce_with_logits(Net(x), y) + l2(weights(Net), RATE / 100) with adam(RATE)
        epochs 30
    }
    print Net(x) on gate.all
";

fn ran(text: &str) -> Ran {
    run_text("sweep.nn", text, JIT).unwrap_or_else(|shown| panic!("{shown}\n{text}"))
}

fn sweep(rates: &str) -> Ran {
    ran(&format!("{NET}for rate in {rates} {{\n{}}}\n", TURN.replace("RATE", "rate")))
}

#[test]
fn a_sweep_over_a_rate_compiles_once() {
    let one = sweep("[0.01]");
    let many = sweep("[0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2, 0.3]");
    assert_eq!(one.outcome.compilations, many.outcome.compilations, "turns differ in numbers alone");
    for (at, rate) in ["0.01", "0.02", "0.03", "0.05", "0.08", "0.1", "0.2", "0.3"].iter().enumerate() {
        let written = ran(&format!("{NET}{}", TURN.replace("    ", "").replace("RATE", rate)));
        assert_eq!(written.prints[0], many.prints[at], "rate {rate}");
    }
}

#[test]
fn twenty_seeds_compile_once() {
    let seeds = |count: u32| {
        let turn = TURN.replace("RATE", "0.05");
        ran(&format!("{NET}for s in 0..{count} {{\n    seed s\n{turn}}}\n"))
    };
    let (one, twenty) = (seeds(1), seeds(20));
    assert_eq!(one.outcome.compilations, twenty.outcome.compilations);
    let alone = ran(&format!("{NET}seed 7\n{}", TURN.replace("    ", "").replace("RATE", "0.05")));
    assert_eq!(alone.prints[0], twenty.prints[7]);
    let mut different = twenty.prints.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 20, "each seed has its own weights");
}

#[test]
fn constants_with_a_name_are_numbers_of_the_run_and_literals_fold() {
    let text = |rate: &str| format!("{NET}const rate = 0.05\n{}", TURN.replace("    ", "").replace("RATE", rate));
    let (named, written) = (ran(&text("rate")), ran(&text("0.05").replace("const rate = 0.05\n", "")));
    assert_eq!(named.prints, written.prints);
    // What shapes a program is another program.
    let shaped = ran("for n in [2, 3] { print sum(core.fill([n], 1.0)) }\n");
    assert_eq!((shaped.prints, shaped.outcome.compilations), (vec!["2".to_string(), "3".to_string()], 2));
}

#[test]
fn numbers_computed_from_a_name_have_derivatives_by_it() {
    let text = "\
let x = 3.0
let y = 2 * x + 1
param w = 5.0
print grad(x^2, x), grad(w * y, x), grad(w * y, y), grad(w * y * x, x), grad(sqrt(y + 2), x)
print grad(grad(w * y^2, x), x)
const c = 2.0
let z = -c
print grad(c * w, c), grad(exp(c) * w, c), grad(z * w, z), grad(z * w, c)
for k in [1.0, 2.0] { print grad(k^3 * w, k) }
";
    let prints = ran(text).prints;
    let numbers = crate::programs::numbers(&prints.join(" "));
    // y = 7; w·y·x: w(y + 2x); sqrt(y + 2): 1/3; w·y²: 2w·2·2.
    let wanted = [6.0, 10.0, 5.0, 65.0, 1.0 / 3.0, 40.0, 5.0, 5.0 * 2.0_f64.exp(), 5.0, -5.0, 15.0, 60.0];
    assert_eq!(numbers.len(), wanted.len(), "{prints:?}");
    for (found, wanted) in numbers.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-4, "{numbers:?}");
    }
}

/// Trains in turns: the weights of each are in a file of their own, under the names of the model.
const TURNS: &str = "\
model A(x: f32[B, 2]) -> f32[B] { x |> dense(4) |> tanh |> dense(1) |> squeeze }
model C(x: f32[B, 2]) -> f32[B] { x |> dense(3) |> tanh |> dense(1) |> squeeze }
for m in [A, C] {
    train m on gate { minimize bce_with_logits(m(x), y) with adam(0.1); epochs 3 }
}
for rate in [0.1, 0.2] {
    model Net(x: f32[B, 2]) -> f32[B] { x |> dense(4) |> tanh |> dense(1) |> squeeze }
    train Net on gate { minimize bce_with_logits(Net(x), y) with adam(rate); epochs 3 }
    train Net on gate { minimize bce_with_logits(Net(x), y) with sgd(rate); epochs 3 }
    print Net(x) on gate.all
}
model Other(x: f32[B, 2]) -> f32[B] { x |> dense(4) |> tanh |> dense(1) |> squeeze }
for file in [\"Net.safetensors\", \"Net-2.safetensors\"] {
    load Other from file at \"Net\"
    print Other(x) on gate.all
}
";

#[test]
fn each_turn_has_its_file_of_weights() {
    let ran = ran(&format!("{NET}{TURNS}"));
    let mut files: Vec<&str> = ran.files.iter().map(|(name, _)| name.as_str()).collect();
    files.dedup();
    assert_eq!(files, ["A.safetensors", "C.safetensors", "Net.safetensors", "Net-2.safetensors"]);
    assert_eq!(ran.prints[..2], ran.prints[2..], "what is loaded is what each turn left");
    assert_ne!(ran.prints[0], ran.prints[1]);
}
