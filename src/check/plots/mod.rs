//! `plot`: marks with their arguments, checked.
//!
//! A call at the top of a `plot` whose name is that of a mark is that mark; its
//! arguments are ordinary expressions, computed like those of a `print`. The
//! function of `contours` and `boundary` is evaluated on a grid, which is one
//! more computed value.

mod grid;
mod marks;

use super::Checker;
use super::dims::Dim;
use super::picture::{Mark, MarkKind, Plot, Series, Theme};
use super::typed::{ActionKind, Eval};
use super::value::{Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::syntax::ast::{CallArg, Expr, ExprKind, Name, On};

/// An argument of a mark: its value, expression and place.
struct Arg<'e> {
    value: Value,
    expr: &'e Expr,
}

/// Arguments of a mark, sorted.
struct Args<'e> {
    kind: MarkKind,
    span: Span,
    positional: Vec<Arg<'e>>,
    named: Vec<(&'e Name, Arg<'e>)>,
}

impl<'e> Args<'e> {
    fn named(&self, name: &str) -> Option<&Arg<'e>> {
        self.named.iter().find(|(known, _)| known.text == name).map(|(_, arg)| arg)
    }
}

const COMMON: [&str; 5] = ["title", "x_label", "y_label", "log", "theme"];

impl Checker<'_> {
    /// The action of a `plot`, if all is right with it.
    pub(in crate::check) fn plot_action(
        &mut self,
        values: &[Expr],
        on: Option<&On>,
        to: Option<&Expr>,
    ) -> Option<ActionKind> {
        if !self.without_chunks(on, "plot", "without `by` the whole part is drawn") {
            return None;
        }
        let part = on.and_then(|on| self.enter_part(on));
        self.columns_unknown = on.is_some() && part.is_none();
        let errors = self.errors();
        let mut eval = Eval { outputs: Vec::new(), on: part, seed: self.seed };
        let mut plot = Plot {
            marks: Vec::new(),
            title: None,
            x_label: None,
            y_label: None,
            log_x: false,
            log_y: false,
            theme: Theme::Auto,
            to: None,
        };
        for expr in values {
            if let Some(mark) = self.mark(expr, &mut plot, &mut eval) {
                plot.marks.push(mark);
            }
        }
        plot.to = to.and_then(|to| self.picture_name(to, &mut eval));
        if on.is_some() {
            self.leave_part();
        }
        let blind = std::mem::take(&mut self.columns_unknown);
        let complete = plot.marks.len() == values.len() && plot.to.is_some() == to.is_some();
        (complete && !blind && self.errors() == errors).then(|| ActionKind::Plot { eval, plot: Box::new(plot) })
    }

    fn picture_name(&mut self, to: &Expr, eval: &mut Eval) -> Option<super::typed::Shown> {
        let value = self.eval(to);
        let text = match &value {
            Value::Unknown => return None,
            Value::Text(text) => text.to_string(),
            Value::Pieces(pieces) => match pieces.last() {
                Some(Value::Text(text)) => text.to_string(),
                _ => String::new(),
            },
            other => {
                let message = format!("a picture's file is named by a text, this is {}", other.describe());
                self.error(Code::E0304, message, to.span);
                return None;
            }
        };
        if !text.ends_with(".svg") && !text.ends_with(".png") {
            self.report(
                Diagnostic::new(Code::E0314, "a picture's name ends with .svg or .png", to.span)
                    .help("`.svg` is sharp at every size and follows the reader's dark mode; `.png` goes everywhere"),
            );
            return None;
        }
        Some(self.shown(&value, eval, to.span))
    }

    fn mark(&mut self, expr: &Expr, plot: &mut Plot, eval: &mut Eval) -> Option<Mark> {
        let (kind, args) = match &expr.kind {
            ExprKind::Call { callee, args } => match &callee.kind {
                ExprKind::Name(name) => match MarkKind::of(name) {
                    Some(kind) => (kind, args),
                    None => return self.no_mark(expr, Some((name, callee.span))),
                },
                _ => return self.no_mark(expr, None),
            },
            _ => return self.no_mark(expr, None),
        };
        let errors = self.errors();
        let args = self.mark_args(kind, args, expr.span)?;
        self.options_of(&args, plot);
        let all = args.positional.iter().chain(args.named.iter().map(|(_, arg)| arg));
        if all.into_iter().any(|arg| matches!(arg.value, Value::Unknown)) || self.errors() != errors {
            return None;
        }
        match kind {
            MarkKind::Line => self.line(&args, eval),
            MarkKind::Scatter => self.scatter(&args, eval),
            MarkKind::Hline => self.rules(&args, false, eval),
            MarkKind::Vline => self.rules(&args, true, eval),
            MarkKind::Contours => self.contours(&args, eval),
            MarkKind::Boundary => self.boundary(&args, eval),
            MarkKind::Confusion => self.confusion(&args, eval),
            MarkKind::Roc => self.curve(&args, eval).map(|(scores, label)| Mark::Roc { scores, label }),
            MarkKind::Pr => self.curve(&args, eval).map(|(scores, label)| Mark::Pr { scores, label }),
            MarkKind::ImageGrid => self.image_grid(&args, eval),
            MarkKind::Bars => self.bars(&args, eval),
            MarkKind::Histogram => self.histogram(&args, eval),
            MarkKind::Box => self.boxes(&args, eval),
        }
    }

    /// What is no mark: its own errors first.
    fn no_mark(&mut self, expr: &Expr, called: Option<(&str, Span)>) -> Option<Mark> {
        let words: Vec<&str> = MarkKind::ALL.iter().map(|kind| kind.word()).collect();
        let text = self.sources.text(expr.span).lines().next().unwrap_or_default().to_string();
        if let Some((name, span)) = called
            && self.find(name, span).is_none()
        {
            let diagnostic = Diagnostic::new(Code::E0314, format!("there is no plot `{name}`"), span);
            self.report(match nearest(name, words.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(span, near),
                None => diagnostic.help(format!("there are {}", words.join(", "))),
            });
            return None;
        }
        let value = match self.eval(expr) {
            Value::Slot(slot) => Value::Tensor(self.read(&slot, expr.span)),
            other => other,
        };
        let (what, help) = match &value {
            Value::Unknown => return None,
            Value::Table(table) => {
                let column = self.program.table(*table).columns.last();
                let column = column.map_or(String::new(), |column| column.name.clone());
                ("a table".to_string(), format!("draw its columns: `plot line({text}.{column})`"))
            }
            Value::Tensor(tensor) => {
                let help = match tensor.shape.len() {
                    0 | 1 => format!("`plot line({text})` joins its elements, `plot histogram({text})` counts them"),
                    2 => format!("`plot line({text})` draws a line for each column"),
                    _ => format!("`plot image_grid({text})` shows images"),
                };
                (self.show_type(tensor), help)
            }
            other => (other.describe().to_string(), format!("`plot` draws {}", words.join(", "))),
        };
        let message = format!("{what} is not a plot");
        self.report(Diagnostic::new(Code::E0314, message, expr.span).help(help));
        None
    }

    fn mark_args<'e>(&mut self, kind: MarkKind, args: &'e [CallArg], span: Span) -> Option<Args<'e>> {
        let (own, optional, needed, repeated) = kind.arguments();
        let mut sorted = Args { kind, span, positional: Vec::new(), named: Vec::new() };
        let mut failed = false;
        for arg in args {
            let value = self.eval(&arg.value);
            let given = Arg { value, expr: &arg.value };
            match &arg.name {
                None => sorted.positional.push(given),
                // What is positional may be named where its place is clear.
                Some(name) if own.get(sorted.positional.len()) == Some(&name.text.as_str()) => {
                    sorted.positional.push(given);
                }
                Some(name) if optional.contains(&name.text.as_str()) || COMMON.contains(&name.text.as_str()) => {
                    sorted.named.push((name, given));
                }
                Some(name) => {
                    let names: Vec<&str> = own.iter().chain(optional).chain(&COMMON).copied().collect();
                    self.unknown_argument(kind.word(), name, &names, None);
                    failed = true;
                }
            }
        }
        if sorted.positional.len() < needed {
            let missing = own[sorted.positional.len()];
            let message = format!("`{}` needs `{missing}`", kind.word());
            self.error(Code::E0204, message, span);
            failed = true;
        } else if sorted.positional.len() > own.len() && !repeated {
            let message = format!("`{}` takes at most {}: {}", kind.word(), own.len(), own.join(", "));
            let place = sorted.positional[own.len()].expr.span;
            self.report(Diagnostic::new(Code::E0204, message, place).here("this is one too many"));
            failed = true;
        }
        (!failed).then_some(sorted)
    }

    /// Titles, labels, scales, theme. Of several marks the first that says something is heard.
    fn options_of(&mut self, args: &Args<'_>, plot: &mut Plot) {
        let mut text = |name: &str| {
            let arg = args.named(name)?;
            match self.known_text(&arg.value) {
                Some(text) => Some(text),
                None => {
                    if !matches!(arg.value, Value::Unknown) {
                        let message = format!("`{name}` is a known text, this is {}", arg.value.describe());
                        self.error(Code::E0401, message, arg.expr.span);
                    }
                    None
                }
            }
        };
        let (title, x_label, y_label) = (text("title"), text("x_label"), text("y_label"));
        let (log, theme) = (text("log"), text("theme"));
        plot.title = plot.title.take().or(title);
        plot.x_label = plot.x_label.take().or(x_label);
        plot.y_label = plot.y_label.take().or(y_label);
        let place = |name: &str| args.named(name).map_or(args.span, |arg| arg.expr.span);
        match log.as_deref() {
            None => {}
            Some("x") => plot.log_x = true,
            Some("y") => plot.log_y = true,
            Some("xy") => (plot.log_x, plot.log_y) = (true, true),
            Some(other) => {
                let message = format!("`log` is \"x\", \"y\" or \"xy\", not \"{other}\"");
                self.error(Code::E0314, message, place("log"));
            }
        }
        match theme.as_deref() {
            None => {}
            Some("light") => plot.theme = Theme::Light,
            Some("dark") => plot.theme = Theme::Dark,
            Some("auto") => plot.theme = Theme::Auto,
            Some(other) => {
                let message = format!("`theme` is \"light\", \"dark\" or \"auto\", not \"{other}\"");
                self.error(Code::E0314, message, place("theme"));
            }
        }
    }

    /// The texts of `names` (or of `groups`): as many as there are things to name, where that is known; none without it.
    fn texts(&mut self, args: &Args<'_>, word: &str, count: Option<i64>, things: &str) -> Option<Vec<String>> {
        let Some(arg) = args.named(word) else { return Some(Vec::new()) };
        let texts: Option<Vec<String>> = match &arg.value {
            Value::List(items) | Value::Tuple(items) => items.iter().map(|item| self.known_text(item)).collect(),
            single => self.known_text(single).map(|text| vec![text]),
        };
        let Some(texts) = texts else {
            let message = format!("`{word}` is a list of known texts, this is {}", arg.value.describe());
            self.error(Code::E0314, message, arg.expr.span);
            return None;
        };
        if count.is_some_and(|count| count != texts.len() as i64) {
            let count = count.unwrap_or_default();
            let plural = |count: i64, word: &str| format!("{count} {}{}", word, if count == 1 { "" } else { "s" });
            let message = format!("`{word}` has {} for {}", plural(texts.len() as i64, "text"), plural(count, things));
            self.error(Code::E0314, message, arg.expr.span);
            return None;
        }
        Some(texts)
    }

    /// With `by` things are called as the classes are.
    fn not_both(&mut self, args: &Args<'_>, word: &str) -> Option<()> {
        match (args.named("by"), args.named(word)) {
            (Some(_), Some(arg)) => {
                let message = format!("`by` names the classes, `{word}` cannot name them as well");
                self.report(Diagnostic::new(Code::E0314, message, arg.expr.span).help("leave one of the two out"));
                None
            }
            (Some(_) | None, _) => Some(()),
        }
    }

    /// An argument as a tensor.
    fn drawn(&mut self, args: &Args<'_>, arg: &Arg<'_>) -> Option<Tensor> {
        if let Value::Table(table) = &arg.value {
            let table = self.program.table(*table);
            let column = table.columns.first().map_or("a", |column| column.name.as_str());
            let message = format!("`{}` draws numbers, this is a table", args.kind.word());
            let help = format!("name a column: `{}.{column}`", table.name);
            self.report(Diagnostic::new(Code::E0314, message, arg.expr.span).help(help));
            return None;
        }
        self.tensor(&arg.value, arg.expr.span)
    }

    fn same_length(&mut self, args: &Args<'_>, arg: &Arg<'_>, tensor: &Tensor, count: &mut Option<Dim>) -> Option<()> {
        let Some(own) = tensor.shape.first().cloned() else { return Some(()) };
        match count {
            Some(first) if self.program.atoms.same(first, &own) == Some(false) => {
                let (first, own) = (self.program.atoms.show(first), self.program.atoms.show(&own));
                let message = format!("`{}` has {own} values here and {first} before", args.kind.word());
                self.error(Code::E0314, message, arg.expr.span);
                None
            }
            Some(_) => Some(()),
            none => {
                *none = Some(own);
                Some(())
            }
        }
    }

    fn wrong_shape<T>(&mut self, args: &Args<'_>, arg: &Arg<'_>, tensor: &Tensor, wanted: &str) -> Option<T> {
        let message = format!("`{}` draws {wanted}; this is {}", args.kind.word(), self.show_type(tensor));
        self.error(Code::E0314, message, arg.expr.span);
        None
    }

    fn series(&mut self, tensor: Tensor, expr: &Expr, eval: &mut Eval) -> Series {
        eval.outputs.push(tensor.node);
        let classes = match &tensor.elem {
            Elem::Class(_) => tensor.classes,
            Elem::F32 | Elem::Int | Elem::Bool => None,
        };
        Series { output: eval.outputs.len() - 1, name: self.name_of(expr), classes }
    }

    /// What an expression is called in a picture: its text, with functions that a name stands for by their own names.
    fn name_of(&mut self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Name(name) => match self.find(name, expr.span) {
                Some(value @ (Value::Def(_) | Value::Rule(_) | Value::Text(_))) => {
                    self.known_text(&value).unwrap_or_else(|| name.clone())
                }
                Some(Value::Number(Number::Int(_) | Number::Float(_), _)) | Some(_) | None => name.clone(),
            },
            ExprKind::Field { name, .. } => name.text.clone(),
            ExprKind::Call { callee, args } => {
                let callee = self.name_of(callee);
                let args: Vec<String> = args.iter().map(|arg| self.name_of(&arg.value)).collect();
                format!("{callee}({})", args.join(", "))
            }
            _ => {
                let text: Vec<&str> = self.sources.text(expr.span).split_whitespace().collect();
                let text = text.join(" ");
                match text.char_indices().nth(40) {
                    Some((at, _)) => format!("{}…", &text[..at]),
                    None => text,
                }
            }
        }
    }
}
