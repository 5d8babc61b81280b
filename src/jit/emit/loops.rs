//! Loops. In: a loop of the loops IR; out: Cranelift blocks that test at the
//! bottom and pass accumulators as block parameters. Invariant: along `vec`,
//! each iteration is emitted by the same statements, in strips of some vectors
//! first, then in whole vectors, then one by one or, where that changes nothing,
//! as the last vector again.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, types};

use super::columns::STEP;
use super::{Bound, Emitter, LANES, Segment, Strip, walk};
use crate::jit::JitError;
use crate::loops::ir::{Affine, Loop, LoopKind, Range, VarId};

/// Loops are unrolled up to this many statements.
const UNROLLED_STATEMENTS: u64 = 96;
/// A loop is cut at guards into at most one part more.
const MOST_CUTS: usize = 8;

/// Where a counted Cranelift loop runs.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: Value,
    pub(super) end: Value,
    pub(super) step: i64,
    /// Known to run at least once.
    pub(super) runs: bool,
}

impl<'k> Emitter<'k, '_> {
    pub(super) fn loop_statement(&mut self, looped: &'k Loop, ordinal: u32) -> Result<(), JitError> {
        let done = match (looped.kind, looped.range) {
            (LoopKind::Seq, Range::Count(count)) => self.seq_counted(looped, count, ordinal),
            (LoopKind::Seq, Range::Panel) => {
                let span = Span { start: self.lo, end: self.hi, step: 1, runs: false };
                self.seq_dynamic(looped, span, ordinal)
            }
            (LoopKind::Turn, Range::Count(count)) => self.turns(looped, count, ordinal),
            (LoopKind::Turn, Range::Panel) => Err(self.unsupported("turns over the panel")),
            (LoopKind::Vec, Range::Count(count)) => self.vec_counted(looped, count, ordinal),
            (LoopKind::Vec, Range::Panel) if self.wide_loop(looped, None)? => Ok(()),
            (LoopKind::Vec, Range::Panel) => self.vec_panel(looped, ordinal),
        };
        self.vars[looped.var.index()] = None;
        done
    }

    fn seq_counted(&mut self, looped: &'k Loop, count: u64, ordinal: u32) -> Result<(), JitError> {
        let vectors = self.strip.map_or(1, |strip| strip.vectors as u64);
        let unrolled = walk::unrolled_size(&looped.body).map(|size| size.saturating_mul(count).saturating_mul(vectors));
        if count <= 1 || unrolled.is_some_and(|size| size <= UNROLLED_STATEMENTS) {
            return self.seq_unrolled(looped, count, ordinal);
        }
        let span = self.constant_span(0, count as i64, 1);
        self.seq_dynamic(looped, span, ordinal)
    }

    fn seq_unrolled(&mut self, looped: &'k Loop, count: u64, ordinal: u32) -> Result<(), JitError> {
        let mut accumulators = self.chain_start(looped, false)?;
        for turn in 0..count {
            self.bind(looped.var, Bound { value: None, plus: turn as i64 });
            self.statements(&looped.body, ordinal + 1)?;
            let first = if turn == 0 { self.chain_first(looped) } else { None };
            accumulators = first.unwrap_or_else(|| self.chain_step(looped, false, &accumulators));
        }
        self.chain_finish(looped, false, &accumulators);
        Ok(())
    }

    fn seq_dynamic(&mut self, looped: &'k Loop, span: Span, ordinal: u32) -> Result<(), JitError> {
        let start = self.chain_start(looped, true)?;
        let together = self.turns_together(looped, span);
        let accumulators = self.repeat(Span { step: together, ..span }, &start, |emitter, var, carried| {
            let mut accumulators = carried.to_vec();
            emitter.bind(looped.var, Bound { value: Some(var), plus: 0 });
            emitter.bind_addresses(looped.var, &looped.body);
            for turn in 0..together {
                emitter.bind(looped.var, Bound { value: Some(var), plus: turn });
                emitter.statements(&looped.body, ordinal + 1)?;
                accumulators = emitter.chain_step(looped, true, &accumulators);
            }
            Ok(accumulators)
        })?;
        self.chain_finish(looped, true, &accumulators);
        Ok(())
    }

    /// Turns of a chain along lanes that are one turn of its loop: so accumulators need not be moved each time.
    fn turns_together(&self, looped: &Loop, span: Span) -> i64 {
        let (Some(strip), Range::Count(count)) = (self.strip, looped.range) else { return 1 };
        let small = |turns: u64| {
            let size = walk::unrolled_size(&looped.body).map(|size| size * turns * strip.vectors as u64);
            count.is_multiple_of(turns) && size.is_some_and(|size| size <= UNROLLED_STATEMENTS)
        };
        let plain = span.step == 1 && !looped.reduces.is_empty() && !walk::has_loop(&looped.body);
        if !plain { 1 } else { [4, 2].into_iter().find(|turns| small(*turns)).map_or(1, |turns| turns as i64) }
    }

    /// A `vec` loop of constant length, cut where guards along it begin and end to hold.
    fn vec_counted(&mut self, looped: &'k Loop, count: u64, ordinal: u32) -> Result<(), JitError> {
        let count = count as i64;
        let mut ends = if looped.reduces.is_empty() { self.cuts(looped, count) } else { Vec::new() };
        ends.push(count);
        let mut from = 0;
        for to in ends {
            self.segment = Some(Segment { var: looped.var, first: from, last: to - 1 });
            let done = self.vec_part(looped, from, to, ordinal);
            self.segment = None;
            done?;
            from = to;
        }
        Ok(())
    }

    /// A part of a `vec` loop: strips, one shorter strip, single elements or the last vector again.
    fn vec_part(&mut self, looped: &'k Loop, from: i64, to: i64, ordinal: u32) -> Result<(), JitError> {
        if self.wide_loop(looped, Some((from, to)))? {
            return Ok(());
        }
        let lanes = LANES as i64;
        let wide = (to - from) / STEP * STEP;
        if wide > 0 && self.is_columns(looped) {
            let span = self.constant_span(from, from + wide, 1);
            self.columns(looped, span, ordinal)?;
            return if from + wide == to { Ok(()) } else { self.vec_part(looped, from + wide, to, ordinal) };
        }
        let vectors = strip_vectors(looped);
        let mut accumulators = self.tree_start(looped)?;
        let groups = self.tree_groups(looped, vectors);
        let strip = (vectors * LANES * groups) as i64;
        let main = from + (to - from) / strip * strip;
        if main > from {
            let body = |emitter: &mut Self, bound: Bound, carried: &[Value]| {
                emitter.vec_strips(looped, bound, vectors, groups, carried, ordinal)
            };
            accumulators = self.vec_main(looped, (from, main), strip, &accumulators, body)?;
        }
        let mut done = main;
        while to - done >= lanes {
            let some = vectors.min(((to - done) / lanes) as usize);
            self.vec_body(looped, Bound { value: None, plus: done }, Some(some), ordinal)?;
            let first = (done - main) as usize / LANES;
            self.tree_step(looped, &mut accumulators, first, some);
            done += some as i64 * lanes;
        }
        if done < to && to - from >= lanes && walk::is_repeatable(looped) {
            // The last whole vector, part of it for the second time.
            return self.vec_body(looped, Bound { value: None, plus: to - lanes }, Some(1), ordinal);
        }
        self.vec_rest(looped, main, done, to, &mut accumulators, ordinal)?;
        self.tree_finish(looped, &accumulators);
        Ok(())
    }

    /// Where guards that depend on nothing else begin and end to hold, ascending; none if there are many.
    fn cuts(&self, looped: &'k Loop, count: i64) -> Vec<i64> {
        let mut cuts = Vec::new();
        walk::accesses(&looped.body, &mut |access| {
            for guard in &access.guards {
                let factor = guard.at.factor(looped.var);
                if guard.step > 1 || factor == 0 {
                    continue;
                }
                let size = factor.abs();
                for start in self.starts(&guard.at, looped) {
                    // The first iterations at or above a number, or those below it for a function that falls.
                    cuts.extend([0, guard.bound].map(|end| {
                        if factor > 0 { -(start - end).div_euclid(size) } else { (start - end).div_euclid(size) + 1 }
                    }));
                }
            }
        });
        cuts.retain(|cut| (1..count).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        if cuts.len() > MOST_CUTS { Vec::new() } else { cuts }
    }

    /// All values at the first iteration of the loop of what moves along it; none if they are not known or many. The
    /// other variables are constants now, or belong to short loops inside, which will be unrolled.
    fn starts(&self, at: &Affine, looped: &Loop) -> Vec<i64> {
        let mut starts = vec![at.offset];
        for &(var, factor) in at.terms.iter().filter(|(var, _)| *var != looped.var) {
            let values = match (self.vars[var.index()], walk::turns(&looped.body, var)) {
                (Some(Bound { value: None, plus }), _) => plus..plus + 1,
                (None, Some(turns)) if turns <= MOST_CUTS as u64 => 0..turns as i64,
                (Some(_) | None, _) => return Vec::new(),
            };
            let moved = |start: &i64| values.clone().map(|value| start + factor * value).collect::<Vec<_>>();
            starts = starts.iter().flat_map(moved).collect();
        }
        starts
    }

    /// The whole strips of a `vec` loop: a loop, or straight code if there is only one.
    fn vec_main(
        &mut self,
        looped: &'k Loop,
        (from, main): (i64, i64),
        strip: i64,
        accumulators: &[Value],
        mut body: impl FnMut(&mut Self, Bound, &[Value]) -> Result<Vec<Value>, JitError>,
    ) -> Result<Vec<Value>, JitError> {
        if main - from == strip {
            return body(self, Bound { value: None, plus: from }, accumulators);
        }
        let span = self.constant_span(from, main, strip);
        self.repeat(span, accumulators, |emitter, var, carried| {
            let bound = Bound { value: Some(var), plus: 0 };
            emitter.bind(looped.var, bound);
            emitter.bind_addresses(looped.var, &looped.body);
            body(emitter, bound, carried)
        })
    }

    /// The strips of one turn: as many as the accumulators of its trees need.
    fn vec_strips(
        &mut self,
        looped: &'k Loop,
        bound: Bound,
        vectors: usize,
        groups: usize,
        carried: &[Value],
        ordinal: u32,
    ) -> Result<Vec<Value>, JitError> {
        let mut accumulators = carried.to_vec();
        for group in 0..groups {
            let plus = bound.plus + (group * vectors * LANES) as i64;
            self.vec_body(looped, Bound { plus, ..bound }, Some(vectors), ordinal)?;
            self.tree_step(looped, &mut accumulators, group * vectors, vectors);
        }
        Ok(accumulators)
    }

    /// Fewer than four single elements.
    fn vec_rest(
        &mut self,
        looped: &'k Loop,
        main: i64,
        done: i64,
        count: i64,
        accumulators: &mut [Value],
        ordinal: u32,
    ) -> Result<(), JitError> {
        let unrolled = walk::unrolled_size(&looped.body).map(|size| size.saturating_mul((count - done) as u64));
        let large = unrolled.is_none_or(|size| size > UNROLLED_STATEMENTS);
        if looped.reduces.is_empty() && large && count - done > 1 {
            let span = self.constant_span(done, count, 1);
            return self.vec_singles(looped, span, ordinal);
        }
        for element in done..count {
            self.vec_body(looped, Bound { value: None, plus: element }, None, ordinal)?;
            self.tree_step_lane(looped, accumulators, (element - main) as usize);
        }
        Ok(())
    }

    /// A `vec` loop over the panel: strips, whole vectors, single elements.
    fn vec_panel(&mut self, looped: &'k Loop, ordinal: u32) -> Result<(), JitError> {
        if !looped.reduces.is_empty() {
            return Err(self.unsupported("a reduction over the panel"));
        }
        let mut start = self.lo;
        if self.is_columns(looped) {
            let span = Span { start, end: self.hi, step: 1, runs: false };
            start = self.columns(looped, span, ordinal)?;
        }
        for vectors in [strip_vectors(looped), 1] {
            let step = (vectors * LANES) as i64;
            let left = self.builder.ins().isub(self.hi, start);
            let whole = self.builder.ins().band_imm_s(left, -step);
            let end = self.builder.ins().iadd(start, whole);
            let span = Span { start, end, step, runs: false };
            self.repeat(span, &[], |emitter, var, _| {
                emitter.bind(looped.var, Bound { value: Some(var), plus: 0 });
                emitter.bind_addresses(looped.var, &looped.body);
                emitter.vec_body(looped, Bound { value: Some(var), plus: 0 }, Some(vectors), ordinal)?;
                Ok(Vec::new())
            })?;
            start = end;
        }
        self.vec_singles(looped, Span { start, end: self.hi, step: 1, runs: false }, ordinal)
    }

    /// One element a turn.
    fn vec_singles(&mut self, looped: &'k Loop, span: Span, ordinal: u32) -> Result<(), JitError> {
        self.repeat(span, &[], |emitter, var, _| {
            let bound = Bound { value: Some(var), plus: 0 };
            emitter.bind(looped.var, bound);
            emitter.bind_addresses(looped.var, &looped.body);
            emitter.vec_body(looped, bound, None, ordinal)?;
            Ok(Vec::new())
        })?;
        Ok(())
    }

    /// The statements of a `vec` loop for some vectors, or for one element.
    fn vec_body(
        &mut self,
        looped: &'k Loop,
        bound: Bound,
        vectors: Option<usize>,
        ordinal: u32,
    ) -> Result<(), JitError> {
        self.bind(looped.var, bound);
        let enclosing = self.strip;
        self.strip = vectors.map(|vectors| Strip { vectors, var: looped.var });
        let done = self.statements(&looped.body, ordinal + 1);
        self.store_comb();
        // The reduces that follow still read the strip's lanes; they carry their own width.
        self.strip = enclosing;
        done
    }

    /// A loop of Cranelift blocks; `body` gets the variable and what is carried, and gives what is carried on.
    pub(super) fn repeat(
        &mut self,
        span: Span,
        start: &[Value],
        mut body: impl FnMut(&mut Self, Value, &[Value]) -> Result<Vec<Value>, JitError>,
    ) -> Result<Vec<Value>, JitError> {
        self.store_comb();
        let (head, exit) = (self.builder.create_block(), self.builder.create_block());
        let var = self.builder.append_block_param(head, types::I64);
        let (mut carried, mut results) = (Vec::new(), Vec::new());
        for value in start {
            let ty = self.builder.func.dfg.value_type(*value);
            carried.push(self.builder.append_block_param(head, ty));
            results.push(self.builder.append_block_param(exit, ty));
        }
        if span.runs {
            self.jump_with(head, span.start, start);
        } else {
            let some = self.builder.ins().icmp(IntCC::UnsignedLessThan, span.start, span.end);
            self.branch(some, head, span.start, exit, start);
        }
        self.enter_block(head);
        let carried = body(self, var, &carried)?;
        self.store_comb();
        let next = self.builder.ins().iadd_imm_s(var, span.step);
        let more = self.builder.ins().icmp(IntCC::UnsignedLessThan, next, span.end);
        self.branch(more, head, next, exit, &carried);
        self.enter_block(exit);
        Ok(results)
    }

    pub(super) fn jump(&mut self, to: Block, values: &[Value]) {
        let arguments = block_arguments(values);
        self.builder.ins().jump(to, &arguments);
    }

    fn jump_with(&mut self, head: Block, var: Value, carried: &[Value]) {
        let mut arguments = vec![BlockArg::Value(var)];
        arguments.extend(block_arguments(carried));
        self.builder.ins().jump(head, &arguments);
    }

    fn branch(&mut self, condition: Value, head: Block, var: Value, exit: Block, carried: &[Value]) {
        let leaving = block_arguments(carried);
        let mut staying = vec![BlockArg::Value(var)];
        staying.extend(&leaving);
        self.builder.ins().brif(condition, head, &staying, exit, &leaving);
    }

    pub(super) fn constant_span(&mut self, start: i64, end: i64, step: i64) -> Span {
        let runs = start < end;
        let start = self.builder.ins().iconst(types::I64, start);
        let end = self.builder.ins().iconst(types::I64, end);
        Span { start, end, step, runs }
    }

    /// Code goes to `block` now; what other blocks loaded may not be there.
    pub(super) fn enter_block(&mut self, block: Block) {
        self.builder.switch_to_block(block);
        self.loaded.clear();
        self.pairs.clear();
    }

    pub(super) fn bind(&mut self, var: VarId, bound: Bound) {
        self.vars[var.index()] = Some(bound);
    }

    pub(super) fn bound(&self, var: VarId) -> Bound {
        self.vars[var.index()].expect("the verifier checked: variables are used inside their loop")
    }
}

/// Vectors of a strip: two hide most latencies of straight code and of short loops without sums; chains inside need four to hide that of fma, and single
/// ones get eight, so that each row gives two whole lines of memory.
fn strip_vectors(looped: &Loop) -> usize {
    match walk::chains(&looped.body) {
        _ if !looped.reduces.is_empty() || !walk::has_loop(&looped.body) => 2,
        0 => 2,
        1 if walk::unrolled_size(&looped.body).is_none_or(|size| size > UNROLLED_STATEMENTS) => 8,
        _ => 4,
    }
}

pub(super) fn block_arguments(values: &[Value]) -> Vec<BlockArg> {
    values.iter().map(|value| BlockArg::Value(*value)).collect()
}
