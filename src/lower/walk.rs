//! The one walk from the typed tree to the graph.
//!
//! In: a request. Out: its graph, not yet optimised. Invariant: every lowered
//! node has the type that the tree gave it; each slot, column and scalar is one
//! input of the graph, however often it is read, so that a gradient by it sees
//! all its uses.

use std::collections::HashMap;

use super::numbers::Sizes;
use super::scan::{Key, Turn};
use super::{Request, path};
use crate::check::typed::{Clock, Kind, Loop, Node, NodeId, Program, SlotId};
use crate::grad::grad;
use crate::ir::{self, DType, Graph, Op, Origin, Owner, Type, ValueId};

/// The graph of a request.
pub fn walk(program: &Program, request: &Request) -> Result<Graph, String> {
    let mut walk = Walk::new(program, Sizes { atoms: &program.atoms, rows: request.rows });
    let roots: Vec<NodeId> =
        request.figures.iter().map(|(_, node)| *node).chain(request.writes.iter().map(|(_, node)| *node)).collect();
    let order = reachable(program, &roots, &request.given);
    for &id in &order {
        let value = walk.lower(id, &order, request).map_err(|reason| walk.at(id, &reason))?;
        walk.name(id, value);
        walk.values.insert(id, value);
    }
    for (name, node) in &request.figures {
        let value = walk.value(*node)?;
        walk.graph.figure(name.clone(), value);
    }
    for (slot, node) in &request.writes {
        let (value, slot) = (walk.value(*node)?, walk.slot(*slot)?);
        walk.graph.write(slot, value);
    }
    Ok(walk.graph)
}

pub(super) struct Walk<'a> {
    pub(super) program: &'a Program,
    pub(super) sizes: Sizes<'a>,
    pub(super) graph: Graph,
    pub(super) values: HashMap<NodeId, ValueId>,
    /// By path: the slot, and the node that reads it once there is one.
    inputs: HashMap<String, (ir::SlotId, Option<ValueId>)>,
    /// Gradients found so far, by (what is derived, by what).
    gradients: HashMap<(NodeId, NodeId), ValueId>,
    /// The first result made of each scan, by its body and operands.
    pub(super) scans: HashMap<(*const Loop, Vec<NodeId>), ValueId>,
    /// Inside a scan: where its draws take their key from.
    pub(super) turn: Option<Turn>,
}

/// All nodes the roots need, in order, not looking behind what is given.
fn reachable(program: &Program, roots: &[NodeId], given: &[NodeId]) -> Vec<NodeId> {
    let mut seen = vec![false; program.nodes.len()];
    let mut stack = roots.to_vec();
    while let Some(id) = stack.pop() {
        if !std::mem::replace(&mut seen[id.index()], true) && !given.contains(&id) {
            stack.extend(program.node(id).operands.iter().copied());
        }
    }
    (0..program.nodes.len()).filter(|&at| seen[at]).map(|at| NodeId(at as u32)).collect()
}

impl<'a> Walk<'a> {
    pub(super) fn new(program: &'a Program, sizes: Sizes<'a>) -> Self {
        Walk {
            program,
            sizes,
            graph: Graph::default(),
            values: HashMap::new(),
            inputs: HashMap::new(),
            gradients: HashMap::new(),
            scans: HashMap::new(),
            turn: None,
        }
    }

    pub(super) fn lower(&mut self, id: NodeId, order: &[NodeId], request: &Request) -> Result<ValueId, String> {
        let node = self.program.node(id);
        let origin = self.origin(node);
        let ty = self.sizes.ty(&node.ty)?;
        if let Some(at) = request.given.iter().position(|&given| given == id) {
            return self.input(&format!("{}{at}", path::FRONT), ty, Owner::Column, origin);
        }
        match &node.kind {
            Kind::Op(op) => {
                let (op, operands) = (self.sizes.op(op)?, self.operands(node)?);
                let value = self.graph.try_push(op, operands, origin)?;
                self.same_type(value, &ty)
            }
            Kind::Read { slot, .. } => {
                let slot = self.program.slot(*slot);
                self.input(&slot.path, slot.ty.clone(), slot.owner, origin)
            }
            Kind::Known(known) => {
                let path = &self.program.known[known.index()].path;
                self.input(path, ty, Owner::Scalar, origin)
            }
            Kind::Column { data, column } => {
                let name = &self.program.data[data.index()].columns[*column].name;
                self.input(&format!("{}{name}", path::COLUMN), ty, Owner::Column, origin)
            }
            Kind::Size(dim) => Ok(self.graph.f32(self.sizes.signed(dim)? as f32, origin)),
            Kind::Random { place, seed } => {
                let operands = match seed {
                    // As the session gives seeds to the machine.
                    Some(seed) => {
                        let (seed, step) = (self.graph.i32(*seed as i32, origin), self.graph.i32(0, origin));
                        vec![seed, step, self.key(Key::Rounds, origin)?]
                    }
                    None => [Key::Seed, Key::Step, Key::Turn]
                        .into_iter()
                        .map(|key| self.key(key, origin))
                        .collect::<Result<Vec<_>, _>>()?,
                };
                self.graph.try_push(Op::Random { place: *place, base: 0, shape: ty.shape }, operands, origin)
            }
            Kind::Given(_) => Err("what a turn is given outside of its scan".to_string()),
            Kind::Scan { body, result } => {
                let value = self.scan(node, body, *result, origin)?;
                self.same_type(value, &ty)
            }
            Kind::Grad => self.grad(id, order),
            Kind::Clock(clock) => {
                let at = match clock {
                    Clock::Step => 0,
                    Clock::Steps => 1,
                    Clock::Epoch => 2,
                    Clock::Epochs => 3,
                };
                self.input(path::CLOCK[at], Type::scalar(DType::F32), Owner::Scalar, origin)
            }
            Kind::Figure(name) => {
                self.input(&format!("{}{name}", path::FIGURE), Type::scalar(DType::F32), Owner::Scalar, origin)
            }
        }
    }

