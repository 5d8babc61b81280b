//! Events as JSON objects, one a line.
//!
//! In: events. Out: text without a line break; `event` says which. Numbers that
//! are not finite are written as text (`"NaN"`, `"inf"`), since JSON has none.

use serde_json::{Map, Value, json};

use crate::train::{EpochRecord, Fault, FaultKind, Outcome, Progress, TrainStart, TrainSummary};

pub fn print(text: &str) -> String {
    json!({ "event": "print", "text": text }).to_string()
}

pub fn note(text: &str) -> String {
    json!({ "event": "note", "text": text }).to_string()
}

pub fn time(what: &str, milliseconds: f64, taken: Option<f64>) -> String {
    json!({ "event": "time", "what": what, "at_ms": milliseconds, "took_ms": taken }).to_string()
}

pub fn train_start(start: &TrainStart<'_>) -> String {
    json!({
        "event": "train", "name": start.name, "epochs": start.epochs, "steps": start.steps, "rows": start.rows,
        "batch": start.batch, "compile_seconds": start.compile_seconds,
    })
    .to_string()
}

pub fn progress(progress: &Progress) -> String {
    json!({
        "event": "progress", "step": progress.step, "steps": progress.steps, "loss": number(progress.loss),
        "rows_per_second": progress.rows_per_second,
    })
    .to_string()
}

pub fn epoch(epoch: &EpochRecord<'_>) -> String {
    let figures: Map<String, Value> =
        epoch.figures.iter().map(|(name, value)| (name.clone(), number(*value))).collect();
    json!({
        "event": "epoch", "train": epoch.train, "epoch": epoch.epoch, "epochs": epoch.epochs, "step": epoch.step,
        "figures": figures, "seconds": epoch.seconds,
    })
    .to_string()
}

pub fn train_end(summary: &TrainSummary) -> String {
    json!({
        "event": "trained", "name": summary.name, "epochs": summary.epochs, "steps": summary.steps,
        "seconds": summary.seconds, "kept": summary.kept, "stopped": summary.stopped,
        "pieces": summary.pieces.map(|(count, _)| count),
    })
    .to_string()
}

pub fn done(outcome: &Outcome, seconds: f64) -> String {
    let written: Vec<String> = outcome.written.iter().map(|path| path.display().to_string()).collect();
    json!({ "event": "done", "interrupted": outcome.interrupted, "written": written, "seconds": seconds }).to_string()
}

pub fn fault(fault: &Fault) -> String {
    let kind = match fault.kind {
        FaultKind::Assert => "assert",
        FaultKind::Misstep => "misstep",
        FaultKind::NotFinite => "not finite",
        FaultKind::Data => "data",
        FaultKind::Io => "io",
        FaultKind::Internal => "internal",
    };
    json!({ "event": "fault", "kind": kind, "message": fault.message, "help": fault.help }).to_string()
}

/// As short as reads back the same f32, not the digits of its f64.
fn number(value: f32) -> Value {
    let exact: Option<Value> =
        value.to_string().parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::from);
    exact.unwrap_or_else(|| Value::from(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_lost() {
        assert_eq!(number(0.1).to_string(), "0.1");
        assert_eq!(number(f32::NAN).to_string(), "\"NaN\"");
        assert_eq!(number(f32::INFINITY).to_string(), "\"inf\"");
    }
}
