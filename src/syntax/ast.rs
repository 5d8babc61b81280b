//! The untyped syntax tree of one file.
//!
//! Out of `parse`; every node has its span. Invariant: the tree's depth is
//! bounded (nesting limit 256 times a small constant): chains of operators of
//! one level, `|>` chains, `else if` chains and statement lists are flat, so
//! walkers may recurse.

use crate::source::Span;

/// A name as written, NFC, without back-quotes.
#[derive(Clone, Debug)]
pub struct Name {
    /// The text.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A dotted path: `Mlp.dense1.w`, `repeat1[0]` included as index steps.
#[derive(Clone, Debug)]
pub struct Path {
    /// The first name.
    pub head: Name,
    /// The fields after it.
    pub rest: Vec<PathStep>,
    /// The whole.
    pub span: Span,
}

/// One step of a path.
#[derive(Clone, Debug)]
pub enum PathStep {
    /// `.name`
    Field(Name),
    /// `[3]`
    Index(Expr),
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Items and statements in file order. A statement that did not parse is absent (its diagnostic is reported).
    pub stmts: Vec<Stmt>,
    /// `nnc 1` at the top.
    pub version: Option<(u32, Span)>,
}

/// `{ stmt* expr? }`
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The statements.
    pub stmts: Vec<Stmt>,
    /// The last line, if it is an expression.
    pub value: Option<Box<Expr>>,
    /// The braces and what is between.
    pub span: Span,
}

/// A statement or item with its place.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// Which.
    pub kind: StmtKind,
    /// The whole statement.
    pub span: Span,
    /// The `##` lines above an item, joined by newlines, without the marks.
    pub doc: Option<String>,
}

/// Items and statements. Which of them may stand where is the checker's matter,
/// except that heads such as `print` are only words in file, `for`, train, phase and `every` bodies.
#[derive(Clone, Debug)]
pub enum StmtKind {
    // Items.
    /// `const a = 1, b = 2`
    Const(Vec<(Name, Expr)>),
    /// `import "x.nn" as x`
    Import { path: (String, Span), alias: Option<Name> },
    /// `fn`
    Fn(Definition),
    /// `layer`
    Layer(Definition),
    /// `model`
    Model(Definition),
    /// `optimizer`
    Optimizer(Definition),
    /// `data name = expr as path | { ... }`
    Data { name: Name, source: Expr, like: Option<Path>, body: Option<Vec<DataStmt>> },
    /// `train M on d as log { ... }`
    Train { subject: Option<Path>, on: Option<On>, log: Option<Name>, body: Block },

    // Everywhere.
    /// `let pattern = expr on part`
    Let { pattern: Pattern, value: Expr, on: Option<On> },
    /// `fit name = expr`
    Fit { name: Name, value: Expr },
    /// `param w: f32[D] ~ f, b = 0`
    Param(Vec<Declared>),
    /// `state m = zeros`
    State(Vec<Declared>),
    /// `next path = expr`
    Next { target: Path, value: Expr },
    /// `emit expr`
    Emit(Expr),
    /// `final expr`
    Final(Expr),
    /// `for` and `if` (and `scan`) as statements, and any expression that stands alone before the last line.
    Expr(Expr),

    // File, file-level `for`, `every`.
    /// `print a, b on part`
    Print { values: Vec<Expr>, on: Option<On> },
    /// `plot a, b on part as "x.svg"`
    Plot { values: Vec<Expr>, on: Option<On>, to: Option<Expr> },
    /// `assert cond, "message" on part`
    Assert { condition: Expr, message: Option<Expr>, on: Option<On> },
    /// `save M as "x.safetensors"`
    Save { what: Path, to: Expr },
    /// `load M from "x.safetensors" at "A.trunk"`
    Load { what: Path, from: Expr, at: Option<Expr> },
    /// `record a, name = e on part into runs`
    Record { values: Vec<Named>, on: Option<On>, into: Name },
    /// `seed 1`
    Seed(Expr),

    // Train bodies.
    /// `minimize e over a, b with rule over rest with rule2`
    Minimize { objective: Expr, groups: Vec<Group> },
    /// `watch a, name = e`
    Watch(Vec<Named>),
    /// `phase name times k { ... }`
    Phase { name: Name, times: Option<Expr>, body: Block },
    /// `epochs 5`
    Epochs(Expr),
    /// `steps 5`
    Steps(Expr),
    /// `batch 64`
    Batch(Expr),
    /// `stop when e`
    Stop(Expr),
    /// `keep highest val.accuracy`
    Keep { highest: bool, figure: Path },
    /// `every 1 epochs { ... }`
    Every { count: Expr, unit: EveryUnit, body: Block },
}

/// `on part by n`: whose rows are at hand.
#[derive(Clone, Debug)]
pub struct On {
    /// The part, or the set.
    pub part: Expr,
    /// So many rows at a time, the values averaged.
    pub by: Option<Expr>,
    /// Both.
    pub span: Span,
}

/// The unit of `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EveryUnit {
    /// `epochs`
    Epochs,
    /// `steps`
    Steps,
}

/// `over targets with rule`
#[derive(Clone, Debug)]
pub struct Group {
    /// Empty: no `over`. `over rest` is the name `rest`.
    pub over: Vec<Expr>,
    /// The optimiser.
    pub with: Expr,
    /// The whole.
    pub span: Span,
}

/// A statement of a data block.
#[derive(Clone, Debug)]
pub struct DataStmt {
    /// Which.
    pub kind: DataStmtKind,
    /// Where.
    pub span: Span,
}

