//! Which of the sixteen vector registers holds what, along straight code.
//!
//! In: values and constants in the order they are wanted, with all their uses
//! known. Out: registers, with loads and stores to the stack between. Rule: what
//! is used again last gives way (Belady); constants are never stored.

use std::collections::HashMap;

use super::Source;
use super::encode::{Assembler, RSP, Rm, VECTOR};

/// Bytes at the bottom of the stack for the loop itself.
pub(super) const LOOP_BYTES: i32 = 32;

/// Where each value is used, by numbers of operations, ascending.
pub(super) type Uses = HashMap<Source, Vec<usize>>;

pub(super) struct Registers<'a> {
    uses: &'a Uses,
    /// Registers that may be given away.
    usable: u8,
    holds: [Option<Source>; 16],
    at: HashMap<Source, u8>,
    /// Values that lie on the stack as well.
    slots: HashMap<Source, i32>,
    /// Of uniform values, then of values that gave way.
    first_slot: i32,
    pub(super) most_slots: i32,
    /// Registers of the operation at hand.
    locked: Vec<u8>,
    /// Number of the operation at hand.
    now: usize,
}

impl<'a> Registers<'a> {
    pub(super) fn new(uses: &'a Uses, usable: u8, uniforms: i32) -> Self {
        Registers {
            uses,
            usable,
            holds: [None; 16],
            at: HashMap::new(),
            slots: HashMap::new(),
            first_slot: uniforms,
            most_slots: 0,
            locked: Vec::new(),
            now: 0,
        }
    }

    /// Begins operation number `now`. Operands that are in registers stay there while the others are fetched.
    pub(super) fn begin(&mut self, now: usize, operands: &[Source]) {
        self.now = now;
        self.locked.clear();
        self.locked.extend(operands.iter().filter_map(|operand| self.at.get(operand)));
    }

    fn next_use(&self, source: Source) -> Option<usize> {
        let uses = self.uses.get(&source)?;
        uses.get(uses.partition_point(|at| *at <= self.now)).copied()
    }

    /// Whether the operation at hand is the last to use it.
    pub(super) fn dies(&self, source: Source) -> bool {
        self.next_use(source).is_none()
    }

    /// The register that holds it now, if any.
    pub(super) fn held(&self, source: Source) -> Option<u8> {
        self.at.get(&source).copied()
    }

    /// Where it is: a register or memory.
    pub(super) fn place(&mut self, source: Source) -> Rm {
        if let Some(register) = self.held(source) {
            self.locked.push(register);
            return Rm::Register(register);
        }
        self.memory(source)
    }

    fn memory(&self, source: Source) -> Rm {
        match source {
            Source::Bits(bits) => Rm::Constant(bits),
            Source::Uniform(number) => stack(number as i32),
            Source::Lane(_) => stack(self.slots[&source]),
        }
    }

    /// A register with it in.
    pub(super) fn fetch(&mut self, source: Source, asm: &mut Assembler) -> u8 {
        if let Some(register) = self.held(source) {
            self.locked.push(register);
            return register;
        }
        let from = self.memory(source);
        let register = self.take(asm);
        asm.load(register, from);
        self.put(source, register);
        register
    }

    /// Says what a register holds from now on.
    pub(super) fn put(&mut self, source: Source, register: u8) {
        if let Some(before) = self.holds[usize::from(register)].replace(source) {
            self.at.remove(&before);
        }
        self.at.insert(source, register);
    }

    /// A register for the operation at hand, which holds nothing.
    pub(super) fn take(&mut self, asm: &mut Assembler) -> u8 {
        let usable = 0..self.usable;
        let free = usable.clone().find(|at| self.holds[usize::from(*at)].is_none() && !self.locked.contains(at));
        let register = free.unwrap_or_else(|| {
            let open = usable.filter(|at| !self.locked.contains(at));
            let far = |at: &u8| {
                let held = self.holds[usize::from(*at)];
                held.map_or(usize::MAX, |source| self.next_use(source).unwrap_or(usize::MAX - 1))
            };
            open.max_by_key(far).expect("no operation has as many operands as there are registers")
        });
        self.give_up(register, asm);
        self.locked.push(register);
        register
    }

    /// Stores what a register holds, if it is wanted again and lies nowhere else.
    fn give_up(&mut self, register: u8, asm: &mut Assembler) {
        let Some(source) = self.holds[usize::from(register)].take() else { return };
        self.at.remove(&source);
        let lies = !matches!(source, Source::Lane(_)) || self.slots.contains_key(&source);
        if !lies && self.next_use(source).is_some() {
            let slot = self.first_slot + self.slots.len() as i32;
            self.most_slots = self.most_slots.max(self.slots.len() as i32 + 1);
            self.slots.insert(source, slot);
            asm.store(stack(slot), register);
        }
    }

    /// Frees the registers of operands that nothing uses any more.
    pub(super) fn end_of(&mut self, operands: &[Source]) {
        for &source in operands {
            if self.dies(source)
                && let Some(register) = self.at.remove(&source)
            {
                self.holds[usize::from(register)] = None;
                self.locked.retain(|locked| *locked != register);
            }
        }
    }
}

fn stack(slot: i32) -> Rm {
    Rm::Memory { base: RSP, index: None, displacement: LOOP_BYTES + slot * VECTOR }
}
