//! Programs run from beginning to end by both engines.

pub mod build;

use build::{Build, d, ds};
use nnc::check::typed::*;
use nnc::ir::{Comparison, DType, Op, Owner, Unary};
use nnc::train::engine::EngineKind;
use nnc::train::{Fault, FaultKind, Outcome, Report, RunOptions, run};
use std::path::PathBuf;

#[derive(Default)]
struct Heard {
    prints: Vec<String>,
    notes: Vec<String>,
    epochs: Vec<(u64, Vec<(String, f32)>)>,
}

impl Report for Heard {
    fn on_print(&mut self, text: &str) {
        self.prints.push(text.to_string());
    }

    fn on_note(&mut self, note: &str) {
        self.notes.push(note.to_string());
    }

    fn on_epoch(&mut self, epoch: &nnc::train::EpochRecord<'_>) {
        self.epochs.push((epoch.epoch, epoch.figures.to_vec()));
    }
}

/// A folder of its own, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Folder(std::env::temp_dir().join(format!("nnc-session-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const ENGINES: [EngineKind; 2] = [EngineKind::Jit, EngineKind::Interpreter];

fn run_with(program: &Program, engine: EngineKind, threads: usize, folder: &Folder) -> (Heard, Result<Outcome, Fault>) {
    let mut heard = Heard::default();
    let options = RunOptions { engine, threads, out: folder.0.clone(), verify: true, ..RunOptions::default() };
    let outcome = run(program, &options, &mut heard);
    (heard, outcome)
}

fn outcome_of(program: &Program, engine: EngineKind, name: &str) -> (Heard, Outcome) {
    let folder = Folder::new(name);
    let (heard, outcome) = run_with(program, engine, 1, &folder);
    (heard, outcome.unwrap_or_else(|fault| panic!("{engine:?}: {fault:?}")))
}

fn floats(text: &str) -> Vec<f32> {
    let parts = text.split(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)));
    parts.filter_map(|part| part.parse().ok()).collect()
}

#[test]
fn a_neuron_and_its_gradients() {
    let mut b = Build::new();
    let (one, two, three) = (b.f32(1.0), b.f32(2.0), b.f32(3.0));
    let (w_slot, b_slot) = (b.param("w", &[], two), b.param("b", &[], one));
    let (w, bias) = (b.read(w_slot), b.read(b_slot));
    let product = b.mul(w, three);
    let sum = b.add(product, bias);
    let loss = b.mul(sum, sum);
    let (by_w, by_b) = (b.grad(loss, w), b.grad(loss, bias));
    b.print(&[loss], None);
    b.print(&[by_w, by_b], None);
    for engine in ENGINES {
        let (heard, _) = outcome_of(&b.program, engine, "neuron");
        assert_eq!(heard.prints, ["49", "42 14"], "{engine:?}");
    }
}

/// y = 3x - 1 on points of a line.
fn regression(rows: usize, epochs: u64, batch: Option<u64>) -> (Build, Train) {
    let mut b = Build::new();
    let xs: Vec<f32> = (0..rows).map(|at| (at * 7 % rows) as f32 / rows as f32 - 0.5).collect();
    let ys = xs.iter().map(|x| 3.0 * x - 1.0).collect();
    let data = b.table("line", &[("x", vec![], xs), ("y", vec![], ys)], &[("train", 0.8), ("val", 0.2)]);
    let (zero_w, zero_b) = (b.f32(0.0), b.f32(0.0));
    let (w_slot, b_slot) = (b.param("w", &[], zero_w), b.param("b", &[], zero_b));
    let (w, bias) = (b.read(w_slot), b.read(b_slot));
    let (x, y) = (b.column(data, 0), b.column(data, 1));
    let product = b.mul(x, w);
    let line = b.add(product, bias);
    let error = b.sub(line, y);
    let square = b.mul(error, error);
    let loss = b.mean_rows(square);
    let writes = b.sgd(loss, 0.5, &[(w_slot, w), (b_slot, bias)]);
    let mut train = b.train(Some(data), loss, writes);
    // A watch that needs all rows: the largest error.
    let size = b.unary(Unary::Abs, error);
    let worst = b.op(Op::MaxOf { axes: vec![0] }, &[size], DType::F32, vec![]);
    train.figures.push(Figure { name: "worst".into(), phase: 0, train: worst, val: Some(worst), objective: false });
    (train.epochs, train.batch) = (Some(epochs), batch);
    (b, train)
}

