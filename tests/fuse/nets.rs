//! Whole training steps: an MLP with cross-entropy and Adam, as the language
//! lowers it. Counts of kernels are part of the promise, so they are snapshots.

use nnc::grad::grad;
use nnc::ir::interpret::Array;
use nnc::ir::{Binary, Comparison, DType, Graph, Op, Origin, Owner, SlotId, Type, Unary, ValueId};
use nnc::loops::ir::{Program, Stmt};
use nnc::loops::print::print;
use nnc::loops::{Options, lower, lower_with_report};
use nnc::opt;

use super::harness::check;
use crate::ir::cases::Numbers;

/// A graph with values for its slots.
pub struct Step {
    pub graph: Graph,
    pub inputs: Vec<Array<f64>>,
    numbers: Numbers,
    parameters: Vec<ValueId>,
}

const O: Origin =
    Origin { span: nnc::source::Span { file: nnc::source::FileId(0), start: 0, end: 0 }, label: None, derived: None };

impl Step {
    fn new() -> Step {
        Step { graph: Graph::default(), inputs: vec![], numbers: Numbers(5), parameters: vec![] }
    }

    fn slot(&mut self, path: &str, shape: &[usize], owner: Owner, low: f64, high: f64) -> ValueId {
        let len = shape.iter().product();
        let data = (0..len).map(|_| f64::from(self.numbers.uniform(low, high) as f32)).collect();
        self.inputs.push(Array::floats(shape, data));
        self.graph.slot_input(path, Type::new(DType::F32, shape), owner, O)
    }

    fn column(&mut self, path: &str, rows: usize, classes: usize) -> ValueId {
        let data = (0..rows).map(|_| self.numbers.below(classes) as i32).collect();
        self.inputs.push(Array::ints(&[rows], data));
        self.graph.slot_input(path, Type::new(DType::I32, [rows]), Owner::Column, O)
    }

    fn scalar(&mut self, value: f32, like: ValueId) -> ValueId {
        let value = self.graph.f32(value, O);
        let shape = self.graph.ty(like).shape.clone();
        self.graph.broadcast(value, &shape, &[], O)
    }

    /// x @ w + b.
    fn dense(&mut self, name: &str, x: ValueId, outputs: usize) -> ValueId {
        let shape = self.graph.ty(x).shape.clone();
        let w = self.slot(&format!("{name}.w"), &[shape[1], outputs], Owner::Parameter, -0.5, 0.5);
        let b = self.slot(&format!("{name}.b"), &[outputs], Owner::Parameter, -0.5, 0.5);
        self.parameters.extend([w, b]);
        let product = self.graph.matmul(x, w, O);
        let bias = self.graph.broadcast(b, &[shape[0], outputs], &[1], O);
        self.graph.add(product, bias, O)
    }

    /// where(x <= 0, 0, x), as the prelude says it.
    fn relu(&mut self, x: ValueId) -> ValueId {
        let zero = self.scalar(0.0, x);
        let off = self.graph.le(x, zero, O);
        self.graph.select(off, zero, x, O)
    }

    /// mean(logsumexp(z) - z[label]), with the maximum subtracted.
    fn cross_entropy(&mut self, z: ValueId, label: ValueId) -> ValueId {
        let g = &mut self.graph;
        let shape = g.ty(z).shape.clone();
        let max = g.max_of(z, &[1], O);
        let max = g.push(Op::StopGradient, vec![max], O);
        let wide = g.broadcast(max, &shape, &[0], O);
        let shifted = g.sub(z, wide, O);
        let exp = g.unary(Unary::Exp, shifted, O);
        let sum = g.sum(exp, &[1], O);
        let log = g.unary(Unary::Log, sum, O);
        let whole = g.add(log, max, O);
        let classes = g.iota(1, &shape, O);
        let label = g.broadcast(label, &shape, &[0], O);
        let hit = g.compare(Comparison::Eq, classes, label, O);
        let one_hot = g.convert(DType::F32, hit, O);
        let picked = g.mul(one_hot, z, O);
        let picked = g.sum(picked, &[1], O);
        let loss = g.sub(whole, picked, O);
        self.mean(loss)
    }

    fn mean(&mut self, x: ValueId) -> ValueId {
        let count = self.graph.ty(x).len() as f32;
        let sum = self.graph.sum_all(x, O);
        let count = self.graph.f32(count, O);
        self.graph.div(sum, count, O)
    }

