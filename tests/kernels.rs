//! Suite: kernels. Wide kernels against scalar references, bits equal, and the run time around them.

mod conv;
mod fill;
mod gemm;
mod guarded;
mod machine;
mod pool;
mod sort;
mod store;
mod transpose;
