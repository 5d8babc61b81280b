//! The closed table of primitives.
//!
//! Every room matches [`Op`] exhaustively, without a `_` arm: a new op does not
//! compile until shape rule, adjoint, printer, interpreter and lowering know it.

use std::sync::Arc;

use super::graph::SlotId;
use super::scan::Scan;
use super::types::DType;

/// A primitive with its attributes. `D` is the type of a size (see [`super::Type`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op<D = usize> {
    /// A slot's value as at the step's start.
    Input(SlotId),
    /// A splat or table of the given shape.
    Const { value: Const, shape: Vec<D> },
    /// i32: the index along `axis`.
    Iota { axis: usize, shape: Vec<D> },
    /// Operands (seed, step, turn), i32 scalars. Uniform f32 k·2⁻²⁴ in [0, 1) from Philox4x32-7 keyed by
    /// (place, seed), counter (block, step, turn); `base` is the number of the first element.
    Random { place: u32, base: u64, shape: Vec<D> },
    /// One operand, elementwise.
    Unary(Unary),
    /// Two operands of one type, elementwise. i32 wraps.
    Binary(Binary),
    /// Two operands of one type; bool result.
    Compare(Comparison),
    /// bool, bool.
    And,
    /// bool, bool.
    Or,
    /// bool.
    Not,
    /// (bool condition, a, b), all of one shape.
    Select,
    /// To another element type: f32 to i32 truncates and saturates (NaN to 0); bool to number is 0 or 1; number to bool is != 0.
    Convert(DType),
    /// Identity without gradient.
    StopGradient,
    /// Operand axis i becomes result axis `axes[i]` (ascending); sizes equal or 1 to anything.
    Broadcast { shape: Vec<D>, axes: Vec<usize> },
    /// Same elements in row-major order, other shape. Reshape to the same shape is the identity that names a value.
    Reshape { shape: Vec<D> },
    /// Result axis i is operand axis `perm[i]`.
    Transpose { perm: Vec<usize> },
    /// Per axis: first index, number of elements, step (may be negative).
    Slice { start: Vec<D>, size: Vec<D>, step: Vec<i64> },
    /// Adjoint of slice: the operand laid into zeros of `shape`.
    Unslice { start: Vec<D>, step: Vec<i64>, shape: Vec<D> },
    /// Any number of operands, joined along `axis`.
    Concat { axis: usize },
    /// f32. Sliding windows: `axis`, of `window.n` elements, becomes two axes (window.out, window.k); outside reads `fill`.
    Unfold { axis: usize, window: Window<D>, fill: Fill },
    /// Adjoint of unfold: axes `axis` and `axis + 1` become one of `window.n`; what several windows hold is added from
    /// zero in order of windows, what lies outside is dropped.
    Fold { axis: usize, window: Window<D> },
    /// Axes summed away (ascending list). f32 or i32.
    Sum { axes: Vec<usize> },
    /// Maximum over axes (ascending list). f32 or i32.
    MaxOf { axes: Vec<usize> },
    /// Two f32 operands; pairs (axis of a, axis of b). Result: batch axes, free axes of a, free axes of b.
    Contract { batch: Vec<(usize, usize)>, over: Vec<(usize, usize)> },
    /// A face of the convolution's form Σ x[b, gC+c, o·step + j·dilation - lo] · w[gO+f, c, j] · y[b, gO+f, o] over
    /// x[B, GC, n..], w[GO, C, k..], y[B, GO, out..]: the factor of one of the three, from the other two. Outside, x is 0.
    Conv { face: Face, windows: Vec<Window<D>>, groups: usize },
    /// (x, i): `axis` of x is replaced by i's shape; indices clamped to the axis, clamping sets a fault flag.
    Gather { axis: usize },
    /// (u, i): adjoint of gather; axes `axis..axis+rank(i)` of u become one of `size`, added from zero in order of i.
    ScatterAdd { axis: usize, size: D },
    /// One result of a loop with the operands and results that [`Scan`] describes.
    Scan { scan: Arc<Scan>, result: usize },
    /// (x, v, i): x with v at index i of `axis`; i is an i32 scalar (clamped), v has the shape of x without the axis.
    Put { axis: usize },
    /// The i32 indices that sort x along `axis`: ascending, NaN last, equal ones in their order.
    Argsort { axis: usize },
}

/// Windows along one axis: element j of window o lies at o·step + j·dilation - lo of 0..n; elsewhere is padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window<D = usize> {
    /// Elements of the axis.
    pub n: D,
    /// Windows.
    pub out: D,
    /// Elements of a window.
    pub k: usize,
    /// From window to window.
    pub step: usize,
    /// From element to element.
    pub dilation: usize,
    /// Padding before the first element; cut off if negative.
    pub lo: i64,
}

