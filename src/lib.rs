//! nnc, a compiler for neural networks: the guided tour.
//!
//! Data flows down this list and never back; each room imports only rooms above
//! it, plus `source`, `diag` and `ir`.

// The generated parser names it: pest stands without `std`.
extern crate alloc;

pub mod source;

pub mod diag;

pub mod syntax;

pub mod ir;

pub mod prelude;

pub mod check;

pub mod grad;

pub mod opt;

pub mod lower;

pub mod kernels;

pub mod loops;

pub mod jit;

pub mod runtime;

pub mod train;

pub mod report;

pub mod driver;

pub mod cli;
