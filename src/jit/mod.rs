//! (room) jit
