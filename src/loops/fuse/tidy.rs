//! Last touches on a kernel: loops joined, multiply-adds formed, panels cut,
//! work counted.
//!
//! In: a kernel as emitted. Out: the same kernel with fewer loops. Invariant:
//! the order of every accumulation is a matter of sizes only, and a panel's
//! loops write only what its own iterations own.

use std::collections::HashMap;

use super::{exchange, tile};
use crate::ir::{Binary, Face, Unary};
use crate::loops::ir::{
    Access, Affine, Combine, Cost, Gemm, Kernel, Loop, LoopKind, Mode, Order, Par, Range, Reduce, ScalarOp, Stmt,
    Transpose, ValueId, VarId,
};

/// Longest single tree (core.md, Numbers).
const TREE: u64 = 16_384;
/// Work worth a panel of its own, in nanoseconds.
const PANEL: f64 = 4_000.0;
/// Less than two of them stays whole.
const WHOLE: f64 = 8_000.0;
/// Most panels of a convolution by images.
const IMAGE_PANELS: u64 = 8;
/// Bytes of a convolution's results that are still in a core's cache when its maps run.
const NEAR: u64 = 512 * 1024;
/// Most panels of a convolution by channels: each lays out all images.
const CHANNEL_PANELS: u64 = 4;
/// Channels that make the work outweigh the laying out.
const CHANNELS: u64 = 16;
/// Least columns of a panel.
const COLUMNS: u64 = 256;
/// Most panels.
const PANELS: u64 = 64;

/// All of it; `alone`: the kernel is one group, so its loops may become panels.
pub(super) fn tidy(kernel: &mut Kernel, fma: bool, alone: bool) {
    let mut body = std::mem::take(&mut kernel.body);
    let rows = body.iter().find_map(|stmt| match stmt {
        Stmt::Gemm(Gemm { m: Range::Count(rows), .. }) => Some(*rows),
        Stmt::Conv(conv) => Some(conv.extent()),
        _ => None,
    });
    match rows {
        // The rows of a product, or images, stay a loop of their own: product and epilogue share panels.
        Some(rows) => body.iter_mut().for_each(|stmt| join_rows(stmt, rows)),
        None => body.iter_mut().for_each(join_loops),
    }
    body.iter_mut().for_each(exchange::exchange);
    // The loops of an epilogue stay in the order of the product's panels.
    if rows.is_none() {
        body.iter_mut().for_each(|stmt| tile::tile(stmt, kernel));
    }
    let (vars, values) = ends(&body);
    kernel.vars = vars;
    kernel.values.truncate(values as usize);
    body.iter_mut().for_each(retree);
    if fma {
        let uses = count_uses(&body);
        form_fma(&mut body, &uses, kernel);
    }
    kernel.body = body;
    kernel.cost = cost(kernel);
    if alone {
        cut_panels(kernel);
    }
}

/// Behind the last variable and the last value of the statements that are left.
fn ends(body: &[Stmt]) -> (u32, u32) {
    let mut behind = (0, 0);
    for stmt in body {
        let (vars, values) = match stmt {
            Stmt::Let { value, .. } => (0, value.0 + 1),
            Stmt::Loop(found) => {
                let (vars, values) = ends(&found.body);
                let results = found.reduces.iter().map(|reduce| reduce.result.0 + 1);
                (vars.max(found.var.0 + 1), results.fold(values, u32::max))
            }
            Stmt::Store { .. } | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => {
                (0, 0)
            }
        };
        behind = (behind.0.max(vars), behind.1.max(values));
    }
    behind
}

/// Joins outer loops until they run over `rows`, then what is inside.
fn join_rows(stmt: &mut Stmt, rows: u64) {
    let Stmt::Loop(outer) = stmt else { return };
    while matches!(outer.range, Range::Count(count) if count < rows) {
        if !join_once(outer) {
            break;
        }
    }
    outer.body.iter_mut().for_each(join_loops);
}

/// Joins a loop with the only loop inside it where all accesses run on from one row to the next.
fn join_loops(stmt: &mut Stmt) {
    let Stmt::Loop(outer) = stmt else { return };
    outer.body.iter_mut().for_each(join_loops);
    join_once(outer);
}

fn join_once(outer: &mut Loop) -> bool {
    let (kind, var, chains) = (outer.kind, outer.var, std::mem::take(&mut outer.reduces));
    let joined = match &mut outer.body[..] {
        [Stmt::Loop(inner)] => joined_loop((kind, outer.range, var), &chains, inner),
        _ => None,
    };
    let done = joined.is_some();
    match joined {
        Some(joined) => *outer = joined,
        None => outer.reduces = chains,
    }
    done
}

