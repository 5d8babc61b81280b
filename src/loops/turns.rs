//! The order in which runs are executed: turn by turn where they are repeated.
//!
//! In: a program. Out: each execution of a run with the turns of the loops
//! around it. Invariant: the same walk for every engine, so a loop means the
//! same everywhere; loops with no turns run nothing.

use super::ir::{Program, Turns};

impl Program {
    /// Visits every execution of a run, in order: its number, and the turns of the loops around, the outermost first.
    pub fn each_run(&self, visit: &mut dyn FnMut(usize, &[u64])) {
        self.walk(0..self.runs.len(), 0, &mut Vec::new(), visit);
    }

    /// Runs of a range, of which loops from number `next` on have not been entered.
    fn walk(
        &self,
        range: std::ops::Range<usize>,
        mut next: usize,
        turns: &mut Vec<u64>,
        visit: &mut dyn FnMut(usize, &[u64]),
    ) {
        let mut at = range.start;
        loop {
            match self.loops.get(next).copied().filter(|found| found.first == at && found.end <= range.end) {
                Some(found) => {
                    let inside = next + 1;
                    next = self.loops[inside..].partition_point(|inner| inner.first < found.end) + inside;
                    for turn in found.order() {
                        turns.push(turn);
                        self.walk(found.first..found.end, inside, turns, visit);
                        turns.pop();
                    }
                    at = found.end;
                }
                None if at < range.end => {
                    visit(at, turns);
                    at += 1;
                }
                None => return,
            }
        }
    }

    /// The loops around a run, the outermost first.
    pub fn around(&self, run: usize) -> impl Iterator<Item = (usize, &Turns)> {
        self.loops.iter().enumerate().filter(move |(_, found)| (found.first..found.end).contains(&run))
    }

    /// How often a run is executed in a step.
    pub fn times(&self, run: usize) -> u64 {
        self.around(run).map(|(_, found)| found.turns).product()
    }
}

impl Turns {
    /// Its runs.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.first..self.end
    }

    /// The turns in the order they are taken.
    pub fn order(&self) -> impl Iterator<Item = u64> {
        let (turns, reverse) = (self.turns, self.reverse);
        (0..turns).map(move |turn| if reverse { turns - 1 - turn } else { turn })
    }
}
