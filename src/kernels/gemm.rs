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
        packed: args.b_column != 1 || (n >= 256 && m >= 48),
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
    // SAFETY: reads elements of B that exist, writes k · width elements of the strip.
    unsafe {
        if plan.b_column == 1 {
            for p in 0..k {
                let to = plan.pack.add(p * width);
                std::ptr::copy_nonoverlapping(b.offset(p as isize * plan.b_row), to, columns);
                for column in columns..width {
                    *to.add(column) = 0.0;
                }
            }
        } else {
            for p in 0..k {
                let to = plan.pack.add(p * width);
                let from = b.offset(p as isize * plan.b_row);
                for column in 0..width {
                    *to.add(column) =
                        if column < columns { *from.offset(column as isize * plan.b_column) } else { 0.0 };
                }
            }
        }
    }
}
