//! A pool of threads for regions of some ten microseconds.
//!
//! In comes a number of chunks and a function of (chunk, thread); all chunks
//! have run when [`Pool::run`] returns. Chunks are claimed by a counter: the
//! caller works too, takes every chunk that no helper has begun, and waits only
//! for those begun; so a helper that the system does not run costs nothing.
//! Helpers spin for about 50 µs after their last chunk and then park. A region
//! allocates nothing.
//!
//! Note [Claiming]. `state` holds (region number, unclaimed chunks). A helper reads
//! the state, then the job, then claims by compare-exchange on the whole state.
//! The job is rewritten only while no chunk is unclaimed, and a region number does
//! not come back; so if the exchange succeeds, the job was this region's, and the
//! region cannot end before the claimed chunk is done. The number of chunks is
//! part of the job: compared with a counter that runs upwards, that of the next
//! region would seem to reopen the last one.

use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a helper looks for work before it parks.
const PATIENCE: Duration = Duration::from_micros(50);

/// Looks at the state between two looks at the clock.
const LOOKS: u32 = 64;

/// Looks at the number of chunks under way before the caller yields its core.
const CALLER_LOOKS: u32 = 4096;

/// A handle; clones share the threads, which end with the last handle.
#[derive(Clone, Debug)]
pub struct Pool {
    owner: Arc<Owner>,
}

/// What is done: a function of (chunk, thread); threads count from 0, the caller.
pub type Task<'a> = &'a (dyn Fn(usize, usize) + Sync + 'a);

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Region number and unclaimed chunks, 32 bits each; see Note [Claiming].
    state: Line<AtomicU64>,
    /// Chunks not yet done.
    pending: Line<AtomicUsize>,
    job: Line<Job>,
    parked: Vec<Line<AtomicBool>>,
    /// A region is under way.
    busy: AtomicBool,
    panicked: AtomicBool,
    stop: AtomicBool,
}

/// A task taken apart so that a late reader races with nothing; see Note [Claiming].
#[derive(Debug)]
struct Job {
    /// The two words of a [`Task`].
    task: [AtomicUsize; 2],
    chunks: AtomicUsize,
}

/// One cache line each, or helpers that spin would slow down the others' counters.
#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

impl Pool {
    /// A pool of `threads` including the caller; 0 means as many as the machine offers.
    pub fn new(threads: usize) -> Self {
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { available() } else { threads };
        let shared = Arc::new(Shared {
            state: Line(AtomicU64::new(0)),
            pending: Line(AtomicUsize::new(0)),
            job: Line(Job { task: [AtomicUsize::new(0), AtomicUsize::new(0)], chunks: AtomicUsize::new(0) }),
            parked: (1..threads).map(|_| Line(AtomicBool::new(false))).collect(),
            busy: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let helpers = (1..threads)
            .map(|thread| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("nnc-{thread}"))
                    .spawn(move || help(&shared, thread))
                    .expect("the system can start a thread")
            })
            .collect();
        Pool { owner: Arc::new(Owner { shared, helpers }) }
    }

    /// Threads including the caller.
    pub fn threads(&self) -> usize {
        self.owner.helpers.len() + 1
    }

    /// Runs `task(chunk, thread)` for every chunk in `0..chunks`, in any order, and returns when all are done.
    /// Within a region no two chunks run at the same time with the same `thread`. Inside another region of this
    /// pool, or beside one, all chunks run on the caller as thread 0.
    ///
    /// # Panics
    /// If a chunk panicked, after all others are done.
    pub fn run(&self, chunks: usize, task: Task<'_>) {
        let shared = &*self.owner.shared;
        assert!(u32::try_from(chunks).is_ok(), "a region has fewer than 2³² chunks");
        let alone = chunks < 2 || self.owner.helpers.is_empty();
        if alone || shared.busy.swap(true, Ordering::Acquire) {
            (0..chunks).for_each(|chunk| task(chunk, 0));
            return;
        }
        let region = shared.publish(chunks, task);
        for (helper, parked) in self.owner.helpers.iter().zip(&shared.parked).take(chunks - 1) {
            if parked.0.load(Ordering::SeqCst) {
                helper.thread().unpark();
            }
        }
        while let Some(left) = shared.claim(region) {
            shared.execute(task, chunks - left, 0);
        }
        shared.wait();
        let panicked = shared.panicked.swap(false, Ordering::Relaxed);
        shared.busy.store(false, Ordering::Release);
        assert!(!panicked, "a chunk of a parallel region panicked");
    }
}

