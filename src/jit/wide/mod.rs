//! Lane loops at full width: eight lanes an instruction, where the processor
//! has AVX2 and FMA. Cranelift's vectors end at four.
//!
//! In: the body of one `vec` loop as straight code over lanes ([`Body`]); memory
//! it walks along, values that are the same for all lanes, accumulated trees.
//! Out: a function of its own, which the kernel's code calls with a block of
//! words: elements, addresses, uniform values, and room for the results.
//! Invariant: the same operations in the same order as [`emit`](super::emit)
//! makes them, so the same bits; lanes behind the last are computed on zeros and
//! touch no memory.

mod encode;
mod function;
mod operation;
mod registers;

use encode::Code;
use registers::Uses;

/// Lanes of a vector.
pub(super) const LANES: u64 = 8;
/// Accumulators at most.
const ACCUMULATORS: usize = 8;
/// Bodies up to so many operations are repeated four times in a turn, longer ones twice, the longest once.
const SHORT: usize = 10;
const MIDDLE: usize = 28;

/// A value of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// One a lane.
    Lane(u32),
    /// The same for all lanes; by its number among those the caller gives.
    Uniform(u32),
    /// The same bits for all lanes and calls.
    Bits(u32),
}

/// What one instruction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Calc {
    Add,
    Sub,
    Mul,
    Div,
    /// a > b ? a : b, so b where one is NaN and of two zeros.
    Max,
    /// a < b ? a : b
    Min,
    And,
    /// !a & b
    AndNot,
    Or,
    Xor,
    Sqrt,
    Floor,
    /// By the predicate of the instruction.
    Compare(u8),
    AddInt,
    SubInt,
    MulInt,
    MaxInt,
    MinInt,
    AbsInt,
    EqualInt,
    GreaterInt,
    /// Left.
    Shl(u8),
    /// Right with zeros.
    ShrU(u8),
    /// Right with the sign.
    ShrS(u8),
    ToFloat,
    /// Towards zero; what does not fit is i32::MIN.
    ToInt,
    /// (mask, a, b)
    Select,
    /// a·b + c
    Fma,
    /// ⌊a/b⌋ of integers; by 0 anything.
    DivInt,
}

/// A step of the body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    /// Eight elements from `displacement` bytes behind an address on.
    Load {
        to: u32,
        base: usize,
        displacement: i32,
    },
    Store {
        base: usize,
        displacement: i32,
        from: Source,
    },
    /// start + factor · (number of the iteration)
    Index {
        to: u32,
        start: Source,
        factor: i32,
    },
    Calc {
        to: u32,
        calc: Calc,
        operands: Vec<Source>,
    },
}

/// What is accumulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Combine {
    Sum(Source),
    SumInt(Source),
    Max(Source),
    MaxInt(Source),
    Product(Source, Source),
    /// Whether any bit was set, in any lane.
    Any(Source),
}

/// A tree of 8 or 32 lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tree {
    pub combine: Combine,
    /// Vectors of accumulators: 1 or 4.
    pub width: usize,
}

/// A `vec` loop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Body {
    /// Iterations; `None`: the caller says, and nothing is accumulated but `Any`.
    pub count: Option<u64>,
    pub ops: Vec<Op>,
    pub trees: Vec<Tree>,
    /// Addresses and uniform values that the caller gives.
    pub bases: usize,
    pub uniforms: usize,
}

impl Body {
    /// Whether it has no more accumulators than there are registers for.
    pub fn fits(&self) -> bool {
        self.accumulators() <= ACCUMULATORS
    }

    fn accumulators(&self) -> usize {
        self.trees.iter().map(|tree| tree.width).sum()
    }

    /// Words of the block: elements, addresses, uniform values, results.
    pub fn words(&self) -> usize {
        self.result(self.trees.len())
    }

    /// Word of an address.
    pub fn base(&self, number: usize) -> usize {
        1 + number
    }

    /// Word of a uniform value.
    pub fn uniform(&self, number: usize) -> usize {
        1 + self.bases + number
    }

