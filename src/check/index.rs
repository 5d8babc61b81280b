//! `x[...]`: elements and slices of tensors, items of lists, shapes of fillers.

use super::Checker;
use super::dims::Dim;
use super::scope::AtHand;
use super::value::{Elem, Number, Tensor, Value};
use crate::diag::{Code, Diagnostic};
use crate::ir::Op;
use crate::source::Span;
use crate::syntax::ast::{Expr, IndexItem};

/// One axis of an index: what is taken of it.
enum Taken {
    /// One element; the axis goes.
    One(Dim),
    /// From, how many.
    Part(Dim, Dim),
    /// By a computed index.
    By(Tensor, Span),
}

impl Checker<'_> {
    pub(super) fn index_expr(&mut self, base: &Expr, items: &[IndexItem], span: Span) -> Value {
        let value = self.eval(base);
        match &value {
            Value::Unknown => Value::Unknown,
            Value::Partial(..) => self.filled(&value, items, span),
            Value::Def(id) if self.is_filler(*id) => self.filled(&value, items, span),
            Value::List(_) | Value::Tuple(_) | Value::Params(_) | Value::Range(..) => match items {
                [IndexItem::At(expr)] => {
                    let at = self.eval(expr);
                    match (&at, &value) {
                        (Value::Tensor(_) | Value::Slot(_), _) => match self.tensor(&value, base.span) {
                            Some(tensor) => self.index_tensor(tensor, items, span),
                            None => Value::Unknown,
                        },
                        _ => self.index_known(&value, &at, expr.span),
                    }
                }
                [IndexItem::Slice(from, to, _)] => self.slice_known(&value, from.as_ref(), to.as_ref(), span),
                _ => match self.tensor(&value, base.span) {
                    Some(tensor) => self.index_tensor(tensor, items, span),
                    None => Value::Unknown,
                },
            },
            Value::Tensor(_) | Value::Slot(_) => match self.tensor(&value, base.span) {
                Some(tensor) => self.index_tensor(tensor, items, span),
                None => Value::Unknown,
            },
            other => {
                let message = format!("{} cannot be indexed", other.describe());
                self.error(Code::E0206, message, base.span)
            }
        }
    }

    /// `normal[B, 64]`
    fn filled(&mut self, filler: &Value, items: &[IndexItem], span: Span) -> Value {
        let mut shape = Vec::new();
        for item in items {
            match item {
                IndexItem::At(expr) => match self.known_shape_dim(expr) {
                    Some(dim) => shape.push(dim),
                    None => return Value::Unknown,
                },
                IndexItem::Ellipsis(place) => match self.frame().ellipsis.clone() {
                    Some(dims) => shape.extend(dims),
                    None if self.open => return Value::Unknown,
                    None => return self.error(Code::E0401, "`...` is not known here", *place),
                },
                IndexItem::Slice(_, _, place) => {
                    return self.error(Code::E0401, "a shape is made of sizes", *place);
                }
            }
        }
        if !self.check_sizes(&shape, span) {
            return Value::Unknown;
        }
        self.fill(filler, &shape, span)
    }

    /// An item of a known list by a known number.
    pub(super) fn index_known(&mut self, value: &Value, at: &Value, span: Span) -> Value {
        let items = match value {
            Value::List(items) | Value::Tuple(items) => items.to_vec(),
            Value::Params(slots) => slots.iter().map(|&slot| Value::Slot(self.slot_value(slot))).collect(),
            Value::Range(from, to) => {
                let Some(at) = self.whole(at, "an index", span) else { return Value::Unknown };
                let place = if at < 0 { to + at } else { from + at };
                if place < *from || place >= *to {
                    return self.error(Code::E0307, format!("index {at} is outside of {} items", to - from), span);
                }
                return Value::int(place);
            }
            Value::Instance(_) => return self.indexed_child(value, at, span),
            Value::Unknown => return Value::Unknown,
            other => {
                let message = format!("{} cannot be indexed", other.describe());
                return self.error(Code::E0206, message, span);
            }
        };
        let Some(at) = self.whole(at, "an index", span) else { return Value::Unknown };
        let place = if at < 0 { at + items.len() as i64 } else { at };
        match usize::try_from(place).ok().and_then(|place| items.get(place).cloned()) {
            Some(item) => item,
            None => self.error(Code::E0307, format!("index {at} is outside of {} items", items.len()), span),
        }
    }

    fn indexed_child(&mut self, _value: &Value, _at: &Value, span: Span) -> Value {
        self.error(Code::E0206, "a layer cannot be indexed; name its parts with `let`", span)
    }

    fn slice_known(&mut self, value: &Value, from: Option<&Expr>, to: Option<&Expr>, span: Span) -> Value {
        let Some(items) = self.items_of(value, span) else { return Value::Unknown };
        let count = items.len() as i64;
        let mut ends = [0, count];
        for (end, expr) in ends.iter_mut().zip([from, to]) {
            if let Some(expr) = expr {
                let value = self.eval(expr);
                let Some(at) = self.whole(&value, "an index", expr.span) else { return Value::Unknown };
                *end = if at < 0 { at + count } else { at };
            }
        }
        if ends[0] < 0 || ends[1] > count || ends[0] > ends[1] {
            return self.error(Code::E0307, format!("the slice reaches beyond the {count} items"), span);
        }
        Value::List(items[ends[0] as usize..ends[1] as usize].to_vec().into())
    }

    /// `x[1, :, 2:]` of a tensor.
    pub(super) fn index_tensor(&mut self, tensor: Tensor, items: &[IndexItem], span: Span) -> Value {
        let Some(taken) = self.taken(&tensor, items, span) else { return Value::Unknown };
        let mut start = Vec::new();
        let mut size = Vec::new();
        let mut kept = Vec::new();
        let mut by = None;
        for taken in taken {
            match taken {
                Taken::One(at) => {
                    start.push(at);
                    size.push(Dim::number(1));
                }
                Taken::Part(from, count) => {
                    start.push(from);
                    kept.push(count.clone());
                    size.push(count);
                }
                Taken::By(index, place) => {
                    if by.is_some() {
                        return self.error(Code::E0307, "one index may be computed, the others are known", place);
                    }
                    by = Some((kept.len(), index));
                    let axis = size.len();
                    start.push(Dim::number(0));
                    kept.push(tensor.shape[axis].clone());
                    size.push(tensor.shape[axis].clone());
                }
            }
        }
        let classes = tensor.classes.clone();
        let whole = size == tensor.shape;
        let sliced = if whole {
            tensor
        } else {
            let step = vec![1; size.len()];
            let op = Op::Slice { start, size: size.clone(), step };
            self.op(op, &[tensor.node], tensor.elem, size, span)
        };
        let shaped = if kept == sliced.shape { sliced } else { self.reshape(sliced, kept, span) };
        let shaped = Tensor { classes, ..shaped };
        Value::Tensor(match by {
            Some((axis, index)) => self.gather(shaped, index, axis, span),
            None => shaped,
        })
    }

    /// `axis` of the tensor replaced by the index's shape.
    pub(super) fn gather(&mut self, tensor: Tensor, index: Tensor, axis: usize, span: Span) -> Tensor {
        let mut shape = tensor.shape[..axis].to_vec();
        shape.extend(index.shape.iter().cloned());
        shape.extend(tensor.shape[axis + 1..].iter().cloned());
        self.op(Op::Gather { axis }, &[tensor.node, index.node], tensor.elem, shape, span)
    }

    fn taken(&mut self, tensor: &Tensor, items: &[IndexItem], span: Span) -> Option<Vec<Taken>> {
        let rank = tensor.shape.len();
        let spread = items.iter().any(|item| matches!(item, IndexItem::Ellipsis(_)));
        let named = items.len() - usize::from(spread);
        if named > rank {
            let have = self.show_type(tensor);
            self.error(Code::E0307, format!("{named} indices for {have}, which has {rank} axes"), span);
            return None;
        }
        let all = |dim: &Dim| Taken::Part(Dim::number(0), dim.clone());
        let mut taken = Vec::new();
        for item in items {
            let axis = taken.len();
            match item {
                IndexItem::Ellipsis(_) => {
                    for dim in &tensor.shape[axis..axis + rank - named] {
                        taken.push(all(dim));
                    }
                }
                IndexItem::At(expr) => {
                    let value = self.eval(expr);
                    taken.push(self.taken_at(&value, &tensor.shape[axis].clone(), expr.span)?);
                }
                IndexItem::Slice(from, to, place) => {
                    let dim = tensor.shape[axis].clone();
                    taken.push(self.taken_slice(from.as_ref(), to.as_ref(), &dim, *place)?);
                }
            }
        }
        taken.extend(tensor.shape[taken.len()..].iter().map(all));
        Some(taken)
    }

    fn taken_at(&mut self, value: &Value, dim: &Dim, span: Span) -> Option<Taken> {
        match value {
            Value::Unknown => None,
            Value::Number(..) => self.end(value, dim, span, true).map(Taken::One),
            Value::Range(from, to) => {
                let from = self.end(&Value::int(*from), dim, span, false)?;
                let to = self.end(&Value::int(*to), dim, span, false)?;
                let count = to.sub(&from).ok()?;
                Some(Taken::Part(from, count))
            }
            Value::List(items) if !items.is_empty() && items.iter().all(is_whole) => {
                self.listed(items, dim, span).map(|index| Taken::By(index, span))
            }
            other => {
                let index = self.tensor(other, span)?;
                if !matches!(index.elem, Elem::Int | Elem::Class(_)) {
                    let message = format!("an index is an int or a class, this is {}", self.show_type(&index));
                    self.report(Diagnostic::new(Code::E0305, message, span).help("`int(...)` cuts off the fraction"));
                    return None;
                }
                Some(Taken::By(index, span))
            }
        }
    }

    fn taken_slice(&mut self, from: Option<&Expr>, to: Option<&Expr>, dim: &Dim, span: Span) -> Option<Taken> {
        let start = match from {
            Some(expr) => {
                let value = self.eval(expr);
                self.end(&value, dim, expr.span, false)?
            }
            None => Dim::number(0),
        };
        let stop = match to {
            Some(expr) => {
                let value = self.eval(expr);
                self.end(&value, dim, expr.span, false)?
            }
            None => dim.clone(),
        };
        let count = stop.sub(&start).ok()?;
        if let Some(count) = self.program.atoms.resolve(&count).as_number()
            && count < 1
        {
            self.error(Code::E0307, "this slice is empty", span);
            return None;
        }
        Some(Taken::Part(start, count))
    }

    /// Known whole numbers that index an axis together; negative ones count from the end.
    fn listed(&mut self, items: &[Value], dim: &Dim, span: Span) -> Option<Tensor> {
        let mut places = Vec::with_capacity(items.len());
        for item in items {
            let end = self.end(item, dim, span, true)?;
            places.push(self.whole(&Value::size(end), "an index", span)? as f64);
        }
        let shape = vec![Dim::number(places.len() as i64)];
        Some(self.table(&places, Elem::Int, shape, span))
    }

    /// An end of a slice or an index as a dim from 0; negative ones count from the end.
    fn end(&mut self, value: &Value, dim: &Dim, span: Span, inside: bool) -> Option<Dim> {
        let at = match value {
            Value::Number(Number::Size(at), _) => at.clone(),
            other => {
                let at = self.whole(other, "an index", span)?;
                if at < 0 { dim.add(&Dim::number(at)).ok()? } else { Dim::number(at) }
            }
        };
        let (place, size) = (self.number_at_hand(&at), self.number_at_hand(dim));
        if let (Some(place), Some(size)) = (place, size)
            && (place < 0 || place > size || inside && place == size)
        {
            let open = self.program.atoms.resolve(dim).as_number().is_none();
            let shown = if open { size.to_string() } else { self.program.atoms.show_full(dim) };
            let message = format!("index {} is outside of an axis of {shown}", self.sources.text(span));
            let mut diagnostic = Diagnostic::new(Code::E0307, message, span);
            if let Some(help) = self.batch_help(size).filter(|_| open) {
                diagnostic = diagnostic.help(help);
            }
            self.report(diagnostic);
            return None;
        }
        Some(at)
    }

    /// Where the rows of an axis come from, in a train or in chunks of a part.
    fn batch_help(&mut self, rows: i64) -> Option<String> {
        let chunks = self.phase.by().is_some();
        let (batch, part) = match self.phase.at_hand.clone().filter(|_| self.phase.train || chunks)? {
            AtHand::Batch(batch, part) => (batch, part),
            AtHand::Part(part) => return Some(format!("the part `{}` has {rows} rows", part.name)),
        };
        let rest = part.map(|part| self.part_rows(&part)).filter(|all| rows < batch as i64 && *all > batch);
        Some(match rest {
            Some(all) if chunks => format!("the last of the chunks of {batch} has {rows} of the {all} rows"),
            None if chunks => format!("a chunk has {rows} rows"),
            Some(all) => format!("the last of the batches of {batch} has {rows} of the {all} rows"),
            None => format!("a step of this train sees {rows} rows"),
        })
    }

    /// A dim in numbers; `on part` and a train's batches know how many rows are at hand at least.
    fn number_at_hand(&mut self, dim: &Dim) -> Option<i64> {
        if let Some(number) = self.program.atoms.resolve(dim).as_number() {
            return Some(number);
        }
        let (at_hand, axis) = (self.phase.at_hand.clone()?, self.phase.rows.clone()?);
        let part = match &at_hand {
            AtHand::Part(part) => Some(part),
            AtHand::Batch(_, part) => part.as_ref(),
        };
        let known = part.filter(|part| !self.blind.contains(&part.data)).map(|part| self.part_rows(part));
        let rows = match at_hand {
            AtHand::Part(_) => known?,
            AtHand::Batch(batch, None) => batch,
            AtHand::Batch(batch, Some(_)) => match known? {
                all if all <= batch => all,
                all if all % batch == 0 => batch,
                all => all % batch,
            },
        };
        let number = |open| (Dim::atom(open) == axis).then_some(rows as i64);
        self.program.atoms.resolve_with(dim, &number).as_number()
    }
}

/// Whether a value is a whole number that is known.
fn is_whole(value: &Value) -> bool {
    matches!(value, Value::Number(Number::Int(_), _))
}