    /// Adam with bias correction for all parameters.
    fn adam(&mut self, loss: ValueId) {
        self.graph.figure("loss", loss);
        let parameters = self.parameters.clone();
        let gradients = grad(&mut self.graph, loss, &parameters);
        self.inputs.push(Array::ints(&[], vec![3]));
        let step = self.graph.slot_input("step", Type::scalar(DType::I32), Owner::Scalar, O);
        let t = self.graph.convert(DType::F32, step, O);
        for (&w, &gradient) in parameters.iter().zip(&gradients) {
            self.adam_of(w, gradient, t);
        }
    }

    fn adam_of(&mut self, w: ValueId, gradient: ValueId, t: ValueId) {
        let Op::Input(slot) = self.graph.node(w).op else { panic!("{w} is no parameter") };
        let ty = self.graph.ty(w).clone();
        let path = self.graph.slot(slot).path.clone();
        let m = self.slot(&format!("{path}/m"), &ty.shape, Owner::OptimizerState, -0.1, 0.1);
        let v = self.slot(&format!("{path}/v"), &ty.shape, Owner::OptimizerState, 0.0, 0.1);
        let squared = self.graph.mul(gradient, gradient, O);
        let (next_m, m_hat) = self.average(m, gradient, 0.9, t);
        let (next_v, v_hat) = self.average(v, squared, 0.999, t);
        let root = self.graph.unary(Unary::Sqrt, v_hat, O);
        let epsilon = self.scalar(1e-3, root);
        let below = self.graph.add(root, epsilon, O);
        let rate = self.scalar(0.01, m_hat);
        let above = self.graph.mul(rate, m_hat, O);
        let change = self.graph.div(above, below, O);
        let next = self.graph.sub(w, change, O);
        for (from, to) in [(w, next), (m, next_m), (v, next_v)] {
            let Op::Input(slot) = self.graph.node(from).op else { panic!("{from} is no slot") };
            self.graph.write(slot, to);
        }
    }

    /// (β·old + (1-β)·new, the same / (1 - βᵗ)).
    fn average(&mut self, old: ValueId, new: ValueId, beta: f32, t: ValueId) -> (ValueId, ValueId) {
        let keep = self.scalar(beta, old);
        let take = self.scalar(1.0 - beta, old);
        let kept = self.graph.mul(keep, old, O);
        let taken = self.graph.mul(take, new, O);
        let next = self.graph.add(kept, taken, O);
        let base = self.graph.f32(beta, O);
        let power = self.graph.binary(Binary::Pow, base, t, O);
        let one = self.graph.f32(1.0, O);
        let left = self.graph.sub(one, power, O);
        let shape = self.graph.ty(old).shape.clone();
        let left = self.graph.broadcast(left, &shape, &[], O);
        (next, self.graph.div(next, left, O))
    }
}

/// 784-128-10 at batch 64, or smaller.
pub fn classifier(batch: usize, inputs: usize, hidden: usize, classes: usize) -> Step {
    let mut step = Step::new();
    let x = step.slot("image", &[batch, inputs], Owner::Column, 0.0, 1.0);
    let label = step.column("label", batch, classes);
    let h = step.dense("Mlp.dense1", x, hidden);
    let h = step.relu(h);
    let z = step.dense("Mlp.dense2", h, classes);
    let loss = step.cross_entropy(z, label);
    step.adam(loss);
    step.graph = opt::run(step.graph);
    step
}

/// 2-8-1 at batch 4, with a squared error.
pub fn xor() -> Step {
    let mut step = Step::new();
    let x = step.slot("x", &[4, 2], Owner::Column, 0.0, 1.0);
    let y = step.slot("y", &[4, 1], Owner::Column, 0.0, 1.0);
    let h = step.dense("Net.dense1", x, 8);
    let h = step.graph.unary(Unary::Tanh, h, O);
    let z = step.dense("Net.dense2", h, 1);
    let z = step.graph.unary(Unary::Logistic, z, O);
    let error = step.graph.sub(z, y, O);
    let squared = step.graph.mul(error, error, O);
    let loss = step.mean(squared);
    step.adam(loss);
    step.graph = opt::run(step.graph);
    step
}

/// One line a kernel: parallel cut, statements, parameters.
fn outline(program: &Program) -> String {
    fn statements(body: &[Stmt]) -> usize {
        body.iter().map(|stmt| 1 + if let Stmt::Loop(inner) = stmt { statements(&inner.body) } else { 0 }).sum()
    }
    let mut text = String::new();
    for run in &program.runs {
        let kernel = &program.kernels[run.kernel.index()];
        let par = kernel.par.map_or(String::new(), |par| format!(" par {} by {}", par.extent, par.by));
        let args: Vec<&str> = run.args.iter().map(|arg| &program.buffers[arg.buffer.index()].name[..]).collect();
        text += &format!("{}{par}: {} statements, {}\n", kernel.name, statements(&kernel.body), args.join(" "));
    }
    text
}

