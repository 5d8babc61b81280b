//! Tables: `record ... into runs`, `train ... as log`, `runs.a`, `group(runs, by = [...])`.
//!
//! How many rows a table has is known at every place of the file, since `for`
//! is unrolled and a train says how many steps it takes; a column is a tensor of
//! that length, copied to a slot of its own before the statement that reads it.
//! Invariant: cells of a row are in the order of the table's columns; numbers of
//! texts are given in the order in which the texts are first recorded.

use std::collections::HashMap;

use super::Checker;
use super::call::Given;
use super::dims::Dim;
use super::intrinsics::Args;
use super::phase::{Elaborated, watch_name};
use super::picture::{Cell, Grouping, Row, Table, TableColumn, TableId};
use super::typed::{Action, ActionKind, Eval, Part, Plan, SlotId, Train};
use super::value::{Elem, Number, SlotValue, Tensor, Value};
use crate::diag::{Code, Diagnostic, nearest};
use crate::ir::{DType, Owner, Type};
use crate::source::Span;
use crate::syntax::ast::{Name, Named, On};

/// Most rows that a table may have.
const MOST_ROWS: u64 = 10_000_000;

/// What is known of a table's rows before the run.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// Rows so far.
    rows: u64,
    /// Texts of each column, in the order of their numbers.
    texts: Vec<Vec<String>>,
    /// Runs of rows whose known cells are the same: how many, and the bits of the known cells.
    runs: Vec<(u64, Vec<Option<u32>>)>,
    /// Slots that columns were copied to, by column and number of rows.
    taken: HashMap<(usize, u64), SlotId>,
}

/// A value to be recorded.
enum Recordable {
    Known(f32),
    Text(String),
    Tensor(Tensor),
}

