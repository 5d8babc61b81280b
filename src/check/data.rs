//! Data sets: where their rows come from.
//!
//! In: a `data` item. Out: a [`Data`] with what is read of its source, and the
//! [`Set`] of names that programs use. Its block is elaborated in a frame of its
//! own ([`super::columns`]), its parts are counted in [`super::parts`], its fits
//! are kept by [`super::fits`].

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::Checker;
use super::dims::Dim;
use super::scope::{Frame, FrameKind};
use super::typed::{Column, Data, DataId, Holds, LiteralColumn, LiteralValues, Need, NodeId, SlotId, Source};
use super::value::{Tensor, Value};
use super::{Schema, SchemaColumn};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{CallArg, DataStmt, Expr, ExprKind, Name, Path};

/// What the names of a data set stand for.
#[derive(Clone, Debug)]
pub(super) struct Set {
    /// Columns by name, in the order of the source and of the block.
    pub columns: Vec<SetColumn>,
    /// The set that its columns' nodes name: another one for folds and `as`.
    pub nodes_of: DataId,
    /// The nodes of what is read, by number.
    pub nodes: HashMap<usize, NodeId>,
    /// What its transforms learn, in the order in which it was met.
    pub fits: Vec<(SlotId, NodeId)>,
    /// What is known of the source.
    pub schema: Rc<Schema>,
}

/// A column that programs can name.
#[derive(Clone, Debug)]
pub(super) struct SetColumn {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub value: ColumnValue,
}

/// What a column stands for.
#[derive(Clone, Debug)]
pub(super) enum ColumnValue {
    /// What is read, by its number among the set's columns.
    Read(usize),
    /// Computed from what is read.
    Made(Tensor),
    /// In error.
    Unknown,
}

impl Set {
    /// The number of the column with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The names of a column's classes.
    pub fn classes(&self, data: &Data, at: usize) -> Option<Arc<[String]>> {
        match &self.columns[at].value {
            ColumnValue::Read(read) => data.columns[*read].classes().cloned(),
            ColumnValue::Made(tensor) => tensor.classes.clone(),
            ColumnValue::Unknown => None,
        }
    }

    /// Puts a column in, in the place of one of the same name.
    pub fn place(&mut self, name: &str, value: ColumnValue) {
        match self.find(name) {
            Some(at) => self.columns[at].value = value,
            None => self.columns.push(SetColumn { name: name.to_string(), value }),
        }
    }
}

