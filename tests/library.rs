//! The library is documented, and as good as a user's own: every definition has
//! its formula and an example that runs, and its text under another name in a
//! user's file becomes the same loops.

use super::programs::{JIT, check, run_text};
use nnc::driver;
use nnc::loops::print::print;
use nnc::prelude::{BUILTINS, FILES};

/// A definition of the library: its name, its `##` lines, its text.
struct Definition {
    name: String,
    doc: Vec<String>,
    source: String,
}

/// All definitions: what begins in the first column, with the lines above and below that belong to it.
fn definitions() -> Vec<Definition> {
    let mut found: Vec<Definition> = Vec::new();
    for (_, text) in FILES {
        let mut doc = Vec::new();
        for line in text.lines() {
            let word = ["fn ", "layer ", "optimizer ", "const "].iter().find_map(|word| line.strip_prefix(word));
            if let Some(line) = line.strip_prefix("## ") {
                doc.push(line.to_string());
            } else if let Some(rest) = word {
                let name = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
                let doc = std::mem::take(&mut doc);
                found.push(Definition { name: name.to_string(), doc, source: format!("{line}\n") });
            } else if line.starts_with([' ', '}'])
                && let Some(last) = found.last_mut()
            {
                last.source += &format!("{line}\n");
            }
        }
    }
    found
}

#[test]
fn every_definition_has_its_formula_and_an_example_that_runs() {
    let definitions = definitions();
    assert!(definitions.len() > 150, "{} definitions", definitions.len());
    for Definition { name, doc, .. } in &definitions {
        assert!(doc.first().is_some_and(|line| !line.starts_with("Example: ")), "{name} has no formula");
        let examples: Vec<&str> = doc.iter().filter_map(|line| line.strip_prefix("Example: ")).collect();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            assert!(example.contains(name.as_str()), "the example of {name} does not use it: {example}");
            let ran = run_text(name, &format!("{example}\n"), JIT).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert!(!ran.prints.is_empty(), "the example of {name} shows nothing");
            let shown = ran.prints.join(" ");
            assert!(!shown.contains("NaN") && !shown.contains("nan"), "{name}: {shown}");
        }
    }
}

/// The loops of every computation of a program.
fn loops(text: &str) -> String {
    let (sources, program, _) = check("library", text).unwrap_or_else(|(_, shown)| panic!("{shown}\n{text}"));
    let mut all = String::new();
    for computation in driver::computations(&program, &sources) {
        let graph = driver::listed(&program, &computation).expect("it lowers");
        let graph = driver::optimised(graph, None).expect("it is optimised");
        let (program, _) = driver::loops("step", &graph).expect("it has loops");
        all += &print(&program, None);
    }
    all
}

#[test]
fn a_definition_may_stand_in_a_users_file_under_another_name_unused() {
    for Definition { name, source, .. } in definitions() {
        let text = format!("{}print 1\n", source.replacen(&name, &format!("my_{name}"), 1));
        check("copy", &text).unwrap_or_else(|(_, shown)| panic!("{name}: {shown}\n{text}"));
    }
}

/// A text with each whole word of `names` led by `my_`.
fn renamed(text: &str, names: &[&str]) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_word) {
        let (before, from) = rest.split_at(at);
        let (word, after) = from.split_at(from.find(|c| !is_word(c)).unwrap_or(from.len()));
        made += before;
        made += if names.contains(&word) { "my_" } else { "" };
        made += word;
        rest = after;
    }
    made + rest
}

/// The loops of a program that uses the library's definitions, and of one that uses copies of them under other names.
fn library_and_copies(names: &[&str], program: &str) -> (String, String) {
    let definitions = definitions();
    let mut copies = String::new();
    for name in names {
        let found = definitions.iter().find(|definition| definition.name == *name).expect("a definition");
        copies += &found.source.replacen(name, &format!("my_{name}"), 1);
        assert_ne!(renamed(program, &[name]), program, "the program does not use {name}");
    }
    (loops(program), loops(&(copies + &renamed(program, names))))
}

#[test]
fn a_definition_copied_under_another_name_becomes_the_same_loops() {
    // A layer, an activation, a loss, an optimiser, a schedule; and how the layer is used in a model of x: f32[B, 2].
    let cases = [
        (["dense", "gelu", "cross_entropy", "adam", "one_cycle"], "x |> dense(8) |> gelu |> dense(2)"),
        (["lstm", "mish", "soft_cross_entropy", "adamw", "cosine"], "(pairs |> lstm(4))[:, -1] |> mish |> out(2)"),
        (
            ["conv1d", "celu", "huber", "nadam", "warmup_cosine"],
            "pairs |> conv1d(4, padding = 1) |> celu |> flatten |> out(2)",
        ),
        (
            ["batch_norm", "selu", "squared_hinge", "rmsprop", "polynomial"],
            "x |> out(6) |> batch_norm |> selu |> out(2)",
        ),
        (
            ["attention", "softsign", "mse", "radam", "exponential"],
            "attend(wide, wide, wide) |> softsign |> flatten |> out(2)",
        ),
        (
            ["gru", "hard_swish", "log_cosh", "adagrad", "inverse_sqrt"],
            "(pairs |> gru(3))[:, 0] |> hard_swish |> out(2)",
        ),
    ];
    for (names, body) in cases {
        let [_, _, loss, optimizer, schedule] = names;
        let target = if loss == "cross_entropy" { "label" } else { "one_hot(label)" };
        let look = match names[0] {
            "attention" => "let attend = attention(2)\n    let wide = pairs |> out(4)\n    ",
            _ => "",
        };
        let program = format!(
            "data points = moons(n = 64, noise = 0.1)\nlayer out(units: U)(x: f32[..., D]) -> f32[..., U] {{\n    param w: f32[D, U] ~ normal\n    x @ w\n}}\nmodel Net(x: f32[B, 2]) -> f32[B, 2] {{\n    let pairs = reshape(x, [B, 2, 1])\n    {look}{body}\n}}\ntrain Net on points {{\n    minimize {loss}(Net(x), {target}) with {optimizer}({schedule}(0.1{more}))\n    epochs 2; batch 16\n}}\n",
            more = match schedule {
                "warmup_cosine" => ", warmup = 2",
                "exponential" => ", 0.9",
                _ => "",
            }
        );
        let (library, copied) = library_and_copies(&names, &program);
        assert!(library.contains("kernel"), "{library}");
        // Places in the source differ, and names may; the code must not.
        let plain = |text: &str| {
            let lines = text.lines().map(|line| line.split_once("  @").map_or(line, |(code, _)| code));
            lines.collect::<Vec<_>>().join("\n").replace("my_", "")
        };
        assert_eq!(plain(&copied), plain(&library), "{names:?}");
    }
}

#[test]
fn examples_of_what_is_built_in_run() {
    let mut examples: Vec<&str> = Vec::new();
    for line in BUILTINS.lines() {
        if let Some(example) = line.strip_prefix("## Example: ") {
            examples.push(example);
        } else if !line.starts_with("## ") {
            let name = line.split('(').next().unwrap_or_default();
            assert!(!examples.is_empty(), "{name} has no example");
            for example in std::mem::take(&mut examples) {
                assert!(example.contains(name), "the example of {name} does not use it: {example}");
                run_text(name, &format!("{example}\n"), JIT).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            }
        }
    }
}
