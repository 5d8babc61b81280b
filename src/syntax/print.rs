//! Syntax tree to canonical text.
//!
//! In: a tree. Out: text that parses to the same tree, four blanks a level, one
//! statement a line, brackets only where the tree needs them. Comments other
//! than `##` are not in the tree and so not in the text.

mod expressions;
mod statements;

use super::ast;

/// The canonical text of a file.
pub fn print(file: &ast::File) -> String {
    let mut printer = Printer { out: String::new(), indent: 0 };
    if let Some((version, _)) = file.version {
        printer.out.push_str(&format!("nnc {version}\n"));
    }
    for statement in &file.stmts {
        printer.statement(statement);
    }
    printer.out
}

struct Printer {
    out: String,
    indent: usize,
}

impl Printer {
    fn word(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.margin();
    }

    fn margin(&mut self) {
        self.out.extend(std::iter::repeat_n("    ", self.indent));
    }

    /// `items`, with commas between.
    fn list<T>(&mut self, items: &[T], mut print: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.word(", ");
            }
            print(self, item);
        }
    }

    fn maybe<T>(&mut self, before: &str, item: Option<&T>, print: impl FnOnce(&mut Self, &T)) {
        if let Some(item) = item {
            self.word(before);
            print(self, item);
        }
    }

    /// A name, in back-quotes if it is not an ordinary one.
    fn name(&mut self, text: &str) {
        if super::RESERVED.contains(&text) {
            self.out.push_str(&format!("`{text}`"));
        } else {
            self.any_name(text);
        }
    }

    /// A name where reserved words are names as well.
    fn any_name(&mut self, text: &str) {
        if is_plain(text) {
            self.word(text);
        } else {
            self.out.push_str(&format!("`{text}`"));
        }
    }
}

/// Whether a name can be written without back-quotes.
fn is_plain(text: &str) -> bool {
    let subscript = |c: char| c == '\'' || ('\u{2080}'..='\u{2089}').contains(&c);
    let body = text.trim_end_matches(subscript);
    let mut chars = body.chars();
    chars.next().is_some_and(|c| c == '_' || unicode_ident::is_xid_start(c))
        && chars.all(unicode_ident::is_xid_continue)
}
