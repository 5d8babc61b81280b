//! Where values lie: buffers, and places in buffers that loops walk along.
//!
//! In: a graph, what is stored, and where the surroundings put inputs and
//! outputs. Out: a [`Home`] for each value in memory. Invariant: what a kernel
//! writes is contiguous; only inputs may have other strides.

use std::collections::HashMap;

use crate::ir::{Const, Graph, Op, Origin, SlotId, ValueId};
use crate::loops::ir::{Arg, Buffer, BufferId, Place, Program};

use super::fate::{Class, Fates};
use super::view::row_major;

/// Where a value lies.
#[derive(Clone, Debug)]
pub(super) struct Home {
    /// Its first element.
    pub arg: Arg,
    /// Elements that it reaches over.
    pub len: usize,
    /// Its strides, unless it is contiguous.
    pub strides: Option<Vec<i64>>,
}

/// The surroundings of a graph: those of the step, or of the body of a loop.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// Where inputs lie, by slot; those that are not listed are slots of the step.
    pub slots: HashMap<SlotId, Home>,
    /// Where outputs go, by value; those that are not listed get buffers.
    pub outputs: HashMap<ValueId, Home>,
    /// Number of loops around.
    pub depth: usize,
}

impl Home {
    /// A whole buffer.
    pub fn whole(buffer: BufferId, len: usize) -> Home {
        Home { arg: Arg::whole(buffer), len, strides: None }
    }

    /// A part of this one, for a loop at `depth` that moves it on by `stride` each turn.
    pub fn walked(&self, offset: i64, depth: usize, stride: i64, shape: &[usize], strides: &[i64]) -> Home {
        let mut arg = self.arg.clone();
        arg.offset = arg.offset.wrapping_add_signed(offset as isize);
        if stride != 0 {
            arg.strides.resize(depth, 0);
            arg.strides.push(stride);
        }
        let reach: i64 = shape.iter().zip(strides).map(|(&size, stride)| (size as i64 - 1) * stride).sum();
        let len = if shape.contains(&0) { 0 } else { reach as usize + 1 };
        let contiguous = shape.iter().zip(strides).zip(row_major(shape)).all(|((&n, &a), b)| n == 1 || a == b);
        Home { arg, len, strides: (!contiguous).then(|| strides.to_vec()) }
    }

    /// The row of a contiguous stack of rows of `shape` that belongs to the turn, or the one `ahead` of it.
    pub fn row(&self, ahead: usize, depth: usize, shape: &[usize]) -> Home {
        let len: usize = shape.iter().product();
        self.walked((ahead * len) as i64, depth, len as i64, shape, &row_major(shape))
    }
}

impl Frame {
    /// The strides of inputs that are not contiguous, by slot.
    pub fn layouts(&self) -> Vec<Option<Vec<i64>>> {
        let count = self.slots.keys().map(|slot| slot.index() + 1).max().unwrap_or(0);
        let layout = |at: usize| self.slots.get(&SlotId(at as u32)).and_then(|home| home.strides.clone());
        (0..count).map(layout).collect()
    }
}

/// A place for each value in memory but the results of scans, whose loops decide.
pub(super) fn homes(
    graph: &Graph,
    fates: &Fates,
    stored: &[bool],
    frame: &Frame,
    program: &mut Program,
) -> Vec<Option<Home>> {
    let mut homes: Vec<Option<Home>> = vec![None; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate().filter(|(at, _)| fates.live[*at]) {
        let value = ValueId(at as u32);
        let place = match (&node.op, fates.class[at]) {
            (Op::Input(slot), _) => {
                let given = || Home::whole(slot_buffer(graph, *slot, node.origin, program), node.ty.len());
                homes[at] = Some(frame.slots.get(slot).cloned().unwrap_or_else(given));
                continue;
            }
            (Op::Const { value: Const::Table { words, .. }, .. }, Class::Memory) => Place::Constant(words.clone()),
            (Op::Scan { .. }, _) => continue,
            _ if stored[at] && fates.root[at] => Place::Temporary { offset: 0 },
            _ => continue,
        };
        homes[at] = Some(frame.outputs.get(&value).cloned().unwrap_or_else(|| {
            let name = node.name.as_ref().map_or_else(|| value.to_string(), |name| name.to_string());
            let (dtype, shape) = (node.ty.dtype, node.ty.shape.clone());
            let buffer = add(program, Buffer { name, dtype, shape, place, origin: node.origin });
            Home::whole(buffer, node.ty.len())
        }));
    }
    homes
}

/// Appends a buffer.
pub(super) fn add(program: &mut Program, buffer: Buffer) -> BufferId {
    program.buffers.push(buffer);
    BufferId(program.buffers.len() as u32 - 1)
}

/// The buffer of a slot of the step.
pub(super) fn slot_buffer(graph: &Graph, slot: SlotId, origin: Origin, program: &mut Program) -> BufferId {
    if let Some(at) = program.buffers.iter().position(|buffer| buffer.place == Place::Slot(slot)) {
        return BufferId(at as u32);
    }
    let found = graph.slot(slot);
    let (name, dtype, shape) = (found.path.clone(), found.ty.dtype, found.ty.shape.clone());
    add(program, Buffer { name, dtype, shape, place: Place::Slot(slot), origin })
}
