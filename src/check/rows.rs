//! The row rule: where `E on part` is cut into a front and a rest.
//!
//! In: outputs over a batch axis `B`. Out: the *fronts*, row-wise values that
//! depend on columns and are read by something that is not row-wise. A value is
//! row-wise if one of its axes is `B` and each row depends only on the same row
//! of what it is computed from. Fronts can be computed for any rows at a time and
//! joined along that axis; the rest is computed once from the joined fronts.
//!
//! Invariant: when in doubt a value belongs to the rest, which is always right.

use super::dims::{AtomId, Dim};
use super::typed::{Kind, Loop, Node, NodeId, Program, Train};
use crate::ir::{Face, Op, Window};

/// Where an evaluation is cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// Row-wise values that the rest (or the host) needs, in order.
    pub fronts: Vec<NodeId>,
    /// For each front, its row axis.
    pub axes: Vec<usize>,
}

/// What is known of a value's rows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rows {
    /// No axis of it is the batch axis, and it depends on no column.
    Free,
    /// Row-wise along this axis.
    Along(usize),
    /// Anything else.
    Rest,
}

/// Where `outputs` are cut when a whole part with open size `rows` is at hand.
pub fn split(program: &Program, outputs: &[NodeId], rows: AtomId) -> Split {
    cut(program, outputs, rows, &[])
}

/// Whether each row of a value, along its first axis, depends on the same row of the columns alone.
pub fn is_row_wise(program: &Program, value: NodeId, rows: AtomId) -> bool {
    let cut = cut(program, &[value], rows, &[]);
    cut.fronts == [value] && cut.axes == [0]
}

/// Where the figures of a phase are cut that are followed on its own steps: as [`split`], but what the objective
/// computes counts as the steps computed it (batch statistics, dropout masks), so it is row-wise wherever it has one
/// axis of rows.
pub fn of_steps(program: &Program, train: &Train, phase: usize) -> Split {
    let objective = train.phases[phase].loss;
    let stepped = program.reachable(objective);
    cut(program, &watched(train, phase), train.rows, &stepped)
}

/// The training-side nodes of a phase's watches: its figures but the objective itself.
pub fn watched(train: &Train, phase: usize) -> Vec<NodeId> {
    train
        .figures
        .iter()
        .filter(|figure| figure.phase == phase && !figure.objective)
        .map(|figure| figure.train)
        .collect()
}

fn cut(program: &Program, outputs: &[NodeId], rows: AtomId, stepped: &[NodeId]) -> Split {
    let order = program.reachable(outputs.iter().copied());
    let rule = Rule { program, rows };
    let mut known = vec![Rows::Free; program.nodes.len()];
    let mut reaches = vec![false; program.nodes.len()];
    for &id in &order {
        let node = program.node(id);
        reaches[id.index()] =
            matches!(node.kind, Kind::Column { .. }) || node.operands.iter().any(|operand| reaches[operand.index()]);
        known[id.index()] = match rule.only_axis(&node.ty.shape) {
            Some(axis) if stepped.binary_search(&id).is_ok() => Rows::Along(axis),
            _ => rule.of(node, &known),
        };
    }
    let mut fronts: Vec<NodeId> = Vec::new();
    let mut wanted = |id: NodeId| {
        if reaches[id.index()] && matches!(known[id.index()], Rows::Along(_)) && !fronts.contains(&id) {
            fronts.push(id);
        }
    };
    outputs.iter().for_each(|&id| wanted(id));
    for &id in order.iter().filter(|id| known[id.index()] == Rows::Rest) {
        program.node(id).operands.iter().for_each(|&operand| wanted(operand));
    }
    fronts.sort();
    let axes = fronts.iter().filter_map(|id| rule.axis(known[id.index()])).collect();
    Split { fronts, axes }
}

struct Rule<'a> {
    program: &'a Program,
    rows: AtomId,
}

