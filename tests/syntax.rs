//! Suite: syntax. Programs that parse, the tree they give, and hostile texts.

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