/// Statements of a data block.
#[derive(Clone, Debug)]
pub enum DataStmtKind {
    /// `input expr`
    Input(Expr),
    /// `target expr`
    Target(Expr),
    /// `column name = expr`
    Column { name: Name, value: Expr },
    /// `keep_rows expr`
    KeepRows(Expr),
    /// `split train = 0.9, val = 0.1, stratify = label`
    Split(Vec<(Name, Expr)>),
}

/// A `fn`, `layer`, `model` or `optimizer`.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: Name,
    /// `layer` and `optimizer`: the settings. Empty for `fn` and `model`.
    pub settings: Vec<Arg>,
    /// The inputs. Empty for `optimizer`.
    pub inputs: Vec<Arg>,
    /// `-> type`
    pub result: Option<TypeExpr>,
    /// The body; `= expr` is a block with only a value.
    pub body: Block,
}

/// A declared argument: `hidden: H = 3`.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Option<TypeExpr>,
    /// Its default.
    pub default: Option<Expr>,
}

/// One `param`, `state` or carry: `name: type = value` or `~ filler`.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Option<TypeExpr>,
    /// `= expr`
    pub value: Option<Expr>,
    /// `~ filler` stands instead of `= value`.
    pub filler: Option<Expr>,
}

/// `name = expr` or just `expr`.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name, if given.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// What a `let`, `for` or `scan` binds.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// `x`
    Name(Name),
    /// `(a, (b, c))`
    Tuple(Vec<Pattern>, Span),
}

impl Pattern {
    /// The names that it binds, in order.
    pub fn names(&self) -> Vec<&Name> {
        match self {
            Pattern::Name(name) => vec![name],
            Pattern::Tuple(parts, _) => parts.iter().flat_map(Pattern::names).collect(),
        }
    }
}

/// A type as written.
#[derive(Clone, Debug)]
pub struct TypeExpr {
    /// Which.
    pub kind: TypeKind,
    /// Where.
    pub span: Span,
}

impl TypeExpr {
    /// Whether it is of a tensor that is no scalar.
    pub fn has_axes(&self) -> bool {
        matches!(&self.kind, TypeKind::Tensor { shape, .. } if !shape.is_empty())
    }
}

/// Types as written.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `f32[B, 28]`, `class(V)[B]`; no shape: a scalar.
    Tensor { elem: ElemExpr, shape: Vec<ShapeItem> },
    /// `(f32[B], f32[B])`
    Tuple(Vec<TypeExpr>),
    /// `fn`, `layer`, `params`, `list`, `string`
    Word(String),
    /// A bare name binds a dim: `units: U`.
    Dim(Name),
}

/// An element type as written.
#[derive(Clone, Debug)]
pub enum ElemExpr {
    /// `f32`
    F32,
    /// `int`
    Int,
    /// `bool`
    Bool,
    /// `class(V)`; the count is a dim expression.
    Class(Box<Expr>),
}

/// One entry of a shape.
#[derive(Clone, Debug)]
pub enum ShapeItem {
    /// A dim: names, numbers, `+ - * / // %`, brackets.
    Dim(Expr),
    /// `...`
    Ellipsis(Span),
}

/// An expression with its place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// The whole expression.
    pub span: Span,
}

/// Expressions.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `1_000`, `1e-3`. `int` is set when it was written without `.` and exponent and fits.
    Number { value: f64, int: Option<i64> },
    /// `"text {expr}"`
    Text(Vec<TextPart>),
    /// `true`, `false`
    Bool(bool),
    /// `x`
    Name(String),
    /// `next path`
    Next(Box<Path>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `(a, b)`; one element in brackets is just that element.
    Tuple(Vec<Expr>),
    /// `-x`, `not x`
    Unary(UnaryOp, Box<Expr>),
    /// Left-associative operators of one level, flat: `a + b - c`. Also `^` (always one, right-nested),
    /// comparisons (always one) and `..` (always one).
    Chain { first: Box<Expr>, rest: Vec<(BinaryOp, Span, Expr)> },
    /// `x |> a |> b`; a stage is a postfix expression, `repeat` or a block form.
    Pipe { input: Box<Expr>, stages: Vec<Expr> },
    /// `repeat n { stage |> stage }`; only a stage of a pipe.
    Repeat { count: Box<Expr>, stages: Vec<Expr> },
    /// `f(a, k = v)`
    Call { callee: Box<Expr>, args: Vec<CallArg> },
    /// `x[1, :, 2:]`
    Index { base: Box<Expr>, items: Vec<IndexItem> },
    /// `x.name`
    Field { base: Box<Expr>, name: Name },
    /// `if c { } else if d { } else { }`, flat.
    If { branches: Vec<(Expr, Block)>, otherwise: Option<Block> },
    /// `for a in x, b in y with c = 0 { }`
    For { bindings: Vec<(Pattern, Expr)>, carries: Vec<Declared>, body: Block },
    /// `scan x_t in x along T with h = zeros { }`
    Scan { pattern: Pattern, input: Box<Expr>, along: Option<Box<Expr>>, carries: Vec<Declared>, body: Block },
}

/// A piece of a string.
#[derive(Clone, Debug)]
pub enum TextPart {
    /// Text with escapes resolved.
    Text(String),
    /// `{expr}`
    Expr(Expr),
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub struct CallArg {
    /// `k =`
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// One item between `[` and `]`.
#[derive(Clone, Debug)]
pub enum IndexItem {
    /// `i`
    At(Expr),
    /// `a:b`, `a:`, `:b`, `:`
    Slice(Option<Expr>, Option<Expr>, Span),
    /// `...`
    Ellipsis(Span),
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `not`
    Not,
}

/// Infix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Contract,
    Pow,
    Range,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}
