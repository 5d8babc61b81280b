//! Lane loops that go to code of full width. In: a `vec` loop; out: a call of a
//! function that [`wide`](crate::jit::wide) assembles from its body, or nothing,
//! where the loop is short or holds what that code does not know: inner loops,
//! strided or gathered elements, guards that vary. Invariant: what is the same
//! for all lanes is computed here, once, before the call.

use std::collections::HashMap;
use std::rc::Rc;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, InstBuilder, MemFlagsData, Signature, UserExternalName, Value, types,
};

use super::{Bound, Emitter, scalar_type, walk};
use crate::ir::{Binary, Comparison, DType, Unary};
use crate::jit::wide::{self, Body, Calc, Op, Source, Tree};
use crate::jit::{JitError, Lanes};
use crate::loops::ir::{Access, Affine, Combine, Kernel, Loop, Order, ParamId, Reduce, ScalarOp, Stmt, ValueId, VarId};

/// Operations on elements that outweigh a call.
const WORTH: u64 = 400;
/// Elements of a loop whose bytes are counted in 32 bits.
const MOST: u64 = 1 << 28;

/// Where a value comes from that is the same for all lanes.
#[derive(Clone, PartialEq)]
enum Uniform {
    Value(ValueId),
    Index(Affine),
}

/// A loop on its way to full width.
struct Widener<'k> {
    kernel: &'k Kernel,
    constants: Rc<HashMap<ValueId, u32>>,
    /// Whether the guards of an access hold for all iterations or for none, where that is known.
    holds: HashMap<*const Access, bool>,
    var: VarId,
    /// Parameters that the loop writes.
    written: Vec<ParamId>,
    body: Body,
    /// Values of lanes so far.
    made: u32,
    /// Values of lanes.
    lanes: HashMap<ValueId, Source>,
    uniforms: Vec<Uniform>,
    /// Accesses at whose first element an address is taken.
    bases: Vec<&'k Access>,
    /// What is computed before the call.
    before: Vec<(ValueId, &'k ScalarOp)>,
    /// Where some divisor is zero.
    zero: Option<Source>,
    /// Operations on elements.
    work: u64,
}

impl<'k> Emitter<'k, '_> {
    /// Emits iterations of a loop, or those of the panel, as a call, if they are fit for that.
    pub(super) fn wide_loop(&mut self, looped: &'k Loop, part: Option<(i64, i64)>) -> Result<bool, JitError> {
        if self.lanes == Lanes::Four || self.strip.is_some() {
            return Ok(false);
        }
        let widened = Widener::of(self, looped, part);
        let widened = widened.filter(|found| self.lanes == Lanes::Eight || found.work >= WORTH);
        let Some(Widener { body, uniforms, bases, before, .. }) = widened else { return Ok(false) };
        self.store_comb();
        let (bound, count) = match part {
            Some((from, to)) => (Bound { value: None, plus: from }, self.word(to - from)),
            None => (Bound { value: Some(self.lo), plus: 0 }, self.builder.ins().isub(self.hi, self.lo)),
        };
        self.bind(looped.var, bound);
        self.bind_addresses(looped.var, &looped.body);
        for (value, op) in before {
            self.operation(value, op)?;
        }
        let mut fields = vec![(0, count)];
        for (number, access) in bases.into_iter().enumerate() {
            let (address, bytes) = self.unguarded(access, 0);
            fields.push((8 * body.base(number), self.builder.ins().iadd_imm_s(address, bytes)));
        }
        for (number, uniform) in uniforms.into_iter().enumerate() {
            let scalar = match uniform {
                Uniform::Value(value) => self.scalar(value),
                Uniform::Index(index) => {
                    let wide = self.affine(&index, 0);
                    self.builder.ins().ireduce(types::I32, wide)
                }
            };
            fields.push((8 * body.uniform(number), scalar));
        }
        let block = self.structure(8 * body.words(), &fields);
        self.call_leaf(&body, block);
        for (number, reduce) in looped.reduces.iter().enumerate() {
            let (ty, at) = (scalar_type(self.dtype(reduce.result)), 8 * body.result(number) as i32);
            let scalar = self.builder.ins().load(ty, MemFlagsData::trusted(), block, at);
            self.define_uniform(reduce.result, scalar);
        }
        // A tree behind those of the loop says whether something was divided by zero.
        for number in looped.reduces.len()..body.trees.len() {
            let at = 8 * body.result(number) as i32;
            let zeros = self.builder.ins().load(types::I32, MemFlagsData::trusted(), block, at);
            let any = self.builder.ins().icmp_imm_s(IntCC::NotEqual, zeros, 0);
            self.fault_if(any);
        }
        Ok(true)
    }

    /// Calls the function of a body; its code will stand behind the kernel's own.
    fn call_leaf(&mut self, body: &Body, block: Value) {
        let number = self.leaves.iter().position(|known| known == body).unwrap_or_else(|| {
            self.leaves.push(body.clone());
            self.leaves.len() - 1
        });
        let mut signature = Signature::new(self.builder.func.signature.call_conv);
        signature.params.push(AbiParam::new(types::I64));
        let signature = self.builder.import_signature(signature);
        let name = UserExternalName { namespace: 0, index: number as u32 };
        let name = ExternalName::user(self.builder.func.declare_imported_user_function(name));
        let callee = ExtFuncData { name, signature, colocated: true, patchable: false };
        let callee = self.builder.import_function(callee);
        self.builder.ins().call(callee, &[block]);
    }
}

