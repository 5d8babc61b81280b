//! `nnc check`: what is wrong with a program, and what it will cost.
//!
//! In: arguments. Out: findings, then parameters, data and the memory of every
//! step, without running anything. Invariant: the costs are those of the
//! program that would run.

use serde_json::json;

use super::Exit;
use super::args::{self, CheckFormat};
use super::shared::{self, print};
use crate::check::typed::{Data, Program};
use crate::diag::render;
use crate::driver::{self, Computation, Failure, Front, Settings};
use crate::ir::Owner;

/// What a step will cost.
struct StepCost {
    name: String,
    rows: u64,
    kernels: usize,
    flops: u64,
    bytes: u64,
    slots: usize,
    constants: usize,
    temporaries: usize,
    largest: Vec<(String, usize)>,
}

/// Checks a program.
pub fn check(arguments: &args::Check) -> Exit {
    let settings = Settings { set: arguments.program.set.clone(), seed: arguments.program.seed };
    let json = arguments.format == CheckFormat::Json;
    let front = match driver::front(&arguments.program.file, &settings) {
        Ok(front) => front,
        Err(Failure::Wrong { sources, diagnostics }) if json => {
            print(&render::json(&sources, &diagnostics));
            return Exit::Wrong;
        }
        Err(failure) => return shared::tell(&failure),
    };
    if json {
        match driver::too_large(&front.program, arguments.memory) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                print(&render::json(&front.sources, &found));
                return Exit::Wrong;
            }
            Err(reason) => return shared::internal(&reason),
        }
    } else if let Err(exit) = shared::fits(&front, arguments.memory) {
        return exit;
    }
    let steps: Result<Vec<StepCost>, String> = driver::computations(&front.program, &front.sources)
        .iter()
        .filter(|computation| computation.train().is_some())
        .map(|computation| cost(&front, computation))
        .collect();
    let steps = match steps {
        Ok(steps) => steps,
        Err(reason) => return shared::internal(&reason),
    };
    if json {
        print(&render::json(&front.sources, &front.warnings));
        print(&format!("{}\n", summary(&front.program, &steps)));
    } else {
        if !front.warnings.is_empty() {
            shared::tell_diagnostics(&front.sources, &front.warnings);
        }
        print(&text(&arguments.program.file.display().to_string(), &front.program, &steps));
    }
    Exit::Ok
}

fn cost(front: &Front, computation: &Computation) -> Result<StepCost, String> {
    let graph = driver::optimised(driver::differentiated(&front.program, computation)?, None)?;
    let (program, memory) = driver::loops(&computation.name, &graph)?;
    let run_cost = |at: usize| (program.kernels[program.runs[at].kernel.index()].cost, program.times(at));
    let costs = || (0..program.runs.len()).map(run_cost);
    Ok(StepCost {
        name: computation.name.clone(),
        rows: computation.rows,
        kernels: program.runs.len(),
        flops: costs().map(|(cost, times)| cost.flops * times).sum(),
        bytes: costs().map(|(cost, times)| cost.bytes * times).sum(),
        slots: memory.slots,
        constants: memory.constants,
        temporaries: memory.temporaries,
        largest: memory.largest.into_iter().map(|(name, bytes, _)| (name, bytes)).collect(),
    })
}

fn text(file: &str, program: &Program, steps: &[StepCost]) -> String {
    let mut text = format!("{file}: no errors\n");
    for (model, tensors, numbers) in parameters(program) {
        text += &format!("parameters {model}: {} in {tensors} tensors\n", grouped(numbers));
    }
    for data in &program.data {
        text += &data_text(data);
    }
    for step in steps {
        let total = step.slots + step.constants + step.temporaries;
        text += &format!(
            "step of {}, {} rows: {} kernels, {} MFLOP, moves {}; memory {} ({} values that stay, {} temporary)\n",
            step.name,
            grouped(step.rows),
            step.kernels,
            short(step.flops as f64 / 1e6),
            driver::size(step.bytes),
            driver::size(total as u64),
            driver::size((step.slots + step.constants) as u64),
            driver::size(step.temporaries as u64),
        );
        let named: Vec<String> = step
            .largest
            .iter()
            .take(4)
            .map(|(name, bytes)| format!("{name} {}", driver::size(*bytes as u64)))
            .collect();
        if !named.is_empty() {
            text += &format!("  largest: {}\n", named.join(", "));
        }
    }
    text
}

fn data_text(data: &Data) -> String {
    let parts: Vec<String> = data.parts.iter().map(|(name, rows)| format!("{name} {}", grouped(*rows))).collect();
    let columns: Vec<String> = data.named.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    format!("data {}: rows {}; {}\n", data.name, parts.join(", "), columns.join(", "))
}

/// Tensors and numbers of each model, in the order of their first parameter.
fn parameters(program: &Program) -> Vec<(String, usize, u64)> {
    let mut models: Vec<(String, usize, u64)> = Vec::new();
    for slot in program.slots.iter().filter(|slot| slot.owner == Owner::Parameter) {
        let name =
            if slot.path.contains('.') { slot.path.split('.').next().unwrap_or_default() } else { "of the file" };
        match models.iter_mut().find(|(known, _, _)| known == name) {
            Some((_, tensors, numbers)) => {
                *tensors += 1;
                *numbers += slot.ty.len() as u64;
            }
            None => models.push((name.to_string(), 1, slot.ty.len() as u64)),
        }
    }
    models
}

fn summary(program: &Program, steps: &[StepCost]) -> serde_json::Value {
    let models: Vec<_> = parameters(program)
        .into_iter()
        .map(|(name, tensors, numbers)| json!({ "model": name, "tensors": tensors, "parameters": numbers }))
        .collect();
    let data: Vec<_> = program
        .data
        .iter()
        .map(|data| {
            let parts: serde_json::Map<String, serde_json::Value> =
                data.parts.iter().map(|(name, rows)| (name.clone(), (*rows).into())).collect();
            json!({ "name": data.name, "parts": parts })
        })
        .collect();
    let steps: Vec<_> = steps
        .iter()
        .map(|step| {
            json!({
                "name": step.name, "rows": step.rows, "kernels": step.kernels, "flops": step.flops,
                "bytes": step.bytes, "slot_bytes": step.slots, "constant_bytes": step.constants,
                "temporary_bytes": step.temporaries,
            })
        })
        .collect();
    json!({ "summary": { "models": models, "data": data, "steps": steps } })
}

/// `101,770`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that matter, and no more zeros than needed.
fn short(value: f64) -> String {
    match value {
        ..0.01 => format!("{value:.5}"),
        ..10.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1_000, 101_770].map(grouped), ["0", "999", "1,000", "101,770"]);
    }
}
