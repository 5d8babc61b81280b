//! `value.name`: fields of layers and models by their paths, of files, data, tables and figures.

use super::Checker;
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Name;

impl Checker<'_> {
    /// `value.name`
    pub(super) fn field(&mut self, value: &Value, name: &Name, span: Span) -> Value {
        let known: Vec<String> = match value {
            Value::Unknown => return Value::Unknown,
            Value::Namespace(file) => {
                if let Some(item) = self.files[*file].items.get(&name.text).cloned() {
                    drop(item);
                    return self.item(*file, &name.text, name.span).unwrap_or(Value::Unknown);
                }
                // A definition may read what the import will bring.
                if self.open && self.item_later(*file, &name.text).is_some() {
                    return Value::Unknown;
                }
                self.files[*file].items.keys().cloned().collect()
            }
            Value::Core => {
                if let Some(intrinsic) = super::intrinsics::Intrinsic::core(&name.text) {
                    return Value::Intrinsic(intrinsic);
                }
                super::intrinsics::Intrinsic::core_words().map(str::to_string).collect()
            }
            Value::Run => return self.clock(name, span),
            Value::Figures(part) => {
                let full = format!("{part}.{}", name.text);
                return self.named_figure(&full, span).unwrap_or_else(|| self.figure(&full, span));
            }
            Value::Record(fields) => match fields.iter().find(|(field, _)| *field == name.text) {
                Some((_, value)) => return value.clone(),
                None => fields.iter().map(|(field, _)| field.clone()).collect(),
            },
            Value::Instance(instance) => {
                let instance = &self.instances[instance.0 as usize];
                // What a definition in error would have made is not known.
                if instance.definition.is_some_and(|id| self.definitions[id.0 as usize].broken) {
                    return Value::Unknown;
                }
                if let Some((_, slot)) = instance.slots.iter().find(|(slot, _)| *slot == name.text) {
                    return Value::Slot(slot.clone());
                }
                if let Some((_, child)) = instance.children.iter().find(|(child, _)| *child == name.text) {
                    return Value::Instance(*child);
                }
                let slots = instance.slots.iter().map(|(path, slot)| (path.as_str(), Value::Slot(slot.clone())));
                let children = instance.children.iter().map(|(path, child)| (path.as_str(), Value::Instance(*child)));
                let members: Vec<(&str, Value)> = slots.chain(children).collect();
                if let Some(turns) = turns_of(&members, &name.text) {
                    return turns;
                }
                // With open sizes no parameters are made.
                if self.open {
                    return Value::Unknown;
                }
                // Of the turns of a loop the loop's name.
                let mut names: Vec<String> =
                    members.iter().map(|(path, _)| path.split('[').next().unwrap_or(path).to_string()).collect();
                names.dedup();
                names
            }
            Value::Data(data) => return self.data_field(*data, name, span),
            Value::Table(table) => return self.table_column(*table, name, span),
            Value::Tensor(_) | Value::Slot(_) => {
                let message = format!("{} has no fields", value.describe());
                return self.report(
                    Diagnostic::new(Code::E0205, message, span)
                        .help("`size(x)`, `shape(x)`, `len(x)` tell what it is like"),
                );
            }
            other => {
                let message = format!("{} has no fields", other.describe());
                return self.error(Code::E0205, message, span);
            }
        };
        let mut diagnostic =
            Diagnostic::new(Code::E0205, format!("{} has no field `{}`", value.describe(), name.text), name.span);
        if let Some(near) = crate::diag::nearest(&name.text, known.iter().map(String::as_str)) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near);
        } else if !known.is_empty() && known.len() <= 12 {
            diagnostic = diagnostic.help(format!("it has {}", known.join(", ")));
        } else if known.is_empty() && matches!(value, Value::Instance(_)) {
            diagnostic = diagnostic.help("its parameters are known after its first application");
        }
        self.report(diagnostic)
    }
}

/// What the turns of a loop made, as a list of records: of `repeat1[0].dense1` and `repeat1[1].dense1` the name `repeat1`
/// is `[{dense1}, {dense1}]`, so that the path is a field access as well. `None` where no member is of such a loop.
fn turns_of(members: &[(&str, Value)], name: &str) -> Option<Value> {
    let mut turns: Vec<Vec<(&str, Value)>> = Vec::new();
    for (path, value) in members {
        let inside =
            path.strip_prefix(name).and_then(|rest| rest.strip_prefix('[')).and_then(|rest| rest.split_once("]."));
        let Some((Ok(turn), rest)) = inside.map(|(turn, rest)| (turn.parse::<usize>(), rest)) else { continue };
        if turns.len() <= turn {
            turns.resize(turn + 1, Vec::new());
        }
        turns[turn].push((rest, value.clone()));
    }
    let records = turns.iter().map(|members| {
        let mut fields: Vec<(String, Value)> = Vec::new();
        for (path, value) in members {
            let (field, value) = match path.split_once('[') {
                None => (*path, value.clone()),
                Some((inner, _)) => (inner, turns_of(members, inner).unwrap_or(Value::Unknown)),
            };
            if fields.iter().all(|(known, _)| known != field) {
                fields.push((field.to_string(), value));
            }
        }
        Value::Record(fields.into())
    });
    let records: Vec<Value> = records.collect();
    (!records.is_empty()).then(|| Value::List(records.into()))
}
