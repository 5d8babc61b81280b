//! `plot`: marks with their arguments, checked.
//!
//! A call at the top of a `plot` whose name is that of a mark is that mark; its
//! arguments are ordinary expressions, computed like those of a `print`. The
//! function of `contours` and `boundary` is evaluated on a grid, which is one
//! more computed value.

use super::Checker;
use super::dims::Dim;
use super::picture::{Mark, MarkKind, Plot, Series, Theme};
use super::typed::{ActionKind, Eval};
use super::value::{DefKind, Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::syntax::ast::{CallArg, Expr, ExprKind, Name};

/// Points a side of the grid of `contours`.
const CONTOUR_SIDE: usize = 121;
/// Points a side of the grid of `boundary`.
const BOUNDARY_SIDE: usize = 161;
/// Most numbers that one series may have: more than this cannot be told apart in a picture, nor held by a reader.
const MOST_IMAGES: i64 = 400;

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
    pub(super) fn plot_action(&mut self, values: &[Expr], on: Option<&Expr>, to: Option<&Expr>) -> Option<ActionKind> {
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

    fn line(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let (x, ys) = match args.positional.as_slice() {
            [only] => (None, std::slice::from_ref(only)),
            [x, ys @ ..] => (Some(x), ys),
            [] => return None,
        };
        let mut count = None;
        let x = match x {
            Some(x) => Some(self.vector(args, x, &mut count, eval)?),
            None => None,
        };
        let mut y = Vec::with_capacity(ys.len());
        for arg in ys {
            let tensor = self.drawn(args, arg)?;
            if !matches!(tensor.shape.len(), 1 | 2) {
                return self.wrong_shape(args, arg, &tensor, "a vector, or a matrix with a line in each column");
            }
            self.same_length(args, arg, &tensor, &mut count)?;
            y.push(self.series(tensor, arg.expr, eval));
        }
        let by = self.by(args, &mut count, eval)?;
        Some(Mark::Line { x, y, by })
    }

    fn scatter(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let mut count = None;
        if let [points] = args.positional.as_slice() {
            let tensor = self.drawn(args, points)?;
            let (x, y) = self.both_columns(args, points, &tensor, eval)?;
            count = tensor.shape.first().cloned();
            let by = self.by(args, &mut count, eval)?;
            return Some(Mark::Scatter { x, y, by });
        }
        let x = self.vector(args, &args.positional[0], &mut count, eval)?;
        let y = self.vector(args, &args.positional[1], &mut count, eval)?;
        let by = self.by(args, &mut count, eval)?;
        Some(Mark::Scatter { x, y, by })
    }

    /// The columns of points [N, 2].
    fn both_columns(
        &mut self,
        args: &Args<'_>,
        arg: &Arg<'_>,
        tensor: &Tensor,
        eval: &mut Eval,
    ) -> Option<(Series, Series)> {
        if tensor.shape.len() != 2 || self.program.atoms.resolve(&tensor.shape[1]).as_number() != Some(2) {
            return self.wrong_shape(args, arg, tensor, "points in the plane, [N, 2]");
        }
        let series = self.series(tensor.clone(), arg.expr, eval);
        Some((series.clone(), series))
    }

    fn contours(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let x = self.range_of(args, "x")?;
        let y = self.range_of(args, "y")?;
        let numbers = [x.0, x.1, y.0, y.1].map(Value::float);
        let grid = self.library("grid_points", numbers.to_vec(), CONTOUR_SIDE, args.span)?;
        let values = self.on_grid(args, &args.positional[0], grid)?;
        if values.shape.len() != 1 {
            return self.wrong_shape(args, &args.positional[0], &values, "a function that gives one number");
        }
        let values = self.series(values, args.positional[0].expr, eval);
        Some(Mark::Contours { values, x, y, side: CONTOUR_SIDE })
    }

    fn boundary(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let points = self.drawn(args, &args.positional[1])?;
        if points.shape.len() != 2 || self.program.atoms.resolve(&points.shape[1]).as_number() != Some(2) {
            return self.wrong_shape(args, &args.positional[1], &points, "points in the plane, [N, 2]");
        }
        let mut count = points.shape.first().cloned();
        let grid = self.library("grid_around", vec![Value::Tensor(points.clone())], BOUNDARY_SIDE, args.span)?;
        let scores = self.on_grid(args, &args.positional[0], grid.clone())?;
        let label = match args.positional.get(2) {
            Some(label) => Some(self.vector(args, label, &mut count, eval)?),
            None => None,
        };
        let place = args.positional[1].expr;
        Some(Mark::Boundary {
            grid: self.series(grid, place, eval),
            scores: self.series(scores, args.positional[0].expr, eval),
            side: BOUNDARY_SIDE,
            points: self.series(points, place, eval),
            label,
        })
    }

    /// A function or model on the points of a grid: of two arguments, or of points [N, 2].
    fn on_grid(&mut self, args: &Args<'_>, f: &Arg<'_>, grid: Tensor) -> Option<Tensor> {
        let span = f.expr.span;
        let inputs = match &f.value {
            Value::Def(id) if self.definitions[id.0 as usize].kind == DefKind::Fn => {
                let inputs = &self.definitions[id.0 as usize].ast.inputs;
                inputs.iter().filter(|input| input.default.is_none()).count()
            }
            Value::Instance(_) | Value::Frozen(_) | Value::Fresh(..) => 1,
            Value::Intrinsic(_) => 1,
            other => {
                let message = format!("`{}` draws a function or model, this is {}", args.kind.word(), other.describe());
                self.report(Diagnostic::new(Code::E0314, message, span).help("name it: `fn f(x, y) = x^2 + y^2`"));
                return None;
            }
        };
        let given = match inputs {
            1 => vec![Value::Tensor(grid.clone())],
            2 => {
                let points = Value::Tensor(grid.clone());
                let split = |checker: &mut Self, name: &str| {
                    let target = checker.item(0, name, span)?;
                    Some(checker.call(target, Self::plain(vec![points.clone()], span), span, span, ""))
                };
                vec![split(self, "grid_x")?, split(self, "grid_y")?]
            }
            count => {
                let message = format!("a function of the plane has 2 arguments (or points [N, 2]), this has {count}");
                self.error(Code::E0314, message, span);
                return None;
            }
        };
        // The rows at hand are not those of the grid: a model's `B` is its own here.
        let dims = self.frame().dims.clone();
        self.frame_mut().dims.retain(|(name, _)| name != "B");
        let value = self.call(f.value.clone(), Self::plain(given, span), span, span, "");
        self.frame_mut().dims = dims;
        let tensor = self.tensor(&value, span)?;
        let rows = grid.shape.first().cloned();
        let fits = tensor
            .shape
            .first()
            .zip(rows.as_ref())
            .is_some_and(|(a, b)| self.program.atoms.resolve(a) == self.program.atoms.resolve(b));
        if !fits || tensor.shape.len() > 2 {
            return self.wrong_shape(args, f, &tensor, "one value (or a row of scores) for each point");
        }
        // One score in a row of its own is a score.
        let single = tensor.shape.len() == 2 && self.program.atoms.resolve(&tensor.shape[1]).as_number() == Some(1);
        if single {
            let shape = vec![tensor.shape[0].clone()];
            return Some(self.reshape(tensor, shape, span));
        }
        Some(tensor)
    }

    /// A function of the library's file of pictures, its last argument being the side of the grid.
    fn library(&mut self, name: &str, mut given: Vec<Value>, side: usize, span: Span) -> Option<Tensor> {
        let target = self.item(0, name, span)?;
        given.push(Value::int(side as i64));
        match self.call(target, Self::plain(given, span), span, span, "") {
            Value::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// `x = [a, b]`
    fn range_of(&mut self, args: &Args<'_>, name: &str) -> Option<(f64, f64)> {
        let Some(arg) = args.named(name) else {
            let message = format!("`contours` needs `{name}`, from where to where");
            self.report(Diagnostic::new(Code::E0204, message, args.span).help(format!("`{name} = [-2, 2]`")));
            return None;
        };
        let ends = match &arg.value {
            Value::List(items) | Value::Tuple(items) if items.len() == 2 => {
                let mut ends = [0.0; 2];
                for (end, item) in ends.iter_mut().zip(items.iter()) {
                    *end = self.known_float(item, "an end of the range", arg.expr.span)?;
                }
                Some((ends[0], ends[1]))
            }
            Value::Range(from, to) => Some((*from as f64, *to as f64)),
            _ => None,
        };
        match ends.filter(|(from, to)| from < to) {
            Some(ends) => Some(ends),
            None => {
                self.report(
                    Diagnostic::new(Code::E0314, format!("`{name}` is a range of two numbers"), arg.expr.span)
                        .help(format!("`{name} = [-2, 2]`")),
                );
                None
            }
        }
    }

    fn confusion(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let scores = self.drawn(args, &args.positional[0])?;
        let label = self.drawn(args, &args.positional[1])?;
        let span = args.positional[0].expr.span;
        let classes = label.classes.clone();
        let mut count = scores.shape.first().cloned();
        let predicted = match scores.shape.len() {
            2 => {
                let given = Self::plain(vec![Value::Tensor(scores)], span);
                let value = self.intrinsic(super::intrinsics::Intrinsic::Argmax, self.along_last(given, span), span);
                self.tensor(&value, span)?
            }
            // Of two classes a single logit says which; truth values and classes say it themselves.
            1 if scores.elem == Elem::F32 => {
                let zero = self.constant(0.0, &Elem::F32, span);
                let zero = self.splat(zero, &scores.shape.clone(), span);
                let positive = self.compare(crate::ir::Comparison::Lt, zero, scores, span);
                self.convert(positive, Elem::Int, span)
            }
            1 => scores,
            _ => return self.wrong_shape(args, &args.positional[0], &scores, "scores [N, K], or classes [N]"),
        };
        if label.shape.len() != 1 {
            return self.wrong_shape(args, &args.positional[1], &label, "a label for each row");
        }
        self.same_length(args, &args.positional[1], &label, &mut count)?;
        let mut predicted = self.series(predicted, args.positional[0].expr, eval);
        predicted.classes = predicted.classes.or(classes);
        let label = self.series(label, args.positional[1].expr, eval);
        Some(Mark::Confusion { predicted, label })
    }

    /// Arguments of a reduction, with `along = -1`.
    fn along_last(&self, mut given: Vec<super::call::Given>, span: Span) -> Vec<super::call::Given> {
        given.push((Some(Name { text: "along".to_string(), span }), Value::int(1), span));
        given
    }

    /// Scores and labels of `roc` and `pr`.
    fn curve(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<(Series, Series)> {
        let scores = self.drawn(args, &args.positional[0])?;
        let label = self.drawn(args, &args.positional[1])?;
        if !matches!(scores.shape.len(), 1 | 2) {
            return self.wrong_shape(args, &args.positional[0], &scores, "a score for each row, or scores [N, K]");
        }
        if label.shape.len() != 1 {
            return self.wrong_shape(args, &args.positional[1], &label, "a label for each row");
        }
        let mut count = scores.shape.first().cloned();
        self.same_length(args, &args.positional[1], &label, &mut count)?;
        let scores = self.convert(scores, Elem::F32, args.positional[0].expr.span);
        Some((self.series(scores, args.positional[0].expr, eval), self.series(label, args.positional[1].expr, eval)))
    }

    fn image_grid(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let arg = &args.positional[0];
        let tensor = self.drawn(args, arg)?;
        let size = |checker: &Self, axis: usize| checker.program.atoms.resolve(&tensor.shape[axis]).as_number();
        let fits = match tensor.shape.len() {
            2 => true,
            3 => true,
            4 => matches!(size(self, 1), Some(1 | 3)),
            _ => false,
        };
        if !fits {
            return self.wrong_shape(args, arg, &tensor, "images [N, H, W], [N, 1, H, W], [N, 3, H, W], or one [H, W]");
        }
        if tensor.shape.len() > 2 && size(self, 0).is_some_and(|count| count > MOST_IMAGES) {
            let message = format!("{} images are too many for one picture", self.program.atoms.show(&tensor.shape[0]));
            let text = self.sources.text(arg.expr.span).to_string();
            self.report(Diagnostic::new(Code::E0314, message, arg.expr.span).help(format!("`{text}[0:16]`")));
            return None;
        }
        let columns = match args.named("columns") {
            Some(columns) => Some(self.whole(&columns.value, "`columns`", columns.expr.span)?.max(1) as usize),
            None => None,
        };
        Some(Mark::ImageGrid { images: self.series(tensor, arg.expr, eval), columns })
    }

    fn bars(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let mut names = match args.named("names") {
            Some(names) => match &names.value {
                Value::List(items) => items.iter().filter_map(|item| self.known_text(item)).collect(),
                other => {
                    let message = format!("`names` is a list of texts, this is {}", other.describe());
                    self.error(Code::E0304, message, names.expr.span);
                    return None;
                }
            },
            None => Vec::new(),
        };
        let mut values = Vec::new();
        let mut count = None;
        for arg in &args.positional {
            // Named figures are bars with names.
            if let Value::Record(fields) = &arg.value {
                for (name, value) in fields.iter() {
                    let Some(tensor) = self.tensor(value, arg.expr.span) else { continue };
                    if tensor.shape.is_empty() {
                        let mut series = self.series(tensor, arg.expr, eval);
                        series.name = name.clone();
                        values.push(series);
                    }
                }
                continue;
            }
            let tensor = self.drawn(args, arg)?;
            if tensor.shape.len() > 1 {
                return self.wrong_shape(args, arg, &tensor, "numbers, or a vector of them");
            }
            if tensor.shape.len() == 1 {
                self.same_length(args, arg, &tensor, &mut count)?;
                if let (true, Some(texts)) = (names.is_empty(), self.element_names(arg.expr)) {
                    names = texts;
                }
            }
            values.push(self.series(tensor, arg.expr, eval));
        }
        if let Some(part) = self.phase.evaluated.take() {
            eval.on = Some(part);
        }
        Some(Mark::Bars { values, names })
    }

    /// Of a written list the texts of its elements.
    fn element_names(&mut self, expr: &Expr) -> Option<Vec<String>> {
        let ExprKind::List(items) = &expr.kind else { return None };
        Some(items.iter().map(|item| self.name_of(item)).collect())
    }

    fn histogram(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let mut values = Vec::new();
        let mut count = None;
        for arg in &args.positional {
            let tensor = self.drawn(args, arg)?;
            count = count.or_else(|| tensor.shape.first().cloned());
            values.push(self.series(tensor, arg.expr, eval));
        }
        let bins = match args.named("bins") {
            Some(bins) => self.whole(&bins.value, "`bins`", bins.expr.span)?.clamp(1, 500) as usize,
            None => 0,
        };
        let by = self.by(args, &mut count, eval)?;
        Some(Mark::Histogram { values, by, bins })
    }

    fn boxes(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let mut count = None;
        let (group, value) = match args.positional.as_slice() {
            [value] => (None, value),
            [group, value, ..] => (Some(self.vector(args, group, &mut count, eval)?), value),
            [] => return None,
        };
        let value = self.vector(args, value, &mut count, eval)?;
        let by = self.by(args, &mut count, eval)?;
        Some(Mark::Box { group, value, by })
    }

    /// `by = names`
    #[allow(clippy::option_option)] // Outside: whether it is right; inside: whether it is there.
    fn by(&mut self, args: &Args<'_>, count: &mut Option<Dim>, eval: &mut Eval) -> Option<Option<Series>> {
        match args.named("by") {
            None => Some(None),
            Some(arg) => self.vector(args, arg, count, eval).map(Some),
        }
    }

    fn vector(&mut self, args: &Args<'_>, arg: &Arg<'_>, count: &mut Option<Dim>, eval: &mut Eval) -> Option<Series> {
        let tensor = self.drawn(args, arg)?;
        if tensor.shape.len() != 1 {
            return self.wrong_shape(args, arg, &tensor, "a vector");
        }
        self.same_length(args, arg, &tensor, count)?;
        Some(self.series(tensor, arg.expr, eval))
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