#[test]
fn small_classifier_in_all_ways() {
    for (batch, inputs, hidden, classes) in [(7, 9, 5, 3), (16, 33, 24, 10), (33, 40, 17, 10)] {
        let step = classifier(batch, inputs, hidden, classes);
        check("classifier", &step.graph, &step.inputs, 1e-4);
    }
}

#[test]
fn xor_in_all_ways() {
    let step = xor();
    check("xor", &step.graph, &step.inputs, 1e-5);
}

#[test]
fn mnist_step_is_a_handful_of_kernels() {
    let step = classifier(64, 784, 128, 10);
    let start = std::time::Instant::now();
    let program = lower(&step.graph, &Options::default()).unwrap();
    println!("{} nodes lowered in {:.2} ms", step.graph.nodes.len(), start.elapsed().as_secs_f64() * 1e3);
    assert!(program.runs.len() <= 12);
    insta::assert_snapshot!(outline(&program));
    insta::assert_snapshot!("mnist_step_as_loops", print(&program, None));
}

#[test]
fn xor_step_is_one_bundle() {
    let program = lower(&xor().graph, &Options::default()).unwrap();
    assert!(program.runs.len() <= 3);
    insta::assert_snapshot!(outline(&program));
}

#[test]
fn report_counts_the_arena() {
    let (program, report) = lower_with_report(&classifier(64, 784, 128, 10).graph, &Options::default()).unwrap();
    assert!(report.temporaries > 0 && !report.largest.is_empty());
    let apart =
        lower_with_report(&classifier(64, 784, 128, 10).graph, &Options { fuse: true, share_memory: false }).unwrap().1;
    assert!(
        report.temporaries <= apart.temporaries,
        "{} of {} in {}",
        report.temporaries,
        apart.temporaries,
        program.name
    );
}

/// Layer norm, attention with a causal mask, a residual: what transformers are made of.
pub fn attention(batch: usize, time: usize, width: usize, heads: usize) -> Step {
    let mut step = Step::new();
    let x = step.slot("x", &[batch, time, width], Owner::Column, -1.0, 1.0);
    let target = step.slot("y", &[batch, time, width], Owner::Column, -1.0, 1.0);
    let normed = step.layer_norm("Block.norm", x);
    let [q, k, v] = ["q", "k", "v"].map(|name| step.heads(&format!("Block.{name}"), normed, heads));
    let g = &mut step.graph;
    let scores = g.contract(q, k, &[(0, 0), (1, 1)], &[(3, 3)], O);
    let shape = g.ty(scores).shape.clone();
    let (row, column) = (g.iota(2, &shape, O), g.iota(3, &shape, O));
    let later = g.lt(row, column, O);
    let low = g.splat(nnc::ir::Const::F32(-1e9), &shape, O);
    let masked = g.select(later, low, scores, O);
    let max = g.max_of(masked, &[3], O);
    let max = g.push(Op::StopGradient, vec![max], O);
    let max = g.broadcast(max, &shape, &[0, 1, 2], O);
    let shifted = g.sub(masked, max, O);
    let exp = g.unary(Unary::Exp, shifted, O);
    let sum = g.sum(exp, &[3], O);
    let sum = g.broadcast(sum, &shape, &[0, 1, 2], O);
    let weights = g.div(exp, sum, O);
    let mixed = g.contract(weights, v, &[(0, 0), (1, 1)], &[(3, 2)], O);
    let mixed = g.transpose(mixed, &[0, 2, 1, 3], O);
    let mixed = g.reshape(mixed, &[batch, time, width], O);
    let out = g.add(mixed, x, O);
    let error = g.sub(out, target, O);
    let squared = g.mul(error, error, O);
    let loss = step.mean(squared);
    step.adam(loss);
    step.graph = opt::run(step.graph);
    step
}

