//! Suite: diag. Programs that are wrong, and what is said about them.
//!
//! A line of a program in `tests/errors/` carries what is expected of it as a
//! trailing comment:
//!
//! ```text
//! let x = 1 +      # error: E0102 11-12 expected an expression after `+`
//! ```
//!
//! `error:` or `warning:`, the code, the first and last column of the primary
//! span (characters from 1; one number for one character or an empty span), a
//! part of the message. Several in one line are separated by ` # `. `error-above:`
//! speaks of the line above, for lines that a comment would change. Nothing else
//! may be reported.

#![allow(clippy::unwrap_used)] // A suite may panic.

use std::fmt::Write as _;
use std::path::PathBuf;

use nnc::diag::{Code, Diagnostic, Severity, render};
use nnc::source::{SourceMap, Span};
use nnc::syntax;

/// What finds the mistakes of a program: its name and text to its sources and diagnostics.
pub type FrontEnd = fn(&str, &str) -> (SourceMap, Vec<Diagnostic>);

/// Parsing alone.
pub fn parse_only(name: &str, text: &str) -> (SourceMap, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let (_, diagnostics) = syntax::parse(file, text);
    (sources, diagnostics)
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Expected {
    line: usize,
    severity: &'static str,
    code: String,
    columns: (usize, usize),
    message: String,
}

fn expectations(text: &str) -> Vec<Expected> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for comment in line.split('#').skip(1) {
            let comment = comment.trim();
            let kinds = [("error:", "error", 1), ("warning:", "warning", 1), ("error-above:", "error", 0)];
            let Some((rest, severity, offset)) = kinds
                .iter()
                .find_map(|(head, severity, offset)| Some((comment.strip_prefix(head)?, *severity, *offset)))
            else {
                continue;
            };
            let mut words = rest.trim().splitn(3, ' ');
            let code = words.next().unwrap().to_string();
            let columns = words.next().unwrap_or_else(|| panic!("no columns in: {line}"));
            let (from, to) = columns.split_once('-').unwrap_or((columns, columns));
            let columns = (from.parse().unwrap(), to.parse().unwrap());
            let message = words.next().unwrap_or("").to_string();
            all.push(Expected { line: index + offset, severity, code, columns, message });
        }
    }
    all
}

fn columns(sources: &SourceMap, span: Span) -> (usize, usize) {
    let from = sources.line_column(span).1;
    let length = sources.text(span).lines().next().unwrap_or("").chars().count();
    (from, from + length.max(1) - 1)
}

/// Compares what a front end says about a program with what its comments expect.
pub fn check(name: &str, text: &str, front_end: FrontEnd) -> Result<(), String> {
    let (sources, diagnostics) = front_end(name, text);
    let mut expected = expectations(text);
    let mut problems = String::new();
    for diagnostic in &diagnostics {
        let line = sources.line_column(diagnostic.primary.span).0;
        let columns = columns(&sources, diagnostic.primary.span);
        let severity = match diagnostic.code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let position = expected.iter().position(|wanted| {
            (wanted.line, wanted.severity, wanted.code.as_str(), wanted.columns)
                == (line, severity, diagnostic.code.name(), columns)
                && diagnostic.message.contains(&wanted.message)
        });
        match position {
            Some(index) => {
                expected.remove(index);
            }
            None => {
                let (from, to) = columns;
                let code = diagnostic.code.name();
                writeln!(problems, "{name}:{line}: # {severity}: {code} {from}-{to} {}", diagnostic.message).unwrap();
            }
        }
    }
    for wanted in expected {
        writeln!(problems, "{name}: expected and not reported: {wanted:?}").unwrap();
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// All programs of `tests/errors/` whose code begins with one of `prefixes`.
pub fn error_programs(prefixes: &[&str]) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut programs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .filter(|(name, _)| name.ends_with(".nn") && prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect();
    programs.sort();
    programs
}

/// Runs `front_end` over those programs.
pub fn check_all(prefixes: &[&str], front_end: FrontEnd) {
    let programs = error_programs(prefixes);
    assert!(!programs.is_empty(), "no programs for {prefixes:?}");
    let problems: Vec<String> = programs.iter().filter_map(|(name, text)| check(name, text, front_end).err()).collect();
    assert!(problems.is_empty(), "\n{}", problems.concat());
}

#[test]
fn wrong_programs_are_reported_as_expected() {
    check_all(&["E01"], parse_only);
}

#[test]
fn every_syntax_code_has_a_program_and_an_explanation() {
    for code in Code::ALL.iter().filter(|code| code.name().starts_with("E01")) {
        let text = code.explanation();
        assert!(text.starts_with(&format!("# {}: {}", code.name(), code.title())), "{}", code.name());
        if *code != Code::E0118 {
            assert!(!error_programs(&[code.name()]).is_empty(), "no program shows {}", code.name());
            assert!(text.contains("```nn error"), "{} has no wrong example", code.name());
        }
    }
}

#[test]
fn examples_in_explanations_are_as_wrong_as_they_say() {
    for code in Code::ALL.iter().filter(|code| code.name().starts_with("E01")) {
        let mut rest = code.explanation();
        while let Some(at) = rest.find("```nn") {
            let (head, body) = rest[at + 5..].split_once('\n').unwrap();
            let (body, after) = body.split_once("```").unwrap();
            let (_, found) = parse_only("example.nn", body);
            if head.trim() == "error" {
                assert!(found.iter().any(|diagnostic| diagnostic.code == *code), "{}: {found:?}", code.name());
            } else {
                assert!(found.is_empty(), "{}: {found:?}", code.name());
            }
            rest = after;
        }
    }
}

#[test]
fn columns_are_right_under_wide_characters() {
    let text = "let назва = \"текст 🙂 漢字\" + * 2\n\tlet tab = = 1\nlet ok = 1\n";
    let (sources, diagnostics) = parse_only("широкий.nn", text);
    insta::assert_snapshot!(render::text(&sources, &diagnostics, false, 100));
}

#[test]
fn labels_may_stand_in_two_files() {
    let mut sources = SourceMap::default();
    let first = sources.add("a.nn", "let x = 1\nlet y = x\n");
    let second = sources.add("b.nn", "let x = 2\n");
    let diagnostic = Diagnostic::new(Code::E0101, "these two differ", Span::new(first, 18, 19))
        .here("this one")
        .also(Span::new(first, 4, 5), "given here")
        .also(Span::new(second, 4, 5), "and here, in another file")
        .help("make them equal");
    let diagnostics = [diagnostic];
    insta::assert_snapshot!(render::text(&sources, &diagnostics, false, 80));
    insta::assert_snapshot!(render::json(&sources, &diagnostics));
}

#[test]
fn many_errors_are_capped() {
    let (sources, diagnostics) = parse_only("many.nn", &"let = 1\n".repeat(1000));
    assert_eq!(diagnostics.len(), 1000);
    let text = render::text(&sources, &diagnostics, false, 80);
    assert!(text.ends_with("... and 900 more\n1000 errors\n"), "{}", &text[text.len() - 200..]);
}

#[test]
fn an_error_in_a_very_long_line_shows_a_part_of_it() {
    let text = format!("let x = [{} ) 1]\n", "1, ".repeat(1_000_000));
    let (sources, diagnostics) = parse_only("long.nn", &text);
    let shown = render::text(&sources, &diagnostics, false, 100);
    assert!(shown.len() < 10_000, "{} bytes", shown.len());
}
