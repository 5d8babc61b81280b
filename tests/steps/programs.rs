//! Programs in the language, checked and lowered to the graph of their step.
//!
//! In: a text. Out: [`Step`], with values for all slots. Invariant: values are
//! what a run could hold: labels are classes, second moments are not negative.

use nnc::check::typed::{ActionKind, Program};
use nnc::driver::{Failure, Settings, front};
use nnc::ir::interpret::Array;
use nnc::ir::{DType, Graph, Owner, Slot};
use nnc::lower;
use std::path::PathBuf;

use crate::ir::cases::Numbers;

pub const MNIST: &str = "\
seed 1
data digits = digits(n = 640) { split train = 0.9, val = 0.1 }
model Mlp(image: f32[B, 28, 28]) -> f32[B, 10] {
    image |> flatten |> dense(128) |> relu |> dropout(0.2) |> dense(10)
}
train Mlp on digits {
    minimize cross_entropy(Mlp(image), label) + l2(weights(Mlp), 1e-4)
        with adam(one_cycle(1e-2))
    watch accuracy(Mlp(image), label)
    epochs 2; batch 64
}
";

pub const PLAIN_MNIST: &str = "\
seed 1
data digits = digits(n = 640) { split train = 0.9, val = 0.1 }
model Mlp(image: f32[B, 28, 28]) -> f32[B, 10] {
    image |> flatten |> dense(128) |> relu |> dense(10)
}
train Mlp on digits {
    minimize cross_entropy(Mlp(image), label) with adam(1e-3)
    epochs 1; batch 64
}
";

pub const XOR: &str = "\
seed 1
data points = table(x = [[0, 0], [0, 1], [1, 0], [1, 1]], y = [0, 1, 1, 0])
model Net(x: f32[B, 2]) -> f32[B] {
    let z = x |> dense(8) |> tanh |> dense(1)
    reshape(z, [B])
}
train Net on points {
    minimize bce_with_logits(Net(x), y) with adam(0.05)
    epochs 100
}
";

/// One head over the rows of an image, with a residual and a norm.
pub const ATTENTION: &str = "\
seed 1
data digits = digits(n = 80) { split train = 0.8, val = 0.2 }
layer norm()(x: f32[B, T, D]) -> f32[B, T, D] {
    param gain: f32[D] = ones
    let m = reshape(mean(x, along = -1), [B, T, 1])
    let c = x - m
    let v = reshape(mean(c^2, along = -1), [B, T, 1])
    c / sqrt(v + 1e-3) * gain
}
model Attend(image: f32[B, 28, 28]) -> f32[B, 10] {
    let x = image |> dense(24) |> norm
    let q = x |> dense(24)
    let k = x |> dense(24)
    let v = x |> dense(24)
    let mixed = softmax(q @ transpose(k) / 5) @ v
    x + mixed |> flatten |> dense(10)
}
train Attend on digits {
    minimize cross_entropy(Attend(image), label) with adam(1e-3)
    epochs 1; batch 8
}
";

/// The step of a program's first train.
pub struct Step {
    pub graph: Graph,
    pub inputs: Vec<Array<f64>>,
}

pub fn checked(name: &str, text: &str) -> Program {
    let folder = std::env::temp_dir().join(format!("nnc-steps-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path: PathBuf = folder.join("program.nn");
    std::fs::write(&path, text).unwrap();
    let front = front(&path, &Settings::default());
    std::fs::remove_dir_all(&folder).unwrap();
    match front {
        Ok(front) => front.program,
        Err(Failure::Io(why)) => panic!("{name}: {why}"),
        Err(Failure::Wrong { diagnostics, .. }) => panic!("{name}: {diagnostics:#?}"),
    }
}

pub fn step(name: &str, text: &str) -> Step {
    let program = checked(name, text);
    let train = program.actions.iter().find_map(|action| match &action.kind {
        ActionKind::Train(train) => Some(train),
        _ => None,
    });
    let train = train.expect("the program trains");
    let rows = train.batch.unwrap_or(4);
    let graph = nnc::opt::run_verified(lower::step(&program, train, 0, rows).unwrap()).unwrap();
    let mut numbers = Numbers(11);
    let inputs = graph.slots.iter().map(|slot| value(slot, &mut numbers)).collect();
    Step { graph, inputs }
}

fn value(slot: &Slot, numbers: &mut Numbers) -> Array<f64> {
    let (shape, len) = (&slot.ty.shape, slot.ty.len());
    let (low, high) = match slot.owner {
        Owner::OptimizerState | Owner::Column => (0.0, 0.1),
        Owner::Scalar => (40.0, 41.0),
        Owner::Parameter | Owner::State | Owner::TrainState => (-0.1, 0.1),
    };
    match slot.ty.dtype {
        DType::F32 => Array::floats(shape, (0..len).map(|_| numbers.uniform(low, high)).collect()),
        DType::I32 => Array::ints(shape, (0..len).map(|_| numbers.below(10) as i32).collect()),
        DType::Bool => Array::bools(shape, (0..len).map(|_| numbers.below(2) == 0).collect()),
    }
}
