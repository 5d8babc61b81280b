//! (room) opt
