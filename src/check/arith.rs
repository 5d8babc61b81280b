//! Operators: on known numbers at once, on tensors as nodes.

use super::Checker;
use super::dims::{Dim, DimError};
use super::value::{Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Binary, Comparison, Op, Unary};
use crate::source::Span;
use crate::syntax::ast::BinaryOp;

/// An operand with its place.
type Side = (Value, Span);

impl Checker<'_> {
    /// `left op right`; `span` covers both.
    pub(super) fn operate(&mut self, op: BinaryOp, left: Side, right: Side, span: Span) -> Value {
        if matches!(left.0, Value::Unknown) || matches!(right.0, Value::Unknown) {
            return Value::Unknown;
        }
        if let Some(value) = self.operate_known(op, &left.0, &right.0, span) {
            return value;
        }
        match op {
            BinaryOp::Add => self.arithmetic(Binary::Add, left, right, span),
            BinaryOp::Sub => self.arithmetic(Binary::Sub, left, right, span),
            BinaryOp::Mul => self.arithmetic(Binary::Mul, left, right, span),
            BinaryOp::Div => self.arithmetic(Binary::Div, left, right, span),
            BinaryOp::FloorDiv => {
                let quotient = self.arithmetic(Binary::Div, left, right, span);
                match quotient {
                    Value::Tensor(tensor) if tensor.elem == Elem::F32 => {
                        Value::Tensor(self.unary(Unary::Floor, tensor, span))
                    }
                    other => other,
                }
            }
            BinaryOp::Rem => self.arithmetic(Binary::Rem, left, right, span),
            BinaryOp::Pow => self.power(left, right, span),
            BinaryOp::Contract => self.contract(left, right, span),
            BinaryOp::Range => self.range(left, right, span),
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                self.comparison(op, left, right, span)
            }
            BinaryOp::And | BinaryOp::Or => self.logical(op, left, right, span),
        }
    }

    /// Both sides known: computed now.
    fn operate_known(&mut self, op: BinaryOp, left: &Value, right: &Value, span: Span) -> Option<Value> {
        match (left, right) {
            (Value::Number(a, link_a), Value::Number(b, link_b)) => {
                let result = self.known_numbers(op, a, b, span)?;
                Some(self.computed(op, (a.clone(), *link_a), (b.clone(), *link_b), result))
            }
            (Value::Bool(a), Value::Bool(b)) => match op {
                BinaryOp::And => Some(Value::Bool(*a && *b)),
                BinaryOp::Or => Some(Value::Bool(*a || *b)),
                BinaryOp::Eq => Some(Value::Bool(a == b)),
                BinaryOp::Ne => Some(Value::Bool(a != b)),
                _ => None,
            },
            (Value::Bool(known), _) | (_, Value::Bool(known)) if matches!(op, BinaryOp::And | BinaryOp::Or) => {
                let other = if matches!(left, Value::Bool(_)) { right } else { left };
                let truth = self.truth(other, span);
                let decides = *known == (op == BinaryOp::Or);
                Some(match truth {
                    None => Value::Unknown,
                    Some(_) if decides => Value::Bool(*known),
                    Some(truth) => Value::Tensor(truth),
                })
            }
            (Value::Text(a), Value::Text(b)) => match op {
                BinaryOp::Eq => Some(Value::Bool(a == b)),
                BinaryOp::Ne => Some(Value::Bool(a != b)),
                BinaryOp::Add => Some(self.bounded_text(format!("{a}{b}"), span)),
                _ => None,
            },
            // A setting may be a word or numbers: `padding == "same"`.
            (Value::Text(_), Value::Number(..) | Value::List(_) | Value::Tuple(_) | Value::Bool(_))
            | (Value::Number(..) | Value::List(_) | Value::Tuple(_) | Value::Bool(_), Value::Text(_))
                if matches!(op, BinaryOp::Eq | BinaryOp::Ne) =>
            {
                Some(Value::Bool(op == BinaryOp::Ne))
            }
            (Value::None, other) | (other, Value::None) if matches!(op, BinaryOp::Eq | BinaryOp::Ne) => {
                Some(Value::Bool(matches!(other, Value::None) == (op == BinaryOp::Eq)))
            }
            // Definitions are equal if they are the same one: `if reduce == mean`. None is a number or a text.
            (
                Value::Def(_) | Value::Intrinsic(_),
                Value::Def(_) | Value::Intrinsic(_) | Value::Number(..) | Value::Text(_) | Value::Bool(_),
            )
            | (Value::Number(..) | Value::Text(_) | Value::Bool(_), Value::Def(_) | Value::Intrinsic(_))
                if matches!(op, BinaryOp::Eq | BinaryOp::Ne) =>
            {
                let same = match (left, right) {
                    (Value::Def(a), Value::Def(b)) => a == b,
                    (Value::Intrinsic(a), Value::Intrinsic(b)) => a == b,
                    _ => false,
                };
                Some(Value::Bool(same == (op == BinaryOp::Eq)))
            }
            _ => None,
        }
    }

    /// `None`: the result depends on the rows at hand and is computed when it runs.
    fn known_numbers(&mut self, op: BinaryOp, a: &Number, b: &Number, span: Span) -> Option<Value> {
        if let (Number::Int(x), Number::Int(y)) = (a, b) {
            let result = match op {
                BinaryOp::Add => x.checked_add(*y),
                BinaryOp::Sub => x.checked_sub(*y),
                BinaryOp::Mul => x.checked_mul(*y),
                _ => None,
            };
            if let Some(result) = result {
                return Some(Value::int(result));
            }
        }
        if let (Some(x), Some(y)) = (as_dim(a), as_dim(b)) {
            let named = matches!(a, Number::Size(_)) || matches!(b, Number::Size(_));
            let both = (self.program.atoms.resolve(&x).as_number(), self.program.atoms.resolve(&y).as_number());
            let atoms = &mut self.program.atoms;
            let result = match op {
                BinaryOp::Add => x.add(&y),
                BinaryOp::Sub => x.sub(&y),
                BinaryOp::Mul => x.mul(&y),
                BinaryOp::FloorDiv => atoms.floor(&x, &y, span),
                BinaryOp::Rem => atoms.rem(&x, &y, span),
                BinaryOp::Div => match atoms.exact(&x, &y, span) {
                    Err(DimError::Inexact(..) | DimError::Zero) => {
                        let (p, q) = both_numbers(both)?;
                        return Some(Value::float(p as f64 / q as f64));
                    }
                    other => other,
                },
                BinaryOp::Pow => match both {
                    (Some(base), Some(exponent)) if (0..64).contains(&exponent) => {
                        base.checked_pow(exponent as u32).map(Dim::number).ok_or(DimError::Overflow)
                    }
                    (Some(base), Some(exponent)) => return Some(Value::float((base as f64).powf(exponent as f64))),
                    _ => return None,
                },
                BinaryOp::Range => return Some(self.known_range(both, span)),
                BinaryOp::Eq | BinaryOp::Ne if x == y => return Some(Value::Bool(op == BinaryOp::Eq)),
                BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                    // A size that is open inside a definition's own check decides nothing; the number of rows at hand
                    // is compared when it runs.
                    let Some((p, q)) = both_numbers(both) else { return self.open.then_some(Value::Unknown) };
                    return Some(Value::Bool(compare_known(op, p.cmp(&q))));
                }
                BinaryOp::Contract | BinaryOp::And | BinaryOp::Or => return None,
            };
            return Some(match result {
                Ok(dim) if named => Value::size(dim),
                Ok(dim) => dim.as_number().map_or(Value::Unknown, Value::int),
                Err(error) => self.dim_error(&error, span),
            });
        }
        let (x, y) = (self.as_float(a)?, self.as_float(b)?);
        Some(match op {
            BinaryOp::Add => Value::float(x + y),
            BinaryOp::Sub => Value::float(x - y),
            BinaryOp::Mul => Value::float(x * y),
            BinaryOp::Div => Value::float(x / y),
            BinaryOp::FloorDiv => Value::float((x / y).floor()),
            BinaryOp::Rem => Value::float(x - (x / y).floor() * y),
            BinaryOp::Pow => Value::float(x.powf(y)),
            BinaryOp::Eq => Value::Bool(x == y),
            BinaryOp::Ne => Value::Bool(x != y),
            BinaryOp::Lt => Value::Bool(x < y),
            BinaryOp::Le => Value::Bool(x <= y),
            BinaryOp::Gt => Value::Bool(x > y),
            BinaryOp::Ge => Value::Bool(x >= y),
            BinaryOp::Range | BinaryOp::Contract | BinaryOp::And | BinaryOp::Or => return None,
        })
    }

    fn as_float(&self, number: &Number) -> Option<f64> {
        match number {
            Number::Int(value) => Some(*value as f64),
            Number::Float(value) => Some(*value),
            Number::Size(dim) => self.program.atoms.resolve(dim).as_number().map(|value| value as f64),
        }
    }

    /// Reports arithmetic on sizes that has no result.
    pub(super) fn dim_error(&mut self, error: &DimError, span: Span) -> Value {
        let message = match error {
            DimError::Overflow => "this whole number does not fit 64 bits".to_string(),
            DimError::Zero => "division by zero".to_string(),
            DimError::Tangled => "this size has too many terms".to_string(),
            DimError::Inexact(a, b) => format!("{a} is not divisible by {b}"),
        };
        self.error(Code::E0308, message, span)
    }

    fn known_range(&mut self, both: (Option<i64>, Option<i64>), span: Span) -> Value {
        match both {
            (Some(from), Some(to)) if from <= to => {
                if to.checked_sub(from).is_none_or(|count| count > i64::from(u32::MAX)) {
                    return self.error(Code::E0308, "a range of more than 2^32 numbers", span);
                }
                Value::Range(from, to)
            }
            (Some(from), Some(to)) => self.report(
                Diagnostic::new(Code::E0401, format!("the range {from}..{to} runs downwards"), span)
                    .help(format!("write `reverse({to}..{from})`")),
            ),
            // A size that is open inside a definition's own check counts nothing; at a use it must be known.
            _ if self.open => Value::Unknown,
            _ => self.report(
                Diagnostic::new(
                    Code::E0401,
                    "this depends on the number of rows, which is not known before it runs",
                    span,
                )
                .help("walk a range of known length, or give the size as a setting"),
            ),
        }
    }

    fn range(&mut self, left: Side, right: Side, span: Span) -> Value {
        let (value, place) = if matches!(left.0, Value::Number(..)) { right } else { left };
        self.report(
            Diagnostic::new(Code::E0401, "the ends of a range are known whole numbers", span)
                .also(place, format!("this is {}", value.describe())),
        )
    }

    /// The two sides as tensors of one element type for arithmetic.
    fn numbers(&mut self, left: &Side, right: &Side, span: Span) -> Option<(Tensor, Tensor)> {
        let (a, b) = self.pair(left, right)?;
        for (tensor, place) in [(&a, left.1), (&b, right.1)] {
            if let Elem::Class(_) = tensor.elem {
                let diagnostic =
                    Diagnostic::new(Code::E0305, "a class is a name, not a number: it has no arithmetic", place)
                        .here("this holds classes")
                        .help("use `one_hot(...)`, or `f32(...)` for the class number");
                self.report(diagnostic);
                return None;
            }
        }
        let elem = if a.elem == Elem::Int && b.elem == Elem::Int { Elem::Int } else { Elem::F32 };
        let (a, b) = (self.convert(a, elem.clone(), left.1), self.convert(b, elem, right.1));
        self.align(a, b, [span, left.1, right.1])
    }

    /// Both sides as tensors; a known number takes the other's element type where it fits.
    pub(super) fn pair(&mut self, left: &Side, right: &Side) -> Option<(Tensor, Tensor)> {
        let known = |value: &Value| matches!(value, Value::Number(..));
        if known(&left.0) && !known(&right.0) {
            let b = self.tensor(&right.0, right.1)?;
            let a = self.number_like(&left.0, &b, left.1)?;
            return Some((a, b));
        }
        let a = self.tensor(&left.0, left.1)?;
        let b =
            if known(&right.0) { self.number_like(&right.0, &a, right.1)? } else { self.tensor(&right.0, right.1)? };
        Some((a, b))
    }

    /// A known number beside a tensor: whole numbers stay integers beside integers and classes.
    fn number_like(&mut self, value: &Value, other: &Tensor, span: Span) -> Option<Tensor> {
        let whole = matches!(value, Value::Number(Number::Int(_) | Number::Size(_), _));
        let elem = match &other.elem {
            Elem::Int if whole => Elem::Int,
            // `label == 3`: the number is meant as a class; arithmetic is refused by the other side.
            Elem::Class(count) if whole => Elem::Class(count.clone()),
            _ => Elem::F32,
        };
        self.number_tensor(value, &elem, span)
    }

    fn arithmetic(&mut self, function: Binary, left: Side, right: Side, span: Span) -> Value {
        let Some((a, b)) = self.numbers(&left, &right, span) else { return Value::Unknown };
        // `/` is real division, whatever it divides.
        let (a, b) = match (function, &a.elem) {
            (Binary::Div, Elem::Int) => (self.convert(a, Elem::F32, left.1), self.convert(b, Elem::F32, right.1)),
            _ => (a, b),
        };
        Value::Tensor(self.binary(function, a, b, span))
    }

    /// `x^n`: whole known exponents become products, 1/2 a square root.
    fn power(&mut self, left: Side, right: Side, span: Span) -> Value {
        let exponent = match &right.0 {
            Value::Number(number, _) => self.as_float(number),
            _ => None,
        };
        if let Some(exponent) = exponent {
            let Some(base) = self.number_of(&left.0, left.1) else { return Value::Unknown };
            let base = self.convert(base, Elem::F32, left.1);
            if exponent == 0.5 {
                return Value::Tensor(self.unary(Unary::Sqrt, base, span));
            }
            if exponent.fract() == 0.0 && exponent.abs() <= 16.0 {
                return Value::Tensor(self.whole_power(base, exponent as i32, span));
            }
        }
        self.arithmetic_f32(Binary::Pow, left, right, span)
    }

    fn arithmetic_f32(&mut self, function: Binary, left: Side, right: Side, span: Span) -> Value {
        let Some((a, b)) = self.numbers(&left, &right, span) else { return Value::Unknown };
        let (a, b) = (self.convert(a, Elem::F32, left.1), self.convert(b, Elem::F32, right.1));
        Value::Tensor(self.binary(function, a, b, span))
    }

    /// By repeated squaring.
    fn whole_power(&mut self, base: Tensor, exponent: i32, span: Span) -> Tensor {
        let mut square = base.clone();
        let mut product: Option<Tensor> = None;
        let mut left = exponent.unsigned_abs();
        while left > 0 {
            if left & 1 == 1 {
                product = Some(match product {
                    None => square.clone(),
                    Some(so_far) => self.binary(Binary::Mul, so_far, square.clone(), span),
                });
            }
            left >>= 1;
            if left > 0 {
                square = self.binary(Binary::Mul, square.clone(), square, span);
            }
        }
        let one = self.constant(1.0, &Elem::F32, span);
        let one = self.splat(one, &base.shape, span);
        match product {
            None => one,
            Some(product) if exponent < 0 => self.binary(Binary::Div, one, product, span),
            Some(product) => product,
        }
    }

    /// `a @ b`: the last axis of `a` with the first of `b`; from rank 3 on with its last but one, leading axes in step.
    fn contract(&mut self, left: Side, right: Side, span: Span) -> Value {
        let (Some(a), Some(b)) = (self.number_of(&left.0, left.1), self.number_of(&right.0, right.1)) else {
            return Value::Unknown;
        };
        let (a, b) = (self.convert(a, Elem::F32, left.1), self.convert(b, Elem::F32, right.1));
        for (tensor, place) in [(&a, left.1), (&b, right.1)] {
            if tensor.shape.is_empty() {
                return self.report(
                    Diagnostic::new(
                        Code::E0302,
                        "`@` contracts axes, and a scalar has none",
                        self.operator.unwrap_or(span),
                    )
                    .also(place, "this is a scalar")
                    .help("use `*`"),
                );
            }
        }
        let over = (a.shape.len() - 1, if b.shape.len() > 2 { b.shape.len() - 2 } else { 0 });
        let batch: Vec<(usize, usize)> =
            if b.shape.len() > 2 { (0..b.shape.len() - 2).map(|axis| (axis, axis)).collect() } else { Vec::new() };
        if !batch.is_empty() && a.shape.len() != b.shape.len() {
            let (x, y) = (self.program.atoms.show_shape(&a.shape), self.program.atoms.show_shape(&b.shape));
            let message = format!("a product of {x} and {y} needs the same leading axes on both sides");
            return self.report(
                Diagnostic::new(Code::E0302, message, self.operator.unwrap_or(span))
                    .also(left.1, format!("this has shape {x}"))
                    .also(right.1, format!("this has shape {y}")),
            );
        }
        for &(x, y) in batch.iter().chain([&over]) {
            if self.program.atoms.same(&a.shape[x], &b.shape[y]) == Some(false) {
                return self.contraction_differs(&a, &b, (x, y), [span, left.1, right.1]);
            }
        }
        let mut shape: Vec<Dim> = batch.iter().map(|&(x, _)| a.shape[x].clone()).collect();
        shape.extend((batch.len()..a.shape.len() - 1).map(|axis| a.shape[axis].clone()));
        shape.extend((batch.len()..b.shape.len()).filter(|&axis| axis != over.1).map(|axis| b.shape[axis].clone()));
        let op = Op::Contract { batch, over: vec![over] };
        Value::Tensor(self.op(op, &[a.node, b.node], Elem::F32, shape, span))
    }

    fn contraction_differs(&mut self, a: &Tensor, b: &Tensor, axes: (usize, usize), spans: [Span; 3]) -> Value {
        let atoms = &self.program.atoms;
        let (x, y) = (&a.shape[axes.0], &b.shape[axes.1]);
        let message = format!("`@` joins axes of different sizes: {} and {}", atoms.show_full(x), atoms.show_full(y));
        let diagnostic = Diagnostic::new(Code::E0302, message, self.operator.unwrap_or(spans[0]))
            .also(spans[1], format!("this has shape {}", atoms.show_shape(&a.shape)))
            .also(spans[2], format!("this has shape {}", atoms.show_shape(&b.shape)))
            .help(self.product_help(a, b));
        let diagnostic = self.origins(diagnostic, &[x, y]);
        self.report(diagnostic)
    }

    /// The likeliest mend of a product whose sizes do not meet.
    fn product_help(&self, a: &Tensor, b: &Tensor) -> String {
        let number = |dims: &[Dim]| {
            dims.iter().try_fold(1i64, |product, dim| {
                self.program.atoms.resolve(dim).as_number().and_then(|size| product.checked_mul(size))
            })
        };
        let inner = number(&b.shape[..1]);
        if a.shape.len() > 2 && inner.is_some() && number(&a.shape[1..]) == inner {
            let factors: Vec<String> = a.shape[1..].iter().map(|dim| self.program.atoms.show(dim)).collect();
            return format!("flatten first: {} = {}", factors.join("×"), inner.unwrap_or_default());
        }
        let swapped =
            |dims: &[Dim], with: &Dim| dims.last().is_some_and(|dim| self.program.atoms.same(dim, with) == Some(true));
        if b.shape.len() == 2 && a.shape.last().is_some_and(|dim| swapped(&b.shape, dim)) {
            return "transpose the second operand: `@ transpose(...)`".to_string();
        }
        if a.shape.len() == 2 && self.program.atoms.same(&a.shape[0], &b.shape[0]) == Some(true) {
            return "transpose the first operand: `transpose(...) @`".to_string();
        }
        "the last axis of the left must be the first of the right".to_string()
    }

    fn comparison(&mut self, op: BinaryOp, left: Side, right: Side, span: Span) -> Value {
        let Some((a, b)) = self.pair(&left, &right) else { return Value::Unknown };
        let (a, b) = match (&a.elem, &b.elem) {
            (Elem::Class(x), Elem::Class(y)) => {
                if self.program.atoms.same(x, y) == Some(false) {
                    return self.classes_differ(&x.clone(), &y.clone(), [span, left.1, right.1]);
                }
                (a, b)
            }
            (Elem::Class(_), Elem::Int) | (Elem::Int, Elem::Class(_)) => (a, b),
            (Elem::Class(_), _) | (_, Elem::Class(_)) => {
                return self.report(
                    Diagnostic::new(Code::E0305, "a class is compared with a class or a whole number", span)
                        .help("`f32(...)` gives the class number, `argmax(..., along = K)` the class of logits"),
                );
            }
            (Elem::Int, Elem::Int) => (a, b),
            _ => (self.convert(a, Elem::F32, left.1), self.convert(b, Elem::F32, right.1)),
        };
        let Some((a, b)) = self.align(a, b, [span, left.1, right.1]) else { return Value::Unknown };
        let (comparison, swap, negated) = match op {
            BinaryOp::Lt => (Comparison::Lt, false, false),
            BinaryOp::Le => (Comparison::Le, false, false),
            BinaryOp::Gt => (Comparison::Lt, true, false),
            BinaryOp::Ge => (Comparison::Le, true, false),
            BinaryOp::Ne => (Comparison::Eq, false, true),
            _ => (Comparison::Eq, false, false),
        };
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let result = self.compare(comparison, a, b, span);
        Value::Tensor(if negated { self.negate(result, span) } else { result })
    }

    /// Two numbers of classes. Where the same two were said to differ in this statement, nothing is said.
    fn classes_differ(&mut self, x: &Dim, y: &Dim, spans: [Span; 3]) -> Value {
        if !self.new_conflict(x, y) {
            return Value::Unknown;
        }
        let (x, y) = (self.program.atoms.show_full(x), self.program.atoms.show_full(y));
        let message = format!("classes of different kinds: one of {x} against one of {y}");
        self.report(
            Diagnostic::new(Code::E0305, message, self.operator.unwrap_or(spans[0]))
                .also(spans[1], format!("this is a class of {x}"))
                .also(spans[2], format!("this is a class of {y}"))
                .help("a model's last layer has as many outputs as there are classes"),
        )
    }

    /// Whether it is the first time that these two sizes are found to differ in the statement at hand.
    pub(super) fn new_conflict(&mut self, a: &Dim, b: &Dim) -> bool {
        let text = |dim: &Dim| self.program.atoms.show(&self.program.atoms.resolve(dim));
        let (a, b) = (text(a), text(b));
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        self.conflicts.insert((self.statement, a, b))
    }

    fn logical(&mut self, op: BinaryOp, left: Side, right: Side, span: Span) -> Value {
        let (Some(a), Some(b)) = (self.truth(&left.0, left.1), self.truth(&right.0, right.1)) else {
            return Value::Unknown;
        };
        let Some((a, b)) = self.align(a, b, [span, left.1, right.1]) else { return Value::Unknown };
        let op = if op == BinaryOp::And { Op::And } else { Op::Or };
        let shape = a.shape.clone();
        Value::Tensor(self.op(op, &[a.node, b.node], Elem::Bool, shape, span))
    }

    /// A bool tensor, or an error.
    pub(super) fn truth(&mut self, value: &Value, span: Span) -> Option<Tensor> {
        if let Value::Bool(known) = value {
            return Some(self.constant(f64::from(u8::from(*known)), &Elem::Bool, span));
        }
        let tensor = self.tensor(value, span)?;
        if tensor.elem != Elem::Bool {
            let diagnostic = Diagnostic::new(Code::E0305, "a truth value is wanted here", span)
                .here(format!("this is {}", self.show_type(&tensor)))
                .help("compare it: `x > 0`");
            self.report(diagnostic);
            return None;
        }
        Some(tensor)
    }

    /// `-x` and `not x`.
    pub(super) fn prefix(&mut self, op: crate::syntax::ast::UnaryOp, value: Value, span: Span) -> Value {
        use crate::syntax::ast::UnaryOp;
        match (op, &value) {
            (_, Value::Unknown) => Value::Unknown,
            (UnaryOp::Neg, Value::Number(Number::Int(number), link)) => match number.checked_neg() {
                Some(negative) => self.computed_unary(Unary::Neg, (Number::Int(*number), *link), Value::int(negative)),
                None => self.dim_error(&DimError::Overflow, span),
            },
            (UnaryOp::Neg, Value::Number(Number::Float(number), link)) => {
                self.computed_unary(Unary::Neg, (Number::Float(*number), *link), Value::float(-number))
            }
            (UnaryOp::Neg, Value::Number(Number::Size(dim), _)) => match dim.mul(&Dim::number(-1)) {
                Ok(dim) => Value::size(dim),
                Err(error) => self.dim_error(&error, span),
            },
            (UnaryOp::Not, Value::Bool(known)) => Value::Bool(!known),
            (UnaryOp::Neg, _) => match self.number_of(&value, span) {
                Some(tensor) => {
                    let tensor = if tensor.elem == Elem::Bool { self.convert(tensor, Elem::F32, span) } else { tensor };
                    Value::Tensor(self.unary(Unary::Neg, tensor, span))
                }
                None => Value::Unknown,
            },
            (UnaryOp::Not, _) => match self.truth(&value, span) {
                Some(tensor) => Value::Tensor(self.negate(tensor, span)),
                None => Value::Unknown,
            },
        }
    }

    /// A tensor that has arithmetic (no class), or an error.
    pub(super) fn number_of(&mut self, value: &Value, span: Span) -> Option<Tensor> {
        let tensor = self.tensor(value, span)?;
        if let Elem::Class(_) = tensor.elem {
            let diagnostic =
                Diagnostic::new(Code::E0305, "a class is a name, not a number: it has no arithmetic", span)
                    .here("this holds classes")
                    .help("use `one_hot(...)`, or `f32(...)` for the class number");
            self.report(diagnostic);
            return None;
        }
        Some(tensor)
    }
}

fn as_dim(number: &Number) -> Option<Dim> {
    match number {
        Number::Int(value) => Some(Dim::number(*value)),
        Number::Size(dim) => Some(dim.clone()),
        Number::Float(_) => None,
    }
}

fn both_numbers(both: (Option<i64>, Option<i64>)) -> Option<(i64, i64)> {
    both.0.zip(both.1)
}

fn compare_known(op: BinaryOp, ordering: std::cmp::Ordering) -> bool {
    match op {
        BinaryOp::Eq => ordering.is_eq(),
        BinaryOp::Ne => ordering.is_ne(),
        BinaryOp::Lt => ordering.is_lt(),
        BinaryOp::Le => ordering.is_le(),
        BinaryOp::Gt => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}
