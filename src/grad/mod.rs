//! (room) grad