impl<'k> Widener<'k> {
    /// `None` if the loop holds what code of full width does not know.
    fn of(emitter: &Emitter<'k, '_>, looped: &'k Loop, part: Option<(i64, i64)>) -> Option<Self> {
        let kernel = emitter.kernel;
        let (count, known) = match part {
            Some((from, to)) => ((to - from) as u64, Some((to - from) as u64)),
            None if looped.reduces.is_empty() => (kernel.par.map_or(0, |par| par.by), None),
            None => return None,
        };
        if !(wide::LANES..MOST).contains(&count) {
            return None;
        }
        let mut holds = HashMap::new();
        walk::accesses(&looped.body, &mut |access| {
            if let Some(known) = emitter.known_along(&access.guards) {
                holds.insert(std::ptr::from_ref(access), known);
            }
        });
        let written = |stmt: &Stmt| if let Stmt::Store { access, .. } = stmt { Some(access.param) } else { None };
        let mut widener = Widener {
            kernel,
            constants: Rc::clone(&emitter.constants),
            holds,
            var: looped.var,
            written: looped.body.iter().filter_map(written).collect(),
            body: Body { count: known, ..Body::default() },
            made: 0,
            lanes: HashMap::new(),
            uniforms: Vec::new(),
            bases: Vec::new(),
            before: Vec::new(),
            zero: None,
            work: 0,
        };
        for stmt in &looped.body {
            match stmt {
                Stmt::Let { value, op } => widener.operation(*value, op)?,
                Stmt::Store { access, value } => {
                    let (base, displacement) = widener.element(access)?;
                    let from = widener.source(*value);
                    widener.body.ops.push(Op::Store { base, displacement, from });
                }
                Stmt::Loop(_) | Stmt::Gemm(_) | Stmt::Conv(_) | Stmt::Fill(_) | Stmt::Sort(_) | Stmt::Transpose(_) => {
                    return None;
                }
            }
        }
        for reduce in &looped.reduces {
            let tree = widener.tree(reduce)?;
            widener.body.trees.push(tree);
        }
        if let Some(zero) = widener.zero {
            widener.body.trees.push(Tree { combine: wide::Combine::Any(zero), width: 1 });
        }
        widener.body.bases = widener.bases.len();
        widener.body.uniforms = widener.uniforms.len();
        widener.work = (widener.body.ops.len() + widener.body.trees.len()) as u64 * count;
        widener.body.fits().then_some(widener)
    }

