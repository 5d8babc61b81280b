//! What all commands do alike: front of the pipeline, messages, exit codes.

use std::io::{IsTerminal, Write};

use super::Exit;
use super::args::Program;
use crate::diag::{Diagnostic, render};
use crate::driver::{self, Failure, Front, Settings};
use crate::source::SourceMap;

/// Columns of a message where the terminal does not say.
const WIDTH: usize = 100;

/// Reads and checks a program; what is wrong is told. With `quiet` warnings are not.
pub fn front(program: &Program, quiet: bool) -> Result<Front, Exit> {
    let settings = Settings { set: program.set.clone(), seed: program.seed };
    let front = driver::front(&program.file, &settings).map_err(|failure| tell(&failure))?;
    if !quiet && !front.warnings.is_empty() {
        tell_diagnostics(&front.sources, &front.warnings);
    }
    Ok(front)
}

/// Tells why there is no program.
pub fn tell(failure: &Failure) -> Exit {
    match failure {
        Failure::Io(message) => {
            eprintln!("nnc: {message}");
            Exit::Io
        }
        Failure::Wrong { sources, diagnostics } => {
            tell_diagnostics(sources, diagnostics);
            Exit::Wrong
        }
    }
}

/// Whether the program fits into so much memory, or that of the machine; what does not is told.
///
/// # Errors
/// The exit code.
pub fn fits(front: &Front, memory: Option<u64>) -> Result<(), Exit> {
    match driver::too_large(&front.program, memory) {
        Ok(found) if found.is_empty() => Ok(()),
        Ok(found) => {
            tell_diagnostics(&front.sources, &found);
            Err(Exit::Wrong)
        }
        Err(reason) => Err(internal(&reason)),
    }
}

/// Diagnostics with excerpts, on stderr.
pub fn tell_diagnostics(sources: &SourceMap, diagnostics: &[Diagnostic]) {
    eprint!("{}", render::text(sources, diagnostics, has_colour(), width()));
}

/// A fault of ours.
pub fn internal(reason: &str) -> Exit {
    eprintln!("nnc: internal error: {reason}\nthis is a bug in nnc, not in the program; please report it");
    Exit::Fault
}

/// Text on stdout; a reader that went away is no fault.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

fn has_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(WIDTH).clamp(40, 200)
}
