//! The calling convention: every kernel, JITed or precompiled, has the type
//! [`KernelFn`]; what it calls it finds in [`Ctx`], so that code holds no
//! addresses. `#[repr(C)]`, field order is part of the contract with `jit`.

/// A compiled kernel: buffer addresses (in the order of its non-scratch parameters), context, panel.
pub type KernelFn = unsafe extern "C" fn(ptrs: *const *mut u8, ctx: *const Ctx, lo: u64, hi: u64);

/// What a kernel finds at run time; one per executing thread.
#[repr(C)]
#[derive(Debug)]
pub struct Ctx {
    /// Matrix product.
    pub gemm: unsafe extern "C" fn(args: *const GemmArgs, ctx: *const Ctx),
    /// Convolution.
    pub conv: unsafe extern "C" fn(args: *const ConvArgs),
    /// Random numbers.
    pub fill: unsafe extern "C" fn(args: *const FillArgs),
    /// The order of a row.
    pub sort: unsafe extern "C" fn(args: *const SortArgs, ctx: *const Ctx),
    /// A matrix laid by rows.
    pub transpose: unsafe extern "C" fn(args: *const TransposeArgs),
    /// This thread's scratch for kernels (64-byte aligned, [`SCRATCH_BYTES`]).
    pub scratch: *mut u8,
    /// This thread's packing space for `gemm` and `sort` (64-byte aligned, [`PACK_BYTES`]).
    pub pack: *mut u8,
    /// Set to 1 (plain store) when an index was clamped or an integer divided by zero.
    pub fault: *mut u32,
}

/// Size of a thread's kernel scratch.
pub const SCRATCH_BYTES: usize = 64 * 1024;
/// Size of a thread's packing space.
pub const PACK_BYTES: usize = 1024 * 1024;

/// Arguments of `gemm`; strides in elements. C = A · B, not accumulated. `c` columns have stride 1.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GemmArgs {
    /// First element of A.
    pub a: *const f32,
    /// First element of B.
    pub b: *const f32,
    /// First element of C.
    pub c: *mut f32,
    /// Rows.
    pub m: u64,
    /// Columns.
    pub n: u64,
    /// Contracted size.
    pub k: u64,
    /// A from row to row.
    pub a_row: i64,
    /// A from column to column.
    pub a_column: i64,
    /// B from row to row.
    pub b_row: i64,
    /// B from column to column.
    pub b_column: i64,
    /// C from row to row.
    pub c_row: i64,
}

/// Most spatial axes of a convolution: two of the eight axes are images and channels.
pub const SPATIAL: usize = 6;

/// Arguments of `conv`: a face of the form of [`crate::ir::Op::Conv`]. All operands are row-major.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ConvArgs {
    /// The first operand.
    pub a: *const f32,
    /// The second operand.
    pub b: *const f32,
    /// The result.
    pub c: *mut f32,
    /// First image of the part to compute; for the weight face, the first output channel.
    pub lo: u64,
    /// Behind the last one.
    pub hi: u64,
    /// 0: out of (x, w). 1: input of (y, w). 2: weight of (x, y).
    pub face: u64,
    /// Images.
    pub images: u64,
    /// Groups of channels.
    pub groups: u64,
    /// Channels of x a group.
    pub group_in: u64,
    /// Channels of y a group.
    pub group_out: u64,
    /// Spatial axes.
    pub axes: u64,
    /// Of each: n, out, k, step, dilation, lo.
    pub windows: [[i64; 6]; SPATIAL],
}

/// Arguments of `fill`: `out[0..len]`, elements numbered from `base` (a multiple of 64).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FillArgs {
    /// Written.
    pub out: *mut f32,
    /// Elements.
    pub len: u64,
    /// Number of the first.
    pub base: u64,
    /// Key, first word.
    pub place: u32,
    /// Key, second word.
    pub seed: u32,
    /// Counter.
    pub step: u32,
    /// Counter.
    pub turn: u32,
}

/// Arguments of `sort`: `order[j·order_step]` becomes the place of the j-th of `keys` in rising order, NaN last, equal
/// ones in their order.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SortArgs {
    /// Read: f32 or i32.
    pub keys: *const u32,
    /// Written.
    pub order: *mut i32,
    /// Elements of both.
    pub len: u64,
    /// Keys from one to the next.
    pub keys_step: i64,
    /// Places from one to the next.
    pub order_step: i64,
    /// 1 if the keys are f32, 0 if i32.
    pub float: u64,
}

/// Arguments of `transpose`: `to[r·to_row + c]` becomes `from[r + c·from_column]`, whatever 4 bytes stand there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TransposeArgs {
    /// Read.
    pub from: *const u32,
    /// Written.
    pub to: *mut u32,
    /// Rows of the result.
    pub rows: u64,
    /// Columns of the result.
    pub columns: u64,
    /// Elements read from column to column.
    pub from_column: i64,
    /// Elements written from row to row.
    pub to_row: i64,
}
