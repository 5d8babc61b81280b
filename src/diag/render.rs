//! Diagnostics to text: the only room that knows miette.
//!
//! In: diagnostics and the sources they point into. Out: text for people, lines
//! of JSON for programs, and the explanation of a code. Invariant: the cost is
//! bounded by [`SHOWN`] and by [`LONGEST_LINE`], whatever the sources are.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::{Code, Diagnostic, Label, Severity};
use crate::source::{SourceFile, SourceMap, Span};

/// How many diagnostics are shown in full.
pub const SHOWN: usize = 100;
/// The longest line that is shown whole, in bytes; of longer ones the part around the place.
const LONGEST_LINE: usize = 400;

/// Diagnostics as a reader wants them: sorted by place, with excerpts and a last
/// line that counts them. `width` is that of the terminal in columns.
pub fn text(sources: &SourceMap, diagnostics: &[Diagnostic], colour: bool, width: usize) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false)
        .with_context_lines(1)
        .with_primary_span_start();
    let sorted = in_order(diagnostics);
    let mut out = String::new();
    for diagnostic in sorted.iter().take(SHOWN) {
        // Writing to a String cannot fail; a handler's own failure loses only the excerpt.
        if handler.render_report(&mut out, &Report::new(sources, diagnostic)).is_err() {
            out.push_str(&format!("{}: {}", diagnostic.code.name(), diagnostic.message));
        }
        out.push('\n');
    }
    if sorted.len() > SHOWN {
        out.push_str(&format!("... and {} more\n", sorted.len() - SHOWN));
    }
    out.push_str(&summary(diagnostics));
    out
}

/// One JSON object a diagnostic, one line each: `code`, `severity`, `message`, `file`, `line`, `column`, `end_line`,
/// `end_column` (from 1, in characters), `start`, `end` (bytes), `labels`, `help`, `fix`.
pub fn json(sources: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in in_order(diagnostics) {
        let mut object = place(sources, diagnostic.primary.span);
        let labels: Vec<_> = std::iter::once(&diagnostic.primary)
            .filter(|label| !label.text.is_empty())
            .chain(&diagnostic.secondary)
            .map(|label| with_text(place(sources, label.span), "text", &label.text))
            .collect();
        object.insert("code".into(), diagnostic.code.name().into());
        object.insert("severity".into(), severity_name(diagnostic.code.severity()).into());
        object.insert("message".into(), diagnostic.message.clone().into());
        object.insert("labels".into(), labels.into());
        object.insert("help".into(), diagnostic.help.clone().into());
        let fix = diagnostic.fix.as_ref();
        let fix = fix.map(|fix| with_text(place(sources, fix.span), "replacement", &fix.replacement));
        object.insert("fix".into(), fix.into());
        out.push_str(&serde_json::Value::Object(object).to_string());
        out.push('\n');
    }
    out
}

/// What `nnc explain` prints.
pub fn explain(code: Code) -> String {
    let text = code.explanation().trim_end();
    format!("{text}\n")
}

/// "2 errors, 1 warning", with a newline; empty if there is nothing.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let counts = [(errors, "error"), (diagnostics.len() - errors, "warning")];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { String::new() } else { format!("{}\n", parts.join(", ")) }
}

fn in_order(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| (diagnostic.primary.span, diagnostic.code));
    sorted
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

type Object = serde_json::Map<String, serde_json::Value>;

fn place(sources: &SourceMap, span: Span) -> Object {
    let file = sources.file(span.file);
    let (line, column) = file.line_column(span.start as usize);
    let (end_line, end_column) = file.line_column(span.end as usize);
    let mut object = Object::new();
    object.insert("file".into(), file.name.clone().into());
    let numbers = [("line", line), ("column", column), ("end_line", end_line), ("end_column", end_column)];
    for (key, number) in numbers.into_iter().chain([("start", span.start as usize), ("end", span.end as usize)]) {
        object.insert(key.into(), number.into());
    }
    object
}

fn with_text(mut object: Object, key: &str, text: &str) -> serde_json::Value {
    object.insert(key.into(), text.into());
    serde_json::Value::Object(object)
}

/// A diagnostic as miette wants it; labels in other files are reports below it.
#[derive(Debug)]
struct Report<'a> {
    message: String,
    code: Option<&'static str>,
    severity: miette::Severity,
    help: Option<String>,
    labels: Vec<(Span, String)>,
    source: Excerpt<'a>,
    elsewhere: Vec<Report<'a>>,
}