    fn dtype(&self, value: ValueId) -> DType {
        self.kernel.values[value.index()].dtype
    }

    fn lane(&mut self) -> u32 {
        self.made += 1;
        self.made - 1
    }

    /// Where a value is for the body.
    fn source(&mut self, value: ValueId) -> Source {
        match (self.lanes.get(&value), self.constants.get(&value)) {
            (Some(lane), _) => *lane,
            (None, Some(bits)) => Source::Bits(*bits),
            (None, None) => self.uniform(Uniform::Value(value)),
        }
    }

    fn uniform(&mut self, uniform: Uniform) -> Source {
        let known = self.uniforms.iter().position(|known| *known == uniform);
        let number = known.unwrap_or_else(|| {
            self.uniforms.push(uniform);
            self.uniforms.len() - 1
        });
        Source::Uniform(number as u32)
    }

    /// An address and bytes behind it of elements that lie side by side.
    fn element(&mut self, access: &'k Access) -> Option<(usize, i32)> {
        let varying = access.indirect.is_some_and(|indirect| self.lanes.contains_key(&indirect.value));
        let inside = self.holds.get(&std::ptr::from_ref(access)) == Some(&true);
        if access.index.factor(self.var) != 1 || !inside || varying {
            return None;
        }
        let alike = |base: &&Access| {
            base.param == access.param && base.index.terms == access.index.terms && base.indirect == access.indirect
        };
        let number = self.bases.iter().position(alike).unwrap_or_else(|| {
            self.bases.push(access);
            self.bases.len() - 1
        });
        let distance = 4 * (access.index.offset - self.bases[number].index.offset);
        // Room for the copies of a body.
        let displacement = i32::try_from(distance).ok().filter(|bytes| bytes.abs() < i32::MAX / 2)?;
        Some((number, displacement))
    }

    fn operation(&mut self, value: ValueId, op: &'k ScalarOp) -> Option<()> {
        let varying = op.operands().iter().any(|operand| self.lanes.contains_key(operand));
        let source = match op {
            ScalarOp::Load(access) => {
                let guarded = access.guards.iter().any(|guard| guard.at.factor(self.var) != 0);
                if self.holds.get(&std::ptr::from_ref(access)) == Some(&false) {
                    self.lanes.insert(value, Source::Bits(access.fill));
                    return Some(());
                }
                if access.index.factor(self.var) == 0 && !guarded && !varying {
                    if self.written.contains(&access.param) {
                        return None;
                    }
                    self.before.push((value, op));
                    return Some(());
                }
                let (base, displacement) = self.element(access)?;
                let to = self.lane();
                self.body.ops.push(Op::Load { to, base, displacement });
                Source::Lane(to)
            }
            ScalarOp::Index(index) if index.factor(self.var) != 0 => {
                let factor = i32::try_from(index.factor(self.var)).ok()?;
                let start = self.uniform(Uniform::Index(index.clone()));
                let to = self.lane();
                self.body.ops.push(Op::Index { to, start, factor });
                Source::Lane(to)
            }
            _ if !varying => {
                self.before.push((value, op));
                return Some(());
            }
            _ => self.lowered(op)?,
        };
        self.lanes.insert(value, source);
        Some(())
    }

    fn calc(&mut self, calc: Calc, operands: &[Source]) -> Source {
        let to = self.lane();
        self.body.ops.push(Op::Calc { to, calc, operands: operands.to_vec() });
        Source::Lane(to)
    }

    fn not(&mut self, a: Source) -> Source {
        self.calc(Calc::Xor, &[a, Source::Bits(u32::MAX)])
    }