fn joined_loop(outer: (LoopKind, Range, VarId), chains: &[Reduce], inner: &mut Loop) -> Option<Loop> {
    let (kind, range, gone) = outer;
    let (Range::Count(rows), Range::Count(columns)) = (range, inner.range) else { return None };
    let mut runs_on = true;
    each_affine(&mut inner.body, &mut |affine| {
        runs_on &= affine.factor(gone) == affine.factor(inner.var) * columns as i64;
    });
    if !runs_on || kind == LoopKind::Vec || !chains_on(chains, &inner.reduces, rows * columns) {
        return None;
    }
    each_affine(&mut inner.body, &mut |affine| affine.terms.retain(|(var, _)| *var != gone));
    let reduces = inner
        .reduces
        .iter()
        .zip(chains)
        .map(|(inner, outer)| Reduce { result: outer.result, ..inner.clone() })
        .collect();
    let range = Range::Count(rows * columns);
    Some(Loop { kind: inner.kind, range, var: inner.var, reduces, body: std::mem::take(&mut inner.body) })
}

/// Whether the outer loop only chains the inner loop's trees, short enough for one tree.
fn chains_on(outer: &[Reduce], inner: &[Reduce], total: u64) -> bool {
    let one_to_one = outer.len() == inner.len()
        && outer.iter().zip(inner).all(|(outer, inner)| match (outer.combine, inner.combine) {
            (Combine::Sum(part), Combine::Sum(_)) | (Combine::Max(part), Combine::Max(_)) => part == inner.result,
            (Combine::Sum(_) | Combine::Max(_) | Combine::Product(..), _) => false,
        });
    let tree = inner.iter().all(|reduce| reduce.order != Order::Chain);
    one_to_one && tree && (inner.is_empty() || total <= TREE)
}

/// A joined loop may have crossed the size where trees get wider.
fn retree(stmt: &mut Stmt) {
    let Stmt::Loop(found) = stmt else { return };
    found.body.iter_mut().for_each(retree);
    if let (LoopKind::Vec, Range::Count(size)) = (found.kind, found.range) {
        found.reduces.iter_mut().for_each(|reduce| reduce.order = if size < 64 { Order::Tree8 } else { Order::Tree32 });
    }
}

/// Calls `see` for each function of loop variables.
pub(super) fn each_affine(body: &mut [Stmt], see: &mut dyn FnMut(&mut Affine)) {
    fn access(access: &mut Access, see: &mut dyn FnMut(&mut Affine)) {
        see(&mut access.index);
        access.guards.iter_mut().for_each(|guard| see(&mut guard.at));
    }
    for stmt in body {
        match stmt {
            Stmt::Let { op: ScalarOp::Load(at), .. } | Stmt::Store { access: at, .. } => access(at, see),
            Stmt::Let { op: ScalarOp::Index(affine), .. } => see(affine),
            Stmt::Let { .. } | Stmt::Conv(_) | Stmt::Fill(_) => {}
            Stmt::Loop(inner) => each_affine(&mut inner.body, see),
            Stmt::Gemm(gemm) => {
                see(&mut gemm.a.start);
                see(&mut gemm.b.start);
                see(&mut gemm.c.start);
            }
            Stmt::Sort(sort) => {
                see(&mut sort.keys.start);
                see(&mut sort.order.start);
            }
            Stmt::Transpose(found) => {
                see(&mut found.from.start);
                see(&mut found.to.start);
            }
        }
    }
}

fn count_uses(body: &[Stmt]) -> HashMap<ValueId, usize> {
    fn visit(body: &[Stmt], uses: &mut HashMap<ValueId, usize>) {
        let mut add = |value: ValueId| *uses.entry(value).or_default() += 1;
        let mut inner = Vec::new();
        for stmt in body {
            match stmt {
                Stmt::Let { op, .. } => op.for_each_operand(&mut add),
                Stmt::Store { access, value } => {
                    add(*value);
                    access.indirect.iter().for_each(|indirect| add(indirect.value));
                }
                Stmt::Loop(found) => {
                    found.reduces.iter().flat_map(|reduce| reduce.combine.operands()).for_each(&mut add);
                    inner.push(found);
                }
                Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Sort(_) | Stmt::Transpose(_) => {}
                Stmt::Fill(fill) => [fill.seed, fill.step, fill.turn].into_iter().for_each(&mut add),
            }
        }
        inner.into_iter().for_each(|found| visit(&found.body, uses));
    }
    let mut uses = HashMap::new();
    visit(body, &mut uses);
    uses
}

