//! Statements to syntax tree: with the files below it the only room that knows pest.
//!
//! In: a [`Layout`]. Out: the tree and a diagnostic for each statement that does
//! not parse. Invariant: recursion is bounded by the layout's depth and by
//! [`MAX_TREE_DEPTH`]; chains are loops.

mod errors;
mod expressions;
mod operators;
mod statements;
mod types;

use pest::Parser as _;
use pest::iterators::Pair;

use super::ast;
use super::layout::{self, Hole, Layout};
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// How deep an expression's tree may be, blocks included.
const MAX_TREE_DEPTH: usize = 2 * layout::MAX_DEPTH;

/// How many statements a file may have: each costs some microseconds.
const MAX_STATEMENTS: usize = 500_000;

/// How long a statement may be, texts and blocks in it not counted: the tree takes many times as much.
const MAX_STATEMENT: usize = 4 << 20;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/nnc.pest"]
struct Grammar;

type Node<'t> = Pair<'t, Rule>;

/// The version of the language: what `nnc 1` at the top of a file says.
const VERSION: u32 = 1;

/// Parses all statements of a file.
pub fn file(file: FileId, layout: &Layout) -> (ast::File, Vec<Diagnostic>) {
    let mut parser = Parser { file, layout, diagnostics: Vec::new() };
    let mut tree = ast::File::default();
    if let Some(first) = layout.statements.get(MAX_STATEMENTS) {
        let message = format!("the file has {} statements; at most {MAX_STATEMENTS} are read", layout.statements.len());
        let span = Span::new(file, first.start, first.end);
        return (tree, vec![Diagnostic::new(Code::E0118, message, span).help("numbers belong into a data file")]);
    }
    for (index, statement) in layout.statements.iter().enumerate() {
        if index == 0 {
            tree.version = parser.version(statement);
            if let Some((version, span)) = tree.version {
                if version != VERSION {
                    let message = format!("this is written in version {version} of the language");
                    let diagnostic = Diagnostic::new(Code::E0121, message, span);
                    parser
                        .diagnostics
                        .push(diagnostic.help(format!("this nnc reads version {VERSION}: `nnc {VERSION}`")));
                }
                continue;
            }
        }
        tree.stmts.extend(parser.statement(statement, Context::File, 0));
    }
    (tree, parser.diagnostics)
}

/// Which statements a body may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    /// The file and trains, and what is in them: heads such as `print` are words.
    File,
    /// Bodies of definitions and of expressions: they are names.
    Body,
}

struct Parser<'l> {
    file: FileId,
    layout: &'l Layout,
    diagnostics: Vec<Diagnostic>,
}

impl<'l> Parser<'l> {
    fn statement(&mut self, statement: &'l layout::Statement, context: Context, depth: usize) -> Option<ast::Stmt> {
        let rule = match context {
            Context::File => Rule::file_line,
            Context::Body => Rule::body_line,
        };
        let kind = self.read(statement, rule, context, depth, |reader, node| reader.statement(node))?;
        Some(ast::Stmt { kind, span: self.span_of(statement), doc: statement.doc.clone() })
    }

    fn data_statement(&mut self, statement: &'l layout::Statement, depth: usize) -> Option<ast::DataStmt> {
        let kind =
            self.read(statement, Rule::data_line, Context::Body, depth, |reader, node| reader.data_statement(node))?;
        Some(ast::DataStmt { kind, span: self.span_of(statement) })
    }

