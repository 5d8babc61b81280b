//! Names, shapes, types: syntax trees to the typed [`typed::Program`], with
//! all independent errors collected.
//!
//! Every definition of the user's file is checked once with its dims open
//! ([`define`]); then the file is elaborated in order: functions inlined,
//! `for` unrolled, instances made ([`expr`], [`call`], [`stmt`], [`train`]).
//! An expression in error has [`value::Value::Unknown`], which silences what
//! follows from it.
//!
//! The compiler does no IO: files and data schemas come through [`World`].

mod align;
mod args;
mod arith;
mod call;
mod columns;
mod data;
mod dataset;
mod define;
pub mod dims;
mod emit;
mod epoch_end;
mod evaluate;
mod expr;
mod field;
mod files;
mod fits;
mod foreign;
mod import;
mod index;
mod intrinsics;
mod item;
mod kept;
mod known;
mod limits;
mod movement;
mod names;
mod needs;
mod optimize;
mod params;
mod parts;
mod phase;
pub mod picture;
mod place;
mod plots;
mod reduce;
mod require;
pub mod rows;
mod scan;
mod scope;
mod series;
mod shape;
mod shared;
mod show;
mod signal;
mod stmt;
mod tables;
mod teach;
mod texts;
pub mod tokens;
mod train;
pub mod typed;
mod unparsed;
mod unroll;
mod value;
mod windows;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast;

pub use scope::{Binding, Frame, Phase};
use typed::NodeId;
use value::{Def, DefId, Instance, InstanceId, Value};

/// What the compiler asks of the outside. It is asked from the thread that checks.
pub trait World: Sync {
    /// The text of an imported file, by its path as written, relative to the importing file.
    fn import(&self, from: &str, path: &str) -> Result<(String, String), String>;
    /// A path of data that an imported file names, as the main file would write it: beside the imported file, if it is
    /// there.
    fn beside(&self, file: &str, path: &str) -> String {
        let _ = file;
        path.to_string()
    }

    /// What is known of a data source without reading its numbers.
    fn schema(&self, source: &typed::Source) -> Result<Schema, SchemaError>;

    /// The exact number of rows of each part, `all` included; may read the data.
    fn parts(&self, program: &typed::Program, data: typed::DataId) -> Result<Vec<(String, u64)>, SchemaError>;
}

/// Headers, sizes and categories of a data source.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Its columns.
    pub columns: Vec<SchemaColumn>,
    /// Rows, its own test part not counted.
    pub rows: u64,
    /// Rows of its own test part.
    pub test_rows: u64,
}

/// One column of a source.
#[derive(Clone, Debug)]
pub struct SchemaColumn {
    /// Its name.
    pub name: String,
    /// Shape of a row.
    pub shape: Vec<usize>,
    /// Names of its classes, if it holds classes or text categories.
    pub classes: Option<Vec<String>>,
    /// Whether it is text.
    pub text: bool,
    /// Names it would have as classes, if its numbers are whole.
    pub as_classes: Option<Vec<String>>,
    /// Of texts that are nearly all numbers, the first cell that is none: a line that names file and row.
    pub odd: Option<String>,
}

/// Why a schema could not be read.
#[derive(Clone, Debug)]
pub struct SchemaError {
    /// One line.
    pub message: String,
    /// How to go on.
    pub help: Option<String>,
}

/// What the program is checked with.
pub struct Options<'a> {
    /// `--set NAME=VALUE`, as written.
    pub set: Vec<(String, String)>,
    /// `--seed`
    pub seed: i64,
    /// What the parser found wrong with the file: names of statements it lost are not missed.
    pub unparsed: &'a [Diagnostic],
    /// Files and data.
    pub world: &'a dyn World,
}

/// Checks a parsed file. The program is complete only if no diagnostic is an error.
///
/// Safe on any stack: the work is done on a thread with one of its own, deep enough for what `limits` allows.
pub fn check(
    sources: &mut SourceMap,
    main: FileId,
    file: ast::File,
    options: &Options<'_>,
) -> (typed::Program, Vec<Diagnostic>) {
    let text = sources.file(main).text.clone();
    limits::on_deep_stack(|| {
        let mut checker = Checker::new(sources, options);
        checker.note_unparsed(&text, options.unparsed);
        checker.load_prelude();
        let main = checker.add_file(main, file, Some(0));
        checker.apply_settings(main);
        checker.check_definitions(main);
        checker.run_file(main);
        checker.teach(main);
        checker.finish()
    })
}

/// Names of one file.
struct FileScope {
    id: FileId,
    ast: Rc<ast::File>,
    /// Order-free names: definitions, consts, imports.
    items: HashMap<String, Item>,
    /// The file whose names stand behind its own (the prelude), if any.
    behind: Option<usize>,
    /// An import without a name that is in error: an unknown name may be from there.
    missing: Option<Span>,
    /// Whether its models and data sets have been made, if it is imported.
    brought: bool,
}

