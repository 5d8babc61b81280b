//! `nnc run`: the whole program, told as the user wants it.
//!
//! In: arguments. Out: results on stdout, files in the results' folder, an exit
//! code. Invariant: Ctrl-C ends the run after the step at hand, with everything
//! saved that an ordinary end saves; a second one ends it at once.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::Exit;
use super::args::{self, Engine};
use super::shared;
use crate::diag::{Code, Diagnostic};
use crate::driver;
use crate::jit;
use crate::report::{Reporter, Style, Times, TimesStyle};
use crate::source::SourceMap;
use crate::train::engine::EngineKind;
use crate::train::{self, Fault, FaultKind, RunOptions};

/// Runs a program.
pub fn run(arguments: &args::Run, start: Instant) -> Exit {
    let times = if arguments.timings { TimesStyle::of(arguments.json) } else { TimesStyle::Silent };
    let mut times = Times::new(start, times);
    times.mark("start");
    let front = match shared::front(&arguments.program, arguments.quiet) {
        Ok(front) => front,
        Err(exit) => return exit,
    };
    times.at(front.parsed, "parse", Some(front.parsing));
    times.spent("check", front.checking);
    if let (Some(note), Engine::Jit, false) = (jit::machine_note(), arguments.engine, arguments.quiet) {
        eprintln!("note: {note}");
    }
    if let Err(exit) = shared::fits(&front, arguments.memory) {
        return exit;
    }
    let options = options(arguments, interrupt());
    let mut reporter = Reporter::new(style(arguments), options.out.clone(), times);
    let result = train::run(&front.program, &options, &mut reporter);
    let mut times = reporter.finish(&result);
    times.mark("end");
    match result {
        Ok(outcome) if outcome.interrupted => Exit::Interrupted,
        Ok(_) => Exit::Ok,
        Err(fault) => tell_fault(&front.sources, &fault),
    }
}

fn options(arguments: &args::Run, interrupt: Arc<AtomicBool>) -> RunOptions {
    let machine = std::thread::available_parallelism().map_or(1, usize::from);
    RunOptions {
        engine: match arguments.engine {
            Engine::Jit => EngineKind::Jit,
            Engine::Interp => EngineKind::Interpreter,
        },
        threads: arguments.threads.map_or(machine, usize::from),
        seed: Some(arguments.program.seed),
        out: arguments.out.clone().unwrap_or_else(|| driver::default_out(&arguments.program.file)),
        verify: arguments.verify,
        interrupt,
    }
}

fn style(arguments: &args::Run) -> Style {
    if arguments.json {
        Style::Json
    } else if arguments.quiet {
        Style::Quiet
    } else if std::io::stderr().is_terminal() {
        Style::Terminal
    } else {
        Style::Lines
    }
}

/// A flag that Ctrl-C (and a polite kill) sets.
fn interrupt() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let handler = move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("note: Ctrl-C will end the run without saving: {error}");
    }
    flag
}

/// A fault as a diagnostic.
pub(super) fn tell_fault(sources: &SourceMap, fault: &Fault) -> Exit {
    let (code, exit) = match fault.kind {
        FaultKind::Assert => (Code::F0901, Exit::Fault),
        FaultKind::NotFinite => (Code::F0902, Exit::Fault),
        FaultKind::Misstep => (Code::F0906, Exit::Fault),
        FaultKind::Data => (Code::F0903, Exit::Fault),
        FaultKind::Io => (Code::F0904, Exit::Io),
        FaultKind::Internal => (Code::F0905, Exit::Fault),
    };
    let mut diagnostic = Diagnostic::new(code, fault.message.clone(), fault.span);
    for (span, text) in &fault.also {
        diagnostic = diagnostic.also(*span, text.clone());
    }
    if let Some(help) = &fault.help {
        diagnostic = diagnostic.help(help.clone());
    }
    shared::tell_diagnostics(sources, &[diagnostic]);
    exit
}
