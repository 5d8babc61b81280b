//! Statements and items to text.

use super::Printer;
use crate::syntax::ast::{
    Arg, Block, DataStmt, DataStmtKind, Definition, EveryUnit, Expr, Group, Name, Named, On, Stmt, StmtKind,
};

impl Printer {
    pub(super) fn statement(&mut self, statement: &Stmt) {
        for line in statement.doc.iter().flat_map(|doc| doc.split('\n')) {
            self.margin();
            self.word(if line.is_empty() { "##" } else { "## " });
            self.word(line);
            self.word("\n");
        }
        self.margin();
        self.statement_kind(&statement.kind);
        self.word("\n");
    }

    fn statement_kind(&mut self, kind: &StmtKind) {
        match kind {
            StmtKind::Const(constants) => self.pairs("const ", constants),
            StmtKind::Import { path, alias } => {
                self.out.push_str(&format!(
                    "import \"{}\"",
                    path.0.replace('\\', "\\\\").replace('"', "\\\"").replace('{', "\\{")
                ));
                self.maybe(" as ", alias.as_ref(), |printer, name| printer.name(&name.text));
            }
            StmtKind::Fn(definition) => self.definition("fn ", definition, false, true),
            StmtKind::Layer(definition) => self.definition("layer ", definition, true, true),
            StmtKind::Model(definition) => self.definition("model ", definition, false, true),
            StmtKind::Optimizer(definition) => self.definition("optimizer ", definition, true, false),
            StmtKind::Data { name, source, like, body } => {
                self.word("data ");
                self.name(&name.text);
                self.word(" = ");
                self.expr(source);
                self.maybe(" as ", like.as_ref(), Self::path);
                self.maybe("", body.as_ref(), |printer, lines| printer.data_block(lines));
            }
            StmtKind::Train { subject, on, log, body } => {
                self.word("train");
                self.maybe(" ", subject.as_ref(), Self::path);
                self.on(on);
                self.maybe(" as ", log.as_ref(), |printer, name| printer.name(&name.text));
                self.block(body);
            }
            StmtKind::Let { pattern, value, on } => {
                self.word("let ");
                self.pattern(pattern);
                self.word(" = ");
                self.expr(value);
                self.on(on);
            }
            StmtKind::Fit { name, value } => {
                self.word("fit ");
                self.name(&name.text);
                self.maybe(" = ", Some(value), Self::expr);
            }
            StmtKind::Param(declared) => {
                self.word("param ");
                self.list(declared, Self::declared);
            }
            StmtKind::State(declared) => {
                self.word("state ");
                self.list(declared, Self::declared);
            }
            StmtKind::Next { target, value } => {
                self.word("next ");
                self.path(target);
                self.maybe(" = ", Some(value), Self::expr);
            }
            StmtKind::Emit(value) => self.maybe("emit ", Some(value), Self::expr),
            StmtKind::Final(value) => self.maybe("final ", Some(value), Self::expr),
            StmtKind::Expr(value) => self.expr(value),
            StmtKind::Print { values, on } => {
                self.word("print ");
                self.list(values, Self::expr);
                self.on(on);
            }
            StmtKind::Plot { values, on, to } => {
                self.word("plot ");
                self.list(values, Self::expr);
                self.on(on);
                self.maybe(" as ", to.as_ref(), Self::expr);
            }
            StmtKind::Assert { condition, message, on } => {
                self.maybe("assert ", Some(condition), Self::expr);
                self.maybe(", ", message.as_ref(), Self::expr);
                self.on(on);
            }
            StmtKind::Save { what, to } => {
                self.maybe("save ", Some(what), Self::path);
                self.maybe(" as ", Some(to), Self::expr);
            }
            StmtKind::Load { what, from, at } => {
                self.maybe("load ", Some(what), Self::path);
                self.maybe(" from ", Some(from), Self::expr);
                self.maybe(" at ", at.as_ref(), Self::expr);
            }
            StmtKind::Record { values, on, into } => {
                self.word("record ");
                self.list(values, Self::named);
                self.on(on);
                self.word(" into ");
                self.name(&into.text);
            }
            StmtKind::Seed(value) => self.maybe("seed ", Some(value), Self::expr),
            StmtKind::Minimize { objective, groups } => {
                self.maybe("minimize ", Some(objective), Self::expr);
                groups.iter().for_each(|group| self.group(group));
            }
            StmtKind::Watch(values) => {
                self.word("watch ");
                self.list(values, Self::named);
            }
            StmtKind::Phase { name, times, body } => {
                self.word("phase ");
                self.name(&name.text);
                self.maybe(" times ", times.as_ref(), Self::expr);
                self.block(body);
            }
            StmtKind::Epochs(value) => self.maybe("epochs ", Some(value), Self::expr),
            StmtKind::Steps(value) => self.maybe("steps ", Some(value), Self::expr),
            StmtKind::Batch(value) => self.maybe("batch ", Some(value), Self::expr),
            StmtKind::Stop(value) => self.maybe("stop when ", Some(value), Self::expr),
            StmtKind::Keep { highest, figure } => {
                self.word(if *highest { "keep highest " } else { "keep lowest " });
                self.path(figure);
            }
            StmtKind::Every { count, unit, body } => {
                self.maybe("every ", Some(count), Self::expr);
                self.word(match unit {
                    EveryUnit::Epochs => " epochs",
                    EveryUnit::Steps => " steps",
                });
                self.block(body);
            }
        }
    }

