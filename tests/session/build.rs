//! Typed programs by hand: what checking would hand over.

use nnc::check::dims::{AtomId, Dim};
use nnc::check::typed::*;
use nnc::ir::{Binary, Comparison, Const, DType, Op, Owner, Type, Unary};
use nnc::source::{FileId, Span};

/// A program under construction.
pub struct Build {
    pub program: Program,
    /// The rows at hand.
    pub rows: AtomId,
    at: usize,
}

/// A number as a dim.
pub fn d(size: usize) -> Dim {
    Dim::number(size as i64)
}

pub fn ds(sizes: &[usize]) -> Vec<Dim> {
    sizes.iter().map(|&size| d(size)).collect()
}

impl Build {
    pub fn new() -> Self {
        let mut program = Program::default();
        let rows = program.atoms.name("B", None, Span::default());
        Build { program, rows, at: 0 }
    }

    /// The open dim.
    pub fn b(&self) -> Dim {
        Dim::atom(self.rows)
    }

    /// A span of its own for every node, so that faults can be told apart.
    fn span(&mut self) -> Span {
        self.at += 1;
        Span::new(FileId(0), self.at, self.at + 1)
    }

    pub fn node(&mut self, kind: Kind, operands: &[NodeId], dtype: DType, shape: Vec<Dim>) -> NodeId {
        let span = self.span();
        let ty = Type::new(dtype, shape);
        self.program.nodes.push(Node { kind, operands: operands.to_vec(), ty, span, label: None, name: None });
        NodeId(self.program.nodes.len() as u32 - 1)
    }

    pub fn op(&mut self, op: Op<Dim>, operands: &[NodeId], dtype: DType, shape: Vec<Dim>) -> NodeId {
        self.node(Kind::Op(op), operands, dtype, shape)
    }

    pub fn shape(&self, node: NodeId) -> Vec<Dim> {
        self.program.node(node).ty.shape.clone()
    }

    pub fn slot(&mut self, path: &str, shape: &[usize], owner: Owner) -> SlotId {
        let span = self.span();
        let ty = Type::new(DType::F32, shape);
        self.program.slots.push(Slot { path: path.to_string(), ty, owner, span, applied: span });
        SlotId(self.program.slots.len() as u32 - 1)
    }

    pub fn read(&mut self, slot: SlotId) -> NodeId {
        let shape = ds(&self.program.slot(slot).ty.shape);
        self.node(Kind::Read { slot, version: 0 }, &[], DType::F32, shape)
    }

    pub fn full(&mut self, value: f32, shape: Vec<Dim>) -> NodeId {
        self.op(Op::Const { value: Const::F32(value), shape: shape.clone() }, &[], DType::F32, shape)
    }

    pub fn f32(&mut self, value: f32) -> NodeId {
        self.full(value, vec![])
    }

    pub fn unary(&mut self, function: Unary, a: NodeId) -> NodeId {
        let shape = self.shape(a);
        self.op(Op::Unary(function), &[a], DType::F32, shape)
    }

