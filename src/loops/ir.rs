//! The loops IR: kernels of loop nests over named buffers.
//!
//! A [`Program`] is buffers and a flat list of kernel runs, stretches of which
//! are repeated turn by turn ([`super::turns`]). A [`Kernel`] is one
//! loop nest or several, in single assignment form; its vector width appears
//! nowhere. Reductions have a fixed order that belongs to the meaning.
//!
//! Values: every [`ValueId`] is defined once (by a `Let`, or as the result of a
//! loop's reduce) before its uses, in the same or an enclosing body. Values
//! defined inside a `vec` loop (at any depth) are one per lane, others uniform.

use std::sync::Arc;

pub use super::affine::Affine;
use crate::ir::graph::id;
use crate::ir::{Comparison, DType, Face, Origin, SlotId, Unary, Window};

id! {
    /// A value of a kernel.
    ValueId "t"
}
id! {
    /// A loop variable of a kernel.
    VarId "i"
}
id! {
    /// A parameter of a kernel.
    ParamId "p"
}
id! {
    /// A buffer of a program.
    BufferId "b"
}
id! {
    /// A kernel of a program.
    KernelId "k"
}

/// One compiled step: buffers, kernels, and the order they run in.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// For messages and listings.
    pub name: String,
    /// All buffers.
    pub buffers: Vec<Buffer>,
    /// All kernels; equal kernels are shared by several runs.
    pub kernels: Vec<Kernel>,
    /// The step: a flat list.
    pub runs: Vec<Run>,
    /// Stretches of the list that are repeated, properly nested, outer ones first.
    pub loops: Vec<Turns>,
    /// Results for the host, in the order of the graph's figure outputs.
    pub figures: Vec<Figure>,
}

/// A result for the host: a buffer, or the part of one that a loop left it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The name of the graph's output.
    pub name: String,
    /// Holds it when the step has ended.
    pub buffer: BufferId,
    /// Elements from the buffer's start.
    pub offset: usize,
    /// Its shape; it lies there row-major.
    pub shape: Vec<usize>,
}

impl Figure {
    /// The elements of its buffer that are its own.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.shape.iter().product::<usize>()
    }
}

/// Memory of a program. All element types take 4 bytes.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// For listings: the value's or slot's name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Shape, row-major; for listings and figures.
    pub shape: Vec<usize>,
    /// Where it lives.
    pub place: Place,
    /// Where in the source it comes from.
    pub origin: Origin,
}

impl Buffer {
    /// Elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a buffer lives.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// The slot's own memory, owned by the store: read at the start, and written in place or by a final copy.
    Slot(SlotId),
    /// Read-only words.
    Constant(Arc<[u32]>),
    /// A place in the program's arena, `offset` bytes from its start (64-byte aligned), given by the plan.
    Temporary { offset: usize },
}

/// One kernel applied to buffers.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which kernel.
    pub kernel: KernelId,
    /// One per parameter (scratch parameters excluded: they come last in `Kernel::params` and have no argument).
    pub args: Vec<Arg>,
}

/// Runs that are repeated, in order or, with `reverse`, from the last turn to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Turns {
    /// The first run.
    pub first: usize,
    /// Behind the last run.
    pub end: usize,
    /// How often; may be 0.
    pub turns: u64,
    /// Whether the last turn comes first.
    pub reverse: bool,
}

/// A buffer from an element on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arg {
    /// The buffer.
    pub buffer: BufferId,
    /// Elements from its start, at turn 0 of all loops around (a multiple of 16 keeps the alignment; views may have
    /// any).
    pub offset: usize,
    /// Elements from turn to turn of the loops around, the outermost first; loops beyond the list do not move it.
    pub strides: Vec<i64>,
}

