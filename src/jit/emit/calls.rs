//! Calls of precompiled kernels. In: their statements; out: an
//! argument structure on the stack and an indirect call through the context.
//! Invariant: field offsets come from `kernels::abi` itself.

use std::mem::{offset_of, size_of};

use cranelift_codegen::ir::{
    AbiParam, InstBuilder, MemFlagsData, Signature, StackSlotData, StackSlotKind, Value, types,
};

use super::Emitter;
use crate::ir::DType;
use crate::kernels::abi::{ConvArgs, Ctx, FillArgs, GemmArgs, SortArgs, TransposeArgs};
use crate::loops::ir::{Conv, Fill, Gemm, Matrix, ParamId, Range, Row, Sort, Transpose};

impl Emitter<'_, '_> {
    /// C = A · B, all of it or the panel's rows.
    pub(super) fn gemm(&mut self, gemm: &Gemm) {
        let panel = gemm.m == Range::Panel;
        let rows = self.rows(gemm.m);
        let fields = [
            (offset_of!(GemmArgs, a), self.matrix(&gemm.a, panel)),
            (offset_of!(GemmArgs, b), self.matrix(&gemm.b, false)),
            (offset_of!(GemmArgs, c), self.matrix(&gemm.c, panel)),
            (offset_of!(GemmArgs, m), rows),
            (offset_of!(GemmArgs, n), self.word(gemm.n as i64)),
            (offset_of!(GemmArgs, k), self.word(gemm.k as i64)),
            (offset_of!(GemmArgs, a_row), self.word(gemm.a.row)),
            (offset_of!(GemmArgs, a_column), self.word(gemm.a.column)),
            (offset_of!(GemmArgs, b_row), self.word(gemm.b.row)),
            (offset_of!(GemmArgs, b_column), self.word(gemm.b.column)),
            (offset_of!(GemmArgs, c_row), self.word(gemm.c.row)),
        ];
        let arguments = self.structure(size_of::<GemmArgs>(), &fields);
        self.call(offset_of!(Ctx, gemm), &[arguments, self.ctx]);
    }

    /// A face of a convolution, all of it or the panel's rows.
    pub(super) fn conv(&mut self, conv: &Conv) {
        let args = conv.args();
        let (lo, hi) = match conv.rows {
            Range::Count(_) => (self.word(0), self.word(args.hi as i64)),
            Range::Panel => (self.lo, self.hi),
        };
        let mut fields = vec![
            (offset_of!(ConvArgs, a), self.element(conv.a)),
            (offset_of!(ConvArgs, b), self.element(conv.b)),
            (offset_of!(ConvArgs, c), self.element((conv.c, 0))),
            (offset_of!(ConvArgs, lo), lo),
            (offset_of!(ConvArgs, hi), hi),
            (offset_of!(ConvArgs, face), self.word(args.face as i64)),
            (offset_of!(ConvArgs, images), self.word(args.images as i64)),
            (offset_of!(ConvArgs, groups), self.word(args.groups as i64)),
            (offset_of!(ConvArgs, group_in), self.word(args.group_in as i64)),
            (offset_of!(ConvArgs, group_out), self.word(args.group_out as i64)),
            (offset_of!(ConvArgs, axes), self.word(args.axes as i64)),
        ];
        for (at, number) in args.windows[..conv.windows.len()].iter().flatten().enumerate() {
            fields.push((offset_of!(ConvArgs, windows) + 8 * at, self.word(*number)));
        }
        let arguments = self.structure(size_of::<ConvArgs>(), &fields);
        self.call(offset_of!(Ctx, conv), &[arguments]);
    }

    /// The address of an element with a known number.
    fn element(&mut self, (param, at): (ParamId, i64)) -> Value {
        self.builder.ins().iadd_imm_s(self.params[param.index()], 4 * at)
    }