impl Step {
    fn layer_norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let shape = self.graph.ty(x).shape.clone();
        let last = shape.len() - 1;
        let rows: Vec<usize> = (0..last).collect();
        let gain = self.slot(&format!("{name}.gain"), &[shape[last]], Owner::Parameter, 0.5, 1.5);
        self.parameters.push(gain);
        let g = &mut self.graph;
        let count = g.splat(nnc::ir::Const::F32(shape[last] as f32), &shape[..last], O);
        let sum = g.sum(x, &[last], O);
        let mean = g.div(sum, count, O);
        let mean = g.broadcast(mean, &shape, &rows, O);
        let centered = g.sub(x, mean, O);
        let squared = g.mul(centered, centered, O);
        let sum = g.sum(squared, &[last], O);
        let variance = g.div(sum, count, O);
        let epsilon = g.splat(nnc::ir::Const::F32(1e-3), &shape[..last], O);
        let variance = g.add(variance, epsilon, O);
        let root = g.unary(Unary::Sqrt, variance, O);
        let root = g.broadcast(root, &shape, &rows, O);
        let normed = g.div(centered, root, O);
        let gain = g.broadcast(gain, &shape, &[last], O);
        g.mul(normed, gain, O)
    }

    /// [batch, heads, time, width / heads] of a linear map.
    fn heads(&mut self, name: &str, x: ValueId, heads: usize) -> ValueId {
        let shape = self.graph.ty(x).shape.clone();
        let w = self.slot(&format!("{name}.w"), &[shape[2], shape[2]], Owner::Parameter, -0.3, 0.3);
        self.parameters.push(w);
        let g = &mut self.graph;
        let mapped = g.contract(x, w, &[], &[(2, 0)], O);
        let split = g.reshape(mapped, &[shape[0], shape[1], heads, shape[2] / heads], O);
        g.transpose(split, &[0, 2, 1, 3], O)
    }
}

#[test]
fn attention_in_all_ways() {
    for (batch, time, width, heads) in [(2, 5, 8, 2), (3, 40, 24, 2), (1, 33, 34, 1)] {
        let step = attention(batch, time, width, heads);
        check("attention", &step.graph, &step.inputs, 1e-3);
    }
}

/// A residual tower: compile time must grow about as the graph does.
#[test]
fn ten_thousand_nodes_are_lowered_quickly() {
    let mut step = Step::new();
    let mut x = step.slot("x", &[8, 16], Owner::Column, -1.0, 1.0);
    while step.graph.nodes.len() < 3000 {
        let name = format!("Tower.{}", step.graph.nodes.len());
        let normed = step.layer_norm(&name, x);
        let mapped = step.dense(&name, normed, 16);
        let mapped = step.relu(mapped);
        x = step.graph.add(x, mapped, O);
    }
    let loss = step.mean(x);
    step.adam(loss);
    let graph = opt::run(step.graph);
    let start = std::time::Instant::now();
    let program = lower(&graph, &Options::default()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("{} nodes, {} kernels, {seconds:.2} s", graph.nodes.len(), program.kernels.len());
    assert!(graph.nodes.len() > 7000 && seconds < 10.0, "{} nodes in {seconds} s", graph.nodes.len());
}

/// Sizes at which kernels are cut into panels.
#[test]
fn large_enough_for_panels() {
    let step = classifier(60, 150, 96, 10);
    let program = lower(&step.graph, &Options::default()).unwrap();
    assert!(program.kernels.iter().any(|kernel| kernel.par.is_some()));
    check("classifier", &step.graph, &step.inputs, 1e-3);
}

/// Random numbers, maps, rows, columns and a whole sum over one large array.
#[test]
fn large_arrays_in_panels() {
    let mut step = Step::new();
    let shape = [300, 190];
    let x = step.slot("x", &shape, Owner::Parameter, -1.0, 1.0);
    let small = step.slot("row", &[190], Owner::State, -1.0, 1.0);
    let g = &mut step.graph;
    let [seed, index, turn] = [7, 8, 9].map(|value| g.i32(value, O));
    let noise = g.push(Op::Random { place: 11, base: 128, shape: shape.to_vec() }, vec![seed, index, turn], O);
    let noisy = g.add(x, noise, O);
    let squashed = g.unary(Unary::Tanh, noisy, O);
    let rows = g.sum(squashed, &[1], O);
    let most = g.max_of(squashed, &[0], O);
    let columns = g.sum(squashed, &[0], O);
    let both = g.add(columns, small, O);
    let all = g.sum_all(noisy, O);
    let wide = g.broadcast(both, &shape, &[1], O);
    let next = g.mul(wide, squashed, O);
    for (name, value) in [("rows", rows), ("most", most), ("all", all), ("noise", noise)] {
        g.figure(name, value);
    }
    g.write(SlotId(0), next);
    g.write(SlotId(1), both);
    let program = lower(&step.graph, &Options::default()).unwrap();
    assert!(program.kernels.iter().filter(|kernel| kernel.par.is_some()).count() >= 3);
    check("large", &step.graph, &step.inputs, 1e-3);
}
