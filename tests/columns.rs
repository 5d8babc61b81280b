//! Columns of data blocks, as users see them: programs over small files that the
//! tests write, and what those programs say where something is wrong with a file.

use super::programs::{Folder, INTERPRETER, JIT, check, numbers, run_set, run_text};
use std::path::Path;

/// Rows with gaps: the last two of five are the test part.
const PEOPLE: &str = "id,age,fare,kind,y\n1,22,1,a,0\n2,,2,b,1\n3,30,3,b,1\n4,90,40,,0\n5,41,50,a,1\n";
const FITS: &str = "
data people = csv(\"people.csv\") {
    input [age, fare] |> fill(median) |> standardize
    input kind |> fill(most_common) |> one_hot
    target y
    split test = row >= 3
}
model M(input: f32[B, D]) -> f32[B] { input |> dense(1) |> squeeze }
train M on people { minimize bce_with_logits(M(input), y) with sgd(0.1); epochs 2 }
save M as \"m.safetensors\"
print input on people.test
";

fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    std::fs::create_dir_all(&folder.0).expect("a folder for the test");
    for (name, text) in files {
        std::fs::write(folder.0.join(name), text).expect("a file of the test");
    }
    folder
}

/// The path of a program in a folder.
fn program(folder: &Folder) -> String {
    folder.0.join("program.nn").to_string_lossy().into_owned()
}

fn prints(folder: &Folder, text: &str) -> Vec<String> {
    let ran = run_text(&program(folder), text, JIT).unwrap_or_else(|fault| panic!("{fault}"));
    let again = run_text(&program(folder), text, INTERPRETER).unwrap_or_else(|fault| panic!("{fault}"));
    for (jit, interpreter) in ran.prints.iter().zip(&again.prints) {
        for (a, b) in numbers(jit).iter().zip(numbers(interpreter)) {
            assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{jit}\n{interpreter}");
        }
    }
    ran.prints
}

fn fault(folder: &Folder, text: &str) -> String {
    match run_text(&program(folder), text, JIT) {
        Ok(ran) => panic!("it ran: {:?}", ran.prints),
        Err(fault) => fault.replace(&format!("{}/", folder.0.display()), ""),
    }
}

#[test]
fn what_is_learnt_is_of_the_training_part_alone() {
    let ran = |people: &str| {
        let folder = folder(&[("people.csv", people)]);
        let ran = run_text(&program(&folder), FITS, JIT).unwrap_or_else(|fault| panic!("{fault}"));
        let (_, stored) = ran.files.into_iter().find(|(name, _)| name == "m.safetensors").expect("the model");
        (stored, ran.prints)
    };
    let (stored, printed) = ran(PEOPLE);
    let (other, changed) = ran(&PEOPLE.replace("5,41,50,a,1", "5,1000,-3,b,0"));
    assert_eq!(stored, other, "a test row changes no fit and no weight");
    assert_ne!(printed, changed, "but itself");
    let (third, _) = ran(&PEOPLE.replace("3,30,3", "3,31,3"));
    assert_ne!(stored, third, "a training row does");
    let text = String::from_utf8_lossy(&stored);
    for name in ["people.fill1.value", "people.standardize1.mu", "people.standardize1.sd", "people.fill2.value"] {
        assert!(text.contains(name), "{name} is stored with the model");
    }
    // Ages 22, 26 (the median of 22 and 30), 30; fares 1, 2, 3.
    let shown = numbers(&printed[0]);
    let sd = (32.0_f64 / 3.0).sqrt();
    let (fare_sd, near) = ((2.0_f64 / 3.0).sqrt(), |a: f64, b: f64| (a - b).abs() < 1e-4);
    assert!(near(shown[0], (90.0 - 26.0) / sd) && near(shown[1], (40.0 - 2.0) / fare_sd), "{shown:?}");
    assert_eq!(shown[2..4], [0.0, 1.0], "the empty kind is b, the most common of the training part");
}