    /// One operation as the instructions that `emit` makes of it.
    fn lowered(&mut self, op: &ScalarOp) -> Option<Source> {
        let operands = op.operands();
        let dtype = self.dtype(operands[0]);
        let given: Vec<Source> = operands.iter().map(|operand| self.source(*operand)).collect();
        let a = given[0];
        Some(match op {
            ScalarOp::Unary(unary, _) => match (unary, dtype) {
                (Unary::Neg, DType::F32) => self.calc(Calc::Xor, &[a, Source::Bits(1 << 31)]),
                (Unary::Neg, DType::I32) => self.calc(Calc::SubInt, &[Source::Bits(0), a]),
                (Unary::Abs, DType::F32) => self.calc(Calc::And, &[a, Source::Bits(u32::MAX >> 1)]),
                (Unary::Abs, DType::I32) => self.calc(Calc::AbsInt, &given),
                (Unary::Sqrt, DType::F32) => self.calc(Calc::Sqrt, &given),
                (Unary::Floor, DType::F32) => self.calc(Calc::Floor, &given),
                _ => return None,
            },
            ScalarOp::Binary(binary, ..) => return self.binary(*binary, dtype, &given),
            ScalarOp::Compare(comparison, ..) => self.compare(*comparison, dtype, &given),
            ScalarOp::Fma(..) => self.calc(Calc::Fma, &given),
            ScalarOp::And(..) => self.calc(Calc::And, &given),
            ScalarOp::Or(..) => self.calc(Calc::Or, &given),
            ScalarOp::Xor(..) => self.calc(Calc::Xor, &given),
            ScalarOp::Not(_) => self.not(a),
            ScalarOp::Shl(_, by) => self.calc(Calc::Shl(*by), &given),
            ScalarOp::ShrU(_, by) => self.calc(Calc::ShrU(*by), &given),
            ScalarOp::ShrS(_, by) => self.calc(Calc::ShrS(*by), &given),
            ScalarOp::Select(..) => self.calc(Calc::Select, &given),
            ScalarOp::Convert(to, _) => self.convert(dtype, *to, a),
            ScalarOp::Bits(..) => a,
            ScalarOp::F32(_) | ScalarOp::I32(_) | ScalarOp::Bool(_) | ScalarOp::Load(_) | ScalarOp::Index(_) => {
                return None;
            }
        })
    }

    fn binary(&mut self, binary: Binary, dtype: DType, given: &[Source]) -> Option<Source> {
        let calc = match (binary, dtype) {
            (Binary::Add, DType::F32) => Calc::Add,
            (Binary::Sub, DType::F32) => Calc::Sub,
            (Binary::Mul, DType::F32) => Calc::Mul,
            (Binary::Div, DType::F32) => Calc::Div,
            (Binary::Max | Binary::Min, DType::F32) => {
                let calc = if binary == Binary::Max { Calc::Max } else { Calc::Min };
                let larger = self.calc(calc, given);
                let nan = self.calc(Calc::Compare(3), &[given[0], given[0]]);
                return Some(self.calc(Calc::Select, &[nan, given[0], larger]));
            }
            (Binary::Add, DType::I32) => Calc::AddInt,
            (Binary::Sub, DType::I32) => Calc::SubInt,
            (Binary::Mul, DType::I32) => Calc::MulInt,
            (Binary::Max, DType::I32) => Calc::MaxInt,
            (Binary::Min, DType::I32) => Calc::MinInt,
            (Binary::Div | Binary::Rem, DType::I32) => return Some(self.divide(binary, given)),
            _ => return None,
        };
        Some(self.calc(calc, given))
    }

    /// Floor division or its remainder; by zero the result is 0.
    fn divide(&mut self, binary: Binary, given: &[Source]) -> Source {
        let (a, b) = (given[0], given[1]);
        let quotient = self.calc(Calc::DivInt, given);
        let result = match binary {
            Binary::Rem => {
                let product = self.calc(Calc::MulInt, &[quotient, b]);
                self.calc(Calc::SubInt, &[a, product])
            }
            _ => quotient,
        };
        if matches!(b, Source::Bits(bits) if bits != 0) {
            return result;
        }
        let zero = self.calc(Calc::EqualInt, &[b, Source::Bits(0)]);
        self.zero = Some(self.zero.map_or(zero, |other| self.calc(Calc::Or, &[other, zero])));
        self.calc(Calc::AndNot, &[zero, result])
    }

