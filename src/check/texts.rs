//! Texts of data sets: `text(...)` as a source, `encode` and `decode`.

use std::sync::Arc;

use super::Checker;
use super::dims::Dim;
use super::intrinsics::Args;
use super::tokens;
use super::typed::{Source, TextBy};
use super::value::{Elem, Tensor, Value};
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::syntax::ast::CallArg;

const WORDS: [&str; 3] = ["chars", "words", "lines"];
const ARGUMENTS: [&str; 4] = ["path", "by", "window", "stride"];

impl Checker<'_> {
    /// `text("play.txt", by = "chars", window = 64, stride = 64)`
    pub(super) fn text_source(&mut self, args: &[CallArg], span: Span) -> Option<Source> {
        let (mut path, mut by, mut window, mut stride) = (None, TextBy::Characters, None, None);
        for (at, arg) in args.iter().enumerate() {
            let name = arg.name.as_ref().map_or(ARGUMENTS.get(at).copied().unwrap_or_default(), |name| &name.text);
            match name {
                "path" => path = Some(self.file_name(&arg.value)?),
                "by" => by = self.text_by(arg)?,
                "window" => window = Some(self.window_size(arg, "a window")?),
                "stride" => stride = Some(self.window_size(arg, "a stride")?),
                other => {
                    let place = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
                    let mut diagnostic =
                        Diagnostic::new(Code::E0203, format!("`text` has no argument `{other}`"), place);
                    diagnostic = match nearest(other, ARGUMENTS) {
                        Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(place, near),
                        None => diagnostic.help(format!("it has {}", ARGUMENTS.join(", "))),
                    };
                    self.report(diagnostic);
                    return None;
                }
            }
        }
        let Some(path) = path else {
            self.error(Code::E0204, "`text` needs `path`", span);
            return None;
        };
        Some(Source::Text { path, by, window, stride })
    }

    fn text_by(&mut self, arg: &CallArg) -> Option<TextBy> {
        let word = self.file_name(&arg.value)?;
        match word.as_str() {
            "chars" => Some(TextBy::Characters),
            "words" => Some(TextBy::Words),
            "lines" => Some(TextBy::Lines),
            other => {
                let span = arg.value.span;
                let mut diagnostic = Diagnostic::new(Code::E0601, format!("a text is not read by {other:?}"), span);
                diagnostic = match nearest(other, WORDS) {
                    Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")).fix(span, format!("\"{near}\"")),
                    None => diagnostic.help("by \"chars\", \"words\" or \"lines\""),
                };
                self.report(diagnostic);
                None
            }
        }
    }

    pub(super) fn window_size(&mut self, arg: &CallArg, what: &str) -> Option<usize> {
        let value = self.eval(&arg.value);
        let size = self.whole(&value, what, arg.value.span)?;
        match usize::try_from(size) {
            Ok(size @ 1..=1_000_000) => Some(size),
            _ => {
                self.error(Code::E0601, format!("{what} is from 1 to 1000000, not {size}"), arg.value.span);
                None
            }
        }
    }

    /// `encode(play.ids, "ROMEO:")`: the class numbers of a known text.
    pub(super) fn encode(&mut self, args: &Args, span: Span) -> Value {
        let (Some((column, place)), Some((text, text_place))) = (args[0].clone(), args[1].clone()) else {
            return Value::Unknown;
        };
        // Either order: a text may also be piped in.
        let (column, place, text, text_place) = match &column {
            Value::Text(_) => (text, text_place, column, place),
            _ => (column, place, text, text_place),
        };
        let Some(names) = self.class_names_of(&column, place) else { return Value::Unknown };
        let Value::Text(text) = text else {
            let message = format!("`encode` takes a known text, this is {}", text.describe());
            return self.error(Code::E0304, message, text_place);
        };
        match tokens::encode(&text, &names) {
            Ok(numbers) => {
                let numbers: Vec<f64> = numbers.into_iter().map(|number| number as f64).collect();
                let elem = Elem::Class(Dim::number(names.len() as i64));
                let shape = vec![Dim::number(numbers.len() as i64)];
                Value::Tensor(Tensor { classes: Some(names), ..self.table(&numbers, elem, shape, span) })
            }
            Err(piece) => {
                let message = format!("{piece:?} does not occur in what this column was read from");
                self.report(
                    Diagnostic::new(Code::E0603, message, text_place)
                        .help(format!("it has the classes {}", some_of(&names))),
                )
            }
        }
    }

    /// `ids |> decode(play.ids)`: shown as the text that the numbers stand for.
    pub(super) fn decode(&mut self, args: &Args) -> Value {
        let (Some((ids, ids_place)), Some((column, place))) = (args[0].clone(), args[1].clone()) else {
            return Value::Unknown;
        };
        let Some(names) = self.class_names_of(&column, place) else { return Value::Unknown };
        let Some(tensor) = self.tensor(&ids, ids_place) else { return Value::Unknown };
        let fits = match &tensor.elem {
            Elem::Class(count) => self.program.atoms.same(count, &Dim::number(names.len() as i64)) != Some(false),
            Elem::Int => true,
            Elem::F32 | Elem::Bool => false,
        };
        if !fits {
            let message = format!("this is {}, and the column has class({})", self.show_type(&tensor), names.len());
            return self.error(Code::E0305, message, ids_place);
        }
        Value::Decoded(Tensor { classes: Some(names), ..tensor })
    }

    fn class_names_of(&mut self, value: &Value, span: Span) -> Option<Arc<[String]>> {
        let found = match value {
            Value::Unknown => return None,
            Value::Column(data, at) => self.sets[data.index()].classes(&self.program.data[data.index()], *at),
            Value::Tensor(tensor) => tensor.classes.clone(),
            _ => None,
        };
        if found.is_none() {
            let message =
                format!("a column of classes is wanted here, such as `play.ids`; this is {}", value.describe());
            self.error(Code::E0603, message, span);
        }
        found
    }
}

/// The first names, for a message.
fn some_of(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(40).map(|name| format!("{name:?}")).collect();
    let rest = if names.len() > shown.len() { " ..." } else { "" };
    format!("{}{rest}", shown.join(" "))
}