#[test]
fn linear_regression_learns_its_line() {
    let (mut b, train) = regression(50, 60, Some(16));
    let (w, bias) = (b.read(SlotId(0)), b.read(SlotId(1)));
    b.act(ActionKind::Train(Box::new(train)));
    b.print(&[w, bias], None);
    for engine in ENGINES {
        let (heard, outcome) = outcome_of(&b.program, engine, "line");
        let found = floats(&heard.prints[0]);
        assert!((found[0] - 3.0).abs() < 0.02 && (found[1] + 1.0).abs() < 0.02, "{found:?}");
        let train = &outcome.trains[0];
        // 40 rows in batches of 16: the last has 8.
        assert_eq!((train.epochs, train.steps), (60, 180));
        assert_eq!(train.columns, ["epoch", "loss", "val.loss", "worst", "val.worst"]);
        assert_eq!(train.records.len(), 60);
        let (first, last) = (&train.records[0], &train.records[59]);
        assert!(last[1] < first[1] / 100.0 && last[2] < first[2] / 100.0 && last[4] < 0.05, "{first:?} {last:?}");
        assert_eq!(heard.epochs.len(), 60);
    }
}

#[test]
fn the_worst_row_is_of_the_epochs_own_steps() {
    // With a rate of 0 all steps see the same weights: what steps join is what the whole part gives.
    // 480 rows: the front is computed in two chunks, the second filled up.
    let (mut b, mut train) = regression(600, 1, Some(16));
    let zero = b.f32(0.0);
    train.phases[0].writes = train.phases[0].writes.clone().into_iter().map(|(slot, _)| (slot, zero)).collect();
    let worst = train.figures[1].train;
    let data = train.data.unwrap();
    b.act(ActionKind::Train(Box::new(train)));
    b.print(&[worst], Some(Part { data, name: "train".into(), by: None }));
    for engine in ENGINES {
        let (heard, outcome) = outcome_of(&b.program, engine, "worst");
        assert_eq!(floats(&heard.prints[0])[0], outcome.trains[0].records[0][3], "{engine:?}");
    }
}

#[test]
fn results_do_not_depend_on_threads_and_repeat() {
    let (mut b, train) = regression(300, 3, Some(7));
    let (w, bias) = (b.read(SlotId(0)), b.read(SlotId(1)));
    b.act(ActionKind::Train(Box::new(train)));
    b.print(&[w, bias], None);
    let folder = Folder::new("threads");
    let once = run_with(&b.program, EngineKind::Jit, 1, &folder).0.prints;
    assert_eq!(once, run_with(&b.program, EngineKind::Jit, 2, &folder).0.prints);
    assert_eq!(once, run_with(&b.program, EngineKind::Jit, 1, &folder).0.prints);
}