impl Checker<'_> {
    /// `data name = source { ... }`
    pub(super) fn data_item(
        &mut self,
        name: &Name,
        source: &Expr,
        like: Option<&Path>,
        body: Option<&[DataStmt]>,
        span: Span,
    ) {
        let made = match like {
            Some(like) => self.data_like(name, source, like, span),
            None => self.data(name, source, body.unwrap_or_default(), span),
        };
        self.bind(&name.text, made.map_or(Value::Unknown, Value::Data), name.span);
    }

    fn data(&mut self, name: &Name, expr: &Expr, body: &[DataStmt], span: Span) -> Option<DataId> {
        let (source, schema) = self.source_and_schema(expr)?;
        let at_hand = self.program.atoms.name("B", None, name.span);
        let data = self.new_set(name, source, schema, span, at_hand);
        let errors = self.errors();
        self.in_block(data, name, |checker| checker.data_block(data, body));
        self.fit_actions(data, span);
        let fine = self.errors() == errors;
        self.parts_of(data, fine);
        self.list_names(data);
        // Its right columns are there for what else is wrong in the file; the program does not run anyway.
        if self.errors() > errors {
            self.blind.insert(data);
        }
        Some(data)
    }

    /// A source and what is known of it.
    pub(super) fn source_and_schema(&mut self, expr: &Expr) -> Option<(Source, Schema)> {
        let chosen = self.chosen(expr)?;
        let mut source = self.source(&chosen)?;
        let file = self.frame().file;
        if self.imported.values().any(|(_, imported)| *imported == file) {
            let name = self.sources.file(self.files[file].id).name.clone();
            source = source.with_path(|path| self.options.world.beside(&name, path));
        }
        match self.options.world.schema(&source) {
            Ok(schema) => {
                for odd in schema.columns.iter().filter_map(|column| column.odd.clone()) {
                    self.report(
                        Diagnostic::new(Code::W0807, odd, chosen.span)
                            .help("so the column holds texts, which are classes; an empty cell or NA would be a gap among numbers"),
                    );
                }
                Some((source, schema))
            }
            Err(error) => {
                let place = source_place(&error.message, &chosen);
                let mut diagnostic = Diagnostic::new(Code::E0601, error.message, place);
                if let Some(help) = error.help {
                    diagnostic = diagnostic.help(help);
                }
                self.report(diagnostic);
                None
            }
        }
    }

    /// A set with what its source has, before its block.
    pub(super) fn new_set(
        &mut self,
        name: &Name,
        source: Source,
        schema: Schema,
        span: Span,
        at_hand: super::dims::AtomId,
    ) -> DataId {
        let id = DataId(self.program.data.len() as u32);
        let columns: Vec<Column> = schema.columns.iter().map(read_as_it_is).collect();
        let named =
            |(at, column): (usize, &Column)| SetColumn { name: column.name.clone(), value: ColumnValue::Read(at) };
        self.sets.push(Set {
            columns: columns.iter().enumerate().map(named).collect(),
            nodes_of: id,
            nodes: HashMap::new(),
            fits: Vec::new(),
            schema: Rc::new(schema.clone()),
        });
        self.program.data.push(Data {
            name: name.text.clone(),
            source,
            columns,
            named: Vec::new(),
            at_hand,
            rows: schema.rows,
            test_rows: schema.test_rows,
            kept: None,
            split: Vec::new(),
            stratify: None,
            parts: Vec::new(),
            fold: None,
            like: None,
            fits: Vec::new(),
            seed: self.seed,
            span,
        });
        id
    }

    /// Elaborates a data block: its expressions see the columns, `N` rows of them.
    fn in_block(&mut self, data: DataId, name: &Name, inside: impl FnOnce(&mut Self)) {
        let order = (self.statement, self.seed);
        let owner = self.new_instance(None, Vec::new(), name.text.clone(), name.span, order);
        let file = self.frame().file;
        let mut frame = Frame::new(FrameKind::Data, file, owner, name.text.as_str(), Span::default());
        frame.place = format!("data {}", name.text);
        frame.dims.push(("N".to_string(), Dim::atom(self.program.data[data.index()].at_hand)));
        let phase = std::mem::take(&mut self.phase);
        self.frames.push(frame);
        self.block = Some(data);
        inside(self);
        self.block = None;
        self.frames.pop();
        self.phase = phase;
    }

    /// The names of a set with their types, for listings.
    pub(super) fn list_names(&mut self, data: DataId) {
        let mut named = Vec::new();
        for at in 0..self.sets[data.index()].columns.len() {
            let column = self.sets[data.index()].columns[at].clone();
            let text = match &column.value {
                ColumnValue::Unknown => continue,
                ColumnValue::Made(tensor) => {
                    let row = Tensor { shape: tensor.shape.get(1..).unwrap_or_default().to_vec(), ..tensor.clone() };
                    self.show_type(&row)
                }
                ColumnValue::Read(read) => row_type(&self.program.data[data.index()].columns[*read]),
            };
            named.push((column.name, text));
        }
        self.program.data[data.index()].named = named;
    }

    /// A source that is chosen by a known `if`; the other branches are not looked at.
    fn chosen(&mut self, expr: &Expr) -> Option<Expr> {
        let ExprKind::If { branches, otherwise } = &expr.kind else { return Some(expr.clone()) };
        let mut taken = otherwise.as_ref();
        for (condition, block) in branches {
            match self.eval(condition) {
                Value::Bool(true) => {
                    taken = Some(block);
                    break;
                }
                Value::Bool(false) => {}
                Value::Unknown => return None,
                other => {
                    let message = format!("what chooses a source is known, this is {}", other.describe());
                    self.error(Code::E0401, message, condition.span);
                    return None;
                }
            }
        }
        let value = taken.filter(|block| block.stmts.is_empty()).and_then(|block| block.value.as_deref());
        match value {
            Some(value) => self.chosen(value),
            None => {
                self.report(
                    Diagnostic::new(
                        Code::E0601,
                        "this branch gives no data",
                        taken.map_or(expr.span, |block| block.span),
                    )
                    .help("each branch is a source: `if real { mnist(\"folder\") } else { digits() }`"),
                );
                None
            }
        }
    }

    /// `csv("...")`, `mnist("...")`, `table(...)`, a generator.
    fn source(&mut self, expr: &Expr) -> Option<Source> {
        let ExprKind::Call { callee, args } = &expr.kind else {
            self.report(
                Diagnostic::new(Code::E0601, "data comes from a file or a generator", expr.span)
                    .help("`csv(\"rows.csv\")`, `mnist(\"folder\")`, `table(x = [...])`, `moons()`"),
            );
            return None;
        };
        let ExprKind::Name(kind) = &callee.kind else {
            self.error(Code::E0601, "data comes from a file or a generator", callee.span);
            return None;
        };
        match kind.as_str() {
            "csv" => Some(Source::Csv { path: self.path_arg(args, expr.span)? }),
            "mnist" | "idx" => Some(Source::Idx { path: self.path_arg(args, expr.span)? }),
            "table" => self.literal(args, expr.span),
            "text" => self.text_source(args, expr.span),
            "series" => self.series_source(args, expr.span),
            generator => self.generated(generator, args),
        }
    }

    fn path_arg(&mut self, args: &[CallArg], span: Span) -> Option<String> {
        match args {
            [arg] => self.file_name(&arg.value),
            _ => {
                self.error(Code::E0204, "one path is wanted here", span);
                None
            }
        }
    }

    fn generated(&mut self, generator: &str, args: &[CallArg]) -> Option<Source> {
        let mut given = Vec::new();
        for arg in args {
            let value = self.eval(&arg.value);
            let number = self.known_float(&value, "an argument of a generator", arg.value.span)?;
            given.push((arg.name.as_ref().map(|name| name.text.clone()).unwrap_or_default(), number));
        }
        Some(Source::Generated { generator: generator.to_string(), args: given })
    }

    /// `table(x = [[0, 0], [0, 1]], y = [0, 1], kind = ["a", none])`
    fn literal(&mut self, args: &[CallArg], span: Span) -> Option<Source> {
        let mut columns: Vec<LiteralColumn> = Vec::new();
        for arg in args {
            let Some(name) = &arg.name else {
                self.error(Code::E0204, "a column of a table has a name: `x = [...]`", arg.value.span);
                return None;
            };
            let value = self.eval(&arg.value);
            let items = match &value {
                Value::List(items) => items.clone(),
                Value::Range(from, to) => (*from..*to).map(Value::int).collect::<Vec<_>>().into(),
                Value::Unknown => return None,
                other => {
                    let message = format!("a column is a list of known numbers, this is {}", other.describe());
                    self.error(Code::E0601, message, arg.value.span);
                    return None;
                }
            };
            let Some((rows, shape, values)) = self.literal_values(&items) else {
                self.report(
                    Diagnostic::new(
                        Code::E0601,
                        "the rows of a column are known numbers, or lists of one shape",
                        arg.value.span,
                    )
                    .help("or known texts; `none` is a gap"),
                );
                return None;
            };
            if let Some(other) = columns.first() {
                let others = other.rows();
                if rows != others {
                    let message = format!("`{}` has {rows} rows, `{}` has {others}", name.text, other.name);
                    self.error(Code::E0601, message, arg.value.span);
                    return None;
                }
            }
            columns.push(LiteralColumn { name: name.text.clone(), shape, values });
        }
        if columns.is_empty() {
            self.error(Code::E0601, "a table has at least one column", span);
            return None;
        }
        Some(Source::Literal { columns })
    }

    /// Rows, the shape of one, and the values of a column of a table.
    fn literal_values(&self, items: &[Value]) -> Option<(usize, Vec<usize>, LiteralValues)> {
        if items.iter().any(|item| matches!(item, Value::Text(_))) {
            let text = |item: &Value| match item {
                Value::Text(text) => Some(text.to_string()),
                Value::None => Some(String::new()),
                _ => None,
            };
            let texts: Option<Vec<String>> = items.iter().map(text).collect();
            return Some((items.len(), Vec::new(), LiteralValues::Texts(texts?)));
        }
        let gap = |item: &Value| if matches!(item, Value::None) { Value::float(f64::NAN) } else { item.clone() };
        let items: Vec<Value> = items.iter().map(gap).collect();
        let mut numbers = Vec::new();
        let shape = self.known_table(&items, &mut numbers, &mut true)?;
        let values = numbers.into_iter().map(|number| number as f32).collect();
        Some((shape[0], shape[1..].to_vec(), LiteralValues::Numbers(values)))
    }
}

