//! `series("file.csv", window = 12, horizon = 1, stride = 1)`: windows over the columns of a file.

use super::Checker;
use super::typed::Source;
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::syntax::ast::CallArg;

const ARGUMENTS: [&str; 4] = ["path", "window", "horizon", "stride"];

impl Checker<'_> {
    pub(super) fn series_source(&mut self, args: &[CallArg], span: Span) -> Option<Source> {
        let (mut path, mut window, mut horizon, mut stride) = (None, None, 1, 1);
        for (at, arg) in args.iter().enumerate() {
            let name = arg.name.as_ref().map_or(ARGUMENTS.get(at).copied().unwrap_or_default(), |name| &name.text);
            match name {
                "path" => path = Some(self.file_name(&arg.value)?),
                "window" => window = Some(self.window_size(arg, "a window")?),
                "horizon" => horizon = self.window_size(arg, "a horizon")?,
                "stride" => stride = self.window_size(arg, "a stride")?,
                other => {
                    let place = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
                    let mut diagnostic =
                        Diagnostic::new(Code::E0203, format!("`series` has no argument `{other}`"), place);
                    diagnostic = match nearest(other, ARGUMENTS) {
                        Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(place, near),
                        None => diagnostic.help(format!("it has {}", ARGUMENTS.join(", "))),
                    };
                    self.report(diagnostic);
                    return None;
                }
            }
        }
        match (path, window) {
            (Some(path), Some(window)) => Some(Source::Series { path, window, horizon, stride }),
            (None, _) => {
                self.error(Code::E0204, "`series` needs `path`", span);
                None
            }
            (_, None) => {
                self.report(
                    Diagnostic::new(Code::E0204, "`series` needs `window`: how many values a row has", span)
                        .help("`series(\"file.csv\", window = 12)`"),
                );
                None
            }
        }
    }
}
