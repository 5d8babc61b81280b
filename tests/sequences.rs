//! Attention against values that PyTorch computed.
//!
//! As in the suite of golden values: each case is a program that uses the
//! library as a user would. PyTorch keeps weights as [out, in] and stacks those
//! of queries, keys and values; the programs cut and turn them.

use super::golden::{Table, cases, floats, literal, off, run, setting, shape, with_gradients, worst};
use super::programs::numbers;
use serde_json::Value;
use std::fmt::Write;

/// A tensor of the case, transposed: [out, in] to [in, out].
fn turned(tensor: &Value) -> Value {
    let [rows, columns] = floats(&tensor["shape"])[..] else { panic!("a matrix") };
    let (rows, columns) = (rows as usize, columns as usize);
    let data = floats(&tensor["data"]);
    let turned: Vec<f64> = (0..rows * columns).map(|at| data[at % rows * columns + at / rows]).collect();
    serde_json::json!({ "shape": [columns, rows], "data": turned })
}

/// Part `which` of `count` equal parts along the first axis.
fn part(tensor: &Value, which: usize, count: usize) -> Value {
    let mut shape: Vec<usize> = floats(&tensor["shape"]).iter().map(|size| *size as usize).collect();
    shape[0] /= count;
    let data = floats(&tensor["data"]);
    let size = data.len() / count;
    serde_json::json!({ "shape": shape, "data": &data[which * size..][..size] })
}

/// One parameter of the library: its path, its value, its gradient.
fn parameters(case: &Value) -> Vec<(String, Value, Value)> {
    let mut list = Vec::new();
    let mut add = |path: &str, key: &str, change: &dyn Fn(&Value) -> Value| {
        list.push((path.to_string(), change(&case["inputs"][key]), change(&case["grads"][key])));
    };
    for (at, name) in ["q", "k", "v"].iter().enumerate() {
        add(&format!("attend.w_{name}"), "self_attn_in_proj_weight", &|tensor| turned(&part(tensor, at, 3)));
        add(&format!("attend.b_{name}"), "self_attn_in_proj_bias", &|tensor| part(tensor, at, 3));
    }
    add("attend.w_o", "self_attn_out_proj_weight", &turned);
    add("attend.b_o", "self_attn_out_proj_bias", &Value::clone);
    for (path, key) in [("feed.wide", "linear1"), ("feed.narrow", "linear2")] {
        add(&format!("{path}.w"), &format!("{key}_weight"), &turned);
        add(&format!("{path}.b"), &format!("{key}_bias"), &Value::clone);
    }
    for norm in ["norm1", "norm2"] {
        add(&format!("{norm}.gain"), &format!("{norm}_weight"), &Value::clone);
        add(&format!("{norm}.shift"), &format!("{norm}_bias"), &Value::clone);
    }
    list
}

/// `let own = make`, given the parameters of the case; prints how far value and gradients are off.
fn layer(case: &Value, make: &str, parameters: &[(String, Value, Value)]) -> String {
    let x = &case["inputs"]["x"];
    let mut text = format!("param x: f32{} = {}\nlet own = {make}\nlet first = own(x)\n", shape(x), literal(x));
    for (path, value, _) in parameters {
        writeln!(text, "next own.{path} = {}", literal(value)).unwrap();
    }
    writeln!(text, "let golden = own(x)\nprint {}", off("golden", &case["outputs"]["y"])).unwrap();
    writeln!(text, "let pulled = sum(golden * {})", literal(&case["grad_outputs"]["y"])).unwrap();
    writeln!(text, "print {}", off("grad(pulled, x)", &case["grads"]["x"])).unwrap();
    for (path, _, gradient) in parameters {
        writeln!(text, "print {}", off(&format!("grad(pulled, own.{path})"), gradient)).unwrap();
    }
    text
}

#[test]
fn attention() {
    let mut table = Table::default();
    for case in cases("attention") {
        let name = case["name"].as_str().expect("a name");
        let text = match case["op"].as_str().expect("an operation") {
            "scaled_dot_product_attention" => {
                let causal = case["attrs"]["causal"].as_bool().unwrap_or(false);
                let call = format!("dot_attention(q, k, v, heads = {}, causal = {causal})", setting(&case, "heads"));
                with_gradients(&case, "", &call, &[])
            }
            "sinusoidal_positional_encoding" => {
                let (length, width) = (setting(&case, "length"), setting(&case, "dim"));
                let whole = format!("add_positions(zeros[1, {length}, {width}])[0]");
                let own = format!("sinusoid(linspace(0, {length} - 1, {length}), {width})");
                let y = &case["outputs"]["y"];
                format!("print {}\nprint {}\n", off(&whole, y), off(&own, y))
            }
            "transformer_encoder_layer" => {
                let make = format!(
                    "encoder_block({}, hidden = {}, activation = {}, pre = {}, eps = {:?})",
                    setting(&case, "heads"),
                    setting(&case, "ff"),
                    case["attrs"]["activation"].as_str().expect("an activation"),
                    case["attrs"]["norm"] == "pre",
                    setting(&case, "eps")
                );
                layer(&case, &make, &parameters(&case))
            }
            other => panic!("attention {other}"),
        };
        table.add(name, worst(&run(name, &text)));
    }
    table.check(4);
}

/// A thousand turns, through all of which the gradient goes: the answer is the share of ones in a sequence.
#[test]
fn an_lstm_trains_over_a_thousand_turns() {
    let text = "model Share(x: f32[B, T, 1]) -> f32[B] { (x |> lstm(8))[:, -1] |> dense(1) |> squeeze(along = 1) }
train Share {
    let share = uniform[16]
    let x = f32(uniform[16, 1000, 1] < reshape(share, [16, 1, 1]))
    minimize mse(Share(x), share) with clip_norm(adam(0.02), 1)
    steps 60
    record loss = mse(Share(x), share) into path
}
print mean(path.loss[0:5]), mean(path.loss[50:60])
";
    let losses = numbers(&run("share", text).prints.join(" "));
    assert!(losses[0] > 0.15 && losses[1] < 0.03, "{losses:?}");
}

/// The order of everything that is collected by name or number on the way is fixed: the same text gives the same code.
#[test]
fn gradients_of_recurrent_nets_repeat_bit_for_bit() {
    let text = "seed 3153
let x = normal[2, 12, 8]
model Net(x: f32[B, T, 8]) { x |> gru(16) |> rnn(5) }
let gradients = grad(mean(Net(x)^2), Net)
print for g in gradients { emit sum(abs(g)) }
";
    let first = run("repeats", text).prints;
    for _ in 0..12 {
        assert_eq!(run("repeats", text).prints, first);
    }
}