    fn definition(&mut self, head: &str, definition: &Definition, settings: bool, inputs: bool) {
        self.word(head);
        self.name(&definition.name.text);
        if settings {
            self.args(&definition.settings);
        }
        if inputs {
            self.args(&definition.inputs);
        }
        self.maybe(" -> ", definition.result.as_ref(), Self::ty);
        self.block(&definition.body);
    }

    fn args(&mut self, args: &[Arg]) {
        self.word("(");
        self.list(args, |printer, arg| {
            printer.name(&arg.name.text);
            printer.maybe(": ", arg.ty.as_ref(), Self::ty);
            printer.maybe(" = ", arg.default.as_ref(), Self::expr);
        });
        self.word(")");
    }

    /// A blank and `{ ... }`, a line for each statement.
    pub(super) fn block(&mut self, block: &Block) {
        self.word(" {");
        self.indent += 1;
        self.word("\n");
        block.stmts.iter().for_each(|statement| self.statement(statement));
        if let Some(value) = &block.value {
            self.margin();
            self.expr(value);
            self.word("\n");
        }
        self.indent -= 1;
        self.margin();
        self.word("}");
    }

    fn data_block(&mut self, lines: &[DataStmt]) {
        self.word(" {");
        self.indent += 1;
        for line in lines {
            self.new_line();
            match &line.kind {
                DataStmtKind::Input(value) => self.maybe("input ", Some(value), Self::expr),
                DataStmtKind::Target(value) => self.maybe("target ", Some(value), Self::expr),
                DataStmtKind::KeepRows(value) => self.maybe("keep_rows ", Some(value), Self::expr),
                DataStmtKind::Column { name, value } => {
                    self.word("column ");
                    self.name(&name.text);
                    self.maybe(" = ", Some(value), Self::expr);
                }
                DataStmtKind::Split(shares) => self.pairs("split ", shares),
            }
        }
        self.indent -= 1;
        self.new_line();
        self.word("}");
    }

    fn pairs(&mut self, head: &str, pairs: &[(Name, Expr)]) {
        self.word(head);
        let split = head == "split ";
        self.list(pairs, |printer, (name, value)| {
            if split {
                printer.any_name(&name.text)
            } else {
                printer.name(&name.text)
            }
            printer.word(" = ");
            printer.expr(value);
        });
    }

    fn named(&mut self, named: &Named) {
        if let Some(name) = &named.name {
            self.any_name(&name.text);
            self.word(" = ");
        }
        self.expr(&named.value);
    }

    fn group(&mut self, group: &Group) {
        if !group.over.is_empty() {
            self.word(" over ");
            self.list(&group.over, Self::expr);
        }
        self.maybe(" with ", Some(&group.with), Self::expr);
    }

    fn on(&mut self, on: &Option<On>) {
        let Some(On { part, by, .. }) = on else { return };
        self.maybe(" on ", Some(part), Self::postfix);
        self.maybe(" by ", by.as_ref(), Self::expr);
    }
}
