//! The library is documented, and as good as a user's own: every definition has
//! its formula and an example that runs, and its text under another name in a
//! user's file becomes the same loops.

use super::programs::{JIT, check, run_text};
use nnc::driver;
use nnc::loops::print::print;
use nnc::prelude::FILES;

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
fn a_definition_copied_under_another_name_becomes_the_same_loops() {
    let program = |layer: &str, activation: &str, loss: &str, optimizer: &str, schedule: &str| {
        format!(
            "data points = moons(n = 64, noise = 0.1)\nmodel Net(x: f32[B, 2]) -> f32[B, 2] {{\n    let one = {layer}(8)\n    let two = {layer}(2)\n    x |> one |> {activation} |> two\n}}\ntrain Net on points {{\n    minimize {loss}(Net(x), label) with {optimizer}({schedule}(0.1))\n    epochs 2; batch 16\n}}\n"
        )
    };
    let names = ["dense", "gelu", "cross_entropy", "adam", "one_cycle"];
    let definitions = definitions();
    let mut copies = String::new();
    for name in names {
        let found = definitions.iter().find(|definition| definition.name == name).expect("a definition");
        copies += &found.source.replacen(name, &format!("my_{name}"), 1);
    }
    let [a, b, c, d, e] = names;
    let library = loops(&program(a, b, c, d, e));
    let own = names.map(|name| format!("my_{name}"));
    let [a, b, c, d, e] = &own;
    let copied = loops(&(copies + &program(a, b, c, d, e)));
    assert!(library.contains("kernel"), "{library}");
    // Places in the source differ, and names may; the code must not.
    let plain = |text: &str| {
        let lines = text.lines().map(|line| line.split_once("  @").map_or(line, |(code, _)| code));
        lines.collect::<Vec<_>>().join("\n").replace("my_", "")
    };
    assert_eq!(plain(&copied), plain(&library));
}