    /// Uniform random numbers, all of them or the panel's blocks of 64.
    pub(super) fn fill(&mut self, fill: &Fill) {
        let mut out = self.params[fill.param.index()];
        let mut len = self.word(fill.len as i64);
        let mut base = self.word(fill.base as i64);
        if self.kernel.par.is_some() {
            let first = self.builder.ins().ishl_imm_u(self.lo, 6);
            let end = self.builder.ins().ishl_imm_u(self.hi, 6);
            let end = self.builder.ins().umin(end, len);
            len = self.builder.ins().isub(end, first);
            base = self.builder.ins().iadd(base, first);
            let bytes = self.builder.ins().ishl_imm_u(first, 2);
            out = self.builder.ins().iadd(out, bytes);
        }
        let place = self.builder.ins().iconst(types::I32, i64::from(fill.place));
        let fields = [
            (offset_of!(FillArgs, out), out),
            (offset_of!(FillArgs, len), len),
            (offset_of!(FillArgs, base), base),
            (offset_of!(FillArgs, place), place),
            (offset_of!(FillArgs, seed), self.scalar(fill.seed)),
            (offset_of!(FillArgs, step), self.scalar(fill.step)),
            (offset_of!(FillArgs, turn), self.scalar(fill.turn)),
        ];
        let arguments = self.structure(size_of::<FillArgs>(), &fields);
        self.call(offset_of!(Ctx, fill), &[arguments]);
    }

    /// The order of a row.
    pub(super) fn sort(&mut self, sort: &Sort) {
        let dtype = self.kernel.params[sort.keys.param.index()].dtype;
        let fields = [
            (offset_of!(SortArgs, keys), self.row(&sort.keys)),
            (offset_of!(SortArgs, order), self.row(&sort.order)),
            (offset_of!(SortArgs, len), self.word(sort.len as i64)),
            (offset_of!(SortArgs, keys_step), self.word(sort.keys.step)),
            (offset_of!(SortArgs, order_step), self.word(sort.order.step)),
            (offset_of!(SortArgs, float), self.word(i64::from(dtype == DType::F32))),
        ];
        let arguments = self.structure(size_of::<SortArgs>(), &fields);
        self.call(offset_of!(Ctx, sort), &[arguments, self.ctx]);
    }

    /// A matrix laid by rows, all of it or the panel's rows.
    pub(super) fn transpose(&mut self, found: &Transpose) {
        let panel = found.m == Range::Panel;
        let fields = [
            (offset_of!(TransposeArgs, from), self.matrix(&found.from, panel)),
            (offset_of!(TransposeArgs, to), self.matrix(&found.to, panel)),
            (offset_of!(TransposeArgs, rows), self.rows(found.m)),
            (offset_of!(TransposeArgs, columns), self.word(found.n as i64)),
            (offset_of!(TransposeArgs, from_column), self.word(found.from.column)),
            (offset_of!(TransposeArgs, to_row), self.word(found.to.row)),
        ];
        let arguments = self.structure(size_of::<TransposeArgs>(), &fields);
        self.call(offset_of!(Ctx, transpose), &[arguments]);
    }

    /// How many rows a call has.
    fn rows(&mut self, m: Range) -> Value {
        match m {
            Range::Count(rows) => self.word(rows as i64),
            Range::Panel => self.builder.ins().isub(self.hi, self.lo),
        }
    }

    fn row(&mut self, row: &Row) -> Value {
        let start = self.affine(&row.start, 0);
        let bytes = self.scaled(start, 4);
        self.builder.ins().iadd(self.params[row.param.index()], bytes)
    }

    /// Address of a matrix' first element; for a panel, of its first row.
    fn matrix(&mut self, matrix: &Matrix, panel: bool) -> Value {
        let start = self.affine(&matrix.start, 0);
        let mut bytes = self.scaled(start, 4);
        if panel {
            let rows = self.scaled(self.lo, matrix.row * 4);
            bytes = self.builder.ins().iadd(bytes, rows);
        }
        self.builder.ins().iadd(self.params[matrix.param.index()], bytes)
    }

    /// A structure on the stack.
    pub(super) fn structure(&mut self, size: usize, fields: &[(usize, Value)]) -> Value {
        let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, size as u32, 3);
        let slot = self.builder.create_sized_stack_slot(slot);
        let address = self.builder.ins().stack_addr(types::I64, slot, 0);
        for (offset, value) in fields {
            self.builder.ins().store(MemFlagsData::trusted(), *value, address, *offset as i32);
        }
        address
    }

    /// Calls the function that the context holds at `offset`.
    fn call(&mut self, offset: usize, arguments: &[Value]) {
        let mut signature = Signature::new(self.builder.func.signature.call_conv);
        signature.params.extend(arguments.iter().map(|_| AbiParam::new(types::I64)));
        let signature = self.builder.import_signature(signature);
        let callee = self.builder.ins().load(types::I64, MemFlagsData::trusted(), self.ctx, offset as i32);
        self.builder.ins().call_indirect(signature, callee, arguments);
    }

    pub(super) fn word(&mut self, number: i64) -> Value {
        self.builder.ins().iconst(types::I64, number)
    }
}
