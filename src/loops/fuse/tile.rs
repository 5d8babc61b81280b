//! What is transposed, by the precompiled kernel for it.
//!
//! In: a nest whose vectors read across the lines of memory that a loop around
//! them goes along. Out: one call, if the nest only copies; otherwise tiles,
//! each of which is first transposed to scratch memory, and there read by rows.
//! Invariant: only maps are touched, and each reads what it read before.

use crate::ir::DType;
use crate::kernels::abi::SCRATCH_BYTES;
use crate::loops::ir::{
    Access, Affine, Kernel, Loop, LoopKind, Matrix, Mode, Param, ParamId, Range, ScalarOp, Stmt, Transpose, VarId,
};

use super::tidy::each_affine;

/// Most rows of a tile: the elements of a line of memory.
const ROWS: u64 = 16;
/// Most columns of a tile, so that a few tiles fit the first cache.
const COLUMNS: u64 = 128;
/// Fewer columns are not worth a call.
const FEW_COLUMNS: u64 = 16;
/// Fewer rows, or a smaller step across them, the vectors of the JIT shuffle themselves.
const LEAST: u64 = 4;

/// Rewrites nests at any depth; `kernel` (without its body) gets the scratch memory and the loops that they need.
pub(super) fn tile(stmt: &mut Stmt, kernel: &mut Kernel) {
    let Stmt::Loop(outer) = stmt else { return };
    turn_inward(outer);
    outer.body.iter_mut().for_each(|stmt| tile(stmt, kernel));
    if let Some(copy) = copied(outer) {
        *stmt = Stmt::Transpose(copy);
    } else if let Some(tiled) = tiled(outer, kernel) {
        *stmt = tiled;
    }
}

/// Moves a loop next to the vectors that read across the lines it goes along, if there are only loops between.
fn turn_inward(outer: &mut Loop) {
    if !reads_along(outer, outer) {
        return;
    }
    let mut at = outer;
    while let [Stmt::Loop(inner)] = &mut at.body[..] {
        let counts = matches!((at.range, inner.range), (Range::Count(_), Range::Count(_)));
        if !counts || inner.kind == LoopKind::Vec {
            return;
        }
        std::mem::swap(&mut at.var, &mut inner.var);
        std::mem::swap(&mut at.range, &mut inner.range);
        at = inner;
    }
}

/// Whether at the end of a chain of plain loops, with no other that would do, vectors read across what `along` goes along.
fn reads_along(along: &Loop, outer: &Loop) -> bool {
    let [Stmt::Loop(inner)] = &outer.body[..] else { return false };
    if outer.kind != LoopKind::Seq || !outer.reduces.is_empty() {
        return false;
    }
    if inner.kind == LoopKind::Seq {
        return reads_along(along, inner);
    }
    let across = |outer: &Loop| {
        inner
            .body
            .iter()
            .any(|stmt| matches!(stmt, Stmt::Let { op: ScalarOp::Load(access), .. } if is_across(access, outer, inner)))
    };
    map(outer).is_some() && across(along) && !across(outer)
}

/// A nest of two counted loops that is a map: their counts, and the inner one, which stores along its vectors.
fn map(outer: &Loop) -> Option<(u64, u64, &Loop)> {
    let (Stmt::Loop(inner), uniform) = outer.body.split_last()? else { return None };
    let (Range::Count(rows), Range::Count(columns)) = (outer.range, inner.range) else { return None };
    let kinds = outer.kind == LoopKind::Seq && inner.kind == LoopKind::Vec;
    let maps = outer.reduces.is_empty() && inner.reduces.is_empty();
    let along = |stmt: &Stmt| match stmt {
        Stmt::Let { .. } => true,
        Stmt::Store { access, .. } => access.index.factor(inner.var) == 1 && access.indirect.is_none(),
        Stmt::Loop(_) | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => false,
    };
    let plain = uniform.iter().all(|stmt| matches!(stmt, Stmt::Let { .. })) && inner.body.iter().all(along);
    (kinds && maps && plain).then_some((rows, columns, inner))
}

/// Whether a load reads across the lines that the outer loop goes along.
fn is_across(access: &Access, outer: &Loop, inner: &Loop) -> bool {
    let plain = access.indirect.is_none() && access.guards.is_empty();
    plain
        && access.index.factor(outer.var) == 1
        && access.index.factor(inner.var).unsigned_abs() >= LEAST
        && matches!(outer.range, Range::Count(rows) if rows >= LEAST)
}

/// The start of an access: at the first iteration of both loops.
fn start(access: &Access, outer: &Loop, inner: &Loop) -> Affine {
    let mut start = access.index.clone();
    start.terms.retain(|(var, _)| *var != outer.var && *var != inner.var);
    start
}