/// A function `(ptrs, ctx, lo, hi)`.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// `Mlp.dense1 + relu`.
    pub name: String,
    /// Parameters; scratch ones last.
    pub params: Vec<Param>,
    /// If set, the kernel works on `lo..hi` out of `0..extent` and its loops over [`Range::Panel`] run over that part.
    pub par: Option<Par>,
    /// Statements in order.
    pub body: Vec<Stmt>,
    /// Type and origin of each value.
    pub values: Vec<ValueInfo>,
    /// Number of loop variables.
    pub vars: u32,
    /// Work of one whole run.
    pub cost: Cost,
}

/// Estimated work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations (an fma is 2, a transcendental its expansion is counted as 12).
    pub flops: u64,
    /// Bytes read and written, each buffer once.
    pub bytes: u64,
}

impl Cost {
    /// Floating-point operations a nanosecond that the estimate assumes of one core.
    const FLOPS_PER_NANOSECOND: u64 = 8;
    /// Bytes a nanosecond that the estimate assumes of one core.
    const BYTES_PER_NANOSECOND: u64 = 20;

    /// Estimated nanoseconds on one core. Constants of the language, not of the machine.
    pub fn nanoseconds(self) -> u64 {
        (self.flops / Self::FLOPS_PER_NANOSECOND).max(self.bytes / Self::BYTES_PER_NANOSECOND)
    }
}

/// The parallel axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Par {
    /// Number of iterations.
    pub extent: u64,
    /// Iterations a chunk: the cut depends on sizes and cost constants only, never on threads.
    pub by: u64,
}

/// A parameter of a kernel.
#[derive(Clone, Debug)]
pub struct Param {
    /// For listings.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Elements that accesses may reach (from the argument's offset).
    pub len: usize,
    /// How it is used.
    pub mode: Mode,
}

/// How a parameter is used. Two parameters may be the same memory only if both are `In`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Read.
    In,
    /// Written.
    Out,
    /// Read and written.
    InOut,
    /// Per executing thread, `offset` bytes into the thread's scratch; contents undefined at entry.
    Scratch {
        /// Bytes from the start of the thread's scratch, a multiple of 64.
        offset: usize,
    },
}

/// What a value is.
#[derive(Clone, Debug)]
pub struct ValueInfo {
    /// Element type.
    pub dtype: DType,
    /// Where it comes from.
    pub origin: Origin,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Stmt {
    /// `value = op`
    Let { value: ValueId, op: ScalarOp },
    /// `param[index] = value`
    Store { access: Access, value: ValueId },
    /// A loop.
    Loop(Loop),
    /// A matrix product by the wide kernels. Not inside `vec`.
    Gemm(Gemm),
    /// A convolution by the wide kernels. Outermost only.
    Conv(Conv),
    /// Uniform random numbers. Not inside any loop over [`Range::Panel`] other than as whole rows; see [`Fill`].
    Fill(Fill),
    /// The order of a row's elements. Not inside `vec`.
    Sort(Sort),
    /// A matrix laid by rows. Not inside `vec`.
    Transpose(Transpose),
}

/// A loop.
#[derive(Clone, Debug)]
pub struct Loop {
    /// `seq`, `turn` or `vec`.
    pub kind: LoopKind,
    /// Its iterations.
    pub range: Range,
    /// Its variable; for a panel it starts at `lo`.
    pub var: VarId,
    /// Values accumulated over the iterations.
    pub reduces: Vec<Reduce>,
    /// What is done.
    pub body: Vec<Stmt>,
}

/// How a loop may be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    /// In order.
    Seq,
    /// The turns of a scan, in order: what one leaves in a parameter the next finds there. Stays a loop however
    /// few they are, so that code does not depend on their number. Outermost or in another one; not inside `vec`.
    Turn,
    /// Iterations are independent but for tree reduces; executed several lanes at a time. May contain
    /// `seq` loops with chain reduces (lane-wise accumulators), no `vec` loop and no call. Not inside another `vec`.
    Vec,
}

/// Iterations of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// `0..n`
    Count(u64),
    /// `lo..hi` of the kernel's `par`. Only for outermost loops of the body.
    Panel,
}

