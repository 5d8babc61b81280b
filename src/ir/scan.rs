//! The loop of the graph: a body that runs once a turn.
//!
//! A scan has several results and a node has one, so a scan is several nodes,
//! siblings, with the same [`Scan`] and the same operands, one for each result
//! that is needed. Passes treat each as an ordinary node; the interpreter, the
//! adjoint and the lowering gather the siblings again. Invariant: siblings
//! share one `Arc`, and passes that change a body change it for all of them.

use super::graph::{Graph, OutputKind};
use super::types::{DType, Type};

/// What a scan does each turn. Its operands: the carries' first values, the
/// sequences (`[turns, ...]`), the captured values, in this order.
///
/// The body's slots are, in order: the turn (i32 scalar), the carries, one
/// element of each sequence (the type without its first axis), the captured
/// values. Its outputs are figures: the carries' next values, then what the
/// turn emits. Results of the scan: the carries after the last turn, then each
/// emitted value stacked, `[turns, ...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Number of turns.
    pub turns: usize,
    /// Whether the turns go from the last to the first. Sequences and emitted values keep their order: turn t reads
    /// and writes row t.
    pub reverse: bool,
    /// Number of carries.
    pub carries: usize,
    /// Number of sequences.
    pub sequences: usize,
    /// One turn: pure, its slots and outputs as said above.
    pub body: Graph,
}

impl Scan {
    /// Number of results.
    pub fn results(&self) -> usize {
        self.body.outputs.len()
    }

    /// Number of captured values.
    pub fn captured(&self) -> usize {
        self.body.slots.len().saturating_sub(1 + self.carries + self.sequences)
    }

    /// The type of a result.
    ///
    /// # Errors
    /// There is no such result.
    pub fn result(&self, result: usize) -> Result<Type, String> {
        let output = self.body.outputs.get(result).ok_or_else(|| format!("there is no result {result}"))?;
        let node = self.body.nodes.get(output.value.index()).ok_or("the body has no such output")?;
        if result < self.carries {
            return Ok(node.ty.clone());
        }
        let mut shape = vec![self.turns];
        shape.extend(&node.ty.shape);
        Ok(Type::new(node.ty.dtype, shape))
    }

    /// The types that the operands must have.
    pub fn operands(&self) -> Vec<Type> {
        let slots = self.body.slots.iter().skip(1).enumerate();
        let operand = |(at, slot): (usize, &super::graph::Slot)| {
            let mut ty = slot.ty.clone();
            if (self.carries..self.carries + self.sequences).contains(&at) {
                ty.shape.insert(0, self.turns);
            }
            ty
        };
        slots.map(operand).collect()
    }

    /// What makes a scan one: its slots and outputs are as the type's doc says, and the body is a verified graph.
    ///
    /// # Errors
    /// The first condition that does not hold.
    pub fn verify(&self) -> Result<(), String> {
        super::verify::verify(&self.body).map_err(|reason| format!("in the body, {reason}"))?;
        let slots = &self.body.slots;
        if slots.first().is_none_or(|slot| slot.ty != Type::scalar(DType::I32)) {
            return Err("the body's first slot is not the turn".to_string());
        }
        if slots.len() < 1 + self.carries + self.sequences || self.results() < self.carries {
            return Err("the body has too few slots or outputs".to_string());
        }
        for (at, output) in self.body.outputs.iter().enumerate() {
            if !matches!(output.kind, OutputKind::Figure(_)) {
                return Err("the body writes a slot".to_string());
            }
            let ty = self.body.ty(output.value);
            if at < self.carries && *ty != slots[1 + at].ty {
                return Err(format!("carry {at} is {}, its next value {ty}", slots[1 + at].ty));
            }
        }
        Ok(())
    }
}
