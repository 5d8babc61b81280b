//! Matrix product: C = A · B with any strides of A and B.
//!
//! In comes a [`GemmArgs`], out goes C. Each element is one fma chain from +0
//! in order of k; for k over [`CHAIN`] chains of that length, added in order.
//! Blocks of k take up their chain from where the last block stored it, so
//! cache blocks, tile shapes and the instruction set do not show in the bits.
//!
//! Around the tiles of `micro`: for each block of columns, for each block of k,
//! for each strip of two vectors of columns, all rows. B is read in place where
//! its columns have stride 1; otherwise, or where rows lie so far apart that
//! caches and page tables suffer, each strip is packed just before its use.

use std::ops::Range;

use super::abi::{Ctx, GemmArgs, PACK_BYTES};
use super::micro::{Isa, Portable, Tile};

/// Steps of one chain.
pub const CHAIN: usize = 4096;

/// Steps of a block of k when strips are packed: two vectors of columns then take 64 KB at most and stay near.
const BLOCK: usize = 512;

/// Elements of the pack space kept for one packed strip.
const STRIP: usize = BLOCK * 32;

/// Elements of the pack space for partial chains: few enough to stay in the caches beside the operands.
const PARTIALS: usize = 16 * 1024;

const _: () = assert!((STRIP + PARTIALS) * 4 <= PACK_BYTES, "strip and partials share the pack space");

/// Rows handled at once when a chain's partials need space: then at least 16 columns fit.
const ROW_BLOCK: usize = PARTIALS / 32;

/// Matrix product with 512-bit vectors.
///
/// # Safety
/// AVX-512F is there; `args` and what it describes are valid; C overlaps neither A nor B; `ctx.pack` has
/// [`PACK_BYTES`], 64-byte aligned, and is used by no other thread.
#[cfg(target_arch = "x86_64")]
pub unsafe extern "C" fn avx512(args: *const GemmArgs, ctx: *const Ctx) {
    // SAFETY: passed on.
    unsafe { product::<super::micro::Avx512>(&*args, (*ctx).pack.cast()) }
}

/// Matrix product with 256-bit vectors.
///
/// # Safety
/// AVX2 and FMA are there; otherwise as [`avx512`].
#[cfg(target_arch = "x86_64")]
pub unsafe extern "C" fn avx2(args: *const GemmArgs, ctx: *const Ctx) {
    // SAFETY: passed on.
    unsafe { product::<super::micro::Avx2>(&*args, (*ctx).pack.cast()) }
}

/// Matrix product for any machine.
///
/// # Safety
/// As [`avx512`] without its first condition.
pub unsafe extern "C" fn portable(args: *const GemmArgs, ctx: *const Ctx) {
    // SAFETY: passed on.
    unsafe { product::<Portable>(&*args, (*ctx).pack.cast()) }
}

/// What is fixed for a whole product.
struct Plan {
    a_row: isize,
    a_column: isize,
    b_row: isize,
    b_column: isize,
    packed: bool,
    pack: *mut f32,
}

/// Where a block of k begins and how it joins C.
struct Block {
    a: *const f32,
    b: *const f32,
    k: usize,
    continues: bool,
}

/// Where a block's sums go.
struct Target {
    c: *mut f32,
    row: isize,
    m: usize,
    n: usize,
}

unsafe fn product<I: Isa>(args: &GemmArgs, pack: *mut f32) {
    let (m, n, k) = (args.m as usize, args.n as usize, args.k as usize);
    let plan = Plan {
        a_row: args.a_row as isize,
        a_column: args.a_column as isize,
        b_row: args.b_row as isize,
        b_column: args.b_column as isize,
        packed: args.b_column != 1 || worth_packing(m, n),
        pack,
    };
    let c_row = args.c_row as isize;
    // SAFETY: offsets stay inside the matrices the caller vouches for.
    unsafe {
        if k <= CHAIN {
            let target = Target { c: args.c, row: c_row, m, n };
            chain::<I>(&plan, args.a, args.b, k, &target);
        } else {
            for row in (0..m).step_by(ROW_BLOCK) {
                let rows = ROW_BLOCK.min(m - row);
                let columns_at_once = (PARTIALS / rows) & !15;
                for column in (0..n).step_by(columns_at_once) {
                    let columns = columns_at_once.min(n - column);
                    let target =
                        Target { c: args.c.offset(row as isize * c_row).add(column), row: c_row, m: rows, n: columns };
                    let a = args.a.offset(row as isize * plan.a_row);
                    let b = args.b.offset(column as isize * plan.b_column);
                    chains::<I>(&plan, a, b, k, &target);
                }
            }
        }
        I::finish();
    }
}