    fn compare(&mut self, comparison: Comparison, dtype: DType, given: &[Source]) -> Source {
        let turned = [given[1], given[0]];
        match (comparison, dtype) {
            (Comparison::Eq, DType::F32) => self.calc(Calc::Compare(0), given),
            (Comparison::Lt, DType::F32) => self.calc(Calc::Compare(1), given),
            (Comparison::Le, DType::F32) => self.calc(Calc::Compare(2), given),
            (Comparison::Eq, DType::I32 | DType::Bool) => self.calc(Calc::EqualInt, given),
            (Comparison::Lt, DType::I32) => self.calc(Calc::GreaterInt, &turned),
            (Comparison::Le, DType::I32) => {
                let greater = self.calc(Calc::GreaterInt, given);
                self.not(greater)
            }
            // False is less than true.
            (Comparison::Lt, DType::Bool) => self.calc(Calc::AndNot, given),
            (Comparison::Le, DType::Bool) => {
                let greater = self.calc(Calc::AndNot, &turned);
                self.not(greater)
            }
        }
    }

    fn convert(&mut self, from: DType, to: DType, a: Source) -> Source {
        match (from, to) {
            (DType::F32, DType::F32) | (DType::I32, DType::I32) | (DType::Bool, DType::Bool) => a,
            (DType::F32, DType::I32) => {
                // What is too large has become i32::MIN, and NaN as well.
                let cut = self.calc(Calc::ToInt, &[a]);
                let large = self.calc(Calc::Compare(13), &[a, Source::Bits(2_147_483_648.0_f32.to_bits())]);
                let cut = self.calc(Calc::Xor, &[cut, large]);
                let number = self.calc(Calc::Compare(7), &[a, a]);
                self.calc(Calc::And, &[cut, number])
            }
            (DType::I32, DType::F32) => self.calc(Calc::ToFloat, &[a]),
            (DType::Bool, DType::I32) => self.calc(Calc::And, &[a, Source::Bits(1)]),
            (DType::Bool, DType::F32) => self.calc(Calc::And, &[a, Source::Bits(1.0_f32.to_bits())]),
            (DType::F32, DType::Bool) => self.calc(Calc::Compare(4), &[a, Source::Bits(0)]),
            (DType::I32, DType::Bool) => {
                let zero = self.calc(Calc::EqualInt, &[a, Source::Bits(0)]);
                self.not(zero)
            }
        }
    }

    fn tree(&mut self, reduce: &Reduce) -> Option<Tree> {
        let width = match reduce.order {
            Order::Chain => return None,
            Order::Tree8 => 1,
            Order::Tree32 => 4,
        };
        let float = self.dtype(reduce.result) == DType::F32;
        let combine = match reduce.combine {
            Combine::Sum(a) if float => wide::Combine::Sum(self.source(a)),
            Combine::Sum(a) => wide::Combine::SumInt(self.source(a)),
            Combine::Max(a) if float => wide::Combine::Max(self.source(a)),
            Combine::Max(a) => wide::Combine::MaxInt(self.source(a)),
            Combine::Product(a, b) => wide::Combine::Product(self.source(a), self.source(b)),
        };
        Some(Tree { combine, width })
    }
}

/// The bits of all constants of a kernel.
pub(super) fn constants(kernel: &Kernel) -> HashMap<ValueId, u32> {
    let mut known = HashMap::new();
    let mut note = |stmt: &Stmt| {
        let Stmt::Let { value, op } = stmt else { return };
        let bits = match op {
            ScalarOp::F32(bits) => *bits,
            ScalarOp::I32(number) => number.cast_unsigned(),
            ScalarOp::Bool(truth) => {
                if *truth {
                    u32::MAX
                } else {
                    0
                }
            }
            _ => return,
        };
        known.insert(*value, bits);
    };
    kernel.body.iter().for_each(|stmt| stmt.each(&mut note));
    known
}
