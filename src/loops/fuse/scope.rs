//! A kernel under construction, with loops open at several levels.
//!
//! In: operations in any order. Out: statements, each at the outermost level
//! that defines its operands. Invariant: a level's statement precedes the loops
//! that are still open below it, since a loop joins its parent when it closes;
//! so a hoisted value is always defined before its uses.

use std::collections::HashMap;

use crate::ir::{DType, Origin, ValueId as NodeId};
use crate::loops::ir::{
    Access, Affine, Arg, Conv, Cost, Fill, Gemm, Kernel, Loop, LoopKind, Mode, Param, ParamId, Range, Reduce, ScalarOp,
    Sort, Stmt, ValueId, ValueInfo, VarId,
};

/// An open loop, or the kernel itself.
#[derive(Debug)]
struct Level {
    kind: LoopKind,
    range: Range,
    var: VarId,
    body: Vec<Stmt>,
    remembered: Vec<(NodeId, Vec<Affine>)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Scope {
    kernel: Kernel,
    args: Vec<Arg>,
    params: HashMap<Arg, ParamId>,
    levels: Vec<Level>,
    var_level: Vec<usize>,
    value_level: Vec<usize>,
    memo: HashMap<(NodeId, Vec<Affine>), ValueId>,
    constants: HashMap<(DType, u32), ValueId>,
    statements: usize,
    /// Origin of the statements that are made now.
    pub origin: Origin,
}

impl Scope {
    /// An empty kernel.
    pub fn new(name: String) -> Scope {
        let kernel = Kernel {
            name,
            params: Vec::new(),
            par: None,
            body: Vec::new(),
            values: Vec::new(),
            vars: 0,
            cost: Cost::default(),
        };
        let root = Level {
            kind: LoopKind::Seq,
            range: Range::Count(1),
            var: VarId(u32::MAX),
            body: Vec::new(),
            remembered: Vec::new(),
        };
        Scope {
            kernel,
            args: Vec::new(),
            params: HashMap::new(),
            levels: vec![root],
            var_level: Vec::new(),
            value_level: Vec::new(),
            memo: HashMap::new(),
            constants: HashMap::new(),
            statements: 0,
            origin: Origin::default(),
        }
    }

    /// The parameter bound to `arg`, which is then read (`In`) or written (`Out`) as well.
    pub fn param(&mut self, arg: &Arg, name: &str, dtype: DType, len: usize, mode: Mode) -> ParamId {
        let next = ParamId(self.kernel.params.len() as u32);
        let param = *self.params.entry(arg.clone()).or_insert(next);
        if param == next {
            self.kernel.params.push(Param { name: name.to_owned(), dtype, len, mode });
            self.args.push(arg.clone());
            return param;
        }
        let found = &mut self.kernel.params[param.index()];
        found.len = found.len.max(len);
        if found.mode != mode {
            found.mode = Mode::InOut;
        }
        param
    }

    /// Opens a loop.
    pub fn open(&mut self, kind: LoopKind, count: usize) -> VarId {
        let var = VarId(self.kernel.vars);
        self.kernel.vars += 1;
        self.var_level.push(self.levels.len());
        self.levels.push(Level {
            kind,
            range: Range::Count(count as u64),
            var,
            body: Vec::new(),
            remembered: Vec::new(),
        });
        var
    }

    /// Closes the innermost loop; the results of `reduces` are defined after it.
    pub fn close(&mut self, reduces: Vec<Reduce>) {
        let Some(level) = self.levels.pop() else { return };
        for key in level.remembered {
            self.memo.remove(&key);
        }
        for reduce in &reduces {
            self.value_level[reduce.result.index()] = self.levels.len() - 1;
        }
        let done = Loop { kind: level.kind, range: level.range, var: level.var, reduces, body: level.body };
        self.here().push(Stmt::Loop(done));
    }

