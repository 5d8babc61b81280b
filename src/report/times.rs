//! `--timings`: when what was done, from the start of the process.
//!
//! In: marks. Out: lines on stderr. Invariant: times come from one monotonic
//! clock that starts with `main`; what is not asked for costs nothing.

use std::time::{Duration, Instant};

/// More epochs than this are not listed one by one.
const MOST_LINES: usize = 64;

/// A clock and what it is told.
#[derive(Clone, Debug)]
pub struct Times {
    start: Instant,
    shown: bool,
    lines: usize,
}

impl Times {
    /// The clock that started at `start`; says something only if `shown`.
    pub fn new(start: Instant, shown: bool) -> Self {
        Times { start, shown, lines: 0 }
    }

    /// Seconds since the start.
    pub fn elapsed(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Something is done now.
    pub fn mark(&mut self, what: &str) {
        if self.is_due() {
            eprintln!("time {:>9.2} ms  {what}", self.elapsed() * 1e3);
        }
    }

    /// Something is done now and took this long.
    pub fn spent(&mut self, what: &str, taken: Duration) {
        if self.is_due() {
            eprintln!("time {:>9.2} ms  {what} ({:.2} ms)", self.elapsed() * 1e3, taken.as_secs_f64() * 1e3);
        }
    }

    fn is_due(&mut self) -> bool {
        self.lines += 1;
        self.shown && self.lines <= MOST_LINES
    }
}
