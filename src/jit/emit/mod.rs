//! From one kernel of the loops IR to one Cranelift function.
//!
//! In: a verified kernel whose operations are the basic ones (`loops::math`
//! has expanded the others). Out: a function of type
//! [`KernelFn`](crate::kernels::abi::KernelFn) without relocations on machines
//! with fused multiply-add. Invariant: each statement is emitted by the same
//! code for scalars and for vectors, so the bits of an element never depend on
//! whether it fell into a strip of vectors or into the scalar tail.
//!
//! A value is *uniform* (one Cranelift scalar, plus its splat where a vector
//! wants it) or *lanes* (one Cranelift vector for each four lanes of the strip).
//! Truth values are `i32` masks, all ones or zero, in registers and in memory.

mod calls;
mod clamp;
mod columns;
mod combs;
mod loops;
mod memory;
mod reduce;
mod scalar;
mod turns;
mod walk;
mod wide;

use std::collections::HashMap;
use std::mem::offset_of;
use std::rc::Rc;

use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, MemFlagsData, SourceLoc, StackSlot, Type, Value, types};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::wide::Body;
use super::{JitError, Lanes};
use crate::ir::DType;
use crate::kernels::abi::Ctx;
use crate::loops::ir::{Indirect, Kernel, Mode, ParamId, Stmt, ValueId, VarId};

/// Lanes of a Cranelift vector.
const LANES: usize = 4;

/// Builds the function of `kernel`, and the bodies of lane loops that it calls as functions of their own.
pub(super) fn build(kernel: &Kernel, isa: &dyn TargetIsa, lanes: Lanes) -> Result<(Function, Vec<Body>), JitError> {
    let mut function = Function::new();
    function.signature.call_conv = isa.default_call_conv();
    function.signature.params.extend([AbiParam::new(types::I64); 4]);
    let mut frontend = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut frontend);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let mut emitter = Emitter::new(kernel, &mut builder, lanes);
    emitter.enter();
    emitter.statements(&kernel.body, 0)?;
    let leaves = std::mem::take(&mut emitter.leaves);
    builder.ins().return_(&[]);
    builder.seal_all_blocks();
    builder.finalize(isa.frontend_config());
    Ok((function, leaves))
}

/// What the code of a value is at this moment of the emission.
#[derive(Clone, Debug)]
enum Operand {
    /// The same for all lanes.
    Uniform { scalar: Value, splat: Option<Value> },
    /// One vector for each four lanes of the current strip.
    Lanes(Vec<Value>),
}

/// A loop variable: `value + plus`; without a value it is a constant (unrolled loop).
#[derive(Clone, Copy, Debug)]
struct Bound {
    value: Option<Value>,
    plus: i64,
}

/// The dynamic part of an address: parameter and factors of the variables that are not constant.
type AddressKey = (ParamId, Vec<(VarId, i64)>);

/// The strip being emitted: some vectors along the variable of the enclosing `vec` loop.
#[derive(Clone, Copy, Debug)]
struct Strip {
    vectors: usize,
    var: VarId,
}

/// The part of a `vec` loop of constant length that is being emitted: its first and its last iteration.
#[derive(Clone, Copy, Debug)]
struct Segment {
    var: VarId,
    first: i64,
    last: i64,
}

struct Emitter<'a, 'f> {
    kernel: &'a Kernel,
    builder: &'a mut FunctionBuilder<'f>,
    /// Context pointer.
    ctx: Value,
    /// Panel.
    lo: Value,
    hi: Value,
    /// Address of each parameter's first element.
    params: Vec<Value>,
    values: Vec<Option<Operand>>,
    /// Values that some `vec` loop reads: their splat is made where they are defined.
    splatted: Vec<bool>,
    /// What loads of the open `turn` loops give: scalars that the turn before has handed on.
    handed: HashMap<ValueId, Value>,
    vars: Vec<Option<Bound>>,
    addresses: HashMap<AddressKey, Value>,
    /// Elements of read-only parameters that the current block has loaded: dynamic part and constant index.
    loaded: HashMap<(AddressKey, i64), Value>,
    /// For each value, the bounds and strides with which it is an index.
    indirects: Vec<Vec<Indirect>>,
    /// Clamped indices by value, stride and bound: as bytes, or lanes still without stride.
    clamped: HashMap<(ValueId, i64, i64), Operand>,
    /// Pairs of clamped indices that the current block has taken out of their vectors.
    pairs: HashMap<(Value, usize), Value>,
    /// Four words of each fill of a guarded load: what is read outside the guards.
    fills: HashMap<u32, StackSlot>,
    /// Set inside a `vec` loop, but not in its scalar tail.
    strip: Option<Strip>,
    segment: Option<Segment>,
    /// Which lane loops become calls of code of full width.
    lanes: Lanes,
    /// The bodies of those that did.
    leaves: Vec<Body>,
    /// The bits of all constants.
    constants: Rc<HashMap<ValueId, u32>>,
    /// Stores with gaps, which wait for those between.
    comb: Option<combs::Comb>,
}

