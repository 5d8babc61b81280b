//! Parts of data sets: `split`, `digits.test`, how many rows there are.

use super::Checker;
use super::data::ColumnValue;
use super::typed::{DataId, Holds, Kind, Part, Share};
use super::value::{Elem, Value};
use crate::diag::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Name};

impl Checker<'_> {
    /// `split train = 0.9, test = row % 5 == 4, stratify = label`
    pub(super) fn split_stmt(&mut self, data: DataId, parts: &[(Name, Expr)], span: Span) {
        let errors = self.errors();
        for (name, expr) in parts {
            if name.text == "stratify" {
                self.stratify(data, expr);
            } else if self.is_new_part(data, name) {
                self.share(data, name, expr);
            }
        }
        let fractions = self.program.data[data.index()].split.iter().filter_map(|(_, share)| match share {
            Share::Fraction(fraction) => Some(*fraction),
            Share::Rows(_) => None,
        });
        let fractions: Vec<f64> = fractions.collect();
        let total: f64 = fractions.iter().sum();
        if self.errors() == errors && !fractions.is_empty() && (total - 1.0).abs() > 1e-6 {
            self.report(
                Diagnostic::new(
                    Code::E0602,
                    format!("the parts make {} of the rows, not 1", (total * 1e6).round() / 1e6),
                    span,
                )
                .help("the fractions of train, val and test sum to 1"),
            );
        }
        let described = &self.program.data[data.index()];
        if described.source.is_sequence() && described.split.iter().any(|(_, share)| matches!(share, Share::Rows(_))) {
            self.report(
                Diagnostic::new(
                    Code::E0602,
                    "the parts of a sequence are contiguous: their lengths are fractions",
                    span,
                )
                .help("`split train = 0.8, test = 0.2` holds back the last fifth"),
            );
        }
    }

    fn stratify(&mut self, data: DataId, expr: &Expr) {
        let ExprKind::Name(name) = &expr.kind else {
            self.error(Code::E0602, "`stratify` names a column", expr.span);
            return;
        };
        let Some(at) = self.sets[data.index()].find(name) else {
            self.unknown_column(name, expr.span);
            return;
        };
        let read = match &self.sets[data.index()].columns[at].value {
            ColumnValue::Read(read) => Some(*read),
            ColumnValue::Made(tensor) => match self.program.node(tensor.node).kind {
                Kind::Column { column, .. } => Some(column),
                _ => None,
            },
            ColumnValue::Unknown => return,
        };
        let Some(read) = read else {
            let message = format!("`stratify` needs classes of the source; `{name}` is computed");
            self.error(Code::E0602, message, expr.span);
            return;
        };
        let column = &self.program.data[data.index()].columns[read];
        let schema = &self.sets[data.index()].schema;
        let whole = match column.from.as_slice() {
            [one] => schema.columns.iter().any(|known| known.name == *one && known.as_classes.is_some()),
            _ => false,
        };
        if !whole && !matches!(column.holds, Holds::Classes(_)) {
            let message = format!("`stratify` needs classes; `{name}` holds numbers that are not whole");
            self.error(Code::E0602, message, expr.span);
            return;
        }
        self.program.data[data.index()].stratify = Some(read);
    }

    fn is_new_part(&mut self, data: DataId, name: &Name) -> bool {
        let described = &self.program.data[data.index()];
        if !["train", "val", "test"].contains(&name.text.as_str()) {
            let message = format!("there is no part `{}`", name.text);
            let mut diagnostic = Diagnostic::new(Code::E0602, message, name.span);
            diagnostic = match nearest(&name.text, ["train", "val", "test", "stratify"]) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
                None => diagnostic.help("parts are train, val and test; `stratify` names a column"),
            };
            self.report(diagnostic);
            return false;
        }
        if described.split.iter().any(|(known, _)| *known == name.text) {
            self.error(Code::E0602, format!("the part `{}` is given twice", name.text), name.span);
            return false;
        }
        if name.text == "test" && described.test_rows > 0 {
            let message = format!("`{}` has a test part of its own", described.name);
            self.report(
                Diagnostic::new(Code::E0602, message, name.span)
                    .help("split the other rows into train and val; `test` stays as it came"),
            );
            return false;
        }
        true
    }

    fn share(&mut self, data: DataId, name: &Name, expr: &Expr) {
        let value = self.eval(expr);
        let share = match &value {
            Value::Tensor(tensor) if tensor.elem == Elem::Bool => {
                let Some(rows) = self.choice_of_rows(tensor.clone(), expr.span) else { return };
                Share::Rows(rows.node)
            }
            _ => {
                let Some(fraction) = self.known_float(&value, "the fraction of a part", expr.span) else { return };
                if !(fraction > 0.0 && fraction <= 1.0) {
                    let message = format!("a part is more than 0 and at most 1 of the rows, not {fraction}");
                    self.error(Code::E0602, message, expr.span);
                    return;
                }
                Share::Fraction(fraction)
            }
        };
        self.program.data[data.index()].split.push((name.text.clone(), share));
    }

    /// Rows of each part as far as known before the rows are read; exactly where only conditions or lengths tell.
    pub(super) fn parts_of(&mut self, data: DataId, fine: bool) {
        let described = &self.program.data[data.index()];
        let whole = vec![("train".to_string(), Share::Fraction(1.0))];
        let split = if described.split.is_empty() { whole } else { described.split.clone() };
        let counted = described.kept.is_some()
            || described.source.is_sequence()
            || split.iter().any(|(_, share)| matches!(share, Share::Rows(_)));
        let mut parts: Vec<(String, u64)> = Vec::new();
        if counted {
            if !fine {
                parts = split.iter().map(|(name, _)| (name.clone(), described.rows)).collect();
            } else {
                match self.options.world.parts(&self.program, data) {
                    Ok(exact) => parts = exact.into_iter().filter(|(name, _)| name != "all").collect(),
                    Err(error) => {
                        let diagnostic = Diagnostic::new(Code::E0602, error.message, described.span);
                        self.report(match error.help {
                            Some(help) => diagnostic.help(help),
                            None => diagnostic,
                        });
                    }
                }
            }
        } else {
            for (name, share) in &split {
                if let Share::Fraction(fraction) = share {
                    parts.push((name.clone(), (fraction * described.rows as f64).round() as u64));
                }
            }
            if described.test_rows > 0 {
                parts.push(("test".to_string(), described.test_rows));
            }
        }
        self.program.data[data.index()].parts = parts;
    }

    /// Rows of a part, exactly.
    pub(super) fn part_rows(&mut self, part: &Part) -> u64 {
        if !self.exact.contains_key(&part.data) {
            let parts = match self.options.world.parts(&self.program, part.data) {
                Ok(parts) => parts,
                // What is wrong with the set was said where it stands.
                Err(_) if self.blind.contains(&part.data) => Vec::new(),
                Err(error) => {
                    let span = self.program.data[part.data.index()].span;
                    self.error(Code::E0601, error.message, span);
                    Vec::new()
                }
            };
            self.exact.insert(part.data, parts);
        }
        let parts = self.exact.get(&part.data).map(Vec::as_slice).unwrap_or_default();
        parts.iter().find(|(name, _)| *name == part.name).map_or(1, |(_, rows)| *rows)
    }

    /// `digits.test`
    pub(super) fn data_field(&mut self, data: DataId, name: &Name, span: Span) -> Value {
        let set = &self.program.data[data.index()];
        if name.text == "all" || set.parts.iter().any(|(part, _)| *part == name.text) {
            return Value::Part(Part { data, name: name.text.clone(), by: None });
        }
        if let Some(at) = self.sets[data.index()].find(&name.text) {
            if self.phase.data == Some(data) {
                return self.column_value(data, at, span);
            }
            return Value::Column(data, at);
        }
        if self.blind.contains(&data) {
            return Value::Unknown;
        }
        let mut names: Vec<String> = set.parts.iter().map(|(part, _)| part.clone()).collect();
        let message = if ["train", "val", "test"].contains(&name.text.as_str()) {
            format!("`{}` has no part `{}`", set.name, name.text)
        } else {
            format!("`{}` has no part or column `{}`", set.name, name.text)
        };
        names.push("all".into());
        let help = match nearest(&name.text, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has the parts {}; `split` makes others", names.join(", ")),
        };
        self.report(Diagnostic::new(Code::E0604, message, name.span).help(help))
    }
}
