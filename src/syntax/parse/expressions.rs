//! Expressions: operands, what follows them, texts and block forms.
//!
//! In: nodes of the grammar. Out: [`Expr`]s with spans of the file.

use super::operators::Row;
use super::{Context, Node, Reader, Rule};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{
    Block, CallArg, Expr, ExprKind, IndexItem, Name, Path, PathStep, Pattern, StmtKind, TextPart,
};
use crate::syntax::layout::{self, Hole, Piece};

impl<'l> Reader<'_, 'l> {
    /// `expr`, `over`
    pub(super) fn expr(&mut self, node: Node<'_>) -> Expr {
        if node.as_rule() == Rule::over {
            return match node.into_inner().next() {
                Some(inner) => self.expr(inner),
                None => self.placeholder(Span::default()),
            };
        }
        let span = self.span(&node);
        if !self.enter(1, Some(span)) {
            return self.placeholder(span);
        }
        let mut row = node.into_inner().peekable();
        let input = match row.next_if(|node| is_block_form(node.as_rule())) {
            Some(form) => self.block_form(form),
            None => self.operators(&mut row),
        };
        let stages: Vec<Expr> = row.map(|stage| self.stage(stage)).collect();
        self.depth -= 1;
        if stages.is_empty() {
            return Expr { span, ..input };
        }
        Expr { kind: ExprKind::Pipe { input: Box::new(input), stages }, span }
    }

    /// `stage`, `postfix`: an operand, `repeat` or a block form.
    pub(super) fn stage(&mut self, node: Node<'_>) -> Expr {
        let mut row = node.into_inner().peekable();
        match row.peek().map(|node| node.as_rule()) {
            Some(Rule::repeat) => match row.next() {
                Some(repeat) => self.repeat(repeat),
                None => self.placeholder(Span::default()),
            },
            Some(rule) if is_block_form(rule) => match row.next() {
                Some(form) => self.block_form(form),
                None => self.placeholder(Span::default()),
            },
            _ => self.operand(&mut row),
        }
    }

    /// A primary and its suffixes, from the row.
    pub(super) fn operand(&mut self, row: &mut Row<'_>) -> Expr {
        let Some(primary) = row.next() else { return self.placeholder(Span::default()) };
        if !row.peek().is_some_and(|node| is_suffix(node.as_rule())) {
            return self.primary(primary);
        }
        let mut suffixes = Vec::new();
        while let Some(suffix) = row.next_if(|node| is_suffix(node.as_rule())) {
            suffixes.push(suffix);
        }
        let levels = suffixes.len();
        let start = self.span(&primary);
        if !self.enter(levels, Some(start)) {
            return self.placeholder(start);
        }
        let mut value = self.primary(primary);
        for suffix in suffixes {
            value = self.suffix(value, suffix);
            self.depth -= 1;
        }
        value
    }

    fn suffix(&mut self, base: Expr, node: Node<'_>) -> Expr {
        let span = base.span.to(self.span(&node));
        let base = Box::new(base);
        let kind = match node.as_rule() {
            Rule::call => {
                let args = node.into_inner().map(|arg| self.call_arg(arg)).collect();
                ExprKind::Call { callee: base, args }
            }
            Rule::index => {
                let items: Vec<IndexItem> = node.into_inner().map(|item| self.index_item(item)).collect();
                indexed(*base, items)
            }
            _ => {
                let name = self.name_inside(node);
                match base.kind {
                    ExprKind::Next(mut path) => {
                        path.rest.push(PathStep::Field(name));
                        path.span = path.span.to(span);
                        ExprKind::Next(path)
                    }
                    kind => ExprKind::Field { base: Box::new(Expr { kind, span: base.span }), name },
                }
            }
        };
        Expr { kind, span }
    }

    fn call_arg(&mut self, node: Node<'_>) -> CallArg {
        let (name, value) = self.named_value(node);
        CallArg { name, value }
    }

    /// `(name =)? expr`
    pub(super) fn named_value(&mut self, node: Node<'_>) -> (Option<Name>, Expr) {
        let span = self.span(&node);
        let mut inner = node.into_inner().peekable();
        let name = inner.next_if(|node| node.as_rule() == Rule::any_name).map(|name| self.name(&name));
        let value = match inner.find(|node| node.as_rule() == Rule::expr) {
            Some(value) => self.expr(value),
            None => self.placeholder(span),
        };
        (name, value)
    }

    fn index_item(&mut self, node: Node<'_>) -> IndexItem {
        let span = self.span(&node);
        let (mut from, mut to, mut colon) = (None, None, false);
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::ellipsis => return IndexItem::Ellipsis(span),
                Rule::colon => colon = true,
                _ if colon => to = Some(self.expr(part)),
                _ => from = Some(self.expr(part)),
            }
        }
        match (colon, from) {
            (false, Some(at)) => IndexItem::At(at),
            (_, from) => IndexItem::Slice(from, to, span),
        }
    }

    fn primary(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::number => self.number(node.as_str(), span),
            Rule::text => ExprKind::Text(self.text_parts(&node)),
            Rule::truth => ExprKind::Bool(node.as_str() == "true"),
            Rule::next => {
                let head = self.name_inside(node);
                ExprKind::Next(Box::new(Path { head, rest: Vec::new(), span }))
            }
            Rule::list => ExprKind::List(node.into_inner().map(|item| self.expr(item)).collect()),
            Rule::tuple => return self.tuple(node, span),
            _ => ExprKind::Name(self.name(&node).text),
        };
        Expr { kind, span }
    }

    fn tuple(&mut self, node: Node<'_>, span: Span) -> Expr {
        let mut trailing = false;
        let mut items = Vec::new();
        for item in node.into_inner() {
            if item.as_rule() == Rule::trailing {
                trailing = true;
            } else {
                items.push(self.expr(item));
            }
        }
        if items.len() == 1 && !trailing {
            let inner = items.remove(0);
            return Expr { kind: inner.kind, span };
        }
        Expr { kind: ExprKind::Tuple(items), span }
    }

    fn number(&mut self, written: &str, span: Span) -> ExprKind {
        // Up to fifteen digits are exact in both types.
        if written.len() <= 15 && written.bytes().all(|byte| byte.is_ascii_digit()) {
            let int = written.bytes().fold(0, |int, digit| int * 10 + i64::from(digit - b'0'));
            return ExprKind::Number { value: int as f64, int: Some(int) };
        }
        let plain: String = written.chars().filter(|c| *c != '_').collect();
        let value = plain.parse().unwrap_or(f64::INFINITY);
        let integer = plain.bytes().all(|byte| byte.is_ascii_digit());
        let int = if integer { plain.parse().ok() } else { None };
        let too_large =
            if integer { plain.parse::<u64>().map_or(true, |int| int > 1 << 63) } else { value.is_infinite() };
        if too_large {
            let help = if integer {
                "an integer has at most 2^63; write it with `.0` for a real number"
            } else {
                "the largest is about 1.8e308"
            };
            self.fail(Diagnostic::new(Code::E0116, "this number is too large", span).help(help));
        }
        ExprKind::Number { value, int }
    }

    // Texts.

    /// The parts of the text at this node.
    pub(super) fn text_parts(&mut self, node: &Node<'_>) -> Vec<TextPart> {
        let Some(Hole::Text(text)) = self.cut.hole(node.as_span().start()) else { return Vec::new() };
        let mut parts = Vec::new();
        for piece in &text.pieces {
            match piece {
                Piece::Chars(start, end) => {
                    let chars = self.unescape(*start, *end);
                    parts.push(TextPart::Text(chars));
                }
                Piece::Hole(block) => {
                    let span = Span::new(self.parser.file, block.start, block.end);
                    parts.extend(self.interpolated(span, &block.statements).map(TextPart::Expr));
                }
            }
        }
        parts
    }

    fn interpolated(&mut self, span: Span, statements: &'l [layout::Statement]) -> Option<Expr> {
        let [statement] = statements else {
            let (message, help) = if statements.is_empty() {
                ("nothing stands between these braces", "write `\\{` for a brace in a text")
            } else {
                ("more than one expression between these braces", "write each in braces of its own")
            };
            self.fail(Diagnostic::new(Code::E0113, message, span).help(help));
            return None;
        };
        let depth = self.depth + 1;
        let expr = self.parser.read(statement, Rule::expr_line, Context::Body, depth, |reader, node| {
            node.into_inner().next().map(|expr| reader.expr(expr))
        });
        self.failed |= expr.is_none();
        expr.flatten()
    }

    fn unescape(&mut self, start: usize, end: usize) -> String {
        let layout = self.parser.layout;
        let written = &layout.text[start..end];
        if !written.contains('\\') {
            return written.to_string();
        }
        let mut text = String::with_capacity(written.len());
        let mut rest = written;
        while let Some(at) = rest.find('\\') {
            text.push_str(&rest[..at]);
            let from = end - (rest.len() - at);
            let (c, length) = escape(&rest[at..]);
            match c {
                Some(c) => text.push(c),
                None => {
                    let span = Span::new(self.parser.file, from, from + length);
                    let message = format!("`{}` is not an escape", &rest[at..at + length]);
                    let help = "escapes are `\\\"`, `\\\\`, `\\n`, `\\t`, `\\{`, `\\}` and `\\u{41F}`";
                    self.fail(Diagnostic::new(Code::E0113, message, span).help(help));
                }
            }
            rest = &rest[at + length..];
        }
        text.push_str(rest);
        text
    }

    // Block forms.

    fn block_form(&mut self, node: Node<'_>) -> Expr {
        let context = self.context;
        self.context = Context::Body;
        let form = self.block_form_in(node, Context::Body);
        self.context = context;
        form
    }

    /// `if`, `for` or `scan`, whose bodies hold statements of `context`.
    pub(super) fn block_form_in(&mut self, node: Node<'_>, context: Context) -> Expr {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::if_form => self.if_form(node, context),
            Rule::for_form => self.for_form(node, context),
            _ => self.scan_form(node),
        };
        Expr { kind, span }
    }

    fn if_form(&mut self, node: Node<'_>, context: Context) -> ExprKind {
        let mut branches = Vec::new();
        let mut otherwise = None;
        let mut condition = None;
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::expr => condition = Some(self.expr(part)),
                Rule::block => {
                    let block = self.block(&part, context);
                    match condition.take() {
                        Some(condition) => branches.push((condition, block)),
                        None => otherwise = Some(block),
                    }
                }
                _ => {}
            }
        }
        ExprKind::If { branches, otherwise }
    }

    fn for_form(&mut self, node: Node<'_>, context: Context) -> ExprKind {
        let (mut bindings, mut carries, mut body) = (Vec::new(), Vec::new(), Block::default());
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::binding => bindings.extend(self.binding(part)),
                Rule::carry => carries.push(self.declared(part)),
                Rule::block => body = self.block(&part, context),
                _ => {}
            }
        }
        ExprKind::For { bindings, carries, body }
    }

    fn binding(&mut self, node: Node<'_>) -> Option<(Pattern, Expr)> {
        let mut inner = node.into_inner();
        let pattern = self.pattern(inner.next()?);
        let value = inner.find(|part| part.as_rule() == Rule::expr)?;
        Some((pattern, self.expr(value)))
    }

    fn scan_form(&mut self, node: Node<'_>) -> ExprKind {
        let mut input = self.placeholder_quiet(self.span(&node));
        let (mut along, mut carries, mut body) = (None, Vec::new(), Block::default());
        let mut pattern = Pattern::Tuple(Vec::new(), input.span);
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::pattern => pattern = self.pattern(part),
                Rule::expr => input = self.expr(part),
                Rule::axis => along = part.into_inner().next().map(|axis| Box::new(self.stage(axis))),
                Rule::carry => carries.push(self.declared(part)),
                Rule::block => body = self.block(&part, Context::Body),
                _ => {}
            }
        }
        ExprKind::Scan { pattern, input: Box::new(input), along, carries, body }
    }

    fn repeat(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let mut count = self.placeholder_quiet(span);
        let mut stages = Vec::new();
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::expr => count = self.expr(part),
                Rule::block => stages = self.repeated(&part),
                _ => {}
            }
        }
        Expr { kind: ExprKind::Repeat { count: Box::new(count), stages }, span }
    }

    fn repeated(&mut self, node: &Node<'_>) -> Vec<Expr> {
        let span = self.span(node);
        let Some(Hole::Block(block)) = self.cut.hole(node.as_span().start()) else { return Vec::new() };
        let [statement] = block.statements.as_slice() else {
            let span = block.statements.get(1).map_or(span, |second| self.parser.span_of(second));
            let diagnostic = Diagnostic::new(Code::E0119, "`repeat` holds one chain of stages", span).help(
                "write `repeat 4 { dense(64) |> relu }`; for statements use `for ... with h = x { next h = ... }`",
            );
            self.fail(diagnostic);
            return Vec::new();
        };
        let depth = self.depth + 1;
        let stages = self.parser.read(statement, Rule::stage_line, Context::Body, depth, |reader, node| {
            node.into_inner().filter(|part| part.as_rule() == Rule::stage).map(|stage| reader.stage(stage)).collect()
        });
        self.failed |= stages.is_none();
        stages.unwrap_or_default()
    }

    /// The body at this node.
    pub(super) fn block(&mut self, node: &Node<'_>, context: Context) -> Block {
        let Some(Hole::Block(hole)) = self.cut.hole(node.as_span().start()) else { return Block::default() };
        let depth = self.depth + 1;
        let mut stmts: Vec<_> =
            hole.statements.iter().filter_map(|statement| self.parser.statement(statement, context, depth)).collect();
        let last_is_whole = hole.statements.last().zip(stmts.last()).is_some_and(|(laid_out, stmt)| {
            stmt.span.start as usize == laid_out.start && matches!(stmt.kind, StmtKind::Expr(_))
        });
        let value = if last_is_whole { stmts.pop() } else { None }.and_then(|stmt| match stmt.kind {
            StmtKind::Expr(value) => Some(Box::new(value)),
            _ => None,
        });
        Block { stmts, value, span: Span::new(self.parser.file, hole.start, hole.end) }
    }

    // Small things.

    /// Stands for what could not be built; the statement fails.
    fn placeholder(&mut self, span: Span) -> Expr {
        self.failed = true;
        self.placeholder_quiet(span)
    }

    pub(super) fn placeholder_quiet(&self, span: Span) -> Expr {
        Expr { kind: ExprKind::Bool(false), span }
    }
}

