//! Expressions, types and blocks to text.

use super::Printer;
use crate::syntax::ast::{
    BinaryOp, Block, CallArg, Declared, ElemExpr, Expr, ExprKind, IndexItem, Path, PathStep, Pattern, ShapeItem,
    TextPart, TypeExpr, TypeKind, UnaryOp,
};

/// How tightly an expression binds; what binds looser than its place wants gets brackets.
const PIPE: u8 = 0;
const BLOCK: u8 = 1;
const OR: u8 = 2;
const NOT: u8 = 4;
const COMPARE: u8 = 5;
const UNARY: u8 = 10;
const POWER: u8 = 11;
const POSTFIX: u8 = 12;

impl Printer {
    pub(super) fn expr(&mut self, expr: &Expr) {
        self.expr_at(expr, PIPE);
    }

    /// An expression where one that binds at least as tightly as `least` is wanted.
    fn expr_at(&mut self, expr: &Expr, least: u8) {
        if level(expr) >= least {
            return self.expr_kind(&expr.kind);
        }
        self.word("(");
        self.expr_kind(&expr.kind);
        self.word(")");
    }

    pub(super) fn postfix(&mut self, expr: &Expr) {
        self.expr_at(expr, POSTFIX);
    }

    fn expr_kind(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Number { value, int } => self.number(*value, *int),
            ExprKind::Text(parts) => self.text(parts),
            ExprKind::Bool(value) => self.word(if *value { "true" } else { "false" }),
            ExprKind::Name(name) => self.name(name),
            ExprKind::Next(path) => {
                self.word("next ");
                self.path(path);
            }
            ExprKind::List(items) => {
                self.word("[");
                self.list(items, Self::expr);
                self.word("]");
            }
            ExprKind::Tuple(items) => {
                self.word("(");
                self.list(items, Self::expr);
                self.word(if items.len() == 1 { ",)" } else { ")" });
            }
            ExprKind::Unary(op, operand) => self.unary(*op, operand),
            ExprKind::Chain { first, rest } => self.chain(first, rest),
            ExprKind::Pipe { input, stages } => {
                self.expr_at(input, BLOCK);
                self.word(" |> ");
                self.stages(stages);
            }
            ExprKind::Repeat { count, stages } => {
                self.word("repeat ");
                self.expr(count);
                self.word(" { ");
                self.stages(stages);
                self.word(" }");
            }
            ExprKind::Call { callee, args } => {
                self.base(callee);
                self.word("(");
                self.list(args, Self::call_arg);
                self.word(")");
            }
            ExprKind::Index { base, items } => {
                self.base(base);
                self.word("[");
                self.list(items, Self::index_item);
                self.word("]");
            }
            ExprKind::Field { base, name } => {
                self.base(base);
                self.word(".");
                self.any_name(&name.text);
            }
            ExprKind::If { branches, otherwise } => self.if_form(branches, otherwise.as_ref()),
            ExprKind::For { bindings, carries, body } => {
                self.word("for ");
                self.list(bindings, |printer, (pattern, value)| {
                    printer.pattern(pattern);
                    printer.word(" in ");
                    printer.expr(value);
                });
                self.carries(carries);
                self.block(body);
            }
            ExprKind::Scan { pattern, input, along, carries, body } => {
                self.word("scan ");
                self.pattern(pattern);
                self.word(" in ");
                self.expr(input);
                self.maybe(" along ", along.as_deref(), Self::postfix);
                self.carries(carries);
                self.block(body);
            }
        }
    }

    /// What is called, indexed or has a field: a path after `next` would take a field or an index as its own.
    fn base(&mut self, base: &Expr) {
        if matches!(base.kind, ExprKind::Next(_)) {
            self.word("(");
            self.expr_kind(&base.kind);
            self.word(")");
        } else {
            self.postfix(base);
        }
    }

    fn number(&mut self, value: f64, int: Option<i64>) {
        match int {
            Some(int) => self.out.push_str(&int.to_string()),
            // Debug is the shortest text that reads back as the same number, always with a point or an exponent.
            None => self.out.push_str(&format!("{value:?}")),
        }
    }

    fn text(&mut self, parts: &[TextPart]) {
        self.word("\"");
        for part in parts {
            match part {
                TextPart::Text(text) => text.chars().for_each(|c| self.character(c)),
                TextPart::Expr(expr) => {
                    self.word("{");
                    self.expr(expr);
                    self.word("}");
                }
            }
        }
        self.word("\"");
    }

    fn character(&mut self, c: char) {
        match c {
            '"' | '\\' | '{' => self.out.extend(['\\', c]),
            '\n' => self.word("\\n"),
            '\t' => self.word("\\t"),
            c if c.is_control() => self.out.push_str(&format!("\\u{{{:X}}}", c as u32)),
            c => self.out.push(c),
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &Expr) {
        match op {
            UnaryOp::Neg => {
                self.word("-");
                self.expr_at(operand, UNARY);
            }
            UnaryOp::Not => {
                self.word("not ");
                self.expr_at(operand, NOT);
            }
        }
    }

    fn chain(&mut self, first: &Expr, rest: &[(BinaryOp, crate::source::Span, Expr)]) {
        let level = rest.first().map_or(POSTFIX, |(op, _, _)| operator(*op).1);
        self.expr_at(first, level + 1);
        for (op, _, operand) in rest {
            let sign = operator(*op).0;
            match op {
                BinaryOp::Range => self.word(".."),
                _ => self.out.push_str(&format!(" {sign} ")),
            }
            // The exponent may be signed or a power itself.
            self.expr_at(operand, if *op == BinaryOp::Pow { UNARY } else { level + 1 });
        }
    }

    fn stages(&mut self, stages: &[Expr]) {
        for (index, stage) in stages.iter().enumerate() {
            if index > 0 {
                self.word(" |> ");
            }
            let bare = matches!(
                stage.kind,
                ExprKind::Repeat { .. } | ExprKind::If { .. } | ExprKind::For { .. } | ExprKind::Scan { .. }
            );
            if bare { self.expr_kind(&stage.kind) } else { self.postfix(stage) }
        }
    }

    fn call_arg(&mut self, arg: &CallArg) {
        if let Some(name) = &arg.name {
            self.any_name(&name.text);
            self.word(" = ");
        }
        self.expr(&arg.value);
    }

    fn index_item(&mut self, item: &IndexItem) {
        match item {
            IndexItem::At(at) => self.expr(at),
            IndexItem::Slice(from, to, _) => {
                self.maybe("", from.as_ref(), Self::expr);
                self.word(":");
                self.maybe("", to.as_ref(), Self::expr);
            }
            IndexItem::Ellipsis(_) => self.word("..."),
        }
    }

    fn if_form(&mut self, branches: &[(Expr, Block)], otherwise: Option<&Block>) {
        for (index, (condition, body)) in branches.iter().enumerate() {
            self.word(if index > 0 { " else if " } else { "if " });
            self.expr(condition);
            self.block(body);
        }
        self.maybe(" else", otherwise, Self::block);
    }

    fn carries(&mut self, carries: &[Declared]) {
        if !carries.is_empty() {
            self.word(" with ");
            self.list(carries, Self::declared);
        }
    }

    pub(super) fn declared(&mut self, declared: &Declared) {
        self.name(&declared.name.text);
        self.maybe(": ", declared.ty.as_ref(), Self::ty);
        self.maybe(" = ", declared.value.as_ref(), Self::expr);
        self.maybe(" ~ ", declared.filler.as_ref(), Self::expr);
    }

    pub(super) fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Name(name) => self.name(&name.text),
            Pattern::Tuple(parts, _) => {
                self.word("(");
                self.list(parts, Self::pattern);
                self.word(")");
            }
        }
    }

    pub(super) fn path(&mut self, path: &Path) {
        self.name(&path.head.text);
        for step in &path.rest {
            match step {
                PathStep::Field(name) => {
                    self.word(".");
                    self.any_name(&name.text);
                }
                PathStep::Index(index) => {
                    self.word("[");
                    self.expr(index);
                    self.word("]");
                }
            }
        }
    }

    pub(super) fn ty(&mut self, ty: &TypeExpr) {
        match &ty.kind {
            TypeKind::Tensor { elem, shape } => {
                self.elem(elem);
                if !shape.is_empty() {
                    self.word("[");
                    self.list(shape, |printer, item| match item {
                        ShapeItem::Dim(dim) => printer.expr(dim),
                        ShapeItem::Ellipsis(_) => printer.word("..."),
                    });
                    self.word("]");
                }
            }
            TypeKind::Tuple(types) => {
                self.word("(");
                self.list(types, Self::ty);
                self.word(")");
            }
            TypeKind::Word(word) => self.word(word),
            TypeKind::Dim(name) => self.name(&name.text),
        }
    }

    fn elem(&mut self, elem: &ElemExpr) {
        match elem {
            ElemExpr::F32 => self.word("f32"),
            ElemExpr::Int => self.word("int"),
            ElemExpr::Bool => self.word("bool"),
            ElemExpr::Class(count) => {
                self.word("class(");
                self.expr(count);
                self.word(")");
            }
        }
    }
}

