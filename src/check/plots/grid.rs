//! `contours` and `boundary`: a function or a model looked at on the points of a grid.

use super::super::Checker;
use super::super::picture::Mark;
use super::super::typed::Eval;
use super::super::value::{DefKind, Tensor, Value};
use super::{Arg, Args};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// Points a side of the grid of `contours`.
const CONTOUR_SIDE: usize = 121;
/// Points a side of the grid of `boundary`.
const BOUNDARY_SIDE: usize = 161;

impl Checker<'_> {
    pub(super) fn contours(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
        let x = self.range_of(args, "x")?;
        let y = self.range_of(args, "y")?;
        let numbers = [x.0, x.1, y.0, y.1].map(Value::float);
        let grid = self.library("grid_points", numbers.to_vec(), CONTOUR_SIDE, args.span)?;
        let values = self.on_grid(args, &args.positional[0], grid)?;
        if values.shape.len() != 1 {
            return self.wrong_shape(args, &args.positional[0], &values, "a function that gives one number");
        }
        let values = self.series(values, args.positional[0].expr, eval);
        let levels = self.levels(args)?;
        Some(Mark::Contours { values, x, y, side: CONTOUR_SIDE, levels })
    }

    pub(super) fn boundary(&mut self, args: &Args<'_>, eval: &mut Eval) -> Option<Mark> {
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
        let levels = self.levels(args)?;
        if let (2, Some(arg)) = (scores.shape.len(), args.named("levels")) {
            let message = "a line at a level is one of a single score; this gives a row of scores".to_string();
            self.error(Code::E0314, message, arg.expr.span);
            return None;
        }
        Some(Mark::Boundary {
            grid: self.series(grid, place, eval),
            scores: self.series(scores, args.positional[0].expr, eval),
            side: BOUNDARY_SIDE,
            points: self.series(points, place, eval),
            label,
            levels,
        })
    }

    /// `levels = [a, b]`: heights of lines.
    fn levels(&mut self, args: &Args<'_>) -> Option<Vec<f64>> {
        let Some(arg) = args.named("levels") else { return Some(Vec::new()) };
        let span = arg.expr.span;
        match &arg.value {
            Value::List(items) | Value::Tuple(items) => {
                items.iter().map(|item| self.known_float(item, "a level", span)).collect()
            }
            Value::Number(..) => self.known_float(&arg.value, "a level", span).map(|level| vec![level]),
            other => {
                let message = format!("`levels` is a list of known numbers, this is {}", other.describe());
                self.report(Diagnostic::new(Code::E0314, message, span).help("`levels = [-1, 0, 1]`"));
                None
            }
        }
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
}
