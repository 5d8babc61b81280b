//! Marks made of given numbers: what each takes and which shapes it can draw.

use super::super::Checker;
use super::super::call::Given;
use super::super::dims::Dim;
use super::super::intrinsics::Intrinsic;
use super::super::picture::{Mark, Series};
use super::super::typed::Eval;
use super::super::value::{Elem, Tensor, Value};
use super::{Arg, Args};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Name};

/// Most images of one picture: more cannot be told apart, nor held by a reader.
const MOST_IMAGES: i64 = 400;

impl Checker<'_> {
    pub(super) fn line(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
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
        let mut lines = Some(0);
        for arg in ys {
            let tensor = self.drawn(args, arg)?;
            if !matches!(tensor.shape.len(), 1 | 2) {
                return self.wrong_shape(args, arg, &tensor, "a vector, or a matrix with a line in each column");
            }
            self.same_length(args, arg, &tensor, &mut count)?;
            let columns = match tensor.shape.get(1) {
                Some(columns) => self.program.atoms.resolve(columns).as_number(),
                None => Some(1),
            };
            lines = lines.zip(columns).map(|(lines, columns)| lines + columns);
            y.push(self.series(tensor, arg.expr, eval));
        }
        let by = self.by(args, &mut count, eval)?;
        self.not_both(args, "names")?;
        let names = self.texts(args, "names", lines, "line")?;
        Some(Mark::Line { x, y, by, names })
    }

    pub(super) fn scatter(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let mut count = None;
        self.not_both(args, "names")?;
        let names = self.texts(args, "names", Some(1), "cloud of points")?;
        if let [points] = args.positional.as_slice() {
            let tensor = self.drawn(args, points)?;
            let (x, y) = self.both_columns(args, points, &tensor, eval)?;
            count = tensor.shape.first().cloned();
            let by = self.by(args, &mut count, eval)?;
            return Some(Mark::Scatter { x, y, by, names });
        }
        let x = self.vector(args, &args.positional[0], &mut count, eval)?;
        let y = self.vector(args, &args.positional[1], &mut count, eval)?;
        let by = self.by(args, &mut count, eval)?;
        Some(Mark::Scatter { x, y, by, names })
    }

    /// `hline` and `vline`: numbers of an axis.
    pub(super) fn rules(&mut self, args: &Args<'_>, upright: bool, eval: &mut Eval) -> Option<Mark> {
        let names = self.texts(args, "names", Some(args.positional.len() as i64), "line")?;
        let mut at = Vec::with_capacity(args.positional.len());
        for (place, arg) in args.positional.iter().enumerate() {
            let tensor = self.drawn(args, arg)?;
            if tensor.shape.len() > 1 {
                return self.wrong_shape(args, arg, &tensor, "a line at a number, or at each of a vector");
            }
            let mut series = self.series(tensor, arg.expr, eval);
            if let Some(name) = names.get(place) {
                series.name.clone_from(name);
            }
            at.push(series);
        }
        Some(Mark::Rules { at, upright })
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

    pub(super) fn confusion(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let scores = self.drawn(args, &args.positional[0])?;
        let label = self.drawn(args, &args.positional[1])?;
        let span = args.positional[0].expr.span;
        let classes = label.classes.clone();
        let mut count = scores.shape.first().cloned();
        let predicted = match scores.shape.len() {
            2 => {
                let given = Self::plain(vec![Value::Tensor(scores)], span);
                let value = self.intrinsic(Intrinsic::Argmax, self.along_last(given, span), span);
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
    fn along_last(&self, mut given: Vec<Given>, span: Span) -> Vec<Given> {
        given.push((Some(Name { text: "along".to_string(), span }), Value::int(1), span));
        given
    }

    /// Scores and labels of `roc` and `pr`.
    pub(super) fn curve(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<(Series, Series)> {
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
        let several = scores.shape.get(1).and_then(|classes| self.program.atoms.resolve(classes).as_number());
        if let (Some(3..), Some(arg)) = (several, args.named("names")) {
            let message =
                "curves of several classes are called as the classes are, `names` cannot name them".to_string();
            self.error(Code::E0314, message, arg.expr.span);
            return None;
        }
        let names = self.texts(args, "names", Some(1), "curve")?;
        let scores = self.convert(scores, Elem::F32, args.positional[0].expr.span);
        let mut scores = self.series(scores, args.positional[0].expr, eval);
        if let Some(name) = names.into_iter().next() {
            scores.name = name;
        }
        Some((scores, self.series(label, args.positional[1].expr, eval)))
    }

    pub(super) fn image_grid(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
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
        self.not_both(args, "names")?;
        let images = if tensor.shape.len() > 2 { size(self, 0) } else { Some(1) };
        let names = self.texts(args, "names", images, "image")?;
        let mut count = tensor.shape.first().filter(|_| tensor.shape.len() > 2).cloned();
        let by = self.by(args, &mut count, eval)?;
        Some(Mark::ImageGrid { images: self.series(tensor, arg.expr, eval), columns, by, names })
    }

    pub(super) fn bars(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let groups = self.texts(args, "groups", Some(args.positional.len() as i64), "group")?;
        let mut names = self.texts(args, "names", None, "bar")?;
        let mut values = Vec::new();
        let mut count = None;
        for (place, arg) in args.positional.iter().enumerate() {
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
            let mut series = self.series(tensor, arg.expr, eval);
            if let Some(group) = groups.get(place) {
                series.name.clone_from(group);
            }
            values.push(series);
        }
        if let Some(part) = self.phase.evaluated.take() {
            eval.on = Some(part);
        }
        // Numbers by themselves are a bar each.
        let bars = match &count {
            Some(count) => self.program.atoms.resolve(count).as_number(),
            None => Some(values.len() as i64),
        };
        if args.named("names").is_some() {
            self.texts(args, "names", bars, "bar")?;
        }
        Some(Mark::Bars { values, names })
    }

    /// Of a written list the texts of its elements.
    fn element_names(&mut self, expr: &Expr) -> Option<Vec<String>> {
        let ExprKind::List(items) = &expr.kind else { return None };
        Some(items.iter().map(|item| self.name_of(item)).collect())
    }

    pub(super) fn histogram(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        self.not_both(args, "names")?;
        let names = self.texts(args, "names", Some(args.positional.len() as i64), "histogram")?;
        let mut values = Vec::new();
        let mut count = None;
        for (place, arg) in args.positional.iter().enumerate() {
            let tensor = self.drawn(args, arg)?;
            count = count.or_else(|| tensor.shape.first().cloned());
            let mut series = self.series(tensor, arg.expr, eval);
            if let Some(name) = names.get(place) {
                series.name.clone_from(name);
            }
            values.push(series);
        }
        let bins = match args.named("bins") {
            Some(bins) => self.whole(&bins.value, "`bins`", bins.expr.span)?.clamp(1, 500) as usize,
            None => 0,
        };
        let by = self.by(args, &mut count, eval)?;
        Some(Mark::Histogram { values, by, bins })
    }

    pub(super) fn boxes(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
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

    pub(super) fn vector(
        &mut self,
        args: &Args<'_>,
        arg: &Arg<'_>,
        count: &mut Option<Dim>,
        eval: &mut Eval,
    ) -> Option<Series> {
        let tensor = self.drawn(args, arg)?;
        if tensor.shape.len() != 1 {
            return self.wrong_shape(args, arg, &tensor, "a vector");
        }
        self.same_length(args, arg, &tensor, count)?;
        Some(self.series(tensor, arg.expr, eval))
    }
}
