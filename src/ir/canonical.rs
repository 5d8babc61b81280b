//! What a graph computes, its names left aside.
//!
//! In: a graph. Out: a [`Key`] of its structure, and its slots in the order in
//! which the outputs meet them. Two graphs of one key compute the same from
//! slots that stand at the same places of that order, whatever the slots are
//! called, wherever the text stands and in whatever order the nodes were made:
//! the turns of a loop over a file's statements give graphs of one key.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};

use super::graph::{Graph, OutputKind, SlotId, ValueId};
use super::op::Op;

/// 128 bits of the structure: that two programs of one run share it by chance is out of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64, u64);

/// A graph's structure.
#[derive(Clone, Debug)]
pub struct Canonical {
    /// Of everything that matters.
    pub key: Key,
    /// Slots in the order they are met; those that nothing reads or writes are left out.
    pub slots: Vec<SlotId>,
}

/// Walks the graph from its outputs.
pub fn canonical(graph: &Graph) -> Canonical {
    let mut walk = Walk {
        graph,
        numbers: vec![None; graph.nodes.len()],
        count: 0,
        slots: Vec::new(),
        known: HashMap::new(),
        text: Hashes::new(),
    };
    for output in &graph.outputs {
        walk.value(output.value);
        let number = walk.numbers[output.value.index()].unwrap_or(u32::MAX);
        match &output.kind {
            OutputKind::Write(slot) => {
                let slot = walk.slot(*slot);
                walk.text.write(format_args!("write {slot} {number}\n"));
            }
            OutputKind::Figure(name) => walk.text.write(format_args!("figure {name:?} {number}\n")),
        }
    }
    Canonical { key: walk.text.key(), slots: walk.slots }
}

struct Walk<'a> {
    graph: &'a Graph,
    /// By node: its number in the walk.
    numbers: Vec<Option<u32>>,
    count: u32,
    slots: Vec<SlotId>,
    known: HashMap<SlotId, usize>,
    text: Hashes,
}

impl Walk<'_> {
    /// Numbers what the value is computed from, then itself. Without recursion: graphs may be deep.
    fn value(&mut self, root: ValueId) {
        let mut stack = vec![(root, false)];
        while let Some((value, ready)) = stack.pop() {
            if self.numbers[value.index()].is_some() {
                continue;
            }
            let operands = &self.graph.node(value).operands;
            if ready || operands.is_empty() {
                self.node(value);
                continue;
            }
            stack.push((value, true));
            stack.extend(operands.iter().rev().map(|&operand| (operand, false)));
        }
    }

    fn node(&mut self, value: ValueId) {
        let graph = self.graph;
        let node = graph.node(value);
        match &node.op {
            Op::Input(slot) => {
                let slot = self.slot(*slot);
                self.text.write(format_args!("input {slot}"));
            }
            op => self.text.write(format_args!("{op:?}")),
        }
        for operand in &node.operands {
            let number = self.numbers[operand.index()].unwrap_or(u32::MAX);
            self.text.write(format_args!(" {number}"));
        }
        self.text.write(format_args!(" {}\n", node.ty));
        self.numbers[value.index()] = Some(self.count);
        self.count += 1;
    }

    fn slot(&mut self, slot: SlotId) -> usize {
        if let Some(&at) = self.known.get(&slot) {
            return at;
        }
        let at = self.slots.len();
        let described = self.graph.slot(slot);
        self.text.write(format_args!("slot {at} {} {:?}\n", described.ty, described.owner));
        self.slots.push(slot);
        self.known.insert(slot, at);
        at
    }
}

/// Two hashes of one text, which is never put together.
struct Hashes(DefaultHasher, DefaultHasher);

impl Hashes {
    fn new() -> Self {
        let mut hashes = Hashes(DefaultHasher::new(), DefaultHasher::new());
        hashes.1.write_u8(1);
        hashes
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a hasher cannot fail.
        let _ = self.write_fmt(text);
    }

    fn key(&self) -> Key {
        Key(self.0.finish(), self.1.finish())
    }
}

impl std::fmt::Write for Hashes {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        self.1.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse::parse;

    const ONE: &str = "\
slot s0: f32[] parameter \"w\"
slot s1: f32[] scalar \"known:lr\"
v0: f32[] = input() slot=s0
v1: f32[] = input() slot=s1
v2: f32[] = mul(v0, v1)
write s0 = v2
";

    #[test]
    fn names_and_order_do_not_matter_and_structure_does() {
        let key = |text: &str| canonical(&parse(text).expect("the text parses")).key;
        let other = "\
slot s0: f32[] scalar \"known:lr~2\"
slot s1: f32[] parameter \"w~2\"
v0: f32[] = input() slot=s0
v1: f32[] = input() slot=s1
v2: f32[] = mul(v1, v0)
write s1 = v2
";
        assert_eq!(key(ONE), key(other));
        assert_ne!(key(ONE), key(&ONE.replace("mul(v0, v1)", "mul(v1, v0)")));
        assert_ne!(key(ONE), key(&ONE.replace("mul", "add")));
        assert_ne!(key(ONE), key(&ONE.replace("scalar", "column")));
        let found = canonical(&parse(other).expect("the text parses"));
        assert_eq!(found.slots, [SlotId(1), SlotId(0)]);
    }
}
