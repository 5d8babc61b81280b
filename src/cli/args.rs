//! The command line.
//!
//! In: the process's arguments. Out: [`Arguments`], or clap's own message and
//! exit code 2. Invariant: whatever can be seen to be wrong without the program
//! is found here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  nnc run mnist.nn                      train and print, results in runs/mnist
  nnc run mnist.nn --set hidden=64      with another value of a const
  nnc predict iris.nn new.csv           what the trained model makes of new rows, as CSV
  nnc check mnist.nn                    sizes, parameters and memory, without running
  nnc emit-ir neuron.nn --stage grad --values
                                        the gradient's graph, with numbers
  nnc bench mnist.nn                    where the time of a step goes
  nnc explain E0301                     what an error means
  nnc doc adam                          the library's definition

Exit codes: 0 ok, 1 errors in the program, 2 usage, 3 fault at run time, 4 a file cannot be read or written,
130 interrupted.";

/// A compiler for neural networks: one file, one command.
#[derive(Debug, Parser)]
#[command(name = "nnc", version, about, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program: train, print, save
    Run(Run),
    /// Say what is wrong with a program, and what it will cost
    Check(Check),
    /// Apply a trained model to the rows of a CSV file
    Predict(Predict),
    /// Show what the compiler makes of a program, stage by stage
    EmitIr(EmitIr),
    /// Time the step of every train, kernel by kernel
    Bench(Bench),
    /// Explain a code such as E0301
    Explain {
        /// The code.
        code: String,
    },
    /// Show a definition of the library or of a file; without a name list the library
    Doc {
        /// The definition.
        name: Option<String>,
        /// A file to look in first.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

/// What every command that reads a program takes.
#[derive(Debug, Args)]
pub struct Program {
    /// The program.
    pub file: PathBuf,
    /// Give a const another value; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// The seed until the program sets one.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub seed: i64,
}

/// `nnc run`
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub program: Program,
    /// Threads; results do not depend on it. Default: those of the machine.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// What runs the program.
    #[arg(long, value_enum, default_value_t = Engine::Jit)]
    pub engine: Engine,
    /// Memory that may be used, such as 512MB; what needs more is an error before anything runs. Default: that of the machine.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub memory: Option<u64>,
    /// Folder for weights and logs. Default: runs/NAME
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// One JSON object an event on stdout.
    #[arg(long)]
    pub json: bool,
    /// Say on stderr when what was done.
    #[arg(long)]
    pub timings: bool,
    /// Verify the program after every pass.
    #[arg(long)]
    pub verify: bool,
    /// Results and errors only.
    #[arg(long, short)]
    pub quiet: bool,
}

/// `nnc predict`
#[derive(Debug, Args)]
pub struct Predict {
    #[command(flatten)]
    pub program: Program,
    /// The new rows: a CSV file with the columns that the model's set reads. The target may be absent.
    pub rows: PathBuf,
    /// The model. Default: the last that the program trains.
    #[arg(long)]
    pub model: Option<String>,
    /// The weights. Default: those that a run has written, runs/NAME/MODEL.safetensors
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Where the answers go. Default: stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Threads; results do not depend on it. Default: those of the machine.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// `nnc check`
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub program: Program,
    /// As text, or as one JSON object a finding.
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
    /// Memory of the machine that the program is for, such as 512MB. Default: that of this one.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub memory: Option<u64>,
}

/// `nnc emit-ir`
#[derive(Debug, Args)]
pub struct EmitIr {
    #[command(flatten)]
    pub program: Program,
    /// Which stage.
    #[arg(long, value_enum)]
    pub stage: Stage,
    /// With fused: stop after the first run of this pass.
    #[arg(long, value_name = "PASS")]
    pub after: Option<String>,
    /// As text, Graphviz or picture (pictures of graphs only).
    #[arg(long, value_enum, default_value_t = IrFormat::Text)]
    pub format: IrFormat,
    /// Show each node's value and gradient, for the first values of the parameters.
    #[arg(long)]
    pub values: bool,
    /// Which computation, by name or number. Default: the first train's step, or else the last evaluation.
    #[arg(long = "program", value_name = "NAME|N")]
    pub which: Option<String>,
}

/// `nnc bench`
#[derive(Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    pub program: Program,
    /// Threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// How long to measure each step, in milliseconds.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=600_000))]
    pub millis: u32,
}

/// What runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Machine code.
    Jit,
    /// The reference interpreter.
    Interp,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A stage of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The syntax tree, as canonical text.
    Ast,
    /// The typed program.
    Typed,
    /// The tensor graph, before differentiation.
    Graph,
    /// The graph with its gradients.
    Grad,
    /// The graph after the passes.
    Fused,
    /// Kernels of loops, and their memory.
    Loops,
    /// What Cranelift gets.
    Clif,
}

/// How a stage is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IrFormat {
    /// Text.
    Text,
    /// Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// `NAME=VALUE`
fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, for example lr=0.01")?;
    let name = name.trim();
    if name.is_empty() {
        return Err("there is no name before `=`".to_string());
    }
    Ok((name.to_string(), value.to_string()))
}

/// `512MB`, `2G`, `1_000_000`: bytes, of 1000 to the step.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write a size such as 512MB or 2GB".to_string();
    let text = text.trim().trim_end_matches(['b', 'B']);
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 1.0,
        "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.trim().replace('_', "").parse().map_err(|_| wrong())?;
    if number.is_finite() && number > 0.0 { Ok((number * factor) as u64) } else { Err(wrong()) }
}
