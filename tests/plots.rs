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
plot line(log.loss)
print group(runs, by = ["lr"])
"#;

const NAMES: [&str; 10] =
    ["line", "scatter", "contours", "boundary", "confusion", "rates", "images", "bars", "histogram", "box"];

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
        for name in NAMES {
            let read = |out: &Path| std::fs::read(out.join(format!("{name}.{format}"))).unwrap();
            let bytes = read(&first);
            assert!(bytes == read(&second), "{name}.{format} differs");
            match format {
                "png" => assert_eq!(&bytes[..4], b"\x89PNG"),
                _ => svg_is_sound(name, &String::from_utf8(bytes).unwrap()),
            }
        }
        assert!(first.join("plot1.svg").exists(), "a plot without a name has a file");
        assert!(first.join("epoch4.svg").exists() && first.join("epoch9.svg").exists());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn svg_is_sound(name: &str, text: &str) {
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{name}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{name}");
    assert_eq!(text.contains("prefers-color-scheme"), name != "box", "{name}");
    let wanted = match name {
        "line" => "Навчання",
        "rates" => "AUC ",
        "confusion" => "predicted",
        "bars" => "three",
        _ => "<svg",
    };
    assert!(text.contains(wanted), "{name} lacks {wanted}");
}
