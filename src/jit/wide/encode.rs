//! Instructions of AVX2 and FMA with 256-bit operands, and the few others that
//! a loop around them needs, as bytes.
//!
//! In: registers and places by number. Out: code, with its constants behind it.
//! Invariant: addresses in it are relative, so code can be placed anywhere.

use std::collections::HashMap;

/// General registers by their number.
pub(super) const RAX: u8 = 0;
pub(super) const RSP: u8 = 4;
pub(super) const RDI: u8 = 7;
pub(super) const R14: u8 = 14;
pub(super) const R15: u8 = 15;

/// Bytes of a vector.
pub(super) const VECTOR: i32 = 32;

/// The last operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rm {
    /// A register.
    Register(u8),
    /// Memory at base + index + displacement.
    Memory { base: u8, index: Option<u8>, displacement: i32 },
    /// Eight times the same bits, behind the code.
    Constant(u32),
    /// Eight words behind the code.
    Words([u32; 8]),
}

/// What distinguishes vector instructions: map of opcodes, prefix, opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code {
    map: u8,
    prefix: u8,
    opcode: u8,
}

const fn plain(opcode: u8) -> Code {
    Code { map: 1, prefix: 0, opcode }
}

const fn packed(map: u8, opcode: u8) -> Code {
    Code { map, prefix: 1, opcode }
}

pub(super) const ADD: Code = plain(0x58);
pub(super) const MUL: Code = plain(0x59);
pub(super) const SUB: Code = plain(0x5C);
pub(super) const MIN: Code = plain(0x5D);
pub(super) const DIV: Code = plain(0x5E);
pub(super) const MAX: Code = plain(0x5F);
pub(super) const SQRT: Code = plain(0x51);
pub(super) const AND: Code = plain(0x54);
/// !a & b
pub(super) const AND_NOT: Code = plain(0x55);
pub(super) const OR: Code = plain(0x56);
pub(super) const XOR: Code = plain(0x57);
/// With a byte: 0 equal, 1 less, 2 less or equal, 3 unordered, 4 not equal, 7 ordered, 13 greater or equal.
pub(super) const COMPARE: Code = plain(0xC2);
/// With a byte: 9 down.
pub(super) const ROUND: Code = packed(3, 0x08);
/// With a byte: the register of the mask in its upper half.
pub(super) const BLEND: Code = packed(3, 0x4A);
pub(super) const TO_FLOAT: Code = plain(0x5B);
pub(super) const TO_INT: Code = Code { map: 1, prefix: 2, opcode: 0x5B };
pub(super) const ADD_INT: Code = packed(1, 0xFE);
pub(super) const SUB_INT: Code = packed(1, 0xFA);
pub(super) const MUL_INT: Code = packed(2, 0x40);
pub(super) const MIN_INT: Code = packed(2, 0x39);
pub(super) const MAX_INT: Code = packed(2, 0x3D);
pub(super) const ABS_INT: Code = packed(2, 0x1E);
pub(super) const EQUAL_INT: Code = packed(1, 0x76);
/// a > b
pub(super) const GREATER_INT: Code = packed(1, 0x66);
/// a·c + b, of which a is overwritten.
pub(super) const FMA132: Code = packed(2, 0x98);
/// b·a + c, of which a is overwritten.
pub(super) const FMA213: Code = packed(2, 0xA8);
/// b·c + a, of which a is overwritten.
pub(super) const FMA231: Code = packed(2, 0xB8);
/// Four doubles from the lower four integers, and back, towards zero.
pub(super) const TO_DOUBLE: Code = Code { map: 1, prefix: 2, opcode: 0xE6 };
pub(super) const FROM_DOUBLE: Code = packed(1, 0xE6);
pub(super) const DIV_DOUBLE: Code = packed(1, 0x5E);
/// With a byte: 9 down.
pub(super) const ROUND_DOUBLE: Code = packed(3, 0x09);
/// With a byte: 1 the last operand's lower half becomes the upper one.
pub(super) const JOIN_HALVES: Code = packed(3, 0x18);
const LOAD: Code = plain(0x10);
const STORE: Code = plain(0x11);
const LOAD_MASKED: Code = packed(2, 0x2C);
const STORE_MASKED: Code = packed(2, 0x2E);
const BROADCAST: Code = packed(2, 0x18);
const BROADCAST_INT: Code = packed(2, 0x58);
const SHIFT: Code = packed(1, 0x72);
const UPPER_HALF: Code = packed(3, 0x19);
const SHUFFLE: Code = plain(0xC6);
const STORE_ONE: Code = Code { map: 1, prefix: 2, opcode: 0x11 };
const FROM_GENERAL: Code = packed(1, 0x6E);

