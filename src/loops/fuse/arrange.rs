//! Operands of products, arranged so that the wide kernels can read them.
//!
//! In: a graph. Out: one that computes the same with the same sums. Some things
//! are done here since they need other nodes: a product over several axes sees
//! them side by side in both operands (a view, which becomes a copy only where
//! strides cannot join the axes); a matrix that every turn of a scan would
//! read by columns is transposed once before the loop; and a concatenation of
//! many parts becomes one of concatenations of a few, so that no kernel is long.
//! And windows that lie side by side are added back by joining two axes.
//! Long sums become sums of sums ([`super::sums`]).

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Graph, Node, Op, Origin, Owner, Scan, Slot, SlotId, Type, ValueId, Window};

use super::product::{Axes, Form};
use super::sums;

/// Most parts that one kernel joins: each is a nest of up to ten statements.
const PARTS: usize = 16;

/// The arranged graph; the same one if nothing is to be done.
pub(super) fn arrange(graph: &Graph) -> Graph {
    let mut arranger =
        Arranger { from: graph, to: Graph { nodes: Vec::new(), ..graph.clone() }, scans: HashMap::new() };
    let spread = sums::spread(graph);
    let mut ids: Vec<ValueId> = Vec::with_capacity(graph.nodes.len());
    for (at, node) in graph.nodes.iter().enumerate() {
        let operands = node.operands.iter().map(|operand| ids[operand.index()]).collect();
        let moved = Node { operands, ..node.clone() };
        ids.push(match node.op {
            Op::Scan { .. } => arranger.scan(moved),
            Op::Concat { axis } => arranger.concat(moved, axis),
            Op::Fold { window, .. } if parts(&window) => {
                arranger.push(Node { op: Op::Reshape { shape: node.ty.shape.clone() }, ..moved })
            }
            Op::Sum { .. } | Op::MaxOf { .. } => arranger.reduction(moved, spread[at]),
            _ => arranger.product(node, moved),
        });
    }
    arranger.to.outputs.iter_mut().for_each(|output| output.value = ids[output.value.index()]);
    arranger.to
}

/// Whether windows are the parts of their axis.
fn parts(window: &Window) -> bool {
    let side_by_side = window.k == window.step && (window.dilation == 1 || window.k == 1);
    side_by_side && window.lo == 0 && window.n == window.out * window.k
}

/// A scan, by its address, and its operands.
type Asked = (*const Scan, Vec<ValueId>);

pub(super) struct Arranger<'a> {
    from: &'a Graph,
    pub to: Graph,
    /// Scans by address and operands, so that siblings stay siblings: what they became, with all their operands.
    scans: HashMap<Asked, (Arc<Scan>, Vec<ValueId>)>,
}

impl Arranger<'_> {
    pub fn push(&mut self, node: Node) -> ValueId {
        self.to.nodes.push(node);
        ValueId(self.to.nodes.len() as u32 - 1)
    }

    /// A view of `value` with its axes in another order; the value itself if the order is the same.
    fn turned(&mut self, value: ValueId, order: Vec<usize>, origin: Origin) -> ValueId {
        if order.iter().enumerate().all(|(at, axis)| at == *axis) {
            return value;
        }
        let ty = self.to.ty(value);
        let ty = Type::new(ty.dtype, order.iter().map(|&axis| ty.shape[axis]).collect::<Vec<_>>());
        self.push(Node { op: Op::Transpose { perm: order }, operands: vec![value], ty, origin, name: None })
    }

    /// Axes in the order batch, free, summed for a; batch, summed, free for b.
    fn product(&mut self, node: &Node, moved: Node) -> ValueId {
        let Some(axes) = Axes::of(self.from, node) else { return self.push(moved) };
        if axes.over.len() < 2 || axes.form(self.from, node) != Form::Gemm {
            return self.push(moved);
        }
        let batch_a = axes.batch.iter().map(|pair| pair.0);
        let over_a = axes.over.iter().map(|pair| pair.0);
        let order_a = batch_a.chain(axes.free_a.iter().copied()).chain(over_a).collect();
        let batch_b = axes.batch.iter().map(|pair| pair.1);
        let over_b = axes.over.iter().map(|pair| pair.1);
        let order_b = batch_b.chain(over_b).chain(axes.free_b.iter().copied()).collect();
        let a = self.turned(moved.operands[0], order_a, node.origin);
        let b = self.turned(moved.operands[1], order_b, node.origin);
        let batches = axes.batch.len();
        let batch = (0..batches).map(|axis| (axis, axis)).collect();
        let over = (0..axes.over.len()).map(|at| (batches + axes.free_a.len() + at, batches + at)).collect();
        self.push(Node { op: Op::Contract { batch, over }, operands: vec![a, b], ..moved })
    }

    fn concat(&mut self, mut node: Node, axis: usize) -> ValueId {
        while node.operands.len() > PARTS {
            let runs: Vec<Vec<ValueId>> = node.operands.chunks(PARTS).map(<[ValueId]>::to_vec).collect();
            node.operands = runs.into_iter().map(|run| self.joined(run, axis, &node)).collect();
        }
        self.push(node)
    }

    /// Some neighbouring parts of a concatenation as one.
    fn joined(&mut self, parts: Vec<ValueId>, axis: usize, whole: &Node) -> ValueId {
        if let [part] = parts[..] {
            return part;
        }
        let mut ty = whole.ty.clone();
        ty.shape[axis] = parts.iter().map(|part| self.to.ty(*part).shape[axis]).sum();
        self.push(Node { op: whole.op.clone(), operands: parts, ty, origin: whole.origin, name: None })
    }

    fn scan(&mut self, mut node: Node) -> ValueId {
        let Op::Scan { scan, result } = node.op.clone() else { return self.push(node) };
        let key = (Arc::as_ptr(&scan), node.operands.clone());
        let (scan, operands) = self.scans.get(&key).cloned().unwrap_or_else(|| {
            let (scan, columns) = read_by_rows(&scan);
            let turned = columns.into_iter().map(|at| self.turned(node.operands[at], vec![1, 0], node.origin));
            let turned: Vec<ValueId> = turned.collect();
            let found = (scan, [&node.operands[..], &turned].concat());
            self.scans.insert(key, found.clone());
            found
        });
        node.op = Op::Scan { scan, result };
        node.operands = operands;
        self.push(node)
    }
}

