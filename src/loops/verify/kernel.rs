//! The invariants of one kernel.
//!
//! In: a kernel. Out: the first violated invariant. One walk in program order
//! with the set of values in scope and the open loops.

use std::collections::BTreeMap;

use super::MAX_STATEMENTS;
use super::access::{Interval, interval, touched};
use super::disjoint::{Touch, disjoint};
use crate::ir::{DType, Window};
use crate::kernels::abi::{SCRATCH_BYTES, SPATIAL};
use crate::loops::ir::{
    Access, Affine, Combine, Conv, Fill, Gemm, Kernel, Loop, LoopKind, Matrix, Mode, Order, ParamId, Range, ScalarOp,
    Sort, Stmt, Transpose, ValueId, VarId,
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
        let statements = count(&self.kernel.body);
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
    fn whole(&mut self, param: ParamId) -> Result<(), String> {
        let touch = Touch { write: false, factor: 0, offset: 0, terms: Vec::new(), fixed: Vec::new() };
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

    fn no_call_in_vec(&self) -> Result<(), String> {
        if self.open.iter().any(|open| open.kind == LoopKind::Vec) { Err("inside vec".into()) } else { Ok(()) }
    }

    fn gemm(&mut self, gemm: &Gemm) -> Result<(), String> {
        self.no_call_in_vec()?;
        let m = self.rows(gemm.m)?;
        if gemm.c.column != 1 {
            return Err(format!("c has column stride {}", gemm.c.column));
        }
        self.matrix(&gemm.a, (gemm.m, m), gemm.k, false)?;
        self.matrix(&gemm.b, (Range::Count(gemm.k), gemm.k), gemm.n, false)?;
        self.matrix(&gemm.c, (gemm.m, m), gemm.n, true)?;
        match [&gemm.a, &gemm.b, &gemm.c].map(|matrix| self.kernel.params[matrix.param.index()].dtype) {
            [DType::F32, DType::F32, DType::F32] => Ok(()),
            types => Err(format!("matrices of {types:?}")),
        }
    }

    fn transpose(&mut self, found: &Transpose) -> Result<(), String> {
        self.no_call_in_vec()?;
        let m = self.rows(found.m)?;
        if found.from.row != 1 || found.to.column != 1 {
            return Err(format!("from rows at {} to columns at {}", found.from.row, found.to.column));
        }
        self.matrix(&found.from, (found.m, m), found.n, false)?;
        self.matrix(&found.to, (found.m, m), found.n, true)?;
        let [from, to] = [&found.from, &found.to].map(|matrix| self.kernel.params[matrix.param.index()].dtype);
        if from != to || (found.from.param == found.to.param && !apart(found, m)) {
            return Err(format!("{from} into {to}, perhaps in the same place"));
        }
        Ok(())
    }

    /// How many rows a call has.
    fn rows(&self, m: Range) -> Result<u64, String> {
        match (m, self.kernel.par) {
            (Range::Count(count), _) => Ok(count),
            (Range::Panel, Some(par)) if self.open.is_empty() => Ok(par.extent),
            (Range::Panel, _) => Err("a panel of rows needs par, and no loop around it".into()),
        }
    }

    /// Rows (how many at most) and columns as two loops of their own around the access.
    fn matrix(
        &mut self,
        matrix: &Matrix,
        (range, rows): (Range, u64),
        columns: u64,
        write: bool,
    ) -> Result<(), String> {
        let (row, column) = (VarId(self.kernel.vars), VarId(self.kernel.vars + 1));
        let depth = self.open.len();
        self.open.push(Open { var: row, kind: LoopKind::Seq, range, count: rows });
        self.open.push(Open { var: column, kind: LoopKind::Seq, range: Range::Count(columns), count: columns });
        let index = matrix.start.plus(&Affine::var(row, matrix.row)).plus(&Affine::var(column, matrix.column));
        let checked = self.access(&Access::new(matrix.param, index), write);
        self.open.truncate(depth);
        checked
    }

    /// Operands lie in their parameters, and rows of the result are stretches of it.
    fn conv(&mut self, conv: &Conv) -> Result<(), String> {
        if !self.open.is_empty() {
            return Err("inside a loop".into());
        }
        if conv.windows.is_empty() || conv.windows.len() > SPATIAL {
            return Err(format!("{} spatial axes", conv.windows.len()));
        }
        let sound = |w: &Window| w.n > 0 && w.out > 0 && w.k > 0 && w.step > 0 && w.dilation > 0;
        if !conv.windows.iter().all(sound) || [conv.groups, conv.group_in, conv.group_out].contains(&0) {
            return Err("a size of 0".into());
        }
        let lengths = conv.operand_lengths();
        for ((param, start), len, write) in
            [(conv.a, lengths[0], false), (conv.b, lengths[1], false), ((conv.c, 0), lengths[2], true)]
        {
            self.param(param, write)?;
            let found = &self.kernel.params[param.index()];
            if found.dtype != DType::F32 || (write && (param == conv.a.0 || param == conv.b.0)) {
                return Err(format!("{} of type {} {:?}", found.name, found.dtype, found.mode));
            }
            let end = i128::from(start) + i128::from(len) - 1;
            self.inside(param, Interval { low: start.into(), high: end.max(start.into()) })?;
        }
        match (conv.rows, self.kernel.par) {
            (Range::Count(count), None) if count == conv.extent() => Ok(()),
            (Range::Panel, Some(par)) if par.extent == conv.extent() => {
                let row = lengths[2] / conv.extent().max(1);
                let terms = vec![(1, i128::from(row) - 1)];
                let touch = Touch { write: true, factor: row as i64, offset: 0, terms, fixed: Vec::new() };
                self.panel.entry(conv.c).or_default().push(touch);
                Ok(())
            }
            (rows, par) => Err(format!("rows {rows:?} of {} with {par:?}", conv.extent())),
        }
    }

    fn sort(&mut self, sort: &Sort) -> Result<(), String> {
        self.no_call_in_vec()?;
        // The elements as a loop of their own around the access.
        let at = VarId(self.kernel.vars);
        for (row, write, allowed) in
            [(&sort.keys, false, [DType::F32, DType::I32]), (&sort.order, true, [DType::I32, DType::I32])]
        {
            let range = Range::Count(sort.len);
            let depth = self.open.len();
            self.open.push(Open { var: at, kind: LoopKind::Seq, range, count: sort.len });
            let index = row.start.plus(&Affine::var(at, row.step));
            let checked = self.access(&Access::new(row.param, index), write);
            self.open.truncate(depth);
            checked?;
            let dtype = self.kernel.params[row.param.index()].dtype;
            if !allowed.contains(&dtype) {
                return Err(format!("a row of {dtype}"));
            }
        }
        Ok(())
    }

    fn fill(&mut self, fill: &Fill) -> Result<(), String> {
        self.no_call_in_vec()?;
        for value in [fill.seed, fill.step, fill.turn] {
            if self.read(value)? != DType::I32 {
                return Err(format!("{value} is not i32"));
            }
        }
        if !fill.base.is_multiple_of(64) {
            return Err(format!("base {} is not a multiple of 64", fill.base));
        }
        self.param(fill.param, true)?;
        let param = &self.kernel.params[fill.param.index()];
        if param.dtype != DType::F32 {
            return Err(format!("of type {}", param.dtype));
        }
        if !self.open.is_empty() && self.open.iter().any(|open| open.range == Range::Panel) {
            return Err("inside a panel".into());
        }
        self.inside(fill.param, interval(&Affine::constant(fill.len as i64 - 1), &|_| 0))?;
        if let Some(par) = self.kernel.par {
            if par.extent != fill.len.div_ceil(64) {
                return Err(format!("{} tiles, par has {}", fill.len.div_ceil(64), par.extent));
            }
            let touch = Touch { write: true, factor: 64, offset: 0, terms: vec![(1, 63)], fixed: Vec::new() };
            self.panel.entry(fill.param).or_default().push(touch);
        }
        Ok(())
    }
}

/// Whether what is read and what is written, in one parameter, lie beyond each other: as rows of one stack do.
fn apart(found: &Transpose, rows: u64) -> bool {
    let between = found.to.start.plus(&found.from.start.times(-1));
    let reach = |matrix: &Matrix| {
        let last = |count: u64| i128::from(count) - 1;
        Interval::multiple(matrix.row, last(rows)).plus(Interval::multiple(matrix.column, last(found.n)))
    };
    let (read, written, offset) = (reach(&found.from), reach(&found.to), i128::from(between.offset));
    between.terms.is_empty() && (written.low + offset > read.high || written.high + offset < read.low)
}

/// Statements, those in loops and the loops themselves included.
fn count(body: &[Stmt]) -> usize {
    body.iter()
        .map(|stmt| match stmt {
            Stmt::Loop(nest) => 1 + count(&nest.body),
            Stmt::Let { .. }
            | Stmt::Store { .. }
            | Stmt::Gemm(_)
            | Stmt::Conv(_)
            | Stmt::Fill(_)
            | Stmt::Sort(_)
            | Stmt::Transpose(_) => 1,
        })
        .sum()
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
