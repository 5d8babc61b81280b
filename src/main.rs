//! The program: takes the time, leaves the rest to [`nnc::cli`].

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    nnc::cli::main(Instant::now())
}
