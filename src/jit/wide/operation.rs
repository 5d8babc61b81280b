//! One operation of a body as instructions. In: an operation and the registers
//! at this place; out: the register of its result. Invariant: an operand that is
//! used again keeps its register or lies on the stack.

use super::encode::{self, R15, RAX, Rm};
use super::function::{Copy, Writer};
use super::registers::Registers;
use super::{Calc, Combine, Source};

impl Writer<'_> {
    /// start + factor·(iteration + lane)
    pub(super) fn index(&mut self, registers: &mut Registers<'_>, to: u32, start: Source, factor: i32, copy: Copy) {
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
    pub(super) fn calc(&mut self, registers: &mut Registers<'_>, calc: Calc, operands: &[Source]) -> u8 {
        let Some((code, byte)) = calc.instruction() else {
            return match calc {
                Calc::Fma => self.fma(registers, [operands[0], operands[1], operands[2]]),
                Calc::Select => self.select(registers, [operands[0], operands[1], operands[2]]),
                Calc::DivInt => self.divide(registers, [operands[0], operands[1]]),
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

    /// By doubles, four lanes at a time: they hold all integers, and no quotient of two lies so near below a whole
    /// number that it is rounded to it.
    fn divide(&mut self, registers: &mut Registers<'_>, operands: [Source; 2]) -> u8 {
        let [a, b] = operands.map(|operand| registers.fetch(operand, &mut self.asm));
        let [low, high, divisor] = [(); 3].map(|()| registers.take(&mut self.asm));
        self.asm.upper_half(high, a);
        self.asm.upper_half(divisor, b);
        for (quotient, dividend, by) in [(high, high, divisor), (low, a, b)] {
            self.asm.vector(encode::TO_DOUBLE, divisor, 0, Rm::Register(by));
            self.asm.vector(encode::TO_DOUBLE, quotient, 0, Rm::Register(dividend));
            self.asm.vector(encode::DIV_DOUBLE, quotient, quotient, Rm::Register(divisor));
            self.asm.vector_with(encode::ROUND_DOUBLE, quotient, 0, Rm::Register(quotient), 9);
            self.asm.vector(encode::FROM_DOUBLE, quotient, 0, Rm::Register(quotient));
        }
        self.asm.vector_with(encode::JOIN_HALVES, low, low, Rm::Register(high), 1);
        registers.end_of(&operands);
        low
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
    pub(super) fn accumulate(
        &mut self,
        registers: &mut Registers<'_>,
        combine: Combine,
        accumulator: u8,
        mask: Option<u8>,
    ) {
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
            Combine::Sum(value)
            | Combine::SumInt(value)
            | Combine::Max(value)
            | Combine::MaxInt(value)
            | Combine::Any(value) => {
                let last = registers.place(value);
                let nan = if let Combine::Max(_) = combine { registers.take(&mut self.asm) } else { 0 };
                self.join(combine, next, accumulator, last, nan);
            }
        }
        if let Some(mask) = mask {
            self.asm.vector_with(encode::BLEND, accumulator, accumulator, Rm::Register(next), mask << 4);
        }
    }

    /// Two accumulated values become one; of maxima a NaN in the first wins (one in the second comes through by itself),
    /// by way of a register that is free.
    pub(super) fn join(&mut self, combine: Combine, to: u8, a: u8, b: Rm, nan: u8) {
        let code = match combine {
            Combine::Sum(_) | Combine::Product(..) => encode::ADD,
            Combine::SumInt(_) => encode::ADD_INT,
            Combine::MaxInt(_) => encode::MAX_INT,
            Combine::Any(_) => encode::OR,
            Combine::Max(_) => {
                // Where `a` is NaN the maximum takes the other, to which it is then added bit by bit.
                self.asm.vector_with(encode::COMPARE, nan, a, Rm::Register(a), 3);
                self.asm.vector(encode::AND, nan, nan, Rm::Register(a));
                self.asm.vector(encode::MAX, to, a, b);
                return self.asm.vector(encode::OR, to, to, Rm::Register(nan));
            }
        };
        self.asm.vector(code, to, a, b);
    }
}
