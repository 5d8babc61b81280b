//! Looking at the clock only now and then.
//!
//! In: one tick a step. Out: about ten times a second the seconds since the last
//! time. Steps may take half a microsecond, so most ticks only count down; how
//! many depends on time, hence must never show in results.

use std::time::{Duration, Instant};

const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
const BETWEEN_TELLS: Duration = Duration::from_millis(100);

/// Counts ticks.
#[derive(Debug)]
pub struct Pace {
    left: u32,
    stride: u32,
    looked: Instant,
    told: Instant,
}

impl Pace {
    /// From now on.
    pub fn new() -> Self {
        let now = Instant::now();
        Pace { left: 1, stride: 1, looked: now, told: now }
    }

    /// One more step; seconds since progress was told last, if it is time again.
    #[inline]
    pub fn tick(&mut self) -> Option<f64> {
        self.left -= 1;
        if self.left > 0 { None } else { self.look() }
    }

    #[cold]
    fn look(&mut self) -> Option<f64> {
        let now = Instant::now();
        let passed = now - self.looked;
        if passed < BETWEEN_LOOKS / 2 {
            self.stride = self.stride.saturating_mul(2);
        } else if passed > BETWEEN_LOOKS * 2 {
            self.stride = (self.stride / 2).max(1);
        }
        (self.left, self.looked) = (self.stride, now);
        let since = now - self.told;
        if since < BETWEEN_TELLS {
            return None;
        }
        self.told = now;
        Some(since.as_secs_f64())
    }
}

impl Default for Pace {
    fn default() -> Self {
        Pace::new()
    }
}
