//! nnc, a compiler for neural networks: the guided tour.
//!
//! Data flows down this list and never back; each room imports only rooms above
//! it, plus `source`, `diag` and `ir`.
pub mod diag;
pub mod grad;
pub mod ir;
pub mod jit;
pub mod kernels;
pub mod loops;
pub mod opt;
pub mod runtime;
pub mod source;
pub mod syntax;
pub mod train;
