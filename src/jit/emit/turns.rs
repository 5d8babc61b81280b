//! Turns of scans. In: a `turn` loop; out: a loop of Cranelift blocks that
//! hands scalars on in registers where one turn reads just what the turn before
//! has stored: a load behind a store costs more than most additions. Invariant:
//! every store is still done, so memory holds what the loops IR says.

use cranelift_codegen::ir::Value;

use super::{Bound, Emitter, walk};
use crate::jit::JitError;
use crate::loops::ir::{Access, Loop, Mode, ParamId, ScalarOp, Stmt, ValueId};

/// What turns are counted from: numbers above 127 all take four bytes in an instruction, so that code is as long for few
/// turns as for many.
const FIRST: i64 = 128;

/// A scalar that one turn stores and the next one reads.
struct Handed<'k> {
    /// Where the first turn finds it.
    first: &'k Access,
    /// Values that are it.
    loads: Vec<ValueId>,
    /// What is stored.
    next: ValueId,
}

impl<'k> Emitter<'k, '_> {
    /// A loop over `0..count` turns, never unrolled.
    pub(super) fn turns(&mut self, looped: &'k Loop, count: u64, ordinal: u32) -> Result<(), JitError> {
        if count == 0 {
            return Ok(());
        }
        let handed = self.handed(looped);
        self.bind(looped.var, Bound { value: None, plus: 0 });
        let start: Vec<Value> = handed.iter().map(|one| self.load_lane(self.dtype(one.next), one.first, 0)).collect();
        let span = self.constant_span(FIRST, FIRST + count as i64, 1);
        self.repeat(span, &start, |emitter, var, carried| {
            emitter.bind(looped.var, Bound { value: Some(var), plus: -FIRST });
            emitter.bind_addresses(looped.var, &looped.body);
            for (one, scalar) in handed.iter().zip(carried) {
                emitter.handed.extend(one.loads.iter().map(|load| (*load, *scalar)));
            }
            emitter.statements(&looped.body, ordinal + 1)?;
            Ok(handed.iter().map(|one| emitter.scalar(one.next)).collect())
        })?;
        Ok(())
    }

    fn handed(&self, looped: &'k Loop) -> Vec<Handed<'k>> {
        let written = self.kernel.params.iter().enumerate().filter(|(_, param)| param.mode != Mode::In);
        written.filter_map(|(at, _)| handed_in(looped, ParamId(at as u32))).collect()
    }
}

/// Whether all that is done to a parameter is to read one scalar, as the turn before has stored it, and to store the
/// next one.
fn handed_in(looped: &Loop, param: ParamId) -> Option<Handed<'_>> {
    let mut touches = 0;
    walk::accesses(&looped.body, &mut |access| touches += usize::from(access.param == param));
    let mut loads: Vec<(ValueId, &Access)> = Vec::new();
    let mut store = None;
    for stmt in &looped.body {
        match stmt {
            Stmt::Let { value, op: ScalarOp::Load(access) } if access.param == param => {
                if store.is_some() {
                    return None;
                }
                loads.push((*value, access));
            }
            Stmt::Store { access, value } if access.param == param && store.is_none() => store = Some((access, *value)),
            Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => return None,
            Stmt::Loop(nest) if walk::has_call(&nest.body) => return None,
            Stmt::Let { .. } | Stmt::Store { .. } | Stmt::Loop(_) => {}
        }
    }
    let ((_, first), (stored, next)) = (*loads.first()?, store?);
    let mut moved = first.index.clone();
    moved.offset += first.index.factor(looped.var);
    let plain = |access: &Access| access.guards.is_empty() && access.indirect.is_none();
    let alike = loads.iter().all(|(_, load)| load.index == first.index && plain(load));
    let fits = alike && plain(stored) && stored.index == moved && touches == loads.len() + 1;
    fits.then(|| Handed { first, loads: loads.iter().map(|(value, _)| *value).collect(), next })
}
