//! Long chains along lanes, row by row.
//!
//! In: a `vec` loop that only accumulates down long columns and then does
//! something with the sums. Out: the same chains with the loops exchanged: each
//! row of a wide part is taken in as it lies in memory, and the accumulators of
//! the part lie on the stack, in the first cache. Column by column, each row is
//! a short visit to another page. Invariant: each chain takes in the same values
//! in the same order, so no bit changes.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Type, Value, types};

use super::loops::Span;
use super::{Bound, Emitter, LANES, Strip, walk};
use crate::jit::JitError;
use crate::loops::ir::{Loop, LoopKind, Range, ScalarOp, Stmt, VarId};

/// Columns of a part, at most.
const PART: i64 = 1024;
/// Vectors that are taken in at once.
const VECTORS: usize = 4;
/// Columns that are.
pub(super) const STEP: i64 = (VECTORS * LANES) as i64;
/// Rows that are.
const ROWS: u64 = 8;
/// Fewer rows than this are as well taken column by column.
const FEW: u64 = 64;
/// Elements from row to row from which on visits are far apart.
const FAR: i64 = 256;
/// Most bytes of accumulators.
const STACK: usize = 16 * 1024;
/// Vectors start at any element.
const VECTOR: MemFlagsData = MemFlagsData::new().with_notrap();

/// Where the columns of a part are.
#[derive(Clone, Copy)]
struct Part {
    var: VarId,
    /// The first column.
    first: Value,
    /// Behind the last one.
    end: Value,
}

/// A chain's accumulators: one row of the part for each of them.
type Rows = Vec<(StackSlot, Type)>;

impl<'k> Emitter<'k, '_> {
    /// Whether the loop is one of long columns.
    pub(super) fn is_columns(&self, looped: &Loop) -> bool {
        let chains = leading(&looped.body);
        let rows: usize = chains.iter().map(|chain| self.rows_of(chain)).sum();
        self.strip.is_none()
            && looped.reduces.is_empty()
            && rows * PART as usize * 4 <= STACK
            && !walk::has_loop(&looped.body[chains.len()..])
            && chains.iter().all(|chain| is_chain(chain))
            && chains.iter().map(|chain| turns(chain)).sum::<u64>() >= FEW
            && reads_far(&looped.body, looped.var)
    }

    /// Parts of whole steps. Gives where the rest begins.
    pub(super) fn columns(&mut self, looped: &'k Loop, span: Span, ordinal: u32) -> Result<Value, JitError> {
        let left = self.builder.ins().isub(span.end, span.start);
        let whole = self.builder.ins().band_imm_s(left, -STEP);
        let end = self.builder.ins().iadd(span.start, whole);
        let mut rows: Vec<Rows> = Vec::new();
        for chain in leading(&looped.body) {
            self.lay_out(chain, &mut rows);
        }
        self.repeat(Span { end, step: PART, ..span }, &[], |emitter, first, _| {
            let far = emitter.builder.ins().iadd_imm_s(first, PART);
            let part = Part { var: looped.var, first, end: emitter.builder.ins().umin(far, end) };
            let mut chains = Vec::new();
            let mut used = 0;
            let mut at = ordinal + 1;
            for (chain, stmt) in leading(&looped.body).into_iter().zip(&looped.body) {
                chains.push((chain, rows[used].clone()));
                emitter.take_in(chain, part, &rows[used..], at)?;
                used += depth(chain);
                at += stmt.size() as u32;
            }
            let after = &looped.body[chains.len()..];
            emitter.along(part, after, |emitter, bytes| {
                for (chain, rows) in &chains {
                    let accumulators = emitter.accumulators(rows, bytes);
                    emitter.chain_finish(chain, true, &accumulators);
                }
                emitter.statements(after, at)
            })?;
            Ok(Vec::new())
        })?;
        Ok(end)
    }

    /// Rows of accumulators of a chain and those inside.
    fn rows_of(&self, chain: &Loop) -> usize {
        self.chain_types(chain).len() + leading(&chain.body).iter().map(|inner| self.rows_of(inner)).sum::<usize>()
    }

    /// Room for the accumulators of a chain, then for those of the chain inside.
    fn lay_out(&mut self, chain: &Loop, rows: &mut Vec<Rows>) {
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 4 * PART as u32, 6);
        let types = self.chain_types(chain).into_iter();
        rows.push(types.map(|ty| (self.builder.create_sized_stack_slot(data.clone()), ty)).collect());
        if let [Stmt::Loop(inner)] = &chain.body[..] {
            self.lay_out(inner, rows);
        }
    }

    /// Accumulates all turns of a chain, from nothing.
    fn take_in(&mut self, chain: &'k Loop, part: Part, rows: &[Rows], ordinal: u32) -> Result<(), JitError> {
        self.along(part, &[], |emitter, bytes| {
            let start = emitter.chain_start(chain, true)?;
            emitter.keep(&rows[0], bytes, &start);
            Ok(())
        })?;
        let Range::Count(count) = chain.range else { return Err(self.unsupported("a chain over the panel")) };
        if let [Stmt::Loop(inner)] = &chain.body[..] {
            let span = self.constant_span(0, count as i64, 1);
            self.repeat(span, &[], |emitter, turn, _| {
                emitter.bind(chain.var, Bound { value: Some(turn), plus: 0 });
                emitter.bind_addresses(chain.var, &chain.body);
                emitter.take_in(inner, part, &rows[1..], ordinal + 1)?;
                emitter.along(part, &[], |emitter, bytes| {
                    let sums = emitter.accumulators(&rows[1], bytes);
                    emitter.chain_finish(inner, true, &sums);
                    let before = emitter.accumulators(&rows[0], bytes);
                    let sums = emitter.chain_step(chain, true, &before);
                    emitter.keep(&rows[0], bytes, &sums);
                    Ok(())
                })?;
                Ok(Vec::new())
            })?;
            self.vars[chain.var.index()] = None;
            return Ok(());
        }
        let whole = count / ROWS * ROWS;
        for (first, end, together) in [(0, whole, ROWS), (whole, count, 1)] {
            if first == end {
                continue;
            }
            let span = self.constant_span(first as i64, end as i64, together as i64);
            self.repeat(span, &[], |emitter, turn, _| {
                emitter.bind(chain.var, Bound { value: Some(turn), plus: 0 });
                emitter.bind_addresses(chain.var, &chain.body);
                emitter.along(part, &chain.body, |emitter, bytes| {
                    let mut sums = emitter.accumulators(&rows[0], bytes);
                    for plus in 0..together {
                        emitter.bind(chain.var, Bound { value: Some(turn), plus: plus as i64 });
                        emitter.statements(&chain.body, ordinal + 1)?;
                        sums = emitter.chain_step(chain, true, &sums);
                    }
                    emitter.keep(&rows[0], bytes, &sums);
                    Ok(())
                })?;
                Ok(Vec::new())
            })?;
        }
        self.vars[chain.var.index()] = None;
        Ok(())
    }

    /// A loop along a part, some vectors a turn; `each` gets the bytes from the part's first column. The addresses of
    /// `body` are ready.
    fn along(
        &mut self,
        part: Part,
        body: &[Stmt],
        mut each: impl FnMut(&mut Self, Value) -> Result<(), JitError>,
    ) -> Result<(), JitError> {
        let span = Span { start: part.first, end: part.end, step: STEP, runs: true };
        self.repeat(span, &[], |emitter, column, _| {
            emitter.bind(part.var, Bound { value: Some(column), plus: 0 });
            emitter.bind_addresses(part.var, body);
            let from = emitter.builder.ins().isub(column, part.first);
            let bytes = emitter.scaled(from, 4);
            emitter.strip = Some(Strip { vectors: VECTORS, var: part.var });
            let done = each(emitter, bytes);
            emitter.store_comb();
            emitter.strip = None;
            done.map(|()| Vec::new())
        })?;
        self.vars[part.var.index()] = None;
        Ok(())
    }

    /// The accumulators of the current vectors, in the order of [`Emitter::chain_start`].
    fn accumulators(&mut self, rows: &Rows, bytes: Value) -> Vec<Value> {
        let mut found = Vec::new();
        for &(slot, ty) in rows {
            let address = self.place_in(slot, bytes);
            for number in 0..VECTORS {
                found.push(self.builder.ins().load(ty, VECTOR, address, 16 * number as i32));
            }
        }
        found
    }

    fn keep(&mut self, rows: &Rows, bytes: Value, accumulators: &[Value]) {
        for ((slot, _), vectors) in rows.iter().zip(accumulators.chunks(VECTORS)) {
            let address = self.place_in(*slot, bytes);
            for (number, vector) in vectors.iter().enumerate() {
                self.builder.ins().store(VECTOR, *vector, address, 16 * number as i32);
            }
        }
    }

    fn place_in(&mut self, slot: StackSlot, bytes: Value) -> Value {
        let start = self.builder.ins().stack_addr(types::I64, slot, 0);
        self.builder.ins().iadd(start, bytes)
    }
}

