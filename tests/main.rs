//! All integration suites, one binary.
mod cli;
mod data;
mod diag;
mod fuse;
mod grad;
mod hostile;
mod house;
mod ir;
mod jit;
mod kernels;
mod loops;
mod lower;
mod math;
mod opt;
mod session;
mod syntax;
