//! (room) runtime