/// XOR by a small MLP and Adam, in one compiled step; the four rows are one batch.
pub fn xor(epochs: u64) -> Build {
    let mut b = Build::new();
    let inputs = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    let data = b.table("xor", &[("x", vec![2], inputs), ("y", vec![], vec![0.0, 1.0, 1.0, 0.0])], &[]);
    let mut params = Vec::new();
    for (at, (path, shape)) in
        [("M.w1", &[2, 4][..]), ("M.b1", &[4]), ("M.w2", &[4]), ("M.b2", &[])].into_iter().enumerate()
    {
        let uniform = b.random(at as u32 + 1, shape);
        let (half, two) = (b.f32(0.5), b.f32(2.0));
        let centred = b.sub(uniform, half);
        let first = b.mul(centred, two);
        let slot = b.param(path, shape, first);
        let value = b.read(slot);
        params.push((slot, value));
    }
    let [w1, b1, w2, b2] = [0, 1, 2, 3].map(|at: usize| params[at].1);
    let (x, y) = (b.column(data, 0), b.column(data, 1));
    let rows = b.b();
    let product = b.matmul(x, w1);
    let b1 = b.spread(b1, vec![rows.clone(), d(4)], &[1]);
    let inner = b.add(product, b1);
    let hidden = b.unary(Unary::Tanh, inner);
    let product = b.matmul(hidden, w2);
    let z = b.add(product, b2);
    let (soft, zy) = (b.unary(Unary::Softplus, z), b.mul(z, y));
    let losses = b.sub(soft, zy);
    let loss = b.mean_rows(losses);
    let writes = b.adam(loss, 0.05, &params);
    let mut train = b.train(Some(data), loss, writes);
    let (zero, half) = (b.full(0.0, vec![rows.clone()]), b.full(0.5, vec![rows]));
    let (positive, wanted) = (b.compare(Comparison::Lt, zero, z), b.compare(Comparison::Lt, half, y));
    let right = b.compare_bools(positive, wanted);
    let accuracy = b.mean_rows(right);
    let figure = Figure { name: "accuracy".into(), phase: 0, train: accuracy, val: None, objective: false };
    train.figures.push(figure);
    train.epochs = Some(epochs);
    for slot in train.phases[0].writes.iter().map(|(slot, _)| *slot).filter(|slot| !train.subject.contains(slot)) {
        let shape = b.program.slot(slot).ty.shape.clone();
        let zero = b.full(0.0, ds(&shape));
        b.set(slot, zero);
    }
    b.act(ActionKind::Train(Box::new(train)));
    let probability = b.unary(Unary::Logistic, z);
    b.print(&[probability], Some(Part { data, name: "train".into(), by: None }));
    b
}

impl Build {
    /// 1 where two bools agree.
    fn compare_bools(&mut self, a: NodeId, c: NodeId) -> NodeId {
        let (a, c) = (self.number(a), self.number(c));
        let same = self.compare(Comparison::Eq, a, c);
        self.number(same)
    }
}

#[test]
fn xor_is_learnt_by_adam() {
    for (engine, epochs) in [(EngineKind::Jit, 500), (EngineKind::Interpreter, 500)] {
        let (heard, outcome) = outcome_of(&xor(epochs).program, engine, "xor");
        let found = floats(&heard.prints[0]);
        assert!(found[0] < 0.1 && found[1] > 0.9 && found[2] > 0.9 && found[3] < 0.1, "{engine:?} {found:?}");
        let last = outcome.trains[0].records.last().unwrap();
        assert_eq!(last[2], 1.0, "accuracy of {last:?}");
        assert_eq!(outcome.trains[0].steps, epochs);
    }
}