/// A scan to which the matrices that its products read by columns are given transposed as well; which operands they
/// are the transposes of.
fn read_by_rows(scan: &Arc<Scan>) -> (Arc<Scan>, Vec<usize>) {
    let first = 1 + scan.carries + scan.sequences;
    let body = &scan.body;
    let matrices = (0..body.nodes.len()).filter_map(|at| column_matrix(body, at)).filter(|slot| *slot >= first);
    let mut slots: Vec<usize> = matrices.collect();
    slots.sort_unstable();
    slots.dedup();
    if slots.is_empty() {
        return (Arc::clone(scan), Vec::new());
    }
    let shift = slots.len() as u32;
    let mut turned = Graph { nodes: Vec::new(), ..body.clone() };
    for &slot in &slots {
        let found = &body.slots[slot];
        let shape: Vec<usize> = found.ty.shape.iter().rev().copied().collect();
        let (path, ty) = (format!("{} transposed", found.path), Type::new(found.ty.dtype, shape));
        turned.slots.push(Slot { path, ty: ty.clone(), owner: Owner::Column });
        let op = Op::Input(SlotId(turned.slots.len() as u32 - 1));
        turned.nodes.push(Node { op, operands: Vec::new(), ty, origin: Origin::default(), name: None });
    }
    for (at, node) in body.nodes.iter().enumerate() {
        let mut node = node.clone();
        node.operands.iter_mut().for_each(|operand| operand.0 += shift);
        let place = column_matrix(body, at).and_then(|slot| slots.iter().position(|seen| *seen == slot));
        if let (Some(place), Op::Contract { over, .. }) = (place, &mut node.op) {
            over.iter_mut().for_each(|pair| pair.1 = 0);
            node.operands[1] = ValueId(place as u32);
        }
        turned.nodes.push(node);
    }
    turned.outputs.iter_mut().for_each(|output| output.value.0 += shift);
    (
        Arc::new(Scan {
            body: turned,
            turns: scan.turns,
            reverse: scan.reverse,
            carries: scan.carries,
            sequences: scan.sequences,
        }),
        slots.iter().map(|slot| slot - 1).collect(),
    )
}

/// The slot of the matrix that a wide product reads by columns: it sums along the matrix's rows.
fn column_matrix(body: &Graph, at: usize) -> Option<usize> {
    let node = &body.nodes[at];
    let axes = Axes::of(body, node)?;
    let wide = axes.batch.is_empty() && axes.over.len() == 1 && axes.form(body, node) == Form::Gemm;
    let matrix = *node.operands.get(1)?;
    let Op::Input(slot) = body.node(matrix).op else { return None };
    (wide && body.ty(matrix).rank() == 2 && axes.over[0].1 == 1).then_some(slot.index())
}
