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
