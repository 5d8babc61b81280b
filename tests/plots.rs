//! Pictures: every kind of mark is drawn, the same bytes each time, in both formats.

use nnc::driver::{self, Failure, Settings};
use nnc::report::{Reporter, Style, Times};
use nnc::train::{self, RunOptions};
use std::path::{Path, PathBuf};

const PROGRAM: &str = r#"
seed 1
data points = moons(n = 120, noise = 0.15) { split train = 0.7, val = 0.3 }
model Net(x: f32[B, 2]) -> f32[B, 2] { x |> dense(8) |> tanh |> dense(2) }
train Net on points as log {
    minimize cross_entropy(Net(x), label) with adam(0.05)
    epochs 10; batch 32
    every 5 epochs { plot boundary(Net, x, label) on points.val as "epoch{run.epoch}.svg" }
}
fn f(x, y) = x^2 + 10 * y^2
for lr in [0.02, 0.04], s in 0..3 {
    seed s
    param u = -4.0, v = 1.5 + 0.1 * s
    train { minimize f(u, v) with sgd(lr); steps 5; record name = "sgd", u, v into paths }
    record lr, height = f(u, v) into runs
}
plot line(log.epoch, log.loss, log.val_loss, title = "Навчання", log = "y") as "line.FORMAT"
plot scatter(x, by = label) on points.all as "scatter.FORMAT"
plot contours(f, x = [-5, 5], y = [-2, 2]), line(paths.u, paths.v, by = paths.name) as "contours.FORMAT"
plot boundary(Net, x, label) on points.all as "boundary.FORMAT"
plot confusion(Net(x), label) on points.val as "confusion.FORMAT"
plot roc(Net(x), label), pr(Net(x), label) on points.val as "rates.FORMAT"
plot image_grid(uniform[6, 8, 8], columns = 3) as "images.FORMAT"
plot bars([0.5, 1.5, -0.25], names = ["one", "two", "three"]) as "bars.FORMAT"
plot histogram(normal[200], uniform[200]) as "histogram.FORMAT"
plot box(runs.lr, runs.height, theme = "dark") as "box.FORMAT"
plot line(log.epoch, log.loss, log.val_loss, names = ["seen", "unseen"]), vline(2.5, names = "here"), hline(0.5, 0.25,
    names = ["half", "quarter"]), scatter([3.0], [0.5], names = "a point") as "named.FORMAT"
plot contours(f, x = [-5, 5], y = [-2, 2], levels = [7, 11.5]) as "levels.FORMAT"
fn side(x: f32[N, 2]) = x[:, 0] - x[:, 1]
plot boundary(side, x, label, levels = [-1, 1]) on points.all as "margin.FORMAT"
plot bars([1.0, 2.0], [3.0, 4.0], names = ["left", "right"], groups = ["first run", "second run"]) as "groups.FORMAT"
plot histogram(normal[50], uniform[50], names = ["bell", "box"]), roc(Net(x), label, names = "the net") on points.val
    as "several.FORMAT"
plot image_grid(uniform[2, 4, 4], names = ["one image", "another"], x_label = "below", y_label = "beside") as "captions.FORMAT"
plot line(log.loss)
print group(runs, by = ["lr"])
"#;

/// Each picture with what is written in it.
const NAMES: [(&str, &[&str]); 16] = [
    ("line", &["Навчання"]),
    ("scatter", &[]),
    ("contours", &[]),
    ("boundary", &[]),
    ("confusion", &["predicted", " right, "]),
    ("rates", &["AUC ", "AP "]),
    ("images", &[]),
    ("bars", &["three"]),
    ("histogram", &["count"]),
    ("box", &[]),
    ("named", &["seen", "unseen", "here", "half", "quarter", "a point"]),
    ("levels", &[">7<", ">11.5<"]),
    ("margin", &["stroke-dasharray"]),
    ("groups", &["left", "right", "first run", "second run"]),
    ("several", &["bell", "box", "the net, AUC"]),
    ("captions", &["one image", "another", "below", "beside"]),
];

fn draw(folder: &Path, format: &str) -> PathBuf {
    let out = folder.join(format);
    std::fs::create_dir_all(&out).unwrap();
    let file = out.join("program.nn");
    std::fs::write(&file, PROGRAM.replace("FORMAT", format)).unwrap();
    let front = match driver::front(&file, &Settings::default()) {
        Ok(front) => front,
        Err(Failure::Io(reason)) => panic!("{reason}"),
        Err(Failure::Wrong { diagnostics, .. }) => panic!("{diagnostics:#?}"),
    };
    let options = RunOptions { out: out.clone(), verify: true, ..RunOptions::default() };
    let mut reporter = Reporter::new(
        Style::Quiet,
        out.clone(),
        Times::new(std::time::Instant::now(), nnc::report::TimesStyle::Silent),
    );
    let outcome = train::run(&front.program, &options, &mut reporter).unwrap();
    assert!(outcome.written.iter().any(|path| path.ends_with(format!("line.{format}"))), "{:?}", outcome.written);
    out
}

#[test]
fn every_kind_is_drawn_alike_each_time() {
    let folder = std::env::temp_dir().join(format!("nnc-plots-{}", std::process::id()));
    for format in ["svg", "png"] {
        let (first, second) = (draw(&folder.join("a"), format), draw(&folder.join("b"), format));
        for (name, texts) in NAMES {
            let read = |out: &Path| std::fs::read(out.join(format!("{name}.{format}"))).unwrap();
            let bytes = read(&first);
            assert!(bytes == read(&second), "{name}.{format} differs");
            match format {
                "png" => assert_eq!(&bytes[..4], b"\x89PNG"),
                _ => svg_is_sound(name, texts, &String::from_utf8(bytes).unwrap()),
            }
        }
        assert!(first.join("plot1.svg").exists(), "a plot without a name has a file");
        assert!(first.join("epoch4.svg").exists() && first.join("epoch9.svg").exists());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn svg_is_sound(name: &str, texts: &[&str], text: &str) {
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{name}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{name}");
    assert_eq!(text.contains("prefers-color-scheme"), name != "box", "{name}");
    for wanted in texts {
        assert!(text.contains(wanted), "{name} lacks {wanted}");
    }
}
