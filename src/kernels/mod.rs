//! Precompiled wide kernels, and the calling convention of all machine code.
pub mod abi;
