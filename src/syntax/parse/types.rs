//! Names, paths, patterns, arguments and types.
//!
//! In: nodes of the grammar. Out: their tree; names are NFC without back-quotes.

use unicode_normalization::UnicodeNormalization;

use super::{Node, Reader, Rule};
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::{
    Arg, BinaryOp, Declared, ElemExpr, Expr, ExprKind, Name, Path, PathStep, Pattern, ShapeItem, TypeExpr, TypeKind,
    UnaryOp,
};

impl Reader<'_, '_> {
    /// `name`, `any_name`
    pub(super) fn name(&self, node: &Node<'_>) -> Name {
        let written = node.as_str().trim_matches('`');
        let text = if written.is_ascii() { written.to_string() } else { written.nfc().collect() };
        Name { text, span: self.span(node) }
    }

    /// The name inside a node that holds one and nothing more than keywords.
    pub(super) fn name_inside(&mut self, node: Node<'_>) -> Name {
        let span = self.span(&node);
        let name = node.into_inner().find(|part| matches!(part.as_rule(), Rule::name | Rule::any_name));
        match name {
            Some(name) => self.name(&name),
            None => {
                self.failed = true;
                Name { text: String::new(), span }
            }
        }
    }

    pub(super) fn path(&mut self, node: Node<'_>) -> Path {
        let span = self.span(&node);
        let mut head = Name { text: String::new(), span };
        let mut rest = Vec::new();
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::name => head = self.name(&part),
                Rule::field => rest.push(PathStep::Field(self.name_inside(part))),
                _ => {
                    let index = part.into_inner().next().map(|index| self.expr(index));
                    rest.extend(index.map(PathStep::Index));
                }
            }
        }
        Path { head, rest, span }
    }

    pub(super) fn pattern(&mut self, node: Node<'_>) -> Pattern {
        let span = self.span(&node);
        let one_name = node.as_str().starts_with(|c| c != '(');
        let mut parts: Vec<Pattern> = node
            .into_inner()
            .filter(|part| part.as_rule() != Rule::end)
            .map(|part| match part.as_rule() {
                Rule::name => Pattern::Name(self.name(&part)),
                _ => self.pattern(part),
            })
            .collect();
        if one_name && parts.len() == 1 { parts.remove(0) } else { Pattern::Tuple(parts, span) }
    }

    pub(super) fn args(&mut self, node: Node<'_>) -> Vec<Arg> {
        node.into_inner().filter(|part| part.as_rule() == Rule::arg).map(|arg| self.arg(arg)).collect()
    }

    fn arg(&mut self, node: Node<'_>) -> Arg {
        let mut arg = Arg { name: Name { text: String::new(), span: self.span(&node) }, ty: None, default: None };
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::name => arg.name = self.name(&part),
                Rule::ty => arg.ty = Some(self.ty(part)),
                Rule::expr => arg.default = Some(self.expr(part)),
                _ => {}
            }
        }
        arg
    }

    /// `declared`, `carry`
    pub(super) fn declared(&mut self, node: Node<'_>) -> Declared {
        let name = Name { text: String::new(), span: self.span(&node) };
        let mut declared = Declared { name, ty: None, value: None, filler: None };
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::name => declared.name = self.name(&part),
                Rule::ty => declared.ty = Some(self.ty(part)),
                Rule::filler => declared.filler = part.into_inner().next().map(|filler| self.expr(filler)),
                _ => {
                    let value = part.into_inner().find(|part| part.as_rule() == Rule::expr);
                    declared.value = value.map(|value| self.expr(value));
                }
            }
        }
        declared
    }

    pub(super) fn ty(&mut self, node: Node<'_>) -> TypeExpr {
        let span = self.span(&node);
        let mut kind = TypeKind::Word(String::new());
        for part in node.into_inner() {
            kind = match part.as_rule() {
                Rule::shape => match kind {
                    TypeKind::Tensor { elem, .. } => TypeKind::Tensor { elem, shape: self.shape(part) },
                    other => other,
                },
                _ => self.type_kind(part),
            };
        }
        TypeExpr { kind, span }
    }

    fn type_kind(&mut self, node: Node<'_>) -> TypeKind {
        let elem = match node.as_rule() {
            Rule::f32_ty => ElemExpr::F32,
            Rule::int_ty => ElemExpr::Int,
            Rule::bool_ty => ElemExpr::Bool,
            Rule::class_ty => {
                let span = self.span(&node);
                let count = node.into_inner().find(|part| part.as_rule() == Rule::expr);
                let count = match count {
                    Some(count) => self.dim(count),
                    None => self.placeholder_quiet(span),
                };
                ElemExpr::Class(Box::new(count))
            }
            Rule::tuple_ty => {
                return TypeKind::Tuple(
                    node.into_inner().filter(|part| part.as_rule() == Rule::ty).map(|ty| self.ty(ty)).collect(),
                );
            }
            Rule::word_ty => return TypeKind::Word(node.as_str().to_string()),
            _ => return TypeKind::Dim(self.name(&node)),
        };
        TypeKind::Tensor { elem, shape: Vec::new() }
    }

    fn shape(&mut self, node: Node<'_>) -> Vec<ShapeItem> {
        let mut items = Vec::new();
        let mut spread = false;
        for item in node.into_inner() {
            if item.as_rule() != Rule::ellipsis {
                items.push(ShapeItem::Dim(self.dim(item)));
                continue;
            }
            let span = self.span(&item);
            if std::mem::replace(&mut spread, true) {
                self.fail(
                    Diagnostic::new(Code::E0120, "a shape has at most one `...`", span)
                        .help("with two nobody could tell which axes are which"),
                );
            }
            items.push(ShapeItem::Ellipsis(span));
        }
        items
    }

    fn dim(&mut self, node: Node<'_>) -> Expr {
        let dim = self.expr(node);
        if let Some(wrong) = not_a_dim(&dim) {
            let diagnostic = Diagnostic::new(Code::E0120, "this cannot stand in a shape", wrong.span)
                .help("a size is made of names, numbers, `+ - * / // %` and brackets");
            self.fail(diagnostic);
        }
        dim
    }
}

/// The part of `dim` that no size can have.
fn not_a_dim(dim: &Expr) -> Option<&Expr> {
    match &dim.kind {
        ExprKind::Name(_) | ExprKind::Number { int: Some(_), .. } => None,
        ExprKind::Unary(UnaryOp::Neg, operand) => not_a_dim(operand),
        ExprKind::Chain { first, rest } => {
            let counts = |op: &BinaryOp| {
                matches!(
                    op,
                    BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::FloorDiv | BinaryOp::Rem
                )
            };
            if !rest.iter().all(|(op, _, _)| counts(op)) {
                return Some(dim);
            }
            not_a_dim(first).or_else(|| rest.iter().find_map(|(_, _, operand)| not_a_dim(operand)))
        }
        _ => Some(dim),
    }
}