/// Code on its way.
#[derive(Default)]
pub(super) struct Assembler {
    bytes: Vec<u8>,
    constants: Vec<[u32; 8]>,
    known: HashMap<[u32; 8], usize>,
    /// Displacements to constants: place, end of the instruction, number of the constant.
    open: Vec<(usize, usize, usize)>,
}

/// A place in the code that something jumps to.
#[derive(Clone, Copy)]
pub(super) struct Label(usize);

/// A jump whose target is not known yet.
pub(super) struct Jump(usize);

impl Assembler {
    /// `to = op(a, last)`; `a` is 0 for those that have no such operand.
    pub(super) fn vector(&mut self, code: Code, to: u8, a: u8, last: Rm) {
        self.vex(code, true, to, a, last, None);
    }

    /// The same with a byte.
    pub(super) fn vector_with(&mut self, code: Code, to: u8, a: u8, last: Rm, byte: u8) {
        self.vex(code, true, to, a, last, Some(byte));
    }

    pub(super) fn load(&mut self, to: u8, from: Rm) {
        self.vector(LOAD, to, 0, from);
    }

    pub(super) fn store(&mut self, to: Rm, from: u8) {
        self.vector(STORE, from, 0, to);
    }

    /// Lanes outside of the mask are 0, and their memory is not touched.
    pub(super) fn load_masked(&mut self, to: u8, mask: u8, from: Rm) {
        self.vector(LOAD_MASKED, to, mask, from);
    }

    pub(super) fn store_masked(&mut self, to: Rm, mask: u8, from: u8) {
        self.vector(STORE_MASKED, from, mask, to);
    }

    /// Eight times a word of memory.
    pub(super) fn broadcast(&mut self, to: u8, from: Rm) {
        self.vector(BROADCAST, to, 0, from);
    }

    /// Shifts by a number of bits: kind 2 right with zeros, 4 right with the sign, 6 left.
    pub(super) fn shift(&mut self, kind: u8, to: u8, from: u8, by: u8) {
        self.vex(SHIFT, true, kind, to, Rm::Register(from), Some(by));
    }

    /// Lanes 4 to 7 to the places 0 to 3.
    pub(super) fn upper_half(&mut self, to: u8, from: u8) {
        self.vex(UPPER_HALF, true, from, 0, Rm::Register(to), Some(1));
    }

    /// Lanes of each half in the order of the byte's pairs of bits.
    pub(super) fn shuffle(&mut self, to: u8, from: u8, order: u8) {
        self.vex(SHUFFLE, true, to, from, Rm::Register(from), Some(order));
    }

    /// Lane 0 to memory.
    pub(super) fn store_one(&mut self, to: Rm, from: u8) {
        self.vex(STORE_ONE, false, from, 0, to, None);
    }

    /// Eight times the lower word of a general register.
    pub(super) fn splat_general(&mut self, to: u8, from: u8) {
        self.vex(FROM_GENERAL, false, to, 0, Rm::Register(from), None);
        self.vector(BROADCAST_INT, to, 0, Rm::Register(to));
    }

    fn vex(&mut self, code: Code, wide: bool, register: u8, second: u8, last: Rm, byte: Option<u8>) {
        let (index, base) = match last {
            Rm::Register(number) => (0, number),
            Rm::Memory { base, index, .. } => (index.unwrap_or(0), base),
            Rm::Constant(_) | Rm::Words(_) => (0, 0),
        };
        let inverted = |number: u8| u8::from(number < 8);
        let first = inverted(register) << 7 | inverted(index) << 6 | inverted(base) << 5 | code.map;
        let next = (!second & 15) << 3 | u8::from(wide) << 2 | code.prefix;
        self.bytes.extend([0xC4, first, next, code.opcode]);
        self.operand(register, last, usize::from(byte.is_some()));
        self.bytes.extend(byte);
    }

    /// The bytes behind an opcode; `behind`: how many follow them.
    fn operand(&mut self, register: u8, last: Rm, behind: usize) {
        let register = (register & 7) << 3;
        match last {
            Rm::Register(number) => self.bytes.push(0xC0 | register | number & 7),
            Rm::Memory { base, index, displacement } => {
                // 4 for an index means none.
                let index = index.map_or(4, |index| index & 7);
                self.bytes.extend([0x84 | register, index << 3 | base & 7]);
                self.bytes.extend(displacement.to_le_bytes());
            }
            Rm::Constant(bits) => self.constant(register, [bits; 8], behind),
            Rm::Words(words) => self.constant(register, words, behind),
        }
    }