    pub fn binary(&mut self, function: Binary, a: NodeId, b: NodeId) -> NodeId {
        let (left, right) = (self.shape(a), self.shape(b));
        let (a, b, shape) = match (left.len(), right.len()) {
            (_, 0) if !left.is_empty() => (a, self.spread(b, left.clone(), &[]), left),
            (0, _) if !right.is_empty() => (self.spread(a, right.clone(), &[]), b, right),
            _ => (a, b, left),
        };
        self.op(Op::Binary(function), &[a, b], DType::F32, shape)
    }

    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Add, a, b)
    }

    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Sub, a, b)
    }

    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Mul, a, b)
    }

    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Div, a, b)
    }

    pub fn compare(&mut self, comparison: Comparison, a: NodeId, b: NodeId) -> NodeId {
        let shape = self.shape(a);
        self.op(Op::Compare(comparison), &[a, b], DType::Bool, shape)
    }

    pub fn number(&mut self, a: NodeId) -> NodeId {
        let shape = self.shape(a);
        self.op(Op::Convert(DType::F32), &[a], DType::F32, shape)
    }

    pub fn spread(&mut self, a: NodeId, shape: Vec<Dim>, axes: &[usize]) -> NodeId {
        let dtype = self.program.node(a).ty.dtype;
        self.op(Op::Broadcast { shape: shape.clone(), axes: axes.to_vec() }, &[a], dtype, shape)
    }

    pub fn sum(&mut self, a: NodeId, axes: &[usize]) -> NodeId {
        let kept = self.shape(a).into_iter().enumerate().filter(|(at, _)| !axes.contains(at)).map(|(_, dim)| dim);
        let shape = kept.collect();
        self.op(Op::Sum { axes: axes.to_vec() }, &[a], DType::F32, shape)
    }

    /// The mean over an axis of the open size.
    pub fn mean_rows(&mut self, a: NodeId) -> NodeId {
        let sum = self.sum(a, &[0]);
        let b = self.b();
        let count = self.node(Kind::Size(b), &[], DType::F32, vec![]);
        self.div(sum, count)
    }

    /// a[.., k] · w[k, ..]
    pub fn matmul(&mut self, a: NodeId, w: NodeId) -> NodeId {
        let (left, right) = (self.shape(a), self.shape(w));
        let last = left.len() - 1;
        let shape = left[..last].iter().chain(&right[1..]).cloned().collect();
        self.op(Op::Contract { batch: vec![], over: vec![(last, 0)] }, &[a, w], DType::F32, shape)
    }

    pub fn grad(&mut self, of: NodeId, by: NodeId) -> NodeId {
        let shape = self.shape(by);
        self.node(Kind::Grad, &[of, by], DType::F32, shape)
    }

    pub fn clock(&mut self, clock: Clock) -> NodeId {
        self.node(Kind::Clock(clock), &[], DType::F32, vec![])
    }

    pub fn figure(&mut self, name: &str) -> NodeId {
        self.node(Kind::Figure(name.to_string()), &[], DType::F32, vec![])
    }

    pub fn column(&mut self, data: DataId, column: usize) -> NodeId {
        let sizes = self.program.data[data.index()].columns[column].shape.clone();
        let shape = std::iter::once(self.b()).chain(ds(&sizes)).collect();
        self.node(Kind::Column { data, column }, &[], DType::F32, shape)
    }

    /// Uniform numbers of a place.
    pub fn random(&mut self, place: u32, shape: &[usize]) -> NodeId {
        self.node(Kind::Random { place, seed: None }, &[], DType::F32, ds(shape))
    }

    /// A table of columns with fractions by part.
    pub fn table(&mut self, name: &str, columns: &[(&str, Vec<usize>, Vec<f32>)], split: &[(&str, f64)]) -> DataId {
        let span = self.span();
        let row: usize = columns[0].1.iter().product();
        let rows = (columns[0].2.len() / row) as u64;
        let owned = columns.iter().map(|(name, shape, values)| LiteralColumn {
            name: name.to_string(),
            shape: shape.clone(),
            values: LiteralValues::Numbers(values.clone()),
        });
        let at_hand = self.rows;
        self.program.data.push(Data {
            name: name.to_string(),
            source: Source::Literal { columns: owned.collect() },
            columns: columns
                .iter()
                .map(|(name, shape, _)| Column {
                    name: name.to_string(),
                    shape: shape.clone(),
                    holds: Holds::Numbers,
                    from: vec![name.to_string()],
                    need: Need::Complete,
                })
                .collect(),
            named: vec![],
            at_hand,
            rows,
            test_rows: 0,
            kept: None,
            split: split.iter().map(|(name, fraction)| (name.to_string(), Share::Fraction(*fraction))).collect(),
            stratify: None,
            parts: vec![],
            fold: None,
            like: None,
            fits: vec![],
            seed: 0,
            span,
        });
        DataId(self.program.data.len() as u32 - 1)
    }

    pub fn act(&mut self, kind: ActionKind) {
        let span = self.span();
        self.program.actions.push(Action { kind, span });
    }

    pub fn set(&mut self, slot: SlotId, node: NodeId) {
        let eval = Eval { outputs: vec![node], ..Eval::default() };
        self.act(ActionKind::Set { slots: vec![slot], eval });
    }

    /// A parameter with a first value.
    pub fn param(&mut self, path: &str, shape: &[usize], value: NodeId) -> SlotId {
        let slot = self.slot(path, shape, Owner::Parameter);
        self.set(slot, value);
        slot
    }

    pub fn print(&mut self, nodes: &[NodeId], on: Option<Part>) {
        let values = (0..nodes.len()).map(|at| Shown::Output(at, None)).collect();
        let on = on.map(|part| (part, self.rows));
        self.act(ActionKind::Print { eval: Eval { outputs: nodes.to_vec(), on, seed: 0 }, values });
    }

    pub fn train(&mut self, data: Option<DataId>, loss: NodeId, writes: Vec<(SlotId, NodeId)>) -> Train {
        let figure =
            Figure { name: "loss".to_string(), phase: 0, train: loss, val: data.map(|_| loss), objective: true };
        let subject = self.parameters();
        let columns = data.is_some();
        Train {
            name: "M".to_string(),
            file: "M".to_string(),
            data,
            phases: vec![Phase {
                name: String::new(),
                times: 1,
                columns,
                writes,
                loss: Some(loss),
                recorded: vec![],
                rows: vec![],
            }],
            rows: self.rows,
            epochs: None,
            steps: None,
            batch: None,
            figures: vec![figure],
            every: vec![],
            stop: vec![],
            keep: None,
            log: None,
            subject,
            seed: 0,
        }
    }

    pub fn parameters(&self) -> Vec<SlotId> {
        let ids = (0..self.program.slots.len() as u32).map(SlotId);
        ids.filter(|&id| self.program.slot(id).owner == Owner::Parameter).collect()
    }

    /// Gradient descent.
    pub fn sgd(&mut self, loss: NodeId, rate: f32, params: &[(SlotId, NodeId)]) -> Vec<(SlotId, NodeId)> {
        let mut writes = Vec::new();
        for &(slot, w) in params {
            let g = self.grad(loss, w);
            let rate = self.f32(rate);
            let change = self.mul(g, rate);
            writes.push((slot, self.sub(w, change)));
        }
        writes
    }

    /// The library's Adam.
    pub fn adam(&mut self, loss: NodeId, rate: f32, params: &[(SlotId, NodeId)]) -> Vec<(SlotId, NodeId)> {
        let mut writes = Vec::new();
        let (one, step) = (self.f32(1.0), self.clock(Clock::Step));
        let t = self.add(step, one);
        for &(slot, w) in params {
            let path = self.program.slot(slot).path.clone();
            let shape = self.program.slot(slot).ty.shape.clone();
            let g = self.grad(loss, w);
            let g2 = self.mul(g, g);
            let (m_slot, m) = self.average(&format!("{path}/m"), &shape, g, 0.9);
            let (v_slot, v) = self.average(&format!("{path}/v"), &shape, g2, 0.999);
            let (m_hat, v_hat) = (self.unbiased(m, 0.9, t), self.unbiased(v, 0.999, t));
            let root = self.unary(Unary::Sqrt, v_hat);
            let small = self.f32(1e-8);
            let below = self.add(root, small);
            let ratio = self.div(m_hat, below);
            let rate = self.f32(rate);
            let change = self.mul(ratio, rate);
            let next = self.sub(w, change);
            writes.extend([(m_slot, m), (v_slot, v), (slot, next)]);
        }
        writes
    }

    fn average(&mut self, path: &str, shape: &[usize], of: NodeId, keep: f32) -> (SlotId, NodeId) {
        let slot = self.slot(path, shape, Owner::OptimizerState);
        let old = self.read(slot);
        let (a, b) = (self.f32(keep), self.f32(1.0 - keep));
        let (kept, new) = (self.mul(old, a), self.mul(of, b));
        (slot, self.add(kept, new))
    }

    fn unbiased(&mut self, a: NodeId, keep: f32, t: NodeId) -> NodeId {
        let (base, one) = (self.f32(keep), self.f32(1.0));
        let power = self.binary(Binary::Pow, base, t);
        let rest = self.sub(one, power);
        self.div(a, rest)
    }
}