/// A value accumulated by a loop.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// In which order.
    pub order: Order,
    /// What is accumulated; its values are defined in the loop's body.
    pub combine: Combine,
    /// The accumulated value, defined after the loop.
    pub result: ValueId,
}

/// The order of a reduction: part of the meaning (core.md, Numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One accumulator, in order; `seq` loops only.
    Chain,
    /// 8 lanes: lane j adds elements j, j+8, ... in order; then lanes j and j+4, j and j+2, j and j+1. `vec` only.
    Tree8,
    /// The same with 32 lanes. `vec` only.
    Tree32,
}

/// What is accumulated. Sums start from +0, maxima from -inf (f32) or i32::MIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// acc = acc + v (i32 wraps)
    Sum(ValueId),
    /// acc = fma(a, b, acc); f32. Lanes of a tree are then added plainly.
    Product(ValueId, ValueId),
    /// acc = max(acc, v), NaN wins.
    Max(ValueId),
}

/// An operation on scalars (or lanes).
#[derive(Clone, Debug, PartialEq)]
pub enum ScalarOp {
    /// f32 constant by its bits.
    F32(u32),
    /// i32 constant.
    I32(i32),
    /// bool constant.
    Bool(bool),
    /// Reads memory.
    Load(Access),
    /// i32: the value of an affine function of loop variables.
    Index(Affine),
    /// f32 or i32 (`Neg`, `Abs`). All but Neg, Abs, Sqrt, Floor are expanded by `loops::math` before emission.
    Unary(Unary, ValueId),
    /// `Max(a, b)` of f32 is a if b < a or a is NaN, else b (so b of two zeros); `Min(a, b)` is a if a < b or a is NaN, else b.
    /// `Rem` and `Pow` of f32 and `Div`, `Rem` of i32 are expanded before emission... by `loops::math`.
    Binary(crate::ir::Binary, ValueId, ValueId),
    /// a·b + c with one rounding; f32.
    Fma(ValueId, ValueId, ValueId),
    /// bool result.
    Compare(Comparison, ValueId, ValueId),
    /// bool, or i32 bitwise.
    And(ValueId, ValueId),
    /// bool, or i32 bitwise.
    Or(ValueId, ValueId),
    /// i32 bitwise, or bool.
    Xor(ValueId, ValueId),
    /// bool, or i32 bitwise.
    Not(ValueId),
    /// i32 shifted left by a constant.
    Shl(ValueId, u8),
    /// i32 shifted right by a constant, zeros enter.
    ShrU(ValueId, u8),
    /// i32 shifted right by a constant, sign enters.
    ShrS(ValueId, u8),
    /// (bool, a, b)
    Select(ValueId, ValueId, ValueId),
    /// Value conversion, meaning as [`crate::ir::Op::Convert`].
    Convert(DType, ValueId),
    /// Same bits as another type (f32 and i32).
    Bits(DType, ValueId),
}

/// A place in a parameter: element `index + Σ clamp(indirect)·stride`.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Which parameter.
    pub param: ParamId,
    /// Element index, flat.
    pub index: Affine,
    /// Added: a loaded i32, clamped to `0..bound`, times `stride`. A clamp that changed the value sets the fault flag.
    pub indirect: Option<Indirect>,
    /// Loads only: outside any guard the value is `fill` (as bits) and memory is not touched.
    pub guards: Vec<Guard>,
    /// What is read outside the guards.
    pub fill: u32,
}

/// An index read from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indirect {
    /// The i32 value.
    pub value: ValueId,
    /// Elements per unit.
    pub stride: i64,
    /// Valid are `0..bound`.
    pub bound: i64,
}

/// `0 <= at < bound`, and if `step > 1` also `at % step == 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What is compared.
    pub at: Affine,
    /// Exclusive upper bound.
    pub bound: i64,
    /// Only multiples of it.
    pub step: i64,
}