#[test]
fn a_loaded_model_brings_its_fits() {
    let folder = folder(&[("people.csv", PEOPLE), ("new.csv", "age,fare,kind,name\n26,2,b,Eva\n,2,a,Max\n")]);
    let train = FITS.replace("\"m.safetensors\"", &format!("\"{}\"", folder.0.join("m.safetensors").display()));
    let predict = format!(
        "{}\ndata new = csv(\"new.csv\") as people\nload M from \"{}\"\nlet p = M(input) on new\n\
         print table(new.name, new.fare, p)\nprint input on new\n",
        FITS.split("train M").next().expect("the declarations"),
        folder.0.join("m.safetensors").display()
    );
    prints(&folder, &train);
    // The same columns, another training part: only the file knows the old fits.
    std::fs::write(folder.0.join("people.csv"), PEOPLE.replace("22", "52").replace("30", "70")).expect("a file");
    let printed = prints(&folder, &predict);
    assert!(printed[0].starts_with("new.name  new.fare"), "{printed:?}");
    assert!(printed[0].contains("\nEva  ") && printed[0].contains("\nMax  "), "{printed:?}");
    let shown = numbers(&printed[1]);
    assert_eq!(shown, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0], "26 and the filled gap are the old mean");
}

#[test]
fn cells_are_refused_where_they_are_used() {
    let folder = folder(&[
        ("people.csv", PEOPLE),
        ("odd.csv", "age,fare,kind\n20,1,a\n30,2,zebra\n"),
        ("words.csv", "age,fare,kind\n20,1,a\nold,2,b\n"),
        ("empty.csv", "age,fare,kind\n20,,a\n20,,b\n"),
    ]);
    let set = "data people = csv(\"people.csv\") { column old = age > 40; column a = age |> fill(0); split test = row >= 3 }\n";
    let told = fault(&folder, &format!("{set}print mean(age) on people.all\n"));
    assert!(told.contains("people.csv:3: column age: this cell is empty"), "{told}");
    assert!(told.contains("age |> fill(median)"), "{told}");
    let told = fault(&folder, &format!("{set}print one_hot(kind) on people.all\n"));
    assert!(told.contains("people.csv:5: column kind: this cell is empty"), "{told}");
    assert_eq!(
        prints(&folder, &format!("{set}print a, sum(f32(missing(age))) on people.all\n")),
        ["[22, 0, 30, 90, 41] 1"]
    );
    let like = |file: &str| format!("{set}data new = csv(\"{file}\") as people\nprint kind, fare, a on new\n");
    let told = fault(&folder, &like("odd.csv"));
    assert!(told.contains("odd.csv:3: column kind: \"zebra\" is not a known category"), "{told}");
    assert!(told.contains("known are a, b"), "{told}");
    let told = fault(&folder, &like("words.csv"));
    assert!(told.contains("words.csv:3: column age: \"old\" is not a number"), "{told}");
    let told = fault(&folder, &like("empty.csv"));
    assert!(told.contains("empty.csv:2: column fare: this cell is empty"), "{told}");
    let fill = "data d = csv(\"empty.csv\") { column f = fare |> fill(median) }\nprint f on d.all\n";
    let told = fault(&folder, fill);
    assert!(told.contains("d.fill1.value is not a number over the training part of d"), "{told}");
}

#[test]
fn rows_are_chosen_before_they_are_split() {
    let folder = folder(&[("people.csv", PEOPLE)]);
    let text = "
data people = csv(\"people.csv\") {
    keep_rows not missing(age)
    keep_rows fare < 50 or y == 1
    column old = age > 25
    split test = id == 4, train = 0.67, val = 0.33
}
print id on people.all
print len(id) on people.train
print id on people.test
print shape(age) on people.all
let whole = sum(age) on people.all
print whole
";
    assert_eq!(prints(&folder, text), ["[1, 3, 4, 5]", "2", "[4]", "[4]", "183"]);
    let told =
        fault(&folder, "data d = csv(\"people.csv\") { split train = row < 2, test = row > 2 }\nprint id on d.all\n");
    assert!(told.contains("1 rows of d are in no part"), "{told}");
    let told = fault(&folder, "data d = csv(\"people.csv\") { split test = row > 20 }\nprint id on d.all\n");
    assert!(told.contains("no row of d is in the part test"), "{told}");
}