#[test]
fn stop_ends_and_keep_restores_the_best() {
    for engine in ENGINES {
        // A rule: the loss of the last epoch is remembered, and 3 epochs are enough.
        let (mut b, mut train) = regression(50, 40, Some(16));
        let seen = b.slot("seen", &[], Owner::TrainState);
        let zero = b.f32(0.0);
        b.set(seen, zero);
        let (old, one, three) = (b.read(seen), b.f32(1.0), b.f32(3.0));
        let next = b.add(old, one);
        let condition = b.compare(Comparison::Le, three, next);
        let span = b.program.nodes[0].span;
        train.stop.push(StopRule { condition, writes: vec![(seen, next)], span });
        // The highest loss is that of the first epoch, so its weights come back.
        train.keep = Some(Keep { figure: "val.loss".into(), highest: true });
        let (w, bias) = (b.read(SlotId(0)), b.read(SlotId(1)));
        let loss = b.figure("val.loss");
        let print = Eval { outputs: vec![w, bias, loss], ..Eval::default() };
        let values = (0..3).map(|at| Shown::Output(at, None)).collect();
        let action = Action { kind: ActionKind::Print { eval: print, values }, span };
        train.every.push(Every { count: 1, epochs: true, writes: vec![], actions: vec![action] });
        b.act(ActionKind::Train(Box::new(train)));
        b.print(&[w, bias], None);
        let (heard, outcome) = outcome_of(&b.program, engine, "keep");
        let train = &outcome.trains[0];
        assert!(train.stopped && train.epochs == 3 && train.kept == Some(1), "{train:?}");
        assert_eq!(heard.prints.len(), 4);
        assert!(heard.prints[0].starts_with(&heard.prints[3]), "{:?}", heard.prints);
        assert_eq!(floats(&heard.prints[0])[2], train.records[0][2], "blocks see the epoch's figures");
        assert_ne!(heard.prints[0], heard.prints[1]);
    }
}

#[test]
fn weights_are_saved_and_loaded() {
    for engine in ENGINES {
        let (mut b, train) = regression(20, 5, None);
        let (w, bias) = (b.read(SlotId(0)), b.read(SlotId(1)));
        let names = vec![("w".to_string(), SlotId(0)), ("b".to_string(), SlotId(1))];
        b.act(ActionKind::Train(Box::new(train)));
        b.print(&[w, bias], None);
        b.act(ActionKind::Save { slots: names.clone(), to: "a.safetensors".into() });
        let zero = b.f32(0.0);
        b.set(SlotId(0), zero);
        b.set(SlotId(1), zero);
        b.print(&[w, bias], None);
        b.act(ActionKind::Load { slots: names, fits: vec![], from: "a.safetensors".into() });
        b.print(&[w, bias], None);
        let folder = Folder::new("files");
        let (heard, outcome) = run_with(&b.program, engine, 1, &folder);
        let outcome = outcome.unwrap();
        assert_eq!(heard.prints[0], heard.prints[2]);
        assert_eq!(heard.prints[1], "0 0");
        assert_eq!(outcome.written, [folder.0.join("M.safetensors"), folder.0.join("a.safetensors")]);
    }
}

#[test]
fn a_loss_that_is_not_finite_is_a_located_fault() {
    for engine in ENGINES {
        let (mut b, mut train) = regression(50, 400, Some(16));
        // A rate at which the error grows until it overflows.
        let (loss, w) = (train.phases[0].loss.unwrap(), SlotId(0));
        let value = b.program.nodes.iter().position(|node| matches!(node.kind, Kind::Read { slot, .. } if slot == w));
        let value = NodeId(value.unwrap() as u32);
        train.phases[0].writes = b.sgd(loss, 500.0, &[(w, value)]);
        b.act(ActionKind::Train(Box::new(train)));
        let folder = Folder::new("nan");
        let fault = run_with(&b.program, engine, 1, &folder).1.unwrap_err();
        assert_eq!(fault.kind, FaultKind::NotFinite);
        assert_eq!(fault.span, b.program.node(loss).span);
        assert!(fault.message.starts_with("the loss of M is inf at step "), "{}", fault.message);
        assert_eq!(fault.also.len(), 1, "{fault:?}");
        assert!(fault.also[0].1.contains("of operands in"), "{fault:?}");
    }
}