    /// All gradients of one value are found by one walk back.
    fn grad(&mut self, id: NodeId, order: &[NodeId]) -> Result<ValueId, String> {
        let operands = &self.program.node(id).operands;
        let [of, by] = operands[..] else {
            return Err(format!("a gradient of {} operands", operands.len()));
        };
        if !self.gradients.contains_key(&(of, by)) {
            let mut targets: Vec<NodeId> = Vec::new();
            for &other in order {
                let other = self.program.node(other);
                if let (Kind::Grad, [same, target]) = (&other.kind, &other.operands[..])
                    && *same == of
                    && self.values.contains_key(target)
                    && !self.gradients.contains_key(&(of, *target))
                    && !targets.contains(target)
                {
                    targets.push(*target);
                }
            }
            let values = targets.iter().map(|&target| self.value(target)).collect::<Result<Vec<_>, _>>()?;
            let of_value = self.value(of)?;
            let found = grad(&mut self.graph, of_value, &values);
            self.gradients.extend(targets.into_iter().zip(found).map(|(target, value)| ((of, target), value)));
        }
        self.gradients.get(&(of, by)).copied().ok_or_else(|| "a gradient was not found".to_string())
    }

    fn slot(&mut self, slot: SlotId) -> Result<ir::SlotId, String> {
        let slot = self.program.slot(slot);
        self.register(&slot.path, slot.ty.clone(), slot.owner)
    }

    fn register(&mut self, path: &str, ty: Type, owner: Owner) -> Result<ir::SlotId, String> {
        if let Some((slot, _)) = self.inputs.get(path) {
            let known = &self.graph.slot(*slot).ty;
            return if *known == ty { Ok(*slot) } else { Err(format!("{path} is read as {known} and as {ty}")) };
        }
        let slot = self.graph.slot_new(path, ty, owner);
        self.inputs.insert(path.to_string(), (slot, None));
        Ok(slot)
    }

    pub(super) fn input(&mut self, path: &str, ty: Type, owner: Owner, origin: Origin) -> Result<ValueId, String> {
        let slot = self.register(path, ty, owner)?;
        if let Some((_, Some(value))) = self.inputs.get(path) {
            return Ok(*value);
        }
        let value = self.graph.input(slot, origin);
        self.inputs.insert(path.to_string(), (slot, Some(value)));
        Ok(value)
    }

    pub(super) fn value(&self, id: NodeId) -> Result<ValueId, String> {
        self.values.get(&id).copied().ok_or_else(|| format!("{id} is used before it is computed"))
    }

    pub(super) fn operands(&self, node: &Node) -> Result<Vec<ValueId>, String> {
        node.operands.iter().map(|&operand| self.value(operand)).collect()
    }

    fn same_type(&self, value: ValueId, expected: &Type) -> Result<ValueId, String> {
        let found = self.graph.ty(value);
        if found == expected { Ok(value) } else { Err(format!("computes {found}, was checked as {expected}")) }
    }

    fn origin(&mut self, node: &Node) -> Origin {
        let label = node.label.as_ref().map(|label| self.graph.label(label));
        Origin { span: node.span, label, derived: None }
    }

    pub(super) fn name(&mut self, id: NodeId, value: ValueId) {
        let name = &self.program.node(id).name;
        let place = &mut self.graph.nodes[value.index()].name;
        if place.is_none() {
            place.clone_from(name);
        }
    }

    pub(super) fn at(&self, id: NodeId, reason: &str) -> String {
        format!("{id} ({:?}): {reason}", self.program.node(id).kind)
    }
}