/// Whether B is copied though its columns have stride 1. Measured on Zen 4: in place wins while a block of
/// B stays in the second-level cache; with rows of B in pages of their own the copy pays even for few rows of A.
fn worth_packing(m: usize, n: usize) -> bool {
    (n >= 256 && m >= 128) || (n >= 1024 && m >= 24)
}

/// Several chains: the first goes to C, each later one to the pack space and from there is added.
unsafe fn chains<I: Isa>(plan: &Plan, a: *const f32, b: *const f32, k: usize, target: &Target) {
    // SAFETY: the partials of `m` by `n` fit behind the strip; the rest as in `product`.
    unsafe {
        let partial = Target { c: plan.pack.add(STRIP), row: target.n as isize, m: target.m, n: target.n };
        for first in (0..k).step_by(CHAIN) {
            let a = a.offset(first as isize * plan.a_column);
            let b = b.offset(first as isize * plan.b_row);
            let length = CHAIN.min(k - first);
            if first == 0 {
                chain::<I>(plan, a, b, length, target);
                continue;
            }
            chain::<I>(plan, a, b, length, &partial);
            for row in 0..target.m {
                let sums = std::slice::from_raw_parts_mut(target.c.offset(row as isize * target.row), target.n);
                let terms = std::slice::from_raw_parts(partial.c.add(row * target.n), target.n);
                for (sum, term) in sums.iter_mut().zip(terms) {
                    *sum += term;
                }
            }
        }
    }
}

/// One chain for every element of the target, in blocks of about equal length.
unsafe fn chain<I: Isa>(plan: &Plan, a: *const f32, b: *const f32, k: usize, target: &Target) {
    let blocks = k.div_ceil(BLOCK).max(1);
    let length = k.div_ceil(blocks);
    for block in 0..blocks {
        let first = block * length;
        // SAFETY: `first` is below k (or k is 0 and nothing is read).
        unsafe {
            let block = Block {
                a: a.offset(first as isize * plan.a_column),
                b: b.offset(first as isize * plan.b_row),
                k: length.min(k - first),
                continues: block > 0,
            };
            strips::<I>(plan, &block, target);
        }
    }
}

/// One block of k for all columns of the target, strip by strip.
unsafe fn strips<I: Isa>(plan: &Plan, block: &Block, target: &Target) {
    let strip = 2 * I::WIDTH;
    for column in (0..target.n).step_by(strip) {
        let columns = strip.min(target.n - column);
        let vectors = columns.div_ceil(I::WIDTH);
        // SAFETY: column < n; a packed strip holds `k · width` elements, at most STRIP.
        unsafe {
            let b = block.b.offset(column as isize * plan.b_column);
            let mut tile = Tile {
                k: block.k,
                a: block.a,
                a_row: plan.a_row,
                a_column: plan.a_column,
                b,
                b_row: plan.b_row,
                b_full: columns == vectors * I::WIDTH,
                c: target.c.add(column),
                c_row: target.row,
                columns,
                continues: block.continues,
            };
            if plan.packed {
                let width = vectors * I::WIDTH;
                pack(plan, b, block.k, columns, width);
                (tile.b, tile.b_row, tile.b_full) = (plan.pack, width as isize, true);
            }
            rows::<I>(&mut tile, target.m, vectors);
        }
    }
}

