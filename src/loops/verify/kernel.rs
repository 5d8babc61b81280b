//! The invariants of one kernel.
//!
//! In: a kernel. Out: the first violated invariant. One walk in program order
//! with the set of values in scope and the open loops.

mod calls;

use std::collections::BTreeMap;

use super::MAX_STATEMENTS;
use super::access::{Interval, touched};
use super::disjoint::{Touch, disjoint};
use crate::ir::DType;
use crate::kernels::abi::SCRATCH_BYTES;
use crate::loops::ir::{
    Access, Affine, Combine, Kernel, Loop, LoopKind, Mode, Order, ParamId, Range, ScalarOp, Stmt, ValueId, VarId,
};

/// Checks one kernel.
///
/// # Errors
/// The first violated invariant.
pub fn verify_kernel(kernel: &Kernel) -> Result<(), String> {
    let mut walk = Walk {
        kernel,
        in_scope: vec![false; kernel.values.len()],
        defined: vec![false; kernel.values.len()],
        used_vars: vec![false; kernel.vars as usize],
        open: Vec::new(),
        panel: BTreeMap::new(),
        lanes: None,
    };
    walk.check().map_err(|reason| format!("kernel {}: {reason}", kernel.name))
}

/// A loop around the current statement.
#[derive(Clone, Copy)]
struct Open {
    var: VarId,
    kind: LoopKind,
    range: Range,
    count: u64,
}

/// What is done to each parameter by the iterations of one loop.
type Uses = BTreeMap<ParamId, Vec<Touch>>;

struct Walk<'a> {
    kernel: &'a Kernel,
    in_scope: Vec<bool>,
    defined: Vec<bool>,
    used_vars: Vec<bool>,
    open: Vec<Open>,
    /// Uses of parameters by iterations of the parallel axis.
    panel: Uses,
    /// Uses by the lanes of the open `vec` loop.
    lanes: Option<Uses>,
}

