//! `nnc emit-ir`: what the compiler makes of a program, stage by stage.
//!
//! In: arguments. Out: the stage on stdout, with a header that names what else
//! could be shown. Invariant: every stage is made by the functions of
//! [`driver`] that a run uses, so what is shown is what runs.

use super::Exit;
use super::args::{self, IrFormat, Stage};
use super::shared::{self, print};
use super::{svg, typed_text, values};
use crate::driver::{self, Computation, Front};
use crate::ir::Graph;
use crate::loops::ir::Program as Loops;
use crate::{diag, jit, loops, opt, syntax};

/// Shows a stage.
pub fn emit_ir(arguments: &args::EmitIr) -> Exit {
    if let Err(message) = usage(arguments) {
        eprintln!("nnc: {message}");
        return Exit::Usage;
    }
    if arguments.stage == Stage::Ast {
        return match driver::tree(&arguments.program.file) {
            Ok((_, tree)) => {
                print(&syntax::print::print(&tree));
                Exit::Ok
            }
            Err(failure) => shared::tell(&failure),
        };
    }
    let front = match shared::front(&arguments.program, true) {
        Ok(front) => front,
        Err(exit) => return exit,
    };
    if arguments.stage == Stage::Typed {
        print(&typed_text::program(&front.program, &front.sources));
        return Exit::Ok;
    }
    let found = driver::computations(&front.program, &front.sources);
    let chosen = match choose(&found, arguments.which.as_deref()) {
        Ok(chosen) => chosen,
        Err(message) => {
            eprintln!("nnc: {message}");
            return Exit::Usage;
        }
    };
    match stage(arguments, &front, &found[chosen]) {
        Ok(text) => {
            print(&with_header(arguments, &found, chosen, &text));
            Exit::Ok
        }
        Err(reason) => shared::internal(&reason),
    }
}

/// Options that do not go together.
fn usage(arguments: &args::EmitIr) -> Result<(), String> {
    let is_graph = matches!(arguments.stage, Stage::Graph | Stage::Grad | Stage::Fused);
    if let Some(name) = &arguments.after {
        if arguments.stage != Stage::Fused {
            return Err("--after PASS goes with --stage fused".to_string());
        }
        if opt::pass(name).is_none() {
            let names: Vec<&str> = opt::PASSES.iter().map(|pass| pass.name).collect();
            let near = diag::nearest(name, names.iter().copied());
            let hint = near.map_or(format!("there are {}", names.join(", ")), |near| format!("did you mean {near}?"));
            return Err(format!("there is no pass {name}; {hint}"));
        }
    }
    if arguments.values && !is_graph {
        return Err("--values goes with --stage graph, grad or fused".to_string());
    }
    if arguments.format != IrFormat::Text && !is_graph {
        return Err("--format dot and svg go with --stage graph, grad or fused".to_string());
    }
    Ok(())
}

/// The one asked for, by name or number; else the first train's step, else the last.
fn choose(found: &[Computation], which: Option<&str>) -> Result<usize, String> {
    let Some(which) = which else {
        let train = found.iter().position(|computation| computation.train().is_some());
        let last = found.len().checked_sub(1);
        return train.or(last).ok_or_else(|| "the program computes nothing: no train, print or assert".to_string());
    };
    if let Some(at) = found.iter().position(|computation| computation.name == which) {
        return Ok(at);
    }
    if let Some(at) =
        which.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|at| *at < found.len())
    {
        return Ok(at);
    }
    match diag::nearest(which, found.iter().map(|computation| computation.name.as_str())) {
        Some(near) => Err(format!("there is no {which}; did you mean {near}?")),
        None => Err(format!("there is no {which}; there are {}", names(found).join(", "))),
    }
}

fn names(found: &[Computation]) -> Vec<String> {
    found.iter().enumerate().map(|(at, computation)| format!("{} {}", at + 1, computation.name)).collect()
}

/// A first line that says what is shown, and a second one with the others, as comments of the format.
fn with_header(arguments: &args::EmitIr, found: &[Computation], chosen: usize, text: &str) -> String {
    let others: Vec<String> =
        names(found).into_iter().enumerate().filter(|(at, _)| *at != chosen).map(|(_, name)| name).collect();
    let shown = &found[chosen];
    let rows = if shown.rows > 1 { format!(", {} rows", shown.rows) } else { String::new() };
    let mut lines = vec![format!("{} {}{rows}", chosen + 1, shown.name)];
    if !others.is_empty() {
        lines.push(format!("others (--program): {}", others.join(", ")));
    }
    let comment = |line: &String| match arguments.format {
        IrFormat::Text if arguments.stage == Stage::Clif => format!("; {line}\n"),
        IrFormat::Text => format!("# {line}\n"),
        IrFormat::Dot => format!("// {line}\n"),
        // Two dashes would end an XML comment.
        IrFormat::Svg => format!("<!-- {} -->\n", line.replace("--", "")),
    };
    let header: String = lines.iter().map(comment).collect();
    format!("{header}{text}")
}

fn stage(arguments: &args::EmitIr, front: &Front, computation: &Computation) -> Result<String, String> {
    let program = &front.program;
    match arguments.stage {
        Stage::Ast | Stage::Typed => Err("this stage is of the whole file".to_string()),
        Stage::Graph => graph(arguments, front, computation, &driver::forward(program, computation)?),
        Stage::Grad => graph(arguments, front, computation, &driver::listed(program, computation)?),
        Stage::Fused => {
            let graph_before = driver::differentiated(program, computation)?;
            let after = driver::optimised(graph_before, arguments.after.as_deref())?;
            graph(arguments, front, computation, &after)
        }
        Stage::Loops => Ok(loops::print::print(&lowered(front, computation)?, Some(&front.sources))),
        Stage::Clif => clif(&driver::expanded(lowered(front, computation)?)),
    }
}

fn lowered(front: &Front, computation: &Computation) -> Result<Loops, String> {
    let graph = driver::optimised(driver::differentiated(&front.program, computation)?, None)?;
    driver::loops(&computation.name, &graph).map(|(program, _)| program)
}

fn clif(program: &Loops) -> Result<String, String> {
    let mut text = String::new();
    for (at, kernel) in program.kernels.iter().enumerate() {
        text += &format!("; kernel k{at} {:?}\n", kernel.name);
        text += &jit::clif(kernel).map_err(|error| error.to_string())?;
        text.push('\n');
    }
    Ok(text)
}

fn graph(arguments: &args::EmitIr, front: &Front, computation: &Computation, graph: &Graph) -> Result<String, String> {
    let shown = match arguments.values {
        true => Some(values::of(front, computation, graph)?),
        false => None,
    };
    Ok(match (arguments.format, &shown) {
        (IrFormat::Text, None) => graph.to_string(),
        (IrFormat::Text, Some(values)) => values::text(graph, values, &front.sources),
        (IrFormat::Dot, _) => svg::dot(&svg::boxes(graph, shown.as_deref(), &front.sources)),
        (IrFormat::Svg, _) => svg::svg(&svg::boxes(graph, shown.as_deref(), &front.sources)),
    })
}
