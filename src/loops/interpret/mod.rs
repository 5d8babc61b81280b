//! The loops interpreter: programs and kernels executed word by word.
pub mod block;
mod philox;
pub mod scalar;
