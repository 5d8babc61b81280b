//! Reductions: which axes go, and what is done with them.

use super::Checker;
use super::dims::Dim;
use super::emit::without;
use super::intrinsics::Args;
use super::value::{Elem, LinkId, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Binary, Comparison, Op, Unary};
use crate::source::Span;

impl Checker<'_> {
    /// `sum(x, along = ..., keep = ...)`
    pub(super) fn reduce_sum(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let Some(axes) = self.axes(&tensor, &args[1], &args[2], place) else { return Value::Unknown };
        let tensor = match tensor.elem {
            Elem::Bool => self.convert(tensor, Elem::F32, place),
            Elem::Class(_) => {
                return self.error(Code::E0305, "classes are not numbers: they have no sum", place);
            }
            _ => tensor,
        };
        if axes.is_empty() {
            return Value::Tensor(tensor);
        }
        Value::Tensor(self.sum(tensor, &axes, span))
    }

    /// `max` and `min`: of two values, or over axes.
    pub(super) fn extremum(&mut self, args: &Args, least: bool, span: Span) -> Value {
        if let (Some((Value::Number(a, link_a), _)), Some((Value::Number(b, link_b), _))) = (&args[0], &args[1])
            && let Some(known) = self.known_extremum((a, *link_a), (b, *link_b), least)
        {
            return known;
        }
        if let (Some(left), Some(right)) = (args[0].clone(), args[1].clone()) {
            let Some((a, b)) = self.pair(&left, &right) else { return Value::Unknown };
            let elem = if a.elem == Elem::Int && b.elem == Elem::Int { Elem::Int } else { Elem::F32 };
            let (a, b) = (self.convert(a, elem.clone(), left.1), self.convert(b, elem, right.1));
            let Some((a, b)) = self.align(a, b, [span, left.1, right.1]) else { return Value::Unknown };
            return Value::Tensor(self.binary(if least { Binary::Min } else { Binary::Max }, a, b, span));
        }
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let Some(axes) = self.axes(&tensor, &args[2], &args[3], place) else { return Value::Unknown };
        let tensor = if tensor.elem == Elem::Bool { self.convert(tensor, Elem::F32, place) } else { tensor };
        if axes.is_empty() {
            return Value::Tensor(tensor);
        }
        let tensor = if least { self.unary(Unary::Neg, tensor, span) } else { tensor };
        let highest = self.max_of(tensor, &axes, span);
        Value::Tensor(if least { self.unary(Unary::Neg, highest, span) } else { highest })
    }

    fn known_extremum(
        &self,
        (a, link_a): (&Number, Option<LinkId>),
        (b, link_b): (&Number, Option<LinkId>),
        least: bool,
    ) -> Option<Value> {
        let number = |number: &Number| match number {
            Number::Int(value) => Some(*value as f64),
            Number::Float(value) => Some(*value),
            Number::Size(dim) => self.program.atoms.resolve(dim).as_number().map(|value| value as f64),
        };
        let (x, y) = (number(a)?, number(b)?);
        let first = if least { x <= y } else { x >= y };
        Some(if first { Value::Number(a.clone(), link_a) } else { Value::Number(b.clone(), link_b) })
    }

    /// `core.spread(r, x, along)`: what was reduced from x over an axis, laid over x again.
    pub(super) fn spread(&mut self, args: &Args, span: Span) -> Value {
        let (Some((reduced, _)), Some((x, place))) = (self.tensor_arg(args, 0), self.tensor_arg(args, 1)) else {
            return Value::Unknown;
        };
        let Some(axes) = self.axes(&x, &args[2], &None, place) else { return Value::Unknown };
        let kept: Vec<usize> = (0..x.shape.len()).filter(|axis| !axes.contains(axis)).collect();
        if kept.len() != reduced.shape.len() {
            let (a, b) = (self.show_type(&reduced), self.show_type(&x));
            return self.error(Code::E0306, format!("{a} is not {b} without the axis"), span);
        }
        let shape = x.shape.clone();
        Value::Tensor(self.broadcast(reduced, &shape, kept, span))
    }

    fn max_of(&mut self, tensor: Tensor, axes: &[usize], span: Span) -> Tensor {
        let shape = without(&tensor.shape, axes);
        self.op(Op::MaxOf { axes: axes.to_vec() }, &[tensor.node], tensor.elem, shape, span)
    }

    /// The least index at which the maximum stands; its type is a class of the axis.
    pub(super) fn argmax(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let axis = match &args[1] {
            None if tensor.shape.len() == 1 => 0,
            None => {
                return self.report(
                    Diagnostic::new(Code::E0204, "`argmax` needs the axis: `along = ...`", span)
                        .here(format!("this is {}", self.show_type(&tensor))),
                );
            }
            Some((value, at)) => match self.axis(value, &tensor, *at) {
                Some(axis) => axis,
                None => return Value::Unknown,
            },
        };
        let shape = tensor.shape.clone();
        let count = shape[axis].clone();
        let kept: Vec<usize> = (0..shape.len()).filter(|&other| other != axis).collect();
        let highest = self.max_of(tensor.clone(), &[axis], place);
        let highest = self.broadcast(highest, &shape, kept, span);
        let found = self.compare(Comparison::Eq, tensor, highest, span);
        let index = self.op(Op::Iota { axis, shape: shape.clone() }, &[], Elem::Int, shape.clone(), span);
        // The least index is the negative of the greatest negative one.
        let index = self.unary(Unary::Neg, index, span);
        let last = self.constant(-f64::from(i32::MAX), &Elem::Int, span);
        let last = self.splat(last, &shape, span);
        let candidates = self.op(Op::Select, &[found.node, index.node, last.node], Elem::Int, shape, span);
        let least = self.max_of(candidates, &[axis], span);
        let least = self.unary(Unary::Neg, least, span);
        // A row of NaN has no maximum: it counts as class 0.
        let zero = self.constant(0.0, &Elem::Int, span);
        let zero = self.splat(zero, &least.shape, span);
        let bound = self.constant(f64::from(i32::MAX), &Elem::Int, span);
        let bound = self.splat(bound, &least.shape, span);
        let valid = self.compare(Comparison::Lt, least.clone(), bound, span);
        let kept_shape = least.shape.clone();
        let result = self.op(Op::Select, &[valid.node, least.node, zero.node], Elem::Class(count), kept_shape, span);
        Value::Tensor(result)
    }

    /// `core.axis(x, along)`: the number of an axis, however it is named.
    pub(super) fn axis_call(&mut self, args: &Args) -> Value {
        let (Some((x, _)), Some((along, place))) = (self.tensor_arg(args, 0), &args[1]) else { return Value::Unknown };
        match self.axis(along, &x, *place) {
            Some(axis) => Value::int(axis as i64),
            None => Value::Unknown,
        }
    }

    /// `argsort(x, along = ...)`: the places of the elements in rising order, NaN last.
    pub(super) fn argsort(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let Some(axis) = self.one_axis("argsort", &tensor, &args[1], span) else { return Value::Unknown };
        let tensor = if tensor.elem == Elem::Bool { self.convert(tensor, Elem::Int, place) } else { tensor };
        let shape = tensor.shape.clone();
        Value::Tensor(self.op(Op::Argsort { axis }, &[tensor.node], Elem::Int, shape, span))
    }

    /// `put(x, value, at = i, along = ...)`: x with the value at one place of an axis.
    pub(super) fn put(&mut self, args: &Args, span: Span) -> Value {
        let Some((x, _)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let (Some((value, value_place)), Some((at, at_place))) = (args[1].clone(), args[2].clone()) else {
            return Value::Unknown;
        };
        let Some(axis) = self.one_axis("put", &x, &args[3], span) else { return Value::Unknown };
        let mut shape = x.shape.clone();
        shape.remove(axis);
        let Some(value) = self.tensor_like(&value, &x.elem, value_place) else { return Value::Unknown };
        let Some(value) = self.fit(value, &shape, value_place, "the value") else { return Value::Unknown };
        let index = match &at {
            Value::Number(..) => match self.whole(&at, "an index", at_place) {
                Some(known) => self.constant(known as f64, &Elem::Int, at_place),
                None => return Value::Unknown,
            },
            computed => match self.tensor(computed, at_place) {
                Some(index) if matches!(index.elem, Elem::Int | Elem::Class(_)) && index.shape.is_empty() => index,
                Some(index) => {
                    let message = format!("an index is one int, this is {}", self.show_type(&index));
                    return self.report(
                        Diagnostic::new(Code::E0305, message, at_place).help("`int(...)` cuts off the fraction"),
                    );
                }
                None => return Value::Unknown,
            },
        };
        let (elem, shape, classes) = (x.elem.clone(), x.shape.clone(), x.classes.clone());
        let result = self.op(Op::Put { axis }, &[x.node, value.node, index.node], elem, shape, span);
        Value::Tensor(Tensor { classes, ..result })
    }

    /// The axis that `along` names; a tensor of one axis needs no name.
    fn one_axis(&mut self, of: &str, x: &Tensor, along: &Option<(Value, Span)>, span: Span) -> Option<usize> {
        match along {
            Some((value, at)) => self.axis(value, x, *at),
            None if x.shape.len() == 1 => Some(0),
            None => {
                let shown = self.show_type(x);
                self.report(
                    Diagnostic::new(Code::E0204, format!("`{of}` needs the axis: `along = ...`"), span)
                        .here(format!("this is {shown}")),
                );
                None
            }
        }
    }

    /// Axes that go: all, those `along`, or all but those to `keep`.
    pub(super) fn axes(
        &mut self,
        tensor: &Tensor,
        along: &Option<(Value, Span)>,
        keep: &Option<(Value, Span)>,
        _place: Span,
    ) -> Option<Vec<usize>> {
        let all = 0..tensor.shape.len();
        match (along, keep) {
            (None, None) => Some(all.collect()),
            (Some((value, span)), None) => self.axis_list(value, tensor, *span),
            (None, Some((value, span))) => {
                let kept = self.axis_list(value, tensor, *span)?;
                Some(all.filter(|axis| !kept.contains(axis)).collect())
            }
            (Some((_, span)), Some(_)) => {
                self.error(Code::E0204, "`along` and `keep` say the same thing: give one of them", *span);
                None
            }
        }
    }

    fn axis_list(&mut self, value: &Value, tensor: &Tensor, span: Span) -> Option<Vec<usize>> {
        let mut axes = match value {
            Value::List(items) | Value::Tuple(items) => {
                items.iter().map(|item| self.axis(item, tensor, span)).collect::<Option<Vec<usize>>>()?
            }
            other => vec![self.axis(other, tensor, span)?],
        };
        axes.sort_unstable();
        if axes.windows(2).any(|pair| pair[0] == pair[1]) {
            self.error(Code::E0306, "an axis is named twice", span);
            return None;
        }
        Some(axes)
    }

    /// An axis by the name of its dim or by its number; negative numbers count from the end.
    pub(super) fn axis(&mut self, value: &Value, tensor: &Tensor, span: Span) -> Option<usize> {
        let rank = tensor.shape.len() as i64;
        if let Value::Number(Number::Size(dim), _) = value {
            let places: Vec<usize> = (0..tensor.shape.len()).filter(|&axis| tensor.shape[axis] == *dim).collect();
            match places.as_slice() {
                [axis] => return Some(*axis),
                [] => return self.no_axis(dim, tensor, span),
                _ => {
                    let (dim, shape) = (self.program.atoms.show(dim), self.show_type(tensor));
                    let message = format!("{shape} has several axes {dim}");
                    self.report(Diagnostic::new(Code::E0306, message, span).help("give the number of the axis"));
                    return None;
                }
            }
        }
        let number = self.whole(value, "an axis", span)?;
        let axis = if number < 0 { number + rank } else { number };
        if (0..rank).contains(&axis) {
            return Some(axis as usize);
        }
        // A const used as a dim: the axis of that size, if there is one.
        let named = matches!(value, Value::Number(_, Some(link)) if self.links.is_name(*link));
        let sized: Vec<usize> =
            (0..tensor.shape.len()).filter(|&axis| tensor.shape[axis].as_number() == Some(number)).collect();
        if let ([axis], true) = (sized.as_slice(), named) {
            return Some(*axis);
        }
        let shape = self.show_type(tensor);
        self.error(Code::E0306, format!("{shape} has no axis {number}"), span);
        None
    }

    /// The name may be another dim of the same size, seen from outside.
    fn no_axis(&mut self, dim: &Dim, tensor: &Tensor, span: Span) -> Option<usize> {
        let resolved = self.program.atoms.resolve(dim);
        let places: Vec<usize> = (0..tensor.shape.len())
            .filter(|&axis| self.program.atoms.resolve(&tensor.shape[axis]) == resolved)
            .collect();
        if let [axis] = places.as_slice() {
            return Some(*axis);
        }
        let (shown, shape) = (self.program.atoms.show(dim), self.show_type(tensor));
        self.error(Code::E0306, format!("{shape} has no axis {shown}"), span);
        None
    }
}
