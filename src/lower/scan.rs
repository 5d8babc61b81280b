//! A scan of the typed tree to one of the graph.
//!
//! In: its nodes, whose body stands in the table of all nodes. Out: results
//! with a body that is a graph of its own: its slots are the turn, the carries,
//! the elements, the captured values, and behind them, if a turn draws, the
//! seed, the step and the turn of the loop around. A draw is keyed by the turn
//! counted through all loops around, so that every turn draws its own numbers.

use std::sync::Arc;

use super::walk::Walk;
use super::{Request, path};
use crate::check::typed::{Kind, Loop, Node};
use crate::ir::{DType, Graph, Op, Origin, Owner, Scan, Type, ValueId};

/// A part of what a draw is keyed by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Key {
    Seed,
    Step,
    /// The turn of the phase, then of the loops around.
    Turn,
    /// The turn of the loops around alone, for what is drawn once and for all.
    Rounds,
}

impl Key {
    fn path(self) -> &'static str {
        match self {
            Key::Seed => path::SEED,
            Key::Step => path::STEP,
            Key::Turn => path::TURN,
            Key::Rounds => "random:rounds",
        }
    }
}

/// The turn at hand, in a body.
pub(super) struct Turn {
    /// Its number.
    number: ValueId,
    /// How many there are.
    turns: usize,
    /// What draws asked for: keys of the graph around, captured in this order.
    asked: Vec<(Key, ValueId)>,
}

impl Walk<'_> {
    /// A part of the key of draws.
    pub(super) fn key(&mut self, key: Key, origin: Origin) -> Result<ValueId, String> {
        let Some(turn) = &mut self.turn else {
            if key == Key::Rounds {
                return Ok(self.graph.i32(0, origin));
            }
            return self.input(key.path(), Type::scalar(DType::I32), Owner::Scalar, origin);
        };
        let value = match turn.asked.iter().find(|(asked, _)| *asked == key) {
            Some((_, value)) => *value,
            None => {
                let value = self.graph.slot_input(key.path(), Type::scalar(DType::I32), Owner::Scalar, origin);
                turn.asked.push((key, value));
                value
            }
        };
        if matches!(key, Key::Seed | Key::Step) {
            return Ok(value);
        }
        let (number, turns) = (turn.number, turn.turns);
        let turns = self.graph.i32(i32::try_from(turns).unwrap_or(i32::MAX), origin);
        let before = self.graph.mul(value, turns, origin);
        Ok(self.graph.add(before, number, origin))
    }

    /// One result of a scan. Its siblings share the body, which a gradient between them may have made longer.
    pub(super) fn scan(
        &mut self,
        node: &Node,
        body: &Arc<Loop>,
        result: usize,
        origin: Origin,
    ) -> Result<ValueId, String> {
        let key = (Arc::as_ptr(body), node.operands.clone());
        if let Some(&first) = self.scans.get(&key) {
            let first = self.graph.node(first);
            let Op::Scan { scan, .. } = &first.op else { return Err("a scan became something else".to_string()) };
            let (op, operands) = (Op::Scan { scan: scan.clone(), result }, first.operands.clone());
            return self.graph.try_push(op, operands, origin);
        }
        let mut operands = self.operands(node)?;
        let (scan, keys) = self.body(node, body, &operands)?;
        for key in keys {
            operands.push(self.key(key, origin)?);
        }
        let value = self.graph.try_push(Op::Scan { scan: Arc::new(scan), result }, operands, origin)?;
        self.scans.insert(key, value);
        Ok(value)
    }

    /// The scan and the keys that it captures besides its operands.
    fn body(&self, node: &Node, body: &Loop, operands: &[ValueId]) -> Result<(Scan, Vec<Key>), String> {
        let turns = self.sizes.size(&body.turns)?;
        let mut inner = Walk::new(self.program, self.sizes);
        let number = inner.graph.slot_input("turn", Type::scalar(DType::I32), Owner::Scalar, Origin::default());
        let mut given = vec![number];
        for (at, &operand) in operands.iter().enumerate() {
            let mut ty = self.graph.ty(operand).clone();
            if (body.carries..body.carries + body.sequences).contains(&at) {
                ty.shape.remove(0);
            }
            let path = format!("in{}", inner.graph.slots.len());
            given.push(inner.graph.slot_input(path, ty, Owner::Column, Origin::default()));
        }
        for &id in &body.given {
            let Kind::Given(slot) = self.program.node(id).kind else { return Err(format!("{id} is not given")) };
            let value = given.get(slot).copied().ok_or_else(|| format!("{id} is given by no slot"))?;
            inner.values.insert(id, value);
            inner.name(id, value);
        }
        let captured = 1 + body.carries + body.sequences;
        for (&id, &value) in node.operands.iter().skip(captured - 1).zip(given.iter().skip(captured)) {
            inner.values.insert(id, value);
        }
        inner.turn = Some(Turn { number, turns, asked: Vec::new() });
        let request = Request::default();
        for &id in &body.body {
            let value = inner.lower(id, &body.body, &request).map_err(|reason| inner.at(id, &reason))?;
            inner.name(id, value);
            inner.values.insert(id, value);
        }
        for (at, &output) in body.outputs.iter().enumerate() {
            let value = inner.value(output)?;
            inner.graph.figure(at.to_string(), value);
        }
        let keys = inner.turn.map(|turn| turn.asked.into_iter().map(|(key, _)| key).collect()).unwrap_or_default();
        let graph: Graph = inner.graph;
        let scan = Scan { turns, reverse: false, carries: body.carries, sequences: body.sequences, body: graph };
        Ok((scan, keys))
    }
}
