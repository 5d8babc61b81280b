//! Events as lines for people.
//!
//! In: events. Out: single lines without a line break. Invariant: no line
//! depends on the terminal.

use crate::train::{EpochRecord, Progress, TrainStart, TrainSummary};

/// `train Mlp: 5 epochs of 844 steps, batch 64 of 54000 rows; compiled in 31 ms`
pub fn train_start(start: &TrainStart<'_>) -> String {
    let steps = start.steps.checked_div(start.epochs).unwrap_or(start.steps);
    let length = match start.epochs {
        0 | 1 => count(start.steps, "step"),
        epochs => format!("{} of {}", count(epochs, "epoch"), count(steps, "step")),
    };
    let rows = match start.rows {
        0 => String::new(),
        rows if start.batch >= rows => format!(", {} at once", count(rows, "row")),
        rows => format!(", batch {} of {}", start.batch, count(rows, "row")),
    };
    format!("train {}: {length}{rows}; compiled in {}", start.name, duration(start.compile_seconds))
}

/// `loss 0.312  51k examples/s`
pub fn progress(progress: &Progress) -> String {
    format!("loss {}  {} examples/s", figure(progress.loss), rounded(progress.rows_per_second))
}

/// `epoch 1/5  loss 0.312  val.loss 0.21  1.2 s`
pub fn epoch(epoch: &EpochRecord<'_>) -> String {
    let width = epoch.epochs.to_string().len();
    let mut line = format!("epoch {:>width$}/{}", epoch.epoch, epoch.epochs);
    for (name, value) in epoch.figures {
        line += &format!("  {name} {}", figure(*value));
    }
    format!("{line}  {}", duration(epoch.seconds))
}

/// Why a train ended before its time, if it did, and how much of a text it read.
///
/// `train Gpt: 6144000 characters in 1 min 50 s, 56k characters/s`
pub fn train_end(summary: &TrainSummary) -> Vec<String> {
    let stopped = summary.stopped.then(|| format!("stopped after {}", count(summary.epochs, "epoch")));
    let read = summary.pieces.map(|(number, pieces)| {
        let rate = number as f64 / summary.seconds.max(1e-9);
        format!("{number} {pieces} in {}, {} {pieces}/s", duration(summary.seconds), rounded(rate))
    });
    stopped.into_iter().chain(read).map(|what| format!("train {}: {what}", summary.name)).collect()
}

/// Four digits that matter.
fn figure(value: f32) -> String {
    if !value.is_finite() || value == 0.0 {
        return value.to_string();
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    match digits {
        ..0 => format!("{value:.0}"),
        0..=7 => {
            let text = format!("{value:.*}", digits as usize);
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
        }
        8.. => format!("{value:.3e}"),
    }
}

/// `31 ms`, `1.2 s`, `3 min 5 s`
pub fn duration(seconds: f64) -> String {
    if seconds < 0.0995 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:.0} s", (seconds / 60.0) as u64, seconds % 60.0)
    }
}

fn rounded(value: f64) -> String {
    match value {
        ..1e4 => format!("{value:.0}"),
        ..1e6 => format!("{:.0}k", value / 1e3),
        _ => format!("{:.1}M", value / 1e6),
    }
}

/// `1 epoch`, `5 epochs`
pub fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits_that_matter() {
        let shown: Vec<String> = [0.0, 0.25, 0.312_345, 12_345.6, 1.0, 7.3e-9, f32::NAN].map(figure).to_vec();
        assert_eq!(shown, ["0", "0.25", "0.3123", "12346", "1", "7.300e-9", "NaN"]);
    }

    #[test]
    fn an_epoch_is_one_line() {
        let figures = [("loss".to_string(), 0.312_f32), ("val.accuracy".to_string(), 0.94)];
        let record = EpochRecord { train: "Mlp", epoch: 1, epochs: 50, step: 844, figures: &figures, seconds: 1.24 };
        assert_eq!(epoch(&record), "epoch  1/50  loss 0.312  val.accuracy 0.94  1.2 s");
    }

    #[test]
    fn a_train_tells_how_much_of_a_text_it_read() {
        let mut summary =
            TrainSummary { name: "Gpt".to_string(), epochs: 2, seconds: 110.0, ..TrainSummary::default() };
        assert!(train_end(&summary).is_empty());
        summary.pieces = Some((6_144_000, "characters"));
        assert_eq!(train_end(&summary), ["train Gpt: 6144000 characters in 1 min 50 s, 56k characters/s"]);
        summary.stopped = true;
        assert_eq!(train_end(&summary)[0], "train Gpt: stopped after 2 epochs");
    }
}
