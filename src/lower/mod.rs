//! (room) lower
