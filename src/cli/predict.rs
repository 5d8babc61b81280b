//! `nnc predict`: what a trained model makes of the rows of a CSV file, as CSV.
//!
//! In: arguments. Out: a row of answers for each row, on stdout or in a file. An
//! output of one number a row is one column; scores of classes are a column
//! `class` with the likeliest and a column of scores for each class.

use std::path::Path;

use super::args;
use super::run::tell_fault;
use super::{Exit, shared};
use crate::driver::{self, Prediction, Settings, Wanted};
use crate::ir::DType;
use crate::train::data::csv_text;
use crate::train::{self, Report, RunOptions, Value, number, show};

/// Predicts.
pub fn predict(arguments: &args::Predict) -> Exit {
    let settings = Settings { set: arguments.program.set.clone(), seed: arguments.program.seed };
    let wanted =
        Wanted { model: arguments.model.clone(), rows: arguments.rows.clone(), weights: arguments.weights.clone() };
    let prediction = match driver::prediction(&arguments.program.file, &settings, &wanted) {
        Ok(prediction) => prediction,
        Err(failure) => return shared::tell(&failure),
    };
    if let Err(exit) = shared::fits(&prediction.front, None) {
        return exit;
    }
    let machine = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.map_or(machine, usize::from);
    let options = RunOptions { threads, seed: Some(arguments.program.seed), ..RunOptions::default() };
    let mut heard = Heard::default();
    if let Err(fault) = train::run(&prediction.front.program, &options, &mut heard) {
        return tell_fault(&prediction.front.sources, &fault);
    }
    match heard
        .output
        .ok_or_else(|| "nothing was computed".to_string())
        .and_then(|output| answers(&prediction, &output))
    {
        Ok(text) => write(&text, arguments.out.as_deref()),
        Err(reason) => {
            eprintln!("nnc: {reason}");
            Exit::Wrong
        }
    }
}

/// Keeps what the program's one `print` shows.
#[derive(Default)]
struct Heard {
    output: Option<Value>,
}

impl Report for Heard {
    fn on_print(&mut self, _text: &str) {}
    fn on_outputs(&mut self, outputs: &[Value]) {
        self.output = outputs.first().cloned();
    }
}

/// The answers as CSV.
fn answers(prediction: &Prediction, output: &Value) -> Result<String, String> {
    let cell = |word: u32| match output.ty.dtype {
        DType::F32 => show::number(f32::from_bits(word)),
        DType::I32 | DType::Bool => number(output.ty.dtype, word).to_string(),
    };
    let model = &prediction.model;
    match output.ty.shape.as_slice() {
        [_] => {
            let named = |word: u32| prediction.own_classes().and_then(|names| names.get(word as usize).cloned());
            let rows = output.words.iter().map(|&word| vec![named(word).unwrap_or_else(|| cell(word))]);
            csv_text(std::slice::from_ref(model), rows)
        }
        &[_, width] => {
            let names = prediction.classes.iter().find(|names| names.len() == width && output.ty.dtype == DType::F32);
            let scores = match names {
                Some(names) => names.clone(),
                None => (0..width).map(|at| format!("{model}_{at}")).collect(),
            };
            let header: Vec<String> = names.iter().map(|_| "class".to_string()).chain(scores).collect();
            let rows = output.words.chunks(width.max(1)).map(|words| {
                let guess = names.map(|names| names[likeliest(words)].clone());
                guess.into_iter().chain(words.iter().map(|&word| cell(word))).collect()
            });
            csv_text(&header, rows)
        }
        shape => Err(format!(
            "`{model}` gives values of shape {shape:?}: rows of a table are one number or a list of numbers"
        )),
    }
}

/// The place of the greatest score, the first of equals.
fn likeliest(words: &[u32]) -> usize {
    let score = |at: usize| f32::from_bits(words[at]);
    (1..words.len()).fold(0, |best, at| if score(at) > score(best) { at } else { best })
}

fn write(text: &str, out: Option<&Path>) -> Exit {
    let Some(out) = out else {
        shared::print(text);
        return Exit::Ok;
    };
    match std::fs::write(out, text) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            eprintln!("nnc: {}: {error}", out.display());
            Exit::Io
        }
    }
}