impl Rule<'_> {
    fn axis(&self, rows: Rows) -> Option<usize> {
        match rows {
            Rows::Along(axis) => Some(axis),
            Rows::Free | Rows::Rest => None,
        }
    }

    /// Whether a size depends on the number of rows, the only size that may be open.
    fn mentions(&self, dim: &Dim) -> bool {
        self.program.atoms.resolve(dim).as_number().is_none()
    }

    fn is_rows(&self, dim: &Dim) -> bool {
        self.program.atoms.resolve(dim).as_atom() == Some(self.rows)
    }

    /// The axis of size `B`, if the rows are mentioned nowhere else in the shape.
    fn only_axis(&self, shape: &[Dim]) -> Option<usize> {
        let mut mentioned = (0..shape.len()).filter(|&axis| self.mentions(&shape[axis]));
        let axis = mentioned.next()?;
        (mentioned.next().is_none() && self.is_rows(&shape[axis])).then_some(axis)
    }

    /// `Along(axis)` if the shape says so too.
    fn along(&self, axis: usize, node: &Node) -> Rows {
        if self.only_axis(&node.ty.shape) == Some(axis) { Rows::Along(axis) } else { Rows::Rest }
    }

    fn of(&self, node: &Node, known: &[Rows]) -> Rows {
        let operands: Vec<Rows> = node.operands.iter().map(|operand| known[operand.index()]).collect();
        match &node.kind {
            Kind::Column { .. } => self.along(0, node),
            Kind::Read { .. } | Kind::Known(_) | Kind::Clock(_) | Kind::Figure(_) => Rows::Free,
            Kind::Size(dim) if self.mentions(dim) => Rows::Rest,
            Kind::Size(_) => Rows::Free,
            // A draw's numbers depend on the place in the whole tensor.
            Kind::Random { .. } if node.ty.shape.iter().any(|dim| self.mentions(dim)) => Rows::Rest,
            Kind::Random { .. } => Rows::Free,
            // Only inside a body, whose scan knows its rows.
            Kind::Given(_) => Rows::Rest,
            Kind::Scan { body, result } => self.of_scan(node, body, *result, known),
            Kind::Grad if operands.iter().all(|&rows| rows == Rows::Free) => Rows::Free,
            Kind::Grad => Rows::Rest,
            Kind::Op(_) if operands.contains(&Rows::Rest) => Rows::Rest,
            Kind::Op(op) if operands.iter().all(|&rows| rows == Rows::Free) => self.of_free(op, node),
            Kind::Op(op) => self.of_op(op, node, &operands),
        }
    }

    /// The rows of a scan's result: the body's, once what goes round stays what it is.
    fn of_scan(&self, node: &Node, body: &Loop, result: usize, known: &[Rows]) -> Rows {
        if self.mentions(&body.turns) {
            return Rows::Rest;
        }
        let operand = |at: usize| node.operands.get(at).map_or(Rows::Rest, |operand| known[operand.index()]);
        let mut carries: Vec<Rows> = (0..body.carries).map(operand).collect();
        let mut known = known.to_vec();
        loop {
            for &id in &body.given {
                let Kind::Given(slot) = self.program.node(id).kind else { return Rows::Rest };
                known[id.index()] = match slot {
                    0 => Rows::Free,
                    slot if slot <= body.carries => carries[slot - 1],
                    slot => match operand(slot - 1) {
                        Rows::Along(0) => Rows::Rest,
                        Rows::Along(axis) => Rows::Along(axis - 1),
                        other => other,
                    },
                };
            }
            for &id in &body.body {
                known[id.index()] = self.of(self.program.node(id), &known);
            }
            let next = (0..body.carries).map(|at| body.outputs.get(at).map_or(Rows::Rest, |id| known[id.index()]));
            // A carry is what it starts as and what it becomes; where they differ nothing is promised.
            let next: Vec<Rows> =
                next.zip(&carries).map(|(next, &now)| if next == now { now } else { Rows::Rest }).collect();
            if next == carries {
                break;
            }
            carries = next;
        }
        match body.outputs.get(result).map_or(Rows::Rest, |id| known[id.index()]) {
            rows if result < body.carries => rows,
            Rows::Along(axis) => Rows::Along(axis + 1),
            rows => rows,
        }
    }

    /// Operands without rows: rows come in only as equal rows, or as their number.
    fn of_free(&self, op: &Op<Dim>, node: &Node) -> Rows {
        if self.attributes_mention(op) && !matches!(op, Op::Const { .. } | Op::Iota { .. } | Op::Broadcast { .. }) {
            return Rows::Rest;
        }
        let shape = &node.ty.shape;
        if !shape.iter().any(|dim| self.mentions(dim)) {
            return Rows::Free;
        }
        match (op, self.only_axis(shape)) {
            (Op::Const { .. }, Some(axis)) => Rows::Along(axis),
            (Op::Iota { axis: counted, .. }, Some(axis)) if *counted != axis => Rows::Along(axis),
            (Op::Broadcast { axes, .. }, Some(axis)) if self.is_new_or_one(node, axes, axis) => Rows::Along(axis),
            _ => Rows::Rest,
        }
    }

    /// Whether a broadcast makes all rows alike.
    fn is_new_or_one(&self, node: &Node, axes: &[usize], axis: usize) -> bool {
        axes.iter().position(|&to| to == axis).is_none_or(|from| {
            node.operands.first().is_some_and(|&operand| self.program.node(operand).ty.shape[from].is_one())
        })
    }

    /// Whether an op that is not elementwise has the number of rows among its attributes.
    fn attributes_mention(&self, op: &Op<Dim>) -> bool {
        let any = |dims: &[Dim]| dims.iter().any(|dim| self.mentions(dim));
        match op {
            Op::Const { shape, .. }
            | Op::Iota { shape, .. }
            | Op::Random { shape, .. }
            | Op::Broadcast { shape, .. }
            | Op::Reshape { shape } => any(shape),
            Op::Slice { start, size, .. } => any(start) || any(size),
            Op::Unslice { start, shape, .. } => any(start) || any(shape),
            Op::Unfold { window, .. } | Op::Fold { window, .. } => self.window_mentions(window),
            Op::Conv { windows, .. } => windows.iter().any(|window| self.window_mentions(window)),
            Op::ScatterAdd { size, .. } => self.mentions(size),
            Op::Input(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::And
            | Op::Or
            | Op::Not
            | Op::Select
            | Op::Convert(_)
            | Op::StopGradient
            | Op::Transpose { .. }
            | Op::Concat { .. }
            | Op::Sum { .. }
            | Op::MaxOf { .. }
            | Op::Contract { .. }
            | Op::Gather { .. }
            | Op::Scan { .. }
            | Op::Put { .. }
            | Op::Argsort { .. } => false,
        }
    }

    fn window_mentions(&self, window: &Window<Dim>) -> bool {
        self.mentions(&window.n) || self.mentions(&window.out)
    }

    /// At least one operand is row-wise, none is of the rest.
    fn of_op(&self, op: &Op<Dim>, node: &Node, operands: &[Rows]) -> Rows {
        let axis = match op {
            // Never operands that are row-wise.
            Op::Input(_) | Op::Const { .. } | Op::Iota { .. } | Op::Random { .. } => None,
            Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::And
            | Op::Or
            | Op::Not
            | Op::Select
            | Op::Convert(_)
            | Op::StopGradient => self.common(operands),
            Op::Broadcast { axes, .. } => self.common(operands).and_then(|axis| axes.get(axis).copied()),
            Op::Reshape { .. } => self.common(operands).and_then(|axis| self.reshaped(node, axis)),
            Op::Transpose { perm } => self.common(operands).and_then(|axis| perm.iter().position(|&from| from == axis)),
            Op::Slice { start, size, step } => self
                .common(operands)
                .filter(|&axis| is_zero(&start[axis]) && step[axis] == 1)
                .filter(|&axis| self.is_rows(&size[axis])),
            Op::Unslice { start, step, shape } => self
                .common(operands)
                .filter(|&axis| is_zero(&start[axis]) && step[axis] == 1)
                .filter(|&axis| self.is_rows(&shape[axis])),
            Op::Concat { axis: joined } => self.common(operands).filter(|axis| axis != joined),
            Op::Unfold { axis: opened, .. } => {
                self.common(operands).filter(|axis| axis != opened).map(|axis| axis + usize::from(axis > *opened))
            }
            Op::Fold { axis: closed, .. } => self
                .common(operands)
                .filter(|axis| axis != closed && *axis != closed + 1)
                .map(|axis| axis - usize::from(axis > *closed)),
            Op::Sum { axes } | Op::MaxOf { axes } => self
                .common(operands)
                .filter(|axis| !axes.contains(axis))
                .map(|axis| axis - axes.iter().filter(|&&gone| gone < axis).count()),
            Op::Contract { batch, over } => self.contracted(node, batch, over, operands),
            // Images are the first axis of x and of y, and each is computed from itself and the weights.
            Op::Conv { face: Face::Out | Face::Input, .. } => {
                matches!(operands, [Rows::Along(0), Rows::Free]).then_some(0)
            }
            Op::Conv { face: Face::Weight, .. } => None,
            Op::Gather { axis } => self.gathered(node, *axis, operands),
            Op::ScatterAdd { axis, .. } => self.scattered(node, *axis, operands),
            // A loop of the typed tree is not a plain op.
            Op::Scan { .. } => None,
            Op::Put { axis } => self.put(*axis, operands),
            Op::Argsort { axis: sorted } => self.common(operands).filter(|axis| axis != sorted),
        };
        axis.map_or(Rows::Rest, |axis| self.along(axis, node))
    }

    /// The row axis that all operands share.
    fn common(&self, operands: &[Rows]) -> Option<usize> {
        let first = self.axis(*operands.first()?)?;
        operands.iter().all(|&rows| rows == Rows::Along(first)).then_some(first)
    }

    /// Rows stay together in row-major order if as many elements stand before them.
    fn reshaped(&self, node: &Node, axis: usize) -> Option<usize> {
        let from = &self.program.node(*node.operands.first()?).ty.shape;
        let before = self.product(&from[..axis])?;
        let to = self.only_axis(&node.ty.shape)?;
        (self.product(&node.ty.shape[..to])? == before).then_some(to)
    }

    fn product(&self, dims: &[Dim]) -> Option<Dim> {
        let product = dims.iter().try_fold(Dim::number(1), |product, dim| product.mul(dim)).ok()?;
        Some(self.program.atoms.resolve(&product))
    }

    fn rank(&self, node: &Node, operand: usize) -> usize {
        node.operands.get(operand).map_or(0, |&operand| self.program.node(operand).ty.rank())
    }

    /// Result axes: batch, free of a, free of b.
    fn contracted(
        &self,
        node: &Node,
        batch: &[(usize, usize)],
        over: &[(usize, usize)],
        operands: &[Rows],
    ) -> Option<usize> {
        let bound = |side: usize, axis: usize| {
            batch.iter().chain(over).any(|&(a, b)| if side == 0 { a == axis } else { b == axis })
        };
        let free_before = |side: usize, end: usize| (0..end).filter(|&axis| !bound(side, axis)).count();
        match (operands.first()?, operands.get(1)?) {
            (Rows::Along(a), Rows::Along(b)) => batch.iter().position(|&pair| pair == (*a, *b)),
            (Rows::Along(a), Rows::Free) if !bound(0, *a) => Some(batch.len() + free_before(0, *a)),
            (Rows::Free, Rows::Along(b)) if !bound(1, *b) => {
                Some(batch.len() + free_before(0, self.rank(node, 0)) + free_before(1, *b))
            }
            _ => None,
        }
    }

    /// The gathered axis is replaced by the axes of the index.
    fn gathered(&self, node: &Node, axis: usize, operands: &[Rows]) -> Option<usize> {
        match (operands.first()?, operands.get(1)?) {
            (Rows::Free, Rows::Along(index)) => Some(axis + index),
            (Rows::Along(rows), Rows::Free) if *rows < axis => Some(*rows),
            (Rows::Along(rows), Rows::Free) if *rows > axis => Some(rows - 1 + self.rank(node, 1)),
            _ => None,
        }
    }

    /// Row by row where the same place of every row is set.
    fn put(&self, axis: usize, operands: &[Rows]) -> Option<usize> {
        match operands {
            [Rows::Along(x), Rows::Along(value), Rows::Free] if *x != axis => {
                (*value == x - usize::from(*x > axis)).then_some(*x)
            }
            _ => None,
        }
    }

    /// The axes of the index become one axis.
    fn scattered(&self, node: &Node, axis: usize, operands: &[Rows]) -> Option<usize> {
        let end = axis + self.rank(node, 1);
        match (operands.first()?, operands.get(1)?) {
            (Rows::Along(rows), Rows::Free) if *rows < axis => Some(*rows),
            (Rows::Along(rows), Rows::Free) if *rows >= end => Some(rows + 1 + axis - end),
            _ => None,
        }
    }
}

fn is_zero(dim: &Dim) -> bool {
    dim.as_number() == Some(0)
}
