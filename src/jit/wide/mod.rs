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
mod registers;

use encode::{Assembler, Code, R14, R15, RAX, RDI, RSP, Rm, VECTOR};
use registers::{LOOP_BYTES, Registers, Uses};

/// Lanes of a vector.
pub(super) const LANES: u64 = 8;
/// Registers that hold addresses.
const BASES: [u8; 10] = [1, 2, 6, 8, 9, 10, 11, 3, 12, 13];
/// Those of the called function's registers that the caller expects back.
const SAVED: [u8; 5] = [3, 12, 13, 14, 15];
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
    /// Iterations; `None`: the caller says, and nothing is accumulated.
    pub count: Option<u64>,
    pub ops: Vec<Op>,
    pub trees: Vec<Tree>,
    /// Values of type [`Source::Lane`].
    pub lanes: u32,
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
        let mut writer = Writer { body: self, asm: Assembler::default(), uses: self.uses(), slots: 0 };
        writer.function();
        writer.asm.finish()
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
            Combine::Sum(a) | Combine::SumInt(a) | Combine::Max(a) | Combine::MaxInt(a) => vec![a],
            Combine::Product(a, b) => vec![a, b],
        }
    }

    fn identity(self) -> u32 {
        match self {
            Combine::Sum(_) | Combine::SumInt(_) | Combine::Product(..) => 0,
            Combine::Max(_) => f32::NEG_INFINITY.to_bits(),
            Combine::MaxInt(_) => i32::MIN.cast_unsigned(),
        }
    }
}

struct Writer<'a> {
    body: &'a Body,
    asm: Assembler,
    uses: Uses,
    /// Most places on the stack that a copy of the body has used.
    slots: i32,
}

/// One copy of the body.
#[derive(Clone, Copy)]
struct Copy {
    /// Bytes from the loop's place.
    displacement: i32,
    /// Number of the vector since the last multiple of four of them.
    number: usize,
    /// The register of the mask, if not all lanes are there.
    mask: Option<u8>,
}

