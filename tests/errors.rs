//! Suite: errors. Programs that parse and are wrong, and what checking says of them.

#![allow(clippy::unwrap_used)] // A suite may panic.

mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nnc::check::{self, Options};
use nnc::diag::{Code, render};
use nnc::source::SourceMap;
use world::{TestWorld, check_program};

use crate::diag::{check_all, error_programs};

/// All diagnostics that checking gives.
const CHECKED: &[&str] = &["E02", "E03", "E04", "E05", "E06", "E07", "W08"];

#[test]
fn wrong_programs_are_reported_as_expected() {
    check_all(CHECKED, check_program);
}

#[test]
fn every_code_of_the_checker_has_a_program() {
    // Shown by an option of the command line, not by a program.
    let elsewhere = [Code::E0410];
    for code in checked_codes().filter(|code| !elsewhere.contains(code)) {
        assert!(!error_programs(&[code.name()]).is_empty(), "no program shows {}", code.name());
    }
}

fn checked_codes() -> impl Iterator<Item = Code> {
    Code::ALL.iter().copied().filter(|code| CHECKED.iter().any(|prefix| code.name().starts_with(prefix)))
}

#[test]
fn examples_in_explanations_are_as_wrong_as_they_say() {
    let mut problems = String::new();
    for code in checked_codes() {
        let mut rest = code.explanation();
        let title = format!("# {}: {}", code.name(), code.title());
        assert!(rest.starts_with(&title), "{} begins with {title}", code.name());
        while let Some(at) = rest.find("```nn") {
            let (head, body) = rest[at + 5..].split_once('\n').unwrap();
            let (body, after) = body.split_once("```").unwrap();
            let (sources, found) = check_program("example.nn", body);
            let fine = match head.trim() {
                "error" => found.iter().any(|one| one.code == code) && found.iter().all(|one| one.code == code),
                _ => found.is_empty(),
            };
            if !fine {
                let shown = render::text(&sources, &found, false, 100);
                problems += &format!("{} ({}):\n{body}{shown}\n", code.name(), head.trim());
            }
            rest = after;
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

/// Programs that are right, and long: what is mutated.
fn seeds() -> Vec<String> {
    let mut texts: Vec<(PathBuf, String)> = Vec::new();
    for folder in ["tests/syntax/ok", "tests/errors", "examples"] {
        let paths = super::programs::files_below(folder, "nn");
        texts.extend(paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())));
    }
    texts.sort();
    texts.into_iter().map(|(_, text)| text).collect()
}

/// A small generator of numbers: the suite says the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Words, numbers and signs, with what is between them.
fn tokens(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut word = false;
    for c in text.chars() {
        let joins = c.is_alphanumeric() || c == '_' || c == '.';
        match all.last_mut() {
            Some(last) if joins && word => last.push(c),
            _ => all.push(c.to_string()),
        }
        word = joins;
    }
    all
}

fn mutated(text: &str, numbers: &mut Numbers) -> String {
    let mut tokens = tokens(text);
    let strange =
        ["0", "-1", "9223372036854775807", "1e300", "none", "training", "\"\"", "[]", "run", "core", "B", "1000000"];
    for _ in 0..=numbers.below(3) {
        let (at, other) = (numbers.below(tokens.len()), numbers.below(tokens.len()));
        match numbers.below(5) {
            0 => drop(tokens.remove(at)),
            1 => tokens.insert(at, tokens[other].clone()),
            2 => tokens.swap(at, other),
            3 => tokens[at] = tokens[other].clone(),
            _ => tokens[at] = strange[numbers.below(strange.len())].to_string(),
        }
        if tokens.is_empty() {
            break;
        }
    }
    tokens.concat()
}

/// How many mutants a run of the suite looks at; `NNC_MUTANTS` asks for more.
fn mutants() -> usize {
    std::env::var("NNC_MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(250)
}

#[test]
fn no_mutant_panics_or_hangs() {
    let seeds = seeds();
    let mut numbers = Numbers(7);
    let mut problems = Vec::new();
    for turn in 0..mutants() {
        let text = mutated(&seeds[turn % seeds.len()], &mut numbers);
        let start = Instant::now();
        let result = std::panic::catch_unwind(|| check_program("mutant.nn", &text).1.len());
        let (failed, slow) = (result.is_err(), start.elapsed() > Duration::from_secs(20));
        if failed || slow {
            problems.push(format!("---- panic {failed}, slow {slow}\n{text}"));
        }
    }
    assert!(problems.is_empty(), "{} of the mutants\n{}", problems.len(), problems[..problems.len().min(5)].join("\n"));
}

#[test]
fn diagnostics_look_as_they_should() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok()?.strip_suffix(".nn").map(str::to_string))
        .filter(|name| name.len() > 5 && Code::parse(&name[..5]).is_some())
        .collect();
    names.sort();
    for name in names {
        let text = std::fs::read_to_string(folder.join(format!("{name}.nn"))).unwrap();
        // The marks that say what is expected would stand in the picture.
        let text: String = text.lines().map(|line| format!("{}\n", line.split("  #").next().unwrap())).collect();
        let (sources, diagnostics) = check_program(&format!("{name}.nn"), &text);
        // Wide enough that the length of this folder's path wraps no line.
        let shown = render::text(&sources, &diagnostics, false, 400);
        insta::assert_snapshot!(name, shown.replace(&folder.display().to_string(), "tests/errors"));
    }
}

#[test]
fn a_const_that_is_not_there_cannot_be_set() {
    let mut sources = SourceMap::default();
    let text = "const rate = 0.1\nprint rate\n";
    let file = sources.add("rate.nn", text);
    let (ast, _) = nnc::syntax::parse(file, text);
    let options = Options { set: vec![("rte".into(), "0.2".into())], seed: 0, unparsed: &[], world: &TestWorld };
    let (_, found) = check::check(&mut sources, file, ast, &options);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].code, found[0].help.as_deref()), (Code::E0410, Some("did you mean `rate`?")));
}

#[test]
fn the_programs_of_the_language_have_no_advice_to_take() {
    // What is not built yet stands in some of them; advice is given only where nothing is wrong.
    for text in
        seeds().iter().filter(|text| !["# error:", "# warning:", "# Warns:"].iter().any(|mark| text.contains(mark)))
    {
        let (_, found) = check_program("program.nn", text);
        let advice: Vec<_> = found.iter().filter(|one| !one.is_error()).collect();
        assert!(advice.is_empty(), "{advice:?}\n{text}");
    }
}
