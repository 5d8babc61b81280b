//! Suite: errors. Programs that parse and are wrong, and what checking says of them.

#![allow(clippy::unwrap_used)] // A suite may panic.

mod world;

use nnc::diag::{Code, render};
use world::check_program;

use crate::diag::{check_all, error_programs};

/// All diagnostics that checking gives.
const CHECKED: &[&str] = &["E02", "E03", "E04", "E05", "E06", "E07", "W08"];

#[test]
fn try_programs() {
    let Ok(folder) = std::env::var("NNC_TRY") else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        println!("==================== {name}\n{}", text.trim());
        let result = std::panic::catch_unwind(|| {
            let (sources, diagnostics) = check_program(&name, &text);
            println!("---- {}\n{}", diagnostics.len(), render::text(&sources, &diagnostics, false, 110));
        });
        if result.is_err() {
            println!("!!!! PANIC");
        }
    }
}

#[test]
fn wrong_programs_are_reported_as_expected() {
    check_all(CHECKED, check_program);
}
