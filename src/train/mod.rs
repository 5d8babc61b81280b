//! Training: data sets, the loop, checkpoints, metrics.
//!
//! In: compiled programs and data sources. Out: trained parameters and figures.
pub mod data;