    /// Word of a result.
    pub fn result(&self, number: usize) -> usize {
        1 + self.bases + self.uniforms + number
    }

    /// The function's code.
    pub fn assemble(&self) -> Vec<u8> {
        function::write(self)
    }

    /// Numbers of the operations that read each value; trees read behind them.
    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        let mut add = |source: Source, at: usize| uses.entry(source).or_default().push(at);
        for (at, op) in self.ops.iter().enumerate() {
            op.operands().iter().for_each(|operand| add(*operand, at));
        }
        for (number, tree) in self.trees.iter().enumerate() {
            tree.combine.operands().into_iter().for_each(|operand| add(operand, self.ops.len() + number));
        }
        uses
    }

    /// Vectors of one turn of the loop.
    fn unrolled(&self) -> u64 {
        match self.ops.len() {
            _ if self.count.is_none() => 1,
            _ if self.trees.iter().any(|tree| tree.width == 4) => 4,
            count if count <= SHORT => 4,
            count if count <= MIDDLE => 2,
            _ => 1,
        }
    }
}

impl Op {
    fn operands(&self) -> &[Source] {
        match self {
            Op::Load { .. } => &[],
            Op::Store { from, .. } => std::slice::from_ref(from),
            Op::Index { start, .. } => std::slice::from_ref(start),
            Op::Calc { operands, .. } => operands,
        }
    }
}

impl Combine {
    fn operands(self) -> Vec<Source> {
        match self {
            Combine::Sum(a) | Combine::SumInt(a) | Combine::Max(a) | Combine::MaxInt(a) | Combine::Any(a) => vec![a],
            Combine::Product(a, b) => vec![a, b],
        }
    }

    fn identity(self) -> u32 {
        match self {
            Combine::Sum(_) | Combine::SumInt(_) | Combine::Product(..) | Combine::Any(_) => 0,
            Combine::Max(_) => f32::NEG_INFINITY.to_bits(),
            Combine::MaxInt(_) => i32::MIN.cast_unsigned(),
        }
    }
}

impl Calc {
    /// The instruction of those that take one or two operands, and its byte.
    fn instruction(self) -> Option<(Code, Option<u8>)> {
        let code = match self {
            Calc::Add => encode::ADD,
            Calc::Sub => encode::SUB,
            Calc::Mul => encode::MUL,
            Calc::Div => encode::DIV,
            Calc::Max => encode::MAX,
            Calc::Min => encode::MIN,
            Calc::And => encode::AND,
            Calc::AndNot => encode::AND_NOT,
            Calc::Or => encode::OR,
            Calc::Xor => encode::XOR,
            Calc::Sqrt => encode::SQRT,
            Calc::Floor => return Some((encode::ROUND, Some(9))),
            Calc::Compare(how) => return Some((encode::COMPARE, Some(how))),
            Calc::AddInt => encode::ADD_INT,
            Calc::SubInt => encode::SUB_INT,
            Calc::MulInt => encode::MUL_INT,
            Calc::MaxInt => encode::MAX_INT,
            Calc::MinInt => encode::MIN_INT,
            Calc::AbsInt => encode::ABS_INT,
            Calc::EqualInt => encode::EQUAL_INT,
            Calc::GreaterInt => encode::GREATER_INT,
            Calc::ToFloat => encode::TO_FLOAT,
            Calc::ToInt => encode::TO_INT,
            Calc::Shl(_) | Calc::ShrU(_) | Calc::ShrS(_) | Calc::Select | Calc::Fma | Calc::DivInt => return None,
        };
        Some((code, None))
    }

    fn bits(self) -> u8 {
        if let Calc::Shl(by) | Calc::ShrU(by) | Calc::ShrS(by) = self { by } else { 0 }
    }

    fn commutes(self) -> bool {
        matches!(
            self,
            Calc::Add
                | Calc::Mul
                | Calc::And
                | Calc::Or
                | Calc::Xor
                | Calc::AddInt
                | Calc::MulInt
                | Calc::MaxInt
                | Calc::MinInt
                | Calc::EqualInt
        )
    }
}
