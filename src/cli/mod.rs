//! The commands of `nnc`.
//!
//! In: arguments. Out: text on stdout (results) and stderr (everything else) and
//! an exit code. Invariant: the exit code says what happened, see [`Exit`].

mod args;
mod bench;
mod check;
mod doc;
mod emit;
mod explain;
mod predict;
mod run;
mod shared;
mod svg;
mod typed_text;
mod values;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::driver;
use args::{Arguments, Command};

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The program is wrong.
    Wrong = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The program went wrong while it ran.
    Fault = 3,
    /// A file cannot be read or written.
    Io = 4,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

/// Does what the command line says. `start` is when the process began.
pub fn main(start: Instant) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // That the terminal is gone is no further news.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    match driver::on_large_stack(|| dispatch(&arguments.command, start)) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            eprintln!("nnc: cannot start a thread: {error}");
            ExitCode::from(Exit::Io as u8)
        }
    }
}

fn dispatch(command: &Command, start: Instant) -> Exit {
    match command {
        Command::Run(arguments) => run::run(arguments, start),
        Command::Predict(arguments) => predict::predict(arguments),
        Command::Check(arguments) => check::check(arguments),
        Command::EmitIr(arguments) => emit::emit_ir(arguments),
        Command::Bench(arguments) => bench::bench(arguments),
        Command::Explain { code } => explain::explain(code),
        Command::Doc { name, file } => doc::doc(name.as_deref(), file.as_deref()),
    }
}
