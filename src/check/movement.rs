//! Shapes as values, and the primitives that move elements about.

use super::Checker;
use super::dims::Dim;
use super::intrinsics::Args;
use super::scope::FrameKind;
use super::value::{Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Comparison, Op};
use crate::source::Span;

impl Checker<'_> {
    /// A shape given as a list of sizes.
    pub(super) fn shape_arg(&mut self, args: &Args, at: usize) -> Option<Vec<Dim>> {
        let (value, span) = args.get(at)?.clone()?;
        let items = match value {
            Value::List(items) | Value::Tuple(items) => items,
            Value::Number(..) => vec![value].into(),
            other => {
                let message = format!("a shape is a list of sizes, this is {}", other.describe());
                self.error(Code::E0401, message, span);
                return None;
            }
        };
        let mut shape = Vec::new();
        for item in items.iter() {
            match item {
                Value::Number(Number::Size(dim), _) => shape.push(dim.clone()),
                other => shape.push(Dim::number(self.whole(other, "a size", span)?)),
            }
        }
        self.check_sizes(&shape, span).then_some(shape)
    }

    pub(super) fn shape_of(&mut self, args: &Args, _span: Span) -> Value {
        match self.tensor_arg(args, 0) {
            Some((tensor, _)) => Value::List(tensor.shape.into_iter().map(Value::size).collect::<Vec<_>>().into()),
            None => Value::Unknown,
        }
    }

    pub(super) fn size_of(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, _)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let size = tensor.shape.iter().try_fold(Dim::number(1), |product, dim| product.mul(dim));
        match size {
            Ok(dim) => Value::size(dim),
            Err(error) => self.dim_error(&error, span),
        }
    }

    pub(super) fn rank_of(&mut self, args: &Args, _span: Span) -> Value {
        match self.tensor_arg(args, 0) {
            Some((tensor, _)) => Value::int(tensor.shape.len() as i64),
            None => Value::Unknown,
        }
    }

    /// `core.is_class(x)`: whether its elements are classes, known.
    pub(super) fn is_class_call(&mut self, args: &Args) -> Value {
        match self.tensor_arg(args, 0) {
            Some((tensor, _)) => Value::Bool(matches!(tensor.elem, Elem::Class(_))),
            None => Value::Unknown,
        }
    }

    pub(super) fn len_of(&mut self, args: &Args, span: Span) -> Value {
        match args[0].clone() {
            Some((Value::List(items) | Value::Tuple(items), _)) => Value::int(items.len() as i64),
            Some((Value::Params(slots), _)) => Value::int(slots.len() as i64),
            Some((Value::Range(from, to), _)) => Value::int(to - from),
            Some((Value::Text(text), _)) => Value::int(text.chars().count() as i64),
            _ => match self.tensor_arg(args, 0) {
                Some((tensor, _)) if !tensor.shape.is_empty() => Value::size(tensor.shape[0].clone()),
                Some(_) => self.error(Code::E0306, "a scalar has no length", span),
                None => Value::Unknown,
            },
        }
    }

    /// `reshape(x, [B, -1])`: -1 is what is left.
    pub(super) fn reshape_call(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let Some((Value::List(items) | Value::Tuple(items), list)) = args[1].clone() else {
            return self.error(Code::E0401, "the new shape is a list of sizes", span);
        };
        let mut shape = Vec::new();
        let mut open = None;
        for item in items.iter() {
            match item {
                Value::Unknown => return Value::Unknown,
                Value::Number(Number::Size(dim), _) => shape.push(dim.clone()),
                other => {
                    let Some(size) = self.whole(other, "a size", list) else { return Value::Unknown };
                    if size == -1 && open.replace(shape.len()).is_some() {
                        return self.error(Code::E0312, "only one size can be -1", list);
                    }
                    shape.push(Dim::number(if size == -1 { 1 } else { size }));
                }
            }
        }
        let product = |dims: &[Dim]| dims.iter().try_fold(Dim::number(1), |product, dim| product.mul(dim));
        let (Ok(have), Ok(want)) = (product(&tensor.shape), product(&shape)) else {
            return self.error(Code::E0308, "this size does not fit 64 bits", span);
        };
        if let Some(at) = open {
            match self.program.atoms.exact(&have, &want, span) {
                Ok(rest) => shape[at] = rest,
                Err(error) => return self.dim_error(&error, span),
            }
        } else if self.program.atoms.resolve(&have) != self.program.atoms.resolve(&want)
            && self.program.atoms.same(&have, &want) == Some(false)
        {
            let (from, to) = (self.show_type(&tensor), self.program.atoms.show_shape(&shape));
            let (have, want) = (self.program.atoms.show(&have), self.program.atoms.show(&want));
            return self.report(
                Diagnostic::new(Code::E0312, format!("{from} has {have} elements, {to} has {want}"), span)
                    .also(place, format!("this is {from}"))
                    .help("-1 stands for what is left: `reshape(x, [B, -1])`"),
            );
        }
        if !self.check_sizes(&shape, list) {
            return Value::Unknown;
        }
        Value::Tensor(self.reshape(tensor, shape, span))
    }

    /// `transpose(x)` swaps the last two axes; `order` lists all.
    pub(super) fn transpose(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let rank = tensor.shape.len();
        let order: Vec<usize> = match &args[1] {
            None if rank < 2 => {
                let shown = self.show_type(&tensor);
                return self.error(Code::E0306, format!("{shown} has no two axes to swap"), place);
            }
            None => (0..rank - 2).chain([rank - 1, rank - 2]).collect(),
            Some((Value::List(items), at)) => {
                let axes: Option<Vec<usize>> = items.iter().map(|item| self.axis(item, &tensor, *at)).collect();
                let Some(axes) = axes else { return Value::Unknown };
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                if sorted != (0..rank).collect::<Vec<_>>() {
                    return self.error(Code::E0306, "the order names each axis once", *at);
                }
                axes
            }
            Some((_, at)) => return self.error(Code::E0306, "the order is a list of axes", *at),
        };
        let shape = order.iter().map(|&axis| tensor.shape[axis].clone()).collect();
        Value::Tensor(self.op(Op::Transpose { perm: order }, &[tensor.node], tensor.elem, shape, span))
    }

    /// Parts of a list argument as tensors of one element type.
    fn parts(&mut self, args: &Args, span: Span) -> Option<Vec<Tensor>> {
        let (value, place) = args[0].clone()?;
        let items = match value {
            Value::List(items) | Value::Tuple(items) => items,
            other => {
                self.error(Code::E0304, format!("a list of tensors is wanted, this is {}", other.describe()), place);
                return None;
            }
        };
        let tensors: Option<Vec<Tensor>> = items.iter().map(|item| self.tensor(item, place)).collect();
        let tensors = tensors?;
        if tensors.is_empty() {
            self.error(Code::E0304, "the list is empty", place);
            return None;
        }
        let float = tensors.iter().any(|part| part.elem == Elem::F32);
        Some(tensors.into_iter().map(|part| if float { self.convert(part, Elem::F32, span) } else { part }).collect())
    }

    pub(super) fn concat(&mut self, args: &Args, span: Span) -> Value {
        let (Some(parts), Some((along, at))) = (self.parts(args, span), args[1].clone()) else {
            return Value::Unknown;
        };
        let first = parts[0].clone();
        let Some(axis) = self.axis(&along, &first, at) else { return Value::Unknown };
        let mut total = Dim::default();
        for part in &parts {
            let fits = part.shape.len() == first.shape.len()
                && (0..first.shape.len()).all(|other| {
                    other == axis || self.program.atoms.same(&part.shape[other], &first.shape[other]) != Some(false)
                });
            if !fits {
                let (a, b) = (self.show_type(&first), self.show_type(part));
                let message = format!("shapes differ outside of axis {axis}: {a} and {b}");
                return self.error(Code::E0301, message, span);
            }
            match total.add(&part.shape[axis]) {
                Ok(sum) => total = sum,
                Err(error) => return self.dim_error(&error, span),
            }
        }
        let mut shape = first.shape.clone();
        shape[axis] = total;
        let nodes: Vec<_> = parts.iter().map(|part| part.node).collect();
        Value::Tensor(self.op(Op::Concat { axis }, &nodes, first.elem, shape, span))
    }

    pub(super) fn stack_call(&mut self, args: &Args, span: Span) -> Value {
        let Some(parts) = self.parts(args, span) else { return Value::Unknown };
        self.stack(parts, span).map_or(Value::Unknown, Value::Tensor)
    }

    /// `split(x, 4)`: equal parts along the last axis.
    pub(super) fn split(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let Some((count, at)) = args[1].clone() else { return Value::Unknown };
        let Some(count) = self.whole(&count, "the number of parts", at) else { return Value::Unknown };
        let axis = match &args[2] {
            Some((along, at)) => self.axis(along, &tensor, *at),
            None => tensor.shape.len().checked_sub(1),
        };
        let Some(axis) = axis else {
            return self.error(Code::E0306, "a scalar cannot be split", place);
        };
        if count < 1 {
            return self.error(Code::E0401, format!("there are no {count} parts"), at);
        }
        let each = match self.program.atoms.exact(&tensor.shape[axis], &Dim::number(count), span) {
            Ok(each) => each,
            Err(error) => return self.dim_error(&error, span),
        };
        let parts: Vec<Value> = (0..count)
            .map(|part| {
                let from = each.mul(&Dim::number(part)).unwrap_or_default();
                Value::Tensor(self.slice(&tensor, axis, from, each.clone(), 1, span))
            })
            .collect();
        Value::Tuple(parts.into())
    }

    /// A range of one axis.
    fn slice(&mut self, tensor: &Tensor, axis: usize, from: Dim, count: Dim, step: i64, span: Span) -> Tensor {
        let mut start = vec![Dim::number(0); tensor.shape.len()];
        let mut size = tensor.shape.clone();
        let mut steps = vec![1; tensor.shape.len()];
        start[axis] = from;
        size[axis] = count;
        steps[axis] = step;
        let op = Op::Slice { start, size: size.clone(), step: steps };
        self.op(op, &[tensor.node], tensor.elem.clone(), size, span)
    }

    pub(super) fn reverse(&mut self, args: &Args, span: Span) -> Value {
        match args[0].clone() {
            Some((Value::List(items), _)) if args[1].is_none() => {
                return Value::List(items.iter().rev().cloned().collect::<Vec<_>>().into());
            }
            Some((Value::Range(from, to), _)) if to - from <= super::limits::RANGE_LIMIT => {
                return Value::List((from..to).rev().map(Value::int).collect::<Vec<_>>().into());
            }
            _ => {}
        }
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let axis = match &args[1] {
            Some((along, at)) => self.axis(along, &tensor, *at),
            None if tensor.shape.len() == 1 => Some(0),
            None => {
                self.error(Code::E0204, "`reverse` of a tensor needs the axis: `along = ...`", place);
                None
            }
        };
        let Some(axis) = axis else { return Value::Unknown };
        let size = tensor.shape[axis].clone();
        let Ok(last) = size.sub(&Dim::number(1)) else { return Value::Unknown };
        Value::Tensor(self.slice(&tensor, axis, last, size, -1, span))
    }

    /// Drops axes of size 1: the named one, or the last.
    pub(super) fn squeeze(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let axis = match &args[1] {
            Some((along, at)) => self.axis(along, &tensor, *at),
            None => tensor.shape.len().checked_sub(1),
        };
        let Some(axis) = axis else { return self.error(Code::E0306, "a scalar has no axis to drop", place) };
        let size = self.program.atoms.resolve(&tensor.shape[axis]);
        if size.as_number().is_some_and(|size| size != 1) || size.as_number().is_none() && !self.open {
            let shown = self.show_type(&tensor);
            let message = format!("`squeeze` drops an axis of size 1; axis {axis} of {shown} has another size");
            return self.error(Code::E0306, message, place);
        }
        let mut shape = tensor.shape.clone();
        shape.remove(axis);
        Value::Tensor(self.reshape(tensor, shape, span))
    }

    pub(super) fn where_call(&mut self, args: &Args, span: Span) -> Value {
        let (Some((condition, at)), Some(a), Some(b)) = (args[0].clone(), args[1].clone(), args[2].clone()) else {
            return Value::Unknown;
        };
        if let Value::Bool(known) = condition {
            return if known { a.0 } else { b.0 };
        }
        let Some(truth) = self.truth(&condition, at) else { return Value::Unknown };
        self.choose(truth, a, b, span)
    }

    /// `one_hot(label)`: 1 at the class, 0 elsewhere, along a new last axis.
    pub(super) fn one_hot(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let count = match (&args[1], &tensor.elem) {
            (Some((Value::Number(Number::Size(dim), _), _)), _) => dim.clone(),
            (Some((value, at)), _) => match self.whole(value, "the number of classes", *at) {
                Some(count) => Dim::number(count),
                None => return Value::Unknown,
            },
            (None, Elem::Class(count)) => count.clone(),
            (None, _) => {
                let shown = self.show_type(&tensor);
                return self.report(
                    Diagnostic::new(
                        Code::E0305,
                        format!("`one_hot` takes its length from classes, this is {shown}"),
                        place,
                    )
                    .help("give it: `one_hot(x, 10)`"),
                );
            }
        };
        if matches!(tensor.elem, Elem::F32 | Elem::Bool) {
            let shown = self.show_type(&tensor);
            return self.error(
                Code::E0305,
                format!("`one_hot` needs classes or whole numbers, this is {shown}"),
                place,
            );
        }
        if !self.are_classes(&args[0], &count) {
            return Value::Unknown;
        }
        let axes: Vec<usize> = (0..tensor.shape.len()).collect();
        let mut shape = tensor.shape.clone();
        shape.push(count);
        let spread = self.broadcast(Tensor { elem: Elem::Int, ..tensor }, &shape, axes, span);
        let index = Op::Iota { axis: shape.len() - 1, shape: shape.clone() };
        let index = self.op(index, &[], Elem::Int, shape, span);
        let hot = self.compare(Comparison::Eq, spread, index, span);
        Value::Tensor(self.convert(hot, Elem::F32, span))
    }

    /// `f32(x)`, `int(x)`, `bool(x)`.
    pub(super) fn cast(&mut self, args: &Args, elem: Elem, span: Span) -> Value {
        if let (Some((Value::Number(number, _), _)), Elem::Int) = (&args[0], &elem) {
            match number {
                Number::Float(value) => return Value::int(value.trunc() as i64),
                Number::Int(value) => return Value::int(*value),
                Number::Size(dim) => return Value::size(dim.clone()),
            }
        }
        let Some((tensor, _)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        Value::Tensor(self.convert(Tensor { classes: None, ..tensor }, elem, span))
    }

    /// `class(x, K)`: whole numbers as classes.
    pub(super) fn class_of(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, place)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let count = match &args[1] {
            Some((Value::Number(Number::Size(dim), _), _)) => dim.clone(),
            Some((value, at)) => match self.whole(value, "the number of classes", *at) {
                Some(count) => Dim::number(count),
                None => return Value::Unknown,
            },
            None if matches!(tensor.elem, Elem::Class(_)) => return Value::Tensor(tensor),
            None if self.frame().kind == FrameKind::Data => return self.numbered(&tensor, place),
            None => return self.error(Code::E0204, "`class` of a tensor needs the number of classes", place),
        };
        if !self.are_classes(&args[0], &count) {
            return Value::Unknown;
        }
        let tensor = self.convert(tensor, Elem::Int, span);
        Value::Tensor(Tensor { elem: Elem::Class(count), ..tensor })
    }

    /// Whether numbers that are known are whole and in `0..count`; an error if they are not.
    fn are_classes(&mut self, numbers: &Option<(Value, Span)>, count: &Dim) -> bool {
        let (Some((value, place)), Some(count)) = (numbers, self.program.atoms.resolve(count).as_number()) else {
            return true;
        };
        let mut found = Vec::new();
        if matches!(value, Value::Number(..) | Value::List(_) | Value::Range(..)) {
            self.known_table(std::slice::from_ref(value), &mut found, &mut true);
        }
        let Some(wrong) =
            found.into_iter().find(|number| *number < 0.0 || *number >= count as f64 || number.fract() != 0.0)
        else {
            return true;
        };
        let message = format!("{wrong} is none of the {count} classes, which are 0 to {}", count - 1);
        self.error(Code::E0307, message, *place);
        false
    }

    /// `missing(x)`: where a number is NaN, or a class has none of its numbers.
    pub(super) fn missing(&mut self, args: &Args, span: Span) -> Value {
        let Some((tensor, _)) = self.tensor_arg(args, 0) else { return Value::Unknown };
        let found = match tensor.elem {
            Elem::F32 => {
                let there = self.compare(Comparison::Eq, tensor.clone(), tensor, span);
                self.negate(there, span)
            }
            Elem::Class(_) => {
                let zero = self.constant(0.0, &Elem::Int, span);
                let zero = self.splat(zero, &tensor.shape.clone(), span);
                self.compare(Comparison::Lt, Tensor { elem: Elem::Int, ..tensor }, zero, span)
            }
            Elem::Int | Elem::Bool => {
                let never = self.constant(0.0, &Elem::Bool, span);
                self.splat(never, &tensor.shape, span)
            }
        };
        Value::Tensor(found)
    }

    pub(super) fn zip(&mut self, args: &Args, span: Span) -> Value {
        let mut lists = Vec::new();
        for (value, place) in args.iter().flatten() {
            match self.items_of(value, *place) {
                Some(items) => lists.push(items),
                None => return Value::Unknown,
            }
        }
        let count = lists[0].len();
        if lists.iter().any(|list| list.len() != count) {
            return self.error(Code::E0304, "`zip` needs lists of one length", span);
        }
        let rows: Vec<Value> = (0..count)
            .map(|at| Value::Tuple(lists.iter().map(|list| list[at].clone()).collect::<Vec<_>>().into()))
            .collect();
        Value::List(rows.into())
    }
}
