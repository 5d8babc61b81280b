//! Other names for what a kernel's statements speak of: one walk for all who
//! join, split or move kernels.
//!
//! In: statements, and what becomes of each value, variable and parameter. Out:
//! the same statements under the new names. Invariant: every place in memory is
//! shown with its affine index, so that a parameter can move to another origin.

use super::ir::{Access, Affine, Combine, ParamId, Range, ScalarOp, Stmt, ValueId, VarId};

/// What becomes of names.
pub trait Renaming {
    /// A value, where it is defined or read.
    fn value(&self, value: ValueId) -> ValueId;
    /// A loop variable.
    fn var(&self, var: VarId) -> VarId;
    /// A parameter with the index of the element addressed, whose variables have been renamed.
    fn place(&self, param: ParamId, index: &mut Affine) -> ParamId;
    /// Iterations of a loop or rows of a call.
    fn range(&self, range: Range) -> Range;
}

/// Renames everything in the statements, loops inside included.
pub fn rename(body: &mut [Stmt], to: &dyn Renaming) {
    for stmt in body {
        match stmt {
            Stmt::Let { value, op } => {
                *value = to.value(*value);
                operation(op, to);
            }
            Stmt::Store { access, value } => {
                place(access, to);
                *value = to.value(*value);
            }
            Stmt::Loop(nest) => {
                nest.var = to.var(nest.var);
                nest.range = to.range(nest.range);
                for reduce in &mut nest.reduces {
                    reduce.result = to.value(reduce.result);
                    match &mut reduce.combine {
                        Combine::Sum(a) | Combine::Max(a) => *a = to.value(*a),
                        Combine::Product(a, b) => (*a, *b) = (to.value(*a), to.value(*b)),
                    }
                }
                rename(&mut nest.body, to);
            }
            Stmt::Gemm(gemm) => {
                gemm.m = to.range(gemm.m);
                for matrix in [&mut gemm.a, &mut gemm.b, &mut gemm.c] {
                    vars(&mut matrix.start, to);
                    matrix.param = to.place(matrix.param, &mut matrix.start);
                }
            }
            Stmt::Conv(conv) => {
                conv.rows = to.range(conv.rows);
                for (param, start) in [&mut conv.a, &mut conv.b] {
                    let mut index = Affine::constant(*start);
                    *param = to.place(*param, &mut index);
                    *start = index.offset;
                }
                conv.c = to.place(conv.c, &mut Affine::default());
            }
            Stmt::Fill(fill) => {
                fill.param = to.place(fill.param, &mut Affine::default());
                for value in [&mut fill.seed, &mut fill.step, &mut fill.turn] {
                    *value = to.value(*value);
                }
            }
            Stmt::Sort(sort) => {
                for row in [&mut sort.keys, &mut sort.order] {
                    vars(&mut row.start, to);
                    row.param = to.place(row.param, &mut row.start);
                }
            }
            Stmt::Transpose(found) => {
                found.m = to.range(found.m);
                for matrix in [&mut found.from, &mut found.to] {
                    vars(&mut matrix.start, to);
                    matrix.param = to.place(matrix.param, &mut matrix.start);
                }
            }
        }
    }
}

fn operation(op: &mut ScalarOp, to: &dyn Renaming) {
    match op {
        ScalarOp::F32(_) | ScalarOp::I32(_) | ScalarOp::Bool(_) => {}
        ScalarOp::Load(access) => place(access, to),
        ScalarOp::Index(index) => vars(index, to),
        ScalarOp::Unary(_, a)
        | ScalarOp::Not(a)
        | ScalarOp::Shl(a, _)
        | ScalarOp::ShrU(a, _)
        | ScalarOp::ShrS(a, _)
        | ScalarOp::Convert(_, a)
        | ScalarOp::Bits(_, a) => *a = to.value(*a),
        ScalarOp::Binary(_, a, b)
        | ScalarOp::Compare(_, a, b)
        | ScalarOp::And(a, b)
        | ScalarOp::Or(a, b)
        | ScalarOp::Xor(a, b) => (*a, *b) = (to.value(*a), to.value(*b)),
        ScalarOp::Fma(a, b, c) | ScalarOp::Select(a, b, c) => {
            (*a, *b, *c) = (to.value(*a), to.value(*b), to.value(*c));
        }
    }
}

fn place(access: &mut Access, to: &dyn Renaming) {
    vars(&mut access.index, to);
    access.guards.iter_mut().for_each(|guard| vars(&mut guard.at, to));
    if let Some(indirect) = &mut access.indirect {
        indirect.value = to.value(indirect.value);
    }
    access.param = to.place(access.param, &mut access.index);
}

fn vars(index: &mut Affine, to: &dyn Renaming) {
    index.terms.iter_mut().for_each(|(var, _)| *var = to.var(*var));
    index.terms.sort_by_key(|(var, _)| *var);
}
