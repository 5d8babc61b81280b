//! Columns: what a data block makes of those of its source.
//!
//! In: the statements of a block. Out: named columns, each a value over the rows
//! at hand, computed where it is used from what is read and from fits. A block's
//! expressions are ordinary ones in which `[a, b]` stands side by side, and in
//! which a stage goes through a list of columns of different kinds one by one.
//! Invariant: each row of a column depends on that row and on fits alone.

use super::Checker;
use super::data::ColumnValue;
use super::dims::Dim;
use super::rows::is_row_wise;
use super::scope::FrameKind;
use super::typed::{Column, DataId, Holds, Kind, Need, Part};
use super::value::{Elem, Tensor, Value};
use crate::diag::{Code, Diagnostic, nearest};
use crate::ir::{Op, Type};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, DataStmt, DataStmtKind, Expr, ExprKind};

/// The number of a row in its source.
const ROW: &str = "row";

impl Checker<'_> {
    /// The statements of a block; its `input` lines become one column.
    pub(super) fn data_block(&mut self, data: DataId, body: &[DataStmt]) {
        let mut inputs: Vec<(Value, Span)> = Vec::new();
        let mut complete = true;
        for stmt in body {
            match &stmt.kind {
                DataStmtKind::Input(expr) => match self.made_column(expr) {
                    Some(tensor) if matches!(tensor.elem, Elem::Class(_)) => {
                        self.classes_among_numbers(Some(&tensor), expr.span);
                        complete = false;
                    }
                    Some(tensor) => inputs.push((Value::Tensor(tensor), expr.span)),
                    None => complete = false,
                },
                DataStmtKind::Target(expr) => {
                    let name = target_name(expr).unwrap_or("target").to_string();
                    self.define_column(data, &name, expr);
                }
                DataStmtKind::Column { name, value } => self.define_column(data, &name.text, value),
                DataStmtKind::KeepRows(expr) => {
                    if let Some(rows) = self.row_choice(expr) {
                        let both = match self.program.data[data.index()].kept {
                            Some(kept) => self.push(
                                Kind::Op(Op::And),
                                vec![kept, rows.node],
                                self.program.node(rows.node).ty.clone(),
                                expr.span,
                            ),
                            None => rows.node,
                        };
                        self.program.data[data.index()].kept = Some(both);
                    }
                }
                DataStmtKind::Split(parts) => self.split_stmt(data, parts, stmt.span),
            }
        }
        let Some((_, first)) = inputs.first() else {
            if !complete {
                self.sets[data.index()].place("input", ColumnValue::Unknown);
            }
            return;
        };
        let first = *first;
        let joined = match inputs.as_slice() {
            // One line that is a table of numbers already is what it is.
            [(Value::Tensor(one), _)] if one.shape.len() == 2 && one.elem == Elem::F32 => Value::Tensor(one.clone()),
            _ => self.beside(inputs, first),
        };
        let value = match self.column_of(joined, first) {
            Some(tensor) if complete => ColumnValue::Made(tensor),
            _ => ColumnValue::Unknown,
        };
        self.sets[data.index()].place("input", value);
    }

    fn define_column(&mut self, data: DataId, name: &str, expr: &Expr) {
        let value = self.made_column(expr).map_or(ColumnValue::Unknown, ColumnValue::Made);
        self.sets[data.index()].place(name, value);
    }

    /// A column by its expression.
    fn made_column(&mut self, expr: &Expr) -> Option<Tensor> {
        let value = self.eval(expr);
        self.column_of(value, expr.span)
    }

    /// A value as a column: a tensor whose first axis is the rows, each computed from itself.
    fn column_of(&mut self, value: Value, span: Span) -> Option<Tensor> {
        let value = match value {
            Value::List(items) => {
                let parts = items.iter().map(|item| (item.clone(), span)).collect();
                self.beside(parts, span)
            }
            other => other,
        };
        let value = match value {
            Value::List(items) => {
                let class = items.iter().find_map(|item| match item {
                    Value::Tensor(tensor) if matches!(tensor.elem, Elem::Class(_)) => Some(tensor.clone()),
                    _ => None,
                });
                self.classes_among_numbers(class.as_ref(), span);
                return None;
            }
            other => other,
        };
        let tensor = self.tensor(&value, span)?;
        if !self.has_rows(&tensor) {
            let message = format!("a column has a value for each row, this is {}", self.show_type(&tensor));
            self.report(
                Diagnostic::new(Code::E0606, message, span).help("its first axis is the rows of the columns: `N`"),
            );
            return None;
        }
        self.row_by_row(&tensor, span).then_some(tensor)
    }

    fn classes_among_numbers(&mut self, class: Option<&Tensor>, span: Span) {
        let message = match class.and_then(|class| self.program.node(class.node).name.clone()) {
            Some(name) => format!("`{name}` holds classes, not numbers"),
            None => "this holds classes, where numbers are wanted".to_string(),
        };
        self.report(Diagnostic::new(Code::E0603, message, span).help("make numbers of classes with `|> one_hot`"));
    }

    fn row_by_row(&mut self, tensor: &Tensor, span: Span) -> bool {
        let Some(rows) = self.rows_of_block() else { return false };
        let fine = is_row_wise(&self.program, tensor.node, rows);
        if !fine {
            self.report(Diagnostic::new(Code::E0606, "a row of this column depends on other rows", span).help(
                "what is learnt from all rows of the training part is a `fit` of a transform, as in `standardize`",
            ));
        }
        fine
    }

    fn rows_of_block(&self) -> Option<super::dims::AtomId> {
        self.block.map(|data| self.program.data[data.index()].at_hand)
    }

    /// Whether the first axis is the rows of the block at hand.
    fn has_rows(&self, tensor: &Tensor) -> bool {
        let first = tensor.shape.first().and_then(|dim| self.program.atoms.resolve(dim).as_atom());
        first.is_some() && first == self.rows_of_block()
    }

    /// A truth value for each row, as of `keep_rows` and `split`.
    fn row_choice(&mut self, expr: &Expr) -> Option<Tensor> {
        let value = self.eval(expr);
        let truth = self.truth(&value, expr.span)?;
        self.choice_of_rows(truth, expr.span)
    }

    /// The same of a value that is there already.
    pub(super) fn choice_of_rows(&mut self, truth: Tensor, span: Span) -> Option<Tensor> {
        if !self.has_rows(&truth) || truth.shape.len() != 1 || truth.elem != Elem::Bool {
            let message =
                format!("a condition on rows is true or false for each row, this is {}", self.show_type(&truth));
            self.error(Code::E0606, message, span);
            return None;
        }
        if !self.slots_read(truth.node).is_empty() {
            self.report(
                Diagnostic::new(Code::E0606, "which rows there are cannot depend on what is learnt", span)
                    .help("a condition is made of the columns of the source"),
            );
            return None;
        }
        self.row_by_row(&truth, span).then_some(truth)
    }

    /// A column of the block at hand by name, also `row`.
    pub(super) fn block_column(&mut self, name: &str, span: Span) -> Option<Value> {
        let data = self.block?;
        if let Some(at) = self.sets[data.index()].find(name) {
            return Some(self.set_value(data, at, span));
        }
        (name == ROW).then(|| {
            let read = self.reading(
                data,
                Column {
                    name: ROW.to_string(),
                    shape: Vec::new(),
                    holds: Holds::RowNumbers,
                    from: Vec::new(),
                    need: Need::Nothing,
                },
            );
            Value::Tensor(self.read_column(data, read, span))
        })
    }

    /// Whether the block being elaborated has such a column.
    pub(super) fn is_block_column(&self, name: &str) -> bool {
        self.block.is_some_and(|data| name == ROW || self.sets[data.index()].find(name).is_some())
    }

    /// A name that a block does not know: most likely a column.
    pub(super) fn unknown_column(&mut self, name: &str, span: Span) -> Option<Value> {
        let data = self.block?;
        if self.callee == Some(span) && self.near_name(name).is_some() {
            return None;
        }
        let names: Vec<String> = self.sets[data.index()].columns.iter().map(|column| column.name.clone()).collect();
        let mut diagnostic = Diagnostic::new(Code::E0603, format!("the data has no column `{name}`"), span);
        diagnostic = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(span, near),
            None => match self.near_name(name) {
                Some(near) => diagnostic.help(format!("did you mean `{near}` of the library?")),
                None => diagnostic.help(format!("it has {}", some_of(&names))),
            },
        };
        Some(self.report(diagnostic))
    }

    /// What a set's column stands for.
    fn set_value(&mut self, data: DataId, at: usize, span: Span) -> Value {
        match self.sets[data.index()].columns[at].value.clone() {
            ColumnValue::Read(read) => Value::Tensor(self.read_column(data, read, span)),
            ColumnValue::Made(tensor) => Value::Tensor(tensor),
            ColumnValue::Unknown => Value::Unknown,
        }
    }

    /// A column of the rows at hand, which now are wanted.
    pub(super) fn column_value(&mut self, data: DataId, at: usize, span: Span) -> Value {
        if self.phase.rows.is_none() {
            return Value::Unknown;
        }
        self.phase.columns.insert(at);
        let value = self.set_value(data, at, span);
        if let Value::Tensor(tensor) = &value {
            let name = self.sets[data.index()].columns[at].name.clone();
            self.name_node(tensor.node, &name);
        }
        value
    }

    /// A column of all rows of a set, to be shown: its texts, or its values kept here.
    pub(super) fn shown_column(&mut self, data: DataId, at: usize, span: Span) -> Value {
        let described = &self.program.data[data.index()];
        if let ColumnValue::Read(read) = self.sets[data.index()].columns[at].value {
            let column = described.columns[read].clone();
            let schema = &self.sets[data.index()].schema;
            if column.from.len() == 1 && schema.columns.iter().any(|known| known.text && known.name == column.from[0]) {
                let read = self.reading(data, Column { holds: Holds::Texts, ..column });
                return Value::Texts(data, read);
            }
        }
        let part = Part { data, name: "all".to_string(), by: None };
        let rows = self.part_rows(&part);
        let atom = self.program.data[data.index()].at_hand;
        let Value::Tensor(tensor) = self.set_value(data, at, span) else { return Value::Unknown };
        match self.keep_on(tensor, (part, atom), rows, span) {
            Some(kept) => Value::Tensor(kept),
            None => Value::Unknown,
        }
    }

    /// A column of the rows at hand by its name; only trains and `on` statements see them.
    pub(super) fn column_at_hand(&self, name: &str, frame: usize) -> Option<(DataId, usize)> {
        if !matches!(self.frames[frame].kind, FrameKind::File | FrameKind::Train) {
            return None;
        }
        let data = self.phase.data?;
        Some((data, self.sets[data.index()].find(name)?))
    }

    /// The number of something that is read; the same as before if it is read already.
    fn reading(&mut self, data: DataId, column: Column) -> usize {
        let columns = &mut self.program.data[data.index()].columns;
        let same =
            |known: &Column| known.from == column.from && known.holds == column.holds && known.shape == column.shape;
        if let Some(known) = columns.iter().position(same) {
            return known;
        }
        let mut name = column.name.clone();
        while columns.iter().any(|known| known.name == name) {
            name.push('\'');
        }
        columns.push(Column { name, ..column });
        columns.len() - 1
    }

    /// What is read, as a value: one node for all its uses.
    fn read_column(&mut self, data: DataId, read: usize, span: Span) -> Tensor {
        let described = &self.program.data[data.index()];
        let column = described.columns[read].clone();
        let mut shape = vec![Dim::atom(described.at_hand)];
        shape.extend(column.shape.iter().map(|&size| Dim::number(size as i64)));
        let elem = match &column.holds {
            Holds::Classes(names) => Elem::Class(Dim::number(names.len() as i64)),
            Holds::RowNumbers => Elem::Int,
            Holds::Numbers | Holds::Texts => Elem::F32,
        };
        let node = match self.sets[data.index()].nodes.get(&read) {
            Some(node) => *node,
            None => {
                let data = self.sets[data.index()].nodes_of;
                let ty = Type::new(elem.dtype(), shape.clone());
                let node = self.push(Kind::Column { data, column: read }, Vec::new(), ty, span);
                self.name_node(node, &column.name);
                self.sets[data.index()].nodes.insert(read, node);
                node
            }
        };
        Tensor { node, elem, shape, classes: column.classes().cloned() }
    }

    /// `x |> class` of a column of whole numbers: their distinct values are the classes.
    pub(super) fn numbered(&mut self, tensor: &Tensor, span: Span) -> Value {
        let Some(data) = self.block else { return Value::Unknown };
        let Kind::Column { column: read, .. } = self.program.node(tensor.node).kind else {
            return self.report(
                Diagnostic::new(Code::E0603, "how many classes there are is not known of computed numbers", span)
                    .help("give it: `class(x, 3)`"),
            );
        };
        let column = self.program.data[data.index()].columns[read].clone();
        let schema = self.sets[data.index()].schema.clone();
        let source = match column.from.as_slice() {
            [one] => schema.columns.iter().find(|known| known.name == *one),
            _ => None,
        };
        let Some(names) = source.and_then(|source| source.as_classes.clone()).filter(|names| !names.is_empty()) else {
            let message = format!("`{}` has numbers that are not whole: they are no classes", column.name);
            return self.error(Code::E0603, message, span);
        };
        let name = format!("{} as classes", column.name);
        let read = self.reading(data, Column { name, holds: Holds::Classes(names.into()), ..column });
        Value::Tensor(self.read_column(data, read, span))
    }

    /// `[a, b, c..f]` of a data block: columns side by side.
    pub(super) fn side_by_side(&mut self, items: &[Expr], span: Span) -> Value {
        let mut parts: Vec<(Value, Span)> = Vec::with_capacity(items.len());
        for item in items {
            match self.column_range(item) {
                Some(columns) => parts.extend(columns.into_iter().map(|column| (column, item.span))),
                None => {
                    let value = self.eval(item);
                    parts.push((value, item.span));
                }
            }
        }
        let is_column = |(value, _): &(Value, Span)| match value {
            Value::Tensor(tensor) => self.has_rows(tensor),
            Value::List(items) => self.are_columns(items),
            _ => false,
        };
        if parts.iter().any(is_column) {
            return self.beside(parts, span);
        }
        let values = parts.into_iter().map(|(value, _)| value).collect();
        self.bounded(values, Value::List, span)
    }

    /// `first..last`: the columns from one to another in the order of the source, both included.
    fn column_range(&mut self, item: &Expr) -> Option<Vec<Value>> {
        let data = self.block?;
        let ExprKind::Chain { first, rest } = &item.kind else { return None };
        let (ExprKind::Name(from), [(BinaryOp::Range, _, last)]) = (&first.kind, rest.as_slice()) else { return None };
        let ExprKind::Name(to) = &last.kind else { return None };
        let schema = self.sets[data.index()].schema.clone();
        let find = |name: &str| schema.columns.iter().position(|column| column.name == *name);
        if find(from).is_none() && find(to).is_none() {
            return None;
        }
        let (Some(from), Some(to)) = (find(from), find(to)) else {
            let (name, place) = if find(from).is_none() { (from, first.span) } else { (to, last.span) };
            self.unknown_column(name, place);
            return Some(vec![Value::Unknown]);
        };
        if from > to {
            let message =
                format!("`{}` stands behind `{}` in the source", schema.columns[from].name, schema.columns[to].name);
            self.report(
                Diagnostic::new(Code::E0603, message, item.span).help("a range of columns goes from left to right"),
            );
            return Some(vec![Value::Unknown]);
        }
        // What is read stands in the order of the source.
        Some((from..=to).map(|read| Value::Tensor(self.read_column(data, read, item.span))).collect())
    }

    /// Columns side by side: one tensor of numbers, or a list where there are classes among them.
    pub(super) fn beside(&mut self, parts: Vec<(Value, Span)>, span: Span) -> Value {
        let mut flat: Vec<(Value, Span)> = Vec::new();
        for (value, place) in parts {
            match value {
                Value::Unknown => return Value::Unknown,
                Value::List(items) => flat.extend(items.iter().map(|item| (item.clone(), place))),
                other => flat.push((other, place)),
            }
        }
        let mut tensors = Vec::with_capacity(flat.len());
        for (value, place) in flat {
            let Some(tensor) = self.tensor(&value, place) else { return Value::Unknown };
            tensors.push((tensor, place));
        }
        if tensors.iter().any(|(tensor, _)| matches!(tensor.elem, Elem::Class(_))) {
            return match tensors.len() {
                1 => Value::Tensor(tensors.remove(0).0),
                _ => {
                    Value::List(tensors.into_iter().map(|(tensor, _)| Value::Tensor(tensor)).collect::<Vec<_>>().into())
                }
            };
        }
        match self.read_beside(&tensors, span) {
            Some(read) => Value::Tensor(read),
            None => self.concat_columns(tensors, span),
        }
    }

    /// Numbers that are all read as they stand are read side by side.
    fn read_beside(&mut self, tensors: &[(Tensor, Span)], span: Span) -> Option<Tensor> {
        let data = self.block?;
        let mut reads = Vec::with_capacity(tensors.len());
        for (tensor, _) in tensors {
            match self.program.node(tensor.node).kind {
                Kind::Column { column, .. } => reads.push(self.program.data[data.index()].columns[column].clone()),
                _ => return None,
            }
        }
        if reads.iter().any(|read| read.holds != Holds::Numbers) {
            return None;
        }
        let width: usize = reads.iter().map(|read| read.shape.iter().product::<usize>()).sum();
        let name = match reads.as_slice() {
            [one] => format!("[{}]", one.name),
            [first, .., last] => format!("[{}, {} in all, {}]", first.name, reads.len(), last.name),
            [] => return None,
        };
        let from = reads.into_iter().flat_map(|read| read.from).collect();
        let column = Column { name, shape: vec![width], holds: Holds::Numbers, from, need: Need::Nothing };
        let read = self.reading(data, column);
        Some(self.read_column(data, read, span))
    }

    fn concat_columns(&mut self, tensors: Vec<(Tensor, Span)>, span: Span) -> Value {
        let Some(rows) = self.rows_of_block().map(Dim::atom) else { return Value::Unknown };
        let mut nodes = Vec::with_capacity(tensors.len());
        let mut width = Dim::number(0);
        for (tensor, place) in tensors {
            let tensor = self.convert(tensor, Elem::F32, place);
            let tensor =
                if tensor.shape.is_empty() { self.splat(tensor, std::slice::from_ref(&rows), place) } else { tensor };
            if !self.has_rows(&tensor) {
                let message = format!("a column has a value for each row, this is {}", self.show_type(&tensor));
                return self.error(Code::E0606, message, place);
            }
            let own = tensor.shape[1..].iter().try_fold(Dim::number(1), |product, dim| product.mul(dim));
            let (Ok(own), Ok(all)) = (own.clone(), own.and_then(|own| width.add(&own))) else {
                return self.error(Code::E0308, "this size does not fit 64 bits", place);
            };
            width = all;
            nodes.push(self.reshape(tensor, vec![rows.clone(), own], place).node);
        }
        let shape = vec![rows, self.program.atoms.resolve(&width)];
        if let [one] = nodes[..] {
            return Value::Tensor(Tensor { node: one, elem: Elem::F32, shape, classes: None });
        }
        Value::Tensor(self.op(Op::Concat { axis: 1 }, &nodes, Elem::F32, shape, span))
    }

    /// Whether a list is of columns, classes among them.
    fn are_columns(&self, items: &[Value]) -> bool {
        items.iter().any(|item| matches!(item, Value::Tensor(tensor) if self.has_rows(tensor)))
    }

    /// A stage of a pipe in a block whose value is a list of columns: it goes through them one by one.
    pub(super) fn column_stage(&mut self, value: &Value, from: Span, stage: &Expr) -> Option<Value> {
        let Value::List(items) = value else { return None };
        if self.frame().kind != FrameKind::Data || !self.are_columns(items) {
            return None;
        }
        let made = self.in_loop("list", |checker| {
            let turn = |(at, item): (usize, &Value)| {
                if let Some(last) = checker.frame_mut().unroll.last_mut() {
                    *last = at as u32;
                }
                (checker.stage(item.clone(), from, stage), stage.span)
            };
            items.iter().enumerate().map(turn).collect()
        });
        Some(self.beside(made, from.to(stage.span)))
    }
}

/// The column that a target is, or is made of in a pipe.
fn target_name(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Pipe { input, .. } => target_name(input),
        _ => None,
    }
}

/// The first names, for a message.
fn some_of(names: &[String]) -> String {
    const MOST: usize = 20;
    let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    let rest = if names.len() > MOST { ", ..." } else { "" };
    format!("{}{rest}", shown.join(", "))
}
