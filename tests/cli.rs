//! The program as users run it: exit codes, streams, listings, Ctrl-C.

#[path = "cli/helpers.rs"]
mod helpers;

use helpers::{Folder, LINE, NEURON};
use serde_json::Value;

#[test]
fn the_neuron_prints_what_the_course_computes() {
    let folder = Folder::new("neuron");
    let run = folder.with("neuron.nn", NEURON).nnc(&["run", "neuron.nn"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "49\n42 14\n"), "{}", run.stderr);
    assert!(!folder.path("runs").exists(), "nothing was trained or saved, so nothing is written");
    let interpreted = folder.nnc(&["run", "neuron.nn", "--engine", "interp"]);
    assert_eq!(interpreted.stdout, run.stdout);
}

#[test]
fn exit_codes_say_what_happened() {
    let folder = Folder::new("codes");
    folder.with("wrong.nn", "print undefined_name\n").with("false.nn", "param w = 2.0\nassert w > 3, \"too small\"\n");
    folder.with("nan.nn", &LINE.replace("a = 0.0", "a = log(-1.0)"));
    folder.with("load.nn", "param w = 2.0\nload w from \"none.safetensors\"\n");
    let code = |arguments: &[&str]| folder.nnc(arguments).code;
    assert_eq!(code(&["run", "wrong.nn"]), 1);
    assert_eq!(code(&["check", "wrong.nn"]), 1);
    assert_eq!(code(&["run", "wrong.nn", "--unknown"]), 2);
    assert_eq!(code(&["run", "wrong.nn", "--set", "lr"]), 2);
    folder.with("rate.nn", "const lr = 0.1\nprint lr\n");
    assert_eq!(code(&["run", "rate.nn", "--set", "lr=fast"]), 1);
    assert_eq!(code(&["run", "wrong.nn", "--threads", "0"]), 2);
    assert_eq!(code(&["run", "none.nn"]), 4);
    assert_eq!(code(&["--version"]), 0);
    assert_eq!(code(&["run", "--help"]), 0);
    let failed = folder.nnc(&["run", "false.nn"]);
    assert_eq!(failed.code, 3);
    assert!(failed.stderr.contains("F0901") && failed.stderr.contains("too small"), "{}", failed.stderr);
    let fault = folder.nnc(&["run", "nan.nn"]);
    assert_eq!(fault.code, 3, "{}", fault.stderr);
    assert!(fault.stderr.contains("F0902"), "{}", fault.stderr);
}

#[test]
fn files_that_are_no_text_are_diagnostics() {
    let folder = Folder::new("bytes");
    std::fs::write(folder.path("binary.nn"), b"print 1\nprint \xff\xfe\n").unwrap();
    std::fs::write(folder.path("zero.nn"), b"print 1\0\n").unwrap();
    for file in ["binary.nn", "zero.nn"] {
        let run = folder.nnc(&["run", file]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.contains("E0118"), "{}", run.stderr);
    }
    assert_eq!(folder.nnc(&["run", "."]).code, 4);
}

