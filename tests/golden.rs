//! The library against values that PyTorch and scikit-learn computed.
//!
//! The files of `tests/golden/` hold inputs, results and gradients of published
//! implementations. Each case becomes a program in the language, which runs on
//! machine code and prints how far it is off; derivatives are those of `grad`.
//! A case passes if no number is off by more than [`LIMIT`] times the largest
//! of its kind (or 1). With `--nocapture` a table of the worst errors is shown.

mod recurrent;
mod wide;

use super::programs::{JIT, Ran, numbers, run_text};
use serde_json::Value;
use std::fmt::Write;

const LIMIT: f64 = 1e-5;

pub(super) fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/golden/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("a list of cases")
}

/// The worst errors by case, and whether a case is worse than it may be.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<(String, f64)>,
}

impl Table {
    pub(super) fn add(&mut self, name: &str, error: f64) {
        self.rows.push((name.to_string(), error));
    }

    /// Differences of numbers, each relative to the largest expected one.
    pub(super) fn compare(&mut self, name: &str, got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len(), "{name}: {got:?}");
        let scale = expected.iter().fold(1.0, |most: f64, number| most.max(number.abs()));
        // A NaN is an infinite error; `max` alone would lose it.
        let worst = got.iter().zip(expected).map(|(a, b)| if a.is_nan() { f64::INFINITY } else { (a - b).abs() });
        self.add(name, worst.fold(0.0, f64::max) / scale);
    }

    pub(super) fn check(&self, least: usize) {
        for (name, error) in &self.rows {
            println!("{name:<40} {error:9.2e}");
        }
        assert!(self.rows.len() >= least, "only {} cases of {least}", self.rows.len());
        let wrong: Vec<_> = self.rows.iter().filter(|(_, error)| *error > LIMIT || error.is_nan()).collect();
        assert!(wrong.is_empty(), "worse than {LIMIT:e}: {wrong:?}");
    }
}