#[test]
fn folds_cover_each_row_once_and_fit_for_themselves() {
    let folder = folder(&[]);
    let text = "
data d = table(x = 0..23, c = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], y = 0..23) {
    column z = x |> centred
    split train = 0.5, val = 0.2826, test = 0.2174, stratify = c
}
layer centred()(x: f32[N]) { fit mu = mean(x); x - mu }
print len(x) on d.test
for fold in folds(d, 4) {
    print x on fold.val
    print sum(c) on fold.val
    print mean(z), len(x) on fold.train
    print abs(mean(x - z) - mean(x)) < 0.001 on fold.train
}
let rest = sum(x) on d.test
print rest
";
    let printed = prints(&folder, text);
    let mut rows: Vec<f64> = Vec::new();
    for fold in printed[1..17].chunks(4) {
        let held_back = numbers(&fold[0]);
        assert!((4..=5).contains(&held_back.len()), "{held_back:?}");
        let ones: f64 = held_back.iter().filter(|&&row| row >= 13.0).count() as f64;
        assert_eq!(numbers(&fold[1]), [ones]);
        assert!((1.0..=3.0).contains(&ones), "each fold keeps the shares: {ones}");
        let train = numbers(&fold[2]);
        assert!(train[0].abs() < 1e-4, "the fold's own mean: {train:?}");
        assert_eq!(train[1] as usize + held_back.len(), 18);
        assert_eq!(fold[3], "true", "what was taken off is the mean of the fold's own training rows");
        rows.extend(held_back);
    }
    let rest = numbers(&printed[17])[0];
    rows.sort_by(f64::total_cmp);
    rows.dedup();
    assert_eq!(rows.len(), 18, "each row of train and val is held back once");
    assert_eq!(rows.iter().sum::<f64>() + rest, 253.0, "and no row of the test part");
}

#[test]
fn a_const_text_chooses_the_source() {
    let folder = folder(&[("people.csv", PEOPLE)]);
    let text = "const source = \"made\"
data d = if source == \"file\" { csv(\"people.csv\") } else { if source == \"made\" { table(fare = [7, 8]) } else { csv(\"none.csv\") } } {
    split train = 0.5, test = 0.5
}
print mean(fare) on d.all
";
    let run = |set: &[(&str, &str)]| {
        let set: Vec<(String, String)> =
            set.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        run_set(&program(&folder), text, &set, JIT).map(|ran| ran.prints)
    };
    assert_eq!(run(&[]).expect("the default"), ["7.5"]);
    assert_eq!(run(&[("source", "file")]).expect("the file"), ["19.2"]);
    let told = run(&[("source", "other")]).expect_err("there is no such file");
    assert!(told.contains("E0601"), "{told}");
}

#[test]
fn checking_a_program_reads_no_number_that_it_does_not_need() {
    // The gap is in a number, which only running finds; the category and the sizes are known before.
    let folder = folder(&[("people.csv", PEOPLE)]);
    let text =
        "data people = csv(\"people.csv\") { input [age, fare]; target kind }\nprint mean(input) on people.all\n";
    let (_, program, _) = check(&program(&folder), text).unwrap_or_else(|(_, shown)| panic!("{shown}"));
    let named: Vec<String> = program.data[0].named.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    assert_eq!(named, ["id: f32", "age: f32", "fare: f32", "kind: class(2)", "y: f32", "input: f32[2]"]);
    assert!(Path::new(&folder.0.join("people.csv")).exists());
}
