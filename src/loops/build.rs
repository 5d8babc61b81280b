//! A builder of kernels, used by fusion and by tests.
//!
//! In: calls in program order, loops as closures or as `begin`/`end` pairs.
//! Out: a [`Kernel`]. Invariant: nothing is hidden: each call appends the one
//! statement it names, in the innermost open loop; `finish` computes nothing.
//!
//! ```
//! use nnc::ir::{Binary, DType};
//! use nnc::loops::build::KernelBuilder;
//! use nnc::loops::ir::{Affine, Mode};
//!
//! let mut b = KernelBuilder::new("double");
//! let x = b.param("x", DType::F32, 100, Mode::In);
//! let y = b.param("y", DType::F32, 100, Mode::Out);
//! b.vec(100, |b, i| {
//!     let a = b.load(x, Affine::var(i, 1));
//!     let sum = b.binary(Binary::Add, a, a);
//!     b.store(y, Affine::var(i, 1), sum);
//! });
//! assert_eq!(b.finish().body.len(), 1);
//! ```

use super::ir::{
    Access, Affine, Combine, Conv, Cost, Fill, Gemm, Guard, Indirect, Kernel, Loop, LoopKind, Mode, Order, Par, Param,
    ParamId, Range, Reduce, ScalarOp, Stmt, ValueId, ValueInfo, VarId,
};
use crate::ir::{Binary, Comparison, DType, Origin, Unary};

/// A kernel under construction.
#[derive(Debug)]
pub struct KernelBuilder {
    kernel: Kernel,
    open: Vec<Loop>,
    origin: Origin,
}

impl KernelBuilder {
    /// An empty kernel.
    pub fn new(name: impl Into<String>) -> Self {
        let kernel = Kernel {
            name: name.into(),
            params: Vec::new(),
            par: None,
            body: Vec::new(),
            values: Vec::new(),
            vars: 0,
            cost: Cost::default(),
        };
        KernelBuilder { kernel, open: Vec::new(), origin: Origin::default() }
    }

    /// Adds a parameter; `len` in elements. Scratch parameters come last.
    pub fn param(&mut self, name: impl Into<String>, dtype: DType, len: usize, mode: Mode) -> ParamId {
        self.kernel.params.push(Param { name: name.into(), dtype, len, mode });
        ParamId(self.kernel.params.len() as u32 - 1)
    }

    /// Sets the parallel axis.
    pub fn par(&mut self, extent: u64, by: u64) {
        self.kernel.par = Some(Par { extent, by });
    }

    /// Sets the cost estimate.
    pub fn cost(&mut self, cost: Cost) {
        self.kernel.cost = cost;
    }

    /// Values made from now on have this origin.
    pub fn origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// The kernel as it stands, for asking types of values and parameters.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The type of a value.
    pub fn dtype(&self, value: ValueId) -> DType {
        self.kernel.values[value.index()].dtype
    }

    /// A new value without definition; for reduce results and foreign statements.
    pub fn value(&mut self, dtype: DType) -> ValueId {
        self.kernel.values.push(ValueInfo { dtype, origin: self.origin });
        ValueId(self.kernel.values.len() as u32 - 1)
    }

    /// Appends a statement as it is.
    pub fn push(&mut self, stmt: Stmt) {
        match self.open.last_mut() {
            Some(open) => open.body.push(stmt),
            None => self.kernel.body.push(stmt),
        }
    }

    /// Appends `value = op`; the type follows from the operands.
    ///
    /// # Panics
    /// If the operand types do not fit the operation.
    pub fn op(&mut self, op: ScalarOp) -> ValueId {
        let dtype = op
            .result_type(|value| self.dtype(value), |access| self.kernel.params[access.param.index()].dtype)
            .unwrap_or_else(|reason| panic!("kernel {}: {op:?}: {reason}", self.kernel.name));
        let value = self.value(dtype);
        self.push(Stmt::Let { value, op });
        value
    }

    /// An f32 constant.
    pub fn f32(&mut self, constant: f32) -> ValueId {
        self.op(ScalarOp::F32(constant.to_bits()))
    }

    /// An i32 constant.
    pub fn i32(&mut self, constant: i32) -> ValueId {
        self.op(ScalarOp::I32(constant))
    }

    /// A bool constant.
    pub fn bool(&mut self, constant: bool) -> ValueId {
        self.op(ScalarOp::Bool(constant))
    }

    /// The value of an affine function.
    pub fn index(&mut self, at: Affine) -> ValueId {
        self.op(ScalarOp::Index(at))
    }

    /// Reads an element.
    pub fn load(&mut self, param: ParamId, index: Affine) -> ValueId {
        self.load_at(Access::new(param, index))
    }

    /// Reads with guards or an indirect index.
    pub fn load_at(&mut self, access: Access) -> ValueId {
        self.op(ScalarOp::Load(access))
    }