fn level(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Pipe { .. } | ExprKind::Repeat { .. } => PIPE,
        ExprKind::If { .. } | ExprKind::For { .. } | ExprKind::Scan { .. } => BLOCK,
        ExprKind::Unary(UnaryOp::Not, _) => NOT,
        ExprKind::Unary(UnaryOp::Neg, _) => UNARY,
        ExprKind::Chain { rest, .. } => rest.first().map_or(POSTFIX, |(op, _, _)| operator(*op).1),
        ExprKind::Number { .. }
        | ExprKind::Text(_)
        | ExprKind::Bool(_)
        | ExprKind::Name(_)
        | ExprKind::Next(_)
        | ExprKind::List(_)
        | ExprKind::Tuple(_)
        | ExprKind::Call { .. }
        | ExprKind::Index { .. }
        | ExprKind::Field { .. } => POSTFIX,
    }
}

/// The sign of an operator and how tightly it binds.
fn operator(op: BinaryOp) -> (&'static str, u8) {
    match op {
        BinaryOp::Or => ("or", OR),
        BinaryOp::And => ("and", OR + 1),
        BinaryOp::Eq => ("==", COMPARE),
        BinaryOp::Ne => ("!=", COMPARE),
        BinaryOp::Lt => ("<", COMPARE),
        BinaryOp::Le => ("<=", COMPARE),
        BinaryOp::Gt => (">", COMPARE),
        BinaryOp::Ge => (">=", COMPARE),
        BinaryOp::Range => ("..", COMPARE + 1),
        BinaryOp::Add => ("+", COMPARE + 2),
        BinaryOp::Sub => ("-", COMPARE + 2),
        BinaryOp::Mul => ("*", COMPARE + 3),
        BinaryOp::Div => ("/", COMPARE + 3),
        BinaryOp::FloorDiv => ("//", COMPARE + 3),
        BinaryOp::Rem => ("%", COMPARE + 3),
        BinaryOp::Contract => ("@", COMPARE + 4),
        BinaryOp::Pow => ("^", POWER),
    }
}
