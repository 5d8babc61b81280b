//! What several statements compute at length is computed once, and nothing else changes.

use std::fmt::Write;

use nnc::check::typed::{Action, ActionKind, Eval, Kind, Program};
use nnc::ir::Op;

use crate::programs::{JIT, check, run_text};

/// Statements that keep values in common, one line each; those that print are looked at one by one.
const COMMON: &str = "\
param w: f32[64, 64] ~ normal(0, 0.1)
data rows = table(v = [1, 2, 3, 4])
fn walk(x) = scan t in 0..2000 with h = x { next h = tanh(h @ w + 0.01 * normal[64]) }
let x = ones[64]
let start = walk(x)
let far = walk(start)
print sum(start), start[0]
print sum(far), sum(start * far)
print max(far) on rows.all
print \"{mean(v) + sum(far)}\" on rows.all
seed 3
print sum(start), sum(far)
let loss = sum((transpose(w) @ w)^2)
print loss
print sum(grad(loss, w))
train { minimize sum((ones[512, 64] @ w)^2) with sgd(1e-6); steps 2 }
print loss, sum(far)
print sum((transpose(w) @ w)^2)
let many = for i in 0..3 { emit walk(ones[64] * i)[0] }
print many
print sum(many), many[1]
";

fn evals(program: &Program) -> impl Iterator<Item = (&Action, &Eval)> {
    program.actions.iter().filter_map(|action| match &action.kind {
        ActionKind::Set { eval, .. } | ActionKind::Print { eval, .. } | ActionKind::Assert { eval, .. } => {
            Some((action, eval))
        }
        _ => None,
    })
}

/// How many evaluations run a loop, and how many multiply matrices.
fn long_work(text: &str) -> (usize, usize) {
    let (_, program, _) = check("shared.nn", text).unwrap_or_else(|(_, shown)| panic!("{shown}"));
    let with = |found: &dyn Fn(&Kind) -> bool| {
        evals(&program)
            .filter(|(_, eval)| {
                program.reachable(eval.outputs.iter().copied()).into_iter().any(|id| found(&program.node(id).kind))
            })
            .count()
    };
    (
        with(&|kind| matches!(kind, Kind::Scan { .. })),
        with(&|kind| matches!(kind, Kind::Op(Op::Contract { over, .. }) if !over.is_empty())),
    )
}

#[test]
fn what_takes_long_is_computed_once() {
    let text =
        "param w: f32[64, 64] ~ normal(0, 0.1)\nlet h = scan t in 0..1000 with h = ones[64] { next h = tanh(h @ w) }\n";
    let uses = "print sum(h)\nprint max(h), min(h)\nlet scaled = h * 2\nprint scaled\nassert sum(h) < 100\n";
    assert_eq!(long_work(&format!("{text}print sum(h)\n")).0, 1);
    assert_eq!(long_work(&format!("{text}{uses}")).0, 1, "one statement walks, four read");
    let short = text.replace("0..1000", "0..10");
    assert_eq!(long_work(&format!("{short}{uses}")).0, 4, "what is quickly done is a formula everywhere");
    let derived = format!("{text}{uses}print sum(grad(sum(h), w))\n");
    assert_eq!(long_work(&derived).0, 5, "what something is derived through stays a formula");
}

#[test]
fn products_are_shared_under_the_name_of_their_let() {
    let text =
        "param w: f32[256, 256] ~ normal(0, 0.1)\nlet gram = transpose(w) @ w\nprint sum(gram)\nprint max(gram)\n";
    assert_eq!(long_work(text).1, 1);
    let (_, program, _) = check("shared.nn", text).unwrap_or_else(|(_, shown)| panic!("{shown}"));
    assert!(program.slots.iter().any(|slot| slot.path == "let gram"));
}

#[test]
fn results_are_those_of_each_statement_alone() {
    let ran = |text: &str| run_text("shared.nn", text, JIT).unwrap_or_else(|shown| panic!("{shown}\n{text}")).prints;
    let all = ran(COMMON);
    let is_print = |line: &&str| line.starts_with("print");
    assert_eq!(all.len(), COMMON.lines().filter(is_print).count());
    for (at, printed) in all.iter().enumerate() {
        let mut alone = String::new();
        let mut number = 0;
        for line in COMMON.lines() {
            if !line.starts_with("print") || number == at {
                writeln!(alone, "{line}").unwrap();
            }
            number += usize::from(line.starts_with("print"));
        }
        assert_eq!(ran(&alone), std::slice::from_ref(printed), "print {at} alone:\n{alone}");
    }
}

/// A `for` draws anew each turn, as a `scan` does, whether the draw stands in the body, in a `fn` or in a filler.
#[test]
fn turns_of_a_for_draw_numbers_of_their_own() {
    let text = "fn noisy(x) = x + uniform(shape(x))\n\
                print for i in 0..3 { emit uniform[1] }\n\
                print for i in 0..3 { emit noisy([0.0]) }\n\
                let one = [0.0] |> repeat 1 { noisy }\nlet two = [0.0] |> repeat 2 { noisy }\n\
                print one, two - one\n\
                print for i in 0..2, j in 0..2 { emit normal[1] }\n";
    let ran = run_text("turns.nn", text, JIT).unwrap_or_else(|shown| panic!("{shown}"));
    for printed in &ran.prints {
        let found = crate::programs::numbers(printed);
        let mut distinct = found.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        assert!(found.len() >= 2 && distinct.len() == found.len(), "{printed}");
    }
}

/// A file's `let` hides a name of the library in its definitions, also before it is reached.
#[test]
fn a_let_of_the_file_hides_the_library_in_definitions() {
    let text = "let e = dense(2)\nmodel M(x: f32[B, 3]) -> f32[B, 2] { x |> e }\nprint shape(M(ones[1, 3]))\n";
    let ran = run_text("hides.nn", text, JIT).unwrap_or_else(|shown| panic!("{shown}"));
    assert_eq!(ran.prints, ["[1, 2]"]);
}
