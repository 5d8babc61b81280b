//! Imported files: their definitions are there before the first statement of
//! the file that imports them, their models and data sets from the import on.
//!
//! Invariant: importing runs nothing. A model is one instance however many
//! files import its own; under `import ... as x` its path begins with `x.`.

use super::scope::{Frame, FrameKind};
use super::value::{InstanceId, Value};
use super::{Checker, Item, ItemValue, limits};
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};
use crate::syntax::ast::{Name, StmtKind};

impl Checker<'_> {
    /// Adds the file of an import, if it is not there yet, and its definitions to the importing file.
    pub(super) fn import(&mut self, from: usize, path: &(String, Span), alias: Option<&Name>) {
        let from_name = self.sources.file(self.files[from].id).name.clone();
        let (name, text) = match self.options.world.import(&from_name, &path.0) {
            Ok(found) => found,
            Err(message) => {
                self.error(Code::E0701, message, path.1);
                self.bind_import(from, alias, path.1);
                return;
            }
        };
        let known =
            self.files.iter().position(|file| file.id != FileId(u32::MAX) && self.sources.file(file.id).name == name);
        if let Some(known) = known
            && self.importing.contains(&known)
        {
            self.report(
                Diagnostic::new(
                    Code::E0409,
                    format!("\"{}\" imports itself, directly or through others", path.0),
                    path.1,
                )
                .help("move what both files need into a third file that imports neither"),
            );
            self.bind_import(from, alias, path.1);
            return;
        }
        if self.importing.len() >= limits::IMPORT_LIMIT {
            let message = format!("imports nested more than {} deep", limits::IMPORT_LIMIT);
            self.error(Code::E0117, message, path.1);
            return;
        }
        let index = match known {
            Some(index) => index,
            None => {
                let id = self.sources.add(name, text.as_str());
                let (file, diagnostics) = crate::syntax::parse(id, &text);
                self.note_unparsed(&text, &diagnostics);
                self.diagnostics.extend(diagnostics);
                self.importing.push(self.files.len());
                let index = self.add_file(id, file, Some(0));
                self.importing.pop();
                index
            }
        };
        self.imported.insert(path.1, (from, index));
        if self.importing.is_empty() {
            self.set_imported(index, alias);
        }
        match alias {
            Some(alias) => self.add_item(from, alias, ItemValue::File(index)),
            None => self.import_all(from, index, path.1),
        }
    }

    /// `--set` of consts that the main file sees of this one: by their names, or by `alias.name`.
    fn set_imported(&mut self, index: usize, alias: Option<&Name>) {
        for (name, text) in &self.options.set {
            let inner = match alias {
                Some(alias) => name.strip_prefix(&alias.text).and_then(|rest| rest.strip_prefix('.')),
                None => Some(name.as_str()),
            };
            if inner.is_some_and(|inner| self.set_const(index, inner, name, text)) {
                self.was_set.insert(name.clone());
            }
        }
    }

    /// The import at `span` as a statement: the models and data sets of its file, and of those that it imports.
    pub(super) fn bring(&mut self, span: Span, alias: Option<&Name>) {
        let Some(&(from, index)) = self.imported.get(&span) else { return };
        if !std::mem::replace(&mut self.files[index].brought, true) {
            let file = self.files[index].ast.clone();
            let outer = self.frame().path.clone();
            let path = alias.map_or(outer.to_string(), |alias| format!("{outer}{}.", alias.text));
            self.frames.push(Frame::new(FrameKind::File, index, InstanceId(0), path, span));
            for stmt in &file.stmts {
                match &stmt.kind {
                    StmtKind::Import { path, alias } => self.bring(path.1, alias.as_ref()),
                    StmtKind::Model(definition) => self.model(definition),
                    StmtKind::Data { name, source, like, body } => {
                        self.data_item(name, source, like.as_ref(), body.as_deref(), stmt.span);
                    }
                    _ => continue,
                }
                self.keep_brought(index);
            }
            self.frames.pop();
        }
        if alias.is_none() {
            let is_new = |item: &Item| {
                matches!(item.value, ItemValue::Value(Value::Instance(_) | Value::Data(_) | Value::Unknown))
            };
            let items = self.files[index].items.iter().filter(|(_, item)| is_new(item));
            let mut items: Vec<(String, Item)> = items.map(|(name, item)| (name.clone(), item.clone())).collect();
            items.sort_by(|a, b| a.0.cmp(&b.0));
            items.into_iter().for_each(|(name, item)| self.add_imported(from, name, item, span));
        }
    }

    /// A model or data set `name` of the files that a file imports without a name for them, whether made yet or not.
    pub(super) fn brought_later(&self, file: usize, name: &str) -> Option<(Span, bool)> {
        self.files[file].ast.stmts.iter().find_map(|stmt| match &stmt.kind {
            StmtKind::Import { path, alias: None } => {
                self.imported.get(&path.1).and_then(|(_, index)| self.item_later(*index, name))
            }
            _ => None,
        })
    }

    /// A model or data set of a file, or of those whose names it imports; whether it is a model.
    pub(super) fn item_later(&self, file: usize, name: &str) -> Option<(Span, bool)> {
        let own = self.files[file].ast.stmts.iter().find_map(|stmt| match &stmt.kind {
            StmtKind::Model(definition) if definition.name.text == name => Some((definition.name.span, true)),
            StmtKind::Data { name: set, .. } if set.text == name => Some((set.span, false)),
            _ => None,
        });
        // No file imports itself: circles are errors that leave no entry.
        own.or_else(|| self.brought_later(file, name))
    }

    /// What a statement of an imported file has bound is a name of that file from now on.
    fn keep_brought(&mut self, index: usize) {
        let bound: Vec<_> = self.frame_mut().scopes.iter_mut().flat_map(std::mem::take).collect();
        for (text, binding) in bound {
            self.add_item(index, &Name { text, span: binding.span }, ItemValue::Value(binding.value));
        }
    }

    /// An import in error: its name, or any name, may come from it.
    fn bind_import(&mut self, from: usize, alias: Option<&Name>, span: Span) {
        match alias {
            Some(alias) => self.add_item(from, alias, ItemValue::Value(Value::Unknown)),
            None => self.files[from].missing = Some(span),
        }
    }

    fn import_all(&mut self, from: usize, index: usize, span: Span) {
        let mut items: Vec<(String, Item)> =
            self.files[index].items.iter().map(|(name, item)| (name.clone(), item.clone())).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, item) in items {
            // A const is computed where it stands, so that it sees its own file's names.
            let value = match item.value {
                ItemValue::Const(_) => ItemValue::Value(self.item(index, &name, span).unwrap_or(Value::Unknown)),
                other => other,
            };
            self.add_imported(from, name, Item { value, span: item.span }, span);
        }
    }

    fn add_imported(&mut self, from: usize, name: String, item: Item, span: Span) {
        if let Some(first) = self.files[from].items.get(&name) {
            let first = first.span;
            // Two files may import a third.
            if first == item.span {
                return;
            }
            let message = format!("the imported `{name}` is defined here already");
            self.report(
                Diagnostic::new(Code::E0202, message, span)
                    .also(first, "defined here")
                    .help("import the file under a name: `import \"...\" as x`, then `x.name`"),
            );
            return;
        }
        self.files[from].items.insert(name, item);
    }
}
