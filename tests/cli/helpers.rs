//! A folder of its own for each test, and the built program in it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The neuron of the course: L = (wx + b)².
pub const NEURON: &str = "\
let x = 3.0
param w = 2.0
param b = 1.0
let L = (w * x + b)^2
print L
print grad(L, w), grad(L, b)
";

/// A line through four points.
pub const LINE: &str = "\
## Plain descent
optimizer plain(lr = 0.1) {
    next w = w - lr * g
}
const rate = 0.1
data points = table(x = [0, 1, 2, 3], y = [1, 3, 5, 7])
param a = 0.0
param b = 0.0
train on points {
    minimize mean((a * x + b - y)^2) with plain(rate)
    epochs 200
}
print a, b
";

/// A folder that is removed in the end.
pub struct Folder(PathBuf);

/// What a run of the program left.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nnc-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// With a file.
    pub fn with(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn nnc(&self, arguments: &[&str]) -> Ran {
        self.nnc_with(arguments, &[])
    }

    pub fn nnc_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let output = self.command(arguments).envs(environment.iter().copied()).output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts, waits until a file is there, interrupts; the exit code.
    pub fn interrupt(&self, arguments: &[&str], until: &str) -> i32 {
        let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while !self.path(until).exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            assert!(started.elapsed() < Duration::from_secs(60), "it does not get there");
            std::thread::sleep(Duration::from_millis(10));
        }
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        child.wait().unwrap().code().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
        command.args(arguments);
        // Every run of the suites is verified after every pass.
        if arguments.first() == Some(&"run") {
            command.arg("--verify");
        }
        command.current_dir(&self.0).env_remove("NNC_DATA").env("NO_COLOR", "1");
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