impl Window {
    /// Where element `j` of window `o` lies, if it is no padding.
    pub fn place(&self, o: usize, j: usize) -> Option<usize> {
        let at = (o * self.step + j * self.dilation) as i64 - self.lo;
        usize::try_from(at).ok().filter(|&at| at < self.n)
    }

    /// Whether no window reaches into padding.
    pub fn is_inside(&self) -> bool {
        let last = (self.out.saturating_sub(1) * self.step + (self.k - 1) * self.dilation) as i64 - self.lo;
        self.lo <= 0 && last < self.n as i64
    }
}

/// What windows read outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fill {
    /// 0.
    Zero,
    /// -infinity: never the largest.
    Lowest,
}

impl Fill {
    /// As a number.
    pub fn value(self) -> f32 {
        match self {
            Fill::Zero => 0.0,
            Fill::Lowest => f32::NEG_INFINITY,
        }
    }

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Fill::Zero => "zero",
            Fill::Lowest => "lowest",
        }
    }
}

/// Which factor of the convolution's form is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// y from (x, w): the convolution.
    Out,
    /// x from (y, w): the transposed convolution.
    Input,
    /// w from (x, y).
    Weight,
}

impl Face {
    /// All of them.
    pub const ALL: [Face; 3] = [Face::Out, Face::Input, Face::Weight];

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Face::Out => "out",
            Face::Input => "input",
            Face::Weight => "weight",
        }
    }
}

/// Elementwise functions of one f32 (`Neg`, `Abs` also i32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Unary {
    Neg,
    Abs,
    Exp,
    Log,
    Sqrt,
    Sin,
    Cos,
    /// log(1 + eˣ), stable.
    Softplus,
    Tanh,
    /// 1/(1 + e⁻ˣ), stable.
    Logistic,
    Erf,
    ErfInv,
    Floor,
}

impl Unary {
    /// All of them, in table order.
    pub const ALL: [Unary; 13] = [
        Unary::Neg,
        Unary::Abs,
        Unary::Exp,
        Unary::Log,
        Unary::Sqrt,
        Unary::Sin,
        Unary::Cos,
        Unary::Softplus,
        Unary::Tanh,
        Unary::Logistic,
        Unary::Erf,
        Unary::ErfInv,
        Unary::Floor,
    ];

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Unary::Neg => "neg",
            Unary::Abs => "abs",
            Unary::Exp => "exp",
            Unary::Log => "log",
            Unary::Sqrt => "sqrt",
            Unary::Sin => "sin",
            Unary::Cos => "cos",
            Unary::Softplus => "softplus",
            Unary::Tanh => "tanh",
            Unary::Logistic => "logistic",
            Unary::Erf => "erf",
            Unary::ErfInv => "erfinv",
            Unary::Floor => "floor",
        }
    }
}

/// Elementwise functions of two numbers (f32; i32 except `Pow`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    /// f32: quotient; i32: floor, by zero 0.
    Div,
    /// a - floor(a/b)·b; i32 by zero 0.
    Rem,
    Pow,
    /// NaN in either operand wins.
    Max,
    /// NaN in either operand wins.
    Min,
}

impl Binary {
    /// All of them, in table order.
    pub const ALL: [Binary; 8] =
        [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Rem, Binary::Pow, Binary::Max, Binary::Min];

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Rem => "rem",
            Binary::Pow => "pow",
            Binary::Max => "max",
            Binary::Min => "min",
        }
    }
}

/// Comparisons; the other three by swapping and `not`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Comparison {
    Lt,
    Le,
    Eq,
}

impl Comparison {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Comparison::Lt => "lt",
            Comparison::Le => "le",
            Comparison::Eq => "eq",
        }
    }
}

/// Constant data. f32 values are compared and hashed by their bits.
#[derive(Clone, Debug)]
pub enum Const {
    /// The same f32 everywhere.
    F32(f32),
    /// The same i32 everywhere.
    I32(i32),
    /// The same bool everywhere.
    Bool(bool),
    /// A table in row-major order, as raw 4-byte words.
    Table { dtype: DType, words: Arc<[u32]> },
}

impl Const {
    /// Its element type.
    pub fn dtype(&self) -> DType {
        match self {
            Const::F32(_) => DType::F32,
            Const::I32(_) => DType::I32,
            Const::Bool(_) => DType::Bool,
            Const::Table { dtype, .. } => *dtype,
        }
    }
}

impl Eq for Const {}

impl PartialEq for Const {
    fn eq(&self, other: &Const) -> bool {
        match (self, other) {
            (Const::F32(a), Const::F32(b)) => a.to_bits() == b.to_bits(),
            (Const::I32(a), Const::I32(b)) => a == b,
            (Const::Bool(a), Const::Bool(b)) => a == b,
            (Const::Table { dtype: d, words: a }, Const::Table { dtype: e, words: b }) => d == e && a == b,
            (Const::F32(_) | Const::I32(_) | Const::Bool(_) | Const::Table { .. }, _) => false,
        }
    }
}