/// `a·b + c` with one rounding, where the product has no other use and stands in the same body.
fn form_fma(body: &mut Vec<Stmt>, uses: &HashMap<ValueId, usize>, kernel: &Kernel) {
    let mut products: HashMap<ValueId, (ValueId, ValueId)> = HashMap::new();
    let mut gone = Vec::new();
    let float = |value: ValueId| kernel.values[value.index()].dtype == crate::ir::DType::F32;
    let single = |value: &ValueId| uses.get(value) == Some(&1);
    for stmt in body.iter_mut() {
        match stmt {
            Stmt::Let { value, op } => {
                let formed = match op {
                    ScalarOp::Binary(Binary::Mul, a, b) if float(*value) => {
                        products.insert(*value, (*a, *b));
                        None
                    }
                    ScalarOp::Binary(Binary::Add, x, y) if float(*value) => {
                        [(*x, *y), (*y, *x)].into_iter().find_map(|(product, other)| {
                            Some((product, *products.get(&product).filter(|_| single(&product))?, other))
                        })
                    }
                    _ => None,
                };
                if let Some((product, (a, b), other)) = formed {
                    *op = ScalarOp::Fma(a, b, other);
                    gone.push(product);
                }
            }
            Stmt::Loop(inner) => {
                form_fma(&mut inner.body, uses, kernel);
                gone.extend(inner.reduces.iter_mut().filter_map(|reduce| product_sum(reduce, &mut inner.body, uses)));
            }
            Stmt::Store { .. } | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => {
            }
        }
    }
    body.retain(|stmt| !matches!(stmt, Stmt::Let { value, .. } if gone.contains(value)));
}

/// A sum of products takes its factors.
fn product_sum(reduce: &mut Reduce, body: &mut Vec<Stmt>, uses: &HashMap<ValueId, usize>) -> Option<ValueId> {
    let Combine::Sum(sum) = reduce.combine else { return None };
    let at = body
        .iter()
        .position(|stmt| matches!(stmt, Stmt::Let { value, op: ScalarOp::Binary(Binary::Mul, ..) } if *value == sum))?;
    let Stmt::Let { op: ScalarOp::Binary(_, a, b), .. } = body[at] else { return None };
    if uses.get(&sum) != Some(&1) {
        return None;
    }
    reduce.combine = Combine::Product(a, b);
    body.remove(at);
    Some(sum)
}

fn cost(kernel: &Kernel) -> Cost {
    let in_memory = kernel.params.iter().filter(|param| !matches!(param.mode, Mode::Scratch { .. }));
    let bytes = in_memory.map(|param| 4 * param.len as u64).sum();
    Cost { flops: work(&kernel.body), bytes }
}

fn work(body: &[Stmt]) -> u64 {
    let mut sum = 0;
    for stmt in body {
        sum += match stmt {
            Stmt::Let { op, .. } => op_work(op),
            Stmt::Store { .. } => 0,
            Stmt::Loop(found) => {
                let count = if let Range::Count(count) = found.range { count } else { 1 };
                let reduces: u64 = found
                    .reduces
                    .iter()
                    .map(|reduce| if let Combine::Product(..) = reduce.combine { 2 } else { 1 })
                    .sum();
                count * (work(&found.body) + reduces)
            }
            Stmt::Gemm(gemm) => {
                let m = if let Range::Count(m) = gemm.m { m } else { 1 };
                2 * m * gemm.n * gemm.k
            }
            Stmt::Conv(conv) => conv.flops(),
            Stmt::Fill(fill) => fill.len * 12,
            // About n·log2(n) comparisons, each of which jumps about.
            Stmt::Sort(sort) => sort.len * (64 - sort.len.leading_zeros() as u64) * 8,
            Stmt::Transpose(_) => 0,
        };
    }
    sum
}

fn op_work(op: &ScalarOp) -> u64 {
    match op {
        ScalarOp::F32(_) | ScalarOp::I32(_) | ScalarOp::Bool(_) | ScalarOp::Load(_) | ScalarOp::Index(_) => 0,
        ScalarOp::Unary(Unary::Neg | Unary::Abs | Unary::Floor, _) => 1,
        ScalarOp::Unary(Unary::Sqrt, _) | ScalarOp::Binary(Binary::Div | Binary::Rem, ..) => 4,
        ScalarOp::Unary(..) | ScalarOp::Binary(Binary::Pow, ..) => 12,
        ScalarOp::Fma(..) => 2,
        ScalarOp::Binary(..)
        | ScalarOp::Compare(..)
        | ScalarOp::And(..)
        | ScalarOp::Or(..)
        | ScalarOp::Xor(..)
        | ScalarOp::Not(_)
        | ScalarOp::Shl(..)
        | ScalarOp::ShrU(..)
        | ScalarOp::ShrS(..)
        | ScalarOp::Select(..)
        | ScalarOp::Convert(..)
        | ScalarOp::Bits(..) => 1,
    }
}