impl Walk<'_> {
    fn check(&mut self) -> Result<(), String> {
        self.scratch()?;
        let statements: usize = self.kernel.body.iter().map(Stmt::size).sum();
        if statements > MAX_STATEMENTS {
            return Err(format!("{statements} statements, at most {MAX_STATEMENTS}"));
        }
        if self.kernel.par.is_some_and(|par| par.by == 0) {
            return Err("par by 0".into());
        }
        self.body(&self.kernel.body)?;
        let extent = self.kernel.par.map_or(0, |par| par.extent);
        self.meet(&self.panel, extent, "iterations of par")
    }

    fn scratch(&self) -> Result<(), String> {
        let mut end = None;
        let mut taken: Vec<std::ops::Range<usize>> = Vec::new();
        for param in &self.kernel.params {
            let Mode::Scratch { offset } = param.mode else {
                if end.is_some() {
                    return Err(format!("{}: scratch parameters come last", param.name));
                }
                continue;
            };
            end = Some(());
            let place = offset..offset + 4 * param.len;
            if !offset.is_multiple_of(64) || place.end > SCRATCH_BYTES {
                return Err(format!("{}: scratch {place:?} of {SCRATCH_BYTES} bytes", param.name));
            }
            if taken.iter().any(|other| other.start < place.end && place.start < other.end) {
                return Err(format!("{}: scratch overlaps", param.name));
            }
            taken.push(place);
        }
        Ok(())
    }

    fn body(&mut self, body: &[Stmt]) -> Result<(), String> {
        let mut scope = Vec::new();
        for stmt in body {
            match stmt {
                Stmt::Let { value, op } => {
                    self.operation(*value, op).map_err(|reason| format!("{value}: {reason}"))?;
                    self.define(*value, &mut scope)?;
                }
                Stmt::Store { access, value } => {
                    self.store(access, *value).map_err(|reason| format!("store {value}: {reason}"))?;
                }
                Stmt::Loop(nest) => {
                    self.nest(nest)?;
                    for reduce in &nest.reduces {
                        self.define(reduce.result, &mut scope)?;
                    }
                }
                Stmt::Gemm(gemm) => self.gemm(gemm).map_err(|reason| format!("gemm: {reason}"))?,
                Stmt::Conv(conv) => self.conv(conv).map_err(|reason| format!("conv: {reason}"))?,
                Stmt::Fill(fill) => self.fill(fill).map_err(|reason| format!("fill: {reason}"))?,
                Stmt::Sort(sort) => self.sort(sort).map_err(|reason| format!("sort: {reason}"))?,
                Stmt::Transpose(found) => self.transpose(found).map_err(|reason| format!("transpose: {reason}"))?,
            }
        }
        for value in scope {
            self.in_scope[value.index()] = false;
        }
        Ok(())
    }

    fn define(&mut self, value: ValueId, scope: &mut Vec<ValueId>) -> Result<(), String> {
        let defined = self.defined.get_mut(value.index()).ok_or_else(|| format!("no value {value}"))?;
        if std::mem::replace(defined, true) {
            return Err(format!("{value} is defined twice"));
        }
        self.in_scope[value.index()] = true;
        scope.push(value);
        Ok(())
    }

    fn read(&self, value: ValueId) -> Result<DType, String> {
        match self.in_scope.get(value.index()) {
            Some(true) => Ok(self.kernel.values[value.index()].dtype),
            Some(false) | None => Err(format!("{value} is used where it is not defined")),
        }
    }

    fn operation(&mut self, value: ValueId, op: &ScalarOp) -> Result<(), String> {
        for operand in op.operands() {
            self.read(operand)?;
        }
        if let ScalarOp::Load(access) = op {
            self.access(access, false)?;
        }
        if let ScalarOp::Index(affine) = op {
            self.variables(affine)?;
        }
        let kernel = self.kernel;
        let found =
            op.result_type(|v| kernel.values[v.index()].dtype, |access| kernel.params[access.param.index()].dtype)?;
        let stated = kernel.values.get(value.index()).map(|info| info.dtype);
        if stated == Some(found) { Ok(()) } else { Err(format!("has type {found}, stated is {stated:?}")) }
    }

    fn store(&mut self, access: &Access, value: ValueId) -> Result<(), String> {
        if !access.guards.is_empty() {
            return Err("a store has guards".into());
        }
        let dtype = self.read(value)?;
        self.access(access, true)?;
        let param = &self.kernel.params[access.param.index()];
        if param.dtype == dtype { Ok(()) } else { Err(format!("{dtype} into {} {}", param.dtype, param.name)) }
    }

    fn variables(&self, affine: &Affine) -> Result<(), String> {
        match affine.terms.iter().find(|(var, _)| self.open.iter().all(|open| open.var != *var)) {
            Some((var, _)) => Err(format!("{var} is used outside its loop")),
            None => Ok(()),
        }
    }

    fn last(&self) -> impl Fn(VarId) -> i128 + '_ {
        |var| self.open.iter().find(|open| open.var == var).map_or(0, |open| i128::from(open.count) - 1)
    }

    /// Bounds, mode and clamp of an access, which is then noted for disjointness.
    fn access(&mut self, access: &Access, write: bool) -> Result<(), String> {
        self.param(access.param, write)?;
        self.variables(&access.index)?;
        for guard in &access.guards {
            self.variables(&guard.at)?;
        }
        let mut indirect = Vec::new();
        if let Some(by) = &access.indirect {
            if self.read(by.value)? != DType::I32 || by.bound <= 0 {
                return Err(format!("indirect index {} of bound {}", by.value, by.bound));
            }
            indirect.push((by.stride, i128::from(by.bound) - 1));
        }
        let touched = touched(access, &self.last());
        self.inside(access.param, touched)?;
        self.note(access.param, &access.index, &indirect, write)
    }

    fn param(&self, param: ParamId, write: bool) -> Result<(), String> {
        let found = self.kernel.params.get(param.index()).ok_or_else(|| format!("no parameter {param}"))?;
        if write && found.mode == Mode::In {
            return Err(format!("{} is written but `in`", found.name));
        }
        Ok(())
    }

    /// Whether the elements lie in the parameter; a body that is never run touches nothing.
    fn inside(&self, param: ParamId, touched: Interval) -> Result<(), String> {
        let param = &self.kernel.params[param.index()];
        let never = self.open.iter().any(|open| open.count == 0) || touched.low > touched.high;
        if never || (touched.low >= 0 && touched.high < param.len as i128) {
            return Ok(());
        }
        Err(format!("elements {}..={} of {}, which has {}", touched.low, touched.high, param.name, param.len))
    }

    fn note(&mut self, param: ParamId, index: &Affine, more: &[(i64, i128)], write: bool) -> Result<(), String> {
        let mode = self.kernel.params[param.index()].mode;
        let lane = self.open.iter().position(|open| open.kind == LoopKind::Vec);
        let panel = self.open.iter().position(|open| open.range == Range::Panel);
        let lane_touch = lane.map(|at| self.touch(at, index, more, write));
        if let (Some(lanes), Some(touch)) = (&mut self.lanes, lane_touch) {
            lanes.entry(param).or_default().push(touch);
        }
        if mode == Mode::In || matches!(mode, Mode::Scratch { .. }) || self.kernel.par.is_none() {
            return Ok(());
        }
        let Some(panel) = panel else {
            return if write { Err("a kernel with par writes outside its panels".into()) } else { self.whole(param) };
        };
        let touch = self.touch(panel, index, more, write);
        self.panel.entry(param).or_default().push(touch);
        Ok(())
    }

    /// A read by every chunk: it may meet any write, so there must be none.
    pub(super) fn whole(&mut self, param: ParamId) -> Result<(), String> {
        let last = self.kernel.params[param.index()].len as i128 - 1;
        let touch = Touch { write: false, factor: 0, offset: 0, terms: vec![(1, last)], fixed: Vec::new() };
        self.panel.entry(param).or_default().push(touch);
        Ok(())
    }

    /// The access as a function of the variable of open loop number `at`.
    fn touch(&self, at: usize, index: &Affine, more: &[(i64, i128)], write: bool) -> Touch {
        let mut terms = more.to_vec();
        let mut fixed = Vec::new();
        for &(var, factor) in &index.terms {
            match self.open.iter().position(|open| open.var == var) {
                Some(level) if level > at => terms.push((factor, i128::from(self.open[level].count) - 1)),
                Some(level) if level < at => fixed.push((var, factor)),
                Some(_) | None => {}
            }
        }
        Touch { write, factor: index.factor(self.open[at].var), offset: index.offset.into(), terms, fixed }
    }

    fn meet(&self, uses: &Uses, count: u64, who: &str) -> Result<(), String> {
        for (param, touches) in uses {
            if !disjoint(touches, count.into()) {
                let name = &self.kernel.params[param.index()].name;
                return Err(format!("{who} may write the same element of {name}, or read what another writes"));
            }
        }
        Ok(())
    }

    fn nest(&mut self, nest: &Loop) -> Result<(), String> {
        let count = self.open_loop(nest)?;
        self.open.push(Open { var: nest.var, kind: nest.kind, range: nest.range, count });
        let is_vec = nest.kind == LoopKind::Vec;
        if is_vec {
            self.lanes = Some(BTreeMap::new());
        }
        // Reduced values are defined in the body: they are looked at before it is left.
        let before = self.in_scope.clone();
        self.body(&nest.body)?;
        self.reduces(nest, &before)?;
        self.open.pop();
        match self.lanes.take() {
            Some(lanes) if is_vec => self.meet(&lanes, count, &format!("lanes of {}", nest.var)),
            other => {
                self.lanes = other;
                Ok(())
            }
        }
    }

    fn open_loop(&mut self, nest: &Loop) -> Result<u64, String> {
        let var = nest.var;
        let used = self.used_vars.get_mut(var.index()).ok_or_else(|| format!("no variable {var}"))?;
        if std::mem::replace(used, true) {
            return Err(format!("{var} belongs to two loops"));
        }
        if nest.kind == LoopKind::Vec && self.open.iter().any(|open| open.kind == LoopKind::Vec) {
            return Err(format!("{var}: vec in vec"));
        }
        let turns = nest.kind == LoopKind::Turn;
        if turns && (self.open.iter().any(|open| open.kind != LoopKind::Turn) || !nest.reduces.is_empty()) {
            return Err(format!("{var}: turns stand outermost or in turns, and accumulate nothing"));
        }
        match (nest.range, self.kernel.par) {
            (Range::Panel, _) if turns => Err(format!("{var}: turns over a panel")),
            (Range::Count(count), _) => Ok(count),
            (Range::Panel, Some(par)) if self.open.is_empty() => Ok(par.extent),
            (Range::Panel, _) => Err(format!("{var}: a panel is outermost, in a kernel with par")),
        }
    }

    fn reduces(&self, nest: &Loop, before: &[bool]) -> Result<(), String> {
        for reduce in &nest.reduces {
            let result = reduce.result;
            let tree = match reduce.order {
                Order::Chain => false,
                Order::Tree8 | Order::Tree32 => true,
            };
            if tree != (nest.kind == LoopKind::Vec) {
                return Err(format!("{result}: trees on vec loops, chains on seq loops"));
            }
            if nest.range == Range::Panel {
                return Err(format!("{result}: a panel cannot accumulate"));
            }
            let dtype = self.kernel.values.get(result.index()).map(|info| info.dtype);
            for operand in reduce.combine.operands() {
                let is_local = nest.body.iter().any(|stmt| defines(stmt, operand));
                if !is_local && !before.get(operand.index()).copied().unwrap_or(false) {
                    return Err(format!("{operand} is accumulated where it is not defined"));
                }
                let found = self.kernel.values[operand.index()].dtype;
                let allowed = match reduce.combine {
                    Combine::Product(..) => found == DType::F32,
                    Combine::Sum(_) | Combine::Max(_) => found != DType::Bool,
                };
                if !allowed || dtype != Some(found) {
                    return Err(format!("{result}: {dtype:?} accumulates {found}"));
                }
            }
        }
        Ok(())
    }
}

/// Whether the statement defines the value in the body it stands in.
fn defines(stmt: &Stmt, wanted: ValueId) -> bool {
    match stmt {
        Stmt::Let { value, .. } => *value == wanted,
        Stmt::Loop(nest) => nest.reduces.iter().any(|reduce| reduce.result == wanted),
        Stmt::Store { .. } | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => {
            false
        }
    }
}
