//! Loops of maps in a better order.
//!
//! The long axis to the vectors: windows of pooling are two or three wide, and
//! a vector along them would hold single elements. In: a nest whose outer loop
//! holds one short `vec` loop. Out: the same with `vec` outside and the short
//! loop, which is then unrolled, inside.
//!
//! Tiles for what is transposed: a vector then reads a line of memory for each
//! element, and the lines should still be there for the next row of results.
//!
//! Invariant: only maps are touched, whose iterations are independent, so no
//! sum changes.

use crate::loops::ir::{Access, Affine, Loop, LoopKind, Range, ScalarOp, Stmt, VarId};

use super::tidy::each_affine;

/// At most so many iterations are short.
const SHORT: u64 = 4;
/// Vectors are loaded and stored at steps up to this one.
const STEP: i64 = 2;

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

/// Rows of a tile: about the elements of a line of memory.
const TILE_ROWS: u64 = 16;
/// Columns of a tile, each with lines of its own, which all fall in one place of a cache if rows are a power of 2.
const TILE_COLUMNS: u64 = 8;

/// Cuts two loops at any depth into tiles if vectors of the inner one read across lines that the outer one goes along.
pub(super) fn tile(stmt: &mut Stmt, vars: &mut u32) {
    let Stmt::Loop(outer) = stmt else { return };
    outer.body.iter_mut().for_each(|stmt| tile(stmt, vars));
    if reads_across(outer) {
        let Stmt::Loop(inner) = &mut outer.body[0] else { return };
        let columns = cut(inner, TILE_COLUMNS, vars);
        let rows = cut(outer, TILE_ROWS, vars);
        for (var, count) in [columns, rows].into_iter().flatten() {
            let body = vec![stmt.clone()];
            let range = Range::Count(count);
            *stmt = Stmt::Loop(Loop { kind: LoopKind::Seq, range, var, reduces: Vec::new(), body });
        }
    }
}

/// Shortens a loop to the size of a tile; the loop that is wanted around it, if there is more than one tile.
fn cut(found: &mut Loop, size: u64, vars: &mut u32) -> Option<(VarId, u64)> {
    let Range::Count(count) = found.range else { return None };
    if count <= size || !count.is_multiple_of(size) {
        return None;
    }
    let (inner, around) = (found.var, VarId(*vars));
    *vars += 1;
    each_affine(&mut found.body, &mut |affine| {
        *affine = affine.plus(&Affine::var(around, affine.factor(inner) * size as i64));
    });
    found.range = Range::Count(size);
    Some((around, count / size))
}

/// Whether the nest is a map of two loops which stores along the inner, and loads something along the outer alone.
fn reads_across(outer: &Loop) -> bool {
    let [Stmt::Loop(inner)] = &outer.body[..] else { return false };
    let counted = |found: &Loop, size| matches!(found.range, Range::Count(count) if count.is_multiple_of(size));
    let kinds = outer.kind == LoopKind::Seq && inner.kind == LoopKind::Vec;
    let maps = outer.reduces.is_empty() && inner.reduces.is_empty();
    if !kinds || !maps || !counted(inner, TILE_COLUMNS) {
        return false;
    }
    let mut across = false;
    for stmt in &inner.body {
        match stmt {
            Stmt::Let { op: ScalarOp::Load(access), .. } => {
                let (along, over) = (access.index.factor(outer.var), access.index.factor(inner.var));
                across |= along.abs() == 1 && over.unsigned_abs() >= TILE_ROWS;
            }
            Stmt::Let { .. } => {}
            Stmt::Store { access, .. } if access.index.factor(inner.var) == 1 => {}
            Stmt::Store { .. } | Stmt::Loop(_) | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) => {
                return false;
            }
        }
    }
    across
}

/// Whether the outer loop is longer, and its vectors are as good to load and to store.
fn gains(outer: &Loop) -> bool {
    let (LoopKind::Seq, Range::Count(long)) = (outer.kind, outer.range) else { return false };
    let mut inner = None;
    for stmt in &outer.body {
        match stmt {
            Stmt::Let { op: ScalarOp::Load(access), .. } if !near(access, outer.var) => return false,
            Stmt::Let { .. } => {}
            Stmt::Loop(found) if inner.is_none() => inner = Some(found),
            Stmt::Loop(_) | Stmt::Store { .. } | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) => {
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
        && long > short
        && inner.body.iter().all(|stmt| match stmt {
            Stmt::Let { op: ScalarOp::Load(access), .. } | Stmt::Store { access, .. } => near(access, outer.var),
            Stmt::Let { .. } => true,
            Stmt::Loop(_) | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) => false,
        })
}

/// Whether neighbours along a variable are near each other in memory, and no index or guard depends on it.
fn near(access: &Access, var: VarId) -> bool {
    let plain = access.indirect.is_none() && access.guards.iter().all(|guard| guard.at.factor(var) == 0);
    plain && (0..=STEP).contains(&access.index.factor(var))
}