    fn constant(&mut self, register: u8, words: [u32; 8], behind: usize) {
        let next = self.constants.len();
        let number = *self.known.entry(words).or_insert(next);
        if number == next {
            self.constants.push(words);
        }
        self.bytes.push(0x05 | register);
        let place = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.open.push((place, place + 4 + behind, number));
    }

    /// A general instruction of 64 bits with an operand in memory or behind the code.
    fn general(&mut self, opcode: u8, register: u8, last: Rm) {
        let (index, base) = match last {
            Rm::Register(number) => (0, number),
            Rm::Memory { base, index, .. } => (index.unwrap_or(0), base),
            Rm::Constant(_) | Rm::Words(_) => (0, 0),
        };
        self.bytes.extend([0x48 | (register >> 3) << 2 | (index >> 3) << 1 | base >> 3, opcode]);
        self.operand(register, last, 0);
    }

    pub(super) fn move_in(&mut self, to: u8, from: Rm) {
        self.general(0x8B, to, from);
    }

    pub(super) fn move_out(&mut self, to: Rm, from: u8) {
        self.general(0x89, from, to);
    }

    pub(super) fn address(&mut self, to: u8, of: Rm) {
        self.general(0x8D, to, of);
    }

    pub(super) fn subtract(&mut self, from: u8, what: Rm) {
        self.general(0x2B, from, what);
    }

    pub(super) fn compare(&mut self, a: u8, b: Rm) {
        self.general(0x3B, a, b);
    }

    /// `to = to · by`
    pub(super) fn multiply(&mut self, to: u8, by: i32) {
        self.general(0x69, to, Rm::Register(to));
        self.bytes.extend(by.to_le_bytes());
    }

    /// An instruction on a register and a number: kind 0 add, 4 and, 5 subtract, 7 compare.
    pub(super) fn number(&mut self, kind: u8, register: u8, number: i32) {
        self.general(0x81, kind, Rm::Register(register));
        self.bytes.extend(number.to_le_bytes());
    }

    /// Shifts 64 bits: kind 4 left, 5 right.
    pub(super) fn shift_general(&mut self, kind: u8, register: u8, by: u8) {
        self.general(0xC1, kind, Rm::Register(register));
        self.bytes.push(by);
    }

    pub(super) fn push(&mut self, register: u8) {
        self.bytes.extend([0x40 | register >> 3, 0x50 | register & 7]);
    }

    pub(super) fn pop(&mut self, register: u8) {
        self.bytes.extend([0x40 | register >> 3, 0x58 | register & 7]);
    }

    /// Clears the upper halves and returns.
    pub(super) fn leave(&mut self) {
        self.bytes.extend([0xC5, 0xF8, 0x77, 0xC3]);
    }

    pub(super) fn here(&self) -> Label {
        Label(self.bytes.len())
    }

    /// Jumps back if, compared without sign, the first was below the second.
    pub(super) fn back_if_below(&mut self, to: Label) {
        self.bytes.extend([0x0F, 0x82]);
        let distance = to.0 as i32 - (self.bytes.len() as i32 + 4);
        self.bytes.extend(distance.to_le_bytes());
    }

    /// Jumps if the first was not below the second, to where [`Assembler::land`] says.
    pub(super) fn unless_below(&mut self) -> Jump {
        self.bytes.extend([0x0F, 0x83, 0, 0, 0, 0]);
        Jump(self.bytes.len())
    }

    pub(super) fn land(&mut self, jump: Jump) {
        let distance = (self.bytes.len() - jump.0) as i32;
        self.bytes[jump.0 - 4..jump.0].copy_from_slice(&distance.to_le_bytes());
    }

    /// Where the next byte goes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes a number over the four bytes that end at a place.
    pub(super) fn patch(&mut self, end: usize, number: i32) {
        self.bytes[end - 4..end].copy_from_slice(&number.to_le_bytes());
    }

    /// The code with its constants, of which the first starts at a multiple of 32 bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let start = self.bytes.len().next_multiple_of(32);
        self.bytes.resize(start, 0xCC);
        self.bytes.extend(self.constants.iter().flatten().flat_map(|word| word.to_le_bytes()));
        for (place, next, number) in std::mem::take(&mut self.open) {
            let distance = (start + 32 * number) as i32 - next as i32;
            self.patch(place + 4, distance);
        }
        self.bytes
    }
}