    /// A value that is not defined yet: the result of a reduce.
    pub fn fresh(&mut self, dtype: DType) -> ValueId {
        self.kernel.values.push(ValueInfo { dtype, origin: self.origin });
        self.value_level.push(self.levels.len() - 1);
        ValueId(self.kernel.values.len() as u32 - 1)
    }

    /// Defines a value, as far out as its operands allow.
    pub fn define(&mut self, op: ScalarOp, dtype: DType) -> ValueId {
        let constant = match &op {
            ScalarOp::F32(bits) => Some((dtype, *bits)),
            ScalarOp::I32(value) => Some((dtype, *value as u32)),
            ScalarOp::Bool(value) => Some((dtype, u32::from(*value))),
            _ => None,
        };
        if let Some(&value) = constant.and_then(|key| self.constants.get(&key)) {
            return value;
        }
        let mut level = 0;
        op.for_each_operand(|operand| level = level.max(self.value_level[operand.index()]));
        match &op {
            ScalarOp::Load(access) => level = level.max(self.access_level(access)),
            ScalarOp::Index(affine) => level = level.max(self.affine_level(affine)),
            _ => {}
        }
        let value = self.fresh(dtype);
        self.value_level[value.index()] = level;
        self.levels[level].body.push(Stmt::Let { value, op });
        self.statements += 1;
        if let Some(key) = constant {
            self.constants.insert(key, value);
        }
        value
    }

    /// Defines a value in the innermost body: a load of memory that this loop writes must not move out.
    pub fn define_here(&mut self, op: ScalarOp, dtype: DType) -> ValueId {
        let value = self.fresh(dtype);
        self.here().push(Stmt::Let { value, op });
        value
    }

    /// Writes memory, here.
    pub fn store(&mut self, access: Access, value: ValueId) {
        self.here().push(Stmt::Store { access, value });
    }

    /// A wide product, here.
    pub fn gemm(&mut self, gemm: Gemm) {
        self.here().push(Stmt::Gemm(gemm));
    }

    /// A convolution, here.
    pub fn conv(&mut self, conv: Conv) {
        self.here().push(Stmt::Conv(conv));
    }

    /// Random numbers, here.
    pub fn fill(&mut self, fill: Fill) {
        self.here().push(Stmt::Fill(fill));
    }

    /// The order of a row, here.
    pub fn sort(&mut self, sort: Sort) {
        self.here().push(Stmt::Sort(sort));
    }

    /// The value of a node at an index, if it was computed in an open level.
    pub fn recall(&self, node: NodeId, index: &[Affine]) -> Option<ValueId> {
        self.memo.get(&(node, index.to_vec())).copied()
    }

    /// Remembers a node's value as long as the level that defines it is open.
    pub fn remember(&mut self, node: NodeId, index: &[Affine], value: ValueId) {
        let key = (node, index.to_vec());
        let level = self.value_level[value.index()];
        if let Some(level) = self.levels.get_mut(level) {
            level.remembered.push(key.clone());
        }
        self.memo.insert(key, value);
    }

    /// Statements so far.
    pub fn statements(&self) -> usize {
        self.statements
    }

    /// The finished kernel, and what each parameter is bound to.
    pub fn finish(mut self) -> (Kernel, Vec<Arg>) {
        if let Some(root) = self.levels.pop() {
            self.kernel.body = root.body;
        }
        (self.kernel, self.args)
    }

    /// The innermost body, for one statement more.
    fn here(&mut self) -> &mut Vec<Stmt> {
        self.statements += 1;
        let last = self.levels.len() - 1;
        &mut self.levels[last].body
    }

    fn affine_level(&self, affine: &Affine) -> usize {
        affine.terms.iter().map(|(var, _)| self.var_level[var.index()]).max().unwrap_or(0)
    }

    fn access_level(&self, access: &Access) -> usize {
        let guards = access.guards.iter().map(|guard| self.affine_level(&guard.at)).max().unwrap_or(0);
        self.affine_level(&access.index).max(guards)
    }
}
