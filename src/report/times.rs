//! `--timings`: when what was done, from the start of the process.
//!
//! In: marks. Out: lines on stderr, or JSON events on stdout. Invariant: times
//! come from one monotonic clock that starts with `main`; what is not asked for
//! costs nothing.

use std::time::{Duration, Instant};

use super::{emit, json};

/// More epochs than this are not listed one by one.
const MOST_EPOCHS: usize = 64;

/// How times are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimesStyle {
    /// Not at all.
    Silent,
    /// A line each, on stderr.
    Lines,
    /// A JSON object each, on stdout.
    Json,
}

impl TimesStyle {
    /// For people, or for programs.
    pub fn of(json: bool) -> Self {
        if json { TimesStyle::Json } else { TimesStyle::Lines }
    }
}

/// A clock and what it is told.
#[derive(Clone, Debug)]
pub struct Times {
    start: Instant,
    style: TimesStyle,
    epochs: usize,
    last: Instant,
}

impl Times {
    /// The clock that started at `start`.
    pub fn new(start: Instant, style: TimesStyle) -> Self {
        Times { start, style, epochs: 0, last: start }
    }

    /// Seconds since the start.
    pub fn elapsed(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Something is done now.
    pub fn mark(&mut self, what: &str) {
        self.at(Instant::now(), what, None);
    }

    /// Something is done now and took this long.
    pub fn spent(&mut self, what: &str, taken: Duration) {
        self.at(Instant::now(), what, Some(taken));
    }

    /// An epoch is done now; it took the time since the mark before.
    pub fn epoch(&mut self, what: &str) {
        self.epochs += 1;
        let now = Instant::now();
        if self.epochs <= MOST_EPOCHS {
            self.at(now, what, Some(now - self.last));
        }
        self.last = now;
    }

    /// Something was done at `when`.
    pub fn at(&mut self, when: Instant, what: &str, taken: Option<Duration>) {
        let milliseconds = (when - self.start).as_secs_f64() * 1e3;
        let taken = taken.map(|taken| taken.as_secs_f64() * 1e3);
        match (self.style, taken) {
            (TimesStyle::Silent, _) => {}
            (TimesStyle::Json, taken) => emit(&json::time(what, milliseconds, taken)),
            (TimesStyle::Lines, Some(taken)) => eprintln!("time {milliseconds:>9.2} ms  {what} ({taken:.2} ms)"),
            (TimesStyle::Lines, None) => eprintln!("time {milliseconds:>9.2} ms  {what}"),
        }
        self.last = when;
    }
}