/// An order-free name.
#[derive(Clone, Debug)]
struct Item {
    value: ItemValue,
    span: Span,
}

#[derive(Clone, Debug)]
enum ItemValue {
    Def(DefId),
    /// Not yet computed const: its expression.
    Const(Rc<ast::Expr>),
    /// Being computed: a cycle if met again.
    Computing,
    Value(Value),
    File(usize),
}

/// A list with a name, and the tensor that it has become.
struct NamedList {
    /// Keeps its place in memory.
    _items: Rc<Vec<Value>>,
    tensor: Option<value::Tensor>,
}

/// The state of one check.
struct Checker<'a> {
    sources: &'a mut SourceMap,
    options: &'a Options<'a>,
    diagnostics: Vec<Diagnostic>,
    /// Code and place of what was reported, so that nothing is said twice.
    said: HashSet<(Code, Span)>,
    /// Errors met, repetitions included.
    errors: usize,
    program: typed::Program,
    files: Vec<FileScope>,
    definitions: Vec<Def>,
    instances: Vec<Instance>,
    frames: Vec<Frame>,
    phase: Phase,
    /// Definitions being inlined, against recursion.
    inlining: Vec<DefId>,
    /// Known numbers with a name, and what was computed from them.
    links: known::Links,
    /// Lists with a name by their place in memory, and the tensor that each has become.
    lists: HashMap<*const Vec<Value>, NamedList>,
    /// Read node of each slot and version; constants by their bits.
    reads: HashMap<(typed::SlotId, u32), NodeId>,
    versions: Vec<u32>,
    /// Number of file-level writes so far.
    writes: u32,
    places: HashMap<u32, String>,
    paths: HashMap<String, u32>,
    /// Actions with their place in the order: statement number, 0 before it and 1 at it.
    actions: Vec<((usize, u8), typed::Action)>,
    statement: usize,
    seed: i64,
    /// The operator being worked out: where two operands fail to meet.
    operator: Option<Span>,
    /// Numbers of classes that were said to differ, by statement.
    conflicts: HashSet<(usize, String, String)>,
    /// Names that statements in error may have bound, and the places of the errors.
    unparsed: unparsed::Unparsed,
    /// Where the user wrote what became a node, by node.
    written: Vec<Span>,
    /// Blocks that are not taken whose names have been checked.
    named: HashSet<Span>,
    /// Names that nothing uses, by place.
    unused: HashSet<Span>,
    /// Names of the data sets, by number.
    sets: Vec<data::Set>,
    /// The set whose block is being elaborated.
    block: Option<typed::DataId>,
    /// Rows of parts that were counted.
    exact: HashMap<typed::DataId, Vec<(String, u64)>>,
    /// The folds of a set, by their number.
    folded: HashMap<(typed::DataId, i64), Vec<typed::DataId>>,
    /// Fits of the columns that an instance was trained on.
    trained_fits: HashMap<InstanceId, Vec<typed::SlotId>>,
    /// The name being looked up to be called.
    callee: Option<Span>,
    /// Whether the rows at hand are of a set that is in error.
    columns_unknown: bool,
    /// Sets some of whose columns are in error: an unknown name may be one of them.
    blind: HashSet<typed::DataId>,
    /// Numbers given so far to statements of the file, by their kind or by what they bind.
    statement_places: HashMap<String, u32>,
    /// Turns of file-level `for`s.
    turns: Vec<u32>,
    /// First values waiting for their `Set` action, by (order, seed).
    inits: Vec<((usize, i64), typed::SlotId, NodeId)>,
    /// Trains by the instance they train, for `evaluate`.
    trained: HashMap<InstanceId, Rc<train::Trained>>,
    /// What an optimiser's body sees, innermost last.
    optimizing: Vec<optimize::Optimizing>,
    /// Trains so far, for the names of those without a subject.
    train_count: u32,
    /// How often a train of a place in the text and of a name has been met, for the names of files.
    train_turns: HashMap<(Span, String), u32>,
    /// Numbers of trains by their place in the text: every turn of a loop over one makes the same draws.
    train_places: HashMap<Span, u32>,
    /// The subject of the train at hand, or the whole of it.
    train_span: Span,
    train_whole: Span,
    /// Figures of the train at hand whose values are in error.
    failed_figures: Vec<String>,
    /// Whether the set of the train at hand has a `val` part, if the set is known.
    validated: Option<bool>,
    /// Whether a definition is being checked with open dims.
    open: bool,
    /// Texts of the prelude.
    prelude: Vec<FileId>,
    /// Files being imported, against cycles.
    importing: Vec<usize>,
    /// Names of `--set` that were consts of imported files.
    was_set: HashSet<String>,
    /// The importing file and the imported one of each import, by the place of its path.
    imported: HashMap<Span, (usize, usize)>,
    /// Definitions of the file's models, by the place of their name.
    model_definitions: HashMap<Span, DefId>,
    /// `load`s of instances: action, instance, `at`.
    loads: Vec<(usize, InstanceId, Option<String>)>,
    /// Copies of instances whose sizes are not known yet: of which, the copy, where it was made.
    clones: Vec<(InstanceId, InstanceId, Span)>,
    /// The outermost loop being unrolled.
    loop_span: Option<Span>,
    /// What is known of the rows of each table.
    tables: Vec<tables::Recorded>,
    /// A limit was reached: nothing more is worked out, so that a program cannot hang or eat all memory.
    exhausted: bool,
    /// Consts that the check of a definition by itself computed: file, name, expression.
    open_consts: Vec<(usize, String, Rc<crate::syntax::ast::Expr>)>,
    /// Work done again and again, expressions inside of each other, comparisons of names: see [`limits`].
    spent: limits::Spent,
    /// What the statements of each file bind, by name; made when an unknown name is first met.
    bound: HashMap<usize, Rc<limits::BoundNames>>,
    /// The walk that came to each node last, so that walks need no set of their own.
    walked: Vec<u32>,
    /// The number of the last walk.
    walk: u32,
}

