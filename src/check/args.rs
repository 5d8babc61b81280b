//! Arguments of a call: which value goes to which name, and what is wrong with them.

use super::Checker;
use super::call::Given;
use super::value::Value;
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::syntax::ast::{Arg, Name, TypeExpr};

impl Checker<'_> {
    /// Binds arguments to declared names in the frame at hand: positional before named, then defaults.
    pub(super) fn bind_args(&mut self, args: &[Arg], given: Vec<Given>, of: &str, defined: Span, span: Span) -> bool {
        let Some(mut values) = self.assign(args, given, of, defined) else { return false };
        let mut fine = true;
        // A scalar fits an input of any shape, which the inputs that have one say first.
        let is_scalar = |(arg, value): (&Arg, &Option<(Value, Span)>)| {
            arg.ty.as_ref().is_some_and(TypeExpr::has_axes)
                && value.as_ref().is_some_and(|(value, _)| value.is_scalar())
        };
        let mut order: Vec<usize> = (0..args.len()).collect();
        order.sort_by_key(|&at| {
            is_scalar((&args[at], &values[at])) && args[at..].iter().all(|arg| arg.default.is_none())
        });
        for at in order {
            let (arg, value) = (&args[at], &mut values[at]);
            let (value, place) = match (value.take(), &arg.default) {
                (Some((value, place)), _) => {
                    self.frame_mut().given.insert(arg.name.text.clone(), place);
                    (value, place)
                }
                (None, Some(default)) => (self.eval(default), default.span),
                (None, None) => {
                    let message = format!("`{of}` needs `{}`", arg.name.text);
                    self.report(Diagnostic::new(Code::E0204, message, span).also(arg.name.span, "declared here"));
                    return false;
                }
            };
            // What is computed from a value in error is in error: the rest is matched, the body is left alone.
            fine &= self.open || !matches!(value, Value::Unknown);
            let value = match &arg.ty {
                Some(ty) => {
                    if value.is_scalar() {
                        self.size_one(ty);
                    }
                    let matched = self.match_type(value.clone(), ty, &format!("`{}` of `{of}`", arg.name.text), place);
                    fine &= !matches!(matched, Value::Unknown) || matches!(value, Value::Unknown);
                    matched
                }
                None => value,
            };
            self.bind(&arg.name.text, value, arg.name.span);
        }
        fine
    }

    /// Which given value goes to which declared argument.
    fn assign(
        &mut self,
        args: &[Arg],
        given: Vec<Given>,
        of: &str,
        defined: Span,
    ) -> Option<Vec<Option<(Value, Span)>>> {
        let mut values: Vec<Option<(Value, Span)>> = vec![None; args.len()];
        let mut position = 0;
        let mut fine = true;
        let count = given.len();
        for (name, value, place) in given {
            let at = match &name {
                None => {
                    position += 1;
                    position - 1
                }
                Some(name) => match args.iter().position(|arg| arg.name.text == name.text) {
                    Some(at) => at,
                    None => {
                        let names: Vec<&str> = args.iter().map(|arg| arg.name.text.as_str()).collect();
                        self.unknown_argument(of, name, &names, Some(defined));
                        fine = false;
                        continue;
                    }
                },
            };
            if at >= args.len() {
                self.too_many(args, count, of, defined, place);
                return None;
            }
            if let Some((_, earlier)) = &values[at] {
                let message = format!("`{}` of `{of}` is given twice", args[at].name.text);
                let place = name.map_or(place, |name| name.span.to(place));
                self.report(Diagnostic::new(Code::E0204, message, place).also(*earlier, "given here before"));
                return None;
            }
            values[at] = Some((value, place));
        }
        fine.then_some(values)
    }

    /// Reports an argument name that a definition does not have.
    pub(super) fn unknown_argument(&mut self, of: &str, name: &Name, names: &[&str], defined: Option<Span>) {
        let message = format!("`{of}` has no argument `{}`", name.text);
        let mut diagnostic = Diagnostic::new(Code::E0203, message, name.span);
        if let Some(defined) = defined.filter(|defined| !self.prelude.contains(&defined.file)) {
            diagnostic = diagnostic.also(defined, "defined here");
        }
        let near = super::foreign::argument(&name.text, names).or_else(|| nearest(&name.text, names.iter().copied()));
        diagnostic = match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
            None if names.is_empty() => diagnostic.help("it takes none"),
            None => diagnostic.help(format!("it takes {}", names.join(", "))),
        };
        self.report(diagnostic);
    }

    fn too_many(&mut self, args: &[Arg], count: usize, of: &str, defined: Span, place: Span) {
        let takes = match args.len() {
            0 => "no arguments".to_string(),
            1 => "one argument".to_string(),
            many => format!("{many} arguments"),
        };
        let message = format!("`{of}` takes {takes}, {count} were given");
        let mut diagnostic = Diagnostic::new(Code::E0204, message, place).here("this is one too many");
        if !self.prelude.contains(&defined.file) {
            diagnostic = diagnostic.also(defined, "defined here");
        }
        if !args.is_empty() {
            let names: Vec<&str> = args.iter().map(|arg| arg.name.text.as_str()).collect();
            diagnostic = diagnostic.help(format!("it takes {}", names.join(", ")));
        }
        self.report(diagnostic);
    }
}
