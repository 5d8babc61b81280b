//! Data sets: where their rows come from, and what columns programs can name.

use std::sync::Arc;

use super::Checker;
use super::dims::Dim;
use super::scope::FrameKind;
use super::typed::{Column, Data, DataId, Kind, Part, Source};
use super::value::{Elem, Tensor, Value};
use super::{Schema, SchemaColumn};
use crate::diag::{Code, Diagnostic, nearest};
use crate::ir::Type;
use crate::source::Span;
use crate::syntax::ast::{CallArg, DataStmt, DataStmtKind, Expr, ExprKind, Name, Path};

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
        if let Some(like) = like {
            self.not_built("`data ... as`", "declare the columns again", like.span);
        }
        let value = match self.data(name, source, body.unwrap_or_default(), span) {
            Some(data) => {
                self.program.data.push(data);
                Value::Data(DataId(self.program.data.len() as u32 - 1))
            }
            None => Value::Unknown,
        };
        self.bind(&name.text, value, name.span);
    }

    fn data(&mut self, name: &Name, expr: &Expr, body: &[DataStmt], span: Span) -> Option<Data> {
        let source = self.source(expr)?;
        let schema = match self.options.world.schema(&source) {
            Ok(schema) => schema,
            Err(error) => {
                let place = source_place(&error.message, expr);
                let mut diagnostic = Diagnostic::new(Code::E0601, error.message, place);
                if let Some(help) = error.help {
                    diagnostic = diagnostic.help(help);
                }
                self.report(diagnostic);
                return None;
            }
        };
        let columns = schema.columns.iter().map(raw).collect();
        let mut data = Data {
            name: name.text.clone(),
            source,
            columns,
            rows: schema.rows,
            test_rows: schema.test_rows,
            split: Vec::new(),
            stratify: None,
            parts: Vec::new(),
            target: None,
            seed: self.seed,
            span,
        };
        let errors = self.errors();
        let mut inputs = Vec::new();
        for stmt in body {
            self.data_stmt(&mut data, &schema, stmt, &mut inputs);
        }
        self.join_inputs(&mut data, &schema, &inputs);
        self.parts_of(&mut data);
        // Its right columns are there for what else is wrong in the file; the program does not run anyway.
        if self.errors() > errors {
            self.blind.insert(DataId(self.program.data.len() as u32));
        }
        Some(data)
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

    /// `table(x = [[0, 0], [0, 1]], y = [0, 1])`
    fn literal(&mut self, args: &[CallArg], span: Span) -> Option<Source> {
        let mut columns: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
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
            let mut numbers = Vec::new();
            let Some(shape) = self.known_table(&items, &mut numbers, &mut true) else {
                self.error(
                    Code::E0601,
                    "the rows of a column are known numbers, or lists of one shape",
                    arg.value.span,
                );
                return None;
            };
            if let Some((other, other_shape, values)) = columns.first() {
                let rows = values.len() / other_shape.iter().product::<usize>().max(1);
                if rows != shape[0] {
                    let message = format!("`{}` has {} rows, `{other}` has {rows}", name.text, shape[0]);
                    self.error(Code::E0601, message, arg.value.span);
                    return None;
                }
            }
            let values = numbers.into_iter().map(|number| number as f32).collect();
            columns.push((name.text.clone(), shape[1..].to_vec(), values));
        }
        if columns.is_empty() {
            self.error(Code::E0601, "a table has at least one column", span);
            return None;
        }
        Some(Source::Literal { columns })
    }

    pub(super) fn data_stmt(
        &mut self,
        data: &mut Data,
        schema: &Schema,
        stmt: &DataStmt,
        inputs: &mut Vec<(Column, Span)>,
    ) {
        match &stmt.kind {
            DataStmtKind::Input(expr) => {
                if let Some(column) = self.recipe(schema, expr) {
                    inputs.push((column, expr.span));
                }
            }
            DataStmtKind::Target(expr) => {
                if let Some(column) = self.recipe(schema, expr) {
                    data.target = Some(place_column(data, column));
                }
            }
            DataStmtKind::Column { name, value } => {
                if let Some(column) = self.recipe(schema, value) {
                    place_column(data, Column { name: name.text.clone(), ..column });
                }
            }
            DataStmtKind::KeepRows(expr) => {
                self.not_built("`keep_rows`", "prepare the file before", expr.span);
            }
            DataStmtKind::Split(parts) => self.split_stmt(data, schema, parts, stmt.span),
        }
    }

    /// A column expression: a name, a list of names, with `|> class`.
    fn recipe(&mut self, schema: &Schema, expr: &Expr) -> Option<Column> {
        match &expr.kind {
            ExprKind::Name(name) => {
                let column = self.schema_column(schema, name, expr.span)?;
                Some(raw(&column))
            }
            ExprKind::List(items) => {
                let parts: Vec<Option<Column>> = items.iter().map(|item| self.recipe(schema, item)).collect();
                let parts: Option<Vec<Column>> = parts.into_iter().collect();
                self.joined(parts?, expr.span)
            }
            // A transform that this version lacks is what is to be said, whatever the columns hold.
            ExprKind::Pipe { stages, .. } if stages.iter().any(|stage| !is_class(stage)) => {
                for stage in stages.iter().filter(|stage| !is_class(stage)) {
                    self.missing_transform(stage);
                }
                None
            }
            ExprKind::Pipe { input, stages } => {
                let mut column = self.recipe(schema, input)?;
                for stage in stages {
                    column = self.transform(schema, column, stage)?;
                }
                Some(column)
            }
            _ => {
                self.not_built("this way of making a column", "name columns, or a list of them", expr.span);
                None
            }
        }
    }

    fn transform(&mut self, schema: &Schema, column: Column, stage: &Expr) -> Option<Column> {
        let source = column.from.first().and_then(|from| schema.columns.iter().find(|known| known.name == *from))?;
        let classes = source.classes.clone().or_else(|| source.as_classes.clone());
        let Some(classes) = classes.filter(|_| column.from.len() == 1) else {
            let message = format!("`{}` has numbers that are not whole: they are no classes", column.name);
            self.error(Code::E0603, message, stage.span);
            return None;
        };
        Some(Column { classes: Some(classes.into()), as_class: true, text: false, ..column })
    }

    fn missing_transform(&mut self, stage: &Expr) {
        let text = self.sources.text(stage.span).to_string();
        self.not_built(&format!("the transform `{text}`"), "prepare the column before", stage.span);
    }

    fn schema_column(&mut self, schema: &Schema, name: &str, span: Span) -> Option<SchemaColumn> {
        if let Some(column) = schema.columns.iter().find(|column| column.name == name) {
            return Some(column.clone());
        }
        let names = schema.columns.iter().map(|column| column.name.as_str());
        let mut diagnostic = Diagnostic::new(Code::E0603, format!("the data has no column `{name}`"), span);
        diagnostic = match nearest(name, names.clone()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(span, near),
            None => diagnostic.help(format!("it has {}", names.collect::<Vec<_>>().join(", "))),
        };
        self.report(diagnostic);
        None
    }

    /// Number columns side by side.
    fn joined(&mut self, parts: Vec<Column>, span: Span) -> Option<Column> {
        for part in &parts {
            if part.text || part.classes.is_some() {
                let message =
                    format!("`{}` holds {}, not numbers", part.name, if part.text { "texts" } else { "classes" });
                self.error(Code::E0603, message, span);
                return None;
            }
        }
        let width: usize = parts.iter().map(|part| part.shape.iter().product::<usize>()).sum();
        let from = parts.into_iter().flat_map(|part| part.from).collect();
        Some(Column { name: "input".into(), shape: vec![width], classes: None, from, as_class: false, text: false })
    }

    fn join_inputs(&mut self, data: &mut Data, _schema: &Schema, inputs: &[(Column, Span)]) {
        if let Some((_, span)) = inputs.first() {
            let span = *span;
            if let Some(column) = self.joined(inputs.iter().map(|(column, _)| column.clone()).collect(), span) {
                place_column(data, column);
            }
        }
    }

    fn split_stmt(&mut self, data: &mut Data, schema: &Schema, parts: &[(Name, Expr)], span: Span) {
        let mut total = 0.0;
        let errors = self.errors();
        for (name, expr) in parts {
            if name.text == "stratify" {
                let ExprKind::Name(column) = &expr.kind else {
                    self.error(Code::E0602, "`stratify` names a column", expr.span);
                    continue;
                };
                data.stratify = data.columns.iter().position(|known| known.name == *column);
                match schema.columns.iter().find(|known| known.name == *column) {
                    None if data.stratify.is_none() => {
                        self.schema_column(schema, column, expr.span);
                    }
                    Some(known) if known.classes.is_none() && known.as_classes.is_none() && !known.text => {
                        let message = format!("`stratify` needs classes; `{column}` holds numbers that are not whole");
                        self.error(Code::E0602, message, expr.span);
                    }
                    _ => {}
                }
                continue;
            }
            if !["train", "val", "test"].contains(&name.text.as_str()) {
                let message = format!("there is no part `{}`", name.text);
                let mut diagnostic = Diagnostic::new(Code::E0602, message, name.span);
                diagnostic = match nearest(&name.text, ["train", "val", "test", "stratify"]) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
                    None => diagnostic.help("parts are train, val and test; `stratify` names a column"),
                };
                self.report(diagnostic);
                continue;
            }
            if data.split.iter().any(|(known, _)| *known == name.text) {
                self.error(Code::E0602, format!("the part `{}` is given twice", name.text), name.span);
                continue;
            }
            if name.text == "test" && data.test_rows > 0 {
                self.report(
                    Diagnostic::new(Code::E0602, format!("`{}` has a test part of its own", data.name), name.span)
                        .help("split the other rows into train and val; `test` stays as it came"),
                );
                continue;
            }
            let value = self.eval(expr);
            let Some(fraction) = self.known_float(&value, "the fraction of a part", expr.span) else { continue };
            if !(fraction > 0.0 && fraction <= 1.0) {
                self.error(
                    Code::E0602,
                    format!("a part is more than 0 and at most 1 of the rows, not {fraction}"),
                    expr.span,
                );
                continue;
            }
            total += fraction;
            data.split.push((name.text.clone(), fraction));
        }
        if self.errors() == errors && !data.split.is_empty() && (total - 1.0).abs() > 1e-6 {
            self.report(
                Diagnostic::new(
                    Code::E0602,
                    format!("the parts make {} of the rows, not 1", (total * 1e6).round() / 1e6),
                    span,
                )
                .help("the fractions of train, val and test sum to 1"),
            );
        }
    }

    /// Rows of each part as far as known before the rows are read.
    fn parts_of(&mut self, data: &mut Data) {
        let split = if data.split.is_empty() { vec![("train".to_string(), 1.0)] } else { data.split.clone() };
        data.parts =
            split.iter().map(|(name, part)| (name.clone(), (part * data.rows as f64).round() as u64)).collect();
        if data.source.is_sequence() {
            self.exact_parts(data);
        }
        if data.test_rows > 0 && !data.parts.iter().any(|(name, _)| name == "test") {
            data.parts.push(("test".to_string(), data.test_rows));
        }
    }

    /// Rows are cut from each part of a sequence by itself: how many there are is a matter of its length.
    fn exact_parts(&mut self, data: &mut Data) {
        for at in 0..data.parts.len() {
            match self.options.world.part_rows(data, &data.parts[at].0) {
                Ok(rows) => data.parts[at].1 = rows,
                Err(error) => {
                    let diagnostic = Diagnostic::new(Code::E0602, error.message, data.span);
                    self.report(match error.help {
                        Some(help) => diagnostic.help(help),
                        None => diagnostic,
                    });
                    return;
                }
            }
        }
    }

    /// Rows of a part, exactly.
    pub(super) fn part_rows(&mut self, part: &Part) -> u64 {
        let data = &self.program.data[part.data.index()];
        match self.options.world.part_rows(data, &part.name) {
            Ok(rows) => rows,
            Err(error) => {
                let span = data.span;
                self.error(Code::E0601, error.message, span);
                1
            }
        }
    }

    /// `digits.test`
    pub(super) fn data_field(&mut self, data: DataId, name: &Name, span: Span) -> Value {
        let set = &self.program.data[data.index()];
        if name.text == "all" || set.parts.iter().any(|(part, _)| *part == name.text) {
            return Value::Part(Part { data, name: name.text.clone() });
        }
        if let Some(at) = set.columns.iter().position(|column| column.name == name.text) {
            if self.phase.data == Some(data) {
                return self.column_value(data, at, span);
            }
            return Value::Column(data, at);
        }
        let mut names: Vec<String> = set.parts.iter().map(|(part, _)| part.clone()).collect();
        let message = if ["train", "val", "test"].contains(&name.text.as_str()) {
            format!("`{}` has no part `{}`", set.name, name.text)
        } else {
            format!("`{}` has no part or column `{}`", set.name, name.text)
        };
        names.push("all".into());
        let help = match nearest(&name.text, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has the parts {}; `split` makes others", names.join(", ")),
        };
        self.report(Diagnostic::new(Code::E0604, message, name.span).help(help))
    }

    /// A column of the rows at hand by its name; only trains and `on` statements see them.
    pub(super) fn column(&mut self, name: &str, frame: usize, span: Span) -> Option<Value> {
        if !matches!(self.frames[frame].kind, FrameKind::File | FrameKind::Train) {
            return None;
        }
        let data = self.phase.data?;
        let at = self.program.data[data.index()].columns.iter().position(|column| column.name == name)?;
        Some(self.column_value(data, at, span))
    }

    pub(super) fn column_value(&mut self, data: DataId, at: usize, span: Span) -> Value {
        let column = self.program.data[data.index()].columns[at].clone();
        if column.text {
            // Said at the first use; the others follow from it.
            if !self.texts.insert((data, at)) {
                return Value::Unknown;
            }
            let set = &self.program.data[data.index()];
            let way = match set.target == Some(at) {
                true => format!("make labels of them: `target {} |> class`", column.name),
                false => format!("make classes of them: `column {0}_class = {0} |> class`", column.name),
            };
            let message = format!("`{}` holds texts, which nothing can be computed with", column.name);
            let declared = set.span;
            return self.report(Diagnostic::new(Code::E0603, message, span).also(declared, "declared here").help(way));
        }
        let Some(rows) = self.phase.rows.clone() else { return Value::Unknown };
        let mut shape = vec![rows];
        shape.extend(column.shape.iter().map(|&size| Dim::number(size as i64)));
        let elem = match &column.classes {
            Some(classes) => Elem::Class(Dim::number(classes.len() as i64)),
            None => Elem::F32,
        };
        let node = match self.phase.columns.get(&at) {
            Some(node) => *node,
            None => {
                let ty = Type::new(elem.dtype(), shape.clone());
                let node = self.push(Kind::Column { data, column: at }, Vec::new(), ty, span);
                self.name_node(node, &column.name);
                self.phase.columns.insert(at, node);
                node
            }
        };
        Value::Tensor(Tensor { node, elem, shape, classes: column.classes })
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

fn is_class(stage: &Expr) -> bool {
    matches!(&stage.kind, ExprKind::Name(name) if name == "class")
}

fn raw(column: &SchemaColumn) -> Column {
    Column {
        name: column.name.clone(),
        shape: column.shape.clone(),
        classes: column.classes.clone().filter(|_| !column.text).map(Arc::from),
        from: vec![column.name.clone()],
        as_class: false,
        text: column.text,
    }
}

/// Puts a column in, in the place of one of the same name.
fn place_column(data: &mut Data, column: Column) -> usize {
    match data.columns.iter().position(|known| known.name == column.name) {
        Some(at) => {
            data.columns[at] = column;
            at
        }
        None => {
            data.columns.push(column);
            data.columns.len() - 1
        }
    }
}
