//! Questions about kernels that need a walk over statements: who reads what,
//! how large an unrolled body is. In: loops IR; nothing is emitted here.

use crate::loops::ir::{
    Access, Combine, Indirect, Kernel, Loop, LoopKind, ParamId, Range, Reduce, ScalarOp, Stmt, ValueId, VarId,
};

/// Statements that remain when all counted loops are unrolled (a vector counts
/// once); `None` if that is impossible because of a call or a panel.
pub(super) fn unrolled_size(statements: &[Stmt]) -> Option<u64> {
    statements.iter().try_fold(0_u64, |sum, statement| {
        let size = match statement {
            Stmt::Let { .. } | Stmt::Store { .. } => 1,
            Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => return None,
            Stmt::Loop(looped) => {
                let Range::Count(count) = looped.range else { return None };
                let turns = match looped.kind {
                    LoopKind::Seq => count,
                    LoopKind::Turn => return None,
                    LoopKind::Vec => count / 4 + count % 4,
                };
                turns.saturating_mul(unrolled_size(&looped.body)? + looped.reduces.len() as u64)
            }
        };
        Some(sum.saturating_add(size))
    })
}

/// Whether a call is among the statements, at any depth.
pub(super) fn has_call(statements: &[Stmt]) -> bool {
    let mut found = false;
    statements.iter().for_each(|statement| statement.each(&mut |inner| found |= inner.is_call()));
    found
}

/// Whether a loop is among the statements, at any depth.
pub(super) fn has_loop(statements: &[Stmt]) -> bool {
    statements.iter().any(|statement| matches!(statement, Stmt::Loop(_)))
}

/// Iterations of the loop of a variable, if it is a counted one among the statements, at any depth.
pub(super) fn turns(statements: &[Stmt], var: VarId) -> Option<u64> {
    statements.iter().find_map(|statement| match statement {
        Stmt::Loop(Loop { range: Range::Count(count), var: found, .. }) if *found == var => Some(*count),
        Stmt::Loop(looped) => turns(&looped.body, var),
        _ => None,
    })
}

/// Accumulators of the loops among the statements, at the innermost depth; a maximum has marks beside it.
pub(super) fn chains(statements: &[Stmt]) -> usize {
    let loops =
        statements.iter().filter_map(|statement| if let Stmt::Loop(looped) = statement { Some(looped) } else { None });
    let accumulators = |reduce: &Reduce| if let Combine::Max(_) = reduce.combine { 2 } else { 1 };
    loops.map(|looped| looped.reduces.iter().map(accumulators).sum::<usize>().max(chains(&looped.body))).sum()
}

/// Whether iterations may be done twice: nothing is accumulated, and nothing is read that the loop writes.
pub(super) fn is_repeatable(looped: &Loop) -> bool {
    let (mut read, mut written) = (Vec::new(), Vec::new());
    params(&looped.body, &mut read, &mut written);
    looped.reduces.is_empty() && written.iter().all(|param| !read.contains(param))
}

fn params(statements: &[Stmt], read: &mut Vec<ParamId>, written: &mut Vec<ParamId>) {
    for statement in statements {
        match statement {
            Stmt::Let { op: ScalarOp::Load(access), .. } => read.push(access.param),
            Stmt::Store { access, .. } => written.push(access.param),
            Stmt::Loop(looped) => params(&looped.body, read, written),
            Stmt::Let { .. } | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => {}
        }
    }
}

/// Calls `visit` for each access, also of loops inside.
pub(super) fn accesses<'k>(statements: &'k [Stmt], visit: &mut dyn FnMut(&'k Access)) {
    for statement in statements {
        match statement {
            Stmt::Let { op: ScalarOp::Load(access), .. } | Stmt::Store { access, .. } => visit(access),
            Stmt::Loop(looped) => accesses(&looped.body, visit),
            Stmt::Let { .. } | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => {}
        }
    }
}

/// For each value, the different bounds and strides with which it is an index of accesses that happen.
pub(super) fn indirects(kernel: &Kernel) -> Vec<Vec<Indirect>> {
    fn visit(statements: &[Stmt], found: &mut [Vec<Indirect>]) {
        for statement in statements {
            match statement {
                Stmt::Let { op: ScalarOp::Load(access), .. } | Stmt::Store { access, .. } => {
                    let Some(indirect) = access.indirect else { continue };
                    let seen = &mut found[indirect.value.index()];
                    if !seen.contains(&indirect) {
                        seen.push(indirect);
                    }
                }
                Stmt::Loop(Loop { range: Range::Count(0), .. }) => {}
                Stmt::Loop(looped) => visit(&looped.body, found),
                Stmt::Let { .. }
                | Stmt::Gemm(_)
                | Stmt::Conv(_)
                | Stmt::Fill(_)
                | Stmt::Sort(_)
                | Stmt::Transpose(_) => {}
            }
        }
    }
    let mut found = vec![Vec::new(); kernel.values.len()];
    visit(&kernel.body, &mut found);
    found
}

/// The different fills of guarded loads.
pub(super) fn fills(statements: &[Stmt]) -> Vec<u32> {
    let mut fills = Vec::new();
    accesses(statements, &mut |access| {
        if !access.guards.is_empty() && !fills.contains(&access.fill) {
            fills.push(access.fill);
        }
    });
    fills
}

/// For each value, whether some `vec` loop reads it.
pub(super) fn read_by_vec_loops(kernel: &Kernel) -> Vec<bool> {
    let mut read = vec![false; kernel.values.len()];
    mark(&kernel.body, false, &mut |value| read[value.index()] = true);
    read
}

fn mark(statements: &[Stmt], inside: bool, visit: &mut dyn FnMut(ValueId)) {
    for statement in statements {
        match statement {
            Stmt::Let { op, .. } if inside => op.for_each_operand(&mut *visit),
            Stmt::Store { value, .. } if inside => visit(*value),
            Stmt::Loop(looped) => mark_loop(looped, inside, visit),
            Stmt::Let { .. }
            | Stmt::Store { .. }
            | Stmt::Gemm(_)
            | Stmt::Conv(_)
            | Stmt::Fill(_)
            | Stmt::Sort(_)
            | Stmt::Transpose(_) => {}
        }
    }
}

fn mark_loop(looped: &Loop, inside: bool, visit: &mut dyn FnMut(ValueId)) {
    let inside = inside || looped.kind == LoopKind::Vec;
    mark(&looped.body, inside, visit);
    if inside {
        looped.reduces.iter().flat_map(|reduce| reduce.combine.operands()).for_each(visit);
    }
}