/// The loops that a body begins with.
fn leading(body: &[Stmt]) -> Vec<&Loop> {
    body.iter().map_while(|stmt| if let Stmt::Loop(looped) = stmt { Some(looped) } else { None }).collect()
}

/// Whether a loop is a chain of elements, or of chains.
fn is_chain(looped: &Loop) -> bool {
    let body = match &looped.body[..] {
        [Stmt::Loop(inner)] => is_chain(inner),
        body => body.iter().all(|stmt| matches!(stmt, Stmt::Let { .. })),
    };
    let counted = matches!(looped.range, Range::Count(count) if count > 0);
    looped.kind == LoopKind::Seq && counted && !looped.reduces.is_empty() && body
}

/// Loops in one another.
fn depth(chain: &Loop) -> usize {
    1 + leading(&chain.body).into_iter().map(depth).sum::<usize>()
}

/// All turns of a chain.
fn turns(chain: &Loop) -> u64 {
    let Range::Count(count) = chain.range else { return 0 };
    count * leading(&chain.body).into_iter().map(turns).sum::<u64>().max(1)
}

/// Whether all is read along the lanes, and something far from row to row.
fn reads_far(body: &[Stmt], lanes: VarId) -> bool {
    let mut plain = true;
    walk::accesses(body, &mut |access| {
        let along = (0..=1).contains(&access.index.factor(lanes));
        plain &= along && access.guards.is_empty() && access.indirect.is_none();
    });
    plain && leading(body).into_iter().any(|chain| steps_far(chain, lanes))
}

fn steps_far(chain: &Loop, lanes: VarId) -> bool {
    let far = |stmt: &Stmt| match stmt {
        Stmt::Let { op: ScalarOp::Load(access), .. } => {
            access.index.factor(lanes) == 1 && access.index.factor(chain.var).abs() >= FAR
        }
        Stmt::Loop(inner) => steps_far(inner, lanes),
        Stmt::Let { .. } | Stmt::Store { .. } | Stmt::Gemm(_) | Stmt::Conv(_) => false,
        Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => false,
    };
    chain.body.iter().any(far)
}