impl<'a> Report<'a> {
    fn new(sources: &'a SourceMap, diagnostic: &'a Diagnostic) -> Self {
        let here = diagnostic.primary.span.file;
        let (same, other): (Vec<&Label>, Vec<&Label>) =
            diagnostic.secondary.iter().partition(|label| label.span.file == here);
        let file = sources.file(here);
        let near = same.into_iter().filter(|label| !is_far_in_line(file, diagnostic.primary.span, label.span));
        let labels = std::iter::once(&diagnostic.primary).chain(near);
        Report {
            message: diagnostic.message.clone(),
            code: Some(diagnostic.code.name()),
            severity: match diagnostic.code.severity() {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            help: diagnostic.help.clone(),
            labels: labels.map(|label| (shortened(label.span), label.text.clone())).collect(),
            source: Excerpt { file: sources.file(here) },
            elsewhere: other.into_iter().map(|label| Report::elsewhere(sources, label)).collect(),
        }
    }

    fn elsewhere(sources: &'a SourceMap, label: &Label) -> Self {
        Report {
            message: label.text.clone(),
            code: None,
            severity: miette::Severity::Advice,
            help: None,
            labels: vec![(shortened(label.span), String::new())],
            source: Excerpt { file: sources.file(label.span.file) },
            elsewhere: Vec::new(),
        }
    }
}

/// Whether two places stand in one line, too far apart to show both.
fn is_far_in_line(file: &SourceFile, a: Span, b: Span) -> bool {
    let (from, to) = (a.start.min(b.start) as usize, a.end.max(b.end) as usize);
    let bytes = file.text.as_bytes().get(from..to).unwrap_or(&[]);
    bytes.len() > LONGEST_LINE && !bytes.contains(&b'\n')
}

/// The first part of a span that is too long to underline.
fn shortened(span: Span) -> Span {
    Span { end: span.end.min(span.start + LONGEST_LINE as u32), ..span }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.code.map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let first = self.labels.first().map(|label| label.0);
        Some(Box::new(self.labels.iter().map(move |(span, label)| {
            let range = (span.start as usize, span.end.saturating_sub(span.start) as usize);
            if Some(*span) == first {
                LabeledSpan::new_primary_with_span(text(label), range)
            } else {
                LabeledSpan::new_with_span(text(label), range)
            }
        })))
    }

    fn related<'b>(&'b self) -> Option<Box<dyn Iterator<Item = &'b dyn miette::Diagnostic> + 'b>> {
        if self.elsewhere.is_empty() {
            return None;
        }
        Some(Box::new(self.elsewhere.iter().map(|report| report as &dyn miette::Diagnostic)))
    }
}

/// The lines of a file around a span; only those are looked at.
#[derive(Debug)]
struct Excerpt<'a> {
    file: &'a SourceFile,
}

impl SourceCode for Excerpt<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, miette::MietteError> {
        let bytes = self.file.text.as_bytes();
        let from = span.offset().min(bytes.len());
        let to = (from + span.len()).min(bytes.len());
        let start = self.boundary(line_start(bytes, from, lines_before));
        let end = self.boundary(line_end(bytes, to, lines_after));
        let line = self.file.line_column(start).0;
        let lines = bytes[start..end].iter().filter(|byte| **byte == b'\n').count() + 1;
        // Without lines around it is asked for the heading's place only.
        let heading = lines_before == 0 && lines_after == 0;
        let (place, column) = if heading { self.file.line_column(from) } else { (line, 1) };
        let contents = MietteSpanContents::new_named(
            self.file.name.clone(),
            &bytes[start..end],
            (start, end - start).into(),
            place - 1,
            column - 1,
            lines,
        );
        Ok(Box::new(contents))
    }
}

impl Excerpt<'_> {
    fn boundary(&self, at: usize) -> usize {
        (0..=at).rev().find(|at| self.file.text.is_char_boundary(*at)).unwrap_or(0)
    }
}

/// Where the line `lines` above that of `at` begins, or where the part of it to be shown does.
fn line_start(bytes: &[u8], at: usize, lines: usize) -> usize {
    let mut start = at;
    for line in 0..=lines {
        let limit = start.saturating_sub(LONGEST_LINE);
        match bytes[limit..start].iter().rposition(|byte| *byte == b'\n') {
            Some(newline) if line < lines => start = limit + newline,
            Some(newline) => return limit + newline + 1,
            None if line > 0 && limit > 0 => return start + 1,
            None => return limit,
        }
    }
    start
}

/// Where the line `lines` below that of `at` ends, or where the part of it to be shown does.
fn line_end(bytes: &[u8], at: usize, lines: usize) -> usize {
    let mut end = at;
    for line in 0..=lines {
        let from = if line > 0 { end + 1 } else { end };
        let limit = (from + LONGEST_LINE).min(bytes.len());
        match bytes.get(from..limit).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
            Some(newline) => end = from + newline,
            None if line > 0 && limit < bytes.len() => return end,
            None => return limit,
        }
    }
    end
}
