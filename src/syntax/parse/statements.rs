//! Statements and items.
//!
//! In: the node of a line. Out: its [`StmtKind`]. Keywords are skipped; what is
//! left stands in the order of the grammar.

use super::{Context, Node, Reader, Rule};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{
    Block, DataStmt, DataStmtKind, Definition, EveryUnit, Expr, ExprKind, Group, Name, Named, On, Path, Pattern,
    StmtKind,
};
use crate::syntax::layout::Hole;

/// The parts of a statement, sorted by what they are.
#[derive(Default)]
struct Parts<'t> {
    name: Option<Name>,
    path: Option<Path>,
    exprs: Vec<Expr>,
    named: Vec<Named>,
    on: Option<On>,
    block: Option<Node<'t>>,
}

impl<'l> Reader<'_, 'l> {
    /// The statement of a `file_line` or `body_line`.
    pub(super) fn statement(&mut self, line: Node<'_>) -> StmtKind {
        match line.into_inner().next() {
            Some(node) => self.statement_kind(node),
            None => self.failed_statement(),
        }
    }

    fn statement_kind(&mut self, node: Node<'_>) -> StmtKind {
        match node.as_rule() {
            Rule::const_item => StmtKind::Const(self.pairs_inside(node, Rule::constant)),
            Rule::import => self.import(node),
            Rule::function => StmtKind::Fn(self.definition(node)),
            Rule::layer => StmtKind::Layer(self.definition(node)),
            Rule::model => StmtKind::Model(self.definition(node)),
            Rule::optimizer => StmtKind::Optimizer(self.definition(node)),
            Rule::param => StmtKind::Param(self.declarations(node)),
            Rule::state => StmtKind::State(self.declarations(node)),
            Rule::let_stmt => self.let_statement(node),
            Rule::assign => self.assignment(node),
            Rule::minimize => self.minimize(node),
            Rule::keep => self.keep(node),
            Rule::plot => self.plot(node),
            Rule::every => self.every(node),
            _ => self.simple_statement(node),
        }
    }

    /// Statements whose parts are told apart by what they are.
    fn simple_statement(&mut self, node: Node<'_>) -> StmtKind {
        let rule = node.as_rule();
        let mut parts = self.parts(node);
        let block_context = Context::File;
        match rule {
            Rule::data => self.data_item(parts),
            Rule::train => {
                let body = self.block_of(parts.block, block_context);
                StmtKind::Train { subject: parts.path, on: parts.on, log: parts.name, body }
            }
            Rule::phase => {
                let body = self.block_of(parts.block.take(), block_context);
                StmtKind::Phase { name: self.the_name(parts.name), times: parts.exprs.pop(), body }
            }
            Rule::fit => StmtKind::Fit { value: self.the_expr(&mut parts), name: self.the_name(parts.name) },
            Rule::emit => StmtKind::Emit(self.the_expr(&mut parts)),
            Rule::last => StmtKind::Final(self.the_expr(&mut parts)),
            Rule::print => StmtKind::Print { values: parts.exprs, on: parts.on },
            Rule::assert => {
                let message = if parts.exprs.len() > 1 { parts.exprs.pop() } else { None };
                StmtKind::Assert { condition: self.the_expr(&mut parts), message, on: parts.on }
            }
            Rule::save => StmtKind::Save { to: self.the_expr(&mut parts), what: self.the_path(parts.path) },
            Rule::load => {
                let at = if parts.exprs.len() > 1 { parts.exprs.pop() } else { None };
                StmtKind::Load { from: self.the_expr(&mut parts), what: self.the_path(parts.path), at }
            }
            Rule::record => StmtKind::Record { values: parts.named, on: parts.on, into: self.the_name(parts.name) },
            Rule::watch => StmtKind::Watch(parts.named),
            Rule::seed => StmtKind::Seed(self.the_expr(&mut parts)),
            Rule::epochs => StmtKind::Epochs(self.the_expr(&mut parts)),
            Rule::steps => StmtKind::Steps(self.the_expr(&mut parts)),
            Rule::batch => StmtKind::Batch(self.the_expr(&mut parts)),
            Rule::stop => StmtKind::Stop(self.the_expr(&mut parts)),
            _ => self.failed_statement(),
        }
    }

    fn parts<'t>(&mut self, node: Node<'t>) -> Parts<'t> {
        let mut parts = Parts::default();
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::name => parts.name = Some(self.name(&part)),
                Rule::path => parts.path = Some(self.path(part)),
                Rule::expr => parts.exprs.push(self.expr(part)),
                Rule::named => {
                    let (name, value) = self.named_value(part);
                    parts.named.push(Named { name, value });
                }
                Rule::on => parts.on = self.on(part),
                Rule::block => parts.block = Some(part),
                _ => {}
            }
        }
        parts
    }

    fn on(&mut self, node: Node<'_>) -> Option<On> {
        let (mut part, mut by, mut span) = (None, None, self.span(&node));
        for inner in node.into_inner() {
            match inner.as_rule() {
                Rule::postfix => part = Some(self.stage(inner)),
                Rule::by => by = inner.into_inner().find(|by| by.as_rule() == Rule::expr).map(|by| self.expr(by)),
                _ => {}
            }
        }
        let part = part?;
        (span.start, span.end) = (part.span.start, by.as_ref().unwrap_or(&part).span.end);
        Some(On { part, by, span })
    }

    // Items.

    fn import(&mut self, node: Node<'_>) -> StmtKind {
        let (mut path, mut alias) = ((String::new(), self.span(&node)), None);
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::text => path = (self.plain_text(&part), self.span(&part)),
                Rule::name => alias = Some(self.name(&part)),
                _ => {}
            }
        }
        StmtKind::Import { path, alias }
    }

    /// A text without `{ }`.
    fn plain_text(&mut self, node: &Node<'_>) -> String {
        use crate::syntax::ast::TextPart;
        let span = self.span(node);
        let mut plain = String::new();
        for part in self.text_parts(node) {
            match part {
                TextPart::Text(text) => plain.push_str(&text),
                TextPart::Expr(_) => {
                    let message = "the name of an imported file cannot be computed";
                    self.fail(Diagnostic::new(Code::E0113, message, span).help("write it out"));
                }
            }
        }
        plain
    }

    fn definition(&mut self, node: Node<'_>) -> Definition {
        let rule = node.as_rule();
        let mut name = None;
        let mut lists = Vec::new();
        let mut result = None;
        let mut body = Block::default();
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.name(&part)),
                Rule::args => lists.push(self.args(part)),
                Rule::result => result = part.into_inner().next().map(|ty| self.ty(ty)),
                Rule::block => body = self.block(&part, Context::Body),
                Rule::expr => {
                    let span = self.span(&part);
                    body = Block { stmts: Vec::new(), value: Some(Box::new(self.expr(part))), span };
                }
                _ => {}
            }
        }
        let mut lists = lists.into_iter();
        let settings = if matches!(rule, Rule::layer | Rule::optimizer) { lists.next() } else { None };
        let inputs = lists.next().unwrap_or_default();
        Definition { name: self.the_name(name), settings: settings.unwrap_or_default(), inputs, result, body }
    }

    fn data_item(&mut self, mut parts: Parts<'_>) -> StmtKind {
        let source = self.the_expr(&mut parts);
        let body = parts.block.map(|block| self.data_block(&block));
        StmtKind::Data { name: self.the_name(parts.name), source, like: parts.path, body }
    }

    fn data_block(&mut self, node: &Node<'_>) -> Vec<DataStmt> {
        let Some(Hole::Block(block)) = self.cut.hole(node.as_span().start()) else { return Vec::new() };
        let depth = self.depth + 1;
        block.statements.iter().filter_map(|statement| self.parser.data_statement(statement, depth)).collect()
    }

    /// The statement of a `data_line`.
    pub(super) fn data_statement(&mut self, line: Node<'_>) -> DataStmtKind {
        let span = self.span(&line);
        let Some(node) = line.into_inner().next() else {
            self.failed = true;
            return DataStmtKind::Split(Vec::new());
        };
        let rule = node.as_rule();
        if rule == Rule::split {
            return DataStmtKind::Split(self.pairs_inside(node, Rule::share));
        }
        let mut parts = self.parts(node);
        let value = parts.exprs.pop().unwrap_or_else(|| self.placeholder_quiet(span));
        match rule {
            Rule::input => DataStmtKind::Input(value),
            Rule::target => DataStmtKind::Target(value),
            Rule::keep_rows => DataStmtKind::KeepRows(value),
            _ => DataStmtKind::Column { name: self.the_name(parts.name), value },
        }
    }

    /// All `name = expr` of this rule inside a node.
    fn pairs_inside(&mut self, node: Node<'_>, rule: Rule) -> Vec<(Name, Expr)> {
        let mut pairs = Vec::new();
        for part in node.into_inner().filter(|part| part.as_rule() == rule) {
            let mut inner = part.into_inner().filter(|part| part.as_rule() != Rule::eq);
            if let (Some(name), Some(value)) = (inner.next(), inner.next()) {
                let name = self.name(&name);
                pairs.push((name, self.expr(value)));
            }
        }
        pairs
    }

    // Statements.

    fn declarations(&mut self, node: Node<'_>) -> Vec<crate::syntax::ast::Declared> {
        node.into_inner().filter(|part| part.as_rule() == Rule::declared).map(|part| self.declared(part)).collect()
    }

    fn let_statement(&mut self, node: Node<'_>) -> StmtKind {
        let span = self.span(&node);
        let mut pattern = Pattern::Tuple(Vec::new(), span);
        let mut value = self.placeholder_quiet(span);
        let mut on = None;
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::pattern => pattern = self.pattern(part),
                Rule::expr => value = self.expr(part),
                Rule::on => on = self.on(part),
                _ => {}
            }
        }
        StmtKind::Let { pattern, value, on }
    }

    /// `next x = e`, `for`, `if`, or an expression alone.
    fn assignment(&mut self, node: Node<'_>) -> StmtKind {
        let mut sides = node.into_inner().filter(|part| part.as_rule() == Rule::expr);
        let Some(left) = sides.next() else { return self.failed_statement() };
        let left = self.lone_expr(left);
        let Some(right) = sides.next() else { return StmtKind::Expr(left) };
        let value = self.expr(right);
        match left.kind {
            ExprKind::Next(target) => StmtKind::Next { target: *target, value },
            other => {
                self.fail(not_a_target(&other, left.span));
                self.failed_statement()
            }
        }
    }

    /// An expression that is a statement: its bodies hold what this body may hold.
    fn lone_expr(&mut self, node: Node<'_>) -> Expr {
        let mut inner = node.clone().into_inner();
        let form = inner.next().filter(|form| matches!(form.as_rule(), Rule::for_form | Rule::if_form));
        match (form, inner.next()) {
            (Some(form), None) => self.block_form_in(form, self.context),
            _ => self.expr(node),
        }
    }

    fn plot(&mut self, node: Node<'_>) -> StmtKind {
        let to = node.clone().into_inner().find(|part| part.as_rule() == Rule::to);
        let to = to.and_then(|to| to.into_inner().find(|part| part.as_rule() == Rule::expr));
        let to = to.map(|to| self.expr(to));
        let parts = self.parts(node);
        StmtKind::Plot { values: parts.exprs, on: parts.on, to }
    }

    fn minimize(&mut self, node: Node<'_>) -> StmtKind {
        let mut objective = self.placeholder_quiet(self.span(&node));
        let mut groups = Vec::new();
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::expr => objective = self.expr(part),
                Rule::group => groups.push(self.group(part)),
                _ => {}
            }
        }
        StmtKind::Minimize { objective, groups }
    }

    fn group(&mut self, node: Node<'_>) -> Group {
        let span = self.span(&node);
        let mut group = Group { over: Vec::new(), with: self.placeholder_quiet(span), span };
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::over => group.over.push(self.expr(part)),
                Rule::expr => group.with = self.expr(part),
                _ => {}
            }
        }
        group
    }

    fn keep(&mut self, node: Node<'_>) -> StmtKind {
        let highest = node.clone().into_inner().any(|part| part.as_rule() == Rule::w_highest);
        let parts = self.parts(node);
        StmtKind::Keep { highest, figure: self.the_path(parts.path) }
    }

    fn every(&mut self, node: Node<'_>) -> StmtKind {
        let epochs = node.clone().into_inner().any(|part| part.as_rule() == Rule::hd_epochs);
        let unit = if epochs { EveryUnit::Epochs } else { EveryUnit::Steps };
        let mut parts = self.parts(node);
        let count = self.the_expr(&mut parts);
        StmtKind::Every { count, unit, body: self.block_of(parts.block, Context::File) }
    }

    // Parts that the grammar guarantees.

    fn block_of(&mut self, node: Option<Node<'_>>, context: Context) -> Block {
        node.map(|node| self.block(&node, context)).unwrap_or_default()
    }

    fn the_expr(&mut self, parts: &mut Parts<'_>) -> Expr {
        self.failed |= parts.exprs.is_empty();
        parts.exprs.pop().unwrap_or_else(|| self.placeholder_quiet(Span::default()))
    }

    fn the_name(&mut self, name: Option<Name>) -> Name {
        self.failed |= name.is_none();
        name.unwrap_or_else(|| Name { text: String::new(), span: Span::default() })
    }

    fn the_path(&mut self, path: Option<Path>) -> Path {
        self.failed |= path.is_none();
        path.unwrap_or_else(|| {
            let head = Name { text: String::new(), span: Span::default() };
            Path { head, rest: Vec::new(), span: Span::default() }
        })
    }

    fn failed_statement(&mut self) -> StmtKind {
        self.failed = true;
        StmtKind::Const(Vec::new())
    }
}

fn not_a_target(left: &ExprKind, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::new(Code::E0111, "`=` needs `let` or `next` before the name", span);
    match left {
        ExprKind::Name(name) => diagnostic
            .help(format!("`let {name} = ...` gives a name; `next {name} = ...` sets what the next step starts from")),
        _ => diagnostic.help("to compare, write `==`; to write into a tensor, use `put(x, value, at = i)`"),
    }
}
