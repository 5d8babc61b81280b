//! The rules of the house, read from the sources: rooms import only rooms above
//! them, one owner for each outside package, small files that say what they are.

use std::path::{Path, PathBuf};

/// Rooms that everybody may import.
const FREE: [&str; 3] = ["source", "diag", "ir"];
/// Longest file, lines.
const MOST_LINES: usize = 700;

struct File {
    path: String,
    room: String,
    text: String,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                let room = relative.split('/').next().unwrap().trim_end_matches(".rs").to_string();
                found.push(File { room, text: std::fs::read_to_string(&path).unwrap(), path: relative });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// Lines of code: no comments.
fn code(file: &File) -> impl Iterator<Item = &str> {
    file.text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Rooms in the order of `lib.rs`.
fn rooms(files: &[File]) -> Vec<String> {
    let lib = files.iter().find(|file| file.path == "lib.rs").unwrap();
    let room = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_string());
    lib.text.lines().filter_map(room).collect()
}

/// The rooms that a line names behind `crate::`.
fn named(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for part in line.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let mut start = 0;
                for (at, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => {
                            found.push(word(group[start..at].trim()));
                            break;
                        }
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            found.push(word(group[start..at].trim()));
                            start = at + 1;
                        }
                        _ => {}
                    }
                }
            }
            None => found.push(word(part)),
        }
    }
    found
}

/// Whether a line belongs to tests inside a file; those may look anywhere.
fn before_tests(file: &File) -> impl Iterator<Item = &str> {
    code(file).take_while(|line| line.trim() != "#[cfg(test)]")
}

#[test]
fn rooms_import_only_rooms_above_them() {
    assert_eq!(named("use crate::{ir, opt::{a, b}, lower};"), ["ir", "opt", "lower"]);
    let files = files();
    let rooms = rooms(&files);
    let at = |room: &str| rooms.iter().position(|other| other == room);
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path != "lib.rs" && file.path != "main.rs") {
        let own = at(&file.room).unwrap_or_else(|| panic!("{} is in no room of lib.rs", file.path));
        for line in before_tests(file) {
            for room in named(line) {
                if at(&room).is_some_and(|other| other > own) && !FREE.contains(&room.as_str()) {
                    wrong.push(format!("{} imports {room}", file.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_what_it_is_and_is_not_too_long() {
    for file in files() {
        assert!(file.text.starts_with("//!"), "{} does not begin with //!", file.path);
        let lines = file.text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", file.path);
    }
}

#[test]
fn every_outside_package_has_one_owner() {
    let owners: [(&str, &[&str]); 10] = [
        ("pest", &["syntax/"]),
        ("miette", &["diag/render.rs"]),
        ("cranelift_", &["jit/"]),
        ("clap", &["cli/"]),
        ("indicatif", &["report/"]),
        ("ctrlc", &["cli/run.rs"]),
        ("sysinfo", &["driver/memory.rs"]),
        ("safetensors::", &["train/"]),
        ("tiny_skia", &["report/plot/png.rs"]),
        ("ttf_parser", &["report/plot/font.rs"]),
    ];
    for file in files() {
        for (package, allowed) in owners {
            let uses = code(&file)
                .any(|line| line.contains(&format!("use {package}")) || line.contains(&format!("{package}::")));
            let allowed = allowed.iter().any(|place| file.path.starts_with(place));
            assert!(!uses || allowed, "{} uses {package}", file.path);
        }
    }
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    // Loading a machine binds the addresses of slots: the one place where the session promises that they live.
    let allowed = ["jit/", "kernels/", "runtime/", "train/engine/machine.rs"];
    for file in files() {
        let is_unsafe = code(&file)
            .any(|line| line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl"));
        let allowed = allowed.iter().any(|place| file.path.starts_with(place));
        assert!(!is_unsafe || allowed, "{} has unsafe code", file.path);
    }
}

/// What tests run is verified after every pass.
#[test]
fn every_run_of_the_suites_is_verified() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            // Put together here, or this file would find itself.
            let options = ["RunOptions", " {"].concat();
            for (at, _) in text.match_indices(&options) {
                let rest: String = text[at..].chars().take_while(|c| *c != '}').collect();
                assert!(rest.contains("verify: true"), "{}: {rest}", path.display());
            }
        }
    }
}