#[test]
fn assertions_stop_the_run() {
    let mut b = Build::new();
    let (one, two) = (b.f32(1.0), b.f32(2.0));
    let held = b.compare(Comparison::Lt, one, two);
    let broken = b.compare(Comparison::Lt, two, one);
    for outputs in [vec![held], vec![broken, two, one]] {
        let sides = (1..outputs.len()).map(|at| (["", "a", "b"][at].to_string(), Shown::Output(at, None))).collect();
        let eval = Eval { outputs, ..Eval::default() };
        b.act(ActionKind::Assert { eval, message: None, sides });
    }
    for engine in ENGINES {
        let fault = run_with(&b.program, engine, 1, &Folder::new("assert")).1.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Assert);
        assert_eq!(fault.span, b.program.actions[1].span);
        assert_eq!(fault.help.as_deref(), Some("a is 2, b is 1"));
    }
}

#[test]
fn a_train_without_data_runs_its_steps() {
    let mut b = Build::new();
    let four = b.f32(-4.0);
    let slot = b.param("x", &[], four);
    let x = b.read(slot);
    let loss = b.mul(x, x);
    let writes = b.sgd(loss, 0.1, &[(slot, x)]);
    let mut train = b.train(None, loss, writes);
    train.steps = Some(40);
    b.act(ActionKind::Train(Box::new(train)));
    b.print(&[x], None);
    for engine in ENGINES {
        let (heard, outcome) = outcome_of(&b.program, engine, "steps");
        assert_eq!(outcome.trains[0].steps, 40);
        let expected = -4.0 * 0.8f32.powi(40);
        assert!((floats(&heard.prints[0])[0] - expected).abs() < 1e-6, "{:?}", heard.prints);
    }
}

#[test]
fn phases_run_in_order_with_their_turns() {
    for engine in ENGINES {
        // Turns of the first phase take three batches of 40 rows two at a time; the second counts steps.
        let (mut b, mut train) = regression(50, 2, Some(16));
        let (turns, steps) = (b.slot("turns", &[], Owner::TrainState), b.slot("steps", &[], Owner::TrainState));
        let zero = b.f32(0.0);
        b.set(turns, zero);
        b.set(steps, zero);
        let (turns_read, steps_read, one) = (b.read(turns), b.read(steps), b.f32(1.0));
        let (more_turns, more_steps) = (b.add(turns_read, one), b.add(steps_read, turns_read));
        train.phases[0].times = 2;
        train.phases[0].writes.push((turns, more_turns));
        train.phases.push(Phase {
            name: "count".into(),
            times: 1,
            columns: false,
            writes: vec![(steps, more_steps)],
            loss: None,
            recorded: vec![],
            rows: vec![],
        });
        b.act(ActionKind::Train(Box::new(train)));
        b.print(&[turns_read, steps_read], None);
        let (heard, outcome) = outcome_of(&b.program, engine, "phases");
        assert_eq!((outcome.trains[0].epochs, outcome.trains[0].steps), (2, 4));
        // An epoch ends with its third batch. The second phase sees what the first wrote: 2 + 3 + 5 + 6.
        assert_eq!(heard.prints, ["6 16"], "{engine:?}");
    }
}

#[test]
fn an_interrupt_ends_the_train_and_keeps_its_weights() {
    let (mut b, train) = regression(50, 1000, Some(16));
    b.act(ActionKind::Train(Box::new(train)));
    let never = b.f32(1.0);
    b.print(&[never], None);
    let folder = Folder::new("interrupt");
    let options = RunOptions { out: folder.0.clone(), verify: true, ..RunOptions::default() };
    struct Stopper(std::sync::Arc<std::sync::atomic::AtomicBool>, usize);
    impl Report for Stopper {
        fn on_print(&mut self, _text: &str) {
            self.1 += 1;
        }

        fn on_epoch(&mut self, _epoch: &nnc::train::EpochRecord<'_>) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let mut stopper = Stopper(options.interrupt.clone(), 0);
    let outcome = run(&b.program, &options, &mut stopper).unwrap();
    assert!(outcome.interrupted && outcome.trains[0].epochs == 2 && stopper.1 == 0, "{outcome:?}");
    assert_eq!(outcome.written, [folder.0.join("M.safetensors")]);
}