pub(super) fn run(name: &str, text: &str) -> Ran {
    run_text(name, text, JIT).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

/// The number that a run printed on a line of its own.
fn printed(ran: &Ran, line: usize) -> f64 {
    let text = &ran.prints[line];
    // What is no number is an infinite error, also a NaN, which a maximum would lose.
    numbers(text).first().copied().filter(|number| !number.is_nan()).unwrap_or(f64::INFINITY)
}

pub(super) fn floats(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(floats).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

/// `{shape, data}` as a literal of the language.
pub(super) fn literal(tensor: &Value) -> String {
    let shape: Vec<usize> = floats(&tensor["shape"]).into_iter().map(|size| size as usize).collect();
    let data = floats(&tensor["data"]);
    nested(&shape, &data, tensor["data"][0].is_i64())
}

fn nested(shape: &[usize], data: &[f64], whole: bool) -> String {
    match shape {
        [] if whole => format!("{}", data[0] as i64),
        [] => format!("{:?}", data[0]),
        [_, rest @ ..] => {
            let size = rest.iter().product::<usize>().max(1);
            let items: Vec<String> = data.chunks(size).map(|chunk| nested(rest, chunk, whole)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

pub(super) fn shape(tensor: &Value) -> String {
    let sizes: Vec<String> = floats(&tensor["shape"]).iter().map(|size| size.to_string()).collect();
    format!("[{}]", sizes.join(", "))
}

/// `max(abs(got - expected))/max(1, largest expected)`, as an expression.
pub(super) fn off(got: &str, expected: &Value) -> String {
    let scale = floats(&expected["data"]).iter().fold(1.0, |most: f64, number| most.max(number.abs()));
    let scalar = floats(&expected["shape"]).is_empty();
    let difference = format!("abs({got} - {})", literal(expected));
    if scalar { format!("{difference} / {scale:?}") } else { format!("max({difference}) / {scale:?}") }
}

/// A program that applies a function to parameters and prints how far value and gradients are off.
///
/// `setup` may use the inputs, which have the names of the case; `result` is the expression.
pub(super) fn with_gradients(case: &Value, setup: &str, result: &str, renamed: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, tensor) in case["inputs"].as_object().expect("inputs") {
        let differentiable = case["grads"].get(name).is_some();
        if renamed.iter().any(|(from, _)| from == name) {
            continue;
        }
        if differentiable {
            writeln!(text, "param {name}: f32{} = {}", shape(tensor), literal(tensor)).unwrap();
        } else {
            writeln!(text, "let {name} = {}", literal(tensor)).unwrap();
        }
    }
    writeln!(text, "{setup}").unwrap();
    writeln!(text, "let golden = {result}").unwrap();
    writeln!(text, "print {}", off("golden", &case["outputs"]["y"])).unwrap();
    let cotangent = &case["grad_outputs"]["y"];
    if floats(&cotangent["shape"]).is_empty() {
        writeln!(text, "let pulled = golden * ({})", literal(cotangent)).unwrap();
    } else {
        writeln!(text, "let pulled = sum(golden * {})", literal(cotangent)).unwrap();
    }
    for (name, gradient) in case["grads"].as_object().expect("gradients") {
        let by = renamed.iter().find(|(from, _)| from == name).map_or(name.as_str(), |(_, to)| to);
        writeln!(text, "print {}", off(&format!("grad(pulled, {by})"), gradient)).unwrap();
    }
    text
}

/// The worst of what such a program printed.
pub(super) fn worst(ran: &Ran) -> f64 {
    (0..ran.prints.len()).map(|line| printed(ran, line)).fold(0.0, f64::max)
}

/// The name of a setting and its value, if the case has it.
pub(super) fn setting(case: &Value, name: &str) -> f64 {
    case["attrs"][name].as_f64().unwrap_or_else(|| panic!("{name} of {case}"))
}

#[test]
fn activations() {
    let mut table = Table::default();
    for case in cases("activations") {
        let name = case["name"].as_str().expect("a name");
        let result = match case["op"].as_str().expect("an operation") {
            "leaky_relu" => format!("leaky_relu(x, {:?})", setting(&case, "alpha")),
            "elu" => format!("elu(x, {:?})", setting(&case, "alpha")),
            "gelu_erf" => "gelu(x)".to_string(),
            "prelu" if name == "prelu" => "leaky_relu(x, alpha[0])".to_string(),
            "prelu" => "leaky_relu(x, alpha)".to_string(),
            other => format!("{other}(x)"),
        };
        table.add(name, worst(&run(name, &with_gradients(&case, "", &result, &[]))));
        if name.starts_with("prelu") {
            // The layer, whose parameter is its own.
            let alpha = &case["inputs"]["alpha"];
            let each = name.ends_with("channel");
            let start = if each { format!("next own.alpha = {}", literal(alpha)) } else { String::new() };
            let first = floats(&alpha["data"])[0];
            let settings = if each { "per_channel = true".to_string() } else { format!("start = {first:?}") };
            let setup = format!("let own = prelu({settings})\nlet first = own(x)\n{start}");
            let mut case = case.clone();
            if !each {
                case["grads"]["alpha"]["shape"] = Value::Array(Vec::new());
            }
            let text = with_gradients(&case, &setup, "own(x)", &[("alpha", "own.alpha")]);
            table.add(&format!("{name} (layer)"), worst(&run(name, &text)));
        }
    }
    table.check(19);
}

#[test]
fn losses() {
    let mut table = Table::default();
    for case in cases("losses") {
        let name = case["name"].as_str().expect("a name");
        let mut setup = String::new();
        let result = match case["op"].as_str().expect("an operation") {
            "cross_entropy" => {
                setup = "let label = class(target, 4)".to_string();
                let smoothing = case["attrs"]["label_smoothing"].as_f64().unwrap_or(0.0);
                format!("cross_entropy(logits, label, label_smoothing = {smoothing:?})")
            }
            "kl_div" => "kl_div(log_q, p)".to_string(),
            "hinge" => "hinge(score, target)".to_string(),
            "bce" => "bce(p, target)".to_string(),
            "bce_with_logits" => "bce_with_logits(logits, target)".to_string(),
            other => format!("{other}(pred, target)"),
        };
        table.add(name, worst(&run(name, &with_gradients(&case, &setup, &result, &[]))));
    }
    table.check(11);
}

#[test]
fn optimizers() {
    let mut table = Table::default();
    for case in cases("optimizers") {
        let name = case["name"].as_str().expect("a name");
        let lr = setting(&case, "lr");
        let decay = setting(&case, "weight_decay");
        let rule = match case["optimizer"].as_str().expect("an optimiser") {
            "sgd" => format!("sgd({lr:?}, decay = {decay:?})"),
            word @ ("momentum" | "momentum_weight_decay" | "nesterov") => {
                let word = word.trim_end_matches("_weight_decay");
                let dampening = setting(&case, "dampening");
                let more = if dampening > 0.0 { format!(", dampening = {dampening:?}") } else { String::new() };
                format!("{word}({lr:?}, gamma = {:?}, decay = {decay:?}{more})", setting(&case, "momentum"))
            }
            "adagrad" => format!(
                "adagrad({lr:?}, eps = {:?}, decay = {decay:?}, lr_decay = {:?}, start = {:?})",
                setting(&case, "eps"),
                setting(&case, "lr_decay"),
                setting(&case, "initial_accumulator_value")
            ),
            "rmsprop" => format!(
                "rmsprop({lr:?}, rho = {:?}, eps = {:?}, decay = {decay:?}, gamma = {:?}, centered = {})",
                setting(&case, "alpha"),
                setting(&case, "eps"),
                setting(&case, "momentum"),
                case["attrs"]["centered"]
            ),
            "adadelta" => format!(
                "adadelta({lr:?}, rho = {:?}, eps = {:?}, decay = {decay:?})",
                setting(&case, "rho"),
                setting(&case, "eps")
            ),
            word @ ("adam" | "adam_l2" | "adamw" | "nadam") => {
                let word = word.trim_end_matches("_l2");
                let betas = floats(&case["attrs"]["betas"]);
                let more = match word {
                    "nadam" => format!(
                        "momentum_decay = {:?}, decoupled = {}",
                        setting(&case, "momentum_decay"),
                        case["attrs"]["decoupled_weight_decay"]
                    ),
                    _ => format!("amsgrad = {}", case["attrs"]["amsgrad"]),
                };
                format!(
                    "{word}({lr:?}, beta1 = {:?}, beta2 = {:?}, eps = {:?}, decay = {decay:?}, {more})",
                    betas[0],
                    betas[1],
                    setting(&case, "eps")
                )
            }
            other => panic!("an optimiser {other}"),
        };
        let trajectory = floats(&case["trajectory"]);
        let start = floats(&case["start"]);
        let text = format!(
            "param x = {:?}, y = {:?}\ntrain {{\n    minimize x^2 + 10 * y^2 with {rule}\n    steps {}\n    every 1 steps {{ print x, y }}\n}}\n",
            start[0],
            start[1],
            trajectory.len() / 2 - 1
        );
        let ran = run(name, &text);
        let got: Vec<f64> = ran.prints.iter().flat_map(|line| numbers(line)).collect();
        table.compare(name, &got, &trajectory[2..]);
    }
    table.check(11);
}

#[test]
fn schedules() {
    let mut table = Table::default();
    for case in cases("schedules") {
        let name = case["name"].as_str().expect("a name");
        let lr = setting(&case, "lr");
        let rates = floats(&case["lr"]);
        let at = format!("at = linspace(0, {}, {})", rates.len() - 1, rates.len());
        let call = match name {
            "cosine_annealing" => {
                format!(
                    "cosine({lr:?}, floor = {:?}, {at}, total = {})",
                    setting(&case, "eta_min"),
                    setting(&case, "T_max")
                )
            }
            "one_cycle" => {
                format!(
                    "one_cycle({:?}, warmup = {:?}, start = {:?}, finish = {:?}, straight = {}, {at}, total = {})",
                    setting(&case, "max_lr"),
                    setting(&case, "pct_start"),
                    setting(&case, "div_factor"),
                    setting(&case, "final_div_factor"),
                    case["attrs"]["anneal"] == "linear",
                    setting(&case, "total_steps")
                )
            }
            "cosine_warm_restarts" => {
                format!(
                    "cosine_warm_restarts({lr:?}, cycle = {}, factor = {}, floor = {:?}, {at})",
                    setting(&case, "T_0"),
                    setting(&case, "T_mult"),
                    setting(&case, "eta_min")
                )
            }
            "step" => {
                format!("step_decay({lr:?}, {}, {:?}, {at})", setting(&case, "step_size"), setting(&case, "gamma"))
            }
            "exponential" => format!("exponential({lr:?}, {:?}, {at})", setting(&case, "gamma")),
            "linear_warmup" => {
                format!(
                    "warmup({lr:?}, {}, start = {:?}, {at})",
                    setting(&case, "total_iters"),
                    setting(&case, "start_factor")
                )
            }
            "reduce_on_plateau" => {
                plateau(&mut table, &case);
                continue;
            }
            other => panic!("a schedule {other}"),
        };
        let list = nested(&[rates.len()], &rates, false);
        let ran = run(name, &format!("print max(abs({call} - {list}))\n"));
        table.add(name, printed(&ran, 0));
    }
    table.check(7);
}

/// A rule with a memory: it is asked once an epoch.
fn plateau(table: &mut Table, case: &Value) {
    let metric = floats(&case["metric"]);
    let text = format!(
        "data rows = table(x = [1.0])\nlet metric = {}\nparam u = 0.0\ntrain on rows {{\n    state rate = {:?}, turn = 0.0\n    minimize mean((u * x)^2) with sgd(rate)\n    epochs {}\n    every 1 epochs {{\n        next rate = reduce_on_plateau(factor = {:?}, patience = {}, threshold = {:?}, highest = {})(rate, metric[int(turn)])\n        next turn = turn + 1\n    }}\n    every 1 epochs {{ print rate }}\n}}\n",
        nested(&[metric.len()], &metric, false),
        setting(case, "lr"),
        metric.len(),
        setting(case, "factor"),
        setting(case, "patience"),
        setting(case, "threshold"),
        case["attrs"]["mode"] == "max",
    );
    let ran = run("reduce_on_plateau", &text);
    let got: Vec<f64> = ran.prints.iter().flat_map(|line| numbers(line)).collect();
    // The reference lists the rate that an epoch used, the program the one it leaves.
    let used = floats(&case["lr"]);
    table.compare("reduce_on_plateau", &got[..got.len() - 1], &used[1..]);
}

#[test]
fn metrics() {
    let mut table = Table::default();
    for case in cases("metrics") {
        let list = |key: &str| {
            let data = floats(&case[key]);
            match case[key][0].as_array() {
                Some(row) => nested(&[data.len() / row.len(), row.len()], &data, false),
                None => nested(&[data.len()], &data, case[key][0].is_i64()),
            }
        };
        let (setup, calls): (String, Vec<(&str, &str)>) = match case["name"].as_str().expect("a name") {
            "binary" => (
                format!(
                    "let s = {}\nlet t = {}\nlet yes = s >= {:?}",
                    list("scores"),
                    list("target"),
                    case["threshold"].as_f64().unwrap()
                ),
                vec![
                    ("accuracy", "accuracy(s - 1e-6, t, threshold = 0.499998)"),
                    ("precision", "precision(yes, t)"),
                    ("recall", "recall(yes, t)"),
                    ("f1", "f1(yes, t)"),
                    ("specificity", "specificity(yes, t)"),
                    ("balanced_accuracy", "balanced_accuracy(yes, t)"),
                    ("matthews", "matthews(yes, t)"),
                    ("log_loss", "bce(s, t)"),
                    ("roc_auc", "auc_roc(s, t)"),
                    ("average_precision", "average_precision(s, t)"),
                ],
            ),
            "multiclass" => (
                format!("let s = {}\nlet t = class({}, 4)", list("logits"), list("target")),
                vec![
                    ("accuracy", "accuracy(s, t)"),
                    ("balanced_accuracy", "balanced_accuracy(s, t)"),
                    ("precision_macro", "precision(s, t)"),
                    ("recall_macro", "recall(s, t)"),
                    ("f1_macro", "f1(s, t)"),
                    ("precision_micro", "precision(s, t, average = \"micro\")"),
                    ("recall_micro", "recall(s, t, average = \"micro\")"),
                    ("f1_micro", "f1(s, t, average = \"micro\")"),
                    ("precision_weighted", "precision(s, t, average = \"weighted\")"),
                    ("recall_weighted", "recall(s, t, average = \"weighted\")"),
                    ("f1_weighted", "f1(s, t, average = \"weighted\")"),
                    ("roc_auc_ovr_macro", "auc_roc(softmax(s), t)"),
                    ("top2_accuracy", "top_k_accuracy(s, t, k = 2)"),
                    ("confusion", "confusion(s, t)"),
                ],
            ),
            "regression" => (
                format!("let s = {}\nlet t = {}", list("pred"), list("target")),
                vec![("mse", "mse(s, t)"), ("rmse", "rmse(s, t)"), ("mae", "mae(s, t)"), ("r2", "r2(s, t)")],
            ),
            other => panic!("metrics {other}"),
        };
        for (key, call) in calls {
            let ran = run(key, &format!("{setup}\nprint {call}\n"));
            let mut got = numbers(&ran.prints.join("\n"));
            let expected = floats(&case[key]);
            got.truncate(expected.len());
            table.compare(&format!("{} {key}", case["name"].as_str().unwrap_or_default()), &got, &expected);
        }
        if case["name"] == "binary" {
            curves(&mut table, &case, &setup);
        }
    }
    table.check(32);
}

/// The points of both curves; the library gives equal scores equal points, the reference one of them.
fn curves(table: &mut Table, case: &Value, setup: &str) {
    for (curve, [first, second], falling) in [("roc", ["fpr", "tpr"], true), ("pr", ["recall", "precision"], false)] {
        let text =
            format!("{setup}\nlet (a, b, at) = {curve}(s, t)\nfor i in 0..len(at) {{ print a[i], b[i], at[i] }}\n");
        let mut points: Vec<Vec<f64>> = run(curve, &text).prints.iter().map(|line| numbers(line)).collect();
        points.dedup_by(|one, other| one[2] == other[2]);
        if !falling {
            points.reverse();
        }
        for (column, key) in [first, second].into_iter().enumerate() {
            let got: Vec<f64> = points.iter().map(|point| point[column]).collect();
            table.compare(&format!("binary {curve} {key}"), &got, &floats(&case[curve][key]));
        }
    }
}

#[test]
fn layers() {
    let mut table = Table::default();
    for case in cases("layers") {
        let name = case["name"].as_str().expect("a name");
        let eps = case["attrs"]["eps"].as_f64().unwrap_or(0.0);
        let set = |from: &str, to: &str| format!("next own.{to} = {}\n", literal(&case["inputs"][from]));
        let (make, sets, renamed): (String, String, Vec<(&str, &str)>) = match case["op"].as_str().expect("a layer") {
            "dense" => ("dense(3)".into(), set("w", "w") + &set("b", "b"), vec![("w", "own.w"), ("b", "own.b")]),
            "layer_norm" => (
                format!("layer_norm(eps = {eps:?})"),
                set("gamma", "gain") + &set("beta", "shift"),
                vec![("gamma", "own.gain"), ("beta", "own.shift")],
            ),
            "rms_norm" => (format!("rms_norm(eps = {eps:?})"), set("gamma", "gain"), vec![("gamma", "own.gain")]),
            "conv1d" | "conv2d" => {
                let units = case["inputs"]["b"]["shape"][0].as_u64().expect("units");
                let all = ["stride", "padding", "dilation", "groups"].iter();
                let given = all.filter(|key| !case["attrs"][**key].is_null());
                let settings: Vec<String> = given.map(|key| format!("{key} = {}", case["attrs"][*key])).collect();
                let op = case["op"].as_str().expect("a layer");
                (
                    format!("{op}({units}, kernel = 3, {})", settings.join(", ")),
                    set("w", "w") + &set("b", "b"),
                    vec![("w", "own.w"), ("b", "own.b")],
                )
            }
            "conv_transpose2d" => (
                "conv_transpose2d(4, kernel = 4, stride = 2, padding = 1)".into(),
                set("w", "w") + &set("b", "b"),
                vec![("w", "own.w"), ("b", "own.b")],
            ),
            pool @ ("max_pool2d" | "avg_pool2d") => {
                let attr = |key: &str| case["attrs"][key].clone();
                let pool = pool.trim_end_matches("2d");
                let call = format!(
                    "{pool}(x, {}, stride = {}, padding = {})",
                    attr("kernel"),
                    attr("stride"),
                    attr("padding")
                );
                table.add(name, worst(&run(name, &with_gradients(&case, "", &call, &[]))));
                continue;
            }
            "global_avg_pool" => {
                table.add(name, worst(&run(name, &with_gradients(&case, "", "global_avg_pool(x)", &[]))));
                continue;
            }
            "embedding" => {
                let setup = format!(
                    "let classes = class(ids, 10)\nlet own = embedding(4)\nlet first = own(classes)\n{}",
                    set("table", "w")
                );
                let text = with_gradients(&case, &setup, "own(classes)", &[("table", "own.w")]);
                table.add(name, worst(&run(name, &text)));
                continue;
            }
            "batch_norm" if name.ends_with("eval") => (
                format!("batch_norm(eps = {eps:?})"),
                set("gamma", "gain") + &set("beta", "shift") + &set("mean", "mu") + &set("var", "var"),
                vec![("gamma", "own.gain"), ("beta", "own.shift")],
            ),
            "batch_norm" => {
                batch_norm(&mut table, name, &case);
                continue;
            }
            other => panic!("a layer {other}"),
        };
        let setup = format!("let own = {make}\nlet first = own(x)\n{sets}");
        let mut case = case.clone();
        for unused in ["mean", "var"] {
            case["inputs"].as_object_mut().expect("inputs").remove(unused);
        }
        table.add(name, worst(&run(name, &with_gradients(&case, &setup, "own(x)", &renamed))));
    }
    table.check(18);
}

/// In training the statistics are the batch's, and the running ones move: only a step does that.
fn batch_norm(table: &mut Table, name: &str, case: &Value) {
    let (inputs, outputs, grads) = (&case["inputs"], &case["outputs"], &case["grads"]);
    let mut text = format!("param x: f32{} = {}\n", shape(&inputs["x"]), literal(&inputs["x"]));
    writeln!(text, "let own = batch_norm(eps = 1e-5, momentum = 0.1)\nlet first = own(x)").unwrap();
    for (from, to) in [("gamma", "gain"), ("beta", "shift"), ("mean", "mu"), ("var", "var")] {
        writeln!(text, "next own.{to} = {}", literal(&inputs[from])).unwrap();
    }
    writeln!(text, "train {{\n    let y = own(x)").unwrap();
    writeln!(text, "    let pulled = sum(y * {})", literal(&case["grad_outputs"]["y"])).unwrap();
    writeln!(text, "    minimize pulled with sgd(0)\n    watch y = {}", off("y", &outputs["y"])).unwrap();
    for (by, key) in [("x", "x"), ("own.gain", "gamma"), ("own.shift", "beta")] {
        writeln!(text, "    watch d_{key} = {}", off(&format!("grad(pulled, {by})"), &grads[key])).unwrap();
    }
    writeln!(text, "    steps 1\n}}").unwrap();
    writeln!(text, "print {}", off("own.mu", &outputs["running_mean"])).unwrap();
    writeln!(text, "print {}", off("own.var", &outputs["running_var"])).unwrap();
    let ran = run(name, &text);
    let train = &ran.outcome.trains[0];
    let figures =
        train.records[0].iter().zip(&train.columns).filter(|(_, column)| *column != "epoch" && *column != "loss");
    let finite = |figure: f32| if figure.is_nan() { f64::INFINITY } else { f64::from(figure) };
    let worst_figure = figures.map(|(figure, _)| finite(*figure)).fold(0.0, f64::max);
    table.add(name, worst(&ran).max(worst_figure));
}