impl Shared {
    /// Opens a region; its number.
    fn publish(&self, chunks: usize, task: Task<'_>) -> u32 {
        // SAFETY: a reference to a trait object is two words; only its lifetime is lost, and `run` returns after
        // the last use. It is put together again in `help`.
        let words: [usize; 2] = unsafe { std::mem::transmute(task) };
        self.job.0.task[0].store(words[0], Ordering::Relaxed);
        self.job.0.task[1].store(words[1], Ordering::Relaxed);
        self.job.0.chunks.store(chunks, Ordering::Relaxed);
        self.pending.0.store(chunks, Ordering::Relaxed);
        let region = ((self.state.0.load(Ordering::Relaxed) >> 32) as u32).wrapping_add(1);
        // Sequentially consistent with `parked`: either we see a helper parked, or it sees this region.
        self.state.0.store(u64::from(region) << 32 | chunks as u64, Ordering::SeqCst);
        region
    }

    /// Claims a chunk of the region if one is left; how many were, the claimed one included.
    fn claim(&self, region: u32) -> Option<usize> {
        let mut state = self.state.0.load(Ordering::Acquire);
        loop {
            let left = unclaimed(state);
            if (state >> 32) as u32 != region || left == 0 {
                return None;
            }
            match self.state.0.compare_exchange_weak(state, state - 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(left),
                Err(now) => state = now,
            }
        }
    }

    fn execute(&self, task: Task<'_>, chunk: usize, thread: usize) {
        if catch_unwind(AssertUnwindSafe(|| task(chunk, thread))).is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
        self.pending.0.fetch_sub(1, Ordering::Release);
    }

    /// Waits for the chunks that helpers have begun.
    fn wait(&self) {
        let mut looks = 0u32;
        while self.pending.0.load(Ordering::Acquire) != 0 {
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(CALLER_LOOKS) {
                std::thread::yield_now();
            } else {
                spin_loop();
            }
        }
    }
}

/// The life of a helper.
fn help(shared: &Shared, thread: usize) {
    let mut last_work = Instant::now();
    let mut looks = 0u32;
    while !shared.stop.load(Ordering::Acquire) {
        if work(shared, thread) {
            last_work = Instant::now();
            continue;
        }
        spin_loop();
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS) && last_work.elapsed() > PATIENCE {
            let parked = &shared.parked[thread - 1].0;
            parked.store(true, Ordering::SeqCst);
            if !has_work(shared) && !shared.stop.load(Ordering::SeqCst) {
                std::thread::park();
            }
            parked.store(false, Ordering::SeqCst);
            last_work = Instant::now();
        }
    }
}

fn has_work(shared: &Shared) -> bool {
    unclaimed(shared.state.0.load(Ordering::SeqCst)) > 0
}

fn unclaimed(state: u64) -> usize {
    (state & 0xffff_ffff) as usize
}

/// Does at most one chunk; whether there was one.
fn work(shared: &Shared, thread: usize) -> bool {
    let state = shared.state.0.load(Ordering::Acquire);
    if unclaimed(state) == 0 {
        return false;
    }
    let words = [0, 1].map(|word| shared.job.0.task[word].load(Ordering::Relaxed));
    let chunks = shared.job.0.chunks.load(Ordering::Relaxed);
    let Some(left) = shared.claim((state >> 32) as u32) else { return false };
    // SAFETY: the claim succeeded, so the words are those of a task that lives until this chunk is done; see
    // Note [Claiming].
    let task: Task<'_> = unsafe { std::mem::transmute(words) };
    shared.execute(task, chunks - left, thread);
    true
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // A helper catches the panics of its chunks, so it cannot have ended with one.
            let _ = helper.join();
        }
    }
}
