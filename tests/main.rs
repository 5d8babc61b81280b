//! All integration suites, one binary.
mod data;
mod diag;
mod fuse;
mod grad;
mod hostile;
mod ir;
mod jit;
mod kernels;
mod loops;
mod lower;
mod math;
mod opt;
mod session;
mod syntax;
