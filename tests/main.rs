//! All integration suites, one binary.
#![allow(clippy::unwrap_used)] // Suites may panic.
mod cli;
mod counting;
mod data;
mod diag;
mod docs;
mod errors;
mod examples;
mod fuse;
mod golden;
mod grad;
mod hostile;
mod house;
mod ir;
mod jit;
mod jit_ops;
mod kernels;
mod loops;
mod loops_text;
mod lower;
mod math;
mod opt;
mod programs;
mod session;
mod steps;
mod sweeps;
mod syntax;