impl Checker<'_> {
    /// `record a, name = e on part into runs` in the file.
    pub(super) fn record(&mut self, values: &[Named], on: Option<&On>, into: &Name, span: Span) {
        let Some((eval, row)) = self.record_parts(values, on, into, span) else { return };
        self.append(&row, 1);
        self.act(ActionKind::Record { eval, row }, span);
    }

    /// The action of a `record`; the rows of one in an `every` block are counted with its train's.
    pub(super) fn record_action(
        &mut self,
        values: &[Named],
        on: Option<&On>,
        into: &Name,
        span: Span,
    ) -> Option<ActionKind> {
        self.record_parts(values, on, into, span).map(|(eval, row)| ActionKind::Record { eval, row })
    }

    fn record_parts(&mut self, values: &[Named], on: Option<&On>, into: &Name, span: Span) -> Option<(Eval, Row)> {
        let part = on.and_then(|on| self.enter_part(on));
        self.columns_unknown = on.is_some() && part.is_none();
        let errors = self.errors();
        let mut outputs = Vec::new();
        let row = self.row(values, into, span, &mut outputs);
        if on.is_some() {
            self.leave_part();
        }
        let blind = std::mem::take(&mut self.columns_unknown);
        let on = self.phase.evaluated.take().or(part);
        let row = row.filter(|_| !blind && self.errors() == errors)?;
        Some((Eval { outputs, on, seed: self.seed }, row))
    }

    /// `record` in a train: a row each turn of its phase.
    pub(super) fn record_step(&mut self, values: &[Named], into: &Name, span: Span, result: &mut Elaborated) {
        if let Some(row) = self.row(values, into, span, &mut result.recorded) {
            result.rows.push(row);
        }
    }

    /// A row; the table is made by the first.
    fn row(
        &mut self,
        values: &[Named],
        into: &Name,
        span: Span,
        outputs: &mut Vec<super::typed::NodeId>,
    ) -> Option<Row> {
        let mut cells: Vec<(String, Span, Recordable)> = Vec::with_capacity(values.len());
        let mut failed = false;
        for named in values {
            let name = match &named.name {
                Some(name) => name.text.clone(),
                None => {
                    watch_name(&named.value).unwrap_or_else(|| self.sources.text(named.value.span).trim().to_string())
                }
            };
            if cells.iter().any(|(known, _, _)| *known == name) {
                let message = format!("this row has two cells `{name}`");
                self.report(
                    Diagnostic::new(Code::E0202, message, named.value.span)
                        .help("give one of them a name: `record name = ...`"),
                );
                failed = true;
                continue;
            }
            let value = self.eval(&named.value);
            let value = self.averaged(value, named.value.span);
            match self.recordable(&value, named.value.span) {
                Some(cell) => cells.push((name, named.value.span, cell)),
                None => failed = true,
            }
        }
        let table = self.table_named(into, &cells, failed, span)?;
        if failed {
            return None;
        }
        self.place_cells(table, cells, into, outputs, span)
    }

    fn recordable(&mut self, value: &Value, span: Span) -> Option<Recordable> {
        match value {
            Value::Unknown => None,
            Value::Text(text) => Some(Recordable::Text(text.to_string())),
            Value::Bool(known) => Some(Recordable::Known(f32::from(u8::from(*known)))),
            Value::Number(Number::Int(known), _) => Some(Recordable::Known(*known as f32)),
            Value::Number(Number::Float(known), _) => Some(Recordable::Known(*known as f32)),
            Value::Def(_) | Value::Rule(_) => self.known_text(value).map(Recordable::Text),
            other => {
                let tensor = self.tensor(other, span)?;
                let tensor = match tensor.elem {
                    Elem::Class(_) | Elem::F32 => tensor,
                    Elem::Int | Elem::Bool => self.convert(tensor, Elem::F32, span),
                };
                if self.numbers_of(&tensor.shape).is_none() {
                    let message = format!("a cell has a known size, this is {}", self.show_type(&tensor));
                    self.report(
                        Diagnostic::new(Code::E0605, message, span)
                            .help("take `mean(...)` or `sum(...)` over the rows at hand"),
                    );
                    return None;
                }
                Some(Recordable::Tensor(tensor))
            }
        }
    }

    /// The table with this name, or a new one with columns for these cells.
    fn table_named(
        &mut self,
        into: &Name,
        cells: &[(String, Span, Recordable)],
        failed: bool,
        span: Span,
    ) -> Option<TableId> {
        let known = self.frames[0].scopes[0].get(&into.text).map(|binding| (binding.value.clone(), binding.span));
        match known {
            Some((Value::Table(table), _)) => return Some(table),
            Some((Value::Unknown, _)) => return None,
            Some((_, first)) => {
                let message = format!("`{}` is no table", into.text);
                self.report(
                    Diagnostic::new(Code::E0202, message, into.span)
                        .also(first, "bound here")
                        .help("record into a table of another name"),
                );
                return None;
            }
            None => {}
        }
        if failed {
            self.bind_in_file(into, Value::Unknown);
            return None;
        }
        let mut texts = Vec::with_capacity(cells.len());
        let mut columns = Vec::with_capacity(cells.len());
        for (name, _, cell) in cells {
            let (ty, classes) = match cell {
                Recordable::Known(_) => (Type::scalar(DType::F32), None),
                Recordable::Text(_) => (Type::scalar(DType::I32), Some(Vec::new())),
                Recordable::Tensor(tensor) => {
                    let sizes = self.numbers_of(&tensor.shape)?;
                    let names = match (&tensor.elem, &tensor.classes) {
                        (Elem::Class(_), Some(names)) => Some(names.to_vec()),
                        (Elem::Class(count), None) => {
                            let count = self.program.atoms.resolve(count).as_number().unwrap_or(0);
                            Some((0..count).map(|class| class.to_string()).collect())
                        }
                        (Elem::F32 | Elem::Int | Elem::Bool, _) => None,
                    };
                    (Type::new(tensor.elem.dtype(), sizes), names)
                }
            };
            texts.push(classes.clone().unwrap_or_default());
            columns.push(TableColumn { name: name.clone(), ty, classes: classes.map(Into::into) });
        }
        let table = self.new_table(&into.text, columns, span);
        self.tables[table.index()].texts = texts;
        self.bind_in_file(into, Value::Table(table));
        Some(table)
    }

    fn new_table(&mut self, name: &str, columns: Vec<TableColumn>, span: Span) -> TableId {
        self.program.tables.push(Table { name: name.to_string(), columns, span });
        self.tables.push(Recorded::default());
        TableId(self.program.tables.len() as u32 - 1)
    }

    /// A table outlives the `for` that records into it.
    fn bind_in_file(&mut self, name: &Name, value: Value) {
        let binding =
            super::Binding { value, span: name.span, writes: self.writes, statement: self.statement, seed: self.seed };
        self.frames[0].scopes[0].insert(name.text.clone(), binding);
    }

    /// Cells in the order of the columns.
    fn place_cells(
        &mut self,
        table: TableId,
        cells: Vec<(String, Span, Recordable)>,
        into: &Name,
        outputs: &mut Vec<super::typed::NodeId>,
        span: Span,
    ) -> Option<Row> {
        let columns = self.program.table(table).columns.clone();
        let first = self.program.table(table).span;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let mut placed: Vec<Option<Cell>> = vec![None; columns.len()];
        for (name, place, cell) in cells {
            let Some(at) = names.iter().position(|known| *known == name) else {
                let message = format!("`{}` has no column `{name}`", into.text);
                let help = format!("its first row has {}", names.join(", "));
                self.report(Diagnostic::new(Code::E0605, message, place).also(first, "the first row").help(help));
                return None;
            };
            let column = &columns[at];
            placed[at] = match (cell, &column.classes) {
                (Recordable::Known(number), None) if column.ty.shape.is_empty() => Some(Cell::Known(number)),
                (Recordable::Text(text), Some(_)) => Some(Cell::Known(self.number_of_text(table, at, &text))),
                (Recordable::Tensor(tensor), _)
                    if tensor.elem.dtype() == column.ty.dtype
                        && self.numbers_of(&tensor.shape).as_ref() == Some(&column.ty.shape) =>
                {
                    outputs.push(tensor.node);
                    Some(Cell::Output(outputs.len() - 1))
                }
                _ => {
                    let message = format!("`{name}` was recorded as another kind of value before");
                    self.report(
                        Diagnostic::new(Code::E0605, message, place)
                            .also(first, "by this row")
                            .help("a column holds numbers, texts or tensors of one shape: give this one another name"),
                    );
                    return None;
                }
            };
        }
        if let Some(missing) = placed.iter().position(Option::is_none) {
            let message = format!("this row of `{}` has no `{}`", into.text, names[missing]);
            self.report(Diagnostic::new(Code::E0605, message, span).also(first, "the first row has it"));
            return None;
        }
        Some(Row { table, cells: placed.into_iter().flatten().collect(), span })
    }

    /// The number of a text among those of a column.
    fn number_of_text(&mut self, table: TableId, column: usize, text: &str) -> f32 {
        let texts = &mut self.tables[table.index()].texts[column];
        if let Some(at) = texts.iter().position(|known| known == text) {
            return at as f32;
        }
        texts.push(text.to_string());
        self.program.tables[table.index()].columns[column].classes = Some(texts.clone().into());
        (texts.len() - 1) as f32
    }

    /// Counts rows that a statement appends.
    fn append(&mut self, row: &Row, count: u64) {
        let recorded = &mut self.tables[row.table.index()];
        let known = |cell: &Cell| match cell {
            Cell::Known(number) => Some(number.to_bits()),
            Cell::Output(_) => None,
        };
        recorded.rows += count;
        recorded.runs.push((count, row.cells.iter().map(known).collect()));
    }

    /// The rows that a train's steps record, and the table of its epochs.
    pub(super) fn count_rows(&mut self, train: &mut Train, log: Option<&Name>) {
        let plan = self.length_of(train);
        let (epochs, steps) = (plan.epochs, plan.steps);
        let phases = train.phases.iter().enumerate().map(|(at, phase)| (phase, train.turns(at, &plan)));
        let of_phases = phases.flat_map(|(phase, turns)| phase.rows.iter().map(move |row| (row, turns)));
        let of_blocks = train.every.iter().flat_map(|every| {
            let count = if every.epochs { epochs } else { steps } / every.count.max(1);
            let rows = every.actions.iter().filter_map(|action| recorded_row(&action.kind));
            rows.map(move |row| (row, count))
        });
        for (row, count) in of_phases.chain(of_blocks) {
            if count > MOST_ROWS {
                let message = format!("{count} rows would be recorded; a table has at most {MOST_ROWS}");
                self.report(
                    Diagnostic::new(Code::E0605, message, row.span)
                        .help("`train ... as log` keeps a row an epoch, `every n steps { record ... }` one in n steps"),
                );
                return;
            }
            self.append(row, count);
        }
        let Some(log) = log else { return };
        if let Some((Value::Table(_) | Value::Tensor(_), first)) =
            self.frames[0].scopes[0].get(&log.text).map(|found| (found.value.clone(), found.span))
            && self.turns.is_empty()
        {
            let message = format!("`{}` is defined twice", log.text);
            self.report(Diagnostic::new(Code::E0202, message, log.span).also(first, "first defined here"));
            return;
        }
        let number = |name: String| TableColumn { name, ty: Type::scalar(DType::F32), classes: None };
        let mut columns = vec![number("epoch".to_string())];
        for figure in &train.figures {
            let plain = figure.name.replace('.', "_");
            columns.push(number(plain.clone()));
            if figure.val.is_some() {
                columns.push(number(format!("val_{plain}")));
            }
        }
        let count = columns.len();
        let table = self.new_table(&log.text, columns, log.span);
        self.tables[table.index()].texts = vec![Vec::new(); count];
        self.tables[table.index()].rows = epochs;
        self.tables[table.index()].runs.push((epochs, vec![None; count]));
        train.log = Some(table);
        self.bind(&log.text, Value::Table(table), log.span);
    }

    /// Epochs and steps as planned, as the loop counts them.
    fn length_of(&mut self, train: &Train) -> Plan {
        let takes = train.phases.iter().any(|phase| phase.columns);
        let batches = match train.data.filter(|_| takes) {
            Some(data) => {
                let rows = self.part_rows(&Part { data, name: "train".to_string(), by: None }).max(1);
                Some(rows.div_ceil(train.batch.map_or(rows, |batch| batch.min(rows)).max(1)))
            }
            None => None,
        };
        train.plan(batches)
    }

    /// `runs.name`
    pub(super) fn table_column(&mut self, table: TableId, name: &Name, span: Span) -> Value {
        let described = self.program.table(table);
        let Some(at) = described.columns.iter().position(|column| column.name == name.text) else {
            let names: Vec<&str> = described.columns.iter().map(|column| column.name.as_str()).collect();
            let message = format!("`{}` has no column `{}`", described.name, name.text);
            let mut diagnostic =
                Diagnostic::new(Code::E0603, message, name.span).also(described.span, "its columns are named here");
            diagnostic = match nearest(&name.text, names.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
                None => diagnostic.help(format!("it has {}", names.join(", "))),
            };
            return self.report(diagnostic);
        };
        let column = described.columns[at].clone();
        let rows = self.tables[table.index()].rows;
        let elem = match &column.classes {
            Some(names) => Elem::Class(Dim::number(names.len() as i64)),
            None => Elem::F32,
        };
        let mut shape = vec![Dim::number(rows as i64)];
        shape.extend(column.ty.shape.iter().map(|&size| Dim::number(size as i64)));
        let slot = match self.tables[table.index()].taken.get(&(at, rows)) {
            Some(slot) => *slot,
            None => {
                let mut sizes = vec![rows as usize];
                sizes.extend(&column.ty.shape);
                let path = self.unique_path(format!("{}.{}", self.program.table(table).name, column.name));
                let slot = self.new_slot(&path, Owner::TrainState, Type::new(column.ty.dtype, sizes), name.span);
                let kind = ActionKind::Take { table, column: at, slot };
                self.actions.push(((self.statement, 0), Action { kind, span }));
                self.tables[table.index()].taken.insert((at, rows), slot);
                slot
            }
        };
        let read = self.read(&SlotValue { slot, elem, shape }, span);
        Value::Tensor(Tensor { classes: column.classes, ..read })
    }

    /// `table(runs)`: all of it, to be printed; `table(new.name, p)`: columns side by side.
    pub(super) fn table_of(&mut self, given: Vec<Given>, span: Span) -> Value {
        if let [(None, Value::Table(table), _)] = &given[..] {
            return Value::Table(*table);
        }
        if given.is_empty() {
            return self.error(Code::E0204, "`table` shows what was recorded, or columns side by side", span);
        }
        let mut columns: Vec<(String, Value)> = Vec::with_capacity(given.len());
        let mut rows: Option<(String, u64, Span)> = None;
        for (name, value, place) in given {
            let written = self.sources.text(place).to_string();
            let name = name.map_or(written, |name| name.text);
            let (value, count) = match value {
                Value::Unknown => return Value::Unknown,
                Value::Column(data, at) => {
                    let count = self.part_rows(&Part { data, name: "all".to_string(), by: None });
                    (self.shown_column(data, at, place), Some(count))
                }
                Value::Table(_) => {
                    let help = "print it by itself: `print table(runs)`";
                    let diagnostic = Diagnostic::new(Code::E0304, "a table of recorded rows is no column", place);
                    return self.report(diagnostic.help(help));
                }
                other => {
                    let Some(tensor) = self.tensor(&other, place) else { return Value::Unknown };
                    if tensor.shape.is_empty() {
                        let message = format!("a column has a value for each row, this is {}", self.show_type(&tensor));
                        return self.error(Code::E0304, message, place);
                    }
                    let count = self.program.atoms.resolve(&tensor.shape[0]).as_number();
                    (Value::Tensor(tensor), count.map(|count| count as u64))
                }
            };
            if let (Some(count), Some((first, known, at))) = (count, &rows)
                && count != *known
            {
                let message = format!("`{name}` has {count} rows, `{first}` has {known}");
                let at = *at;
                return self.report(Diagnostic::new(Code::E0301, message, place).also(at, "the other column"));
            }
            if let Some(count) = count {
                rows.get_or_insert((name.clone(), count, place));
            }
            columns.push((name, value));
        }
        Value::Columns(columns.into())
    }

    /// `group(runs, by = ["lr"])`: keys, number of rows, mean and spread of the other columns.
    pub(super) fn group(&mut self, args: &Args, span: Span) -> Value {
        let (Some((from, place)), Some((by, by_place))) = (args[0].clone(), args[1].clone()) else {
            return Value::Unknown;
        };
        let Value::Table(from) = from else {
            let message = format!("`group` takes a table, this is {}", from.describe());
            return self.error(Code::E0304, message, place);
        };
        let Some(keys) = self.keys(from, &by, by_place) else { return Value::Unknown };
        let Some(groups) = self.groups(from, &keys, by_place) else { return Value::Unknown };
        let columns = self.program.table(from).columns.clone();
        let averaged: Vec<usize> = (0..columns.len())
            .filter(|at| !keys.contains(at) && columns[*at].classes.is_none() && columns[*at].ty.shape.is_empty())
            .collect();
        let number = |name: String| TableColumn { name, ty: Type::scalar(DType::F32), classes: None };
        let mut made: Vec<TableColumn> = keys.iter().map(|&at| columns[at].clone()).collect();
        made.push(number("rows".to_string()));
        for &at in &averaged {
            made.push(number(columns[at].name.clone()));
            made.push(number(format!("{}_spread", columns[at].name)));
        }
        let count = made.len();
        let name = format!("group of {}", self.program.table(from).name);
        let into = self.new_table(&name, made, span);
        let recorded = &mut self.tables[into.index()];
        recorded.rows = groups.len() as u64;
        recorded.texts = vec![Vec::new(); count];
        let runs: Vec<(u64, Vec<Option<u32>>)> = groups
            .iter()
            .map(|key| (1, key.iter().map(|bits| Some(*bits)).chain((keys.len()..count).map(|_| None)).collect()))
            .collect();
        recorded.runs = runs;
        let groups = groups.iter().map(|key| key.iter().map(|bits| f32::from_bits(*bits)).collect()).collect();
        let kind = ActionKind::Group(Grouping { from, into, groups, keys, averaged });
        self.actions.push(((self.statement, 0), Action { kind, span }));
        Value::Table(into)
    }

    /// The columns named by `by`: one text or a list of them.
    fn keys(&mut self, table: TableId, by: &Value, span: Span) -> Option<Vec<usize>> {
        let names: Vec<String> = match by {
            Value::Text(name) => vec![name.to_string()],
            Value::List(items) => items.iter().filter_map(|item| self.known_text(item)).collect(),
            other => {
                let message = format!("`by` takes names of columns, this is {}", other.describe());
                self.report(Diagnostic::new(Code::E0304, message, span).help("`by = [\"lr\", \"hidden\"]`"));
                return None;
            }
        };
        let mut keys = Vec::with_capacity(names.len());
        for name in &names {
            let table = self.program.table(table);
            let Some(at) = table.columns.iter().position(|column| column.name == *name) else {
                let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
                let message = format!("`{}` has no column `{name}`", table.name);
                let help = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it has {}", known.join(", ")),
                };
                self.report(Diagnostic::new(Code::E0603, message, span).help(help));
                return None;
            };
            keys.push(at);
        }
        Some(keys)
    }

    /// The keys that rows have, as bits, in the order of their first rows.
    fn groups(&mut self, table: TableId, keys: &[usize], span: Span) -> Option<Vec<Vec<u32>>> {
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for (_, cells) in self.tables[table.index()].runs.iter().filter(|(count, _)| *count > 0) {
            let key: Option<Vec<u32>> = keys.iter().map(|&column| cells[column]).collect();
            let Some(key) = key else {
                let unknown = keys.iter().find(|&&column| cells[column].is_none()).copied().unwrap_or(0);
                let message = format!(
                    "`{}` is computed, and rows are grouped by what is known before the run",
                    self.program.table(table).columns[unknown].name
                );
                self.report(
                    Diagnostic::new(Code::E0401, message, span)
                        .help("group by what a `for` runs over: settings, seeds, names"),
                );
                return None;
            };
            if !groups.contains(&key) {
                groups.push(key);
            }
        }
        Some(groups)
    }

    /// Elaborates a statement of an `every` block that may have rows of its own part: its columns are not the train's.
    pub(super) fn with_rows_of<T>(&mut self, on: bool, statement: impl FnOnce(&mut Self) -> T) -> T {
        if !on {
            return statement(self);
        }
        let (data, rows, at_hand) = (self.phase.data, self.phase.rows.clone(), self.phase.at_hand.clone());
        let columns = std::mem::take(&mut self.phase.columns);
        let calls = std::mem::take(&mut self.phase.calls);
        let dims = self.frame().dims.clone();
        self.frame_mut().dims.retain(|(name, _)| name != "B");
        let training = std::mem::replace(&mut self.phase.training, false);
        let result = statement(self);
        self.phase.training = training;
        self.phase.columns = columns;
        self.phase.calls = calls;
        (self.phase.data, self.phase.rows, self.phase.at_hand) = (data, rows, at_hand);
        self.frame_mut().dims = dims;
        result
    }
}

/// The row of an action that records one.
fn recorded_row(kind: &ActionKind) -> Option<&Row> {
    if let ActionKind::Record { row, .. } = kind { Some(row) } else { None }
}
