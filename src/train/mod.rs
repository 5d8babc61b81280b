//! Training: the session that runs a program, the loop, figures, files.
//!
//! In: typed programs and data sources. Out: printed values, trained parameters
//! and figures. What runs is compiled by an [`engine`]; what is told goes to a
//! [`Report`]. Invariant: results depend on program, data and seed alone, never
//! on time or threads.
pub mod data;

pub mod session;

mod training;

mod epoch_end;

mod phase;

pub mod evaluate;

pub mod columns;

pub mod engine;

pub mod files;

mod pace;

pub mod report;

pub mod show;

mod tables;

mod value;

pub use report::{
    EpochRecord, Fault, FaultKind, Outcome, Progress, Report, RunOptions, TrainStart, TrainSummary, Work,
};
pub use session::run;
pub use value::{Value, number};
