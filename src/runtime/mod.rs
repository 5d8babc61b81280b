//! What exists while a program runs: threads, memory, and the step driver.
//!
//! In come a compiled program and its kernels' addresses; out go steps. The
//! invariant of the room: threads, scratch and placement never show in a
//! result, and a step allocates nothing. Raw pointers stay inside this room,
//! `jit` and `kernels`.

pub mod arena;
pub mod machine;
mod place;
pub mod pool;
pub mod store;

pub use arena::Arena;
pub use machine::{Machine, NonFinite};
pub use pool::Pool;
pub use store::{Store, StoreError};