/// Makes the kernel parallel where all its outermost loops and calls run over the same rows.
fn cut_panels(kernel: &mut Kernel) {
    let products: f64 = kernel.body.iter().map(product_work).sum();
    let others = kernel.cost.flops as f64 - products;
    let time = f64::max(products / 50.0 + others / 16.0, kernel.cost.bytes as f64 / 32.0);
    let Some((extent, step)) = common_extent(&kernel.body).filter(|_| time >= WHOLE) else { return };
    let panels = ((time / PANEL) as u64).clamp(2, PANELS).min(extent.div_ceil(step));
    let columns = kernel.body.iter().find_map(|stmt| if let Stmt::Gemm(gemm) = stmt { Some(gemm.n) } else { None });
    let most = kernel.body.iter().find_map(|stmt| match stmt {
        Stmt::Conv(conv) if conv.face == Face::Weight => Some((conv.extent() / CHANNELS).clamp(2, CHANNEL_PANELS)),
        // What maps read of the result should still be near.
        Stmt::Conv(conv) if kernel.body.len() > 1 => Some((4 * conv.operand_lengths()[2] / NEAR).max(IMAGE_PANELS)),
        Stmt::Conv(_) => Some(IMAGE_PANELS),
        _ => None,
    });
    let by = match columns {
        // Each panel puts weights or images in order again, so there are few.
        Some(columns) => product_rows(extent, columns, kernel.body.len() > 1),
        None => extent.div_ceil(panels.min(most.unwrap_or(panels))).next_multiple_of(step),
    };
    if by >= extent {
        return;
    }
    for stmt in &mut kernel.body {
        match stmt {
            Stmt::Loop(found) => found.range = Range::Panel,
            Stmt::Gemm(gemm) => gemm.m = Range::Panel,
            Stmt::Conv(conv) => conv.rows = Range::Panel,
            Stmt::Transpose(found) => found.m = Range::Panel,
            Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Let { .. } | Stmt::Store { .. } => {}
        }
    }
    kernel.par = Some(Par { extent, by });
}

/// Rows of a panel of a product: two panels for each 96 rows, in sixes; with an epilogue, at most 64 KB of results.
fn product_rows(rows: u64, columns: u64, epilogue: bool) -> u64 {
    const RESULTS: u64 = 64 * 1024 / 4;
    let even = rows.div_ceil(2 * rows.div_ceil(96)).next_multiple_of(6);
    let fitting = (RESULTS / columns.max(1) / 6 * 6).max(6);
    if epilogue { even.min(fitting) } else { even }
}

fn product_work(stmt: &Stmt) -> f64 {
    match stmt {
        Stmt::Gemm(_) | Stmt::Conv(_) => work(std::slice::from_ref(stmt)) as f64,
        Stmt::Loop(found) => {
            let count = if let Range::Count(count) = found.range { count } else { 1 };
            count as f64 * found.body.iter().map(product_work).sum::<f64>()
        }
        Stmt::Let { .. } | Stmt::Store { .. } | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => 0.0,
    }
}

/// The iterations of all outermost loops and calls, if they are alike, and the rounding of a chunk.
fn common_extent(body: &[Stmt]) -> Option<(u64, u64)> {
    let mut common: Option<(u64, u64)> = None;
    for stmt in body {
        let (extent, step) = match stmt {
            Stmt::Let { .. } => continue,
            Stmt::Store { .. } | Stmt::Sort(_) => return None,
            Stmt::Loop(Loop { kind, range: Range::Count(count), reduces, body, .. }) if reduces.is_empty() => {
                // Of long columns, whole stretches of a row.
                let columns = body.iter().any(|stmt| matches!(stmt, Stmt::Loop(_)));
                (
                    *count,
                    if *kind == LoopKind::Seq {
                        1
                    } else if columns && *count > COLUMNS {
                        COLUMNS
                    } else {
                        64
                    },
                )
            }
            Stmt::Loop(_) => return None,
            Stmt::Gemm(Gemm { m: Range::Count(count), .. }) => (*count, 6),
            Stmt::Transpose(Transpose { m: Range::Count(count), .. }) => (*count, 16),
            Stmt::Gemm(_) | Stmt::Transpose(_) => return None,
            Stmt::Conv(conv) => (conv.extent(), if conv.face == Face::Weight { 4 } else { 1 }),
            Stmt::Fill(fill) => (fill.len.div_ceil(64), 1),
        };
        common = match common {
            None => Some((extent, step)),
            Some((same, other)) if same == extent => Some((extent, step.max(other))),
            Some(_) => return None,
        };
    }
    common
}
