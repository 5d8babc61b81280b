//! Suite: syntax. Programs that parse, the tree they give, and hostile texts.

#![allow(clippy::unwrap_used)] // A suite may panic.

use nnc::source::FileId;
use nnc::syntax;

fn programs() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/syntax/ok");
    let mut programs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nn"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    programs.sort();
    assert!(programs.len() >= 26, "only {} programs found", programs.len());
    programs
}

#[test]
fn every_program_parses() {
    for (name, text) in programs() {
        let (file, diagnostics) = syntax::parse(FileId(0), &text);
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:#?}");
        assert!(!file.stmts.is_empty(), "{name} is empty");
    }
}

/// Parses on a small stack, as a thread of a server might, and within the time that a user would wait.
fn parse_hostile(name: &'static str, text: String, errors: std::ops::RangeInclusive<usize>) {
    let run = move || {
        let began = std::time::Instant::now();
        let (file, diagnostics) = syntax::parse(FileId(0), &text);
        let seconds = began.elapsed().as_secs_f64();
        let count = diagnostics.len();
        assert!(errors.contains(&count), "{name}: {count} errors, first {:?}", diagnostics.first());
        for diagnostic in &diagnostics {
            let span = diagnostic.primary.span;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{name}: {diagnostic:?}");
        }
        if !cfg!(debug_assertions) {
            // Twice what is promised (1 s, and 3 s for lines of 10 MB): the machine may be busy.
            let limit = if text.len() > 5_000_000 { 6.0 } else { 2.0 };
            println!("{name}: {seconds:.3} s, {} bytes, {} statements", text.len(), file.stmts.len());
            assert!(seconds < limit, "{name}: {seconds} s");
        }
        drop(file);
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

const MANY: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

#[test]
fn deep_texts_are_errors() {
    let deep =
        |open: &str, inner: &str, close: &str| format!("let x = {}{inner}{}\n", open.repeat(MANY), close.repeat(MANY));
    parse_hostile("round brackets", deep("(", "1", ")"), 1..=1);
    parse_hostile("square brackets", deep("[", "1", "]"), 1..=1);
    parse_hostile("calls in calls", deep("f(", "1", ")"), 1..=1);
    parse_hostile("indices in indices", deep("f[", "1", "]"), 1..=1);
    parse_hostile("next of indices", deep("next f[", ":", "]"), 1..=1);
    parse_hostile("blocks", deep("if a { ", "1", " }"), 1..=1);
    parse_hostile("bare blocks", deep("{", "1", "}"), 1..=2);
    parse_hostile("holes in texts", deep("\"{", "1", "}\""), 1..=2);
    parse_hostile("minus", deep("-", "1", ""), 1..=1);
    parse_hostile("not", deep("not ", "1", ""), 1..=1);
    parse_hostile("powers", deep("2 ^ ", "1", ""), 1..=1);
    parse_hostile("signed powers", deep("2 ^ -", "1", ""), 1..=1);
    parse_hostile("calls of calls", format!("let x = f{}\n", "(1)".repeat(MANY)), 1..=1);
    parse_hostile("indices of indices", format!("let x = f{}\n", "[1]".repeat(MANY)), 1..=1);
    parse_hostile("fields of fields", format!("let x = f{}\n", ".a".repeat(MANY)), 1..=1);
    parse_hostile("patterns", format!("let {}a{} = 1\n", "(".repeat(MANY), ")".repeat(MANY)), 1..=1);
    parse_hostile("types", format!("fn f(x: {}f32{}) = 1\n", "(".repeat(MANY), ")".repeat(MANY)), 1..=1);
}

#[test]
fn texts_just_under_the_limit_parse_on_a_small_stack() {
    let deep =
        |open: &str, inner: &str, close: &str| format!("let x = {}{inner}{}\n", open.repeat(250), close.repeat(250));
    parse_hostile("round brackets", deep("(", "1", ")"), 0..=0);
    parse_hostile("calls", deep("f(", "1", ")"), 0..=0);
    parse_hostile("blocks", deep("if a { ", "1", " }"), 0..=0);
    parse_hostile("next of indices", deep("next f[", ":", "]"), 0..=0);
    parse_hostile("holes", deep("\"{", "1", "}\""), 0..=0);
}

#[test]
fn long_chains_are_fine() {
    let n = MANY;
    parse_hostile("sum", format!("let x = 1{}\n", " + 1".repeat(n)), 0..=0);
    parse_hostile("pipe", format!("let x = 1{}\n", "\n |> f(1)".repeat(n)), 0..=0);
    parse_hostile("else if", format!("let x = if a {{ 1 }}{}\n", " else if a { 1 }".repeat(n)), 0..=0);
    parse_hostile("statements", "let x = 1\n".repeat(n), 0..=0);
    parse_hostile("list", format!("let x = [{}]\n", "1, ".repeat(n)), 0..=0);
    parse_hostile("holes", format!("let x = \"{}\"\n", "{a}".repeat(n)), 0..=0);
}

#[test]
fn broken_texts_end_in_errors() {
    let n = MANY;
    parse_hostile("errors", "let = 1\n".repeat(n), n..=n);
    parse_hostile("open brackets", "let x = (1\n".repeat(n), n..=n);
    parse_hostile("open round", "(".repeat(n), 1..=1);
    parse_hostile("open braces", "{".repeat(n), 1..=3);
    parse_hostile("open braces in lines", "{\n".repeat(n), 1..=3);
    parse_hostile("closing", ")".repeat(n), 1..=1);
    parse_hostile("closing braces", "}".repeat(n), 1..=n);
    parse_hostile("open everything", "f(\"{[ {".repeat(n), 1..=3);
    parse_hostile("open text", format!("print \"{}", "a".repeat(n)), 1..=1);
    parse_hostile("quotes", "\"".repeat(n + 1), 1..=1);
    parse_hostile("back-quotes", "`".repeat(n + 1), 1..=1);
    parse_hostile("backslashes", "\\".repeat(n), 1..=1);
    parse_hostile("lone carriage returns", "let x = 1\rlet y = 2\r".to_string(), 1..=1);
    parse_hostile("zero bytes", "let x = \0\0\n".to_string(), 1..=1);
    parse_hostile("emoji", "🙂".repeat(n), 1..=1);
    parse_hostile("empty lines", "\n".repeat(n * 10), 0..=0);
    parse_hostile("comments", "# a\n".repeat(n), 0..=0);
    parse_hostile("equals", "=".repeat(n), 1..=1);
    parse_hostile("pipes", "x |> ".repeat(n), 1..=1);
    parse_hostile("words", "a ".repeat(n), 1..=1);
    parse_hostile("empty", String::new(), 0..=0);
}

#[test]
fn lines_of_ten_megabytes() {
    if cfg!(debug_assertions) {
        return;
    }
    parse_hostile("sum", format!("let x = 1{}\n", "+1".repeat(5_000_000)), 0..=0);
    parse_hostile("names", format!("let x = a{}\n", "*abcdefgh".repeat(1_100_000)), 0..=0);
    parse_hostile("text", format!("print \"{}\"\n", "a".repeat(10_000_000)), 0..=0);
    parse_hostile("word", "a".repeat(10_000_000), 0..=0);
    parse_hostile("brackets", "(".repeat(10_000_000), 1..=1);
    parse_hostile("list", format!("let x = [{}]\n", "1, ".repeat(3_300_000)), 0..=0);
    parse_hostile("statements", "a;".repeat(5_000_000), 0..=0);
    parse_hostile("comment", format!("#{}\n", "a".repeat(10_000_000)), 0..=0);
    parse_hostile("late error", format!("let x = 1{} )\n", "+1".repeat(5_000_000)), 1..=1);
}

#[test]
fn bytes_are_checked() {
    let check =
        |bytes: &[u8]| syntax::check_bytes(FileId(0), bytes).map(str::len).map_err(|diagnostic| diagnostic.message);
    assert_eq!(check(b"let x = 1\r\n"), Ok(11));
    assert_eq!(check(b"\xEF\xBB\xBFlet x = 1\n"), Ok(13));
    assert!(check(b"let x\n= \xFF\n").unwrap_err().contains("line 2"));
    assert!(check(b"let \0").unwrap_err().contains("zero byte at offset 4"));
    assert!(check(b"\xFF\xFEl\0e\0t\0").unwrap_err().contains("UTF-16"));
    assert!(check(&vec![b'a'; syntax::MAX_BYTES + 1]).unwrap_err().contains("16 MB"));
}

#[test]
fn byte_order_mark_and_windows_lines_are_fine() {
    let (file, diagnostics) = syntax::parse(FileId(0), "\u{FEFF}nnc 1\r\nlet x = 1 +\r\n  2\r\nx\r\n|> f\r\n");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(file.version.map(|version| version.0), Some(1));
    assert_eq!(file.stmts.len(), 2);
}

/// The tree without its spans, and with texts and numbers as they are.
fn shape_of(file: &syntax::ast::File) -> String {
    let debug = format!("{file:?}");
    let mut out = String::new();
    let mut rest = debug.as_str();
    while let Some(at) = rest.find("Span { file:") {
        out.push_str(&rest[..at]);
        let end = at + rest[at..].find('}').unwrap();
        rest = &rest[end + 1..];
    }
    out + rest
}

#[test]
fn printing_and_parsing_gives_the_same_tree() {
    let tricky = "let a = -(2 ^ -1) ^ -x\nlet b = (a - b) - (c - d)\nlet c = not (a and not b) or (not a) == b\n\
        let d = (x |> f) + (if a { 1 } else { 2 })\nlet e = (next h)[0]\nlet f = next h[0].w\nlet g = (a,)\n\
        let h = 1e300 * 1.0 + 100000000000000000000000.0 - 9223372036854775807\nlet i = \"a\\n\\\"\\{{x}} \\\\\"\n\
        let j = `if` + f(if = 1, `a b` = 2).in\nlet k = (-x)(1) + (a @ b) @ c * (a @ (b @ c))\nlet l = (0..3)..4\n\
        let m = x |> (f |> g) |> repeat 2 { f |> g(1) }\nlet n = 2 ^ (3 ^ 4) ^ 5\nlet o = (2 ^ 3) ^ 4\n";
    let programs = programs().into_iter().chain([("tricky".to_string(), tricky.to_string())]);
    for (name, text) in programs {
        let (first, found) = syntax::parse(FileId(0), &text);
        let wrong = found.iter().filter(|diagnostic| name != "tricky" || !diagnostic.message.contains("chain")).count();
        assert_eq!(wrong, 0, "{name}: {found:?}");
        let printed = syntax::print::print(&first);
        let (second, found) = syntax::parse(FileId(0), &printed);
        assert!(found.is_empty(), "{name}: {found:?}\n{printed}");
        assert_eq!(shape_of(&first), shape_of(&second), "{name}:\n{printed}");
        assert_eq!(printed, syntax::print::print(&second), "{name}");
    }
}