fn is_block_form(rule: Rule) -> bool {
    matches!(rule, Rule::if_form | Rule::for_form | Rule::scan_form)
}

fn is_suffix(rule: Rule) -> bool {
    matches!(rule, Rule::call | Rule::index | Rule::field)
}

/// `next a[0]`: a single index after a path that is being written is a step of the path.
fn indexed(base: Expr, mut items: Vec<IndexItem>) -> ExprKind {
    let single = matches!(items.as_slice(), [IndexItem::At(_)]);
    match (base.kind, if single { items.pop() } else { None }) {
        (ExprKind::Next(mut path), Some(IndexItem::At(at))) => {
            path.span = path.span.to(at.span);
            path.rest.push(PathStep::Index(at));
            ExprKind::Next(path)
        }
        (kind, item) => {
            items.extend(item);
            ExprKind::Index { base: Box::new(Expr { kind, span: base.span }), items }
        }
    }
}

/// The character that an escape at the start of `text` stands for, and its length in bytes.
fn escape(text: &str) -> (Option<char>, usize) {
    let mut chars = text.chars().skip(1);
    let c = match chars.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some(c @ ('"' | '\\' | '{' | '}')) => c,
        Some('u') if text[2..].starts_with('{') => {
            let length = text.find('}').map_or(text.len(), |at| at + 1).min(12);
            let length = (0..=length).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(2);
            let digits = text.get(3..length.saturating_sub(1)).unwrap_or("");
            return (u32::from_str_radix(digits, 16).ok().and_then(char::from_u32), length);
        }
        Some(other) => return (None, 1 + other.len_utf8()),
        None => return (None, 1),
    };
    (Some(c), 2)
}