    /// Parses a statement as `rule` and builds its tree with `build`; reports and gives `None` if it fails.
    fn read<T>(
        &mut self,
        statement: &'l layout::Statement,
        rule: Rule,
        context: Context,
        depth: usize,
        build: impl FnOnce(&mut Reader<'_, 'l>, Node<'_>) -> T,
    ) -> Option<T> {
        if statement.broken {
            return None;
        }
        if statement.continues {
            self.diagnostics.push(errors::continued_line(self.span_of(statement), &self.layout.text));
            return None;
        }
        let cut = Cut::new(&self.layout.text, statement);
        if cut.text.len() > MAX_STATEMENT {
            let message =
                format!("a statement of {} MB; at most {} MB are read", cut.text.len() >> 20, MAX_STATEMENT >> 20);
            let span = self.span_of(statement);
            let begin = Span { end: span.start + self.head_length(span), ..span };
            self.diagnostics.push(Diagnostic::new(Code::E0118, message, begin).help("numbers belong into a data file"));
            return None;
        }
        match Grammar::parse(rule, &cut.text) {
            Ok(mut nodes) => {
                let node = nodes.next()?;
                let mut reader = Reader { parser: self, cut: &cut, context, depth, failed: false };
                let built = build(&mut reader, node);
                (!reader.failed).then_some(built)
            }
            Err(error) => {
                let diagnostic = errors::syntax_error(self.file, &cut, rule, error);
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// `nnc 1`
    fn version(&mut self, statement: &layout::Statement) -> Option<(u32, Span)> {
        let text = self.layout.text.get(statement.start..statement.end).filter(|text| text.len() < 100)?;
        let node = Grammar::parse(Rule::version, text).ok()?.next()?;
        let number = node.into_inner().next()?.as_str().parse().ok()?;
        Some((number, self.span_of(statement)))
    }

    /// Bytes of the first word of a span.
    fn head_length(&self, span: Span) -> u32 {
        let text = self.layout.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let word = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        word.len().min(80) as u32
    }

    fn span_of(&self, statement: &layout::Statement) -> Span {
        Span::new(self.file, statement.start, statement.end)
    }
}

/// A statement's text without the insides of its holes, and where each part of it came from.
struct Cut<'l> {
    text: String,
    /// Offsets in `text` and in the file, ascending; what follows each is contiguous.
    origins: Vec<(usize, usize)>,
    statement: &'l layout::Statement,
}

impl<'l> Cut<'l> {
    fn new(text: &str, statement: &'l layout::Statement) -> Self {
        let text_length = statement.end - statement.start - statement.holes.iter().map(Hole::inside).sum::<usize>();
        let text_room = String::with_capacity(text_length);
        let mut cut = Cut { text: text_room, origins: vec![(0, statement.start)], statement };
        let mut from = statement.start;
        for hole in &statement.holes {
            let (start, end) = hole.extent();
            cut.text.push_str(&text[from..start + 1]);
            cut.origins.push((cut.text.len(), end - 1));
            cut.text.push(if matches!(hole, Hole::Block(_)) { '}' } else { '"' });
            from = end;
        }
        cut.text.push_str(&text[from..statement.end]);
        cut
    }

    /// The file's offset of an offset in the cut text.
    fn origin(&self, at: usize) -> usize {
        if let [(_, origin)] = self.origins.as_slice() {
            return origin + at;
        }
        let index = self.origins.partition_point(|(cut, _)| *cut <= at).max(1) - 1;
        let (cut, origin) = self.origins[index];
        origin + (at - cut)
    }

    /// The file's range of a range in the cut text.
    fn range(&self, start: usize, end: usize) -> (usize, usize) {
        if start == end {
            let at = if start == 0 { self.origin(0) } else { self.origin(start - 1) + 1 };
            return (at, at);
        }
        (self.origin(start), self.origin(end - 1) + 1)
    }

    /// The hole that begins at an offset of the cut text.
    fn hole(&self, at: usize) -> Option<&'l Hole> {
        let origin = self.origin(at);
        let index = self.statement.holes.binary_search_by_key(&origin, |hole| hole.extent().0).ok()?;
        self.statement.holes.get(index)
    }
}

/// Builds the tree of one statement.
struct Reader<'p, 'l> {
    parser: &'p mut Parser<'l>,
    cut: &'p Cut<'l>,
    context: Context,
    /// Nodes of the tree above.
    depth: usize,
    /// Something has been reported: the statement is to be dropped.
    failed: bool,
}

impl Reader<'_, '_> {
    fn fail(&mut self, diagnostic: Diagnostic) {
        if !self.failed {
            self.parser.diagnostics.push(diagnostic);
        }
        self.failed = true;
    }

    fn too_deep(&mut self, span: Span) {
        let message = format!("an expression of more than {MAX_TREE_DEPTH} levels");
        self.fail(Diagnostic::new(Code::E0117, message, span).help("give a part of it a name with `let`"));
    }

    fn span(&self, node: &Node<'_>) -> Span {
        let (start, end) = self.cut.range(node.as_span().start(), node.as_span().end());
        Span::new(self.parser.file, start, end)
    }
}
