//! Names, shapes, types: syntax trees to the typed [`typed::Program`], with
//! all independent errors of a file collected.
pub mod dims;
pub mod typed;
