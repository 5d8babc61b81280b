//! Loops of maps in a better order.
//!
//! The long axis to the vectors: windows of pooling are two or three wide, and
//! a vector along them would hold single elements. In: a nest whose outer loop
//! holds one short `vec` loop. Out: the same with `vec` outside and the short
//! loop, which is then unrolled, inside.
//!
//! Invariant: only maps are touched, whose iterations are independent, so no
//! sum changes.

use crate::loops::ir::{Access, Guard, Loop, LoopKind, Range, ScalarOp, Stmt, VarId};

/// At most so many iterations are short.
const SHORT: u64 = 7;
/// Vectors are loaded at steps up to this one.
const LOAD_STEP: i64 = 3;
/// Vectors are stored at steps up to this one, and at any where the short loop fills the gaps.
const STORE_STEP: i64 = 2;
/// At most so many statements are worth being unrolled.
const UNROLLED: u64 = 48;
/// Rows of this length are whole vectors.
const WHOLE: u64 = 4;

/// Swaps loops at any depth.
pub(super) fn exchange(stmt: &mut Stmt) {
    let Stmt::Loop(outer) = stmt else { return };
    outer.body.iter_mut().for_each(exchange);
    if !gains(outer) {
        return;
    }
    outer.kind = LoopKind::Vec;
    for stmt in &mut outer.body {
        if let Stmt::Loop(inner) = stmt {
            inner.kind = LoopKind::Seq;
        }
    }
}

/// Whether the outer loop is longer, and its vectors are as good to load and to store.
fn gains(outer: &Loop) -> bool {
    let (LoopKind::Seq, Range::Count(long)) = (outer.kind, outer.range) else { return false };
    let mut inner = None;
    for stmt in &outer.body {
        match stmt {
            Stmt::Let { op: ScalarOp::Load(access), .. } if !near(access, outer.var, LOAD_STEP) => return false,
            Stmt::Let { .. } => {}
            Stmt::Loop(found) if inner.is_none() => inner = Some(found),
            Stmt::Loop(_)
            | Stmt::Store { .. }
            | Stmt::Gemm(_)
            | Stmt::Conv(_)
            | Stmt::Fill(_)
            | Stmt::Sort(_)
            | Stmt::Transpose(_) => {
                return false;
            }
        }
    }
    let Some(inner) = inner else { return false };
    let Range::Count(short) = inner.range else { return false };
    inner.kind == LoopKind::Vec
        && outer.reduces.is_empty()
        && inner.reduces.is_empty()
        && short <= SHORT
        && short * inner.body.len() as u64 <= UNROLLED
        && long > short
        && inner.body.iter().all(|stmt| match stmt {
            Stmt::Let { op: ScalarOp::Load(access), .. } => near(access, outer.var, LOAD_STEP),
            Stmt::Store { access, .. } => {
                let filled = access.index.factor(inner.var) == 1;
                near(access, outer.var, if filled { STORE_STEP.max(short as i64) } else { STORE_STEP })
            }
            Stmt::Let { .. } => true,
            Stmt::Loop(_) | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => false,
        })
        && !(short == WHOLE && is_whole(inner))
}

/// Whether all vectors along the loop are loaded and stored whole.
fn is_whole(inner: &Loop) -> bool {
    inner.body.iter().all(|stmt| match stmt {
        Stmt::Let { op: ScalarOp::Load(access), .. } | Stmt::Store { access, .. } => {
            access.guards.is_empty() && (0..=1).contains(&access.index.factor(inner.var))
        }
        Stmt::Let { .. } => true,
        Stmt::Loop(_) | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => false,
    })
}

/// Whether neighbours along a variable are at most some elements from each other in memory, and the loop over them can be
/// cut where guards begin and end to hold.
fn near(access: &Access, var: VarId, step: i64) -> bool {
    let cuttable = |guard: &Guard| guard.at.factor(var) == 0 || guard.step <= 1;
    access.indirect.is_none() && access.guards.iter().all(cuttable) && (0..=step).contains(&access.index.factor(var))
}
