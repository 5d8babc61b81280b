//! `docs/course.md` lists the rows of the course. Each names what covers it: a
//! file that exists, or a definition that the library has.

use std::path::Path;

/// The texts between `open` and `close`.
fn between<'a>(line: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    line.split(open).skip(1).filter_map(|rest| rest.split(close).next()).collect()
}

/// Whether the library defines a name.
fn defined(name: &str) -> bool {
    let begins = |line: &str| {
        let rest = ["fn ", "layer ", "optimizer ", "const "].into_iter().find_map(|word| line.strip_prefix(word));
        let rest = rest.and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    nnc::prelude::FILES.iter().any(|(_, text)| text.lines().any(begins))
}

#[test]
fn every_row_of_the_course_is_covered() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let text = std::fs::read_to_string(docs.join("course.md")).expect("the page can be read");
    let rows: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"))
        .filter_map(|line| line.trim_end_matches(" |").rsplit_once(" | "))
        .filter(|(_, by)| *by != "covered by")
        .collect();
    let mut wrong = Vec::new();
    for (row, by) in &rows {
        let (files, names) = (between(by, "](", ")"), between(by, "`", "`"));
        let names = names.into_iter().step_by(2).collect::<Vec<_>>();
        if files.is_empty() && names.is_empty() {
            wrong.push(format!("{row}: nothing covers it"));
        }
        let missing = files.iter().filter(|file| !docs.join(file).exists());
        wrong.extend(missing.map(|file| format!("{row}: there is no {file}")));
        let unknown = names.iter().filter(|name| !defined(name));
        wrong.extend(unknown.map(|name| format!("{row}: the library has no {name}")));
    }
    assert!(rows.len() > 60, "{} rows", rows.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