impl<'a, 'f> Emitter<'a, 'f> {
    fn new(kernel: &'a Kernel, builder: &'a mut FunctionBuilder<'f>, lanes: Lanes) -> Self {
        let constants = if lanes == Lanes::Four { HashMap::new() } else { wide::constants(kernel) };
        let block = builder.current_block().expect("the entry block is current");
        let arguments = builder.block_params(block).to_vec();
        Emitter {
            kernel,
            builder,
            ctx: arguments[1],
            lo: arguments[2],
            hi: arguments[3],
            params: vec![arguments[0]],
            values: vec![None; kernel.values.len()],
            splatted: walk::read_by_vec_loops(kernel),
            handed: HashMap::new(),
            vars: vec![None; kernel.vars as usize],
            addresses: HashMap::new(),
            loaded: HashMap::new(),
            indirects: walk::indirects(kernel),
            clamped: HashMap::new(),
            pairs: HashMap::new(),
            fills: HashMap::new(),
            strip: None,
            segment: None,
            lanes,
            leaves: Vec::new(),
            constants: Rc::new(constants),
            comb: None,
        }
    }

    /// Loads all parameter addresses, and lays out what guarded loads read outside.
    fn enter(&mut self) {
        let table = self.params.remove(0);
        let mut scratch = None;
        let mut argument = 0;
        let kernel = self.kernel;
        for param in &kernel.params {
            let address = match param.mode {
                Mode::In | Mode::Out | Mode::InOut => {
                    argument += 8;
                    self.builder.ins().load(types::I64, MemFlagsData::trusted(), table, argument - 8)
                }
                Mode::Scratch { offset } => {
                    let base = *scratch.get_or_insert_with(|| {
                        let at = offset_of!(Ctx, scratch) as i32;
                        self.builder.ins().load(types::I64, MemFlagsData::trusted(), self.ctx, at)
                    });
                    self.builder.ins().iadd_imm_s(base, offset as i64)
                }
            };
            self.params.push(address);
        }
        for fill in walk::fills(&kernel.body) {
            self.lay_out_fill(fill);
        }
    }

    /// Emits statements; `ordinal` is the first one's number in the kernel, counted as printed.
    fn statements(&mut self, statements: &'a [Stmt], mut ordinal: u32) -> Result<(), JitError> {
        for statement in statements {
            self.builder.set_srcloc(SourceLoc::new(ordinal));
            match statement {
                Stmt::Let { value, op } => self.operation(*value, op)?,
                Stmt::Store { access, value } => self.store(access, *value)?,
                Stmt::Loop(looped) => self.loop_statement(looped, ordinal)?,
                Stmt::Gemm(gemm) => self.gemm(gemm),
                Stmt::Conv(conv) => self.conv(conv),
                Stmt::Fill(fill) => self.fill(fill),
                Stmt::Sort(sort) => self.sort(sort),
                Stmt::Transpose(found) => self.transpose(found),
            }
            ordinal += statement.size() as u32;
        }
        Ok(())
    }

    fn dtype(&self, value: ValueId) -> DType {
        self.kernel.values[value.index()].dtype
    }

    fn operand(&self, value: ValueId) -> &Operand {
        self.values[value.index()].as_ref().expect("the verifier checked: defined before use")
    }

    fn is_uniform(&self, value: ValueId) -> bool {
        matches!(self.operand(value), Operand::Uniform { .. })
    }

    /// The scalar of a uniform value.
    fn scalar(&self, value: ValueId) -> Value {
        match self.operand(value) {
            Operand::Uniform { scalar, .. } => *scalar,
            Operand::Lanes(_) => unreachable!("{value} is one per lane where a uniform value is needed"),
        }
    }

    /// Vector number `vector` of the current strip.
    fn vector(&mut self, value: ValueId, vector: usize) -> Value {
        match self.operand(value) {
            Operand::Lanes(vectors) => vectors[vector],
            Operand::Uniform { splat: Some(splat), .. } => *splat,
            Operand::Uniform { scalar, splat: None } => {
                let (scalar, ty) = (*scalar, vector_type(self.dtype(value)));
                self.builder.ins().splat(ty, scalar)
            }
        }
    }

    /// The value of lane `lane` of the current strip.
    fn lane(&mut self, value: ValueId, lane: usize) -> Value {
        match self.operand(value) {
            Operand::Uniform { scalar, .. } => *scalar,
            Operand::Lanes(vectors) => {
                let vector = vectors[lane / LANES];
                self.builder.ins().extractlane(vector, (lane % LANES) as u8)
            }
        }
    }

    fn define(&mut self, value: ValueId, operand: Operand) {
        self.values[value.index()] = Some(operand);
        self.clamp(value);
    }

    fn define_uniform(&mut self, value: ValueId, scalar: Value) {
        let ty = vector_type(self.dtype(value));
        let splat = self.splatted[value.index()].then(|| self.builder.ins().splat(ty, scalar));
        self.define(value, Operand::Uniform { scalar, splat });
    }

    fn unsupported(&self, what: impl Into<String>) -> JitError {
        JitError::Unsupported { kernel: self.kernel.name.clone(), what: what.into() }
    }
}

/// The Cranelift type of one element.
fn scalar_type(dtype: DType) -> Type {
    match dtype {
        DType::F32 => types::F32,
        DType::I32 | DType::Bool => types::I32,
    }
}

/// The Cranelift type of four elements.
fn vector_type(dtype: DType) -> Type {
    match dtype {
        DType::F32 => types::F32X4,
        DType::I32 | DType::Bool => types::I32X4,
    }
}