/// Where in a source's description a message belongs: the argument or the name that it speaks of.
fn source_place(message: &str, expr: &Expr) -> Span {
    let ExprKind::Call { callee, args } = &expr.kind else { return expr.span };
    let last = message.split_whitespace().last().unwrap_or_default();
    if let Some(arg) = args.iter().filter_map(|arg| arg.name.as_ref()).find(|name| name.text == last) {
        return arg.span;
    }
    match (&callee.kind, args.as_slice()) {
        (ExprKind::Name(name), _) if name == last => callee.span,
        (ExprKind::Name(name), [first, ..]) if ["csv", "mnist", "idx", "text", "series"].contains(&name.as_str()) => {
            first.value.span
        }
        _ => expr.span,
    }
}

/// A column of a source as it is read if nothing is said of it. Texts are classes; a column of nothing but gaps is taken
/// for numbers.
fn read_as_it_is(column: &SchemaColumn) -> Column {
    let holds = match &column.classes {
        Some(names) if !names.is_empty() => Holds::Classes(names.clone().into()),
        Some(_) | None => Holds::Numbers,
    };
    Column {
        name: column.name.clone(),
        shape: column.shape.clone(),
        holds,
        from: vec![column.name.clone()],
        need: Need::Nothing,
    }
}

/// `f32[28, 28]`
fn row_type(column: &Column) -> String {
    let sizes: Vec<String> = column.shape.iter().map(usize::to_string).collect();
    let shape = if sizes.is_empty() { String::new() } else { format!("[{}]", sizes.join(", ")) };
    match &column.holds {
        Holds::Numbers => format!("f32{shape}"),
        Holds::Classes(names) => format!("class({}){shape}", names.len()),
        Holds::RowNumbers => "int".to_string(),
        Holds::Texts => "text".to_string(),
    }
}