/// The one call that does what the nest does.
fn copied(outer: &Loop) -> Option<Transpose> {
    let (rows, columns, inner) = map(outer)?;
    let [Stmt::Let { value, op: ScalarOp::Load(from) }, Stmt::Store { access: to, value: stored }] = &inner.body[..]
    else {
        return None;
    };
    if outer.body.len() > 1 || value != stored || from.param == to.param || !is_across(from, outer, inner) {
        return None;
    }
    let matrix =
        |access: &Access, row, column| Matrix { param: access.param, start: start(access, outer, inner), row, column };
    Some(Transpose {
        m: Range::Count(rows),
        n: columns,
        from: matrix(from, 1, from.index.factor(inner.var)),
        to: matrix(to, to.index.factor(outer.var), 1),
    })
}

/// The nest in tiles, if its sizes allow it.
fn tiled(outer: &Loop, kernel: &mut Kernel) -> Option<Stmt> {
    let (rows, columns, inner) = map(outer)?;
    let (tile_rows, tile_columns) = (part(rows, ROWS), part(columns, COLUMNS));
    let worth = inner.body.iter().any(|stmt| {
        let Stmt::Let { op: ScalarOp::Load(access), .. } = stmt else { return false };
        is_across(access, outer, inner) && kernel.params[access.param.index()].mode == Mode::In
    });
    if !worth || tile_rows < LEAST || tile_columns < FEW_COLUMNS {
        return None;
    }
    let mut outer = outer.clone();
    let row_tiles = cut(&mut outer, tile_rows, &mut kernel.vars);
    let Some(Stmt::Loop(mut inner)) = outer.body.pop() else { return None };
    let column_tiles = cut(&mut inner, tile_columns, &mut kernel.vars);
    let mut body = laid_by_rows(&outer, &mut inner, (tile_rows, tile_columns), kernel);
    outer.body.push(Stmt::Loop(inner));
    body.push(Stmt::Loop(outer));
    let counted =
        |body, (var, count)| Loop { kind: LoopKind::Seq, range: Range::Count(count), var, reduces: Vec::new(), body };
    let tiles = counted(body, column_tiles);
    Some(Stmt::Loop(counted(vec![Stmt::Loop(tiles)], row_tiles)))
}

/// The largest part of at most `most` that goes into `count` a whole number of times.
fn part(count: u64, most: u64) -> u64 {
    (1..=most.min(count)).rev().find(|part| count.is_multiple_of(*part)).unwrap_or(1)
}

/// Shortens a loop to the size of a tile; variable and iterations of the loop around it.
fn cut(found: &mut Loop, size: u64, vars: &mut u32) -> (VarId, u64) {
    let count = if let Range::Count(count) = found.range { count } else { size };
    let (inner, around) = (found.var, VarId(*vars));
    *vars += 1;
    each_affine(&mut found.body, &mut |affine| {
        *affine = affine.plus(&Affine::var(around, affine.factor(inner) * size as i64));
    });
    found.range = Range::Count(size);
    (around, count / size)
}

/// The calls that lay what is read across in scratch memory, from which the inner loop then loads.
fn laid_by_rows(outer: &Loop, inner: &mut Loop, (rows, columns): (u64, u64), kernel: &mut Kernel) -> Vec<Stmt> {
    let (mut calls, mut taken) = (Vec::new(), Vec::new());
    let mut body = std::mem::take(&mut inner.body);
    for stmt in &mut body {
        let Stmt::Let { op: ScalarOp::Load(access), .. } = stmt else { continue };
        let param = &kernel.params[access.param.index()];
        if !is_across(access, outer, inner) || param.mode != Mode::In {
            continue;
        }
        let Some(to) = scratch(kernel, param.dtype, &mut taken) else { continue };
        let column = access.index.factor(inner.var);
        let from = Matrix { param: access.param, start: start(access, outer, inner), row: 1, column };
        let to = Matrix { param: to, start: Affine::default(), row: columns as i64, column: 1 };
        access.param = to.param;
        access.index = Affine::var(outer.var, columns as i64).plus(&Affine::var(inner.var, 1));
        calls.push(Stmt::Transpose(Transpose { m: Range::Count(rows), n: columns, from, to }));
    }
    inner.body = body;
    calls
}

/// Scratch memory for a tile that the nest has not taken yet; nests share it. None if there is no room.
fn scratch(kernel: &mut Kernel, dtype: DType, taken: &mut Vec<ParamId>) -> Option<ParamId> {
    const WORDS: usize = (ROWS * COLUMNS) as usize;
    let is_scratch = |param: &Param| matches!(param.mode, Mode::Scratch { .. });
    let ids = (0..kernel.params.len() as u32).map(ParamId);
    let free = |id: &ParamId| {
        let param = &kernel.params[id.index()];
        is_scratch(param) && param.dtype == dtype && !taken.contains(id)
    };
    let found = ids.into_iter().find(free).or_else(|| {
        let before = kernel.params.iter().filter(|param| is_scratch(param)).count();
        let offset = 4 * WORDS * before;
        let fits = offset + 4 * WORDS <= SCRATCH_BYTES;
        let name = format!("tile{before}");
        fits.then(|| {
            kernel.params.push(Param { name, dtype, len: WORDS, mode: Mode::Scratch { offset } });
            ParamId(kernel.params.len() as u32 - 1)
        })
    })?;
    taken.push(found);
    Some(found)
}