impl Writer<'_> {
    fn function(&mut self) {
        let frame = self.enter();
        self.clear_accumulators();
        match self.body.count {
            Some(count) => self.counted(count),
            None => self.panel(),
        }
        self.results();
        let size = LOOP_BYTES + VECTOR * (self.body.uniforms as i32 + self.slots);
        self.asm.patch(frame, size);
        // The five saved registers lie below the frame pointer.
        let saved = Rm::Memory { base: 5, index: None, displacement: -8 * SAVED.len() as i32 };
        self.asm.address(RSP, saved);
        SAVED.iter().rev().for_each(|register| self.asm.pop(*register));
        self.asm.pop(5);
        self.asm.leave();
    }

    /// Saves registers, makes room, reads the block; where the size of the frame is to be written.
    fn enter(&mut self) -> usize {
        let body = self.body;
        self.asm.push(5);
        self.asm.address(5, Rm::Memory { base: RSP, index: None, displacement: 0 });
        SAVED.iter().for_each(|register| self.asm.push(*register));
        self.asm.number(5, RSP, 0);
        let frame = self.asm.len();
        self.asm.number(4, RSP, -VECTOR);
        for number in 0..body.uniforms {
            self.asm.broadcast(0, word(body.uniform(number)));
            let to = Rm::Memory { base: RSP, index: None, displacement: LOOP_BYTES + VECTOR * number as i32 };
            self.asm.store(to, 0);
        }
        for (number, base) in BASES.iter().enumerate().take(body.bases) {
            self.asm.move_in(*base, word(body.base(number)));
        }
        frame
    }

    /// The first register of a tree's accumulators.
    fn accumulator(&self, tree: usize, number: usize) -> u8 {
        let before: usize = self.body.trees[..tree].iter().map(|tree| tree.width).sum();
        (15 - before - number % self.body.trees[tree].width) as u8
    }

    fn clear_accumulators(&mut self) {
        for (number, tree) in self.body.trees.iter().enumerate() {
            for vector in 0..tree.width {
                let register = self.accumulator(number, vector);
                self.asm.load(register, Rm::Constant(tree.combine.identity()));
            }
        }
    }

    /// Whole turns, whole vectors, the rest.
    fn counted(&mut self, count: u64) {
        let unrolled = self.body.unrolled();
        let main = count / (LANES * unrolled) * unrolled;
        let copy = |displacement: u64, number: u64, mask| Copy {
            displacement: displacement as i32 * VECTOR,
            number: number as usize,
            mask,
        };
        self.asm.number(4, RAX, 0);
        if main > 0 {
            let head = self.asm.here();
            (0..unrolled).for_each(|number| self.copy(copy(number, number, None)));
            self.asm.number(0, RAX, unrolled as i32 * VECTOR);
            if main > unrolled {
                self.asm.number(7, RAX, (main * 32) as i32);
                self.asm.back_if_below(head);
            }
        }
        let whole = count / LANES - main;
        (0..whole).for_each(|number| self.copy(copy(number, number, None)));
        let rest = (count % LANES) as usize;
        if rest > 0 {
            let mask = self.mask_register();
            self.asm.load(mask, Rm::Words(std::array::from_fn(|lane| if lane < rest { u32::MAX } else { 0 })));
            self.copy(copy(whole, whole, Some(mask)));
        }
    }

    /// So many elements as the block says.
    fn panel(&mut self) {
        let (all, whole) = (stack_word(0), stack_word(8));
        self.asm.move_in(R14, word(0));
        self.asm.shift_general(4, R14, 2);
        self.asm.move_out(all, R14);
        self.asm.number(4, R14, -VECTOR);
        self.asm.move_out(whole, R14);
        self.asm.number(4, RAX, 0);
        self.asm.compare(RAX, whole);
        let none = self.asm.unless_below();
        let head = self.asm.here();
        self.copy(Copy { displacement: 0, number: 0, mask: None });
        self.asm.number(0, RAX, VECTOR);
        self.asm.compare(RAX, whole);
        self.asm.back_if_below(head);
        self.asm.land(none);
        self.asm.compare(RAX, all);
        let done = self.asm.unless_below();
        // Lanes whose number is below that of the elements left.
        let mask = self.mask_register();
        self.asm.move_in(R14, all);
        self.asm.subtract(R14, Rm::Register(RAX));
        self.asm.shift_general(5, R14, 2);
        self.asm.splat_general(mask, R14);
        let lanes = std::array::from_fn(|lane| lane as u32);
        self.asm.vector(encode::GREATER_INT, mask, mask, Rm::Words(lanes));
        self.copy(Copy { displacement: 0, number: 0, mask: Some(mask) });
        self.asm.land(done);
    }

    fn mask_register(&self) -> u8 {
        (15 - self.body.accumulators()) as u8
    }

    /// The body once.
    fn copy(&mut self, copy: Copy) {
        let usable = self.mask_register() + u8::from(copy.mask.is_none());
        let uses = std::mem::take(&mut self.uses);
        let mut registers = Registers::new(&uses, usable, self.body.uniforms as i32);
        for (at, op) in self.body.ops.iter().enumerate() {
            registers.begin(at, op.operands());
            match op {
                Op::Load { to, base, displacement } => {
                    let from = self.element(*base, displacement + copy.displacement);
                    let register = registers.take(&mut self.asm);
                    match copy.mask {
                        Some(mask) => self.asm.load_masked(register, mask, from),
                        None => self.asm.load(register, from),
                    }
                    registers.put(Source::Lane(*to), register);
                    registers.end_of(&[Source::Lane(*to)]);
                }
                Op::Store { base, displacement, from } => {
                    let to = self.element(*base, displacement + copy.displacement);
                    let register = registers.fetch(*from, &mut self.asm);
                    match copy.mask {
                        Some(mask) => self.asm.store_masked(to, mask, register),
                        None => self.asm.store(to, register),
                    }
                    registers.end_of(&[*from]);
                }
                Op::Index { to, start, factor } => self.index(&mut registers, *to, *start, *factor, copy),
                Op::Calc { to, calc, operands } => {
                    let register = self.calc(&mut registers, *calc, operands);
                    registers.put(Source::Lane(*to), register);
                    registers.end_of(&[Source::Lane(*to)]);
                }
            }
        }
        for (number, tree) in self.body.trees.iter().enumerate() {
            let operands = tree.combine.operands();
            registers.begin(self.body.ops.len() + number, &operands);
            let accumulator = self.accumulator(number, copy.number);
            self.accumulate(&mut registers, tree.combine, accumulator, copy.mask);
            registers.end_of(&operands);
        }
        self.slots = self.slots.max(registers.most_slots);
        self.uses = uses;
    }

    /// Eight elements at the loop's place. Addresses that have no register are read from the block each time.
    fn element(&mut self, base: usize, displacement: i32) -> Rm {
        let register = BASES.get(base).copied().unwrap_or_else(|| {
            self.asm.move_in(R14, word(self.body.base(base)));
            R14
        });
        Rm::Memory { base: register, index: Some(RAX), displacement }
    }

    /// start + factor·(iteration + lane)
    fn index(&mut self, registers: &mut Registers<'_>, to: u32, start: Source, factor: i32, copy: Copy) {
        let register = registers.take(&mut self.asm);
        self.asm.address(R15, Rm::Memory { base: RAX, index: None, displacement: copy.displacement });
        self.asm.shift_general(5, R15, 2);
        self.asm.multiply(R15, factor);
        self.asm.splat_general(register, R15);
        let lanes = std::array::from_fn(|lane| (lane as i32).wrapping_mul(factor).cast_unsigned());
        self.asm.vector(encode::ADD_INT, register, register, Rm::Words(lanes));
        let start = registers.place(start);
        self.asm.vector(encode::ADD_INT, register, register, start);
        registers.put(Source::Lane(to), register);
        registers.end_of(&[Source::Lane(to)]);
    }

    /// One operation; the register of its result.
    fn calc(&mut self, registers: &mut Registers<'_>, calc: Calc, operands: &[Source]) -> u8 {
        let Some((code, byte)) = calc.instruction() else {
            return match calc {
                Calc::Fma => self.fma(registers, [operands[0], operands[1], operands[2]]),
                Calc::Select => self.select(registers, [operands[0], operands[1], operands[2]]),
                Calc::Shl(by) => self.shift(registers, 6, operands[0], by),
                Calc::ShrU(by) => self.shift(registers, 2, operands[0], by),
                _ => self.shift(registers, 4, operands[0], calc.bits()),
            };
        };
        let (first, last) = match operands {
            [a] => (0, registers.place(*a)),
            [a, b] if calc.commutes() && registers.held(*a).is_none() && registers.held(*b).is_some() => {
                (registers.fetch(*b, &mut self.asm), registers.place(*a))
            }
            [a, b, ..] => (registers.fetch(*a, &mut self.asm), registers.place(*b)),
            [] => (0, Rm::Constant(0)),
        };
        registers.end_of(operands);
        let to = registers.take(&mut self.asm);
        match byte {
            Some(byte) => self.asm.vector_with(code, to, first, last, byte),
            None => self.asm.vector(code, to, first, last),
        }
        to
    }

    fn shift(&mut self, registers: &mut Registers<'_>, kind: u8, from: Source, by: u8) -> u8 {
        let register = registers.fetch(from, &mut self.asm);
        registers.end_of(&[from]);
        let to = registers.take(&mut self.asm);
        self.asm.shift(kind, to, register, by);
        to
    }

    fn select(&mut self, registers: &mut Registers<'_>, [mask, a, b]: [Source; 3]) -> u8 {
        let mask_register = registers.fetch(mask, &mut self.asm);
        let otherwise = registers.fetch(b, &mut self.asm);
        let chosen = registers.place(a);
        registers.end_of(&[mask, a, b]);
        let to = registers.take(&mut self.asm);
        self.asm.vector_with(encode::BLEND, to, otherwise, chosen, mask_register << 4);
        to
    }

    /// a·b + c over an operand that is used for the last time, or over a copy of c.
    fn fma(&mut self, registers: &mut Registers<'_>, [a, b, c]: [Source; 3]) -> u8 {
        let free =
            |registers: &Registers<'_>, source: Source| registers.held(source).is_some() && registers.dies(source);
        let apart = |x: Source, y: Source| x != y;
        if free(registers, c) && apart(c, a) && apart(c, b) {
            let to = registers.fetch(c, &mut self.asm);
            let (first, last) = self.pair(registers, a, b);
            registers.end_of(&[a, b]);
            self.asm.vector(encode::FMA231, to, first, last);
            return to;
        }
        for (over, other) in [(a, b), (b, a)] {
            if free(registers, over) && apart(over, other) && apart(over, c) {
                let to = registers.fetch(over, &mut self.asm);
                // over·other + c: one of the two others may lie in memory.
                if registers.held(other).is_some() {
                    let first = registers.fetch(other, &mut self.asm);
                    let last = registers.place(c);
                    self.asm.vector(encode::FMA213, to, first, last);
                } else {
                    let first = registers.fetch(c, &mut self.asm);
                    let last = registers.place(other);
                    self.asm.vector(encode::FMA132, to, first, last);
                }
                registers.end_of(&[other, c]);
                return to;
            }
        }
        let from = registers.place(c);
        let (first, last) = self.pair(registers, a, b);
        let to = registers.take(&mut self.asm);
        self.asm.load(to, from);
        self.asm.vector(encode::FMA231, to, first, last);
        registers.end_of(&[a, b, c]);
        to
    }

    /// Two factors, the second of which may lie in memory.
    fn pair(&mut self, registers: &mut Registers<'_>, a: Source, b: Source) -> (u8, Rm) {
        let (a, b) = if registers.held(a).is_some() { (a, b) } else { (b, a) };
        let first = registers.fetch(a, &mut self.asm);
        (first, registers.place(b))
    }

    /// Lanes outside of the mask keep what they have.
    fn accumulate(&mut self, registers: &mut Registers<'_>, combine: Combine, accumulator: u8, mask: Option<u8>) {
        let next = match mask {
            Some(_) => registers.take(&mut self.asm),
            None => accumulator,
        };
        match combine {
            Combine::Product(a, b) => {
                let (first, last) = self.pair(registers, a, b);
                if next != accumulator {
                    self.asm.load(next, Rm::Register(accumulator));
                }
                self.asm.vector(encode::FMA231, next, first, last);
            }
            Combine::Max(value) => {
                let last = registers.place(value);
                let nan = registers.take(&mut self.asm);
                self.larger(next, accumulator, last, nan);
            }
            Combine::Sum(value) => {
                let last = registers.place(value);
                self.asm.vector(encode::ADD, next, accumulator, last);
            }
            Combine::SumInt(value) => {
                let last = registers.place(value);
                self.asm.vector(encode::ADD_INT, next, accumulator, last);
            }
            Combine::MaxInt(value) => {
                let last = registers.place(value);
                self.asm.vector(encode::MAX_INT, next, accumulator, last);
            }
        }
        if let Some(mask) = mask {
            self.asm.vector_with(encode::BLEND, accumulator, accumulator, Rm::Register(next), mask << 4);
        }
    }

    /// The larger of two, of which a NaN in the first wins (one in the second comes through by itself).
    fn larger(&mut self, to: u8, a: u8, b: Rm, nan: u8) {
        self.asm.vector_with(encode::COMPARE, nan, a, Rm::Register(a), 3);
        if to == a {
            // Where `a` is NaN the maximum takes the other, which is then put back.
            let kept = nan;
            self.asm.vector(encode::AND, kept, nan, Rm::Register(a));
            self.asm.vector(encode::MAX, to, a, b);
            self.asm.vector(encode::OR, to, to, Rm::Register(kept));
        } else {
            self.asm.vector(encode::MAX, to, a, b);
            self.asm.vector_with(encode::BLEND, to, to, Rm::Register(a), nan << 4);
        }
    }

    /// Halves the trees, the nearer half first operand, and hands them over.
    fn results(&mut self) {
        for (number, tree) in self.body.trees.iter().enumerate() {
            let mut width = tree.width;
            while width > 1 {
                width /= 2;
                for vector in 0..width {
                    let (a, b) = (self.accumulator(number, vector), self.accumulator(number, vector + width));
                    self.merge(tree.combine, a, b);
                }
            }
            let all = self.accumulator(number, 0);
            self.asm.upper_half(0, all);
            self.merge(tree.combine, all, 0);
            self.asm.shuffle(0, all, 0b_01_00_11_10);
            self.merge(tree.combine, all, 0);
            self.asm.shuffle(0, all, 0b_10_11_00_01);
            self.merge(tree.combine, all, 0);
            self.asm.store_one(word(self.body.result(number)), all);
        }
    }

    /// a = a with b, all in registers; 1 is free.
    fn merge(&mut self, combine: Combine, a: u8, b: u8) {
        let last = Rm::Register(b);
        match combine {
            Combine::Sum(_) | Combine::Product(..) => self.asm.vector(encode::ADD, a, a, last),
            Combine::SumInt(_) => self.asm.vector(encode::ADD_INT, a, a, last),
            Combine::MaxInt(_) => self.asm.vector(encode::MAX_INT, a, a, last),
            Combine::Max(_) => {
                self.asm.vector_with(encode::COMPARE, 1, a, Rm::Register(a), 3);
                self.asm.vector(encode::MAX, 2, a, last);
                self.asm.vector_with(encode::BLEND, a, 2, Rm::Register(a), 1 << 4);
            }
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
            Calc::Shl(_) | Calc::ShrU(_) | Calc::ShrS(_) | Calc::Select | Calc::Fma => return None,
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

/// A word of the block.
fn word(number: usize) -> Rm {
    Rm::Memory { base: RDI, index: None, displacement: 8 * number as i32 }
}

/// A word of the loop's own on the stack.
fn stack_word(bytes: i32) -> Rm {
    Rm::Memory { base: RSP, index: None, displacement: bytes }
}