impl<'a> Checker<'a> {
    fn new(sources: &'a mut SourceMap, options: &'a Options<'a>) -> Self {
        let root = Instance {
            definition: None,
            settings: Vec::new(),
            path: String::new(),
            slots: Vec::new(),
            children: Vec::new(),
            names: HashMap::new(),
            places: HashMap::new(),
            made: Span::default(),
            applied: Some(Span::default()),
            context: None,
            order: (0, options.seed),
        };
        Checker {
            sources,
            options,
            diagnostics: Vec::new(),
            said: HashSet::new(),
            errors: 0,
            program: typed::Program::default(),
            files: Vec::new(),
            definitions: Vec::new(),
            instances: vec![root],
            frames: Vec::new(),
            phase: Phase::default(),
            inlining: Vec::new(),
            links: known::Links::default(),
            lists: HashMap::new(),
            reads: HashMap::new(),
            versions: Vec::new(),
            writes: 0,
            places: HashMap::new(),
            paths: HashMap::new(),
            actions: Vec::new(),
            statement: 0,
            seed: options.seed,
            operator: None,
            conflicts: HashSet::new(),
            unparsed: unparsed::Unparsed::default(),
            written: Vec::new(),
            named: HashSet::new(),
            unused: HashSet::new(),
            sets: Vec::new(),
            block: None,
            exact: HashMap::new(),
            folded: HashMap::new(),
            trained_fits: HashMap::new(),
            callee: None,
            columns_unknown: false,
            blind: HashSet::new(),
            statement_places: HashMap::new(),
            turns: Vec::new(),
            inits: Vec::new(),
            trained: HashMap::new(),
            optimizing: Vec::new(),
            train_count: 0,
            train_turns: HashMap::new(),
            train_places: HashMap::new(),
            train_span: Span::default(),
            train_whole: Span::default(),
            failed_figures: Vec::new(),
            validated: None,
            open: false,
            prelude: Vec::new(),
            importing: Vec::new(),
            was_set: HashSet::new(),
            imported: HashMap::new(),
            model_definitions: HashMap::new(),
            loads: Vec::new(),
            clones: Vec::new(),
            loop_span: None,
            tables: Vec::new(),
            exhausted: false,
            open_consts: Vec::new(),
            spent: limits::Spent::default(),
            bound: HashMap::new(),
            walked: Vec::new(),
            walk: 0,
        }
    }

    /// Reports once. A place inside the prelude is no help to the user: the call that led there comes first.
    fn report(&mut self, diagnostic: Diagnostic) -> Value {
        let diagnostic = self.placed(diagnostic);
        self.errors += usize::from(diagnostic.is_error());
        if self.said.insert((diagnostic.code, diagnostic.primary.span)) {
            self.diagnostics.push(diagnostic);
            self.exhausted |= self.diagnostics.len() >= limits::DIAGNOSTIC_LIMIT;
        }
        Value::Unknown
    }

    /// [`Checker::report`] of a code, message and place.
    fn error(&mut self, code: Code, message: impl Into<String>, span: Span) -> Value {
        self.report(Diagnostic::new(code, message, span))
    }

    /// The innermost call in a file that is not the prelude.
    fn user_call(&self) -> Option<Span> {
        let users = |span: &Span| *span != Span::default() && !self.prelude.contains(&span.file);
        self.frames.iter().rev().map(|frame| frame.call_span).find(users)
    }

    /// Errors met so far, also those that had been said before: whether something went wrong is their difference.
    fn errors(&self) -> usize {
        self.errors
    }

    fn finish(mut self) -> (typed::Program, Vec<Diagnostic>) {
        self.finish_loads();
        self.flush_inits();
        self.actions.sort_by_key(|(order, _)| *order);
        self.program.actions = std::mem::take(&mut self.actions).into_iter().map(|(_, action)| action).collect();
        if self.errors == 0 {
            self.share_values();
        }
        self.note_needs();
        (self.program, self.diagnostics)
    }
}
