//! Recurrent layers against those of PyTorch: its weights are [gates·H, ...], ours [..., gates·H], and where it has two
//! biases that are only ever added, ours are one.

use super::{Table, cases, floats, literal, run, with_gradients, worst};
use serde_json::{Value, json};

fn transposed(tensor: &Value) -> Value {
    let (shape, data) = (floats(&tensor["shape"]), floats(&tensor["data"]));
    let (rows, columns) = (shape[0] as usize, shape[1] as usize);
    let moved: Vec<f64> =
        (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c))).map(|(r, c)| data[r * columns + c]).collect();
    json!({ "shape": [columns, rows], "data": moved })
}

fn sum(a: &Value, b: &Value) -> Value {
    let data: Vec<f64> = floats(&a["data"]).iter().zip(floats(&b["data"])).map(|(a, b)| a + b).collect();
    json!({ "shape": a["shape"], "data": data })
}

/// The case with our weights; those of an input that is no weight stay.
fn ours(case: &Value, together: bool) -> Value {
    let mut new = case.clone();
    for part in ["inputs", "grads"] {
        let old = &case[part];
        let (b_x, b_h) = (&old["b_ih"], &old["b_hh"]);
        let mut made = json!({ "x": old["x"], "w_x": transposed(&old["w_ih"]), "w_h": transposed(&old["w_hh"]) });
        if together {
            made["b"] = if part == "inputs" { sum(b_x, b_h) } else { b_x.clone() };
        } else {
            (made["b_x"], made["b_h"]) = (b_x.clone(), b_h.clone());
        }
        new[part] = made;
    }
    new
}

#[test]
fn recurrent_layers() {
    let mut table = Table::default();
    for case in cases("recurrent") {
        let name = case["op"].as_str().expect("a layer");
        let together = name != "gru";
        let case = ours(&case, together);
        let weights: &[&str] = if together { &["w_x", "w_h", "b"] } else { &["w_x", "w_h", "b_x", "b_h"] };
        let sets: String = weights
            .iter()
            .map(|weight| format!("next own.{weight} = {}\n", literal(&case["inputs"][*weight])))
            .collect();
        let own: Vec<String> = weights.iter().map(|weight| format!("own.{weight}")).collect();
        let renamed: Vec<(&str, &str)> = weights.iter().copied().zip(own.iter().map(String::as_str)).collect();
        let setup = format!("let own = {name}(5)\nlet first = own(x)\n{sets}");
        table.add(name, worst(&run(name, &with_gradients(&case, &setup, "own(x)", &renamed))));
    }
    table.check(3);
}