#[test]
fn training_leaves_weights_and_a_log() {
    let folder = Folder::new("train");
    let run = folder.with("line.nn", LINE).nnc(&["run", "line.nn"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let numbers: Vec<f32> = run.stdout.split_whitespace().map(|text| text.parse().unwrap()).collect();
    assert!((numbers[0] - 2.0).abs() < 1e-3 && (numbers[1] - 1.0).abs() < 1e-3, "{}", run.stdout);
    assert!(run.stderr.contains("epoch   1/200  loss 21"), "{}", run.stderr);
    assert!(folder.path("runs/line/train1.safetensors").exists());
    let log = std::fs::read_to_string(folder.path("runs/line/log.jsonl")).unwrap();
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((last["epoch"].as_u64(), last["epochs"].as_u64()), (Some(200), Some(200)));
    let again = folder.nnc(&["run", "line.nn", "--out", "elsewhere", "--quiet", "--threads", "2"]);
    assert_eq!((again.stdout, again.stderr.as_str()), (run.stdout, ""));
    assert!(folder.path("elsewhere/log.jsonl").exists());
}

#[test]
fn json_has_one_object_a_line() {
    let folder = Folder::new("json");
    let run = folder.with("line.nn", LINE).nnc(&["run", "line.nn", "--json"]);
    let events: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"train"), Some(&"done")));
    assert!(["epoch", "trained", "print", "note"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let epoch = events.iter().find(|event| event["event"] == "epoch").unwrap();
    assert_eq!(epoch["figures"]["loss"], 21.0);
    assert_eq!(run.stderr, "");
}

#[test]
fn constants_are_set_from_outside() {
    let folder = Folder::new("set");
    folder.with("set.nn", "const rate = 0.5\nprint rate * 2\n");
    assert_eq!(folder.nnc(&["run", "set.nn"]).stdout, "1\n");
    assert_eq!(folder.nnc(&["run", "set.nn", "--set", "rate=3"]).stdout, "6\n");
    let unknown = folder.nnc(&["run", "set.nn", "--set", "rat=3"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("E0410") && unknown.stderr.contains("rate"), "{}", unknown.stderr);
    folder.with("lib.nn", "const rate = 0.1, size = 3\nfn scaled(x) = x * rate\n");
    folder.with("named.nn", "import \"lib.nn\" as lib\nconst own = 2\nprint lib.scaled(10) * own\n");
    let named = folder.nnc(&["run", "named.nn", "--quiet", "--set", "lib.rate=0.5", "--set", "own=3"]);
    assert_eq!((named.code, named.stdout.as_str()), (0, "15\n"), "{}", named.stderr);
    let plain = folder.with("plain.nn", "import \"lib.nn\"\nprint scaled(10), size\n");
    let plain = plain.nnc(&["run", "plain.nn", "--quiet", "--set", "rate=0.7"]);
    assert_eq!((plain.code, plain.stdout.as_str()), (0, "7 3\n"), "{}", plain.stderr);
}

#[test]
fn check_tells_costs_and_findings() {
    let folder = Folder::new("check");
    folder.with("line.nn", LINE).with("wrong.nn", "print undefined_name\nlet a = [1.0, 2.0] + [1.0, 2.0, 3.0]\n");
    let told = folder.nnc(&["check", "line.nn"]).stdout;
    for part in ["no errors", "2 in 2 tensors", "data points: rows train 4", "step of train1, 4 rows"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let wrong = folder.nnc(&["check", "wrong.nn", "--format", "json"]);
    let codes: Vec<Value> = wrong.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<&str> = codes.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["E0201", "E0301"], "both are told in one run");
}

/// Compares each row with all others; 4000 rows at once need 64 MB.
const SQUARE: &str = "data points = moons(n = 8000) { split train = 0.5, test = 0.5 }
model Net(x: f32[B, 2]) -> f32[B, 4] { x |> dense(4) }
fn crowded(x: f32[B, 2]) = mean(softmax(Net(x) @ transpose(Net(x)))^2)
train Net on points { minimize crowded(x) with adam(1e-2); steps 2 BATCH }
print mean(Net(x)) on points.test
print crowded(x) on points.test BY
";

#[test]
fn what_does_not_fit_is_told_before_anything_runs() {
    let folder = Folder::new("memory");
    let program = |batch: &str, by: &str| SQUARE.replace("BATCH", batch).replace("BY", by);
    folder.with("whole.nn", &program("; batch 64", "")).with("batch.nn", &program("", "by 100"));
    folder.with("fits.nn", &program("; batch 64", "by 100"));
    let whole = folder.nnc(&["run", "whole.nn", "--memory", "32MB"]);
    assert_eq!((whole.code, whole.stdout.as_str()), (1, ""), "{}", whole.stderr);
    for part in ["E0702", "print crowded(x) on points.test", "`on points.test by 256`", "alone takes 64.0 MB"] {
        assert!(whole.stderr.contains(part), "{part} is missing in\n{}", whole.stderr);
    }
    assert!(whole.stderr.contains("there are 32.0 MB") && whole.stderr.contains("1 error"), "{}", whole.stderr);
    let batch = folder.nnc(&["check", "batch.nn", "--memory", "32MB"]);
    assert!(batch.stderr.contains("E0702") && batch.stderr.contains("`batch 64`"), "{}", batch.stderr);
    let json = folder.nnc(&["check", "batch.nn", "--memory", "0.032G", "--format", "json"]);
    assert_eq!((json.code, json.stdout.contains("\"code\":\"E0702\"")), (1, true), "{}", json.stdout);
    for (file, memory) in [("fits.nn", "32MB"), ("whole.nn", "200M")] {
        let run = folder.nnc(&["run", file, "--memory", memory, "--quiet"]);
        assert_eq!(run.code, 0, "{file}: {}", run.stderr);
    }
    assert_eq!(folder.nnc(&["run", "fits.nn", "--memory", "much"]).code, 2);
}

#[test]
fn files_of_weights_are_looked_at_before_anything_runs() {
    let folder = Folder::new("weights");
    let model = |inputs: usize| {
        format!("model M(x: f32[B, {inputs}]) -> f32[B, 2] {{ x |> dense(2) }}\nprint shape(M(ones[1, {inputs}]))\n")
    };
    folder.with("save.nn", &format!("{}save M as \"m.safetensors\"\nload M from \"m.safetensors\"\n", model(3)));
    assert_eq!(folder.nnc(&["run", "save.nn", "--quiet", "--out", "sub"]).code, 0);
    let loads = |inputs, file: &str| format!("{}load M from \"{file}\"\nprint \"loaded\"\n", model(inputs));
    folder.with("sub/beside.nn", &loads(3, "m.safetensors")).with("here.nn", &loads(3, "sub/m.safetensors"));
    for file in ["sub/beside.nn", "here.nn"] {
        let run = folder.nnc(&["run", file, "--quiet"]);
        assert!(run.code == 0 && run.stdout.contains("loaded"), "{file}: {}{}", run.stdout, run.stderr);
    }
    let two =
        "let first = dense(2)\nlet second = dense(2)\nprint shape(first(ones[1, 3])), shape(second(ones[1, 4]))\n";
    folder.with("half.safetensors", "half").with("other.nn", &loads(4, "sub/m.safetensors"));
    folder.with("half.nn", &loads(3, "half.safetensors")).with("none.nn", &loads(3, "none.safetensors"));
    folder.with(
        "saved.nn",
        &format!("{two}save first as \"f.safetensors\"\nload second from \"f.safetensors\" at \"first\"\n"),
    );
    folder.with("name.nn", &format!("{two}load first from \"sub/m.safetensors\" at \"M.dense\"\n"));
    for (file, reason) in [
        ("other.nn", "M.dense1.w is f32[4, 2] here and F32 [3, 2] in"),
        ("half.nn", "half.safetensors is not a whole safetensors file"),
        ("none.nn", "none.safetensors"),
        ("saved.nn", "first.w is f32[4, 2] here and f32[3, 2] in f.safetensors, as saved above"),
        ("name.nn", "has no M.dense.w; it has M.dense1.w"),
    ] {
        let run = folder.nnc(&["run", file]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{file}: {}", run.stderr);
        assert!(run.stderr.contains("E0701") && run.stderr.contains(reason), "{file}: {}", run.stderr);
        assert_eq!(folder.nnc(&["check", file]).code, 1, "{file}");
    }
}

#[test]
fn every_code_is_explained() {
    let folder = Folder::new("explain");
    for code in nnc::diag::Code::ALL {
        // One process is enough to see that the command works; the texts come from one function.
        let text = nnc::diag::render::explain(*code);
        assert!(text.contains(code.name()) && text.len() > 60, "{}: {text}", code.name());
    }
    let told = folder.nnc(&["explain", "e0101"]);
    assert_eq!(told.code, 0);
    assert_eq!(told.stdout, nnc::diag::render::explain(nnc::diag::Code::E0101));
    let unknown = folder.nnc(&["explain", "E0199"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean E01"), "{}", unknown.stderr);
}

#[test]
fn definitions_are_shown_as_they_stand() {
    let folder = Folder::new("doc");
    folder.with("line.nn", LINE);
    let own = folder.nnc(&["doc", "plain", "--file", "line.nn"]);
    assert_eq!(own.code, 0, "{}", own.stderr);
    assert!(own.stdout.starts_with("optimizer plain(lr = 0.1)  (line.nn)"), "{}", own.stdout);
    assert!(own.stdout.contains("Plain descent") && own.stdout.contains("next w = w - lr * g"), "{}", own.stdout);
    let near = folder.nnc(&["doc", "plan", "--file", "line.nn"]);
    assert_eq!(near.code, 2);
    assert!(near.stderr.contains("did you mean plain?"), "{}", near.stderr);
    let all = folder.nnc(&["doc"]).stdout;
    for (file, _) in nnc::prelude::FILES {
        assert!(all.contains(&format!("<prelude>/{file}")), "{file} is missing");
    }
}

#[test]
fn stages_of_the_neuron() {
    let folder = Folder::new("stages");
    folder.with("neuron.nn", NEURON);
    for stage in ["ast", "typed", "graph", "grad", "fused", "loops", "clif"] {
        let shown = folder.nnc(&["emit-ir", "neuron.nn", "--stage", stage]);
        assert_eq!(shown.code, 0, "{stage}: {}", shown.stderr);
        assert!(shown.stdout.lines().count() > 5, "{stage}: {}", shown.stdout);
    }
    let canonical = folder.nnc(&["emit-ir", "neuron.nn", "--stage", "ast"]).stdout;
    let again = folder.with("canonical.nn", &canonical).nnc(&["emit-ir", "canonical.nn", "--stage", "ast"]).stdout;
    assert_eq!(again, canonical, "the canonical text is its own canonical text");
    assert!(
        canonical.contains("let L = (w * x + b) ^ 2") || canonical.contains("let L = (w * x + b)^2"),
        "{canonical}"
    );
    insta::assert_snapshot!(
        "neuron_grad_values",
        folder.nnc(&["emit-ir", "neuron.nn", "--stage", "grad", "--values"]).stdout
    );
    insta::assert_snapshot!("neuron_fused", folder.nnc(&["emit-ir", "neuron.nn", "--stage", "fused"]).stdout);
}

#[test]
fn values_of_the_neuron_are_those_of_the_course() {
    let folder = Folder::new("values");
    let shown = folder.with("neuron.nn", NEURON).nnc(&["emit-ir", "neuron.nn", "--stage", "graph", "--values"]).stdout;
    let wanted = [
        "w = 2   gradient 42",
        "b = 1   gradient 14",
        "x = 3   gradient 28",
        "w * x = 6   gradient 14",
        "w * x + b = 7   gradient 14",
        "L = 49   gradient 1",
    ];
    for line in wanted {
        assert!(shown.contains(line), "{line} is missing in\n{shown}");
    }
    let svg = folder.nnc(&["emit-ir", "neuron.nn", "--stage", "graph", "--values", "--format", "svg"]).stdout;
    assert!(svg.contains("<svg") && svg.contains(">= 49<") && svg.contains(">gradient 28<"), "{svg}");
    let dot = folder.nnc(&["emit-ir", "neuron.nn", "--stage", "grad", "--values", "--format", "dot"]).stdout;
    assert!(dot.contains("digraph") && dot.contains("rule of mul") && dot.contains("gradient 42"), "{dot}");
}

#[test]
fn computations_are_chosen_by_name_and_number() {
    let folder = Folder::new("choose");
    folder.with("line.nn", LINE);
    let emit = |extra: &[&str]| folder.nnc(&[&["emit-ir", "line.nn", "--stage", "graph"], extra].concat());
    assert!(emit(&[]).stdout.starts_with("# 1 train1, 4 rows\n# others (--program): 2 print:"));
    assert!(emit(&["--program", "2"]).stdout.starts_with("# 2 print:"));
    let wrong = emit(&["--program", "train2"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("did you mean train1?"), "{}", wrong.stderr);
    assert_eq!(folder.nnc(&["emit-ir", "line.nn", "--stage", "fused", "--after", "fold"]).code, 0);
    let pass = folder.nnc(&["emit-ir", "line.nn", "--stage", "fused", "--after", "fuld"]);
    assert_eq!(pass.code, 2);
    assert!(pass.stderr.contains("did you mean fold?"), "{}", pass.stderr);
    assert_eq!(folder.nnc(&["emit-ir", "line.nn", "--stage", "loops", "--values"]).code, 2);
}

#[test]
fn bench_lists_kernels_and_a_total() {
    let folder = Folder::new("bench");
    let told = folder.with("line.nn", LINE).nnc(&["bench", "line.nn", "--millis", "20"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stdout.contains("step of train1, 4 rows") && told.stdout.contains("  total\n"), "{}", told.stdout);
}

#[test]
fn data_is_found_beside_the_program_and_where_the_environment_says() {
    let folder = Folder::new("data");
    folder.with("set/points.csv", "x,y\n0,1\n1,3\n2,5\n3,7\n");
    let program = LINE.replace("table(x = [0, 1, 2, 3], y = [1, 3, 5, 7])", "csv(\"points.csv\")");
    folder.with("set/line.nn", &program).with("line.nn", &program);
    let beside = folder.nnc(&["run", "set/line.nn", "--quiet"]);
    assert_eq!(beside.code, 0, "{}", beside.stderr);
    let missing = folder.nnc(&["run", "line.nn", "--quiet"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("E0601"), "{}", missing.stderr);
    let named = folder.nnc_with(&["run", "line.nn", "--quiet"], &[("NNC_DATA", "set")]);
    assert_eq!((named.code, named.stdout), (0, beside.stdout), "{}", named.stderr);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_cleanly_and_keeps_what_was_reached() {
    let folder = Folder::new("interrupt");
    folder.with("long.nn", &LINE.replace("epochs 200", "epochs 2000000000"));
    let code = folder.interrupt(&["run", "long.nn"], "runs/long/log.jsonl");
    assert_eq!(code, 130);
    assert!(folder.path("runs/long/train1.safetensors").exists());
}

#[test]
fn timings_have_a_mark_for_each_stage() {
    let folder = Folder::new("timings");
    folder.with("line.nn", LINE);
    let told = folder.nnc(&["run", "line.nn", "--timings"]).stderr;
    let marks: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("time ")?.split(" ms  ").nth(1)).collect();
    let mut rest = marks.iter().map(|mark| mark.split(" (").next().unwrap());
    for stage in ["start", "parse", "check", "load points", "compile train1", "first step", "epoch 1", "end"] {
        assert!(rest.any(|mark| mark == stage), "{stage} is missing, or out of order, in {marks:?}");
    }
    let events = folder.nnc(&["run", "line.nn", "--timings", "--json"]).stdout;
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let times: Vec<&Value> = events.iter().filter(|event| event["event"] == "time").collect();
    for stage in ["start", "parse", "check", "load points", "compile train1", "first step", "epoch 1", "end"] {
        let found = times.iter().find(|time| time["what"] == stage).unwrap_or_else(|| panic!("{stage} is missing"));
        assert!(found["at_ms"].as_f64().unwrap() > 0.0, "{found}");
    }
    assert!(times.windows(2).all(|pair| pair[0]["at_ms"].as_f64() <= pair[1]["at_ms"].as_f64()), "{times:?}");
}

#[test]
fn predict_answers_for_the_rows_of_a_file() {
    let folder = Folder::new("predict");
    let mut rows = "a,b,species\n".to_string();
    for at in 0..60 {
        let (x, name) = (f64::from(at % 7) * 0.1, ["setosa", "\"vir,ginica\""][at as usize % 2]);
        rows += &format!("{},{},{name}\n", x + f64::from(at % 2) * 4.0, 9.0 - x);
    }
    let program = "\
const hidden = 8
data iris = csv(\"iris.csv\") {
    input [a, b] |> standardize
    target species
    split train = 0.8, val = 0.2
}
let width = hidden * 2
fn act(h) = tanh(h)
model Net(input: f32[B, 2]) -> f32[B, 2] { input |> dense(width) |> act |> dense(2) }
train Net on iris as log { minimize cross_entropy(Net(input), species) with adam(0.05); epochs 60 }
print log.loss[-1]
let right = accuracy(Net(input), species) on iris.val
print right
";
    folder.with("iris.csv", &rows).with("new.csv", "b,a\n9,0\n8.8,4.2\n").with("bad.csv", "a,c\n1,2\n");
    let untrained = folder.with("flowers.nn", program).nnc(&["predict", "flowers.nn", "new.csv"]);
    assert_eq!(untrained.code, 4, "{}", untrained.stderr);
    assert!(untrained.stderr.contains("run the program first"), "{}", untrained.stderr);
    assert_eq!(folder.nnc(&["run", "flowers.nn"]).code, 0);

    let answers = folder.nnc(&["predict", "flowers.nn", "new.csv"]);
    assert_eq!(answers.code, 0, "{}", answers.stderr);
    let lines: Vec<&str> = answers.stdout.lines().collect();
    assert_eq!(lines[0], "class,setosa,\"vir,ginica\"");
    assert!(lines[1].starts_with("setosa,") && lines[2].starts_with("\"vir,ginica\","), "{}", answers.stdout);
    assert_eq!(lines.len(), 3);

    let all = folder.nnc(&["predict", "flowers.nn", "iris.csv", "--model", "Net", "--out", "answers.csv"]);
    assert_eq!((all.code, all.stdout.as_str()), (0, ""), "{}", all.stderr);
    assert_eq!(std::fs::read_to_string(folder.path("answers.csv")).unwrap().lines().count(), 61);

    let missing = folder.nnc(&["predict", "flowers.nn", "bad.csv"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("bad.csv has the columns a, c"), "{}", missing.stderr);
    let other_size = folder.nnc(&["predict", "flowers.nn", "new.csv", "--set", "hidden=4"]);
    assert!(other_size.code == 1 && other_size.stderr.contains("E0701"), "{}", other_size.stderr);
    let unknown = folder.nnc(&["predict", "flowers.nn", "new.csv", "--model", "Nut"]);
    assert!(unknown.code == 4 && unknown.stderr.contains("no statement `train Nut on ...`"), "{}", unknown.stderr);
}

#[test]
fn predict_answers_with_numbers() {
    let folder = Folder::new("predict-numbers");
    folder.with("heights.csv", "x,y\n0,1\n1,3\n2,5\n3,7\n").with("new.csv", "x\n10\n-1\n");
    let program = "\
data heights = csv(\"heights.csv\")
model Line(x: f32[B]) -> f32[B] {
    param a = 0.0, b = 0.0
    a * x + b
}
train Line on heights { minimize mse(Line(x), y) with sgd(0.1); epochs 400 }
";
    assert_eq!(folder.with("line.nn", program).nnc(&["run", "line.nn"]).code, 0);
    let answers = folder.nnc(&["predict", "line.nn", "new.csv"]);
    assert_eq!(answers.code, 0, "{}", answers.stderr);
    let lines: Vec<&str> = answers.stdout.lines().collect();
    assert_eq!(lines[0], "Line");
    let numbers: Vec<f32> = lines[1..].iter().map(|line| line.parse().unwrap()).collect();
    assert!((numbers[0] - 21.0).abs() < 1e-2 && (numbers[1] + 1.0).abs() < 1e-2, "{}", answers.stdout);
}

#[test]
fn an_index_outside_of_its_axis_is_a_fault() {
    let folder = Folder::new("outside");
    let told = |name: &str, text: &str| {
        let run = folder.with(name, text).nnc(&["run", name]);
        assert_eq!(run.code, 3, "{}", run.stderr);
        assert!(run.stderr.contains("F0906"), "{}", run.stderr);
        let interpreted = folder.nnc(&["run", name, "--engine", "interp"]);
        assert_eq!(interpreted.code, 3, "{}", interpreted.stderr);
        run.stderr
    };
    let file = told("file.nn", "param n = 7.0\nlet x = [1.0, 2.0]\nprint x[int(n)]\n");
    assert!(file.contains("index 7 is outside of an axis of 2") && file.contains("file.nn:3:7"), "{file}");
    let scan = told("scan.nn", "let x = [1.0, 2.0, 3.0]\nprint scan i in 0..3 { emit x[i + 1] }\n");
    assert!(scan.contains("index 3 is outside of an axis of 3"), "{scan}");
    let data = "data d = table(k = [0, 1, 2, 5], y = [1, 2, 3, 4]) { split train = 0.5, val = 0.5 }\n";
    let part = told("part.nn", &format!("{data}let x = [1.0, 2.0, 3.0]\nprint mean(x[int(k)]) on d.all\n"));
    assert!(part.contains("index 5 is outside of an axis of 3"), "{part}");
    let chunks = told("by.nn", &format!("{data}let x = [1.0, 2.0, 3.0]\nprint mean(x[int(k)]) on d.all by 2\n"));
    assert!(chunks.contains("index 5 is outside of an axis of 3"), "{chunks}");
    let model = "model M(k: f32[B]) -> f32[B, 3] { embedding(3)(class(int(k), 3)) }\n";
    let train = "train M on d { minimize mean((M(k) - 1)^2) with sgd(0.1); epochs 3 }\n";
    let train = told("train.nn", &format!("{data}{model}{train}"));
    assert!(train.contains("index 5 is outside of an axis of 3") && train.contains("in this definition"), "{train}");
}
