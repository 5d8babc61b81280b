//! Many more configurations than the files of published values have: odd sizes,
//! strides larger than kernels, masks, cross-attention, missing classes, ties.
//!
//! The files `tests/golden/wide_*.json` hold cases that bring their own program:
//! `text`, in which `@name` stands for the literal of one of `values`, and
//! `checks`, expressions with what PyTorch or scikit-learn computed for them in
//! double precision. Each expression is printed as its distance from that.

use super::{Table, cases, literal, off, run, worst};
use serde_json::Value;
use std::fmt::Write;

/// The program of a case: its text, and a print for each check.
fn program(case: &Value) -> String {
    let mut pieces = case["text"].as_str().expect("a text").split('@');
    let mut text = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let end = piece.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(piece.len());
        let (name, rest) = piece.split_at(end);
        // Without a name it is the product of matrices.
        if name.is_empty() {
            text += "@";
        } else {
            let value = &case["values"][name];
            assert!(value.is_object(), "{name} of {}", case["name"]);
            text += &literal(value);
        }
        text += rest;
    }
    for check in case["checks"].as_array().expect("checks") {
        let expression = check[0].as_str().expect("an expression");
        writeln!(text, "print {}", off(expression, &check[1])).unwrap();
    }
    text
}

/// All cases of a file; at least `least`, so that none is lost.
fn wide(file: &str, least: usize) {
    let mut table = Table::default();
    for case in cases(&format!("wide_{file}")) {
        let name = case["name"].as_str().expect("a name");
        let ran = run(name, &program(&case));
        let checks = case["checks"].as_array().expect("checks").len();
        assert_eq!(ran.prints.len(), checks, "{name}");
        table.add(name, worst(&ran));
    }
    table.check(least);
}

#[test]
fn wide_layers() {
    wide("layers", 83);
}

#[test]
fn wide_activations() {
    wide("activations", 76);
}

#[test]
fn wide_losses() {
    wide("losses", 149);
}

#[test]
fn wide_recurrent() {
    wide("recurrent", 28);
}

#[test]
fn wide_attention() {
    wide("attention", 42);
}

#[test]
fn wide_optimizers() {
    wide("optimizers", 54);
}

#[test]
fn wide_schedules() {
    wide("schedules", 50);
}

#[test]
fn wide_metrics() {
    wide("metrics", 18);
}

#[test]
fn wide_initialisers() {
    wide("initialisers", 35);
}
