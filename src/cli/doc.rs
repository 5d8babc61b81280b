//! `nnc doc`: definitions of the library, or of a file, as they stand in the
//! source.
//!
//! In: a name. Out: its `##` lines, its signature and its source. Invariant: what
//! is shown is the text that is compiled.

use std::path::Path;

use super::Exit;
use super::shared::{print, tell};
use crate::diag::nearest;
use crate::driver;
use crate::prelude;
use crate::source::SourceMap;
use crate::syntax::ast::{Stmt, StmtKind};

/// A definition that can be shown.
struct Entry {
    name: String,
    file: String,
    doc: String,
    signature: String,
    source: String,
}

/// Shows a definition, or lists those of the library.
pub fn doc(name: Option<&str>, file: Option<&Path>) -> Exit {
    let mut entries = Vec::new();
    if let Some(path) = file {
        match driver::tree(path) {
            Ok((sources, tree)) => entries.extend(entries_of(&sources, &path.display().to_string(), &tree.stmts)),
            Err(failure) => return tell(&failure),
        }
    }
    let own = entries.len();
    entries.extend(library());
    entries.extend(builtins());
    match name {
        Some(name) => show(&entries, name),
        None => {
            let listed = if file.is_some() { &entries[..own] } else { &entries[..] };
            print(&list(listed));
            Exit::Ok
        }
    }
}

fn show(entries: &[Entry], name: &str) -> Exit {
    if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
        let doc = if entry.doc.is_empty() { String::new() } else { format!("{}\n\n", entry.doc) };
        let text = format!("{}  ({})\n\n{doc}{}", entry.signature, entry.file, entry.source);
        print(&format!("{}\n", text.trim_end()));
        return Exit::Ok;
    }
    match nearest(name, entries.iter().map(|entry| entry.name.as_str())) {
        Some(near) => eprintln!("nnc: there is no definition {name}; did you mean {near}?"),
        None => eprintln!("nnc: there is no definition {name}; `nnc doc` lists all"),
    }
    Exit::Usage
}

/// By file: signature and the first line of the documentation.
fn list(entries: &[Entry]) -> String {
    let width = entries.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let mut file = "";
    for entry in entries {
        if entry.file != file {
            file = &entry.file;
            text += &format!("{}{file}\n", if text.is_empty() { "" } else { "\n" });
        }
        let first = entry.doc.lines().next().unwrap_or(&entry.signature);
        text += &format!("  {:<width$}  {first}\n", entry.name);
    }
    text
}

fn library() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, text) in prelude::FILES {
        let mut sources = SourceMap::default();
        let id = sources.add(*name, *text);
        let (tree, _) = crate::syntax::parse(id, text);
        entries.extend(entries_of(&sources, &format!("<prelude>/{name}"), &tree.stmts));
    }
    entries
}

/// The words of the language itself, which have no source in it.
fn builtins() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in prelude::BUILTINS.lines() {
        match line.strip_prefix("## ") {
            Some(text) => doc.push(text),
            None => {
                let name = line.split('(').next().unwrap_or(line).to_string();
                let doc = std::mem::take(&mut doc).join("\n");
                let signature = line.to_string();
                entries.push(Entry { name, file: "built in".to_string(), doc, signature, source: String::new() });
            }
        }
    }
    entries
}

fn entries_of(sources: &SourceMap, file: &str, stmts: &[Stmt]) -> Vec<Entry> {
    stmts.iter().flat_map(|stmt| entries_of_stmt(sources, file, stmt)).collect()
}

fn entries_of_stmt(sources: &SourceMap, file: &str, stmt: &Stmt) -> Vec<Entry> {
    let names: Vec<String> = match &stmt.kind {
        StmtKind::Fn(definition)
        | StmtKind::Layer(definition)
        | StmtKind::Model(definition)
        | StmtKind::Optimizer(definition) => vec![definition.name.text.clone()],
        StmtKind::Const(list) => list.iter().map(|(name, _)| name.text.clone()).collect(),
        // Everything else is no definition.
        _ => Vec::new(),
    };
    let source = sources.text(stmt.span).trim_end().to_string();
    let entry = |name| Entry {
        name,
        file: file.to_string(),
        doc: stmt.doc.clone().unwrap_or_default(),
        signature: signature(&source),
        source: source.clone(),
    };
    names.into_iter().map(entry).collect()
}

/// The text up to the body: its brace or its `=`, outside of brackets.
fn signature(source: &str) -> String {
    let mut depth = 0;
    for (at, character) in source.char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' | '=' if depth == 0 => return source[..at].split_whitespace().collect::<Vec<_>>().join(" "),
            _ => {}
        }
    }
    source.lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_ends_before_the_body() {
        assert_eq!(signature("fn f(x, y = 1) -> f32[B] = x + y"), "fn f(x, y = 1) -> f32[B]");
        assert_eq!(signature("layer dense(\n  n: N\n)(x) {\n x\n}"), "layer dense( n: N )(x)");
    }
}