    /// Writes an element.
    pub fn store(&mut self, param: ParamId, index: Affine, value: ValueId) {
        self.store_at(Access::new(param, index), value);
    }

    /// Writes with an indirect index.
    pub fn store_at(&mut self, access: Access, value: ValueId) {
        self.push(Stmt::Store { access, value });
    }

    /// An elementwise function.
    pub fn unary(&mut self, function: Unary, a: ValueId) -> ValueId {
        self.op(ScalarOp::Unary(function, a))
    }

    /// An elementwise function of two.
    pub fn binary(&mut self, function: Binary, a: ValueId, b: ValueId) -> ValueId {
        self.op(ScalarOp::Binary(function, a, b))
    }

    /// a·b + c with one rounding.
    pub fn fma(&mut self, a: ValueId, b: ValueId, c: ValueId) -> ValueId {
        self.op(ScalarOp::Fma(a, b, c))
    }

    /// A comparison.
    pub fn compare(&mut self, comparison: Comparison, a: ValueId, b: ValueId) -> ValueId {
        self.op(ScalarOp::Compare(comparison, a, b))
    }

    /// `a` where the condition holds, else `b`.
    pub fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> ValueId {
        self.op(ScalarOp::Select(condition, a, b))
    }

    /// A conversion of the value.
    pub fn convert(&mut self, to: DType, a: ValueId) -> ValueId {
        self.op(ScalarOp::Convert(to, a))
    }

    /// A loop in order over `0..count`.
    pub fn seq<R>(&mut self, count: u64, body: impl FnOnce(&mut Self, VarId) -> R) -> R {
        self.nest(LoopKind::Seq, Range::Count(count), body)
    }

    /// A lane loop over `0..count`.
    pub fn vec<R>(&mut self, count: u64, body: impl FnOnce(&mut Self, VarId) -> R) -> R {
        self.nest(LoopKind::Vec, Range::Count(count), body)
    }

    /// A loop in order over the kernel's panel.
    pub fn panel<R>(&mut self, body: impl FnOnce(&mut Self, VarId) -> R) -> R {
        self.nest(LoopKind::Seq, Range::Panel, body)
    }

    /// Any loop.
    pub fn nest<R>(&mut self, kind: LoopKind, range: Range, body: impl FnOnce(&mut Self, VarId) -> R) -> R {
        let var = self.begin(kind, range);
        let result = body(self, var);
        self.end();
        result
    }

    /// Opens a loop; statements go into it until [`KernelBuilder::end`].
    pub fn begin(&mut self, kind: LoopKind, range: Range) -> VarId {
        let var = VarId(self.kernel.vars);
        self.kernel.vars += 1;
        self.open.push(Loop { kind, range, var, reduces: Vec::new(), body: Vec::new() });
        var
    }

    /// Closes the innermost open loop.
    ///
    /// # Panics
    /// If no loop is open.
    pub fn end(&mut self) {
        let closed = self.open.pop().expect("a loop is open");
        self.push(Stmt::Loop(closed));
    }

    /// Accumulates over the innermost open loop; the result may be used once the loop is closed.
    ///
    /// # Panics
    /// If no loop is open.
    pub fn reduce(&mut self, order: Order, combine: Combine) -> ValueId {
        let dtype = match combine {
            Combine::Sum(value) | Combine::Max(value) | Combine::Product(value, _) => self.dtype(value),
        };
        let result = self.value(dtype);
        let open = self.open.last_mut().expect("a loop is open");
        open.reduces.push(Reduce { order, combine, result });
        result
    }

    /// A matrix product.
    pub fn gemm(&mut self, gemm: Gemm) {
        self.push(Stmt::Gemm(gemm));
    }

    /// A convolution.
    pub fn conv(&mut self, conv: Conv) {
        self.push(Stmt::Conv(conv));
    }

    /// Random numbers.
    pub fn fill(&mut self, fill: Fill) {
        self.push(Stmt::Fill(fill));
    }

    /// The kernel.
    ///
    /// # Panics
    /// If a loop is still open.
    pub fn finish(self) -> Kernel {
        assert!(self.open.is_empty(), "kernel {}: a loop is still open", self.kernel.name);
        self.kernel
    }
}

impl Access {
    /// Element `index` of `param`.
    pub fn new(param: ParamId, index: Affine) -> Self {
        Access { param, index, indirect: None, guards: Vec::new(), fill: 0 }
    }

    /// With `clamp(value, 0..bound) · stride` added to the index.
    pub fn indirect(mut self, value: ValueId, stride: i64, bound: i64) -> Self {
        self.indirect = Some(Indirect { value, stride, bound });
        self
    }

    /// Read only where `0 <= at < bound`, and `step` divides `at`.
    pub fn guard(mut self, at: Affine, bound: i64, step: i64) -> Self {
        self.guards.push(Guard { at, bound, step });
        self
    }

    /// What is read outside the guards, as bits.
    pub fn fill(mut self, bits: u32) -> Self {
        self.fill = bits;
        self
    }
}