/// All rows of one strip, in tiles of about equal height: a last tile of one row would have too few chains to
/// fill the pipeline.
unsafe fn rows<I: Isa>(tile: &mut Tile, m: usize, vectors: usize) {
    let tiles = m.div_ceil(I::ROWS);
    for index in 0..tiles {
        let height = m / tiles + usize::from(index < m % tiles);
        // SAFETY: heights sum up to m, so all rows of a tile exist.
        unsafe { I::tile(height, vectors, tile) };
        tile.a = tile.a.wrapping_offset(height as isize * tile.a_row);
        tile.c = tile.c.wrapping_offset(height as isize * tile.c_row);
    }
}

/// Copies `k` rows of `columns` elements of B to the pack space, rows `width` apart, missing columns 0.
unsafe fn pack(plan: &Plan, b: *const f32, k: usize, columns: usize, width: usize) {
    let strides = (plan.b_row, plan.b_column);
    // SAFETY: reads elements of B that exist, writes k · width elements of the strip.
    unsafe {
        if plan.b_column == 1 {
            // Pieces of constant size become moves; a copy of unknown size would be a library call for each row.
            let whole = columns / 8 * 8;
            for p in 0..k {
                let from = b.offset(p as isize * plan.b_row);
                let to = plan.pack.add(p * width);
                for column in (0..whole).step_by(8) {
                    std::ptr::copy_nonoverlapping(from.add(column), to.add(column), 8);
                }
            }
            copy_part(b, strides, plan.pack, width, 0..k, whole..columns);
        } else {
            let (whole_rows, whole_columns) = if plan.b_row == 1 { (k / LINE * LINE, columns / 4 * 4) } else { (0, 0) };
            for p in (0..whole_rows).step_by(LINE) {
                for column in (0..whole_columns).step_by(4) {
                    let from = b.add(p).offset(column as isize * plan.b_column);
                    transpose_line(from, plan.b_column, plan.pack.add(p * width + column), width);
                }
            }
            copy_part(b, strides, plan.pack, width, 0..whole_rows, whole_columns..columns);
            copy_part(b, strides, plan.pack, width, whole_rows..k, 0..columns);
        }
        if columns < width {
            for p in 0..k {
                plan.pack.add(p * width + columns).write_bytes(0, width - columns);
            }
        }
    }
}

/// Rows that are transposed together: a cache line of each column of B is then read once, and used up.
const LINE: usize = 16;

/// Copies some rows and columns one by one.
unsafe fn copy_part(
    b: *const f32,
    (row, column): (isize, isize),
    to: *mut f32,
    width: usize,
    rows: Range<usize>,
    columns: Range<usize>,
) {
    for p in rows {
        for j in columns.clone() {
            // SAFETY: the caller's ranges lie inside B and the strip.
            unsafe { *to.add(p * width + j) = *b.offset(p as isize * row + j as isize * column) };
        }
    }
}

/// Writes a block of [`LINE`] rows and 4 columns, where the columns' elements are neighbours in B.
#[cfg(target_arch = "x86_64")]
unsafe fn transpose_line(b: *const f32, b_column: isize, to: *mut f32, width: usize) {
    use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
    for p in (0..LINE).step_by(4) {
        // SAFETY: the caller's block lies inside B and the strip; SSE is part of x86-64.
        unsafe {
            let load = |column: isize| _mm_loadu_ps(b.add(p).offset(column * b_column));
            let [mut r0, mut r1, mut r2, mut r3] = [load(0), load(1), load(2), load(3)];
            _MM_TRANSPOSE4_PS(&mut r0, &mut r1, &mut r2, &mut r3);
            for (row, values) in [r0, r1, r2, r3].into_iter().enumerate() {
                _mm_storeu_ps(to.add((p + row) * width), values);
            }
        }
    }
}

/// As above, element by element.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn transpose_line(b: *const f32, b_column: isize, to: *mut f32, width: usize) {
    // SAFETY: the caller's block lies inside B and the strip.
    unsafe { copy_part(b, (1, b_column), to, width, 0..LINE, 0..4) }
}
