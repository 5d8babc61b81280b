//! The function of a lane loop: its frame, its turns, its results.
//!
//! In: a [`Body`]. Out: code that reads the caller's block of words, runs the body
//! over all elements, and writes the trees' results into the block. Invariant:
//! registers that the caller expects back are restored, upper halves cleared.

use super::encode::{self, Assembler, R14, R15, RAX, RDI, RSP, Rm, VECTOR};
use super::registers::{LOOP_BYTES, Registers, Uses};
use super::{Body, LANES, Op, Source};

/// Registers that hold addresses.
const BASES: [u8; 10] = [1, 2, 6, 8, 9, 10, 11, 3, 12, 13];
/// Those of the called function's registers that the caller expects back.
const SAVED: [u8; 5] = [3, 12, 13, 14, 15];
/// The code of `body` as a function.
pub(super) fn write(body: &Body) -> Vec<u8> {
    let mut writer = Writer { body, asm: Assembler::default(), uses: body.uses(), slots: 0 };
    writer.function();
    writer.asm.finish()
}

/// A function on its way.
pub(super) struct Writer<'a> {
    body: &'a Body,
    pub(super) asm: Assembler,
    uses: Uses,
    /// Most places on the stack that a copy of the body has used.
    slots: i32,
}

/// One copy of the body.
#[derive(Clone, Copy)]
pub(super) struct Copy {
    /// Bytes from the loop's place.
    pub(super) displacement: i32,
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
        // The saved registers lie below the frame pointer.
        let saved = self.saved();
        let last = Rm::Memory { base: 5, index: None, displacement: -8 * saved.len() as i32 };
        self.asm.address(RSP, last);
        saved.iter().rev().for_each(|register| self.asm.pop(*register));
        self.asm.pop(5);
        self.asm.leave();
    }

    /// The registers that the caller expects back and that are used.
    fn saved(&self) -> Vec<u8> {
        let bases = &BASES[..self.body.bases.min(BASES.len())];
        let counts = self.body.ops.iter().any(|op| matches!(op, Op::Index { .. }));
        let reads = self.body.count.is_none() || self.body.bases > BASES.len();
        let used = |register: &u8| match *register {
            R14 => reads,
            R15 => counts,
            base => bases.contains(&base),
        };
        SAVED.into_iter().filter(used).collect()
    }

    /// Saves registers, makes room, reads the block; where the size of the frame is to be written.
    fn enter(&mut self) -> usize {
        let body = self.body;
        self.asm.push(5);
        self.asm.address(5, Rm::Memory { base: RSP, index: None, displacement: 0 });
        self.saved().iter().for_each(|register| self.asm.push(*register));
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

    /// Halves the trees, the nearer half first operand, and hands them over.
    fn results(&mut self) {
        for (number, tree) in self.body.trees.iter().enumerate() {
            let mut width = tree.width;
            while width > 1 {
                width /= 2;
                for vector in 0..width {
                    let (a, b) = (self.accumulator(number, vector), self.accumulator(number, vector + width));
                    self.join(tree.combine, a, a, Rm::Register(b), 1);
                }
            }
            let all = self.accumulator(number, 0);
            self.asm.upper_half(0, all);
            self.join(tree.combine, all, all, Rm::Register(0), 1);
            self.asm.shuffle(0, all, 0b_01_00_11_10);
            self.join(tree.combine, all, all, Rm::Register(0), 1);
            self.asm.shuffle(0, all, 0b_10_11_00_01);
            self.join(tree.combine, all, all, Rm::Register(0), 1);
            self.asm.store_one(word(self.body.result(number)), all);
        }
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