/// C[m, n] = A[m, k] · B[k, n]: each element one fma chain from +0 in order of k, for k over 4,096 chains of
/// 4,096 added in order.
#[derive(Clone, Debug)]
pub struct Gemm {
    /// Rows of A and C: a count, or the kernel's panel (then a and c are addressed from row `lo`).
    pub m: Range,
    /// Columns of B and C.
    pub n: u64,
    /// The contracted size.
    pub k: u64,
    /// A: strides of (m, k).
    pub a: Matrix,
    /// B: strides of (k, n).
    pub b: Matrix,
    /// C: strides of (m, n); the second is 1. Written, not accumulated.
    pub c: Matrix,
}

/// A matrix in a parameter.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Which parameter.
    pub param: ParamId,
    /// First element (for a panel: of row 0); may use variables of enclosing loops (batches).
    pub start: Affine,
    /// Elements from row to row.
    pub row: i64,
    /// Elements from column to column.
    pub column: i64,
}

/// A face of a convolution ([`crate::ir::Op::Conv`]) of row-major operands, in the order that `kernels::conv` states.
#[derive(Clone, Debug)]
pub struct Conv {
    /// Which face.
    pub face: Face,
    /// Images to compute, for the weight face output channels: all of them, or the kernel's panel.
    pub rows: Range,
    /// Images.
    pub images: u64,
    /// Groups of channels.
    pub groups: u64,
    /// Channels of x a group.
    pub group_in: u64,
    /// Channels of y a group.
    pub group_out: u64,
    /// The spatial axes.
    pub windows: Vec<Window>,
    /// First operand and its first element.
    pub a: (ParamId, i64),
    /// Second operand.
    pub b: (ParamId, i64),
    /// The result, written whole.
    pub c: ParamId,
}

/// `param[0..len]` = uniform numbers of [`crate::ir::Op::Random`]; with `par`, elements `lo*64..hi*64` (cut at `len`).
#[derive(Clone, Debug)]
pub struct Fill {
    /// Written.
    pub param: ParamId,
    /// Elements.
    pub len: u64,
    /// The place's key.
    pub place: u32,
    /// Number of the first element, a multiple of 64.
    pub base: u64,
    /// i32 values: seed, step, turn.
    pub seed: ValueId,
    /// i32.
    pub step: ValueId,
    /// i32.
    pub turn: ValueId,
}

impl Arg {
    /// A whole buffer.
    pub fn whole(buffer: BufferId) -> Self {
        Arg { buffer, offset: 0, strides: Vec::new() }
    }

    /// Elements from turn to turn of the loop at this depth.
    pub fn stride(&self, depth: usize) -> i64 {
        self.strides.get(depth).copied().unwrap_or(0)
    }

    /// Elements from the buffer's start in the given turns of the loops around.
    pub fn at(&self, turns: &[u64]) -> usize {
        let moved: i64 = self.strides.iter().zip(turns).map(|(stride, turn)| stride * *turn as i64).sum();
        self.offset.wrapping_add_signed(moved as isize)
    }
}

/// `order[j]` = the place of the j-th of the keys in rising order, NaN last, equal ones in their order.
#[derive(Clone, Debug)]
pub struct Sort {
    /// What is sorted, f32 or i32; read.
    pub keys: Row,
    /// i32; written.
    pub order: Row,
    /// Elements of both.
    pub len: u64,
}

/// to[m, n] = from[m, n], of any one type: a copy from a matrix by columns to one by rows, which lie apart.
#[derive(Clone, Debug)]
pub struct Transpose {
    /// Rows: a count, or the kernel's panel (then both are addressed from row `lo`).
    pub m: Range,
    /// Columns.
    pub n: u64,
    /// Read: strides of (m, n); the first is 1.
    pub from: Matrix,
    /// Written: strides of (m, n); the second is 1.
    pub to: Matrix,
}

/// A row in a parameter: elements `start + j·step`.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which parameter.
    pub param: ParamId,
    /// First element; may use variables of enclosing loops.
    pub start: Affine,
    /// Elements from one to the next.
    pub step: i64,
}
